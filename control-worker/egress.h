/*
 * Whom we may talk to. The parent's packet filter stops all that goes to
 * anybody else, so the parent is told first: at the start of the portal's port
 * and the resolvers, and of other resolvers with each new resolv.conf. That is
 * used once the filter is open for it.
 */
#ifndef CONTROL_WORKER_EGRESS_H
#define CONTROL_WORKER_EGRESS_H

#include <stddef.h>
#include <stdint.h>

struct worker;

/* A resolv.conf has come; takes the text over. */
void egress_resolv_conf(struct worker *, char *text, size_t len);
/* Before READY: tells, and waits for the answer. */
void egress_start(struct worker *, uint16_t portal_port);
/* EGRESS_OPEN has come. */
void egress_is_open(struct worker *);

#endif /* CONTROL_WORKER_EGRESS_H */

/*
 * Whom we may talk to. The parent's packet filter stops all that goes to
 * anybody else, so the parent is told first: at the start of the portal's port
 * and the resolvers, and of other resolvers with each new resolv.conf. That is
 * used once the filter is open for it. Hosts on the Internet are open by port;
 * others it has to be told of.
 */
#ifndef CONTROL_WORKER_EGRESS_H
#define CONTROL_WORKER_EGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "control-worker/dns/resolv_conf.h"

struct egress_host {
	void *ctx;
	/* To the parent, which answers the first two by EGRESS_OPEN. */
	void (*egress)(void *ctx, const struct ipc_egress *);
	void (*resolvers)(void *ctx, const struct ipc_resolvers *);
	void (*private_hosts)(void *ctx, const struct ipc_private_hosts *);
	/* A resolv.conf that the filter is open for: as text, and parsed. */
	void (*use)(void *ctx, const char *text, size_t len,
	    const struct resolv_conf *);
};

struct egress {
	struct egress_host host;
	char *text; /* of the last resolv.conf, until it is used */
	size_t len;
	unsigned awaited; /* answers of the parent */
};

/*
 * A resolv.conf has come; takes the text over. The parent has to be asked for
 * it when it comes after READY; before, egress_start() does.
 */
void egress_resolv_conf(
    struct egress *, char *text, size_t len, bool after_ready);
/* Before READY; egress_is_open() has to be called before it is said. */
void egress_start(struct egress *, uint16_t portal_port);
/* Whether an answer of the parent has still to come. */
bool egress_is_awaited(const struct egress *);
/*
 * We are about to connect to these, the portal or who takes the flow logs: what
 * is not on the Internet is told. See net/dial.h.
 */
void egress_announce(
    void *egress, const struct ip_address *addresses, size_t count);
/* EGRESS_OPEN has come. */
void egress_is_open(struct egress *);

#endif /* CONTROL_WORKER_EGRESS_H */

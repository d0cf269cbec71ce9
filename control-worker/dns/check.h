/*
 * Asks every server of resolv.conf the same question at the same time, and
 * waits for each: what stands behind struct dns_checker, which see.
 */
#ifndef CONTROL_WORKER_DNS_CHECK_H
#define CONTROL_WORKER_DNS_CHECK_H

#include "control-worker/dns/resolver.h"
#include "control-worker/net/dns_check.h"

struct dns_check *dns_check_start(
    struct resolver *, const char *name, dns_check_done, void *ctx);
void dns_check_cancel(struct dns_check *);

#endif /* CONTROL_WORKER_DNS_CHECK_H */

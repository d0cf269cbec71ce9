/*
 * Probes the servers of resolv.conf in rounds, so that one can be chosen:
 * nameservers.h with a loop and sockets.
 */
#ifndef CONTROL_WORKER_DNS_PROBE_H
#define CONTROL_WORKER_DNS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include "control-worker/dns/resolv_conf.h"

struct prober;

struct prober *prober_new(uv_loop_t *); /* NULL without memory */
void prober_free(struct prober *);      /* NULL is fine */
/* At the start and with each new resolv.conf: probes at once. */
void prober_set_servers(struct prober *, const struct resolv_conf *);
/* The servers for a query, the best one first; 0: there are none. */
size_t prober_order(const struct prober *, bool tcp,
    struct endpoint to[RESOLV_SERVERS]);
/* One has answered a query before those that were asked before it. */
void prober_overtaken(struct prober *, bool tcp, const struct endpoint *by);

#endif /* CONTROL_WORKER_DNS_PROBE_H */

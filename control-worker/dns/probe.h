/*
 * Probes the servers of resolv.conf in rounds, so that one can be chosen:
 * nameservers.h with a loop and sockets.
 */
#ifndef CONTROL_WORKER_DNS_PROBE_H
#define CONTROL_WORKER_DNS_PROBE_H

#include <stdbool.h>

#include <uv.h>

#include "control-worker/dns/resolv_conf.h"

struct prober;

struct prober *prober_new(uv_loop_t *); /* NULL without memory */
void prober_free(struct prober *);      /* NULL is fine */
/* At the start and with each new resolv.conf: probes at once. */
void prober_set_servers(struct prober *, const struct resolv_conf *);
/* The server for a query; NULL: none is alive. */
const struct endpoint *prober_choose(const struct prober *, bool tcp);

#endif /* CONTROL_WORKER_DNS_PROBE_H */

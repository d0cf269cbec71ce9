/*
 * A name's addresses: the hosts file, then the servers of resolv.conf, A and
 * AAAA at the same time. firezone-policy(7), Resolution; firezone-portal(7),
 * Resolution and dialing.
 */
#ifndef CONTROL_WORKER_DNS_RESOLVER_H
#define CONTROL_WORKER_DNS_RESOLVER_H

#include <stddef.h>

#include <uv.h>

#include "control-worker/dns/resolv_conf.h"
#include "control-worker/net/lookup.h"

#define LOOKUP_TIMEOUT_MS 10000

struct resolver;

struct resolver *resolver_new(uv_loop_t *);
void resolver_free(struct resolver *); /* no lookup may be under way */
/* The files, at start and whenever they change. */
void resolver_set_resolv_conf(struct resolver *, const char *text, size_t len);
void resolver_set_hosts(struct resolver *, const char *text, size_t len);

/* As it is now; the resolver's. */
const struct resolv_conf *resolver_conf(const struct resolver *);
uv_loop_t *resolver_loop(const struct resolver *);

/* See net/lookup.h. */
struct lookup *resolver_lookup(
    struct resolver *, const char *name, lookup_done, void *ctx);
/* The same, but what was found lately will do. */
struct lookup *resolver_lookup_cached(
    struct resolver *, const char *name, lookup_done, void *ctx);
void lookup_cancel(struct lookup *);

#endif /* CONTROL_WORKER_DNS_RESOLVER_H */

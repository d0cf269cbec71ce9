/*
 * A path: our end, the peer's, and what lies between them when it leads over a
 * relay of ours. ICE chooses paths by their ends; the engine finds out which
 * channel carries one; the shard sends on it.
 */
#ifndef NET_WORKER_CORE_PATH_H
#define NET_WORKER_CORE_PATH_H

#include "common/address.h"

struct path {
	struct endpoint local;  /* our socket's, or allocated on the relay */
	struct endpoint remote; /* the peer's; IP_NONE: there is no path */
	bool relayed;           /* local is an allocated address */
	struct endpoint relay;  /* its server; what follows: relayed only */
	uint16_t channel;       /* to remote; 0: none is bound */
};

/* Whether a datagram can be sent on it now. */
static inline bool
path_is_usable(const struct path *p)
{
	return p->relayed ? p->channel != 0 : p->remote.ip.family != IP_NONE;
}

/* Where our datagrams go first. */
static inline const struct endpoint *
path_next_hop(const struct path *p)
{
	return p->relayed ? &p->relay : &p->remote;
}

/* What they leave from; IP_NONE: the kernel chooses, as to any relay. */
static inline const struct ip_address *
path_source(const struct path *p)
{
	static const struct ip_address any;

	return p->relayed ? &any : &p->local.ip;
}

/* Whether the ends are the same. */
static inline bool
path_has_ends_of(const struct path *a, const struct path *b)
{
	return endpoint_equal(&a->local, &b->local) &&
	    endpoint_equal(&a->remote, &b->remote) && a->relayed == b->relayed;
}

#endif /* NET_WORKER_CORE_PATH_H */

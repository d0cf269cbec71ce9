/*
 * How the addresses behind a name are asked for: the parts that need them know
 * this, and whoever puts the process together gives them dns/resolver.h.
 */
#ifndef CONTROL_WORKER_NET_LOOKUP_H
#define CONTROL_WORKER_NET_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"

struct lookup;

/* What was found, without duplicates; complete is false after the time limit.
 */
struct lookup_result {
	struct ip_address addresses[LOOKUP_ADDRESSES_MAX];
	size_t count;
	bool complete;
};

typedef void (*lookup_done)(void *ctx, const struct lookup_result *);

struct lookups {
	void *resolver;
	/*
	 * NULL without memory. The callback comes from the loop, never before
	 * this returns.
	 */
	struct lookup *(*start)(
	    void *resolver, const char *name, lookup_done, void *ctx);
	void (*cancel)(struct lookup *); /* no callback any more */
};

#endif /* CONTROL_WORKER_NET_LOOKUP_H */

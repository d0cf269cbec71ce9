/*
 * Whether each server of resolv.conf answers, and how fast. This is how to ask
 * for it, as net/lookup.h is for names; whoever puts the process together has
 * dns/check.h answer.
 */
#ifndef CONTROL_WORKER_NET_DNS_CHECK_H
#define CONTROL_WORKER_NET_DNS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"

/* A round ends by then. */
#define DNS_CHECK_TIMEOUT_MS 2000

enum dns_check_outcome {
	DNS_CHECK_SILENT,   /* nothing came in time, or nobody is there */
	DNS_CHECK_FAILED,   /* it is there, but would or could not say */
	DNS_CHECK_ANSWERED, /* whatever it said of the name */
};

struct dns_checked {
	struct endpoint server;
	enum dns_check_outcome outcome;
	uint64_t took_us; /* not for SILENT */
};

struct dns_check_result {
	struct dns_checked of[RESOLVERS_MAX];
	size_t count;
};

/* Whether no server is there. */
static inline bool
dns_check_is_silent(const struct dns_check_result *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->of[i].outcome != DNS_CHECK_SILENT)
			return false;
	return true;
}

struct dns_check; /* one round */

typedef void (*dns_check_done)(void *ctx, const struct dns_check_result *);

struct dns_checker {
	void *resolver;
	/*
	 * All servers are asked for the name at once. NULL without memory. The
	 * callback comes from the loop, never before this returns.
	 */
	struct dns_check *(*start)(
	    void *resolver, const char *name, dns_check_done, void *ctx);
	void (*cancel)(struct dns_check *); /* no callback any more */
};

#endif /* CONTROL_WORKER_NET_DNS_CHECK_H */

/*
 * Servers of the site that somebody looks after, and what is withdrawn while
 * they do not answer: a resource stands and falls with those that lie in its
 * network, all of which have to be silent. One that has none is never
 * withdrawn.
 */
#ifndef NET_WORKER_CORE_POLICY_PROBED_H
#define NET_WORKER_CORE_POLICY_PROBED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"

/* All zero: there are none. One that is in both, by two ports, answers. */
struct probed {
	struct ip_address answering[PROBES_MAX], silent[PROBES_MAX];
	size_t answering_count, silent_count;
};

bool probed_withdraws(const struct probed *, const struct ip_prefix *);
/* Of a host alone, such as one that a name stands for; IP_NONE: none. */
bool probed_withdraws_host(const struct probed *, const struct ip_address *);

#endif /* NET_WORKER_CORE_POLICY_PROBED_H */

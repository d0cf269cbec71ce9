/*
 * Servers of the site that control-worker probes, and which resources are
 * withdrawn while they are silent: those with servers in their network, if all
 * of these are silent. A resource without any is never withdrawn.
 */
#ifndef NET_WORKER_CORE_POLICY_PROBED_H
#define NET_WORKER_CORE_POLICY_PROBED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"

/*
 * All zero: there are none. An address that is in both, since it is probed at
 * two ports, answers.
 */
struct probed {
	struct ip_address answering[PROBES_MAX], silent[PROBES_MAX];
	size_t answering_count, silent_count;
};

bool probed_withdraws(const struct probed *, const struct ip_prefix *);
/* The same for one address, such as that of a name. IP_NONE: false. */
bool probed_withdraws_host(const struct probed *, const struct ip_address *);

#endif /* NET_WORKER_CORE_POLICY_PROBED_H */

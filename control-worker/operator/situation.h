/*
 * What control-worker knows of the whole daemon at this moment: the ground for
 * readiness, metrics and status. Plain data; whoever learns something writes it
 * here.
 */
#ifndef CONTROL_WORKER_OPERATOR_SITUATION_H
#define CONTROL_WORKER_OPERATOR_SITUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/counters.h"
#include "common/ipc.h"
#include "common/overlap.h"
#include "control-worker/net/portal_clock.h"

struct situation {
	const char *url; /* of the portal */
	bool online;
	unsigned generation; /* of the protocol, while it is online */
	uint64_t since; /* unix seconds: it is online, or not, so long */

	/* Messages of the portal that were not acted upon, and why. */
	uint64_t portal_wrong, portal_unknown, portal_foreign;

	struct portal_clock clock;

	/* The addresses that the portal gave, and whether they are in place. */
	struct ip_address v4, v6;
	bool has_v4, has_v6;

	/* What is wrong with the host's network set-up; empty: nothing. */
	struct ipc_network_trouble trouble;

	struct overlaps overlaps;

	struct ipc_process_status process[3]; /* by enum ipc_process */
	const struct counter_page *counters;  /* NULL: none */
	/* What the DNS server had no room for; NULL: there is none. */
	const uint64_t *dns_queries_refused, *dns_connections_refused;
	/* Names that nobody will ask for again; NULL: there are none. */
	const uint64_t *names_left_out;
};

/*
 * NULL when clients can be served: the portal is there, the tunnel is set up,
 * nothing is wrong with the host's network and a relay has given us an allocation. Else what is missing, in a few words.
 */
const char *situation_lacks(const struct situation *);

#endif /* CONTROL_WORKER_OPERATOR_SITUATION_H */

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
#include "control-worker/net/dns_outcome.h"
#include "control-worker/net/flow_figures.h"
#include "control-worker/net/portal_attempt.h"
#include "control-worker/net/portal_clock.h"
#include "control-worker/net/probe_result.h"

struct traffic;

struct situation {
	const char *url; /* of the portal */
	bool online;
	unsigned generation; /* of the protocol, while it is online */
	uint64_t since; /* unix seconds: it is online, or not, so long */
	uint64_t connected; /* so often, since this process began */

	/* Messages of the portal that were not acted upon, and why. */
	uint64_t portal_wrong, portal_unknown, portal_foreign;

	const struct portal_attempt
	    *attempt; /* at a connection to the portal */
	struct portal_clock clock;

	/* The addresses that the portal gave, and whether they are in place. */
	struct ip_address v4, v6;
	bool has_v4, has_v6;

	/* What is wrong with the host's network set-up; empty: nothing. */
	struct ipc_network_trouble trouble;

	struct overlaps overlaps;

	struct probe_results probes;
	bool probes_needed; /* not ready while one is silent */
	bool withdraws;     /* net-worker knows which are: PROBED */

	bool draining;          /* no new clients */
	uint64_t drain_ends_at; /* unix seconds, at the latest */

	struct ipc_process_status process[3]; /* by enum ipc_process */
	struct ipc_process_usage usage[3];    /* likewise */
	const struct counter_page *counters;  /* NULL: none */
	struct traffic *traffic; /* of whom; NULL: that is not shown */
	/* What the DNS server had no room for; NULL: there is none. */
	const uint64_t *dns_queries_refused, *dns_connections_refused;
	const uint64_t *dns_outcomes; /* by enum dns_outcome; likewise */
	struct flow_figures flows;    /* of the flow logs, each second */
	/* Names that nobody will ask for again; NULL: there are none. */
	const uint64_t *names_left_out;
};

/*
 * Whether what the server alone stands for is withdrawn: it is silent, as is
 * every other port of it that is probed.
 */
bool situation_withdraws(const struct situation *, const struct probe_result *);

/* Clients that are connected. */
uint64_t situation_connections(const struct situation *);

/*
 * NULL when clients can be served: net-worker runs and answers, nobody has told
 * us to drain, the portal is there, the tunnel is set up, nothing is wrong with
 * the host's network, a relay has given us an allocation and the servers that
 * are needed answer. Else what is missing, in a few words.
 */
const char *situation_lacks(const struct situation *);

#endif /* CONTROL_WORKER_OPERATOR_SITUATION_H */

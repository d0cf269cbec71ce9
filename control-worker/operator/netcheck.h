/*
 * What the network allows this gateway, judged by what is known already and by
 * a few checks that are made now: the name of the portal is looked up, each
 * server of resolv.conf is asked a question, and the kernel is asked for its
 * routes. Nobody else is talked to.
 */
#ifndef CONTROL_WORKER_OPERATOR_NETCHECK_H
#define CONTROL_WORKER_OPERATOR_NETCHECK_H

#include "control-worker/net/dns_check.h"
#include "control-worker/net/lookup.h"
#include "control-worker/net/route.h"
#include "control-worker/operator/finding.h"
#include "control-worker/operator/situation.h"

#define NETCHECK_RELAYS_MAX 32 /* the first of them */

struct netcheck_config {
	const char *host; /* of the portal: a name, or NULL where it has none */
	struct lookups lookups;
	struct dns_checker dns;
};

/* All that a judgement rests on: plain data. */
struct netcheck_facts {
	const struct situation *situation;
	uint64_t now;     /* unix seconds */
	const char *host; /* as above */
	struct lookup_result name;
	struct dns_check_result dns;
	bool relays_known;
	struct ipc_query_relay relay[NETCHECK_RELAYS_MAX];
	size_t relay_count;
	/* By IPv4 and IPv6: to the relays, and to the Internet at all. */
	struct route relay_route[NETCHECK_RELAYS_MAX][2], out[2];
};

struct netcheck;

typedef void (*netcheck_done)(void *ctx);

/*
 * Begins the checks; done is called from the loop when they have ended. NULL
 * without memory.
 */
struct netcheck *netcheck_start(const struct netcheck_config *,
    const struct situation *, netcheck_done, void *ctx);
void netcheck_free(struct netcheck *); /* at any time; NULL is fine */

/* A relay of net-worker's, for each; and that there are no more. */
void netcheck_relay(struct netcheck *, const struct ipc_query_relay *);
void netcheck_relays_end(struct netcheck *);

/* False when something is found wrong. now: unix seconds */
bool netcheck_write(
    struct netcheck *, struct text *, enum ctl_form, uint64_t now);

/* netcheck_portal.c, netcheck_paths.c: what follows from the facts. */
void netcheck_judge_portal(const struct netcheck_facts *, struct findings *);
void netcheck_judge_paths(const struct netcheck_facts *, struct findings *);

#endif /* CONTROL_WORKER_OPERATOR_NETCHECK_H */

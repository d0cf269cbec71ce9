/*
 * Which of the servers of resolv.conf the queries of the tunnel go to: the one
 * that answered first in the latest round of probes, for each transport on its
 * own. A server that answers is alive, whatever it says: that of a closed
 * network need not know the name that we ask for. firezone-policy(7), Choice of
 * resolver.
 *
 * Sans-IO: it is told of the time and of answers, and says whom to probe.
 */
#ifndef CONTROL_WORKER_DNS_NAMESERVERS_H
#define CONTROL_WORKER_DNS_NAMESERVERS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/time.h"
#include "control-worker/dns/resolv_conf.h"

#define NAMESERVERS_ROUND_MS 60000
/*
 * The next round after one in which nobody has answered over one transport;
 * twice as long after each further one, up to NAMESERVERS_ROUND_MS.
 */
#define NAMESERVERS_AGAIN_MS 1000
#define NAMESERVERS_PROBE_MS 2000
#define NAMESERVERS_PROBE    "firezone.dev"

#define NAMESERVERS_NOBODY  (-1) /* is alive */
#define NAMESERVERS_UNKNOWN (-2) /* yet */

struct nameservers {
	struct endpoint servers[RESOLV_SERVERS];
	size_t count;
	struct mono next; /* round */
	int64_t again_ms; /* before it, should this one find nobody */
	/* By whether it is TCP: */
	bool answered[2]; /* in this round */
	int chosen[2];    /* NAMESERVERS_NOBODY, NAMESERVERS_UNKNOWN */
};

void nameservers_init(struct nameservers *);
/* Other servers: the first round is due, and one that goes on is forgotten. */
void nameservers_set(
    struct nameservers *, const struct resolv_conf *, struct mono now);

/*
 * When a round is due, begins it: every server is to be probed over both
 * transports at once. False when none is due.
 */
bool nameservers_begin(struct nameservers *, struct mono now);
/* True when that changes the choice. */
bool nameservers_answered(struct nameservers *, size_t server, bool tcp);
/*
 * No answer of the round can come any more. True when that changes the choice.
 */
bool nameservers_end(struct nameservers *, struct mono now);

/* NULL: there is none. */
const struct endpoint *nameservers_choose(const struct nameservers *, bool tcp);
/*
 * The chosen one, and the others behind it. Where nobody is alive, all as they
 * are in resolv.conf: what has kept them from answering the probes may be over.
 * 0: there are none at all.
 */
size_t nameservers_order(const struct nameservers *, bool tcp,
    struct endpoint to[RESOLV_SERVERS]);
/*
 * One has answered a query that those before it had not: it is chosen up to the
 * next round. True when that changes the choice.
 */
bool nameservers_overtaken(
    struct nameservers *, bool tcp, const struct endpoint *by);

#endif /* CONTROL_WORKER_DNS_NAMESERVERS_H */

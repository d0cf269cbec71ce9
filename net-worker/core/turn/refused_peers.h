/*
 * Peers whose channels the relay has refused to bind, which it may do for a
 * moment only. It is asked again some times even where nobody wants anything
 * sent: without ICE a peer is not heard before it has a channel.
 *
 * What becomes of a channel is told at once, and whoever wants it then asks
 * again: without a pause that would be as often as the relay can answer. The
 * second refusal in a row is followed by a short pause, each further one by a
 * longer one; what is asked for meanwhile is bound when it is over.
 *
 * There are few places. Peers that share one forget each other's pauses, and
 * are asked for no more often than somebody wants them.
 */
#ifndef NET_WORKER_CORE_TURN_REFUSED_PEERS_H
#define NET_WORKER_CORE_TURN_REFUSED_PEERS_H

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/turn/owner.h"

#define REFUSED_PEERS_MAX    64
#define REFUSED_PAUSE_S      1 /* the first one; each is twice the last */
#define REFUSED_PAUSE_MAX_S  32
#define REFUSED_REMEMBERED_S 60 /* after the last refusal */
#define REFUSED_TRIES        8  /* unless somebody wants it */

/* All zero: none. */
struct refused_peer {
	struct endpoint peer;
	struct turn_owner owner;
	unsigned count; /* in a row */
	struct mono refused, until;
	bool wanted; /* then */
};

struct refused_peers {
	struct refused_peer list[REFUSED_PEERS_MAX];
};

void refused_peers_note(struct refused_peers *, struct mono now,
    const struct endpoint *, const struct turn_owner *);
/* It has a channel. */
void refused_peers_forget(struct refused_peers *, const struct endpoint *);
/* Whether there is a pause; it is bound when that is over, for this owner. */
bool refused_peers_hold(struct refused_peers *, struct mono now,
    const struct endpoint *, const struct turn_owner *);
/* The next one to be bound now; NULL: none. */
const struct refused_peer *refused_peers_due(
    struct refused_peers *, struct mono now);
struct mono refused_peers_deadline(const struct refused_peers *);

#endif /* NET_WORKER_CORE_TURN_REFUSED_PEERS_H */

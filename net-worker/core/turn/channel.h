/*
 * The channels of one allocation: which number stands for which peer, how long
 * it may be used and when it is due for a refresh (firezone-tunnel(7), Channel
 * bindings).
 *
 * The table knows nothing of requests; its owner, which makes them
 * (allocation.c), tells it which binds are in flight and how they ended.
 */
#ifndef NET_WORKER_CORE_TURN_CHANNEL_H
#define NET_WORKER_CORE_TURN_CHANNEL_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/turn/owner.h"

#define CHANNEL_NUMBER_FIRST 0x4000
#define CHANNEL_NUMBER_LAST  0x4fff
#define CHANNELS_MAX         (CHANNEL_NUMBER_LAST - CHANNEL_NUMBER_FIRST + 1)

/*
 * A number cannot be given back: the relay keeps it for its peer, and 15
 * minutes go by before another one may have it. So it counts as its owner's for
 * that long, whatever became of candidate and connection. A connection has at
 * most CHANNELS_OF_CONNECTION, and as many for what its peer has on relays;
 * more, up to CHANNELS_OF_CONNECTION_EVER, as far as there are some on which
 * nothing has come for CHANNEL_UNUSED_S, like those of where a client was
 * before it roamed. A client has less than one in CHANNELS_LEFT of what is
 * free: 63 if it is alone, and always something for one more client.
 */
#define CHANNELS_OF_CONNECTION      32
#define CHANNELS_OF_CONNECTION_EVER 48
#define CHANNEL_UNUSED_S            60
#define CHANNELS_LEFT          64

struct channel {
	RB_ENTRY(channel) by_peer;
	TAILQ_ENTRY(channel) change;
	struct endpoint peer;
	struct turn_owner owner; /* who asked first */
	struct mono since;       /* taken, or last confirmed */
	uint16_t number;
	bool taken;          /* has a peer and is in the tree */
	bool confirmed;      /* a bind has succeeded */
	bool bound;          /* at some time: the relay may know it still */
	bool in_flight;      /* a bind is outstanding; set by the owner */
	bool received, sent; /* data since the last confirmation */
	bool announced;      /* its last change was "bound" */
	bool changed;        /* is in the list of changes */
};

/* All zero: none. */
struct channel_refusal {
	struct turn_owner owner;
	struct mono until;
};

#define CHANNEL_REFUSALS 256

RB_HEAD(channel_tree, channel);
TAILQ_HEAD(channel_list, channel);

struct channels {
	struct channel *slots; /* CHANNELS_MAX */
	struct channel_tree by_peer;
	struct channel_list changes;
	size_t used; /* slots beyond have never been taken */
	size_t next; /* where the search for a free number starts */
	/*
	 * Who had their share, by a hash of the owner, and until when all
	 * numbers count as taken: so that they are not counted again.
	 */
	struct channel_refusal *refusals; /* CHANNEL_REFUSALS */
	struct mono full_until;
	struct mono crowded_until; /* nearly all are taken, when last counted */
	struct mono deadline;
	/*
	 * The server drops what is older than a permission (RFC 8656 9), which
	 * a bind renews.
	 */
	bool permissions;
};

bool channels_init(struct channels *); /* false: no memory */
void channels_free(struct channels *);
/* Forgets all channels without a change to be reported. */
void channels_clear(struct channels *);

struct channel *channels_find(const struct channels *, const struct endpoint *);
/* NULL unless the number belongs to a peer. */
struct channel *channels_get(const struct channels *, uint16_t number);

/*
 * The peer's own channel, of whatever age and whoever asked first, or else a
 * free number; NULL when all are taken, or the owner has its share.
 */
struct channel *channels_take(struct channels *, struct mono now,
    const struct endpoint *peer, const struct turn_owner *);
/* Whether there are few left: better another relay for those who may choose. */
bool channels_crowded(const struct channels *, struct mono now);
void channel_confirm(struct channels *, struct channel *, struct mono now);
/* The relay binds it no longer: its number stays the peer's if it ever did. */
void channel_refused(struct channels *, struct channel *);
/* Likewise, and has the number or the peer for another: it is free at once. */
void channel_forget(struct channels *, struct channel *);

/* Whether data may be sent on it without another bind. */
bool channel_usable(
    const struct channels *, const struct channel *, struct mono now);
void channel_note_sent(struct channels *, struct channel *);
void channel_note_received(struct channels *, struct channel *);

/*
 * The next channel to be refreshed, searching from *at, which starts at zero;
 * NULL when there are no more. On the way, channels too old to be sent on are
 * reported as lost.
 */
struct channel *channels_due(struct channels *, struct mono now, size_t *at);

/* The next peer whose channel was bound (number) or lost (0), or false. */
bool channels_change(
    struct channels *, struct endpoint *peer, uint16_t *number);

#endif /* NET_WORKER_CORE_TURN_CHANNEL_H */

/*
 * Fair shares of a source of packets: of a lane's sockets, or of its TUN queue.
 *
 * All clients of a lane wait in the same queue of the kernel. If one of them
 * sends more than the lane can deal with, the queue is full, and the others
 * wait as long and lose as much as that one does. So while a source has not
 * been found empty for some time, and several clients use it, each may have
 * only so many packets of a turn, its allowance. What is beyond that is dropped
 * where it costs least, before it is decrypted or encrypted, and the queue gets
 * short. Who sends little is not touched.
 *
 * The allowance follows what the lane can deal with: it shrinks while the
 * source still has more at the end of turns, and grows while it has not. But
 * where next to nothing passes, it is the drops that take the time, and to
 * shrink would only take from those who send little.
 *
 * Anybody may send to the sockets in the name of a client, so that only what
 * was authenticated counts as a client's.
 *
 * Neither heap nor clock. While there is enough for all, the packet path pays
 * for a comparison.
 */
#ifndef NET_WORKER_DATAPLANE_SHARD_QUOTAS_H
#define NET_WORKER_DATAPLANE_SHARD_QUOTAS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/time.h"

#define QUOTAS_UNLIMITED UINT32_MAX

/* Of a source. */
struct quotas {
	uint32_t allowance; /* packets of one client in a turn */
	uint32_t turn;      /* number of this turn */
	uint32_t taken;     /* packets that came in this turn */
	uint32_t passed;    /* those of them that were a client's and passed */
	uint32_t most;      /* taken in any turn since there was a limit */
	uint32_t last; /* client that a packet of this turn was of, if any */
	bool any, several; /* one client, or more, had packets in it */
	bool shared;       /* several clients used the source lately */
	struct mono shared_until;
	struct mono waits_since; /* MONO_NEVER: it was found empty */
	struct mono adjusted;    /* the allowance was, last */
};

/* Of a client in a source. */
struct quota {
	uint32_t turn; /* the last one with a packet of the client */
	uint32_t used; /* packets, in that turn */
};

void quotas_init(struct quotas *);
/* Ends a turn, whose time is now. more: the source may have more packets. */
void quotas_end_turn(struct quotas *, struct mono now, bool more);

/* Parts of quotas_allow() and quotas_charge(). */
bool quotas_has_left(const struct quotas *, const struct quota *);
void quotas_note(struct quotas *, struct quota *, uint32_t client);

/* First, for each packet: whether its client may still have it. */
static inline bool
quotas_allow(struct quotas *s, const struct quota *quota)
{
	s->taken++;
	return s->allowance == QUOTAS_UNLIMITED || quotas_has_left(s, quota);
}

/* Then, if it may, and is known to be that client's. */
static inline void
quotas_charge(struct quotas *s, struct quota *quota, uint32_t client)
{
	s->passed++;
	if (s->allowance != QUOTAS_UNLIMITED)
		quotas_note(s, quota, client);
}

#endif /* NET_WORKER_DATAPLANE_SHARD_QUOTAS_H */

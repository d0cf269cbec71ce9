/*
 * Shares of a source, which is the lane's sockets or its TUN queue. All clients
 * of a lane wait in the same queue of the kernel; where one of them brings more
 * than can be dealt with, that queue is full, and the others wait as long and
 * lose as much as that one does. So while a source has not been found empty for
 * some time, and several clients use it, each may have only so many packets of
 * a turn. What is beyond is dropped where it costs least, before it is
 * decrypted or encrypted, so that the queue gets short; who brings little is
 * not touched. The allowance follows what can be dealt with: it shrinks while
 * the source still has more at the end of turns, and grows while it has not.
 * Where next to nothing passes, it is the drops that take the time: then to
 * shrink would only take from those who bring little.
 *
 * At the sockets anybody may send in the name of a client: what counts as a
 * client's is what was authenticated.
 *
 * Neither heap nor clock; the packet path pays for a comparison while there is
 * enough for all.
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
	uint32_t turn;      /* its number */
	uint32_t taken;     /* packets in this turn, ... */
	uint32_t passed;    /* and of these, which were a client's and passed */
	uint32_t most;      /* in any turn since there was a limit */
	uint32_t last;      /* client that had one, in this turn, ... */
	bool any, several;  /* if there was any, or more than one */
	bool shared;        /* by several, lately */
	struct mono shared_until, waits_since, adjusted;
};

/* Of a client in a source. */
struct quota {
	uint32_t turn; /* that this is about: */
	uint32_t used;
};

void quotas_init(struct quotas *);
/*
 * The end of a turn: whether the source may have more than was taken. now is
 * the turn's time.
 */
void quotas_end_turn(struct quotas *, struct mono now, bool more);

/* See quotas_allow() and quotas_charge(). */
bool quotas_has_left(const struct quotas *, const struct quota *);
void quotas_note(struct quotas *, struct quota *, uint32_t client);

/* For each packet, first: whether its client may still have it. */
static inline bool
quotas_allow(struct quotas *s, const struct quota *quota)
{
	s->taken++;
	return s->allowance == QUOTAS_UNLIMITED || quotas_has_left(s, quota);
}

/* Then, when it may and is known to be one of this client, by number. */
static inline void
quotas_charge(struct quotas *s, struct quota *quota, uint32_t client)
{
	s->passed++;
	if (s->allowance != QUOTAS_UNLIMITED)
		quotas_note(s, quota, client);
}

#endif /* NET_WORKER_DATAPLANE_SHARD_QUOTAS_H */

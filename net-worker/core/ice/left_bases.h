/*
 * Addresses of ours at which the peer does not reach us any more
 * (firezone-tunnel(7), Dead paths): it is led away from them for a while, and
 * then has them offered again, now and then, until it reaches us there. Either
 * kind of agent has them.
 */
#ifndef NET_WORKER_CORE_ICE_LEFT_BASES_H
#define NET_WORKER_CORE_ICE_LEFT_BASES_H

#include "common/address.h"
#include "common/time.h"

#define LEFT_BASES_MAX 4

struct left_base {
	struct endpoint base; /* IP_NONE: the place is free */
	bool left, told;      /* as it is, and as the peer knows it */
	struct mono until;    /* it is offered again, or left once more */
	int64_t gap_s;        /* until that, when it has been offered */
};

/* All zero: none. */
struct left_bases {
	struct left_base list[LEFT_BASES_MAX];
};

bool left_bases_have(const struct left_bases *, const struct endpoint *base);
/* For want of room it is not left. */
void left_bases_leave(
    struct left_bases *, struct mono now, const struct endpoint *base);
/* What the peer has not been told of is not left after all. */
void left_bases_undo(struct left_bases *);
/* The same as if it had been left, and just been offered again. */
void left_bases_await(
    struct left_bases *, struct mono now, const struct endpoint *base);
/* The peer reaches us there, or there is no hope that it ever will. */
void left_bases_forget(struct left_bases *, const struct endpoint *base);

struct mono left_bases_deadline(const struct left_bases *);
/*
 * The next base at which the peer is to be tried again, now that it is offered
 * to it; false: none. The one in use is not withdrawn for it, and none is while
 * there is no path (NULL).
 */
bool left_bases_try(struct left_bases *, struct mono now,
    const struct endpoint *in_use, struct endpoint *base);
/* What the peer is to be told next: that base is withdrawn, or offered. */
bool left_bases_event(
    struct left_bases *, struct endpoint *base, bool *withdrawn);

#endif /* NET_WORKER_CORE_ICE_LEFT_BASES_H */

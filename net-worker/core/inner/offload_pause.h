/*
 * How long an offload that the kernel has refused is left alone. What refused
 * it may be gone soon (a route, a device, a setting of it) or never, so that it
 * is tried again after a time that doubles with each refusal in a row.
 *
 * Only that counts as a refusal which is one of the offload: the same data must
 * have been taken without it.
 */
#ifndef NET_WORKER_CORE_INNER_OFFLOAD_PAUSE_H
#define NET_WORKER_CORE_INNER_OFFLOAD_PAUSE_H

#include "common/time.h"

#define OFFLOAD_PAUSE_FIRST_S 10
#define OFFLOAD_PAUSE_LAST_S  320 /* no pause is longer */

/* All zero: never refused. */
struct offload_pause {
	struct mono until;
	int64_t seconds; /* of this or the last pause; 0: there was none */
};

static inline bool
offload_paused(const struct offload_pause *p, struct mono now)
{
	return p->seconds != 0 && !mono_due(p->until, now);
}

static inline void
offload_refused(struct offload_pause *p, struct mono now)
{
	p->seconds = p->seconds == 0 ? OFFLOAD_PAUSE_FIRST_S : p->seconds * 2;
	if (p->seconds > OFFLOAD_PAUSE_LAST_S)
		p->seconds = OFFLOAD_PAUSE_LAST_S;
	p->until = mono_add_s(now, p->seconds);
}

/* The kernel has taken it: the next pause is a short one again. */
static inline void
offload_taken(struct offload_pause *p)
{
	p->seconds = 0;
}

#endif /* NET_WORKER_CORE_INNER_OFFLOAD_PAUSE_H */

/*
 * How a thread that sleeps learns that a ring has something for it: who fills
 * the ring rings, once for many entries, and only the first one since the
 * thread lay down costs a system call.
 *
 * The word is only ever exchanged. Whoever exchanges second sees all that the
 * other did before: either the sleeper sees the entry, or the other one sees
 * that it sleeps.
 */
#ifndef NET_WORKER_DATAPLANE_DOORBELL_H
#define NET_WORKER_DATAPLANE_DOORBELL_H

#include <stdatomic.h>
#include <stdbool.h>

struct doorbell {
	_Alignas(64) _Atomic bool asleep;
};

/* Of the sleeper, before it looks at its rings for the last time. */
static inline void
doorbell_lie_down(struct doorbell *b)
{
	(void)atomic_exchange_explicit(&b->asleep, true, memory_order_acq_rel);
}

static inline void
doorbell_get_up(struct doorbell *b)
{
	(void)atomic_exchange_explicit(&b->asleep, false, memory_order_acq_rel);
}

/* Of the others, after the last entry; true: it has to be woken. */
static inline bool
doorbell_ring(struct doorbell *b)
{
	return atomic_exchange_explicit(
	    &b->asleep, false, memory_order_acq_rel);
}

#endif /* NET_WORKER_DATAPLANE_DOORBELL_H */

/*
 * The bounded ring from one thread to another: one producer, one consumer. Head
 * and tail are the only shared words, so that neither side ever waits for the
 * other. Entries are copied in and out, or filled and read in place.
 */
#ifndef NET_WORKER_DATAPLANE_RING_H
#define NET_WORKER_DATAPLANE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct ring {
	uint8_t *entries;
	size_t entry_size;
	uint32_t mask;
	_Alignas(64) _Atomic uint32_t head; /* next to take */
	_Alignas(64) _Atomic uint32_t tail; /* next to fill */
};

/* count is a power of two. False without memory. */
static inline bool
ring_init(struct ring *r, size_t entry_size, uint32_t count)
{
	memset(r, 0, sizeof(*r));
	r->entries = calloc(count, entry_size);
	r->entry_size = entry_size;
	r->mask = count - 1;
	return r->entries != NULL;
}

static inline void
ring_free(struct ring *r)
{
	free(r->entries);
	r->entries = NULL;
}

static inline bool
ring_has_room(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	return tail - head <= r->mask;
}

/* False when it is full. */
static inline bool
ring_push(struct ring *r, const void *entry)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	if (tail - head > r->mask)
		return false;
	memcpy(r->entries + (tail & r->mask) * r->entry_size, entry,
	    r->entry_size);
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

/* In place: room for the next entry, or NULL when it is full, ... */
static inline void *
ring_room(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	return ring_has_room(r) ? r->entries + (tail & r->mask) * r->entry_size
				: NULL;
}

/* ... which is there for the consumer from now on. */
static inline void
ring_filled(struct ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
}

/* For the consumer. */
static inline bool
ring_is_empty(struct ring *r)
{
	return atomic_load_explicit(&r->head, memory_order_relaxed) ==
	    atomic_load_explicit(&r->tail, memory_order_acquire);
}

/* In place: the i-th of those that are there, or NULL, ... */
static inline void *
ring_at(struct ring *r, uint32_t i)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

	return i < tail - head
	    ? r->entries + ((head + i) & r->mask) * r->entry_size
	    : NULL;
}

/* ... until that many have been dealt with. */
static inline void
ring_done(struct ring *r, uint32_t count)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + count, memory_order_release);
}

/* False when it is empty. What is taken out is wiped: it may be a key. */
static inline bool
ring_pop(struct ring *r, void *entry)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint8_t *at = r->entries + (head & r->mask) * r->entry_size;

	if (head == tail)
		return false;
	memcpy(entry, at, r->entry_size);
	explicit_bzero(at, r->entry_size);
	atomic_store_explicit(&r->head, head + 1, memory_order_release);
	return true;
}

#endif /* NET_WORKER_DATAPLANE_RING_H */

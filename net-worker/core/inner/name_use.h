/*
 * Which of a client's names have sessions of NAT. The shard writes it as
 * sessions come and go, and the engine reads it when it needs room for a new
 * name: what is in use stays. It belongs to both, and is gone with the last.
 *
 * Where the engine watches the names, it also sees whether what goes to them is
 * answered, to have them resolved again (names.h).
 *
 * Each field has one writer, by plain stores; what the other thread reads may
 * be a moment old.
 */
#ifndef NET_WORKER_CORE_INNER_NAME_USE_H
#define NET_WORKER_CORE_INNER_NAME_USE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/time.h"

#define NAMES_MAX 1024 /* of a client; a name's number is below */

struct name_use {
	uint32_t holders;
	uint32_t watched; /* the engine's: 0, nothing is noted of packets */
	struct {
		uint32_t sessions; /* that live */
		int64_t last_ns;   /* packet of one that lives no more */
		/* The last packets to and from it, ICMP errors left out. */
		int64_t sent_ns, heard_ns;
		/* The engine's: when what was not answered became another. */
		int64_t moved_ns;
	} of[NAMES_MAX];
};

/* For one holder; NULL without memory. */
static inline struct name_use *
name_use_new(void)
{
	struct name_use *u = calloc(1, sizeof(*u));

	if (u != NULL)
		u->holders = 1;
	return u;
}

/* One more holder. NULL is fine, also below. */
static inline struct name_use *
name_use_hold(struct name_use *u)
{
	if (u != NULL)
		__atomic_fetch_add(&u->holders, 1, __ATOMIC_RELAXED);
	return u;
}

static inline void
name_use_release(struct name_use *u)
{
	if (u != NULL &&
	    __atomic_sub_fetch(&u->holders, 1, __ATOMIC_ACQ_REL) == 0)
		free(u);
}

/* The shard's side. */

static inline void
name_use_count(struct name_use *u, uint16_t name, int change)
{
	uint32_t *sessions = &u->of[name].sessions;

	__atomic_store_n(
	    sessions, *sessions + (uint32_t)change, __ATOMIC_RELAXED);
}

static inline void
name_use_note(struct name_use *u, uint16_t name, struct mono last)
{
	if (last.ns > u->of[name].last_ns)
		__atomic_store_n(
		    &u->of[name].last_ns, last.ns, __ATOMIC_RELAXED);
}

static inline void
name_use_sent(struct name_use *u, uint16_t name, struct mono now)
{
	if (__atomic_load_n(&u->watched, __ATOMIC_RELAXED) != 0)
		__atomic_store_n(
		    &u->of[name].sent_ns, now.ns, __ATOMIC_RELAXED);
}

static inline void
name_use_heard(struct name_use *u, uint16_t name, struct mono now)
{
	if (__atomic_load_n(&u->watched, __ATOMIC_RELAXED) != 0)
		__atomic_store_n(
		    &u->of[name].heard_ns, now.ns, __ATOMIC_RELAXED);
}

/* Whether it has become another address, unanswered, and nothing came since. */
static inline bool
name_has_moved(const struct name_use *u, uint16_t name)
{
	return __atomic_load_n(&u->of[name].moved_ns, __ATOMIC_RELAXED) >
	    u->of[name].heard_ns;
}

/* The engine's side. */

static inline void
name_use_watch(struct name_use *u, bool watched)
{
	__atomic_store_n(&u->watched, watched, __ATOMIC_RELAXED);
}

static inline struct mono
name_last_sent(const struct name_use *u, uint16_t name)
{
	return (struct mono){ __atomic_load_n(
	    &u->of[name].sent_ns, __ATOMIC_RELAXED) };
}

static inline struct mono
name_last_heard(const struct name_use *u, uint16_t name)
{
	return (struct mono){ __atomic_load_n(
	    &u->of[name].heard_ns, __ATOMIC_RELAXED) };
}

static inline void
name_use_moved(struct name_use *u, uint16_t name, struct mono now)
{
	__atomic_store_n(&u->of[name].moved_ns, now.ns, __ATOMIC_RELAXED);
}

static inline bool
name_in_use(const struct name_use *u, uint16_t name)
{
	return __atomic_load_n(&u->of[name].sessions, __ATOMIC_RELAXED) != 0;
}

static inline struct mono
name_last_use(const struct name_use *u, uint16_t name)
{
	return (struct mono){ __atomic_load_n(
	    &u->of[name].last_ns, __ATOMIC_RELAXED) };
}

#endif /* NET_WORKER_CORE_INNER_NAME_USE_H */

/*
 * Deadlines of many objects: a heap, so that the earliest is known at once and
 * a change costs the logarithm of their number. The nodes lie in the objects;
 * the heap keeps a copy of each deadline, so that comparing does not read the
 * objects. After the making there is no allocation.
 */
#ifndef NET_WORKER_CORE_DEADLINES_H
#define NET_WORKER_CORE_DEADLINES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/time.h"

/* All zero: in no heap. */
struct deadline {
	struct mono due; /* to read; deadlines_set() sets it */
	uint32_t place;  /* in the heap; 0: in none */
	void *owner;
};

struct deadline_entry {
	struct mono due; /* as the node's */
	struct deadline *node;
};

struct deadlines {
	struct deadline_entry *heap; /* by place */
	uint32_t count;
	uint32_t limit;
};

/* Room for limit nodes. False without memory. */
bool deadlines_init(struct deadlines *, uint32_t limit);
void deadlines_free(struct deadlines *); /* all zero is fine */

/* Never due, until it is set. False when there is no room. */
bool deadlines_add(struct deadlines *, struct deadline *, void *owner);
void deadlines_remove(struct deadlines *, struct deadline *); /* if it is in */
/* Of a node that was added. */
void deadlines_set(struct deadlines *, struct deadline *, struct mono due);

struct mono deadlines_first(const struct deadlines *); /* MONO_NEVER: none */
/* The owner whose turn it is; never due again until it is set. NULL: none. */
void *deadlines_take(struct deadlines *, struct mono now);

#endif /* NET_WORKER_CORE_DEADLINES_H */

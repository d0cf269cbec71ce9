/*
 * A heap whose nodes know their place in it: see deadlines.h.
 *
 * Four children each, at places from a multiple of four on: an entry is 16
 * bytes, so all children of a node are one cache line.
 */
#include "net-worker/core/deadlines.h"

#include <stdlib.h>
#include <string.h>

#define CHILDREN   4
#define ROOT       3 /* its children begin at 4 */
#define CACHE_LINE 64

_Static_assert(CHILDREN * sizeof(struct deadline_entry) == CACHE_LINE,
    "children of a node are a cache line");

bool
deadlines_init(struct deadlines *d, uint32_t limit)
{
	size_t lines = ((size_t)limit + ROOT) / CHILDREN + 1;

	memset(d, 0, sizeof(*d));
	if (lines > SIZE_MAX / CACHE_LINE)
		return false;
	d->heap = aligned_alloc(CACHE_LINE, lines * CACHE_LINE);
	if (d->heap == NULL)
		return false;
	d->limit = limit;
	return true;
}

void
deadlines_free(struct deadlines *d)
{
	free(d->heap);
	memset(d, 0, sizeof(*d));
}

static uint32_t
end_place(const struct deadlines *d)
{
	return ROOT + d->count;
}

static void
put_entry(struct deadlines *d, struct deadline_entry entry, uint32_t place)
{
	d->heap[place] = entry;
	entry.node->place = place;
}

/* The entry moves from the place, which may be overwritten, to its own. */
static void
sift_up(struct deadlines *d, struct deadline_entry entry, uint32_t place)
{
	while (place > ROOT) {
		uint32_t parent = place / CHILDREN + 2;

		if (!mono_before(entry.due, d->heap[parent].due))
			break;
		put_entry(d, d->heap[parent], place);
		place = parent;
	}
	put_entry(d, entry, place);
}

static void
sift_down(struct deadlines *d, struct deadline_entry entry, uint32_t place)
{
	uint32_t end = end_place(d);
	size_t child;

	while ((child = ((size_t)place - 2) * CHILDREN) < end) {
		size_t past = child + CHILDREN < end ? child + CHILDREN : end;
		size_t first = child;

		for (size_t i = child + 1; i < past; i++)
			if (mono_before(d->heap[i].due, d->heap[first].due))
				first = i;
		if (!mono_before(d->heap[first].due, entry.due))
			break;
		put_entry(d, d->heap[first], place);
		place = (uint32_t)first;
	}
	put_entry(d, entry, place);
}

bool
deadlines_add(struct deadlines *d, struct deadline *node, void *owner)
{
	if (d->count == d->limit)
		return false;
	node->due = MONO_NEVER;
	node->owner = owner;
	put_entry(d, (struct deadline_entry){ node->due, node }, end_place(d));
	d->count++;
	return true;
}

void
deadlines_remove(struct deadlines *d, struct deadline *node)
{
	struct deadline_entry last;

	if (node->place == 0)
		return;
	d->count--;
	last = d->heap[end_place(d)];
	if (last.node != node) {
		if (mono_before(last.due, node->due))
			sift_up(d, last, node->place);
		else
			sift_down(d, last, node->place);
	}
	node->place = 0;
}

void
deadlines_set(struct deadlines *d, struct deadline *node, struct mono due)
{
	bool earlier = mono_before(due, node->due);
	struct deadline_entry entry = { due, node };

	node->due = due;
	if (earlier)
		sift_up(d, entry, node->place);
	else
		sift_down(d, entry, node->place);
}

struct mono
deadlines_first(const struct deadlines *d)
{
	return d->count == 0 ? MONO_NEVER : d->heap[ROOT].due;
}

void *
deadlines_take(struct deadlines *d, struct mono now)
{
	struct deadline *first;

	if (!mono_due(deadlines_first(d), now))
		return NULL;
	first = d->heap[ROOT].node;
	deadlines_set(d, first, MONO_NEVER);
	return first->owner;
}

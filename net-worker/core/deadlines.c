/* A binary heap whose nodes know their place in it: see deadlines.h. */
#include "net-worker/core/deadlines.h"

#include <stdlib.h>
#include <string.h>

bool
deadlines_init(struct deadlines *d, uint32_t limit)
{
	memset(d, 0, sizeof(*d));
	d->heap = calloc((size_t)limit + 1, sizeof(struct deadline *));
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

static void
put_node(struct deadlines *d, struct deadline *node, uint32_t place)
{
	d->heap[place] = node;
	node->place = place;
}

static void
sift_up(struct deadlines *d, struct deadline *node)
{
	uint32_t place = node->place;

	while (place > 1 && mono_before(node->due, d->heap[place / 2]->due)) {
		put_node(d, d->heap[place / 2], place);
		place /= 2;
	}
	put_node(d, node, place);
}

static void
sift_down(struct deadlines *d, struct deadline *node)
{
	uint32_t place = node->place, child;

	while ((child = place * 2) <= d->count) {
		if (child < d->count &&
		    mono_before(d->heap[child + 1]->due, d->heap[child]->due))
			child++;
		if (!mono_before(d->heap[child]->due, node->due))
			break;
		put_node(d, d->heap[child], place);
		place = child;
	}
	put_node(d, node, place);
}

bool
deadlines_add(struct deadlines *d, struct deadline *node, void *owner)
{
	if (d->count == d->limit)
		return false;
	node->due = MONO_NEVER;
	node->owner = owner;
	put_node(d, node, ++d->count);
	return true;
}

void
deadlines_remove(struct deadlines *d, struct deadline *node)
{
	struct deadline *last;

	if (node->place == 0)
		return;
	last = d->heap[d->count--];
	if (last != node) {
		put_node(d, last, node->place);
		sift_up(d, last);
		sift_down(d, last);
	}
	node->place = 0;
}

void
deadlines_set(struct deadlines *d, struct deadline *node, struct mono due)
{
	bool earlier = mono_before(due, node->due);

	node->due = due;
	if (earlier)
		sift_up(d, node);
	else
		sift_down(d, node);
}

struct mono
deadlines_first(const struct deadlines *d)
{
	return d->count == 0 ? MONO_NEVER : d->heap[1]->due;
}

void *
deadlines_take(struct deadlines *d, struct mono now)
{
	struct deadline *first;

	if (!mono_due(deadlines_first(d), now))
		return NULL;
	first = d->heap[1];
	deadlines_set(d, first, MONO_NEVER);
	return first->owner;
}

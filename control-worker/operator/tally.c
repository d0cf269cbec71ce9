/* Resources and their clients: see tally.h. */
#include "control-worker/operator/tally.h"

#include <stdlib.h>
#include <sys/tree.h>

struct tally_entry {
	RB_ENTRY(tally_entry) by_id;
	struct tallied tallied;
};

RB_HEAD(tally_tree, tally_entry);

struct tally {
	struct tally_tree tree;
	size_t count;
};

static int
compare_tallied(const struct tally_entry *a, const struct tally_entry *b)
{
	return uuid_compare(
	    &a->tallied.grant.resource, &b->tallied.grant.resource);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(tally_tree, tally_entry, by_id, compare_tallied)

struct tally *
tally_new(void)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t != NULL)
		RB_INIT(&t->tree);
	return t;
}

void
tally_free(struct tally *t)
{
	struct tallied ignored;

	while (t != NULL && tally_take(t, &ignored))
		continue;
	free(t);
}

bool
tally_add(struct tally *t, const struct ipc_query_grant *g)
{
	struct tally_entry *e = malloc(sizeof(*e)), *there;

	if (e == NULL)
		return false;
	e->tallied = (struct tallied){ .grant = *g, .clients = 1 };
	there = RB_INSERT(tally_tree, &t->tree, e);
	if (there != NULL) {
		there->tallied.clients++;
		free(e);
		return true;
	}
	if (t->count == TALLY_MAX) {
		RB_REMOVE(tally_tree, &t->tree, e);
		free(e);
		return false;
	}
	t->count++;
	return true;
}

bool
tally_take(struct tally *t, struct tallied *to)
{
	struct tally_entry *e = RB_MIN(tally_tree, &t->tree);

	if (e == NULL)
		return false;
	*to = e->tallied;
	RB_REMOVE(tally_tree, &t->tree, e);
	t->count--;
	free(e);
	return true;
}

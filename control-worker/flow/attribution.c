/* Authorizations and their attributions: see attribution.h. */
#include "control-worker/flow/attribution.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/tree.h>

struct attribution {
	RB_ENTRY(attribution) node;
	TAILQ_ENTRY(attribution) age;
	struct uuid authorization;
	char *text;
};

RB_HEAD(tree, attribution);

struct attributions {
	struct tree tree;
	TAILQ_HEAD(, attribution) ages; /* oldest first */
	size_t count;
};

static int
compare_attributions(const struct attribution *a, const struct attribution *b)
{
	return uuid_compare(&a->authorization, &b->authorization);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(tree, attribution, node, compare_attributions)

struct attributions *
attributions_new(void)
{
	struct attributions *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	RB_INIT(&a->tree);
	TAILQ_INIT(&a->ages);
	return a;
}

static void
forget_attribution(struct attributions *all, struct attribution *a)
{
	RB_REMOVE(tree, &all->tree, a);
	TAILQ_REMOVE(&all->ages, a, age);
	all->count--;
	free(a->text);
	free(a);
}

void
attributions_free(struct attributions *all)
{
	struct attribution *a;

	if (all == NULL)
		return;
	while ((a = TAILQ_FIRST(&all->ages)) != NULL)
		forget_attribution(all, a);
	free(all);
}

void
attributions_put(struct attributions *all, const struct flow_token *t)
{
	struct attribution *a = calloc(1, sizeof(*a)), *old;

	if (a == NULL)
		return;
	a->authorization = t->authorization;
	if ((a->text = strdup(t->attribution)) == NULL) {
		free(a);
		return;
	}
	if ((old = RB_FIND(tree, &all->tree, a)) != NULL)
		forget_attribution(all, old);
	else if (all->count == ATTRIBUTIONS_MAX)
		forget_attribution(all, TAILQ_FIRST(&all->ages));
	RB_INSERT(tree, &all->tree, a);
	TAILQ_INSERT_TAIL(&all->ages, a, age);
	all->count++;
}

const char *
attributions_get(const struct attributions *all, const struct uuid *u)
{
	struct attribution key = { .authorization = *u };
	const struct attribution *a =
	    RB_FIND(tree, (struct tree *)(uintptr_t)&all->tree, &key);

	return a == NULL ? NULL : a->text;
}

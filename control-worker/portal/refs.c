/* References of unanswered authorizations: see refs.h. */
#include "control-worker/portal/refs.h"

#include <stdlib.h>
#include <string.h>

static int
compare_connecting(const struct ref *a, const struct ref *b)
{
	return uuid_compare(&a->client, &b->client);
}

/* libbsd's sys/tree.h asks for it, its sys/cdefs.h leaves it out. */
#define __unused __attribute__((__unused__))
RB_GENERATE_STATIC(connecting_refs, ref, by_client, compare_connecting)

static int
compare_naming(const struct ref *a, const struct ref *b)
{
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

RB_GENERATE_STATIC(naming_refs, ref, by_serial, compare_naming)

/* NULL is fine. */
static void
ref_free(struct refs *r, struct ref *ref)
{
	if (ref == NULL)
		return;
	if (ref->is_naming)
		RB_REMOVE(naming_refs, &r->naming, ref);
	else
		r->ref[ref->serial % REFS_MAX] = NULL;
	if (ref->connects) {
		RB_REMOVE(connecting_refs, &r->connecting, ref);
		if (r->released != NULL)
			r->released(r->ctx, &ref->client);
	}
	free(ref->text);
	free(ref->names);
	explicit_bzero(ref, sizeof(*ref));
	free(ref);
}

static struct ref *
find_connecting(const struct refs *r, const struct uuid *client)
{
	struct ref key = { .client = *client };

	/* The macros do not know const, but a search changes nothing. */
	return RB_FIND(connecting_refs,
	    (struct connecting_refs *)(uintptr_t)&r->connecting, &key);
}

uint64_t
refs_keep(struct refs *r, const struct ref *ref)
{
	struct ref *copy = malloc(sizeof(*copy));
	char *text = strdup(ref->text);
	uint64_t serial = ++r->next_serial;
	size_t at = serial % REFS_MAX;

	if (copy == NULL || text == NULL) {
		free(copy);
		free(text);
		free(ref->names);
		return 0;
	}
	/* Nobody waits for the credentials of the one that is replaced. */
	if (ref->connects)
		refs_supersede(r, &ref->client);
	ref_free(r, r->ref[at]);
	*copy = *ref;
	copy->serial = serial;
	copy->text = text;
	r->ref[at] = copy;
	if (ref->connects)
		RB_INSERT(connecting_refs, &r->connecting, copy);
	return serial;
}

struct ref *
refs_find(const struct refs *r, uint64_t serial)
{
	struct ref *ref = r->ref[serial % REFS_MAX], key = { .serial = serial };

	if (ref != NULL && ref->serial == serial)
		return ref;
	return RB_FIND(
	    naming_refs, (struct naming_refs *)(uintptr_t)&r->naming, &key);
}

void
refs_drop(struct refs *r, uint64_t serial)
{
	ref_free(r, refs_find(r, serial));
}

void
refs_clear(struct refs *r)
{
	for (size_t i = 0; i < REFS_MAX; i++)
		ref_free(r, r->ref[i]);
	while (!RB_EMPTY(&r->naming))
		ref_free(r, RB_ROOT(&r->naming));
}

void
refs_begin_naming(struct refs *r, struct ref *ref)
{
	r->ref[ref->serial % REFS_MAX] = NULL;
	ref->is_naming = true;
	RB_INSERT(naming_refs, &r->naming, ref);
}

void
refs_supersede(struct refs *r, const struct uuid *client)
{
	ref_free(r, find_connecting(r, client));
}

bool
refs_await(const struct refs *r, const struct uuid *client)
{
	return find_connecting(r, client) != NULL;
}

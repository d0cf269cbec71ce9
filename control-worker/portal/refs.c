/* References of unanswered authorizations: see refs.h. */
#include "control-worker/portal/refs.h"

#include <stdlib.h>
#include <string.h>

static void
ref_free(struct refs *r, size_t at)
{
	struct ref *ref = r->ref[at];

	if (ref == NULL)
		return;
	r->connecting -= ref->connects;
	free(ref->text);
	free(ref->names);
	explicit_bzero(ref, sizeof(*ref));
	free(ref);
	r->ref[at] = NULL;
}

/* Its connection is replaced: nobody waits for these credentials any more. */
static void
drop_connecting(struct refs *r, const struct uuid *client)
{
	for (size_t i = 0; i < REFS_MAX && r->connecting > 0; i++)
		if (r->ref[i] != NULL && r->ref[i]->connects &&
		    uuid_equal(&r->ref[i]->client, client))
			ref_free(r, i);
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
	if (ref->connects)
		drop_connecting(r, &ref->client);
	ref_free(r, at);
	*copy = *ref;
	copy->text = text;
	r->ref[at] = copy;
	r->serial[at] = serial;
	r->connecting += ref->connects;
	return serial;
}

struct ref *
refs_find(const struct refs *r, uint64_t serial)
{
	size_t at = serial % REFS_MAX;

	return r->serial[at] == serial ? r->ref[at] : NULL;
}

void
refs_drop(struct refs *r, uint64_t serial)
{
	if (refs_find(r, serial) != NULL)
		ref_free(r, serial % REFS_MAX);
}

void
refs_clear(struct refs *r)
{
	for (size_t i = 0; i < REFS_MAX; i++)
		ref_free(r, i);
}

bool
refs_await(const struct refs *r, const struct uuid *client)
{
	size_t left = r->connecting;

	for (size_t i = 0; i < REFS_MAX && left > 0; i++) {
		const struct ref *ref = r->ref[i];

		if (ref == NULL || !ref->connects)
			continue;
		if (uuid_equal(&ref->client, client))
			return true;
		left--;
	}
	return false;
}

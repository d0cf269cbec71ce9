/*
 * What posternctl top reads of a daemon: a sample is whole, and rates of two
 * have a place for each entry.
 */
#include "parent/top_sample.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
check_sample(const struct top_sample *s, size_t len)
{
	size_t clients = 0;

	for (size_t i = 0; i < s->count; i++) {
		const struct top_entry *e = &s->entries[i];

		must(strlen(e->id) == TOP_ID_LEN);
		must(e->name >= s->text &&
		    e->name + e->name_len <= s->text + len);
		must(memchr(e->name, '\n', e->name_len) == NULL);
		must(memchr(e->name, '\0', e->name_len) == NULL);
		/* Clients come first. */
		must(!e->is_resource || clients == s->clients);
		clients += !e->is_resource;
	}
	must(clients == s->clients);
}

static bool
take_sample(struct cursor *in, struct top_sample *s)
{
	size_t len;
	uint8_t *block = pick_block(in, 4096, &len);
	char *text = malloc(len + 1);
	bool whole;

	if (text != NULL && len > 0)
		memcpy(text, block, len);
	free(block);
	whole = text != NULL && top_sample_parse(s, text, len);
	if (whole)
		check_sample(s, len);
	return whole;
}

static void
check_rates(
    const struct top_sample *old, const struct top_sample *new, bool resources)
{
	struct top_rate *r = calloc(new->count + 1, sizeof(*r));
	size_t count;

	if (r == NULL)
		return;
	count = top_rates(old, new, resources, r);
	must(count == (resources ? new->count - new->clients : new->clients));
	for (size_t i = 0; i < count; i++) {
		must(r[i].entry->is_resource == resources);
		must(r[i].from_bits >= 0 && r[i].to_bits >= 0 &&
		    r[i].packets >= 0);
		must(i == 0 ||
		    r[i - 1].from_bits + r[i - 1].to_bits >=
			r[i].from_bits + r[i].to_bits);
	}
	free(r);
}

void
fuzz_one(struct cursor *in)
{
	struct top_sample old = { 0 }, new = { 0 };
	bool first = take_sample(in, &old);

	if (take_sample(in, &new) && first) {
		check_rates(&old, &new, false);
		check_rates(&old, &new, true);
	}
	top_sample_free(&new);
	top_sample_free(&old);
}

/* References of unanswered authorizations: see refs.h. */
#include "control-worker/portal/refs.h"

#include <stdlib.h>
#include <string.h>

uint64_t
refs_keep(struct refs *r, const char *text, const char *reply)
{
	char *copy = strdup(text);
	uint64_t serial = ++r->next_serial;
	size_t at = serial % REFS_MAX;

	if (copy == NULL)
		return 0;
	free(r->text[at]);
	r->text[at] = copy;
	r->reply[at] = reply;
	r->serial[at] = serial;
	return serial;
}

char *
refs_take(struct refs *r, uint64_t serial, const char **reply)
{
	size_t at = serial % REFS_MAX;
	char *text = r->text[at];

	if (text == NULL || r->serial[at] != serial)
		return NULL;
	*reply = r->reply[at];
	r->text[at] = NULL;
	return text;
}

void
refs_clear(struct refs *r)
{
	for (size_t i = 0; i < REFS_MAX; i++) {
		free(r->text[i]);
		r->text[i] = NULL;
	}
}

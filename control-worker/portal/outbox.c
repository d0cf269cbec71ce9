/* The queue of outgoing messages: see outbox.h. */
#include "control-worker/portal/outbox.h"

#include <stdlib.h>
#include <string.h>

/*
 * How far back a message is compared. A connection that takes what it is given
 * has no more than this in its queue; beyond it, a duplicate costs less than
 * looking for it.
 */
#define COMPARED_MAX 64

void
outbox_init(struct outbox *o)
{
	TAILQ_INIT(&o->messages);
	o->count = o->bytes = 0;
}

void
outbox_free(struct outbox_message *m)
{
	if (m == NULL)
		return;
	freezero(m->payload, strlen(m->payload)); /* may hold credentials */
	free(m);
}

void
outbox_clear(struct outbox *o)
{
	struct outbox_message *m;

	while ((m = outbox_pop(o)) != NULL)
		outbox_free(m);
}

static bool
is_waiting(const struct outbox *o, const char *event, const char *payload)
{
	const struct outbox_message *m;
	size_t n = 0;

	for (m = TAILQ_LAST(&o->messages, outbox_list);
	     m != NULL && n < COMPARED_MAX;
	     m = TAILQ_PREV(m, outbox_list, entry), n++)
		if (strcmp(m->event, event) == 0 &&
		    strcmp(m->payload, payload) == 0)
			return true;
	return false;
}

bool
outbox_push(struct outbox *o, const char *event, char *payload)
{
	struct outbox_message *m = NULL;
	size_t len;

	if (payload == NULL)
		return false;
	if (is_waiting(o, event, payload)) {
		freezero(payload, strlen(payload));
		return true;
	}
	len = strlen(payload);
	if (o->count >= OUTBOX_MESSAGES_MAX || len > OUTBOX_BYTES_MAX ||
	    o->bytes > OUTBOX_BYTES_MAX - len ||
	    (m = calloc(1, sizeof(*m))) == NULL) {
		freezero(payload, len);
		return false;
	}
	m->event = event;
	m->payload = payload;
	TAILQ_INSERT_TAIL(&o->messages, m, entry);
	o->count++;
	o->bytes += len;
	return true;
}

struct outbox_message *
outbox_pop(struct outbox *o)
{
	struct outbox_message *m = TAILQ_FIRST(&o->messages);

	if (m == NULL)
		return NULL;
	TAILQ_REMOVE(&o->messages, m, entry);
	o->count--;
	o->bytes -= strlen(m->payload);
	return m;
}

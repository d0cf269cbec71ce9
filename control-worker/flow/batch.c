/* Reports that go together: see batch.h. */
#include "control-worker/flow/batch.h"

#include <stdlib.h>
#include <string.h>

#define BODY_HEAD "{\"flow_logs\":["
#define BODY_TAIL "]}"

static bool
make_batch_room(struct batch *b, size_t len)
{
	size_t size = b->text_size == 0 ? 65536 : b->text_size;
	char *text;

	if (b->count == b->size) {
		size_t n = b->size == 0 ? 64 : 2 * b->size;
		struct batch_entry *e = reallocarray(b->entries, n, sizeof(*e));
		spool_name *names;

		if (e == NULL)
			return false;
		b->entries = e;
		names = reallocarray(b->names, n, sizeof(*names));
		if (names == NULL)
			return false;
		b->names = names;
		b->size = n;
	}
	while (size - b->text_len < len)
		size *= 2;
	if (size == b->text_size)
		return true;
	if ((text = realloc(b->text, size)) == NULL)
		return false;
	b->text = text;
	b->text_size = size;
	return true;
}

bool
batch_add(struct batch *b, const char *name, const char *payload, size_t len)
{
	struct batch_entry *e;

	if (len > FLOW_PAYLOAD_MAX || b->text_len + len + 1 > BATCH_BYTES_MAX ||
	    !make_batch_room(b, len + 1))
		return false;
	if (b->count > 0)
		b->text[b->text_len++] = ',';
	strlcpy(b->names[b->count], name, sizeof(*b->names));
	e = &b->entries[b->count++];
	e->at = b->text_len;
	e->len = len;
	memcpy(b->text + b->text_len, payload, len);
	b->text_len += len;
	return true;
}

void
batch_clear(struct batch *b)
{
	free(b->entries);
	free(b->names);
	free(b->text);
	*b = (struct batch){ 0 };
}

char *
batch_body(const struct batch *b, const struct upload_range *r, size_t *len)
{
	const struct batch_entry *first = &b->entries[r->first];
	const struct batch_entry *last = &b->entries[r->first + r->count - 1];
	size_t inner = last->at + last->len - first->at;
	const size_t head = sizeof(BODY_HEAD) - 1, tail = sizeof(BODY_TAIL) - 1;
	char *body = malloc(head + inner + tail + 1);

	if (body == NULL)
		return NULL;
	memcpy(body, BODY_HEAD, head);
	memcpy(body + head, b->text + first->at, inner);
	memcpy(body + head + inner, BODY_TAIL, tail + 1);
	*len = head + inner + tail;
	return body;
}

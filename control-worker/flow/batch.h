/*
 * Reports of one authorization that go to the server together, as one text of
 * which any part can be made a message.
 */
#ifndef CONTROL_WORKER_FLOW_BATCH_H
#define CONTROL_WORKER_FLOW_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "control-worker/flow/spool.h"
#include "control-worker/flow/upload_rules.h"

/* Of the server's 10 MB; beyond it the rest is for the next pass. */
#define BATCH_BYTES_MAX (4u * 1024 * 1024)

struct batch_entry {
	size_t at, len; /* in the text */
};

struct batch {
	struct batch_entry *entries;
	spool_name *names; /* of the same */
	size_t count, size;
	char *text; /* the payloads, with commas in between */
	size_t text_len, text_size;
};

/* False without memory, or when that would be too many bytes. */
bool batch_add(
    struct batch *, const char *name, const char *payload, size_t len);
void batch_clear(struct batch *); /* frees what it has */

/* The message for some of them, to be freed; NULL without memory. */
char *batch_body(
    const struct batch *, const struct upload_range *, size_t *len);

#endif /* CONTROL_WORKER_FLOW_BATCH_H */

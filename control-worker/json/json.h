/*
 * JSON from outside as a bounded document, parsed by yajl; write.h is the other
 * direction.
 *
 * yajl's own tree is not used: it ends strings at the first NUL, grows every
 * list by one element, recurses when it is freed and leaves its copies of
 * secrets behind. A document here is one block of text and one array of values
 * in the order they were written; both have a limit, and both are wiped.
 */
#ifndef CONTROL_WORKER_JSON_JSON_H
#define CONTROL_WORKER_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"

#define JSON_DEPTH_MAX  16
/* Twice what a list of all grants that net-worker holds is made of. */
#define JSON_VALUES_MAX (8 * GRANTS_LIST_MAX)

enum json_status {
	JSON_OK,
	JSON_MALFORMED, /* or too deep */
	JSON_TOO_LONG,  /* more values than the limit, or than memory */
	JSON_TRUNCATED, /* correct as far as it goes */
};

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_UNSIGNED, /* an integer from 0 to 2^64 - 1 without fraction */
	JSON_NUMBER,   /* any other number */
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
	JSON_AMBIGUOUS, /* what json_get() gives for a key written twice */
};

struct json_value {
	enum json_type type;
	bool truth;
	uint32_t span; /* values in this subtree, this one included */
	size_t key_len, len;
	const char *key;  /* within an object; else NULL */
	const char *text; /* JSON_STRING; terminated, but may hold a NUL */
	uint64_t number;
};

struct json_document;

enum json_status json_parse(
    struct json_document **, const void *text, size_t len);
void json_free(struct json_document *); /* wipes; NULL is fine */
const struct json_value *json_root(const struct json_document *);

/*
 * The member of that name; NULL when there is none or the value is NULL or no
 * object. A member written twice has no type that anybody accepts, so that it
 * counts as wrong and never as absent.
 */
const struct json_value *json_get(const struct json_value *, const char *key);
/* The children of an array or object, in order; NULL at the end. */
const struct json_value *json_first(const struct json_value *);
const struct json_value *json_next(
    const struct json_value *parent, const struct json_value *child);
size_t json_count(const struct json_value *);

/* NULL is fine in all of these. */
bool json_is(const struct json_value *, enum json_type);
/* Whether it is absent or null. */
bool json_is_nothing(const struct json_value *);
bool json_is_text(const struct json_value *, const char *text);
/*
 * Copies a string; false when it is none, does not fit with its terminator or
 * holds a control character.
 */
bool json_copy(const struct json_value *, char *to, size_t size);
/* A list of addresses; false when it is none, or of more than max. */
bool json_copy_addresses(const struct json_value *, struct ip_address *to,
    size_t max, size_t *count);

#endif /* CONTROL_WORKER_JSON_JSON_H */

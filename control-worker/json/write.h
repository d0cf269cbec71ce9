/*
 * JSON to outside: a value is written from its beginning to its end, compactly;
 * yajl puts the commas and the quotes. The first failure is remembered, and
 * nothing is written after it.
 */
#ifndef CONTROL_WORKER_JSON_WRITE_H
#define CONTROL_WORKER_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yajl/yajl_gen.h>

struct json_writer {
	yajl_gen generator; /* NULL: none */
	bool failed;        /* no memory, too deep, or no UTF-8 */
};

/* Into memory; strings have to be UTF-8. */
void json_write_begin(struct json_writer *);
/* The text, to be freed; NULL after a failure. Frees the rest. */
char *json_write_end(struct json_writer *);

/* The other way: each piece goes where the caller wants it, at once. */
void json_write_begin_to(struct json_writer *,
    void (*sink)(void *ctx, const char *, size_t len), void *ctx);
void json_write_free(struct json_writer *); /* one that is all zero is fine */

void json_put_object(struct json_writer *); /* opens it */
void json_put_object_end(struct json_writer *);
void json_put_array(struct json_writer *);
void json_put_array_end(struct json_writer *);
/* The name of a member of an object; its value comes next. */
void json_put_name(struct json_writer *, const char *);
void json_put_text(struct json_writer *, const char *); /* NULL is null */
void json_put_bytes(struct json_writer *, const char *text, size_t len);
/* An element of an array that is left out if it is no UTF-8. */
void json_put_if_utf8(struct json_writer *, const char *text, size_t len);
void json_put_bool(struct json_writer *, bool);
void json_put_unsigned(struct json_writer *, uint64_t);
void json_put_signed(struct json_writer *, int64_t);

#endif /* CONTROL_WORKER_JSON_WRITE_H */

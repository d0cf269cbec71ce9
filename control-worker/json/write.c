/* JSON by yajl's generator: see write.h. */
#include "control-worker/json/write.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
json_write_begin(struct json_writer *w)
{
	w->generator = yajl_gen_alloc(NULL);
	w->failed = w->generator == NULL ||
	    yajl_gen_config(w->generator, yajl_gen_validate_utf8, 1) == 0;
}

void
json_write_begin_to(struct json_writer *w,
    void (*sink)(void *ctx, const char *, size_t len), void *ctx)
{
	w->generator = yajl_gen_alloc(NULL);
	w->failed = w->generator == NULL ||
	    yajl_gen_config(w->generator, yajl_gen_print_callback, sink, ctx) ==
		0;
}

void
json_write_free(struct json_writer *w)
{
	if (w->generator != NULL)
		yajl_gen_free(w->generator);
	w->generator = NULL;
}

char *
json_write_end(struct json_writer *w)
{
	const unsigned char *text;
	char *copy = NULL;
	size_t len;

	if (!w->failed &&
	    yajl_gen_get_buf(w->generator, &text, &len) == yajl_gen_status_ok)
		copy = strndup((const char *)text, len);
	json_write_free(w);
	return copy;
}

static void
note_status(struct json_writer *w, yajl_gen_status status)
{
	w->failed = status != yajl_gen_status_ok;
}

void
json_put_object(struct json_writer *w)
{
	if (!w->failed)
		note_status(w, yajl_gen_map_open(w->generator));
}

void
json_put_object_end(struct json_writer *w)
{
	if (!w->failed)
		note_status(w, yajl_gen_map_close(w->generator));
}

void
json_put_array(struct json_writer *w)
{
	if (!w->failed)
		note_status(w, yajl_gen_array_open(w->generator));
}

void
json_put_array_end(struct json_writer *w)
{
	if (!w->failed)
		note_status(w, yajl_gen_array_close(w->generator));
}

void
json_put_bytes(struct json_writer *w, const char *text, size_t len)
{
	if (!w->failed)
		note_status(w,
		    yajl_gen_string(
			w->generator, (const unsigned char *)text, len));
}

void
json_put_if_utf8(struct json_writer *w, const char *text, size_t len)
{
	yajl_gen_status status;

	if (w->failed)
		return;
	status =
	    yajl_gen_string(w->generator, (const unsigned char *)text, len);
	if (status != yajl_gen_invalid_string)
		note_status(w, status);
}

void
json_put_name(struct json_writer *w, const char *name)
{
	json_put_bytes(w, name, strlen(name));
}

void
json_put_text(struct json_writer *w, const char *text)
{
	if (text != NULL)
		json_put_bytes(w, text, strlen(text));
	else if (!w->failed)
		note_status(w, yajl_gen_null(w->generator));
}

void
json_put_bool(struct json_writer *w, bool truth)
{
	if (!w->failed)
		note_status(w, yajl_gen_bool(w->generator, truth));
}

void
json_put_unsigned(struct json_writer *w, uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	if (!w->failed)
		note_status(
		    w, yajl_gen_number(w->generator, digits, (size_t)len));
}

void
json_put_signed(struct json_writer *w, int64_t n)
{
	if (!w->failed)
		note_status(w, yajl_gen_integer(w->generator, n));
}

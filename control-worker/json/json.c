/* Bounded JSON documents over yajl's event parser: see json.h. */
#include "control-worker/json/json.h"

#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#define VALUES_START 64

struct json_document {
	struct json_value *values;
	size_t count, size;
	bool full; /* there was another value */
	char *pool; /* the text of all strings and keys */
	size_t pool_len, pool_size;
	uint32_t open[JSON_DEPTH_MAX]; /* unfinished arrays and objects */
	size_t depth;
	const char *key; /* of the value that comes next */
	size_t key_len;
};

/*
 * yajl's buffers hold what had escapes in it, secrets among it, so its memory
 * is wiped when it is given back. The size stands in front of each block.
 */
union block {
	size_t size;
	max_align_t align;
};

static void *
wiping_malloc(void *ctx, size_t size)
{
	union block *b;

	(void)ctx;
	if (size > SIZE_MAX - sizeof(*b) ||
	    (b = malloc(sizeof(*b) + size)) == NULL)
		return NULL;
	b->size = size;
	return b + 1;
}

static void
wiping_free(void *ctx, void *p)
{
	union block *b;

	(void)ctx;
	if (p == NULL)
		return;
	b = (union block *)p - 1;
	explicit_bzero(p, b->size);
	free(b);
}

static void *
wiping_realloc(void *ctx, void *p, size_t size)
{
	void *to = wiping_malloc(ctx, size);

	if (p != NULL && to != NULL) {
		size_t old = ((union block *)p - 1)->size;

		memcpy(to, p, old < size ? old : size);
		wiping_free(ctx, p);
	}
	return to;
}

/* A copy that lives as long as the document; NULL when the pool is full. */
static const char *
pool_copy(struct json_document *d, const void *text, size_t len)
{
	char *to = d->pool + d->pool_len;

	if (len >= d->pool_size - d->pool_len)
		return NULL;
	memcpy(to, text, len);
	to[len] = '\0';
	d->pool_len += len + 1;
	return to;
}

static bool
grow_values(struct json_document *d)
{
	size_t size = d->size == 0 ? VALUES_START : d->size * 2;
	struct json_value *values;

	if (d->count >= JSON_VALUES_MAX ||
	    (values = reallocarray(d->values, size, sizeof(*values))) ==
		NULL) {
		d->full = true;
		return false;
	}
	d->values = values;
	d->size = size;
	return true;
}

static struct json_value *
add_value(struct json_document *d, enum json_type type)
{
	struct json_value *v;

	if (d->count == d->size && !grow_values(d))
		return NULL;
	v = &d->values[d->count++];
	*v = (struct json_value){ .type = type, .span = 1 };
	v->key = d->key;
	v->key_len = d->key_len;
	d->key = NULL;
	return v;
}

static int
on_null(void *ctx)
{
	return add_value(ctx, JSON_NULL) != NULL;
}

static int
on_boolean(void *ctx, int truth)
{
	struct json_value *v = add_value(ctx, JSON_BOOL);

	if (v == NULL)
		return 0;
	v->truth = truth != 0;
	return 1;
}

static bool
parse_unsigned(const char *text, size_t len, uint64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9' ||
		    *number > (UINT64_MAX - digit) / 10)
			return false;
		*number = *number * 10 + digit;
	}
	return len > 0;
}

static int
on_number(void *ctx, const char *text, size_t len)
{
	struct json_value *v = add_value(ctx, JSON_NUMBER);

	if (v == NULL)
		return 0;
	if (parse_unsigned(text, len, &v->number))
		v->type = JSON_UNSIGNED;
	return 1;
}

static int
on_string(void *ctx, const unsigned char *text, size_t len)
{
	struct json_value *v = add_value(ctx, JSON_STRING);

	if (v == NULL)
		return 0;
	v->text = pool_copy(ctx, text, len);
	v->len = len;
	return v->text != NULL;
}

static int
on_key(void *ctx, const unsigned char *text, size_t len)
{
	struct json_document *d = ctx;

	d->key = pool_copy(d, text, len);
	d->key_len = len;
	return d->key != NULL;
}

static int
open_container(struct json_document *d, enum json_type type)
{
	if (d->depth == JSON_DEPTH_MAX || add_value(d, type) == NULL)
		return 0;
	d->open[d->depth++] = (uint32_t)(d->count - 1);
	return 1;
}

static int
on_close(void *ctx)
{
	struct json_document *d = ctx;
	uint32_t at = d->open[--d->depth];

	d->values[at].span = (uint32_t)d->count - at;
	return 1;
}

static int
on_object(void *ctx)
{
	return open_container(ctx, JSON_OBJECT);
}

static int
on_array(void *ctx)
{
	return open_container(ctx, JSON_ARRAY);
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_array,
	.yajl_end_array = on_close,
};

static enum json_status
run_parser(struct json_document *d, const void *text, size_t len)
{
	yajl_alloc_funcs memory = { wiping_malloc, wiping_realloc, wiping_free,
		NULL };
	yajl_handle parser = yajl_alloc(&callbacks, &memory, d);
	enum json_status status = JSON_OK;

	if (parser == NULL)
		return JSON_MALFORMED;
	if (yajl_parse(parser, text, len) != yajl_status_ok)
		status = d->full ? JSON_TOO_LONG : JSON_MALFORMED;
	else if (yajl_complete_parse(parser) != yajl_status_ok)
		status = JSON_TRUNCATED;
	yajl_free(parser);
	return status;
}

enum json_status
json_parse(struct json_document **document, const void *text, size_t len)
{
	struct json_document *d;
	enum json_status status = JSON_TOO_LONG;

	*document = NULL;
	if (len > SIZE_MAX - 2 || (d = calloc(1, sizeof(*d))) == NULL)
		return JSON_TOO_LONG;
	/*
	 * Nothing gets longer by decoding, and the quotes make room for the
	 * terminators.
	 */
	d->pool_size = len + 2;
	if ((d->pool = malloc(d->pool_size)) != NULL)
		status = run_parser(d, text, len);
	if (status != JSON_OK) {
		json_free(d);
		return status;
	}
	*document = d;
	return JSON_OK;
}

void
json_free(struct json_document *d)
{
	if (d == NULL)
		return;
	if (d->pool != NULL)
		explicit_bzero(d->pool, d->pool_len);
	free(d->pool);
	free(d->values);
	free(d);
}

const struct json_value *
json_root(const struct json_document *d)
{
	return &d->values[0];
}

const struct json_value *
json_first(const struct json_value *v)
{
	if (v == NULL || (v->type != JSON_ARRAY && v->type != JSON_OBJECT) ||
	    v->span == 1)
		return NULL;
	return v + 1;
}

const struct json_value *
json_next(const struct json_value *parent, const struct json_value *child)
{
	const struct json_value *next = child + child->span;

	return next < parent + parent->span ? next : NULL;
}

size_t
json_count(const struct json_value *v)
{
	const struct json_value *child;
	size_t n = 0;

	for (child = json_first(v); child != NULL; child = json_next(v, child))
		n++;
	return n;
}

const struct json_value *
json_get(const struct json_value *object, const char *key)
{
	static const struct json_value ambiguous = {
		.type = JSON_AMBIGUOUS,
		.span = 1,
	};
	const struct json_value *child, *found = NULL;
	size_t len = strlen(key);

	if (!json_is(object, JSON_OBJECT))
		return NULL;
	for (child = json_first(object); child != NULL;
	     child = json_next(object, child)) {
		if (child->key_len != len || memcmp(child->key, key, len) != 0)
			continue;
		if (found != NULL)
			return &ambiguous;
		found = child;
	}
	return found;
}

bool
json_is(const struct json_value *v, enum json_type type)
{
	return v != NULL && v->type == type;
}

bool
json_is_nothing(const struct json_value *v)
{
	return v == NULL || v->type == JSON_NULL;
}

bool
json_is_text(const struct json_value *v, const char *text)
{
	return json_is(v, JSON_STRING) && v->len == strlen(text) &&
	    memcmp(v->text, text, v->len) == 0;
}

bool
json_copy(const struct json_value *v, char *to, size_t size)
{
	if (!json_is(v, JSON_STRING) || v->len >= size)
		return false;
	for (size_t i = 0; i < v->len; i++)
		if ((unsigned char)v->text[i] < 0x20 || v->text[i] == 0x7f)
			return false;
	memcpy(to, v->text, v->len + 1);
	return true;
}

bool
json_copy_addresses(const struct json_value *list, struct ip_address *to,
    size_t max, size_t *count)
{
	const struct json_value *v;
	char text[ENDPOINT_TEXT_MAX];

	*count = 0;
	if (!json_is(list, JSON_ARRAY) || json_count(list) > max)
		return false;
	for (v = json_first(list); v != NULL; v = json_next(list, v))
		if (!json_copy(v, text, sizeof(text)) ||
		    !ip_parse(text, &to[(*count)++]))
			return false;
	return true;
}

/* Payloads to the portal: see messages.h. */
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "common/sort.h"

#include "control-worker/portal/messages.h"

#define CANDIDATES_MAX 256 /* of one message; clients have far fewer */

/* One candidate of a text of lines. */
struct line {
	const char *text;
	size_t len;
	unsigned long priority;
};

static bool
put_string(yajl_gen g, const char *text, size_t len)
{
	return yajl_gen_string(g, (const unsigned char *)text, len) ==
	    yajl_gen_status_ok;
}

static yajl_gen
start(void)
{
	yajl_gen g = yajl_gen_alloc(NULL);

	if (g != NULL) {
		yajl_gen_config(g, yajl_gen_validate_utf8, 1);
		yajl_gen_map_open(g);
	}
	return g;
}

static char *
finish(yajl_gen g, bool ok)
{
	const unsigned char *text;
	size_t len;
	char *copy = NULL;

	yajl_gen_map_close(g);
	if (ok && yajl_gen_get_buf(g, &text, &len) == yajl_gen_status_ok)
		copy = strndup((const char *)text, len);
	yajl_gen_free(g);
	return copy;
}

char *
outgoing_authorization_created(const char *ref)
{
	yajl_gen g = start();

	if (g == NULL)
		return NULL;
	return finish(
	    g, put_string(g, "ref", 3) && put_string(g, ref, strlen(ref)));
}

/* Best first, and equal ones in the order of their text. */
static int
line_compare(const void *left, const void *right)
{
	const struct line *a = left, *b = right;
	int order;

	if (a->priority != b->priority)
		return a->priority < b->priority ? 1 : -1;
	order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);
	if (order == 0 && a->len != b->len)
		order = a->len < b->len ? -1 : 1;
	return order;
}

/* The fourth field, as far as there is one. */
static unsigned long
line_priority(const char *text, size_t len)
{
	const char *end = text + len;

	for (int i = 0; i < 3; i++) {
		text = memchr(text, ' ', (size_t)(end - text));
		if (text == NULL)
			return 0;
		text++;
	}
	return strtoul(text, NULL, 10);
}

static size_t
split(const char *lines, struct line *list, size_t max)
{
	size_t n = 0;

	while (*lines != '\0' && n < max) {
		size_t len = strcspn(lines, "\n");

		if (len > 0)
			list[n++] = (struct line){ lines, len,
				line_priority(lines, len) };
		lines += len;
		lines += *lines == '\n';
	}
	sort(list, n, sizeof(*list), line_compare);
	return n;
}

char *
outgoing_candidates(const struct uuid *client, const char *lines)
{
	struct line list[CANDIDATES_MAX];
	char id[UUID_TEXT_LEN + 1];
	size_t n = split(lines, list, CANDIDATES_MAX);
	yajl_gen g = start();

	if (g == NULL)
		return NULL;
	put_string(g, "client_ids", 10);
	yajl_gen_array_open(g);
	put_string(g, uuid_format(client, id), UUID_TEXT_LEN);
	yajl_gen_array_close(g);
	put_string(g, "candidates", 10);
	yajl_gen_array_open(g);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || line_compare(&list[i - 1], &list[i]) != 0)
			put_string(g, list[i].text, list[i].len);
	yajl_gen_array_close(g);
	return finish(g, true);
}

/* Without ICE-less connections this has to be said: spec/portal.md 4.11. */
char *
outgoing_capabilities(void)
{
	return strdup("{\"iceless\":false}");
}

char *
outgoing_empty(void)
{
	return strdup("{}");
}

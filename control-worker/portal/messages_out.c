/* Payloads to the portal: see messages.h. */
#include <stdlib.h>
#include <string.h>

#include "common/sort.h"
#include "control-worker/json/write.h"
#include "control-worker/portal/messages.h"

#define CANDIDATES_MAX 256 /* of one message; clients have far fewer */

/* One candidate of a text of lines. */
struct line {
	const char *text;
	size_t len;
	unsigned long priority;
};

/* What the portal passes on to a client of 1.3 as it is. */
static void
put_our_credentials(struct json_writer *w, const struct ref *ref)
{
	json_put_name(w, "gateway_payload");
	json_put_object(w);
	json_put_name(w, "ConnectionAccepted");
	json_put_object(w);
	json_put_name(w, "ice_parameters");
	json_put_object(w);
	json_put_name(w, "username");
	json_put_text(w, ref->username);
	json_put_name(w, "password");
	json_put_text(w, ref->password);
	for (int i = 0; i < 3; i++)
		json_put_object_end(w);
}

char *
outgoing_acknowledgement(const struct ref *ref)
{
	struct json_writer w;

	json_write_begin(&w);
	json_put_object(&w);
	json_put_name(&w, "ref");
	json_put_text(&w, ref->text);
	if (ref->connects)
		put_our_credentials(&w, ref);
	json_put_object_end(&w);
	return json_write_end(&w);
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
sort_lines(const char *lines, struct line *list, size_t max)
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
	size_t n = sort_lines(lines, list, CANDIDATES_MAX);
	struct json_writer w;

	json_write_begin(&w);
	json_put_object(&w);
	json_put_name(&w, "client_ids");
	json_put_array(&w);
	json_put_text(&w, uuid_format(client, id));
	json_put_array_end(&w);
	json_put_name(&w, "candidates");
	json_put_array(&w);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || line_compare(&list[i - 1], &list[i]) != 0)
			json_put_if_utf8(&w, list[i].text, list[i].len);
	json_put_array_end(&w);
	json_put_object_end(&w);
	return json_write_end(&w);
}

/* Connections without ICE are offered: firezone-portal(7), Capabilities. */
char *
outgoing_capabilities(void)
{
	return strdup("{\"iceless\":true}");
}

char *
outgoing_empty(void)
{
	return strdup("{}");
}

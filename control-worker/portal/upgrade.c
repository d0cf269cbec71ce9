/* WebSocket upgrade without I/O: see upgrade.h. */
#include "control-worker/portal/upgrade.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <openssl/evp.h>
#include <sodium.h>

#include "common/buffer.h"
#include "control-worker/json/json.h"

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */
#define SHA1_LEN    20
#define ACCEPT_LEN  28 /* its base64 */

#define RETRY_AFTER_MAX_S 86400

#define VALUE_MAX 512 /* of the header fields we look at */

#define PROBLEM_WORD_MAX 32 /* characters, in plain text */

void
upgrade_set_nonce(
    struct upgrade_request *r, const uint8_t nonce[UPGRADE_NONCE_LEN])
{
	sodium_bin2base64(r->key, sizeof(r->key), nonce, UPGRADE_NONCE_LEN,
	    sodium_base64_VARIANT_ORIGINAL);
}

static void
put_request_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

static void
put_token_field(struct writer *w, const char *token)
{
	put_request_text(w, "X-Authorization: Bearer ");
	for (; *token != '\0'; token++)
		if (!isspace((unsigned char)*token))
			writer_u8(w, (uint8_t)*token);
	put_request_text(w, "\r\n");
}

size_t
upgrade_format(const struct upgrade_request *r, char *to, size_t size)
{
	struct writer w;

	writer_init(&w, to, size);
	put_request_text(&w, "GET ");
	put_request_text(&w, r->target);
	put_request_text(&w, " HTTP/1.1\r\nHost: ");
	put_request_text(&w, r->host);
	put_request_text(&w,
	    "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
	put_request_text(&w, r->key);
	put_request_text(&w, "\r\nUser-Agent: ");
	put_request_text(&w, r->user_agent);
	put_request_text(&w, "\r\n");
	if (r->token != NULL)
		put_token_field(&w, r->token);
	put_request_text(&w, "\r\n");
	return writer_failed(&w) ? 0 : w.len;
}

void
upgrade_start(struct upgrade_response *r, const char *key)
{
	r->state = UPGRADE_INCOMPLETE;
	r->len = r->header_len = r->body_len = 0;
	r->status = 0;
	r->retry_after_ms = r->date = -1;
	r->problem = (struct problem){ 0 };
	r->what = NULL;
	memcpy(r->key, key, UPGRADE_KEY_LEN);
	r->key[UPGRADE_KEY_LEN] = '\0';
}

/* A date of HTTP as unix time; -1 when it is none. */
static int64_t
http_date_parse(const char *value)
{
	/* curl reads more than dates; a date has a time of day. */
	if (!isalpha((unsigned char)value[0]) || strchr(value, ':') == NULL)
		return -1;
	return curl_getdate(value, NULL);
}

static void
note_broken_response(struct upgrade_response *r, const char *what)
{
	r->state = UPGRADE_BROKEN;
	r->what = what;
}

/* One field line, its value without surrounding white space. */
struct field {
	const char *name;
	size_t name_len;
	const char *value;
	size_t value_len;
};

static bool
field_parse(const char *line, size_t len, struct field *f)
{
	const char *colon = memchr(line, ':', len);

	if (colon == NULL || colon == line)
		return false;
	f->name = line;
	f->name_len = (size_t)(colon - line);
	f->value = colon + 1;
	f->value_len = len - f->name_len - 1;
	while (f->value_len > 0 && (*f->value == ' ' || *f->value == '\t')) {
		f->value++;
		f->value_len--;
	}
	while (f->value_len > 0 &&
	    (f->value[f->value_len - 1] == ' ' ||
		f->value[f->value_len - 1] == '\t'))
		f->value_len--;
	return true;
}

/* The line at p ends where the next one begins. */
static const char *
line_end(const char *p, const char *end)
{
	const char *cr = p;

	while ((cr = memchr(cr, '\r', (size_t)(end - cr))) != NULL) {
		if (cr + 1 < end && cr[1] == '\n')
			return cr;
		cr++;
	}
	return NULL;
}

/*
 * Copies the field's value: 1 found, 0 absent, -1 there twice, too long or with
 * a byte that has no place in it.
 */
static int
field_get(
    const struct upgrade_response *r, const char *name, char to[VALUE_MAX])
{
	const char *end = (const char *)r->bytes + r->header_len;
	const char *line = (const char *)r->bytes, *next;
	int found = 0;

	to[0] = '\0';
	for (; (next = line_end(line, end)) != NULL && next != line;
	     line = next + 2) {
		struct field f;

		if (!field_parse(line, (size_t)(next - line), &f) ||
		    f.name_len != strlen(name) ||
		    strncasecmp(f.name, name, f.name_len) != 0)
			continue;
		if (found || f.value_len >= VALUE_MAX ||
		    memchr(f.value, '\0', f.value_len) != NULL)
			return -1;
		memcpy(to, f.value, f.value_len);
		to[f.value_len] = '\0';
		found = 1;
	}
	return found;
}

/* Whether a list of tokens separated by commas holds this one. */
static bool
has_token(const char *list, const char *token)
{
	size_t len = strlen(token);

	while (*list != '\0') {
		size_t n = strcspn(list, ",");
		const char *at = list;
		size_t left = n;

		while (left > 0 && isspace((unsigned char)*at)) {
			at++;
			left--;
		}
		while (left > 0 && isspace((unsigned char)at[left - 1]))
			left--;
		if (left == len && strncasecmp(at, token, len) == 0)
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

static bool
accept_is_right(const char *key, const char *accept)
{
	char text[UPGRADE_KEY_LEN + sizeof(ACCEPT_GUID)], want[ACCEPT_LEN + 1];
	uint8_t digest[SHA1_LEN];
	unsigned len = 0;

	snprintf(text, sizeof(text), "%s%s", key, ACCEPT_GUID);
	if (EVP_Digest(text, strlen(text), digest, &len, EVP_sha1(), NULL) !=
		1 ||
	    len != sizeof(digest))
		return false;
	sodium_bin2base64(want, sizeof(want), digest, sizeof(digest),
	    sodium_base64_VARIANT_ORIGINAL);
	return strcmp(accept, want) == 0;
}

static void
check_upgrade(struct upgrade_response *r)
{
	char value[VALUE_MAX];

	if (field_get(r, "Upgrade", value) != 1 ||
	    strcasecmp(value, "websocket") != 0)
		note_broken_response(r, "it did not switch to websocket");
	else if (field_get(r, "Connection", value) != 1 ||
	    !has_token(value, "upgrade"))
		note_broken_response(r, "its Connection is not Upgrade");
	else if (field_get(r, "Sec-WebSocket-Accept", value) != 1 ||
	    !accept_is_right(r->key, value))
		note_broken_response(r, "its Sec-WebSocket-Accept is wrong");
	else if (field_get(r, "Sec-WebSocket-Protocol", value) != 0 ||
	    field_get(r, "Sec-WebSocket-Extensions", value) != 0)
		note_broken_response(
		    r, "it chose a protocol that was not offered");
	else
		r->state = UPGRADE_DONE;
}

/* How much of a body to wait for: what its length says, else nothing more. */
static size_t
body_wanted(const struct upgrade_response *r)
{
	char value[VALUE_MAX], *end;
	unsigned long long n;

	if (field_get(r, "Transfer-Encoding", value) != 0 ||
	    field_get(r, "Content-Length", value) != 1 ||
	    !isdigit((unsigned char)value[0]))
		return 0;
	n = strtoull(value, &end, 10);
	if (*end != '\0')
		return 0;
	return n < UPGRADE_BODY_MAX ? (size_t)n : UPGRADE_BODY_MAX;
}

static void
finish_refusal(struct upgrade_response *r)
{
	char type[VALUE_MAX];
	size_t len = r->len - r->header_len;

	r->state = UPGRADE_REFUSED;
	if (field_get(r, "Content-Type", type) != -1)
		problem_parse(&r->problem, type, r->bytes + r->header_len,
		    len < r->body_len ? len : r->body_len);
}

static bool
status_parse(struct upgrade_response *r)
{
	const char *p = (const char *)r->bytes;

	/* "HTTP/1.1 101 Switching Protocols" */
	if (r->header_len < 16 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ' ||
	    (p[12] != ' ' && p[12] != '\r'))
		return false;
	for (size_t i = 9; i < 12; i++) {
		if (!isdigit((unsigned char)p[i]))
			return false;
		r->status = r->status * 10 + (p[i] - '0');
	}
	return true;
}

static void
header_done(struct upgrade_response *r, int64_t now)
{
	char value[VALUE_MAX];

	if (!status_parse(r)) {
		note_broken_response(r, "it is not HTTP");
		return;
	}
	if (field_get(r, "Date", value) == 1)
		r->date = http_date_parse(value);
	if (r->status == 101) {
		check_upgrade(r);
		return;
	}
	if (field_get(r, "Retry-After", value) == 1)
		r->retry_after_ms = retry_after_parse(value, now);
	r->body_len = body_wanted(r);
	if (r->body_len == 0)
		finish_refusal(r);
}

/* Takes bytes up to and including the empty line. */
static size_t
feed_header(
    struct upgrade_response *r, const uint8_t *bytes, size_t len, int64_t now)
{
	for (size_t i = 0; i < len; i++) {
		if (r->len == UPGRADE_HEADER_MAX) {
			note_broken_response(r, "its header is too long");
			return i;
		}
		r->bytes[r->len++] = bytes[i];
		if (r->len >= 4 &&
		    memcmp(r->bytes + r->len - 4, "\r\n\r\n", 4) == 0) {
			r->header_len = r->len;
			header_done(r, now);
			return i + 1;
		}
	}
	return len;
}

size_t
upgrade_feed(
    struct upgrade_response *r, const void *data, size_t len, int64_t now)
{
	const uint8_t *bytes = data;
	size_t used = 0, wanted;

	if (r->state == UPGRADE_INCOMPLETE && r->header_len == 0)
		used = feed_header(r, bytes, len, now);
	if (r->state != UPGRADE_INCOMPLETE || r->header_len == 0)
		return used;
	wanted = r->header_len + r->body_len - r->len;
	if (wanted > len - used)
		wanted = len - used;
	memcpy(r->bytes + r->len, bytes + used, wanted);
	r->len += wanted;
	if (r->len == r->header_len + r->body_len)
		finish_refusal(r);
	return used + wanted;
}

void
upgrade_end(struct upgrade_response *r)
{
	if (r->state != UPGRADE_INCOMPLETE)
		return;
	if (r->header_len > 0)
		finish_refusal(r);
	else
		note_broken_response(
		    r, "the connection was closed before it was complete");
}

int64_t
retry_after_parse(const char *value, int64_t now)
{
	int64_t seconds = 0;
	size_t digits = strspn(value, "0123456789");
	int64_t date;

	if (digits > 0 && value[digits] == '\0') {
		for (size_t i = 0; i < digits; i++)
			if (seconds < RETRY_AFTER_MAX_S)
				seconds = seconds * 10 + (value[i] - '0');
	} else {
		if ((date = http_date_parse(value)) == -1)
			return -1;
		seconds = date > now ? date - now : 0;
	}
	return (seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) *
	    1000;
}

/* What quotes our request may hold the token, and would come into the log. */
static void
drop_quoted_request(char *text)
{
	if (strcasestr(text, "token=") != NULL ||
	    strcasestr(text, "bearer ") != NULL)
		text[0] = '\0';
}

static void
copy_problem_text(
    const struct json_value *problem, const char *name, char *to, size_t size)
{
	if (!json_copy(json_get(problem, name), to, size))
		to[0] = '\0';
	drop_quoted_request(to);
}

static void
problem_document_parse(struct problem *p, const void *body, size_t len)
{
	struct json_document *d;

	if (json_parse(&d, body, len) != JSON_OK)
		return;
	if (json_is(json_root(d), JSON_OBJECT)) {
		p->present = true;
		copy_problem_text(
		    json_root(d), "code", p->code, sizeof(p->code));
		copy_problem_text(
		    json_root(d), "detail", p->detail, sizeof(p->detail));
	}
	json_free(d);
}

/*
 * The words of a body of plain text, one space between two, as many as there is
 * room for. Nothing, if one is longer than those of a language: it may be a
 * token, however it is quoted.
 */
static void
problem_text_parse(struct problem *p, const char *body, size_t len)
{
	size_t at = 0, word = 0, end = 0;

	for (size_t i = 0; i < len && at < sizeof(p->detail) - 1; i++) {
		bool printable = body[i] > ' ' && body[i] <= '~';

		if (!printable && word == 0)
			continue;
		if (!printable)
			end = at;
		word = printable ? word + 1 : 0;
		if (word > PROBLEM_WORD_MAX) {
			end = 0;
			break;
		}
		p->detail[at++] = printable ? body[i] : ' ';
		if (i + 1 == len && printable)
			end = at;
	}
	memset(p->detail + end, 0, sizeof(p->detail) - end);
	drop_quoted_request(p->detail);
	p->present = p->detail[0] != '\0';
}

/* Whether a media type, with or without parameters, is this one. */
static bool
media_type_is(const char *value, const char *type)
{
	size_t n = strcspn(value, "; \t");

	return n == strlen(type) && strncasecmp(value, type, n) == 0;
}

void
problem_parse(
    struct problem *p, const char *content_type, const void *body, size_t len)
{
	*p = (struct problem){ 0 };
	if (media_type_is(content_type, "application/problem+json"))
		problem_document_parse(p, body, len);
	else if (media_type_is(content_type, "text/plain") ||
	    content_type[0] == '\0')
		problem_text_parse(p, body, len);
}

/* The HTTP server: see http.h. */
#include "control-worker/operator/http.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/time.h"
#include "control-worker/operator/metrics.h"
#include "control-worker/operator/traffic.h"

#define PATIENCE_MS 5000

#define PLAIN      "text/plain; charset=utf-8"
#define PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

struct http {
	const struct situation *situation;
	struct server *server;
};

/* Of who waits for fresh figures. */
struct held_request {
	size_t len;
	char bytes[];
};

struct request {
	bool head;
	const char *path;
	size_t path_len;
};

/* RFC 9110 5.6.2 */
static bool
is_token(const char *s, size_t len)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') ||
			(c != '\0' && strchr(others, c) != NULL)))
			return false;
	}
	return len > 0;
}

/* Visible characters; with spaces also within, as in a field's value. */
static bool
is_visible(const char *s, size_t len, bool blanks)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x21 || c == 0x7f) &&
		    !(blanks && (c == ' ' || c == '\t')))
			return false;
	}
	return true;
}

static bool
word_equals(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(s, word, len) == 0;
}

/*
 * "GET /path HTTP/1.1": 0, or the status that says what is wrong. What comes
 * after the path, from "?" on, changes nothing here.
 */
static unsigned
parse_request_line(
    const char *line, size_t len, struct request *r, bool *needs_host)
{
	const char *end = line + len;
	const char *path = memchr(line, ' ', len), *version;

	if (path == NULL || !is_token(line, (size_t)(path - line)))
		return 400;
	path++;
	version = memchr(path, ' ', (size_t)(end - path));
	if (version == NULL || version == path)
		return 400;
	r->path = path;
	r->path_len = (size_t)(version - path);
	version++;
	if (*path != '/' || !is_visible(path, r->path_len, false))
		return 400;
	*needs_host = word_equals(version, (size_t)(end - version), "HTTP/1.1");
	if (!*needs_host &&
	    !word_equals(version, (size_t)(end - version), "HTTP/1.0"))
		return 505;
	len = (size_t)(path - 1 - line);
	r->head = word_equals(line, len, "HEAD");
	if (!r->head && !word_equals(line, len, "GET"))
		return 405;
	path = memchr(r->path, '?', r->path_len);
	if (path != NULL)
		r->path_len = (size_t)(path - r->path);
	return 0;
}

/* False when it is malformed or announces a body. */
static bool
check_field(const char *line, size_t len, unsigned *hosts)
{
	const char *colon = memchr(line, ':', len);
	size_t name;

	if (colon == NULL)
		return false;
	name = (size_t)(colon - line);
	if (!is_token(line, name) ||
	    !is_visible(colon + 1, len - name - 1, true))
		return false;
	*hosts += name == 4 && strncasecmp(line, "host", 4) == 0;
	return !(name == 14 && strncasecmp(line, "content-length", 14) == 0) &&
	    !(name == 17 && strncasecmp(line, "transfer-encoding", 17) == 0);
}

/* The line up to CR LF, which is taken off; false where there is none. */
static bool
next_header_line(
    const char **rest, size_t *left, const char **line, size_t *len)
{
	const char *end = memmem(*rest, *left, "\r\n", 2);

	if (end == NULL)
		return false;
	*line = *rest;
	*len = (size_t)(end - *rest);
	*left -= *len + 2;
	*rest = end + 2;
	return true;
}

/* The whole head, with its empty line. 0, or the status of an error. */
static unsigned
parse_http_request(const char *bytes, size_t left, struct request *r)
{
	const char *line;
	unsigned status, hosts = 0;
	bool needs_host;
	size_t len;

	if (!next_header_line(&bytes, &left, &line, &len))
		return 400;
	if ((status = parse_request_line(line, len, r, &needs_host)) != 0)
		return status;
	while (next_header_line(&bytes, &left, &line, &len) && len > 0)
		if (!check_field(line, len, &hosts))
			return 400;
	return hosts == 1 || (hosts == 0 && !needs_host) ? 0 : 400;
}

static const char *
reason_phrase(unsigned status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 431:
		return "Request Header Fields Too Large";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Service Unavailable";
	}
}

static void
write_http_answer(struct text *to, unsigned status, const char *type,
    const struct text *body, bool head)
{
	text_add(to,
	    "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
	    "%sCache-Control: no-store\r\nConnection: close\r\n\r\n",
	    status, reason_phrase(status), type, body->len,
	    status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (!head)
		text_write(to, body->bytes, body->len);
}

static unsigned
serve_path(const struct situation *s, const struct request *r,
    struct text *body, const char **type)
{
	const char *lacks;

	if (word_equals(r->path, r->path_len, "/healthz"))
		return 200;
	if (word_equals(r->path, r->path_len, "/readyz")) {
		lacks = situation_lacks(s);
		text_add(body, "%s\n", lacks == NULL ? "ready" : lacks);
		return lacks == NULL ? 200 : 503;
	}
	if (word_equals(r->path, r->path_len, "/metrics")) {
		*type = PROMETHEUS;
		metrics_write(body, s);
		return 200;
	}
	return 404;
}

bool
http_answer(
    const struct situation *s, const char *bytes, size_t len, struct text *to)
{
	struct request r = { 0 };
	struct text body = { 0 };
	const char *type = PLAIN;
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);
	unsigned status;

	if (end == NULL) {
		if (len < HTTP_REQUEST_MAX)
			return false;
		write_http_answer(to, 431, type, &body, false);
		return true;
	}
	status = parse_http_request(bytes, (size_t)(end + 4 - bytes), &r);
	if (status == 0)
		status = serve_path(s, &r, &body, &type);
	if (body.failed) {
		text_free(&body);
		status = 503;
	}
	write_http_answer(to, status, type, &body, r.head);
	text_free(&body);
	return true;
}

static bool
asks_for_metrics(const char *bytes, size_t len)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4);
	struct request r = { 0 };

	return end != NULL &&
	    parse_http_request(bytes, (size_t)(end + 4 - bytes), &r) == 0 &&
	    word_equals(r.path, r.path_len, "/metrics");
}

/* False without memory: then it is answered with what there is. */
static bool
hold_request(struct served *c, const char *bytes, size_t len)
{
	struct held_request *held = malloc(sizeof(*held) + len);

	if (held == NULL)
		return false;
	held->len = len;
	memcpy(held->bytes, bytes, len);
	served_set_data(c, held);
	served_send(c);
	return true;
}

static void
answer_held(struct served *c)
{
	const struct http *h = server_ctx(c);
	struct held_request *held = served_data(c);

	served_set_data(c, NULL);
	(void)http_answer(h->situation, held->bytes, held->len, served_out(c));
	free(held);
	served_finish(c);
}

static void
on_http_request(struct served *c, const char *bytes, size_t len)
{
	const struct http *h = server_ctx(c);
	struct traffic *traffic = h->situation->traffic;

	if (traffic != NULL && asks_for_metrics(bytes, len) &&
	    !traffic_refresh(traffic, mono_now()) &&
	    hold_request(c, bytes, len))
		return;
	if (http_answer(h->situation, bytes, len, served_out(c)))
		served_finish(c);
}

static void
on_http_gone(struct served *c)
{
	free(served_data(c));
}

static bool
is_held(const struct served *c, const void *key)
{
	(void)key;
	return served_data(c) != NULL;
}

void
http_refreshed(struct http *h)
{
	struct served *c;

	while (h != NULL && (c = server_find(h->server, is_held, NULL)) != NULL)
		answer_held(c);
}

struct http *
http_serve(uv_loop_t *loop, int fd, const struct situation *s)
{
	static const struct server_kind kind = {
		.name = "health and metrics",
		.connections = HTTP_CONNECTIONS,
		.patience_ms = PATIENCE_MS,
		.request_max = HTTP_REQUEST_MAX,
		.request = on_http_request,
		.impatient = answer_held,
		.gone = on_http_gone,
	};
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->situation = s;
	h->server = server_new(loop, fd, &kind, h);
	if (h->server == NULL) {
		free(h);
		return NULL;
	}
	return h;
}

void
http_free(struct http *h)
{
	server_free(h->server);
	free(h);
}

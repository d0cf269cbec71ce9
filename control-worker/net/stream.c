/* A verified connection: see stream.h. */
#include "control-worker/net/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stream {
	uv_loop_t *loop;
	struct curl_transfer transfer; /* the handshake; then whose socket */
	uv_poll_t *poll;               /* once it is ready */
	int fd;
	int events; /* what poll waits for */
	struct curl_slist *resolve;
	struct tls_summary tls;
	char problem[CURL_ERROR_SIZE + TLS_ISSUER_MAX + 64];
	stream_ready on_ready;
	stream_event on_event;
	void *ctx;
};

static void
free_stream_poll(uv_handle_t *h)
{
	free(h);
}

static void
stop_stream_poll(struct stream *s)
{
	if (s->poll != NULL)
		uv_close((uv_handle_t *)s->poll, free_stream_poll);
	s->poll = NULL;
	s->events = 0;
}

/*
 * Whether the first thing that the server said was no TLS: OpenSSL reads its
 * bytes as a record, and finds fault with what stands at the place of the
 * version or the length.
 */
static bool
is_no_tls(const char *error)
{
	static const char *const words[] = { "wrong version number",
		"packet length too long", "http request" };

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strstr(error, words[i]) != NULL)
			return true;
	return false;
}

/* What libcurl says of a failure, in words that an operator can act on. */
static const char *
describe_tls_failure(struct stream *s, CURLcode r)
{
	const char *error = curl_transfer_error(&s->transfer, r);

	if (is_no_tls(error))
		return "the server does not speak TLS there: is it http:// or "
		       "ws://, or another port?";
	if (r != CURLE_PEER_FAILED_VERIFICATION || !s->tls.has_certificate)
		return error;
	snprintf(s->problem, sizeof(s->problem), "%s; it was issued by \"%s\"",
	    error, s->tls.issuer);
	return s->problem;
}

static void
on_tls_done(void *ctx, CURLcode r)
{
	struct stream *s = ctx;

	s->on_ready(s->ctx, r == CURLE_OK ? NULL : describe_tls_failure(s, r));
}

const struct tls_summary *
stream_tls(const struct stream *s)
{
	return &s->tls;
}

static bool
set_target(struct stream *s, const struct stream_target *target,
    const struct endpoint *peer)
{
	char host[URL_HOST_MAX + 3], address[ENDPOINT_TEXT_MAX];
	char text[URL_HOST_MAX + ENDPOINT_TEXT_MAX + 32];
	CURL *easy = s->transfer.easy;

	url_host_format(target->host, host, sizeof(host));
	snprintf(text, sizeof(text), "%s://%s:%u/",
	    target->tls ? "https" : "http", host, target->port);
	if (curl_easy_setopt(easy, CURLOPT_URL, text) != CURLE_OK)
		return false;
	/* Without it libcurl would start a thread to look a name up. */
	snprintf(text, sizeof(text), "%s:%u:%s", host, target->port,
	    ip_format(&peer->ip, address));
	if (target->host->literal.family == IP_NONE &&
	    ((s->resolve = curl_slist_append(NULL, text)) == NULL ||
		curl_easy_setopt(easy, CURLOPT_RESOLVE, s->resolve) !=
		    CURLE_OK))
		return false;
	if (target->tls && !tls_summary_watch(easy, &s->tls))
		return false;
	return curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
	    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK;
}

struct stream *
stream_open(uv_loop_t *loop, struct curl_loop *c, int fd,
    const struct stream_target *target, const struct endpoint *peer,
    stream_ready on_ready, stream_event on_event, void *ctx)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(fd);
		return NULL;
	}
	s->loop = loop;
	s->fd = s->transfer.fd = fd;
	s->transfer.done = on_tls_done;
	s->transfer.ctx = s;
	s->on_ready = on_ready;
	s->on_event = on_event;
	s->ctx = ctx;
	if (!curl_transfer_init(c, &s->transfer) ||
	    !set_target(s, target, peer) ||
	    !curl_transfer_start(&s->transfer)) {
		stream_close(s);
		return NULL;
	}
	return s;
}

void
stream_close(struct stream *s)
{
	if (s == NULL)
		return;
	stop_stream_poll(s);
	curl_transfer_end(&s->transfer);
	curl_slist_free_all(s->resolve);
	free(s);
}

static void
on_stream_event(uv_poll_t *poll, int status, int events)
{
	struct stream *s = poll->data;

	/* An error ends the polling, and shows when the stream is read. */
	if (status < 0)
		s->events = 0;
	s->on_event(
	    s->ctx, status < 0 || (events & UV_READABLE), events & UV_WRITABLE);
}

static void
start_stream_poll(struct stream *s, int events)
{
	if (s->poll == NULL) {
		if ((s->poll = calloc(1, sizeof(*s->poll))) == NULL)
			return;
		if (uv_poll_init(s->loop, s->poll, s->fd) != 0) {
			free(s->poll);
			s->poll = NULL;
			return;
		}
		s->poll->data = s;
	}
	s->events = events;
	uv_poll_start(s->poll, events, on_stream_event);
}

void
stream_want(struct stream *s, bool read, bool write)
{
	int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);

	if (events == s->events)
		return;
	if (events != 0)
		start_stream_poll(s, events);
	else
		stop_stream_poll(s);
}

ssize_t
stream_recv(struct stream *s, void *to, size_t size)
{
	size_t n = 0;

	switch (curl_easy_recv(s->transfer.easy, to, size, &n)) {
	case CURLE_OK:
		return (ssize_t)n;
	case CURLE_AGAIN:
		return STREAM_AGAIN;
	default:
		return STREAM_ERROR;
	}
}

ssize_t
stream_send(struct stream *s, const void *from, size_t len)
{
	size_t n = 0;

	switch (curl_easy_send(s->transfer.easy, from, len, &n)) {
	case CURLE_OK:
		return (ssize_t)n;
	case CURLE_AGAIN:
		return STREAM_AGAIN;
	default:
		return STREAM_ERROR;
	}
}

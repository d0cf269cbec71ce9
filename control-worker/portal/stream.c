/* A verified connection: see stream.h. */
#include "control-worker/portal/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

struct stream_context {
	uv_loop_t *loop;
	uv_timer_t timer; /* libcurl's */
	CURLM *multi;
	void *ca;
	size_t ca_len;
};

struct stream {
	struct stream_context *context;
	CURL *easy;
	uv_poll_t *poll; /* libcurl's while connecting, then ours */
	int fd;
	int events;    /* what poll waits for */
	bool fd_taken; /* libcurl closes it */
	bool ready;
	struct curl_slist *resolve;
	stream_ready on_ready;
	stream_event on_event;
	void *ctx;
	char error[CURL_ERROR_SIZE];
};

static void
free_poll(uv_handle_t *h)
{
	free(h);
}

static void
stop_polling(struct stream *s)
{
	if (s->poll != NULL)
		uv_close((uv_handle_t *)s->poll, free_poll);
	s->poll = NULL;
	s->events = 0;
}

static void
start_polling(struct stream *s, int events, uv_poll_cb cb)
{
	if (s->poll == NULL) {
		if ((s->poll = calloc(1, sizeof(*s->poll))) == NULL)
			return;
		if (uv_poll_init(s->context->loop, s->poll, s->fd) != 0) {
			free(s->poll);
			s->poll = NULL;
			return;
		}
		s->poll->data = s;
	}
	s->events = events;
	uv_poll_start(s->poll, events, cb);
}

/* What libcurl has finished: there is one stream, so it is its handshake. */
static void
check_done(struct stream_context *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct stream *s = NULL;
		CURLcode r = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
		if (r == CURLE_OK) {
			s->ready = true;
			stop_polling(s);
			s->on_ready(s->ctx, NULL);
		} else {
			if (s->error[0] == '\0')
				snprintf(s->error, sizeof(s->error), "%s",
				    curl_easy_strerror(r));
			s->on_ready(s->ctx, s->error);
		}
		return; /* the stream may be gone */
	}
}

static void
on_curl_event(uv_poll_t *poll, int status, int events)
{
	struct stream *s = poll->data;
	struct stream_context *c = s->context;
	int running, flags = 0;

	if (status < 0)
		flags |= CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(c->multi, s->fd, flags, &running);
	check_done(c);
}

static void
on_curl_timer(uv_timer_t *timer)
{
	struct stream_context *c = timer->data;
	int running;

	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	check_done(c);
}

static int
set_timer(CURLM *multi, long ms, void *ctx)
{
	struct stream_context *c = ctx;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_curl_timer, (uint64_t)ms, 0);
	return 0;
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket)
{
	struct stream *s = NULL;
	int events = 0;

	(void)ctx;
	(void)per_socket;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &s);
	if (s == NULL || fd != s->fd || s->ready)
		return 0;
	if (what == CURL_POLL_REMOVE) {
		stop_polling(s);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	start_polling(s, events, on_curl_event);
	return 0;
}

struct stream_context *
stream_context_new(uv_loop_t *loop, const char *ca, size_t len)
{
	struct stream_context *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->multi = curl_multi_init();
	c->ca = malloc(len + 1);
	if (c->multi == NULL || c->ca == NULL) {
		curl_multi_cleanup(c->multi);
		free(c->ca);
		free(c);
		return NULL;
	}
	memcpy(c->ca, ca, len);
	c->ca_len = len;
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return c;
}

static void
free_context(uv_handle_t *timer)
{
	free(timer->data);
}

void
stream_context_free(struct stream_context *c)
{
	if (c == NULL)
		return;
	curl_multi_cleanup(c->multi);
	free(c->ca);
	uv_close((uv_handle_t *)&c->timer, free_context);
}

static curl_socket_t
give_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct stream *s = ctx;

	(void)address;
	/* There is this one connection and no other. */
	if (purpose != CURLSOCKTYPE_IPCXN || s->fd_taken)
		return CURL_SOCKET_BAD;
	s->fd_taken = true;
	return s->fd;
}

static int
is_connected(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static bool
set_target(struct stream *s, const struct login_url *login,
    const struct endpoint *peer)
{
	char host[LOGIN_HOST_MAX + 3], address[ENDPOINT_TEXT_MAX];
	char text[LOGIN_HOST_MAX + ENDPOINT_TEXT_MAX + 32];

	login_url_host_header(login, host, sizeof(host));
	snprintf(text, sizeof(text), "%s://%s:%u/",
	    login->tls ? "https" : "http", host, login->port);
	if (curl_easy_setopt(s->easy, CURLOPT_URL, text) != CURLE_OK)
		return false;
	snprintf(text, sizeof(text), "%s:%u:%s", host, login->port,
	    ip_format(&peer->ip, address));
	s->resolve = curl_slist_append(NULL, text);
	return s->resolve != NULL &&
	    curl_easy_setopt(s->easy, CURLOPT_RESOLVE, s->resolve) == CURLE_OK;
}

static bool
set_options(struct stream *s)
{
	struct curl_blob ca = { s->context->ca, s->context->ca_len,
		CURL_BLOB_NOCOPY };
	CURLcode r = CURLE_OK;

#define SET(option, value)                                     \
	do {                                                   \
		if (r == CURLE_OK)                             \
			r = curl_easy_setopt(                  \
			    s->easy, CURLOPT_##option, value); \
	} while (0)
	SET(PRIVATE, s);
	SET(ERRORBUFFER, s->error);
	SET(CONNECT_ONLY, 1L);
	SET(NOSIGNAL, 1L);
	SET(FRESH_CONNECT, 1L);
	SET(OPENSOCKETFUNCTION, give_socket);
	SET(OPENSOCKETDATA, s);
	SET(SOCKOPTFUNCTION, is_connected);
	SET(PROXY, "");
	SET(NETRC, (long)CURL_NETRC_IGNORED);
	SET(FOLLOWLOCATION, 0L);
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(SSL_ENABLE_ALPN, 0L);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(CAINFO, NULL);
	SET(CAPATH, NULL);
	SET(CAINFO_BLOB, &ca);
#undef SET
	return r == CURLE_OK;
}

struct stream *
stream_open(struct stream_context *c, int fd, const struct login_url *login,
    const struct endpoint *peer, stream_ready on_ready, stream_event on_event,
    void *ctx)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->easy = curl_easy_init()) == NULL) {
		free(s);
		close(fd);
		return NULL;
	}
	s->context = c;
	s->fd = fd;
	s->on_ready = on_ready;
	s->on_event = on_event;
	s->ctx = ctx;
	if (!set_options(s) || !set_target(s, login, peer) ||
	    curl_multi_add_handle(c->multi, s->easy) != CURLM_OK) {
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
	stop_polling(s);
	s->ready = true; /* libcurl's last wishes do not matter */
	curl_multi_remove_handle(s->context->multi, s->easy);
	curl_easy_cleanup(s->easy);
	curl_slist_free_all(s->resolve);
	if (!s->fd_taken)
		close(s->fd);
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

void
stream_want(struct stream *s, bool read, bool write)
{
	int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);

	if (events == s->events)
		return;
	if (events != 0)
		start_polling(s, events, on_stream_event);
	else
		stop_polling(s);
}

ssize_t
stream_recv(struct stream *s, void *to, size_t size)
{
	size_t n = 0;

	switch (curl_easy_recv(s->easy, to, size, &n)) {
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

	switch (curl_easy_send(s->easy, from, len, &n)) {
	case CURLE_OK:
		return (ssize_t)n;
	case CURLE_AGAIN:
		return STREAM_AGAIN;
	default:
		return STREAM_ERROR;
	}
}

/*
 * libcurl on libuv: see curl_loop.h. libcurl says when it wants to be woken and
 * which socket it waits for, and learns what has become of either.
 */
#include "control-worker/net/curl_loop.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct curl_loop {
	uv_loop_t *loop;
	uv_timer_t timer;
	CURLM *multi;
	struct curl_blob ca;
};

static void
free_transfer_poll(uv_handle_t *poll)
{
	free(poll);
}

static void
stop_transfer_poll(struct curl_transfer *t)
{
	if (t->poll != NULL)
		uv_close((uv_handle_t *)t->poll, free_transfer_poll);
	t->poll = NULL;
	t->poll_fd = -1;
}

/* A transfer is over before its owner hears of it, who may use the socket. */
static void
end_done_transfers(struct curl_loop *c)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct curl_transfer *t = NULL;
		CURLcode r = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		t->over = true;
		stop_transfer_poll(t);
		t->done(t->ctx, r);
	}
}

static void
on_transfer_event(uv_poll_t *poll, int status, int events)
{
	struct curl_transfer *t = poll->data;
	struct curl_loop *c = t->loop;
	int running, flags = 0;

	if (status < 0)
		flags |= CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	curl_multi_socket_action(c->multi, t->poll_fd, flags, &running);
	end_done_transfers(c);
}

static void
on_curl_timer(uv_timer_t *timer)
{
	struct curl_loop *c = timer->data;
	int running;

	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	end_done_transfers(c);
}

static int
set_curl_timer(CURLM *multi, long ms, void *ctx)
{
	struct curl_loop *c = ctx;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_curl_timer, (uint64_t)ms, 0);
	return 0;
}

/* Without memory nobody waits, and libcurl's time limit ends the transfer. */
static void
start_transfer_poll(struct curl_transfer *t, int fd, int events)
{
	if (t->poll_fd != fd)
		stop_transfer_poll(t);
	if (t->poll == NULL) {
		t->poll = calloc(1, sizeof(*t->poll));
		if (t->poll == NULL ||
		    uv_poll_init(t->loop->loop, t->poll, fd) != 0) {
			free(t->poll);
			t->poll = NULL;
			return;
		}
		t->poll->data = t;
		t->poll_fd = fd;
	}
	uv_poll_start(t->poll, events, on_transfer_event);
}

static int
set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
	struct curl_transfer *t = NULL;
	int events = 0;

	(void)ctx;
	(void)assigned;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	if (t == NULL || t->over)
		return 0;
	if (what == CURL_POLL_REMOVE) {
		if (fd == t->poll_fd)
			stop_transfer_poll(t);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	start_transfer_poll(t, fd, events);
	return 0;
}

static curl_socket_t
give_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct curl_transfer *t = ctx;
	int fd = t->fd;

	(void)address;
	if (purpose != CURLSOCKTYPE_IPCXN || fd == -1) {
		t->fd_missed = true;
		return CURL_SOCKET_BAD;
	}
	t->fd = -1;
	return fd;
}

static int
is_connected(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx;
	(void)fd;
	(void)purpose;
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}

struct curl_loop *
curl_loop_new(uv_loop_t *loop, const char *ca, size_t len)
{
	struct curl_loop *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->multi = curl_multi_init()) == NULL) {
		free(c);
		return NULL;
	}
	c->loop = loop;
	c->ca =
	    (struct curl_blob){ (void *)(uintptr_t)ca, len, CURL_BLOB_NOCOPY };
	uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 1L);
	return c;
}

static void
free_loop(uv_handle_t *timer)
{
	free(timer->data);
}

void
curl_loop_free(struct curl_loop *c)
{
	if (c == NULL)
		return;
	curl_multi_cleanup(c->multi);
	uv_close((uv_handle_t *)&c->timer, free_loop);
}

static bool
set_transfer_options(const struct curl_loop *c, struct curl_transfer *t)
{
	CURLcode r = CURLE_OK;

#define SET(option, value)                                     \
	do {                                                   \
		if (r == CURLE_OK)                             \
			r = curl_easy_setopt(                  \
			    t->easy, CURLOPT_##option, value); \
	} while (0)
	SET(PRIVATE, t);
	SET(ERRORBUFFER, t->error);
	SET(NOSIGNAL, 1L);
	SET(OPENSOCKETFUNCTION, give_socket);
	SET(OPENSOCKETDATA, t);
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
	SET(CAINFO_BLOB, &c->ca);
#undef SET
	return r == CURLE_OK;
}

bool
curl_transfer_init(struct curl_loop *c, struct curl_transfer *t)
{
	t->loop = c;
	t->poll = NULL;
	t->poll_fd = -1;
	t->over = t->fd_missed = false;
	t->error[0] = '\0';
	t->easy = curl_easy_init();
	return t->easy != NULL && set_transfer_options(c, t);
}

bool
curl_transfer_start(struct curl_transfer *t)
{
	return curl_multi_add_handle(t->loop->multi, t->easy) == CURLM_OK;
}

void
curl_transfer_end(struct curl_transfer *t)
{
	if (t->easy != NULL) {
		t->over = true; /* libcurl's last wishes do not matter */
		stop_transfer_poll(t);
		curl_multi_remove_handle(t->loop->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	t->easy = NULL;
	if (t->fd != -1)
		close(t->fd);
	t->fd = -1;
}

const char *
curl_transfer_error(const struct curl_transfer *t, CURLcode r)
{
	return t->error[0] != '\0' ? t->error : curl_easy_strerror(r);
}

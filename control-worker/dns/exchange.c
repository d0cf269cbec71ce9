/* A DNS question over UDP, then TCP: see exchange.h. */
#include "control-worker/dns/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "common/buffer.h"

#define PREFIX_LEN 2 /* of a message over TCP: RFC 1035 4.2.2 */

struct exchange {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_poll_t *poll; /* of its own memory: it is closed on its own */
	int fd;
	struct endpoint server;
	enum ip_family family;
	exchange_done done;
	void *ctx;
	bool tcp;
	uint8_t query[PREFIX_LEN + DNS_QUERY_MAX];
	size_t query_len; /* without the prefix */
	size_t sent;
	size_t received;
	uint8_t answer[PREFIX_LEN + DNS_MESSAGE_MAX];
};

static void on_udp(uv_poll_t *, int status, int events);
static void on_tcp(uv_poll_t *, int status, int events);

static void
free_handle(uv_handle_t *h)
{
	free(h);
}

static void
free_exchange(uv_handle_t *timer)
{
	free(timer->data);
}

static void
close_socket(struct exchange *x)
{
	if (x->poll != NULL)
		uv_close((uv_handle_t *)x->poll, free_handle);
	if (x->fd != -1)
		close(x->fd);
	x->poll = NULL;
	x->fd = -1;
}

void
exchange_cancel(struct exchange *x)
{
	close_socket(x);
	uv_close((uv_handle_t *)&x->timer, free_exchange);
}

static void
finish(struct exchange *x, const struct dns_answer *answer)
{
	exchange_done done = x->done;
	void *ctx = x->ctx;

	exchange_cancel(x);
	done(ctx, answer);
}

/* A connected socket, or one that is on its way to be. */
static int
open_socket(struct exchange *x, int type, int events, uv_poll_cb cb)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&x->server, &to);

	x->fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (x->fd == -1)
		return -1;
	if (connect(x->fd, (struct sockaddr *)&to, len) == -1 &&
	    errno != EINPROGRESS)
		return -1;
	if ((x->poll = calloc(1, sizeof(*x->poll))) == NULL)
		return -1;
	if (uv_poll_init(x->loop, x->poll, x->fd) != 0) {
		free(x->poll);
		x->poll = NULL;
		return -1;
	}
	x->poll->data = x;
	return uv_poll_start(x->poll, events, cb) == 0 ? 0 : -1;
}

static int
start_tcp(struct exchange *x)
{
	close_socket(x);
	x->tcp = true;
	x->sent = x->received = 0;
	return open_socket(x, SOCK_STREAM, UV_WRITABLE, on_tcp);
}

/* Acts on what may be the answer; false: go on waiting. */
static bool
judge(struct exchange *x, const uint8_t *bytes, size_t len)
{
	struct dns_answer answer;

	switch (dns_answer_parse(x->query + PREFIX_LEN, x->query_len, bytes,
	    len, x->family, &answer)) {
	case DNS_ANSWERED:
		finish(x, &answer);
		return true;
	case DNS_TRUNCATED:
		if (x->tcp || start_tcp(x) == -1)
			finish(x, NULL);
		return true;
	case DNS_FAILED:
		finish(x, NULL);
		return true;
	case DNS_MISMATCH:
		break;
	}
	return false;
}

static void
on_udp(uv_poll_t *poll, int status, int events)
{
	struct exchange *x = poll->data;
	ssize_t n;

	(void)events;
	if (status < 0) {
		finish(x, NULL);
		return;
	}
	n = recv(x->fd, x->answer, sizeof(x->answer), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Port unreachable and the like: nobody is there. */
	if (n == -1)
		finish(x, NULL);
	else
		judge(x, x->answer, (size_t)n);
}

/* 0: done, 1: the socket takes no more for now, -1: failed. */
static int
send_tcp(struct exchange *x)
{
	size_t len = PREFIX_LEN + x->query_len;
	ssize_t n;

	n = send(x->fd, x->query + x->sent, len - x->sent, MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 1 : -1;
	x->sent += (size_t)n;
	return x->sent < len;
}

/* Reads on; when the message is complete, judges it. */
static int
receive_tcp(struct exchange *x)
{
	size_t want = PREFIX_LEN;
	ssize_t n;

	if (x->received >= PREFIX_LEN)
		want += load_be16(x->answer);
	n = recv(x->fd, x->answer + x->received, want - x->received, 0);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	x->received += (size_t)n;
	if (x->received < want || want == PREFIX_LEN)
		return 0;
	return judge(x, x->answer + PREFIX_LEN, want - PREFIX_LEN) ? 0 : -1;
}

static void
on_tcp(uv_poll_t *poll, int status, int events)
{
	struct exchange *x = poll->data;
	int r = -1;

	if (status == 0 && (events & UV_WRITABLE)) {
		if ((r = send_tcp(x)) == 0)
			r = uv_poll_start(x->poll, UV_READABLE, on_tcp) == 0
			    ? 0
			    : -1;
	} else if (status == 0) {
		r = receive_tcp(x);
	}
	if (r == -1)
		finish(x, NULL);
}

static void
on_timeout(uv_timer_t *timer)
{
	finish(timer->data, NULL);
}

static int
start_udp(struct exchange *x)
{
	ssize_t n;

	if (open_socket(x, SOCK_DGRAM, UV_READABLE, on_udp) == -1)
		return -1;
	n = send(x->fd, x->query + PREFIX_LEN, x->query_len, 0);
	return n == (ssize_t)x->query_len ? 0 : -1;
}

struct exchange *
exchange_start(uv_loop_t *loop, const struct endpoint *server, const char *name,
    enum ip_family family, unsigned timeout_ms, exchange_done done, void *ctx)
{
	struct exchange *x = calloc(1, sizeof(*x));
	uint16_t id = (uint16_t)randombytes_uniform(UINT16_MAX + 1);

	if (x == NULL)
		return NULL;
	x->loop = loop;
	x->fd = -1;
	x->server = *server;
	x->family = family;
	x->done = done;
	x->ctx = ctx;
	uv_timer_init(loop, &x->timer);
	x->timer.data = x;
	x->query_len = dns_query_build(name, family, id, x->query + PREFIX_LEN);
	store_be16(x->query, (uint16_t)x->query_len);
	if (x->query_len == 0 || start_udp(x) == -1) {
		exchange_cancel(x);
		return NULL;
	}
	uv_timer_start(&x->timer, on_timeout, timeout_ms, 0);
	return x;
}

/* One DNS message to one server: see forward.h. */
#include "control-worker/dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "control-worker/dns/message.h"

#define PREFIX_LEN 2 /* of a message over TCP: RFC 1035 4.2.2 */

struct forward {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* that are not closed yet */
	int fd;
	forward_heard heard;
	void *ctx;
	/* Over TCP. */
	size_t sent, received;
	uint8_t prefix[PREFIX_LEN];
	uint8_t *answer; /* once its length is known */
	size_t message_len;
	uint8_t message[]; /* with its prefix */
};

static void
on_handle_closed(uv_handle_t *handle)
{
	struct forward *f = handle->data;

	if (--f->handles > 0)
		return;
	free(f->answer);
	free(f);
}

void
forward_cancel(struct forward *f)
{
	uv_close((uv_handle_t *)&f->poll, on_handle_closed);
	uv_close((uv_handle_t *)&f->timer, on_handle_closed);
	close(f->fd);
}

static void
fail(struct forward *f)
{
	forward_heard heard = f->heard;
	void *ctx = f->ctx;

	forward_cancel(f);
	(void)heard(ctx, NULL, 0);
}

static void
on_timeout(uv_timer_t *timer)
{
	fail(timer->data);
}

static void
on_udp(uv_poll_t *poll, int status, int events)
{
	struct forward *f = poll->data;
	uint8_t answer[DNS_MESSAGE_MAX];
	ssize_t n;

	(void)events;
	if (status < 0) {
		fail(f);
		return;
	}
	n = recv(f->fd, answer, sizeof(answer), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Port unreachable and the like: nobody is there. */
	if (n == -1)
		fail(f);
	else if (f->heard(f->ctx, answer, (size_t)n))
		forward_cancel(f);
}

/* 0: done, 1: the socket takes no more for now, -1: failed. */
static int
send_tcp(struct forward *f)
{
	ssize_t n;

	n = send(f->fd, f->message + f->sent, f->message_len - f->sent,
	    MSG_NOSIGNAL);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 1 : -1;
	f->sent += (size_t)n;
	return f->sent < f->message_len;
}

/* Bytes of what has size of them; 1: it is complete, -1: it will never be. */
static int
receive_some(struct forward *f, uint8_t *to, size_t size, size_t before)
{
	size_t at = f->received - before;
	ssize_t n = recv(f->fd, to + at, size - at, 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	f->received += (size_t)n;
	return at + (size_t)n == size;
}

static int
receive_tcp(struct forward *f)
{
	size_t len;
	int r;

	if (f->received < PREFIX_LEN) {
		r = receive_some(f, f->prefix, PREFIX_LEN, 0);
		if (r != 1)
			return r;
	}
	len = load_be16(f->prefix);
	if (f->answer == NULL &&
	    (len == 0 || (f->answer = malloc(len)) == NULL))
		return -1;
	return receive_some(f, f->answer, len, PREFIX_LEN);
}

static void
on_tcp(uv_poll_t *poll, int status, int events)
{
	struct forward *f = poll->data;
	int r = -1;

	if (status == 0 && (events & UV_WRITABLE)) {
		if ((r = send_tcp(f)) == 0)
			r = uv_poll_start(poll, UV_READABLE, on_tcp);
		if (r >= 0)
			return;
	} else if (status == 0) {
		r = receive_tcp(f);
	}
	if (r == 1 && f->heard(f->ctx, f->answer, load_be16(f->prefix)))
		forward_cancel(f);
	else if (r != 0)
		fail(f);
}

/* A connected socket, or one that is on its way to be; -1. */
static int
open_socket(const struct endpoint *server, bool tcp)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(server, &to);
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
	int fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&to, len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	close(fd);
	return -1;
}

static bool
send_udp(const struct forward *f)
{
	size_t len = f->message_len - PREFIX_LEN;

	return send(f->fd, f->message + PREFIX_LEN, len, 0) == (ssize_t)len;
}

struct forward *
forward_start(uv_loop_t *loop, const struct endpoint *server, bool tcp,
    const uint8_t *message, size_t len, unsigned timeout_ms,
    forward_heard heard, void *ctx)
{
	struct forward *f;

	if (len > DNS_MESSAGE_MAX ||
	    (f = calloc(1, sizeof(*f) + PREFIX_LEN + len)) == NULL)
		return NULL;
	f->heard = heard;
	f->ctx = ctx;
	f->message_len = PREFIX_LEN + len;
	store_be16(f->message, (uint16_t)len);
	memcpy(f->message + PREFIX_LEN, message, len);
	f->fd = open_socket(server, tcp);
	if (f->fd == -1 || uv_poll_init(loop, &f->poll, f->fd) != 0) {
		if (f->fd != -1)
			close(f->fd);
		free(f);
		return NULL;
	}
	uv_timer_init(loop, &f->timer);
	f->poll.data = f->timer.data = f;
	f->handles = 2;
	if (uv_poll_start(&f->poll, tcp ? UV_WRITABLE : UV_READABLE,
		tcp ? on_tcp : on_udp) != 0 ||
	    (!tcp && !send_udp(f))) {
		forward_cancel(f);
		return NULL;
	}
	uv_timer_start(&f->timer, on_timeout, timeout_ms, 0);
	return f;
}

/* One DNS message to one server: see forward.h. */
#include "control-worker/dns/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control-worker/dns/message.h"
#include "control-worker/dns/tcp_message.h"

struct forward {
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* that are not closed yet */
	int fd;
	forward_heard heard;
	void *ctx;
	struct tcp_message query, answer; /* the answer over TCP only */
};

static void
on_forward_closed(uv_handle_t *handle)
{
	struct forward *f = handle->data;

	if (--f->handles > 0)
		return;
	tcp_message_clear(&f->query);
	tcp_message_clear(&f->answer);
	free(f);
}

void
forward_cancel(struct forward *f)
{
	uv_close((uv_handle_t *)&f->poll, on_forward_closed);
	uv_close((uv_handle_t *)&f->timer, on_forward_closed);
	close(f->fd);
}

static void
fail_forward(struct forward *f)
{
	forward_heard heard = f->heard;
	void *ctx = f->ctx;

	forward_cancel(f);
	(void)heard(ctx, NULL, 0);
}

static void
on_forward_timeout(uv_timer_t *timer)
{
	fail_forward(timer->data);
}

static void
on_forward_udp(uv_poll_t *poll, int status, int events)
{
	struct forward *f = poll->data;
	uint8_t answer[DNS_MESSAGE_MAX];
	ssize_t n;

	(void)events;
	if (status < 0) {
		fail_forward(f);
		return;
	}
	n = recv(f->fd, answer, sizeof(answer), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Port unreachable and the like: nobody is there. */
	if (n == -1)
		fail_forward(f);
	else if (f->heard(f->ctx, answer, (size_t)n))
		forward_cancel(f);
}

static void
on_forward_tcp(uv_poll_t *poll, int status, int events)
{
	struct forward *f = poll->data;
	int r = -1;

	if (status == 0 && (events & UV_WRITABLE)) {
		r = tcp_message_write(&f->query, f->fd);
		if (r == 1 &&
		    uv_poll_start(poll, UV_READABLE, on_forward_tcp) == 0)
			return;
	} else if (status == 0) {
		r = tcp_message_read(&f->answer, f->fd);
		if (r == 1 &&
		    f->heard(f->ctx, f->answer.bytes, f->answer.len)) {
			forward_cancel(f);
			return;
		}
	}
	if (r != 0)
		fail_forward(f);
}

/* A connected socket, or one that is on its way to be; -1. */
static int
open_forward_socket(const struct endpoint *server, bool tcp)
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
send_forward_udp(const struct forward *f)
{
	ssize_t n = send(f->fd, f->query.bytes, f->query.len, 0);

	return n == (ssize_t)f->query.len;
}

struct forward *
forward_start(uv_loop_t *loop, const struct endpoint *server, bool tcp,
    const uint8_t *message, size_t len, unsigned timeout_ms,
    forward_heard heard, void *ctx)
{
	struct forward *f = calloc(1, sizeof(*f));

	if (f == NULL || !tcp_message_set(&f->query, message, len)) {
		free(f);
		return NULL;
	}
	f->heard = heard;
	f->ctx = ctx;
	f->fd = open_forward_socket(server, tcp);
	if (f->fd == -1 || uv_poll_init(loop, &f->poll, f->fd) != 0) {
		if (f->fd != -1)
			close(f->fd);
		tcp_message_clear(&f->query);
		free(f);
		return NULL;
	}
	uv_timer_init(loop, &f->timer);
	f->poll.data = f->timer.data = f;
	f->handles = 2;
	if (uv_poll_start(&f->poll, tcp ? UV_WRITABLE : UV_READABLE,
		tcp ? on_forward_tcp : on_forward_udp) != 0 ||
	    (!tcp && !send_forward_udp(f))) {
		forward_cancel(f);
		return NULL;
	}
	uv_timer_start(&f->timer, on_forward_timeout, timeout_ms, 0);
	return f;
}

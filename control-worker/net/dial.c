/* TCP to the first address that answers: see dial.h. */
#include "control-worker/net/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct attempt {
	struct dial *dial;
	uv_poll_t *poll; /* of its own memory: it is closed on its own */
	int fd;          /* -1: given up */
	struct endpoint peer;
};

struct dial {
	uv_timer_t timer; /* first for what failed at once, then the limit */
	uv_loop_t *loop;
	struct attempt attempts[DIAL_ADDRESSES_MAX];
	size_t count;
	char error[128];
	dial_done done;
	void *ctx;
};

static void
free_attempt_poll(uv_handle_t *h)
{
	free(h);
}

static void
free_dial(uv_handle_t *timer)
{
	free(timer->data);
}

static void
stop_attempt_poll(struct attempt *a)
{
	if (a->poll != NULL)
		uv_close((uv_handle_t *)a->poll, free_attempt_poll);
	a->poll = NULL;
}

static void
give_attempt_up(struct attempt *a)
{
	stop_attempt_poll(a);
	if (a->fd != -1)
		close(a->fd);
	a->fd = -1;
}

void
dial_cancel(struct dial *d)
{
	for (size_t i = 0; i < d->count; i++)
		give_attempt_up(&d->attempts[i]);
	uv_close((uv_handle_t *)&d->timer, free_dial);
}

static void
finish_dial(struct dial *d, struct attempt *winner)
{
	struct endpoint peer = { 0 };
	char error[sizeof(d->error)];
	dial_done done = d->done;
	void *ctx = d->ctx;
	int fd = -1;

	memcpy(error, d->error, sizeof(error));
	if (winner != NULL) {
		stop_attempt_poll(winner);
		peer = winner->peer;
		fd = winner->fd;
		winner->fd = -1;
	}
	dial_cancel(d);
	done(ctx, fd, &peer, fd == -1 ? error : NULL);
}

static void
note_error(struct attempt *a, int error)
{
	char peer[ENDPOINT_TEXT_MAX];

	snprintf(a->dial->error, sizeof(a->dial->error), "%s: %s",
	    endpoint_format(&a->peer, peer), strerrordesc_np(error));
}

static void
finish_if_all_failed(struct dial *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (d->attempts[i].fd != -1)
			return;
	finish_dial(d, NULL);
}

static void
on_connected(uv_poll_t *poll, int status, int events)
{
	struct attempt *a = poll->data;
	struct dial *d = a->dial;
	int error = 0;
	socklen_t len = sizeof(error);

	/* libuv hides the error of a socket behind one of its own. */
	(void)status;
	(void)events;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error == 0 && status == 0) {
		finish_dial(d, a);
		return;
	}
	note_error(a, error);
	give_attempt_up(a);
	finish_if_all_failed(d);
}

static int
open_attempt(struct attempt *a)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&a->peer, &to);
	int on = 1;

	a->fd =
	    socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd == -1)
		return -1;
	if (setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == -1)
		return -1;
	if (connect(a->fd, (struct sockaddr *)&to, len) == -1 &&
	    errno != EINPROGRESS)
		return -1;
	if ((a->poll = calloc(1, sizeof(*a->poll))) == NULL)
		return -1;
	if (uv_poll_init(a->dial->loop, a->poll, a->fd) != 0) {
		free(a->poll);
		a->poll = NULL;
		return -1;
	}
	a->poll->data = a;
	return uv_poll_start(a->poll, UV_WRITABLE, on_connected) == 0 ? 0 : -1;
}

static void
on_dial_limit(uv_timer_t *timer)
{
	struct dial *d = timer->data;

	snprintf(d->error, sizeof(d->error), "no TCP connection within %d s",
	    DIAL_TIMEOUT_MS / 1000);
	finish_dial(d, NULL);
}

static void
on_started(uv_timer_t *timer)
{
	struct dial *d = timer->data;

	uv_timer_start(&d->timer, on_dial_limit, DIAL_TIMEOUT_MS, 0);
	finish_if_all_failed(d);
}

struct dial *
dial_start(uv_loop_t *loop, const struct dialler *dialler,
    const struct ip_address *addresses, size_t count, uint16_t port,
    dial_done done, void *ctx)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->loop = loop;
	d->done = done;
	d->ctx = ctx;
	d->count = count < DIAL_ADDRESSES_MAX ? count : DIAL_ADDRESSES_MAX;
	strcpy(d->error, "no addresses");
	dialler->announce(dialler->ctx, addresses, d->count);
	uv_timer_init(loop, &d->timer);
	d->timer.data = d;
	for (size_t i = 0; i < d->count; i++) {
		struct attempt *a = &d->attempts[i];

		a->dial = d;
		a->fd = -1;
		a->peer = (struct endpoint){ addresses[i], port };
		if (open_attempt(a) == -1) {
			note_error(a, errno);
			give_attempt_up(a);
		}
	}
	uv_timer_start(&d->timer, on_started, 0, 0);
	return d;
}

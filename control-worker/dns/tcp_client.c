/*
 * A client's TCP connection (RFC 7766): queries behind one another, each
 * forwarded over a connection of its own and answered before the next is read.
 * What is no query ends the connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "control-worker/dns/message.h"
#include "control-worker/dns/pending.h"
#include "control-worker/dns/server_internal.h"

#define PREFIX_LEN 2 /* RFC 1035 4.2.2 */

enum phase {
	READING, /* a query, or waiting for one */
	ASKING,
	WRITING, /* its answer */
};

struct tcp_client {
	struct pending pending; /* first */
	TAILQ_ENTRY(tcp_client) entry;
	struct listener *listener;
	struct ip_address ip;
	enum phase phase;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* that are not closed yet */
	uint8_t prefix[PREFIX_LEN];
	uint8_t *message; /* the query without prefix, the answer with it */
	size_t len, done; /* its bytes; those of prefix and query, or answer */
};

static void
on_handle_closed(uv_handle_t *handle)
{
	struct tcp_client *c = handle->data;

	if (--c->handles > 0)
		return;
	free(c->message);
	free(c);
}

static void
end(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;

	if (c->phase == ASKING) {
		pending_cancel(&c->pending);
		s->pending--;
	}
	TAILQ_REMOVE(&s->clients, c, entry);
	s->client_count--;
	uv_close((uv_handle_t *)&c->poll, on_handle_closed);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	close(c->fd);
}

static void
on_timeout(uv_timer_t *timer)
{
	end(timer->data);
}

static void on_ready(uv_poll_t *, int status, int events);

static void
begin(struct tcp_client *c, enum phase phase)
{
	c->phase = phase;
	uv_poll_start(
	    &c->poll, phase == READING ? UV_READABLE : UV_WRITABLE, on_ready);
	uv_timer_start(&c->timer, on_timeout, DNS_CONNECTION_IDLE_MS, 0);
}

static void
forget_message(struct tcp_client *c)
{
	free(c->message);
	c->message = NULL;
	c->len = c->done = 0;
}

static void
on_answer(struct pending *p, const uint8_t *answer, size_t len)
{
	struct tcp_client *c = (struct tcp_client *)p;

	c->listener->server->pending--;
	forget_message(c);
	begin(c, WRITING);
	/* In one piece with its length, which some clients want. */
	if (len > DNS_MESSAGE_MAX ||
	    (c->message = malloc(PREFIX_LEN + len)) == NULL) {
		end(c);
		return;
	}
	store_be16(c->message, (uint16_t)len);
	memcpy(c->message + PREFIX_LEN, answer, len);
	c->len = PREFIX_LEN + len;
}

/* False when it is none, or one too many. */
static bool
ask(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;
	size_t head_len = dns_query_head(c->message, c->len);

	if (head_len == 0 || s->pending >= DNS_QUERIES_MAX)
		return false;
	uv_poll_stop(&c->poll);
	uv_timer_stop(&c->timer);
	c->phase = ASKING;
	s->pending++;
	pending_start(&c->pending, s->loop, prober_choose(s->prober, true),
	    true, c->message, c->len, head_len, on_answer);
	return true;
}

/* Bytes into a place of that size; 1: it is full, -1: it will never be. */
static int
read_some(struct tcp_client *c, uint8_t *to, size_t size, size_t before)
{
	size_t at = c->done - before;
	ssize_t n = recv(c->fd, to + at, size - at, MSG_DONTWAIT);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0)
		return -1;
	c->done += (size_t)n;
	return at + (size_t)n == size;
}

static bool
read_query(struct tcp_client *c)
{
	int r;

	if (c->done < PREFIX_LEN) {
		if ((r = read_some(c, c->prefix, PREFIX_LEN, 0)) != 1)
			return r == 0;
		c->len = load_be16(c->prefix);
		if (c->len == 0 || (c->message = malloc(c->len)) == NULL)
			return false;
	}
	if ((r = read_some(c, c->message, c->len, PREFIX_LEN)) != 1)
		return r == 0;
	return ask(c);
}

static bool
write_answer(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;
	ssize_t n = send(c->fd, c->message + c->done, c->len - c->done,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	c->done += (size_t)n;
	if (c->done < c->len)
		return true;
	forget_message(c);
	TAILQ_REMOVE(&s->clients, c, entry);
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	begin(c, READING);
	return true;
}

static void
on_ready(uv_poll_t *poll, int status, int events)
{
	struct tcp_client *c = poll->data;
	bool alive = status == 0;

	(void)events;
	if (alive && c->phase == READING)
		alive = read_query(c);
	else if (alive && c->phase == WRITING)
		alive = write_answer(c);
	if (!alive)
		end(c);
}

/* Whoever has waited longest without asking makes room for another. */
static bool
make_room(struct dns_server *s, const struct ip_address *ip)
{
	struct tcp_client *c, *idle = NULL;
	unsigned of_client = 0;

	TAILQ_FOREACH(c, &s->clients, entry) {
		of_client += ip_equal(&c->ip, ip);
		if (idle == NULL && c->phase == READING)
			idle = c;
	}
	if (of_client >= DNS_CONNECTIONS_OF_CLIENT)
		return false;
	if (s->client_count < DNS_CONNECTIONS_MAX)
		return true;
	if (idle == NULL)
		return false;
	end(idle);
	return true;
}

static void
take(struct listener *l, int fd, const struct ip_address *ip)
{
	struct dns_server *s = l->server;
	struct tcp_client *c;

	if (!make_room(s, ip) || (c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return;
	}
	if (uv_poll_init(s->loop, &c->poll, fd) != 0) {
		close(fd);
		free(c);
		return;
	}
	uv_timer_init(s->loop, &c->timer);
	c->poll.data = c->timer.data = c;
	c->handles = 2;
	c->listener = l;
	c->ip = *ip;
	c->fd = fd;
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->client_count++;
	begin(c, READING);
}

void
tcp_listener_read(struct listener *l)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct endpoint client;
	int fd = accept4(l->fd, (struct sockaddr *)&from, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1)
		return;
	if (endpoint_from_sockaddr((struct sockaddr *)&from, &client))
		take(l, fd, &client.ip);
	else
		close(fd);
}

void
tcp_listener_gone(struct listener *l)
{
	struct tcp_client *c, *next;

	for (c = TAILQ_FIRST(&l->server->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->listener == l)
			end(c);
	}
}

/*
 * A client's TCP connection (RFC 7766): queries behind one another, each
 * forwarded over a connection of its own and answered before the next is read.
 * What is no query ends the connection.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control-worker/dns/pending.h"
#include "control-worker/dns/server_internal.h"
#include "control-worker/dns/tcp_message.h"

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
	unsigned handles;           /* that are not closed yet */
	struct tcp_message message; /* the query, then the answer */
};

static void
on_client_closed(uv_handle_t *handle)
{
	struct tcp_client *c = handle->data;

	if (--c->handles > 0)
		return;
	tcp_message_clear(&c->message);
	free(c);
}

static void
end_client(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;

	if (c->phase == ASKING)
		pending_cancel(&c->pending);
	TAILQ_REMOVE(&s->clients, c, entry);
	shares_give(&s->of_clients, &c->ip);
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	uv_close((uv_handle_t *)&c->timer, on_client_closed);
	close(c->fd);
}

static void
on_client_timeout(uv_timer_t *timer)
{
	end_client(timer->data);
}

static void on_client_ready(uv_poll_t *, int status, int events);

static void
begin_phase(struct tcp_client *c, enum phase phase)
{
	c->phase = phase;
	uv_poll_start(&c->poll, phase == READING ? UV_READABLE : UV_WRITABLE,
	    on_client_ready);
	uv_timer_start(&c->timer, on_client_timeout, DNS_CONNECTION_IDLE_MS, 0);
}

static void
on_client_answer(struct pending *p, const uint8_t *answer, size_t len)
{
	struct tcp_client *c = (struct tcp_client *)p;

	dns_server_count(c->listener->server, p, answer);
	begin_phase(c, WRITING);
	if (!tcp_message_set(&c->message, answer, len))
		end_client(c);
}

/* False when it is none. */
static bool
ask_upstream(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;
	size_t head_len = dns_query_head(c->message.bytes, c->message.len);

	if (head_len == 0)
		return false;
	uv_poll_stop(&c->poll);
	uv_timer_stop(&c->timer);
	c->phase = ASKING;
	pending_start(&c->pending, s->loop, s->prober, true, c->message.bytes,
	    c->message.len, head_len, on_client_answer);
	return true;
}

static bool
read_query(struct tcp_client *c)
{
	int r = tcp_message_read(&c->message, c->fd);

	return r == 1 ? ask_upstream(c) : r == 0;
}

static bool
write_client_answer(struct tcp_client *c)
{
	struct dns_server *s = c->listener->server;
	int r = tcp_message_write(&c->message, c->fd);

	if (r != 1)
		return r == 0;
	tcp_message_clear(&c->message);
	TAILQ_REMOVE(&s->clients, c, entry);
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	begin_phase(c, READING);
	return true;
}

static void
on_client_ready(uv_poll_t *poll, int status, int events)
{
	struct tcp_client *c = poll->data;
	bool alive = status == 0;

	(void)events;
	if (alive && c->phase == READING)
		alive = read_query(c);
	else if (alive && c->phase == WRITING)
		alive = write_client_answer(c);
	if (!alive)
		end_client(c);
}

/*
 * The connection that has waited longest without asking: of the client, or of
 * anybody. NULL: all are being answered.
 */
static struct tcp_client *
find_idle_client(const struct dns_server *s, const struct ip_address *client)
{
	struct tcp_client *c;

	TAILQ_FOREACH(c, &s->clients, entry)
		if (c->phase == READING &&
		    (client == NULL || ip_equal(&c->ip, client)))
			return c;
	return NULL;
}

static struct tcp_client *
find_oldest_client(const struct dns_server *s, const struct ip_address *client)
{
	struct tcp_client *c;

	TAILQ_FOREACH(c, &s->clients, entry)
		if (ip_equal(&c->ip, client))
			return c;
	return NULL;
}

/* The idle ones go first, and then those of whoever has most. */
static bool
make_room_for_connection(struct dns_server *s, const struct ip_address *client)
{
	enum shares_verdict verdict;
	struct tcp_client *victim;
	struct ip_address other;

	verdict = shares_ask(&s->of_clients, client, &other);
	if (verdict == SHARES_ROOM)
		return true;
	if (verdict == SHARES_TOO_MANY)
		victim = find_idle_client(s, client);
	else if (verdict == SHARES_EVEN)
		victim = find_idle_client(s, NULL);
	else if ((victim = find_idle_client(s, &other)) == NULL &&
	    (victim = find_idle_client(s, NULL)) == NULL)
		victim = find_oldest_client(s, &other);
	dns_server_refuse(s, true, victim == NULL ? client : &victim->ip);
	if (victim != NULL)
		end_client(victim);
	return victim != NULL;
}

static void
take_client(struct listener *l, int fd, const struct ip_address *ip)
{
	struct dns_server *s = l->server;
	struct tcp_client *c;

	if (!make_room_for_connection(s, ip) ||
	    (c = calloc(1, sizeof(*c))) == NULL) {
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
	shares_take(&s->of_clients, ip);
	begin_phase(c, READING);
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
		take_client(l, fd, &client.ip);
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
			end_client(c);
	}
}

/*
 * A listener and its connections: see server.h. It waits with uv_poll and makes
 * the calls itself, so that the filter has to know accept4(2), recvfrom(2),
 * sendto(2) and shutdown(2), and libuv opens nothing for it.
 */
#include "control-worker/net/server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/time.h"

#define LINGER_MS 1000

enum phase {
	READING,
	ANSWERING,
	FINISHING, /* the rest is being sent */
	LINGERING, /* all is sent: waits for the peer's end */
	CLOSED,
};

/* Whose connection it is: of an address, or of a user of this host. */
struct owner {
	struct ip_address ip; /* IP_NONE: of this host */
	uid_t uid;            /* else 0 */
};

struct served {
	TAILQ_ENTRY(served) entry;
	struct server *server;
	void *data;
	enum phase phase;
	int fd;
	struct owner owner;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* that are not closed yet */
	char request[SERVER_REQUEST_MAX];
	size_t request_len;
	bool heard_all; /* the peer has closed its side */
	bool wake;      /* drained() is wanted in any case */
	bool slow;      /* nobody is in a hurry */
	struct text out;
	size_t sent;
};

struct server {
	const struct server_kind *kind;
	void *ctx;
	int fd;
	uv_loop_t *loop;
	uv_poll_t poll;
	TAILQ_HEAD(, served) all; /* the oldest first */
	unsigned count;
	uint64_t refused;
	struct log_limit log_limit;
};

void *
server_ctx(const struct served *c)
{
	return c->server->ctx;
}

void
served_set_data(struct served *c, void *data)
{
	c->data = data;
}

void *
served_data(const struct served *c)
{
	return c->data;
}

int
served_fd(const struct served *c)
{
	return c->fd;
}

struct text *
served_out(struct served *c)
{
	return &c->out;
}

struct served *
server_find(struct server *s,
    bool (*matches)(const struct served *, const void *key), const void *key)
{
	struct served *c;

	TAILQ_FOREACH(c, &s->all, entry)
		if (matches(c, key))
			return c;
	return NULL;
}

void
server_each(struct server *s, void (*each)(struct served *, const void *),
    const void *arg)
{
	struct served *c;

	TAILQ_FOREACH(c, &s->all, entry)
		each(c, arg);
}

static void
on_served_closed(uv_handle_t *handle)
{
	struct served *c = handle->data;

	if (--c->handles == 0) {
		text_free(&c->out);
		free(c);
	}
}

static void
end_connection(struct served *c)
{
	struct server *s = c->server;

	if (c->phase == CLOSED)
		return;
	c->phase = CLOSED;
	if (s->kind->gone != NULL)
		s->kind->gone(c);
	TAILQ_REMOVE(&s->all, c, entry);
	s->count--;
	uv_close((uv_handle_t *)&c->poll, on_served_closed);
	uv_close((uv_handle_t *)&c->timer, on_served_closed);
	close(c->fd);
	c->fd = -1;
}

static void
on_served_impatient(uv_timer_t *timer)
{
	struct served *c = timer->data;

	if (c->phase == ANSWERING && c->server->kind->impatient != NULL &&
	    (c->sent == c->out.len || c->slow))
		c->server->kind->impatient(c);
	else
		end_connection(c);
}

static void
be_patient(struct served *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_served_impatient, ms, 0);
}

/*
 * After the end of what the peer says: who has said all may still be listening.
 * Of a local one, sending nothing tells that; one far away is found out when it
 * is sent something.
 */
static bool
may_listen(const struct served *c)
{
	if (c->phase != ANSWERING && c->phase != FINISHING)
		return false;
	return send(c->fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) == 0 ||
	    errno == EAGAIN || errno == EINTR;
}

/* The request, or what nobody reads any more. False at the end. */
static bool
receive_request(struct served *c)
{
	const struct server_kind *kind = c->server->kind;
	char rest[1024];
	bool reading = c->phase == READING;
	ssize_t n;

	if (reading)
		n = recv(c->fd, c->request + c->request_len,
		    kind->request_max - c->request_len, MSG_DONTWAIT);
	else
		n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		c->heard_all = true;
		return may_listen(c);
	}
	if (!reading)
		return true;
	c->request_len += (size_t)n;
	kind->request(c, c->request, c->request_len);
	return c->phase != READING || c->request_len < kind->request_max;
}

/* False when the peer is gone. */
static bool
transmit_answer(struct served *c)
{
	ssize_t n = send(c->fd, c->out.bytes + c->sent, c->out.len - c->sent,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	c->sent += (size_t)n;
	be_patient(c, c->server->kind->patience_ms);
	return true;
}

static bool
answer_is_sent(struct served *c)
{
	text_free(&c->out);
	c->sent = 0;
	c->wake = false;
	if (c->phase == ANSWERING) {
		if (c->server->kind->drained != NULL)
			c->server->kind->drained(c);
		return true;
	}
	c->phase = LINGERING;
	be_patient(c, LINGER_MS);
	return shutdown(c->fd, SHUT_WR) == 0;
}

static void on_served_ready(uv_poll_t *, int status, int events);

static void
watch_socket(struct served *c)
{
	int events = c->heard_all ? 0 : UV_READABLE;

	if (c->sent < c->out.len || c->phase == FINISHING || c->wake)
		events |= UV_WRITABLE;
	if (events == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, events, on_served_ready);
}

static void
on_served_ready(uv_poll_t *poll, int status, int events)
{
	struct served *c = poll->data;
	bool alive = status == 0;

	if (alive && (events & UV_READABLE))
		alive = receive_request(c);
	if (alive && (events & UV_WRITABLE) && c->sent < c->out.len)
		alive = transmit_answer(c);
	if (alive && (events & UV_WRITABLE) && c->sent == c->out.len &&
	    c->phase != READING && c->phase != LINGERING)
		alive = answer_is_sent(c);
	if (!alive || c->out.failed)
		end_connection(c);
	else if (c->phase != CLOSED)
		watch_socket(c);
}

void
served_send(struct served *c)
{
	c->phase = ANSWERING;
	c->wake = true;
	be_patient(c, c->server->kind->patience_ms);
	watch_socket(c);
}

void
served_take_time(struct served *c)
{
	c->slow = true;
}

void
served_finish(struct served *c)
{
	c->phase = FINISHING;
	be_patient(c, c->server->kind->patience_ms);
	watch_socket(c);
}

static void
take_connection(struct server *s, int fd, const struct owner *owner)
{
	struct served *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		close(fd);
		return;
	}
	c->server = s;
	c->fd = fd;
	c->owner = *owner;
	if (uv_poll_init(s->loop, &c->poll, fd) != 0) {
		close(fd);
		free(c);
		return;
	}
	uv_timer_init(s->loop, &c->timer);
	c->handles = 2;
	c->poll.data = c->timer.data = c;
	TAILQ_INSERT_TAIL(&s->all, c, entry);
	s->count++;
	be_patient(c, s->kind->patience_ms);
	watch_socket(c);
}

static unsigned
connections_of(const struct server *s, const struct owner *owner)
{
	const struct served *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &s->all, entry)
		n += ip_equal(&c->owner.ip, &owner->ip) &&
		    c->owner.uid == owner->uid;
	return n;
}

/*
 * The oldest of the owner that has most, of those that have not asked or all;
 * NULL: none has so many.
 */
static struct served *
find_victim(const struct server *s, bool idle, unsigned least)
{
	struct served *c, *victim = NULL;
	unsigned most = least == 0 ? 0 : least - 1;

	TAILQ_FOREACH(c, &s->all, entry) {
		unsigned n = connections_of(s, &c->owner);

		if ((c->phase == READING || !idle) && n > most) {
			most = n;
			victim = c;
		}
	}
	return victim;
}

static bool
make_room_for_owner(struct server *s, const struct owner *owner)
{
	const unsigned n = connections_of(s, owner);
	struct served *victim;
	uint32_t held;

	if (s->count < s->kind->connections)
		return true;
	if ((victim = find_victim(s, true, n)) == NULL)
		victim = find_victim(s, false, n + 2);
	s->refused++;
	if (log_allow(&s->log_limit, mono_now().ns, &held))
		log_info("more than %u connections for %s at once: one is ended "
			 "or refused (%" PRIu64 " so far)",
		    s->kind->connections, s->kind->name, s->refused);
	if (victim != NULL)
		end_connection(victim);
	return victim != NULL;
}

static struct owner
owner_of(int fd, const struct sockaddr_storage *from)
{
	struct owner owner = { 0 };
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct endpoint e;

	if (from->ss_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
			owner.uid = peer.uid;
	} else if (endpoint_from_sockaddr((const struct sockaddr *)from, &e)) {
		owner.ip = e.ip;
	}
	return owner;
}

static void
on_connection(uv_poll_t *poll, int status, int events)
{
	struct server *s = poll->data;
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	struct owner owner;
	int fd;

	(void)status;
	(void)events;
	fd = accept4(s->fd, (struct sockaddr *)&from, &len,
	    SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1)
		return;
	owner = owner_of(fd, &from);
	if (make_room_for_owner(s, &owner))
		take_connection(s, fd, &owner);
	else
		close(fd);
}

struct server *
server_new(uv_loop_t *loop, int fd, const struct server_kind *kind, void *ctx)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->kind = kind;
	s->ctx = ctx;
	s->fd = fd;
	s->loop = loop;
	TAILQ_INIT(&s->all);
	if (uv_poll_init(loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_connection);
	return s;
}

static void
on_server_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->all))
		end_connection(TAILQ_FIRST(&s->all));
	uv_close((uv_handle_t *)&s->poll, on_server_closed);
	close(s->fd);
}

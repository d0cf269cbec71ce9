/*
 * A query that came by UDP: forwarded by UDP, and answered from the socket that
 * it came to. What is no query gets no answer.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control-worker/dns/pending.h"
#include "control-worker/dns/server_internal.h"

#define QUERY_MAX 2000
/* One listener cannot keep the loop from its other work. */
#define QUERIES_AT_ONCE 64

struct udp_query {
	struct pending pending; /* first */
	TAILQ_ENTRY(udp_query) entry;
	struct listener *listener;
	struct endpoint client;
};

static void
end_query(struct udp_query *q)
{
	struct dns_server *s = q->listener->server;

	TAILQ_REMOVE(&s->queries, q, entry);
	shares_give(&s->of_queries, &q->client.ip);
	free(q);
}

/* What does not fit the tunnel is cut to its head; the client asks by TCP. */
static void
on_query_answer(struct pending *p, const uint8_t *answer, size_t len)
{
	struct udp_query *q = (struct udp_query *)p;
	struct sockaddr_storage to;
	socklen_t to_len = endpoint_to_sockaddr(&q->client, &to);
	uint8_t head[DNS_HEAD_MAX];

	dns_server_count(q->listener->server, p, answer);
	if (len > DNS_TUNNEL_MAX) {
		len = dns_answer_head(answer, len);
		memcpy(head, answer, len);
		dns_make_truncated(head);
		answer = head;
	}
	(void)sendto(q->listener->fd, answer, len, MSG_DONTWAIT,
	    (struct sockaddr *)&to, to_len);
	end_query(q);
}

/* The oldest of a client's queries is answered, so that it hears of it. */
static void
give_up_oldest_query(struct dns_server *s, const struct ip_address *client)
{
	struct udp_query *q;

	TAILQ_FOREACH(q, &s->queries, entry)
		if (ip_equal(&q->client.ip, client)) {
			pending_give_up(&q->pending);
			return;
		}
}

static bool
make_room_for_query(struct dns_server *s, const struct ip_address *client)
{
	struct ip_address other;

	switch (shares_ask(&s->of_queries, client, &other)) {
	case SHARES_ROOM:
		return true;
	case SHARES_FULL:
		dns_server_refuse(s, false, &other);
		give_up_oldest_query(s, &other);
		return true;
	case SHARES_EVEN:
	case SHARES_TOO_MANY:
		break;
	}
	dns_server_refuse(s, false, client);
	return false;
}

static void
take_query(struct listener *l, const struct endpoint *client,
    const uint8_t *bytes, size_t len)
{
	struct dns_server *s = l->server;
	size_t head_len = dns_query_head(bytes, len);
	struct udp_query *q;

	if (head_len == 0 || !make_room_for_query(s, &client->ip) ||
	    (q = calloc(1, sizeof(*q))) == NULL)
		return;
	q->listener = l;
	q->client = *client;
	TAILQ_INSERT_TAIL(&s->queries, q, entry);
	shares_take(&s->of_queries, &client->ip);
	pending_start(&q->pending, s->loop, s->prober, false, bytes, len,
	    head_len, on_query_answer);
}

void
udp_listener_read(struct listener *l)
{
	for (int i = 0; i < QUERIES_AT_ONCE; i++) {
		uint8_t bytes[QUERY_MAX];
		struct sockaddr_storage from = { 0 };
		socklen_t from_len = sizeof(from);
		struct endpoint client;
		ssize_t n;

		n = recvfrom(l->fd, bytes, sizeof(bytes),
		    MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
		    &from_len);
		if (n == -1)
			return;
		if ((size_t)n <= sizeof(bytes) &&
		    endpoint_from_sockaddr((struct sockaddr *)&from, &client))
			take_query(l, &client, bytes, (size_t)n);
	}
}

void
udp_listener_gone(struct listener *l)
{
	struct udp_query *q, *next;

	for (q = TAILQ_FIRST(&l->server->queries); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		if (q->listener != l)
			continue;
		pending_cancel(&q->pending);
		end_query(q);
	}
}

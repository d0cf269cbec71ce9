/* The DNS server on the tunnel: see server.h. Listeners; the rest is beside. */
#include "control-worker/dns/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"
#include "common/time.h"
#include "control-worker/dns/server_internal.h"

struct dns_server *
dns_server_new(uv_loop_t *loop)
{
	struct dns_server *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->prober = prober_new(loop)) == NULL) {
		free(s);
		return NULL;
	}
	s->loop = loop;
	s->of_queries.max = DNS_QUERIES_MAX;
	s->of_queries.of_client = DNS_QUERIES_OF_CLIENT;
	s->of_clients.max = DNS_CONNECTIONS_MAX;
	s->of_clients.of_client = DNS_CONNECTIONS_OF_CLIENT;
	TAILQ_INIT(&s->queries);
	TAILQ_INIT(&s->clients);
	return s;
}

void
dns_server_free(struct dns_server *s)
{
	if (s == NULL)
		return;
	dns_server_close(s, IP_V4);
	dns_server_close(s, IP_V6);
	prober_free(s->prober);
	free(s);
}

void
dns_server_set_servers(struct dns_server *s, const struct resolv_conf *conf)
{
	prober_set_servers(s->prober, conf);
}

const struct dns_refusals *
dns_server_refusals(const struct dns_server *s)
{
	return &s->refusals;
}

const uint64_t *
dns_server_outcomes(const struct dns_server *s)
{
	return s->outcomes;
}

void
dns_server_count(
    struct dns_server *s, const struct pending *p, const uint8_t *answer)
{
	s->outcomes[pending_outcome(p, answer)]++;
}

void
dns_server_refuse(
    struct dns_server *s, bool connection, const struct ip_address *client)
{
	uint64_t *count =
	    connection ? &s->refusals.connections : &s->refusals.queries;
	char who[ENDPOINT_TEXT_MAX];
	uint32_t held;

	++*count;
	if (log_allow(&s->log_limit, mono_now().ns, &held))
		log_info("the client at %s has too many DNS %s at once: one is "
			 "refused (%u more before)",
		    ip_format(client, who),
		    connection ? "connections" : "queries", held);
}

static void
on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
close_listener(struct dns_server *s, enum ip_family family, bool tcp)
{
	struct listener **at = &s->listeners[family == IP_V6][tcp];
	struct listener *l = *at;

	if (l == NULL)
		return;
	*at = NULL;
	if (tcp)
		tcp_listener_gone(l);
	else
		udp_listener_gone(l);
	uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	close(l->fd);
}

static void
on_udp_query(uv_poll_t *poll, int status, int events)
{
	(void)events;
	if (status == 0)
		udp_listener_read(poll->data);
}

static void
on_tcp_connection(uv_poll_t *poll, int status, int events)
{
	(void)events;
	if (status == 0)
		tcp_listener_read(poll->data);
}

void
dns_server_listen(struct dns_server *s, enum ip_family family, bool tcp, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	close_listener(s, family, tcp);
	if (l == NULL || uv_poll_init(s->loop, &l->poll, fd) != 0) {
		log_warnx("a DNS listener cannot be used");
		close(fd);
		free(l);
		return;
	}
	l->poll.data = l;
	l->server = s;
	l->fd = fd;
	s->listeners[family == IP_V6][tcp] = l;
	uv_poll_start(
	    &l->poll, UV_READABLE, tcp ? on_tcp_connection : on_udp_query);
}

void
dns_server_close(struct dns_server *s, enum ip_family family)
{
	close_listener(s, family, false);
	close_listener(s, family, true);
}

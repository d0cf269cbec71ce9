/* What the parts of the DNS server share. */
#ifndef CONTROL_WORKER_DNS_SERVER_INTERNAL_H
#define CONTROL_WORKER_DNS_SERVER_INTERNAL_H

#include <sys/queue.h>

#include "common/log.h"
#include "control-worker/dns/pending.h"
#include "control-worker/dns/probe.h"
#include "control-worker/dns/server.h"
#include "control-worker/dns/shares.h"

struct udp_query;
struct tcp_client;

struct listener {
	uv_poll_t poll;
	struct dns_server *server;
	int fd;
};

struct dns_server {
	uv_loop_t *loop;
	struct prober *prober;
	struct listener *listeners[2][2]; /* by IPv6 and TCP; NULL: none */
	TAILQ_HEAD(, udp_query) queries;
	TAILQ_HEAD(, tcp_client) clients; /* those who last said least first */
	struct shares of_queries, of_clients;
	struct dns_refusals refusals;
	uint64_t outcomes[DNS_OUTCOMES];
	struct log_limit log_limit;
};

/* There is no room for a query, or a connection. */
void dns_server_refuse(
    struct dns_server *, bool connection, const struct ip_address *client);

/* What became of a query, with its answer. */
void dns_server_count(
    struct dns_server *, const struct pending *, const uint8_t *answer);

/* udp_query.c: what is to be read there, and the end of what came by there. */
void udp_listener_read(struct listener *);
void udp_listener_gone(struct listener *);

/* tcp_client.c, likewise. */
void tcp_listener_read(struct listener *);
void tcp_listener_gone(struct listener *);

#endif /* CONTROL_WORKER_DNS_SERVER_INTERNAL_H */

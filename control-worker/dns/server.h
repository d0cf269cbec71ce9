/*
 * The DNS server on the tunnel: what clients ask of our own tunnel addresses,
 * port 53535, by UDP and TCP, is put to a server of resolv.conf and its answer
 * brought back. The listeners are made by the parent. firezone-policy(7), DNS
 * SERVER.
 */
#ifndef CONTROL_WORKER_DNS_SERVER_H
#define CONTROL_WORKER_DNS_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/address.h"
#include "control-worker/dns/resolv_conf.h"
#include "control-worker/net/dns_outcome.h"

/*
 * Queries that are out at a time, and connections; of one client. Where all are
 * taken, the client that has most makes room (shares.h). The filter's
 * RLIMIT_NOFILE (sandbox_control.c) has room for the descriptors of all.
 */
#define DNS_QUERIES_MAX           512
#define DNS_QUERIES_OF_CLIENT     64
#define DNS_CONNECTIONS_MAX       64
#define DNS_CONNECTIONS_OF_CLIENT 8
/* A connection without a whole query for so long is closed. */
#define DNS_CONNECTION_IDLE_MS 30000

struct dns_server;

/* Queries and connections that there was no room for, of all time. */
struct dns_refusals {
	uint64_t queries, connections;
};

struct dns_server *dns_server_new(uv_loop_t *); /* NULL without memory */
void dns_server_free(struct dns_server *);      /* NULL is fine */
/* At the start and with each new resolv.conf. */
void dns_server_set_servers(struct dns_server *, const struct resolv_conf *);
/*
 * A listener, which is taken over, in place of the one of its kind. What came
 * by the old one is given up.
 */
void dns_server_listen(struct dns_server *, enum ip_family, bool tcp, int fd);
const struct dns_refusals *dns_server_refusals(const struct dns_server *);
/* How many of each, by enum dns_outcome. */
const uint64_t *dns_server_outcomes(const struct dns_server *);
/* The family has no listeners any more. */
void dns_server_close(struct dns_server *, enum ip_family);

#endif /* CONTROL_WORKER_DNS_SERVER_H */

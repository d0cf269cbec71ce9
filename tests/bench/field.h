/*
 * Many connected clients and a relay around one data plane, all in this
 * process: what bench_clients measures with, and tests/sim/idle. The clients do
 * what idle ones do (firezone-tunnel(7)): one ICE check every 25 s, an answer
 * to each of the gateway's, a handshake every 180 s; without ICE probes are
 * what checks are otherwise. Only the data plane's part is timed, in CPU time;
 * no system call of a real gateway is in it.
 *
 * The data plane always has a deadline, and never one that has been served.
 */
#ifndef TESTS_BENCH_FIELD_H
#define TESTS_BENCH_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/ipc.h"
#include "net-worker/core/aead.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/session.h"
#include "net-worker/dataplane/dataplane.h"

#define FIELD_CLIENTS_MAX 10002
#define FIELD_WIRE        65536 /* datagrams on their way in one turn */
#define FIELD_DATAGRAM    512   /* bytes of the longest */

/* Resources by number: one that all clients have, others one has each. */
#define FIELD_COMMON UINT32_MAX

struct field_client {
	uint32_t number;
	bool iceless;
	struct noise_identity identity;
	struct noise_peer gateway;
	struct session session;
	struct mono next_check, next_handshake;
	uint32_t initiations;
	uint16_t probes;
	/* The gateway has answered a check, and made one. */
	struct mono answered, asked;
	int64_t longest_ms; /* between two of either */
	uint64_t packets;   /* that came through the tunnel */
};

struct wire {
	size_t count;
	struct wire_datagram {
		struct endpoint other; /* than the gateway */
		size_t len;
		uint8_t data[FIELD_DATAGRAM];
	} * datagrams;
};

struct field {
	struct dataplane *dp;
	struct counter_page page;
	struct aead *aead; /* the data plane's, and the clients' */
	struct mono now;
	struct wire to, from; /* the gateway */
	struct field_client *clients;
	struct mono *due; /* when each does something next */
	uint32_t count;
	bool iceless;                  /* the next clients do without ICE */
	bool no_rekeys;                /* clients make no more handshakes */
	uint64_t acknowledged, serial; /* of authorizations */
	int64_t handshakes_ns; /* the CPU time of the clients' first ones */
	uint8_t arrived[FIELD_DATAGRAM]; /* the last packet at the TUN */
	size_t arrived_len;
};

/* Ends the program unless the condition holds. */
void must(bool, const char *what);
/* CPU time of this thread. */
int64_t cpu_ns(void);

/* All memory that is not the data plane's; then the data plane, without
 * clients. */
void field_reserve(struct field *);
void field_start(struct field *);

/* The next client, connected, with the common resource and one of its own. */
void field_connect_next(struct field *);
/* Lets so much time pass. The CPU time that it took the data plane. */
int64_t field_pass(struct field *, int64_t ms);
/*
 * The client sends a packet to its own resource, which answers it: whether the
 * answer arrives.
 */
bool field_answers(struct field *, uint32_t client);
/* A datagram of somebody's, to be delivered together with others. */
void field_send(struct field *, const struct endpoint *from,
    const uint8_t *data, size_t len);
/* Delivers them, each in a turn of its own; nobody answers. The CPU time. */
int64_t field_deliver(struct field *);

/* Messages of the portal; the CPU time. */
int64_t field_authorize(struct field *, uint32_t client, uint32_t resource);
int64_t field_revoke(struct field *, uint32_t client, uint32_t resource);
int64_t field_filter(struct field *, uint32_t resource, uint16_t port);

#endif /* TESTS_BENCH_FIELD_H */

/*
 * What the data plane asks of whoever drives it: the process with its sockets
 * and channels, or a test with its notebook. Everything is called from within a
 * call of dataplane.h and returns at once.
 */
#ifndef NET_WORKER_DATAPLANE_HOST_H
#define NET_WORKER_DATAPLANE_HOST_H

#include "common/bounds.h"
#include "common/ipc.h"

/* Where packets go. */
struct packet_sink {
	void *ctx;
	/*
	 * Room for one datagram of exactly len bytes, which the caller fills
	 * before it calls again; NULL when there is none (the datagram is
	 * dropped and counted). from IP_NONE: the kernel chooses.
	 */
	uint8_t *(*udp)(void *ctx, const struct endpoint *to,
	    const struct ip_address *from, uint8_t ecn, size_t len);
	/*
	 * An inner packet for the TUN; unless it is ICMP, which is written at
	 * once, it stays in place until the flush.
	 */
	void (*tun)(void *ctx, uint8_t *packet, size_t len);
};

/* The answer to EXPLAIN, as far as there is one. */
struct explanation {
	bool has_client; /* and the packet was judged */
	struct ipc_query_client client;
	struct ipc_explained packet;
	size_t count; /* of the routes */
	struct ipc_explained_route routes[EXPLAIN_ROUTES_MAX];
	bool has_grant[EXPLAIN_ROUTES_MAX];
	struct ipc_query_grant grants[EXPLAIN_ROUTES_MAX];
	struct ipc_query_end end;
};

/* What control-worker is told: the messages of ipc.def, before they are one. */
struct dataplane_host {
	void *ctx;
	void (*acknowledged)(void *ctx, uint64_t serial);
	void (*refused)(void *ctx, uint64_t serial);
	/* Candidate lines for a client, each ended by '\n', best first. */
	void (*candidates)(void *ctx, const struct uuid *client, bool withdrawn,
	    const char *lines);
	void (*closed)(void *ctx, const struct uuid *client);
	void (*no_relays)(void *ctx);
	/* A control packet of a client, raw. */
	void (*peer_event)(void *ctx, const struct uuid *client, uint8_t event,
	    const uint8_t *payload, size_t len);
	void (*assignment)(void *ctx, uint64_t serial, enum assignment_answer);
	void (*name_unanswered)(void *ctx, const struct ipc_name_unanswered *);
	/* False: not now; it will be offered again. */
	bool (*flow)(void *ctx, const struct ipc_flow *);
	/* A packet that did not pass, where they are to be told. */
	void (*denied)(void *ctx, const struct ipc_denied *);
	/* A page of an answer; the host leaves all of it out, or nothing. */
	void (*clients)(void *ctx, const struct ipc_query_client *,
	    size_t count, const struct ipc_query_end *);
	void (*relays)(void *ctx, const struct ipc_query_relay *, size_t count,
	    const struct ipc_query_end *);
	void (*resources)(void *ctx, const struct ipc_query_resource *,
	    size_t count, const struct ipc_query_end *);
	void (*grants)(void *ctx, const struct ipc_query_grant *, size_t count,
	    const struct ipc_query_end *);
	void (*open_flows)(void *ctx, const struct ipc_query_flow *,
	    size_t count, const struct ipc_query_end *);
	void (*explained)(void *ctx, const struct explanation *);
	/*
	 * Wakes a thread that lies down: 0 is the engine's, 1 to N are the
	 * lanes'. Called from any thread, this one alone.
	 */
	void (*wake)(void *ctx, unsigned thread);
	/*
	 * Lets a lane's thread catch up with the engine's for a moment, on the
	 * engine's. NULL: the lanes have no threads of their own.
	 */
	void (*wait)(void *ctx, unsigned thread);
};

#endif /* NET_WORKER_DATAPLANE_HOST_H */

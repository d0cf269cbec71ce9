/*
 * Flows: what a shard remembers of the TCP and UDP traffic that policy let
 * pass to resources, so that it can be reported (firezone-policy(7), Flows and
 * Flow life).
 *
 * A flow is live from the packet that opens it until it closes. Its opening
 * and its closing are reports that wait in the table, the closing together
 * with the flow's place, until they are taken: nothing that was counted is
 * lost while nobody takes them, but there may be no place for new flows. One
 * client can take a quarter of the places at most.
 *
 * Nor are there more reports of one client than a spool can hold: beyond a
 * rate, an opening is not reported, and then its closing only if data came
 * back, which has a rate of its own. The others become one report of how many
 * there were. What was reported when it opened is always reported when it
 * closes. Where there is no place for a new flow, one of these that no data
 * came back on gives way.
 *
 * One allocation without pointers; nothing is allocated per packet or flow.
 * The points in time handed in must not go backwards.
 */
#ifndef NET_WORKER_CORE_FLOW_H
#define NET_WORKER_CORE_FLOW_H

#include "common/flow.h"
#include "common/time.h"
#include "common/uuid.h"
#include "net-worker/core/inner/packet.h"

/* Of one table: flows, the closed ones that wait for their report included. */
#define FLOWS_MAX 16384
/*
 * Of one table: outer paths beyond each flow's first. A flow that cannot have
 * one more is split.
 */
#define FLOW_STEPS_MAX 16384
/*
 * Of both, what those clients may take together whose numbers are the same
 * modulo FLOW_SHARES.
 */
#define FLOW_SHARES      1024
#define FLOWS_SHARE      (FLOWS_MAX / 4)
#define FLOW_STEPS_SHARE (FLOW_STEPS_MAX / 4)
/* Likewise: flows reported at once, and in which time there is one more. */
#define FLOW_OPENINGS_BURST       2000
#define FLOW_OPENINGS_INTERVAL_MS 50
#define FLOW_DATA_BURST           1000
#define FLOW_DATA_INTERVAL_MS     100
/* From the first that is not reported on its own to the report of them all. */
#define FLOW_SUPPRESSED_S 10

/* What policy said of a packet from a client. */
struct flow_context {
	uint32_t peer; /* the engine's number of the client */
	struct uuid client, resource;
	/* Of the grant; all zero where nothing is logged: do not call then. */
	struct uuid authorization;
	/* Copied, at most 255 characters; NULL or empty: no DNS resource. */
	const char *domain;
};

/* A flow as it is on the resource's side: after NAT. */
struct flow_tuple {
	struct endpoint client; /* its tunnel address; NAT's outside port */
	struct endpoint remote; /* the resource's real address */
};

struct flow_outer {
	struct endpoint from, local;
	struct mono at; /* of the packet that showed it */
};

struct flow_report {
	/*
	 * Not 0: so many flows have ended without a report of their own, which
	 * moved tx_bytes and rx_bytes; client is whose the last one was. The
	 * rest is zero.
	 */
	uint64_t suppressed;
	bool closed;
	struct uuid client, resource, authorization;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
	struct endpoint source, destination;
	char domain[256]; /* empty: no DNS resource */
	struct mono started;
	/* Zero in the report of an opening, which has one path. */
	struct mono ended, last_packet;
	uint64_t tx_packets, tx_bytes; /* client to resource: payload */
	uint64_t rx_packets, rx_bytes;
	size_t path_count; /* 1 or more */
	struct flow_outer paths[FLOW_PATHS_MAX];
};

struct flow_table;

/* NULL without memory. Pages are touched as flows need them. */
struct flow_table *flow_table_new(void);
void flow_table_free(struct flow_table *); /* NULL is fine */

/*
 * Client to resource, as written to the TUN; its addresses and ports are those
 * after NAT. The datagram that carried it came from "from" to local.
 */
void flow_outbound(struct flow_table *, struct mono now,
    const struct flow_context *, const struct packet *,
    const struct endpoint *from, const struct endpoint *local);
/*
 * Resource to client, once it was sent. The tuple is the one on the resource's
 * side; of the packet, which may have been through NAT, only protocol, flags
 * and lengths count.
 */
void flow_inbound(struct flow_table *, struct mono now, uint32_t peer,
    const struct uuid *resource, const struct flow_tuple *,
    const struct packet *);

/* MONO_NEVER when nothing can become due. */
struct mono flow_deadline(const struct flow_table *);
/*
 * A tick: closes what has been idle for more than 120 s, and what both sides
 * have finished. At most one in a second: nothing happens before the deadline.
 */
void flow_timeout(struct flow_table *, struct mono now);
/*
 * What that client has open is over; what both sides have finished, with its
 * last packet. Rarely to be called: it looks at all flows.
 */
void flow_close_client(struct flow_table *, struct mono now, uint32_t peer);
/* Shutdown. */
void flow_close_all(struct flow_table *, struct mono now);

/* The next report, oldest first; false: there is none. */
bool flow_report(struct flow_table *, struct flow_report *);

/* Packets that should have opened a flow, but there was no room for it. */
uint64_t flow_untracked(const struct flow_table *);

/* A flow that is open, for an operator. */
struct flow_view {
	struct uuid client, resource;
	uint8_t protocol;
	struct endpoint source, destination; /* as in a report */
	char domain[256];
	struct mono started, last_packet;
	uint64_t tx_packets, tx_bytes;
	uint64_t rx_packets, rx_bytes;
};

/* Flows that are open. */
uint32_t flow_count(const struct flow_table *);
/*
 * Some of them, of that peer or (NULL) of all: at most max, and no more than
 * FLOW_LOOKS places of the table are looked at. from is 0, or what the call
 * before has left there to go on with; 0 again: there are no more. One that is
 * open all the while is there once.
 */
#define FLOW_LOOKS 512
size_t flow_list(const struct flow_table *, uint32_t *from,
    const uint32_t *peer, struct flow_view *to, size_t max);

#endif /* NET_WORKER_CORE_FLOW_H */

/*
 * The inside of a shard, shared by
 *
 *	shard.c		the object, commands of the engine, timers
 *	packets.c	the packet path
 *
 * A client (its gate and addresses) outlives its connections; the tunnel of one
 * has up to eight sessions that can decrypt and one that encrypts.
 */
#ifndef NET_WORKER_DATAPLANE_SHARD_STATE_H
#define NET_WORKER_DATAPLANE_SHARD_STATE_H

#include <sys/queue.h>

#include "common/buffer.h"
#include "common/plan.h"
#include "net-worker/core/deadlines.h"
#include "net-worker/core/flow.h"
#include "net-worker/core/index_map.h"
#include "net-worker/core/policy/gate.h"
#include "net-worker/core/wireguard/session.h"
#include "net-worker/core/wireguard/timers.h"
#include "common/homes.h"
#include "net-worker/dataplane/ring.h"
#include "net-worker/dataplane/shard/shard.h"

#define SESSIONS 8 /* per connection, by counter modulo 8 */

struct peer {
	TAILQ_ENTRY(peer) nat_entry; /* in translators, if it has NAT */
	uint32_t number;
	struct uuid client;
	struct ip_address v4, v6;
	struct gate gate;
	struct bucket controls; /* its allowance of control packets */
	LIST_HEAD(, tunnel) tunnels;
	struct tunnel *tunnel; /* what packets to it take, or NULL */
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	struct mono handshake; /* of the last session that was in use */
};

struct tunnel {
	LIST_ENTRY(tunnel) entry; /* of its peer */
	struct deadline due;      /* no later than its timers, and TICK_MS */
	uint32_t index;
	struct peer *peer;
	struct path path;
	struct session *sessions[SESSIONS];
	struct session *current; /* sends; one of sessions, or NULL */
	struct tunnel_timers timers;
	struct mono session_end;    /* of the session that ends first */
	struct mono activity_again; /* earliest next reports */
	struct mono channel_again, channel_other;
	uint16_t channel_reported;
	bool handshake_wanted; /* which the engine could not be told */
	bool leaving;          /* which the engine has been told */
};

struct shard {
	unsigned number, of;
	struct aead *aead;
	struct index_map tunnels;   /* by 24-bit index */
	struct index_map peers;     /* by the engine's number */
	struct index_map addresses; /* by family and low bits */
	struct deadlines due; /* tunnels */
	TAILQ_HEAD(, peer) translators;
	struct flow_table *flows;
	bool flows_wanted;
	bool flows_over;   /* none is opened any more, ... */
	bool flows_closed; /* and that has been said */
	bool refusals_wanted;
	struct bucket refusal_bucket;
	struct mono tidy_at; /* NAT and flows: no later than they want it */
	struct ring commands, events, controls, reports, refusals, surveys;
	struct shard_counters *counters;
	uint8_t scratch[INNER_PACKET_MAX]; /* an ICMP packet in the making */
};

#define TICK_MS 100 /* timers may fire this much late */

/* packets.c; it calls nothing of shard.c. */
/* False, and counted: the engine is too slow. */
bool shard_post_event(struct shard *, const struct shard_event *);
/* When its timers want to be served, and TICK_MS. */
struct mono shard_tunnel_due(const struct tunnel *);
/* To be called when this connection's timers may have become due earlier. */
void shard_arm(struct shard *, struct tunnel *);
/* NAT or flows have something to do then. */
void shard_tidy_by(struct shard *, struct mono deadline);
/* From now on the session is the one that sends. */
void shard_make_current(struct tunnel *, struct session *);
/*
 * Encrypts len bytes as data of the connection; false when it cannot be sent.
 * len 0 is a keepalive.
 */
bool shard_transmit(struct shard *, struct mono now, struct tunnel *,
    const uint8_t *inner, size_t len, uint8_t ecn, const struct packet_sink *);

#endif /* NET_WORKER_DATAPLANE_SHARD_STATE_H */

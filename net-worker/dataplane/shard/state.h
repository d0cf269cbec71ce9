/*
 * The inside of a shard, shared by
 *
 *	shard.c		the object, commands of the engine, timers
 *	packets.c	the packet path
 *	quotas.c	who may have how much of a turn, under overload
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
#include "net-worker/dataplane/shard/quotas.h"

#define SESSIONS 8 /* per connection, by counter modulo 8 */

struct peer {
	TAILQ_ENTRY(peer) nat_entry; /* in translators, if it has NAT */
	uint32_t number;
	struct uuid client;
	struct ip_address v4, v6;
	struct gate gate;
	struct bucket controls; /* its allowance of control packets */
	struct bucket probes;   /* and of probes, its own and our replies */
	struct bucket refusals; /* and of those that are told */
	LIST_HEAD(, tunnel) tunnels;
	struct tunnel *tunnel; /* what packets to it take, or NULL */
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	struct quota quota[SHARD_SOURCES];
	uint64_t over_share;   /* packets of either way */
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
	/* What the engine is told of paths: firezone-tunnel(7), Dead paths. */
	struct mono path_unanswered; /* when it is, if nothing comes by it */
	struct mono path_look;  /* by which path data comes, next time then */
	struct mono path_other; /* earliest that another is worth a word */
	bool path_silent;       /* which the engine has been told */
	uint16_t channel_reported;
	bool handshake_wanted; /* which the engine could not be told */
	bool leaving;          /* which the engine has been told */
	bool iceless;          /* its path is found without ICE */
	bool unheard;          /* no data since the last new session */
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
	struct quotas quotas[SHARD_SOURCES];
	bool flows_wanted;
	bool flows_over;   /* none is opened any more, ... */
	bool flows_closed; /* and that has been said */
	bool refusals_wanted;
	struct bucket refusal_bucket;
	struct mono tidy_at; /* NAT and flows: no later than they want it */
	struct ring commands, events, controls, probes;
	struct ring reports, refusals, surveys;
	struct shard_counters *counters;
	struct meter *meters;
	uint8_t scratch[GATE_SCRATCH]; /* a packet in the making */
};

#define TICK_MS 100 /* timers may fire this much late */

/* packets.c; it calls nothing of shard.c. */
/* What says all by its type. False, and counted: the engine is too slow. */
bool shard_tell_engine(
    struct shard *, const struct tunnel *, enum shard_event_type);
/* When its timers want to be served, and TICK_MS. */
struct mono shard_tunnel_due(const struct tunnel *);
/* To be called when this connection's timers may have become due earlier. */
void shard_arm(struct shard *, struct tunnel *);
/* NAT or flows have something to do then. */
void shard_tidy_by(struct shard *, struct mono deadline);
/* The path is fine for now. */
void shard_path_heard(struct tunnel *, struct mono now);
/* From now on the session is the one that sends. */
void shard_make_current(struct tunnel *, struct session *);
/*
 * Encrypts len bytes as data of the connection; false when it cannot be sent.
 * len 0 is a keepalive.
 */
bool shard_transmit(struct shard *, struct mono now, struct tunnel *,
    const uint8_t *inner, size_t len, uint8_t ecn, const struct packet_sink *);
/* The same with a probe, on any path. */
void shard_send_probe(struct shard *, struct mono now, struct tunnel *,
    const struct path *, const struct probe *, const struct packet_sink *);

#endif /* NET_WORKER_DATAPLANE_SHARD_STATE_H */

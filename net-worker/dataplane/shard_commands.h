/*
 * What engine and shards say to each other: commands go to a shard; events,
 * control packets of clients, refusals and what was asked for come back.
 * Neither knows the other; dataplane.c carries these between them.
 */
#ifndef NET_WORKER_DATAPLANE_SHARD_COMMANDS_H
#define NET_WORKER_DATAPLANE_SHARD_COMMANDS_H

#include "common/address.h"
#include "common/bounds.h"
#include "common/uuid.h"
#include "net-worker/core/datagram.h"
#include "net-worker/core/flow.h"
#include "net-worker/core/inner/control_packet.h"
#include "net-worker/core/inner/nat.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/path.h"
#include "net-worker/core/policy/gate.h"
#include "net-worker/core/wireguard/noise.h"

#define SHARDS_MAX            8
#define SHARD_PEERS_MAX       16384
#define SHARD_CONNECTIONS_MAX 16384

/*
 * A receiver index on the wire is the connection's 24-bit index and, in its
 * first byte, three bits of shard and five of session counter.
 */
#define CONNECTION_INDEX(wire) ((wire) >> 8)
#define SESSION_SHARD(wire)    ((wire) >> 5 & 7u)
#define SESSION_INDEX(connection, shard, counter) \
	((connection) << 8 | ((shard)&7u) << 5 | ((counter)&31u))

enum shard_command_type {
	SHARD_PEER_ADD,          /* peer, v4, v6, policy */
	SHARD_PEER_REMOVE,       /* peer, v4, v6; its policy comes back */
	SHARD_POLICY,            /* peer, policy; the old one comes back */
	SHARD_FLOWS,             /* flows_wanted */
	SHARD_FLOWS_OF_PEER,     /* peer, whose flows are over now */
	SHARD_FLOWS_CLOSE,       /* every flow is over, and there is no other */
	SHARD_CONNECTION_ADD,    /* connection, peer, settings */
	SHARD_CONNECTION_REMOVE, /* connection */
	SHARD_SESSION,           /* connection, keys */
	SHARD_PATH,              /* connection, path */
	SHARD_SEND,              /* connection, inner */
	SHARD_PROBE,             /* connection, request: without ICE */
	SHARD_SURVEY,            /* survey; it comes back filled in */
};

/* What a client has moved, and what it moves it by. */
struct shard_peer_stats {
	uint64_t received_packets, received_bytes; /* inner, accepted */
	uint64_t sent_packets, sent_bytes;
	uint64_t over_share;   /* dropped as more than its share, either way */
	struct mono handshake; /* of the session in use; MONO_NEVER: none yet */
	bool has_connection;
	uint32_t connection;
};

/* Of some clients of a shard, as numbers of the engine. */
#define SURVEY_MAX 64

/*
 * A packet that the only client of a survey might send, and what would become
 * of it. Nothing in it points into a policy.
 */
struct shard_trial {
	struct packet packet; /* without data */
	enum gate_verdict verdict;
	enum policy_reason reason;
	struct uuid resource;   /* by which it passes, or whose filter it was */
	struct ip_address real; /* IP_NONE: it is not translated */
	struct policy_route routes[EXPLAIN_ROUTES_MAX];
	size_t route_count; /* that there are: perhaps more */
};

/* Some of the flows that are open; see flow_list(). */
struct shard_flows {
	bool of_one; /* that peer's alone */
	uint32_t peer;
	uint32_t from;
	size_t count;
	struct flow_view flow[SURVEY_MAX];
};

struct shard_survey {
	void *ctx; /* of who asks */
	bool has_trial, has_flows;
	struct shard_trial trial;
	size_t count;
	uint32_t peer[SURVEY_MAX];
	bool known[SURVEY_MAX];
	struct shard_peer_stats stats[SURVEY_MAX];
	struct shard_flows flows[]; /* one, if they are asked for */
};

struct shard_command {
	enum shard_command_type type;
	uint32_t peer;       /* the engine's number of a client */
	uint32_t connection; /* 24-bit index */
	union {
		struct {
			struct uuid id;
			struct ip_address v4, v6;
			struct policy *policy; /* the shard's from here on */
		} client;
		struct {
			struct policy *policy; /* likewise */
			struct nat *nat;       /* likewise; NULL: as before */
			bool forget_sessions;  /* of NAT */
		} policy;
		struct noise_keys keys;
		struct path path;
		struct {
			size_t length;
			uint8_t *bytes; /* malloc'd, likewise */
		} inner;
		bool flows_wanted;
		struct shard_survey *survey; /* malloc'd, likewise */
		struct {
			uint16_t keepalive_s; /* persistent; 0: none */
			bool iceless;         /* without ICE */
		} settings;
		struct {
			struct path path;
			struct probe probe;
		} request;
	};
};

enum shard_event_type {
	SHARD_EVENT_HANDSHAKE,    /* a handshake is wanted */
	SHARD_EVENT_UNANSWERED,   /* sent on its path, and nothing came by it */
	SHARD_EVENT_HEARD,        /* authentic data: local, from, channel */
	SHARD_EVENT_DATA,         /* the first since a session is new */
	SHARD_EVENT_ACTIVITY,     /* inner packets flow; every few seconds */
	SHARD_EVENT_CHANNEL_USED, /* data came by relay.channel; likewise */
	SHARD_EVENT_GOODBYE,      /* the client is leaving */
	SHARD_EVENT_POLICY_OLD,   /* policy, to be freed by the engine */
	SHARD_EVENT_FLOWS_CLOSED, /* all are in the ring of reports */
};

struct shard_event {
	enum shard_event_type type;
	uint32_t peer;
	uint32_t connection;
	struct endpoint relay;
	struct endpoint local, from;
	uint16_t channel; /* of a relay; 0: it came directly */
	struct policy *policy;
};

/*
 * A control packet of a client for control-worker: firezone-policy(7), CONTROL
 * PACKETS.
 */
struct shard_control {
	uint32_t connection;
	uint8_t event;
	uint16_t length;
	uint8_t payload[CONTROL_PAYLOAD_MAX];
};

/* A probe of a client without ICE; if it asked it has been answered. */
struct shard_probe {
	uint32_t connection;
	struct arrival arrival; /* from: a relay, if there is a channel */
	uint16_t channel;       /* 0: none */
	struct probe probe;
};

/* A packet that did not pass. */
struct shard_refusal {
	struct uuid client;
	bool outbound; /* from the client */
	uint8_t protocol;
	struct endpoint source, destination;
	enum policy_reason reason;
	struct uuid resource; /* whose filter it was; all zero: none */
};

#endif /* NET_WORKER_DATAPLANE_SHARD_COMMANDS_H */

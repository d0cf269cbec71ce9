/*
 * The engine's insides, shared by the files of this folder and nobody else:
 *
 *	engine.c		the object, its clock, the way in
 *	clients.c		the records of clients and connections
 *	control.c		control packets through the tunnel
 *	authorizations.c	what clients may reach
 *	connection.c		making and ending connections
 *	handshake.c		WireGuard handshakes
 *	dns_resources.c		names that clients assign
 *	ended_grants.c		grants that have ended lately
 *	flows.c			reports about flows, until they are stored
 *	meters.c		which resources are counted on their own
 *	query.c			what an operator may see
 *	refusals.c		what did not pass, for the log
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_STATE_H
#define NET_WORKER_DATAPLANE_ENGINE_STATE_H

#include <sys/queue.h>
#include <sys/tree.h>

#include "common/bucket.h"
#include "common/log.h"
#include "net-worker/core/deadlines.h"
#include "net-worker/core/index_map.h"
#include "net-worker/core/key_map.h"
#include "net-worker/core/policy/grants.h"
#include "net-worker/core/turn/relays.h"
#include "net-worker/core/wireguard/cookie.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/timers.h"
#include "net-worker/dataplane/engine/engine.h"
#include "net-worker/dataplane/engine/paths/paths.h"

#define NAMES_WAITING_MAX 64 /* assignments of a client, for its policy */
#define HELD_RESPONSES    8  /* until there is a path */
#define CLIENT_ADDRESSES  2  /* in the tunnel: one of each family */
#define ENDED_GRANTS      64 /* that are remembered, of all clients */

/* What a client hears of a name once it is in force. */
struct notice {
	uint8_t event;
	char text[];
};

/*
 * A client: the one record of it, with all that it was granted and its way to
 * us. It outlives connections (firezone-tunnel(7), Failure), and is gone with
 * its last grant, or one of 1.3 with its connection if that is later. The shard
 * has a peer of the same number, with what packets need.
 */
struct client {
	RB_ENTRY(client) by_number;
	struct key_entry by_id;
	struct key_entry by_address[CLIENT_ADDRESSES];
	struct ip_address addresses[CLIENT_ADDRESSES]; /* no other client's */
	struct grants *grants;
	struct connection *connection; /* NULL: none */
	struct deadline expiry;        /* of the grant that ends first */
	uint32_t number;               /* never used again */
	unsigned shard;                /* its own */
	bool nat_given;                /* to the shard */
	bool is_older;                 /* of 1.3: see client_set_older() */
	/* Without grants, for as long as it has a connection. */
	TAILQ_ENTRY(client) lingering_entry;
	bool lingers;
	/* Names that the shard does not know yet: client_enforce_names(). */
	struct deadline names_due;
	struct deadline names_watch; /* the next look for ones unanswered */
	struct mono names_rested; /* the work done for them is made up for */
	bool forget_sessions;
	struct notice *waiting[NAMES_WAITING_MAX]; /* to be given then */
	size_t waiting_count;
};

RB_HEAD(client_tree, client);

static inline const struct uuid *
client_id(const struct client *c)
{
	return grants_client(c->grants);
}

struct ended_grant {
	struct uuid client, resource;
	enum resource_type type;
	struct ip_prefix network;
	char pattern[PATTERN_MAX + 1];
	struct wall at;
	enum grant_end by;
};

struct ended_grants {
	struct ended_grant of[ENDED_GRANTS];
	size_t count; /* that ever were: the next one's place, modulo */
};

enum connection_state {
	CONNECTION_CONNECTING, /* no usable path yet */
	CONNECTION_CONNECTED,
	CONNECTION_IDLE, /* path known, quiet for 20 s */
};

/*
 * The initiation that was accepted last, where copies of one come by several
 * paths, and what each of them is answered with.
 */
struct answered_initiation {
	struct key_entry by_bytes;
	uint8_t initiation[MESSAGE_INITIATION_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct mono until;
};

/* One client's way to us: firezone-tunnel(7), CONNECTIONS. */
struct connection {
	struct client *client;
	struct key_entry by_key;
	struct deadline due;
	uint32_t index;   /* 24-bit */
	uint64_t made_by; /* the serial of that authorization */
	enum connection_state state;

	bool iceless; /* its paths are found without ICE */
	struct paths *paths;
	bool peer_has_come; /* a signalled candidate that decoded, or a session
			     */
	struct mono candidate_deadline;
	struct mono disconnect_deadline;
	struct mono idle_at;

	struct noise_peer noise;
	struct mono next_initiation; /* of the peer: not answered before */
	struct handshake_timers handshake;
	uint8_t session_counter;
	uint8_t held[HELD_RESPONSES][MESSAGE_RESPONSE_LEN];
	unsigned held_count; /* ever; the ring keeps the last ones */
	struct answered_initiation answered;
};

/* A report that control-worker has not stored yet. */
struct flow_entry {
	STAILQ_ENTRY(flow_entry) entry;
	struct ipc_flow report;
};

/* An entry of the snapshot in progress. */
struct snapshot_entry {
	struct uuid client, resource;
	uint64_t expires_at;
	bool keeps_expiry;
};

struct engine {
	const struct dataplane_host *host;
	const struct packet_sink *sink;
	struct engine_shards shards;
	uint32_t clients_of_shard[SHARDS_MAX];
	bool expose_host;
	struct clock_reading started;
	struct wall_clock clock;
	struct mono deadline;

	struct noise_identity identity;
	struct cookie_guard guard;
	struct relays *relays;
	struct site_networks site;
	struct probed probed;
	struct ip_address own_v4, own_v6; /* IP_NONE before the first init */

	struct deadlines expiries; /* of clients' grants */
	struct deadlines due;      /* connections */
	struct deadlines names_due; /* clients */
	struct deadlines names_watch; /* likewise */

	struct client_tree clients;
	struct key_map clients_by_id, clients_by_address;
	struct holders holders; /* clients, by the resources they have */
	size_t client_count;
	TAILQ_HEAD(, client) lingering; /* longest first */
	uint32_t next_number;

	struct path_table *paths;
	struct key_map by_key; /* the peer's static key */
	struct key_map by_initiation; /* as answered */
	struct index_map by_index;

	struct bucket names_asked; /* of clients of 1.3, again */

	struct snapshot_entry *snapshot;
	size_t snapshot_count, snapshot_size;
	bool snapshot_open;
	bool snapshot_short; /* some entries found no room */

	/* Whose each is; 0 is nobody's, nor those all zero. */
	struct uuid metered[METERS];
	struct meter metered_before[METERS]; /* what was on it by then */

	struct ended_grants ended;

	struct log_limit names_log, portal_log, flows_log, clock_log;

	bool flows_wanted;
	STAILQ_HEAD(, flow_entry) flows; /* oldest first */
	struct flow_entry *next_flow;    /* first one that was not told yet */
	size_t flow_count;
	uint64_t flow_serial; /* of the last one */

	struct engine_counters *counters;
};

/* To the shard of a client, and to all. */
static inline void
shard_command(struct engine *e, const struct client *client,
    const struct shard_command *command)
{
	e->shards.command(e->shards.ctx, client->shard, command);
}

static inline void
shard_command_all(struct engine *e, const struct shard_command *command)
{
	for (unsigned i = 0; i < e->shards.count; i++)
		e->shards.command(e->shards.ctx, i, command);
}

/* clients.c: the records, and how they are found */
struct client *client_find(struct engine *, const struct uuid *);
/* The client that has this tunnel address, or NULL. */
struct client *client_at(struct engine *, const struct ip_address *);
/* The client with that number or, if there is none, the next greater one. */
struct client *client_from(struct engine *, uint32_t number);
/*
 * Neither id nor addresses may be those of a client that is there: a tunnel
 * address has one client at most. NULL without memory.
 */
struct client *client_enter(struct engine *, const struct uuid *,
    const struct ip_address *v4, const struct ip_address *v6);
void client_forget(struct engine *, struct client *);
/* The client will not hear of the names that wait. */
void client_forget_waiting(struct client *);
/*
 * Whether it is there without grants, for the sake of its connection. Nothing
 * passes then, once that is enforced.
 */
void client_set_lingering(struct engine *, struct client *, bool);
struct connection *connection_of_index(struct engine *, uint32_t index);
/* The connection can be found from now on; false when there are too many. */
bool connection_enter(struct engine *, struct connection *);
void connection_withdraw(struct engine *, struct connection *);

RB_PROTOTYPE(client_tree, client, by_number, )

/* authorizations.c */
/* Forgets the client, its policy and its connection. */
void client_remove(struct engine *, struct client *, bool goodbye);
/*
 * Hands the shard the client's policy as it is now, for a name that the client
 * has assigned, and is told of then: at once, or with others in a while if it
 * has caused much work of late. NULL: there is nothing to be told.
 */
void client_enforce_names(struct engine *, struct mono, struct client *,
    const struct ipc_name_resolved *);
/* Whether names of the client are still to be enforced. */
bool client_names_wait(const struct client *);
void clients_timeout(struct engine *, struct mono);
/* What ends earlier by the clock as it is now. */
void clients_clock_was_set(struct engine *);

/* ended_grants.c */
/* To be called while the client still has it. */
void ended_grants_note(struct engine *, const struct client *,
    const struct grant *, enum grant_end);

/* connection.c */
/*
 * The connection that the authorization asks for: the present one when nothing
 * differs and it may be kept, else a new one in its place. NULL when there is
 * no usable relay and it needs one (or no memory), in which case nothing has
 * changed.
 */
struct connection *connection_upsert(struct engine *, struct mono,
    const struct ipc_authorization *, struct client *);
void connection_close(struct engine *, struct connection *);
/* Where the client understands it. */
void connection_goodbye(struct engine *, struct connection *);
/* There was traffic. */
void connection_active(struct engine *, struct mono, struct connection *);
struct mono connection_deadline(const struct connection *);
/* May fail the connection, which is then gone. */
void connection_timeout(struct engine *, struct mono, struct connection *);
/* Sends what its paths have to say, and takes what became of them. */
void connection_follow_paths(struct engine *, struct mono, struct connection *);
/*
 * An authentic message of WireGuard came by that path, which may be the one to
 * answer on.
 */
void connection_heard(
    struct engine *, struct mono, struct connection *, const struct path *from);

/* control.c */
/* Sends a control packet through the client's tunnel, if there is one. */
void control_send(struct engine *, struct connection *, enum control_event,
    const void *payload, size_t len);
/* The same with a text, if there is a connection and the text is not empty. */
void control_tell(
    struct engine *, const struct client *, uint8_t event, const char *text);

/* dns_resources.c */
/* Looks for names of clients of 1.3 that have to be resolved again. */
void names_timeout(struct engine *, struct mono);

/* flows.c */
/* Tells all again: who was told is no more. */
void flows_tell_again(struct engine *);
void flows_free(struct engine *);

/* meters.c */
/*
 * The meter of a resource that is being granted: its own, one that is free or
 * whose resource nobody has any more; else 0.
 */
uint8_t meter_of(struct engine *, const struct uuid *resource);

/* handshake.c */
/* False: it was not let in. */
bool handshake_message(struct engine *, struct mono, const struct path *,
    const uint8_t *, size_t len);
void handshake_release_held(struct engine *, struct mono, struct connection *);
void handshake_initiate(struct engine *, struct mono, struct connection *);

#endif /* NET_WORKER_DATAPLANE_ENGINE_STATE_H */

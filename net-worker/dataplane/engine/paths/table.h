/*
 * The insides of the table of paths, shared by the files of this folder and
 * nobody else:
 *
 *	paths.c		the objects, what the peer signals, draining
 *	announce.c	candidates of ours
 *	relay_users.c	which connection is on which relay, at either end
 *	route.c		the way between two ends
 *	ice.c		the kind of agent that speaks ICE
 *	iceless.c	the kind that does without
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_PATHS_TABLE_H
#define NET_WORKER_DATAPLANE_ENGINE_PATHS_TABLE_H

#include <sys/queue.h>

#include "common/log.h"
#include "common/uuid.h"
#include "net-worker/core/key_map.h"
#include "net-worker/dataplane/engine/paths/agent.h"
#include "net-worker/dataplane/engine/paths/ice.h"
#include "net-worker/dataplane/engine/paths/iceless.h"

#define ENDPOINT_KEY_LEN 19 /* family, address, port */

struct announcements {
	struct candidate list[ANNOUNCEMENTS_MAX];
	size_t count;
};

TAILQ_HEAD(paths_list, paths);

struct paths {
	void *connection;
	struct turn_owner owner;
	struct path_agent *agent;
	TAILQ_ENTRY(paths) touched_entry;
	bool touched; /* something may be waiting to be drained */

	struct uuid relay; /* ours for this connection */
	bool has_relay;
	struct paths_list *of_relay; /* with others that are on it */
	TAILQ_ENTRY(paths) relay_entry;
	struct paths_list *to_relay; /* with others that lead to it, or NULL */
	TAILQ_ENTRY(paths) to_relay_entry;

	bool nominated;   /* there is a path */
	bool moved;       /* to be told how datagrams leave now */
	struct path path; /* the nominated one */
	uint8_t remote_key[ENDPOINT_KEY_LEN]; /* of a relayed one */
	struct key_entry by_remote;

	/* Candidates to be told at the end of the turn. */
	struct announcements added, withdrawn;
};

/* Of one relay. While nobody is on either list the place is free. */
struct relay_users {
	struct uuid relay;
	struct paths_list list; /* have their channels there */
	struct paths_list led;  /* their nominated path leads there */
};

struct path_table {
	struct relays *relays;
	const struct packet_sink *sink;
	struct engine_counters *counters;
	struct paths_list touched;
	struct paths_list homeless; /* without a relay */
	/* Those that are there, and those whose end has not been told yet. */
	struct relay_users relay_users[2 * RELAYS_MAX];
	struct key_map by_remote; /* the peer's end of a relayed path */
	struct ice_dispatch *ice;
	struct log_limit channels_log, relays_log;
};

/* paths.c */
/* The way on the nominated path may be another one: have it found and told. */
void paths_reroute(struct path_table *, struct paths *);
/* The first whose relayed path has that remote end; by_remote leads on. */
struct paths *paths_of_remote(
    struct path_table *, const struct endpoint *remote);

/* announce.c */
/* Offers one kind of candidate of one relay, IPv6 first: it is preferred. */
void offer_kind(struct path_table *, struct mono, struct paths *,
    const struct allocation *, enum candidate_kind);
/* An allocated address that is ours no more. */
void withdraw_relayed(struct path_table *, struct mono, struct paths *,
    const struct endpoint *address);

/* The live candidates with that base, but those on a relay. */
void tell_base(struct paths *, const struct endpoint *base, bool withdrawn);

/* relay_users.c */
/* The relay, of those we know, to which the nominated path leads. */
void note_remote_relay(struct path_table *, struct paths *);
void forget_remote_relay(struct paths *);

/* route.c */
struct allocation *relay_of(struct path_table *, const struct paths *);
/*
 * Finds the way between the ends of a path. A relayed one needs a channel;
 * where there is none yet a bind is under way, and the path is not usable.
 */
void route(
    struct path_table *, struct mono, const struct paths *, struct path *);
/*
 * Lets the peer's datagrams through our relay before it needs it
 * (firezone-tunnel(7), Channel bindings).
 */
void open_channel(struct path_table *, struct mono, const struct paths *,
    const struct candidate *remote);

#endif /* NET_WORKER_DATAPLANE_ENGINE_PATHS_TABLE_H */

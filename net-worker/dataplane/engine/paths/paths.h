/*
 * Paths: which candidates a connection has, which of them its agent finds to
 * work together, and how datagrams get from one end to the other, directly or
 * over a relay (firezone-tunnel(7), ICE and Relayed paths).
 *
 * The paths of all connections lie in one table, which knows of connections
 * nothing but whose they are. Checks leave through the sink; all else that a
 * call has set going waits until paths_next_touched() tells of it.
 */
#ifndef NET_WORKER_DATAPLANE_ENGINE_PATHS_PATHS_H
#define NET_WORKER_DATAPLANE_ENGINE_PATHS_PATHS_H

#include "common/counters.h"
#include "net-worker/core/ice/agent.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/path.h"
#include "net-worker/core/turn/relays.h"
#include "net-worker/dataplane/host.h"

#define ANNOUNCEMENTS_MAX 32 /* candidates of one client in one turn */
/* Their lines, and the end of the text. */
#define PATHS_LINES_SIZE (ANNOUNCEMENTS_MAX * CANDIDATE_LINE_MAX + 1)

struct path_table;
struct paths; /* of one connection */

/*
 * Room for so many connections. Relays, sink and counters are the caller's.
 * NULL without memory.
 */
struct path_table *path_table_new(struct relays *, const struct packet_sink *,
    struct engine_counters *, uint32_t connections);
void path_table_free(struct path_table *); /* empty; NULL is fine */

/* What both ends have been told: how paths are found, and by what secrets. */
struct path_terms {
	bool iceless; /* without ICE: the rest is of no account */
	struct ice_credentials local, remote;
};

/*
 * The owner is whose channels they are on relays, the connection what
 * paths_connection() gives back. NULL without memory.
 */
struct paths *paths_new(struct path_table *, struct mono,
    const struct turn_owner *, const struct path_terms *, void *connection);
void paths_free(struct path_table *, struct paths *); /* NULL is fine */
bool paths_have_terms(const struct paths *, const struct path_terms *);
void *paths_connection(const struct paths *);

/* Our candidates and relays. */

/* The relay on which its channels are to be; NULL: none. */
void paths_set_relay(
    struct path_table *, struct paths *, const struct uuid *relay);
const struct uuid *paths_relay(const struct paths *); /* NULL: none */
/* Offers the agent all there are, and has all live ones announced. */
void paths_offer_all(struct path_table *, struct mono, struct paths *);
/* Every live candidate of ours is told again. */
void paths_announce_all(struct path_table *, struct paths *);
/* All but RELAYS_NONE, which is none of its matters. */
void paths_relay_event(
    struct path_table *, struct mono, const struct relays_event *);

/*
 * A candidate line of the peer. Whether one was told: a line that decoded and
 * withdraws nothing.
 */
bool paths_remote_line(struct path_table *, struct mono, struct paths *,
    const char *line, bool withdrawn);

/* A STUN message from a peer, by whatever way it came. */
void paths_stun(struct path_table *, struct mono, const struct path *from,
    const struct stun_message *);

/*
 * What else says which paths work (firezone-tunnel(7), Dead paths and
 * Distress), of which each kind of agent takes what it has a use for. A path
 * where one is told of: the one by which it came.
 */
enum path_sign {
	PATH_SIGN_HEARD,      /* something authentic; path */
	PATH_SIGN_UNANSWERED, /* sent on the nominated one, 2 s (1 s) ago */
	PATH_SIGN_REMINDED,   /* the client asks for what it has already */
	PATH_SIGN_INITIATION, /* of the peer, accepted; path */
	PATH_SIGN_RESPONSE,   /* likewise */
	PATH_SIGN_INITIATED,  /* an initiation of ours was sent */
	PATH_SIGN_DATA,       /* data, the first since a handshake */
	PATH_SIGN_RELAY_GONE, /* there is none any more where path leads to */
};

void paths_sign(struct path_table *, struct mono, struct paths *,
    enum path_sign, const struct path *);
void paths_probe(struct path_table *, struct mono, struct paths *,
    const struct path *, const struct probe *);
/* Whether a handshake is answered on the path by which it came. */
bool paths_answer_on_arrival(const struct paths *);

/*
 * Sending; false when the path is not usable just now, or the sink is full. On
 * any path, back on which a message came, or on the nominated one.
 */
bool paths_send_on(
    struct path_table *, const struct path *, const void *, size_t len);
bool paths_send(
    struct path_table *, struct mono, struct paths *, const void *, size_t len);

/* The nominated path; NULL: there is none yet. */
const struct path *paths_nominated(const struct paths *);

struct mono paths_deadline(const struct paths *);
void paths_timeout(struct path_table *, struct mono, struct paths *);
/* Few checks while the connection is quiet: whether that is all right now. */
bool paths_may_idle(const struct paths *);
void paths_set_idle(
    struct path_table *, struct mono, struct paths *, bool idle);

/* Draining. */

/* Has it drained once more, for what is only its connection's to know. */
void paths_touch(struct path_table *, struct paths *);
/* The next one for which any of the following may be due; NULL: none. */
struct paths *paths_next_touched(struct path_table *);
/* Sends what the agent has to say: before the events. */
void paths_transmit(struct path_table *, struct mono, struct paths *);

enum path_event_type {
	PATH_NOMINATED, /* another one, with a remote end of that kind */
	PATH_LIVENESS,  /* whether it is cut off: no path works any longer */
	PATH_MOVED,     /* how datagrams leave on the nominated one */
	PATH_BASE,      /* candidates of that local end; told to nobody else */
	PATH_PROBE,     /* a request that is to be sealed and sent */
};

struct path_event {
	enum path_event_type type;
	struct path path; /* of NOMINATED: its ends; of the rest: all of it */
	struct probe probe;
	enum candidate_kind remote_kind;
	bool cut_off;
	bool withdrawn; /* of BASE: for the time being */
};

bool paths_event(
    struct path_table *, struct mono, struct paths *, struct path_event *);
/*
 * Takes the candidates to be announced, or withdrawn: lines, each ended by
 * '\n'. False: there are none.
 */
bool paths_take_lines(
    struct paths *, bool withdrawn, char lines[PATHS_LINES_SIZE]);

#endif /* NET_WORKER_DATAPLANE_ENGINE_PATHS_PATHS_H */

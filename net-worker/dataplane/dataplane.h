/*
 * The data plane as one object: the engine (connections, grants, names), lanes
 * with a shard each (packets), what goes to and fro between them, and the order
 * in which that happens. The process, the tests and the fuzzers all drive this
 * one: the process with a thread for the engine and one for each lane, the
 * others by hand.
 *
 * Sans-IO: datagrams, packets from the TUN, messages of control-worker and the
 * time go in. Datagrams, packets and messages come out through sinks and host,
 * within the calls; a caller sets the time, tells what has come, and then
 * settles. What stands here is the engine's thread's; lane.h is for the others.
 */
#ifndef NET_WORKER_DATAPLANE_DATAPLANE_H
#define NET_WORKER_DATAPLANE_DATAPLANE_H

#include "common/counters.h"
#include "common/site_networks.h"
#include "common/wall.h"
#include "net-worker/core/aead.h"
#include "net-worker/core/datagram.h"
#include "net-worker/dataplane/host.h"
#include "net-worker/dataplane/lane.h"
#include "net-worker/dataplane/shard_commands.h"

/* What a lane sends by and seals with; the aead is the caller's. */
struct dataplane_lane {
	struct packet_sink sink;
	struct aead *aead;
};

struct dataplane_settings {
	bool expose_host; /* see posternd(8) */
	bool log_denied;
	bool tell_denied; /* to the host */
	unsigned lanes; /* 1 to SHARDS_MAX */
	struct dataplane_lane lane[SHARDS_MAX];
	struct counter_page *counters; /* the caller's, as the next one */
	uint8_t *homes;                /* see homes.h, all 0; NULL: ours */
};

struct dataplane;

/*
 * Has the libraries of cryptography load what they read from files; once, and
 * before the process can open none. False when they cannot start.
 */
bool dataplane_warm_up(void);

/*
 * The sink is the engine's, which has nothing for the TUN. A fresh static key
 * is made. NULL without memory.
 */
struct dataplane *dataplane_new(const struct dataplane_host *,
    const struct packet_sink *, const struct dataplane_settings *,
    const struct clock_reading *);
/* When no thread drives a lane any more. NULL is fine; wipes keys. */
void dataplane_free(struct dataplane *);
struct lane *dataplane_lane(struct dataplane *, unsigned i);
const uint8_t *dataplane_public_key(const struct dataplane *);

/* When all that is told from now on happens; it never goes back. */
void dataplane_set_time(struct dataplane *, struct mono now);
/*
 * The same of both clocks: before messages that hold unix times, and every so
 * often, to notice that the wall clock was set. That never prolongs a grant.
 */
void dataplane_set_clocks(struct dataplane *, const struct clock_reading *);

/* What no Internet resource opens from now on, for clients there are too. */
void dataplane_site_networks(struct dataplane *, const struct site_networks *);

/* False: it has set nothing going, as of strangers (see engine_datagram()). */
bool dataplane_datagram(
    struct dataplane *, const struct arrival *, uint8_t *data, size_t len);

/*
 * Messages of control-worker, as ipc.def describes them: handlers whose context
 * is the data plane.
 */
extern const struct ipc_handlers dataplane_messages;
/*
 * control-worker is a new process: it is told every live candidate of ours and
 * every flow that its predecessor may not have stored, and a list that that one
 * had begun is forgotten.
 */
void dataplane_control_started(struct dataplane *);

/*
 * Hears the shards, and tells them: the end of a turn. What takes longer than a
 * turn is left for the next one, and dataplane_lies_down() says so.
 */
void dataplane_settle(struct dataplane *);
/* As lane_lies_down(). */
bool dataplane_lies_down(struct dataplane *);
void dataplane_gets_up(struct dataplane *);
struct mono dataplane_deadline(const struct dataplane *);
/* To be called when it has come. */
void dataplane_timeout(struct dataplane *);

/*
 * Goodbye to every client, the end of every flow; allocations are given back.
 * It has ended when control-worker has stored all flows, or a moment later.
 */
void dataplane_shutdown(struct dataplane *);
bool dataplane_has_ended(const struct dataplane *);

#endif /* NET_WORKER_DATAPLANE_DATAPLANE_H */

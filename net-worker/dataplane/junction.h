/*
 * Where the threads of the data plane meet, and the only memory that two of
 * them touch, besides the rings between engine and shards: strays, the homes of
 * tunnel addresses, and who sleeps. It is made before there is a second thread.
 *
 * Thread 0 is the engine's; 1 to N are the shards'.
 */
#ifndef NET_WORKER_DATAPLANE_JUNCTION_H
#define NET_WORKER_DATAPLANE_JUNCTION_H

#include "common/counters.h"
#include "net-worker/dataplane/doorbell.h"
#include "common/homes.h"
#include "net-worker/dataplane/host.h"
#include "net-worker/dataplane/shard_commands.h"
#include "net-worker/dataplane/strays.h"

#define ENGINE_THREAD   0u
#define SHARD_THREAD(i) ((i) + 1u)

struct junction {
	unsigned shards;
	const struct dataplane_host *host; /* for wake() */
	struct strays *strays;
	uint8_t *homes; /* HOMES_SIZE; only the engine's thread writes */
	struct doorbell bell[SHARD_THREAD(SHARDS_MAX)];
};

/* Threads, a bit each, that have been given something in this turn. */
typedef uint32_t thread_set;

/* homes are the caller's. False without memory. */
bool junction_init(struct junction *, unsigned shards, uint8_t *homes,
    const struct dataplane_host *);
void junction_free(struct junction *);

/* Whose a datagram is. */
unsigned junction_owner(const struct junction *, const struct arrival *,
    const uint8_t *data, size_t len);
/* Passes a stray on, and counts it or its loss; arrival as in strays_pass(). */
void junction_pass(struct junction *, unsigned from, unsigned to,
    const struct arrival *, const uint8_t *data, size_t len,
    struct io_counters *, thread_set *given);
/* Wakes those of a set that sleep; it is empty then. */
void junction_wake(struct junction *, thread_set *);

#endif /* NET_WORKER_DATAPLANE_JUNCTION_H */

/*
 * The table of assignments.h: the names that clients want to be resolved, each
 * with how far it is. What one client may have in it depends on what others
 * have left. No I/O.
 */
#ifndef CONTROL_WORKER_DNS_RESOURCES_WISHES_H
#define CONTROL_WORKER_DNS_RESOURCES_WISHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/time.h"
#include "control-worker/dns_resources/peer_event.h"
#include "control-worker/net/lookup.h"

#define ASSIGNMENTS_MAX       1000 /* under way */
#define ASSIGNMENTS_OF_CLIENT 32
#define ASSIGNMENTS_LEFT      8 /* and one in so many of what is left */

#define ASSIGNMENTS_KEPT_MAX       2048 /* beside those under way */
#define ASSIGNMENTS_KEPT_OF_CLIENT 256
#define ASSIGNMENTS_KEPT_LEFT      4 /* likewise */

enum step {
	STEP_KEPT,    /* until there is room for it */
	STEP_ASKED,   /* whether the client may */
	STEP_WAITING, /* for its turn to be looked up */
	STEP_RESOLVING,
	STEP_RESOLVED, /* until the result can be handed over */
};

TAILQ_HEAD(wish_list, wish);
TAILQ_HEAD(wisher_list, wisher);

/* A client that has some. */
struct wisher {
	RB_ENTRY(wisher) entry;
	TAILQ_ENTRY(wisher) turn; /* while it has kept ones */
	struct wisher_list *turns;
	struct uuid client;
	size_t count, kept_count;
	struct wish_list kept;
};

struct wish {
	RB_ENTRY(wish) by_serial;
	TAILQ_ENTRY(wish) entry; /* WAITING, RESOLVED, KEPT of the client */
	TAILQ_ENTRY(wish) kept;  /* of all clients */
	struct wisher *wisher;
	void *ctx; /* the owner's, for who is called back with it */
	uint64_t serial;
	enum step step;
	struct assigned_ips ips;
	uint64_t for_portal;   /* the serial of who said it; 0: the client */
	bool again;            /* net-worker has said it: nobody hears of it */
	struct mono ends;      /* if it is KEPT so long */
	struct lookup *lookup; /* while RESOLVING */
	struct lookup_result *result; /* once RESOLVED; freed with the wish */
};

RB_HEAD(wish_tree, wish);
RB_HEAD(wisher_tree, wisher);

struct wishes {
	struct wish_tree by_serial;
	struct wisher_tree wishers;
	/* Whoever is first comes first. */
	struct wish_list waiting, resolved, kept;
	/* Who has kept ones, by how many are under way. */
	struct wisher_list turns[ASSIGNMENTS_OF_CLIENT + 1];
	size_t count, kept_count; /* under way, and beside these */
	uint64_t serial;
};

void wishes_init(struct wishes *);
/* Whether that client may have one more under way, or kept. */
bool wishes_have_room(const struct wishes *, const struct uuid *client);
bool wishes_have_room_to_keep(const struct wishes *, const struct uuid *client);
bool wishes_keep_some(const struct wishes *, const struct uuid *client);
/*
 * A new one of the client that its names name, with a serial of its own, ASKED
 * or KEPT; to be ended by wishes_remove(). NULL without memory.
 */
struct wish *wishes_add(
    struct wishes *, enum step, const struct assigned_ips *);
struct wish *wishes_find(const struct wishes *, uint64_t serial); /* or NULL */
struct wish *wishes_oldest(const struct wishes *);                /* or NULL */
/*
 * The kept one whose turn it is: the oldest of a client that has fewest under
 * way. NULL: there is none, or no room for it.
 */
struct wish *wishes_next_kept(const struct wishes *);
/* One step further. */
void wishes_ask(struct wishes *, struct wish *);
void wishes_wait(struct wishes *, struct wish *);
void wishes_resolve(struct wishes *, struct wish *);
/* Copies the result; false without memory. */
bool wishes_hold_result(
    struct wishes *, struct wish *, const struct lookup_result *);
void wishes_remove(struct wishes *, struct wish *); /* frees it */

#endif /* CONTROL_WORKER_DNS_RESOURCES_WISHES_H */

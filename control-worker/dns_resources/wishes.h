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

#include "control-worker/dns_resources/peer_event.h"
#include "control-worker/net/lookup.h"

#define ASSIGNMENTS_MAX       1000 /* under way */
#define ASSIGNMENTS_OF_CLIENT 32
#define ASSIGNMENTS_LEFT      8 /* and one in so many of what is left */

enum step {
	STEP_ASKED,   /* whether the client may */
	STEP_WAITING, /* for its turn to be looked up */
	STEP_RESOLVING,
};

/* A client that has some. */
struct wisher {
	RB_ENTRY(wisher) entry;
	struct uuid client;
	size_t count;
};

struct wish {
	RB_ENTRY(wish) by_serial;
	TAILQ_ENTRY(wish) waiting;
	struct wisher *wisher;
	void *ctx; /* the owner's, for who is called back with it */
	uint64_t serial;
	enum step step;
	struct assigned_ips ips;
	uint64_t for_portal;   /* the serial of who said it; 0: the client */
	struct lookup *lookup; /* while RESOLVING */
};

RB_HEAD(wish_tree, wish);
RB_HEAD(wisher_tree, wisher);
TAILQ_HEAD(wish_list, wish);

struct wishes {
	struct wish_tree by_serial;
	struct wisher_tree wishers;
	struct wish_list waiting; /* whoever is first comes first */
	size_t count;
	uint64_t serial;
};

void wishes_init(struct wishes *);
/* Whether that client may have one more. */
bool wishes_have_room(const struct wishes *, const struct uuid *client);
/*
 * A new one of the client that its names name, with a serial of its own; to be
 * ended by wishes_remove(). NULL without memory.
 */
struct wish *wishes_add(struct wishes *, const struct assigned_ips *);
struct wish *wishes_find(const struct wishes *, uint64_t serial); /* or NULL */
struct wish *wishes_oldest(const struct wishes *);                /* or NULL */
/* From ASKED; from WAITING. */
void wishes_wait(struct wishes *, struct wish *);
void wishes_resolve(struct wishes *, struct wish *);
void wishes_remove(struct wishes *, struct wish *); /* frees it */

#endif /* CONTROL_WORKER_DNS_RESOURCES_WISHES_H */

/*
 * Who was granted a resource: an index over the grants of all clients, so that
 * a change of one resource asks only those that have it. grants.h keeps it true
 * wherever a grant comes or goes; adding and removing take the same time
 * however many there are.
 */
#ifndef NET_WORKER_CORE_POLICY_HOLDERS_H
#define NET_WORKER_CORE_POLICY_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/uuid.h"
#include "net-worker/core/key_map.h"

struct holders {
	struct key_map resources;
};

struct held_resource;

/* Lies in the grant. All zero: in no index. */
struct holder {
	TAILQ_ENTRY(holder) entry;
	struct held_resource *resource; /* NULL: in no index */
	void *client;                   /* whose grant it is */
};

/* Made for about that many resources; it takes more. False without memory. */
bool holders_init(struct holders *, uint32_t expected);
void holders_free(struct holders *); /* all zero is fine; nobody is in it */

/* False without memory. */
bool holders_add(
    struct holders *, struct holder *, const struct uuid *, void *client);
void holders_remove(struct holders *, struct holder *); /* if it is in */

/*
 * Who has the resource, longest first; NULL: nobody, or no more. One that is
 * removed has no next any more: that is to be asked for before.
 */
struct holder *holders_first(const struct holders *, const struct uuid *);
struct holder *holders_next(const struct holder *);

#endif /* NET_WORKER_CORE_POLICY_HOLDERS_H */

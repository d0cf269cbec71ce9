/*
 * Names that clients assign their proxy addresses to (firezone-policy(7),
 * Assignment and Resolution):
 *
 *	PEER_EVENT -> ASSIGNMENT, may it? -> ASSIGNMENT_ANSWER -> look-up
 *	-> NAME_RESOLVED, installed and the client told
 *
 * net-worker decides; here is read what the client says, found out what the
 * name means, and written what the client hears. A client that gets no answer
 * asks again, so that what is beyond a bound is left out.
 *
 * A client of 1.3 says it to the portal and hears nothing: then it is the
 * portal's part that begins it, and is told. Such a client does not ask again:
 * what there is no room for is kept until there is, as long as the client
 * waits, in the order it came. Once it is in force it is net-worker that asks
 * again, when there is no answer from what the name means:
 *
 *	NAME_UNANSWERED -> ASSIGNMENT -> ... -> NAME_RESOLVED, nobody told
 */
#ifndef CONTROL_WORKER_DNS_RESOURCES_ASSIGNMENTS_H
#define CONTROL_WORKER_DNS_RESOURCES_ASSIGNMENTS_H

#include "common/ipc.h"
#include "common/time.h"
#include "control-worker/net/lookup.h"
#include "control-worker/net/name_proxies.h"

/* At once, of those in the table of wishes.h; each has some sockets. */
#define ASSIGNMENTS_LOOKUPS_MAX 200

/* Then the client has given up: firezone-portal(7), Two-step authorization. */
#define ASSIGNMENTS_KEPT_MS 20000

/* The way to net-worker; false when a message cannot be sent. */
struct assignments_host {
	void *ctx;
	bool (*ask)(void *ctx, const struct ipc_assignment *);
	bool (*resolved)(void *ctx, const struct ipc_name_resolved *);
	bool (*say)(void *ctx, const struct ipc_peer_message *);
	/*
	 * Whether a message can be sent just now; if not, assignments_resume()
	 * is to be called when it can.
	 */
	bool (*has_room)(void *ctx);
	struct mono (*now)(void *ctx);
	/* The end of what assignments_begin() began. */
	void (*done)(void *ctx, uint64_t serial, bool installed);
};

struct assignments;

struct assignments *assignments_new(
    const struct assignments_host *, const struct lookups *);
void assignments_free(struct assignments *); /* NULL is fine */
/*
 * False: there is no room even to keep it, or nobody to be asked, and done() is
 * not called for it; else later, unless it is forgotten. It may be called for
 * others at once. The serial is not 0.
 */
bool assignments_begin(
    struct assignments *, uint64_t serial, const struct name_proxies *);
void assignments_event(struct assignments *, const struct ipc_peer_event *);
void assignments_unanswered(
    struct assignments *, const struct ipc_name_unanswered *);
void assignments_answer(
    struct assignments *, const struct ipc_assignment_answer *);
void assignments_resume(struct assignments *);
/* How many were, of those that nobody says again: as long as it lives. */
const uint64_t *assignments_left_out(const struct assignments *);
/* Whoever was asked is no more. */
void assignments_forget(struct assignments *);

#endif /* CONTROL_WORKER_DNS_RESOURCES_ASSIGNMENTS_H */

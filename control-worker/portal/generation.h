/*
 * The generations of the protocol (firezone-portal(7), Generations): all that a
 * gateway of one says, understands and does otherwise than one of another, in
 * one table. Nobody else in this folder knows their numbers.
 */
#ifndef CONTROL_WORKER_PORTAL_GENERATION_H
#define CONTROL_WORKER_PORTAL_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "control-worker/portal/messages.h"
#include "control-worker/portal/phoenix.h"

#define GENERATION_STATUSES_MAX 3
#define GENERATION_FOREIGN_MAX  32

/* Parameters of the login URL, in the order in which they are sent. */
enum login_parameter {
	LOGIN_PARAMETER_NONE, /* there are no more */
	LOGIN_PARAMETER_EXTERNAL_ID,
	LOGIN_PARAMETER_NAME,
	LOGIN_PARAMETER_PUBLIC_KEY,
	LOGIN_PARAMETER_TOKEN,
};

/* One event of the portal. */
struct push {
	const char *event; /* NULL: there are no more */
	push_handler *handle;
	const char *reply; /* the event that acknowledges it; NULL: none does */
	bool grants;       /* somebody gets access by it */
};

#define STATUS_UNAUTHORIZED 401 /* the token is refused, in all of them */

/* Statuses of HTTP. */
struct status_range {
	int first, last;
};

struct generation {
	unsigned number;
	const char *path;  /* of the WebSocket, after that of the API URL */
	const char *agent; /* our component and version in User-Agent */
	enum login_parameter parameters[5];
	bool hashes_every_id; /* else those that look like a UUID */
	bool token_in_header;
	bool port_in_host;
	/* A gateway of it ends after these; after all else it tries again. */
	struct status_range refusals;
	bool refusal_is_final; /* no older generation would be taken */
	/* Statuses by which portals refuse its login, but not an older one, */
	int other_logins[GENERATION_STATUSES_MAX + 1];
	int absences[GENERATION_STATUSES_MAX + 1]; /* and of its path; 0: end */
	struct phoenix_rules channel;
	bool says_capabilities; /* after each join */
	/* Relays are asked for by a message, else by another connection. */
	bool asks_for_relays;
	int64_t no_relays_ms; /* from one time to the next, and more */
	/* An init without a list of grants says that there are none. */
	bool always_lists_grants;
	const struct push *pushes; /* beside those that all understand */
};

/* The one of the number; NULL: there is none. */
const struct generation *generation_of(unsigned number);
const struct generation *generation_newest(void);

/* What an answer with this status means. */
bool generation_is_refused(const struct generation *, int status);
bool generation_wants_other_login(const struct generation *, int status);
bool generation_is_absent(const struct generation *, int status);
/* What is done on an event; NULL: it is not one of this generation. */
const struct push *generation_push(
    const struct generation *, const char *event);
/*
 * Whether it is one of another, and then which: below GENERATION_FOREIGN_MAX;
 * else -1.
 */
int generation_foreign(const struct generation *, const char *event);

#endif /* CONTROL_WORKER_PORTAL_GENERATION_H */

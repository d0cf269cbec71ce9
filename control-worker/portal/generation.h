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

#define GENERATION_PUSHES_MAX 16

/* Parameters of the login URL, in the order in which they are sent. */
enum login_parameter {
	LOGIN_PARAMETER_NONE, /* there are no more */
	LOGIN_PARAMETER_EXTERNAL_ID,
	LOGIN_PARAMETER_NAME,
	LOGIN_PARAMETER_PUBLIC_KEY,
};

/* One event of the portal. */
struct push {
	const char *event; /* NULL: there are no more */
	push_handler *handle;
	const char *reply; /* the event that acknowledges it; NULL: none does */
};

struct generation {
	unsigned number;
	const char *path;  /* of the WebSocket, after that of the API URL */
	const char *agent; /* our component and version in User-Agent */
	enum login_parameter parameters[4];
	int final_status; /* of HTTP: the portal does not want this login */
	struct phoenix_rules channel;
	bool says_capabilities; /* after each join */
	struct push pushes[GENERATION_PUSHES_MAX];
};

/* The one that is tried first. */
const struct generation *generation_newest(void);

#endif /* CONTROL_WORKER_PORTAL_GENERATION_H */

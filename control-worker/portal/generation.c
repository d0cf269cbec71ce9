/* The table of generations: see generation.h. */
#include "control-worker/portal/generation.h"

#include <stddef.h>
#include <string.h>

#define STATUS_REDIRECT      308 /* to another host: no WebSocket there */
#define STATUS_FORBIDDEN     403
#define STATUS_NOT_FOUND     404
#define STATUS_UNPROCESSABLE 422 /* an agent that it does not know */

/* What every portal says on any path: firezone-portal(7), Gateway matrix. */
static const struct push pushes_of_all[] = {
	{ "ice_candidates", handle_candidates_added, NULL, false },
	{ "invalidate_ice_candidates", handle_candidates_withdrawn, NULL,
	    false },
	{ "reject_access", handle_reject_access, NULL, false },
	{ "relays_presence", handle_relays_presence, NULL, false },
	{ "resource_updated", handle_resource_updated, NULL, false },
	{ "init", handle_init, NULL, false },
	{ NULL, NULL, NULL, false },
};

static const struct push newer_pushes[] = {
	{ "create_authorization", handle_authorization, "authorization_created",
	    true },
	{ NULL, NULL, NULL, false },
};

/* Which of them come depends on the client, not on what we say we are. */
static const struct push older_pushes[] = {
	{ "authorize_flow", handle_flow, "flow_authorized", true },
	{ "request_connection", handle_request_connection, "connection_ready",
	    true },
	{ "allow_access", handle_allow_access, NULL, true },
	{ "access_authorization_expiry_updated", handle_expiry_update, NULL,
	    false },
	{ NULL, NULL, NULL, false },
};

/*
 * In the order of their numbers; each is a gateway of the version that it says
 * it is.
 *
 * Portals before the end of 2025 read the token in the query only, and send
 * clients since 1.4 to no gateway that says it is 1.3: so generation 2 tells it
 * in the query as well as in the header, which wins where it is read. Before
 * September 2025 they answer 422 to an agent that calls itself a gateway;
 * connlib, as it called itself then, is known to all.
 *
 * Most portals of generation 2 do not know no_relays, and some of those end the
 * channel of who says what they do not know, but not the connection. All name
 * relays in the init that another connection brings.
 */
static const struct generation generations[] = {
	{
	    .number = 1,
	    .path = "/gateway/websocket",
	    .agent = "connlib/1.3.2",
	    .parameters = { LOGIN_PARAMETER_TOKEN, LOGIN_PARAMETER_PUBLIC_KEY,
		LOGIN_PARAMETER_EXTERNAL_ID, LOGIN_PARAMETER_NAME },
	    .hashes_every_id = true,
	    .port_in_host = true,
	    .refusals = { 400, 499 },
	    .absences = { STATUS_NOT_FOUND, STATUS_REDIRECT },
	    .channel = { .heartbeat_ms = 30000,
		.unanswered_max = 1,
		.reply_ms = 5000,
		.refs_continue = true },
	    .no_relays_ms = 15000,
	    .pushes = older_pushes,
	},
	{
	    .number = 2,
	    .path = "/gateway/websocket",
	    .agent = "connlib/1.5.2",
	    .parameters = { LOGIN_PARAMETER_TOKEN, LOGIN_PARAMETER_EXTERNAL_ID,
		LOGIN_PARAMETER_NAME, LOGIN_PARAMETER_PUBLIC_KEY },
	    .token_in_header = true,
	    .refusals = { STATUS_UNAUTHORIZED, STATUS_UNAUTHORIZED },
	    .other_logins = { STATUS_FORBIDDEN, STATUS_UNPROCESSABLE },
	    .absences = { STATUS_NOT_FOUND, STATUS_REDIRECT },
	    .channel = { .heartbeat_ms = 10000, .unanswered_max = 3 },
	    .no_relays_ms = 15000,
	    .pushes = older_pushes,
	},
	{
	    .number = 3,
	    .path = "/gateway/v2/websocket",
	    .agent = "gateway/1.6.1",
	    .parameters = { LOGIN_PARAMETER_EXTERNAL_ID, LOGIN_PARAMETER_NAME,
		LOGIN_PARAMETER_PUBLIC_KEY },
	    .token_in_header = true,
	    .refusals = { STATUS_UNAUTHORIZED, STATUS_UNAUTHORIZED },
	    .absences = { STATUS_NOT_FOUND, STATUS_REDIRECT },
	    .refusal_is_final = true,
	    .channel = { .heartbeat_ms = 10000, .unanswered_max = 3 },
	    .says_capabilities = true,
	    .asks_for_relays = true,
	    .no_relays_ms = 2000,
	    .always_lists_grants = true,
	    .pushes = newer_pushes,
	},
};

#define GENERATIONS (sizeof(generations) / sizeof(*generations))

const struct generation *
generation_of(unsigned number)
{
	for (size_t i = 0; i < GENERATIONS; i++)
		if (generations[i].number == number)
			return &generations[i];
	return NULL;
}

const struct generation *
generation_newest(void)
{
	return &generations[GENERATIONS - 1];
}

static bool
status_is_in(const int *list, int status)
{
	while (*list != 0 && *list != status)
		list++;
	return *list != 0;
}

bool
generation_is_refused(const struct generation *g, int status)
{
	return status >= g->refusals.first && status <= g->refusals.last;
}

bool
generation_wants_other_login(const struct generation *g, int status)
{
	return status_is_in(g->other_logins, status);
}

bool
generation_is_absent(const struct generation *g, int status)
{
	return status_is_in(g->absences, status);
}

static const struct push *
push_find(const struct push *p, const char *event)
{
	while (p->event != NULL && strcmp(p->event, event) != 0)
		p++;
	return p->event == NULL ? NULL : p;
}

const struct push *
generation_push(const struct generation *g, const char *event)
{
	const struct push *p = push_find(pushes_of_all, event);

	return p != NULL ? p : push_find(g->pushes, event);
}

int
generation_foreign(const struct generation *g, const char *event)
{
	int n = 0;

	if (generation_push(g, event) != NULL)
		return -1;
	for (size_t i = 0; i < GENERATIONS; i++)
		for (const struct push *p = generations[i].pushes;
		     p->event != NULL; p++, n++)
			if (strcmp(p->event, event) == 0)
				return n;
	return -1;
}

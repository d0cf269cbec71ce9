/* The table of generations: see generation.h. */
#include "control-worker/portal/generation.h"

#include <stddef.h>
#include <string.h>

#define STATUS_UNAUTHORIZED 401
#define STATUS_FORBIDDEN    403

/* What every portal says, whatever its path: firezone-portal(7), Gateway
 * matrix.
 */
static const struct push pushes_of_all[] = {
	{ "ice_candidates", handle_candidates_added, NULL },
	{ "invalidate_ice_candidates", handle_candidates_withdrawn, NULL },
	{ "reject_access", handle_reject_access, NULL },
	{ "relays_presence", handle_relays_presence, NULL },
	{ "resource_updated", handle_resource_updated, NULL },
	{ "init", handle_init, NULL },
	{ NULL, NULL, NULL },
};

static const struct push newer_pushes[] = {
	{ "create_authorization", handle_authorization,
	    "authorization_created" },
	{ NULL, NULL, NULL },
};

static const struct push older_pushes[] = {
	{ "authorize_flow", handle_flow, "flow_authorized" },
	{ NULL, NULL, NULL },
};

/*
 * In the order of their numbers.
 *
 * The heartbeat is that of today in generation 2, too: the portals of its time
 * close after 37 s in which they heard nothing (firezone-portal(7),
 * Heartbeats), and may be asked more often than that.
 *
 * Most portals of generation 2 do not know no_relays, and some of those end the
 * channel of who says what they do not know, but not the connection. All name
 * relays in the init that another connection brings.
 */
static const struct generation generations[] = {
	{
	    .number = 2,
	    .path = "/gateway/websocket",
	    .agent = "gateway/1.5.2",
	    .parameters = { LOGIN_PARAMETER_EXTERNAL_ID, LOGIN_PARAMETER_NAME,
		LOGIN_PARAMETER_PUBLIC_KEY },
	    .refusals = { STATUS_UNAUTHORIZED, STATUS_FORBIDDEN },
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
	    .refusals = { STATUS_UNAUTHORIZED },
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

bool
generation_is_refused(const struct generation *g, int status)
{
	for (const int *r = g->refusals; *r != 0; r++)
		if (*r == status)
			return true;
	return false;
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

/* The table of generations: see generation.h. */
#include "control-worker/portal/generation.h"

#define STATUS_UNAUTHORIZED 401

static const struct generation generations[] = {
	{
		.number = 3,
		.path = "/gateway/v2/websocket",
		.agent = "gateway/1.6.1",
		.parameters = { LOGIN_PARAMETER_EXTERNAL_ID,
		    LOGIN_PARAMETER_NAME, LOGIN_PARAMETER_PUBLIC_KEY },
		.final_status = STATUS_UNAUTHORIZED,
		.channel = { .heartbeat_ms = 10000, .unanswered_max = 3 },
		.says_capabilities = true,
		.pushes = {
			{ "create_authorization", handle_authorization,
			    "authorization_created" },
			{ "ice_candidates", handle_candidates_added, NULL },
			{ "invalidate_ice_candidates",
			    handle_candidates_withdrawn, NULL },
			{ "reject_access", handle_reject_access, NULL },
			{ "relays_presence", handle_relays_presence, NULL },
			{ "resource_updated", handle_resource_updated, NULL },
			{ "init", handle_init, NULL },
		},
	},
};

#define GENERATIONS (sizeof(generations) / sizeof(*generations))

const struct generation *
generation_newest(void)
{
	return &generations[GENERATIONS - 1];
}

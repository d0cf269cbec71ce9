/*
 * The grants that have ended lately, for the operator who asks why what worked
 * a while ago does not any more. Nothing is decided by them.
 */
#include "net-worker/core/policy/pattern.h"
#include "net-worker/dataplane/engine/state.h"

void
ended_grants_note(struct engine *e, const struct client *m,
    const struct grant *g, enum grant_end by)
{
	struct ended_grants *all = &e->ended;
	struct ended_grant *to = &all->of[all->count++ % ENDED_GRANTS];

	*to = (struct ended_grant){
		.client = *client_id(m),
		.resource = g->resource,
		.type = g->type,
		.network = g->network,
		.at = e->clock.last.wall,
		.by = by,
	};
	strlcpy(to->pattern, g->pattern, sizeof(to->pattern));
}

static bool
ended_grant_had(const struct ended_grant *g, const struct ipc_explain *asked)
{
	if (!uuid_equal(&g->client, &asked->client))
		return false;
	if (g->type == RESOURCE_DNS)
		return asked->domain[0] != '\0' &&
		    pattern_matches(g->pattern, asked->domain);
	return asked->domain[0] == '\0' &&
	    (g->type == RESOURCE_INTERNET ||
		prefix_contains(&g->network, &asked->destination.ip));
}

/* The latest first. */
void
engine_query_ended(const struct engine *e, const struct ipc_explain *asked,
    struct ipc_explained *to)
{
	const struct ended_grants *all = &e->ended;

	for (size_t i = all->count; i > 0 && all->count - i < ENDED_GRANTS;
	     i--) {
		const struct ended_grant *g = &all->of[(i - 1) % ENDED_GRANTS];

		if (!ended_grant_had(g, asked))
			continue;
		to->ended_by = (uint8_t)g->by;
		to->ended = g->resource;
		to->ended_at =
		    g->at.ns > 0 ? (uint64_t)g->at.ns / 1000000000 : 0;
		return;
	}
}

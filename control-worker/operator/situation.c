/* Whether clients can be served: see situation.h. */
#include "control-worker/operator/situation.h"

#include <stddef.h>

bool
situation_withdraws(
    const struct situation *s, const struct probe_result *server)
{
	const struct probe_results *all = &s->probes;

	if (!s->withdraws || !probe_results_all_known(all))
		return false;
	for (size_t i = 0; i < all->count; i++)
		if (all->of[i].answers &&
		    ip_equal(&all->of[i].server.ip, &server->server.ip))
			return false;
	return true;
}

uint64_t
situation_connections(const struct situation *s)
{
	return s->counters == NULL
	    ? 0
	    : counter_read(&s->counters->engine.connections_direct) +
		counter_read(&s->counters->engine.connections_relayed);
}

const char *
situation_lacks(const struct situation *s)
{
	/* Who tells of all three, has not yet done so. */
	if (!s->process[IPC_PARENT].running)
		return "control-worker has just started";
	if (!s->process[IPC_NET].running || s->counters == NULL)
		return "net-worker is not running";
	if (s->process[IPC_NET].silent)
		return "net-worker does not answer";
	if (s->draining)
		return "draining";
	if (!s->online)
		return "not connected to the portal";
	if (!s->has_v4 && !s->has_v6)
		return "the tunnel is not configured";
	if (s->trouble.text[0] != '\0')
		return s->trouble.text;
	if (counter_read(&s->counters->engine.relays) == 0)
		return "no relay has given an allocation";
	if (s->probes_needed && probe_results_any_silent(&s->probes))
		return "a server of --probe does not answer";
	return NULL;
}

/* Whether clients can be served: see situation.h. */
#include "control-worker/operator/situation.h"

#include <stddef.h>

const char *
situation_lacks(const struct situation *s)
{
	/* Who tells of all three, has not yet done so. */
	if (!s->process[IPC_PARENT].running)
		return "control-worker has just started";
	if (!s->process[IPC_NET].running || s->counters == NULL)
		return "net-worker is not running";
	if (!s->online)
		return "not connected to the portal";
	if (!s->has_v4 && !s->has_v6)
		return "the tunnel is not configured";
	if (s->trouble.text[0] != '\0')
		return s->trouble.text;
	if (counter_read(&s->counters->engine.relays) == 0)
		return "no relay has given an allocation";
	return NULL;
}

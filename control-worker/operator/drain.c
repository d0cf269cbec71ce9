/* Draining, as operators see it: see drain.h. */
#include "control-worker/operator/drain.h"

#include <inttypes.h>

#include "control-worker/operator/table.h"

bool
drain_is_done(struct drain_watch *w, const struct situation *s, struct mono now)
{
	const bool quiet = s->draining && s->process[IPC_NET].running &&
	    situation_connections(s) == 0;

	if (quiet && !w->quiet)
		w->since = now;
	w->quiet = quiet;
	return quiet && mono_due(mono_add_ms(w->since, DRAIN_QUIET_MS), now);
}

void
drain_describe(struct text *t, const struct situation *s, uint64_t now)
{
	const uint64_t n = situation_connections(s);
	char left[FIGURE_MAX];

	text_add(t,
	    "%" PRIu64 " client%s connected; posternd ends when none is, in %s "
	    "at the latest\n",
	    n, n == 1 ? " is" : "s are",
	    format_duration(seconds_between(now, s->drain_ends_at), left));
}

void
drain_write(
    struct text *t, const struct situation *s, enum ctl_form form, uint64_t now)
{
	if (form == CTL_JSON && s->draining)
		text_add(t,
		    "{\"draining\":true,\"connections\":%" PRIu64
		    ",\"ends_at\":%" PRIu64 "}\n",
		    situation_connections(s), s->drain_ends_at);
	else if (form == CTL_JSON)
		text_add(t,
		    "{\"draining\":false,\"connections\":%" PRIu64
		    ",\"ends_at\":null}\n",
		    situation_connections(s));
	else if (s->draining) {
		text_add(t, "draining: ");
		drain_describe(t, s, now);
	} else
		text_add(t, "not draining: clients are taken\n");
}

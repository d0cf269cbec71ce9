/* The delays between the lives of a worker: see restart.h. */
#include "parent/restart.h"

void
restart_init(struct restart *r)
{
	*r = (struct restart){ .ready = MONO_NEVER, .at = MONO_NEVER };
}

/* The ring is full, and the oldest of its deaths is not long ago. */
static bool
died_too_often(const struct restart *r, struct mono now)
{
	struct mono oldest = r->died[r->deaths % RESTART_DEATHS_MAX];

	return r->deaths >= RESTART_DEATHS_MAX &&
	    mono_before(now, mono_add_s(oldest, RESTART_WITHIN_S));
}

bool
restart_died(struct restart *r, struct mono now)
{
	r->died[r->deaths++ % RESTART_DEATHS_MAX] = now;
	if (mono_is_never(r->ready))
		r->fruitless++;
	else if (mono_due(mono_add_s(r->ready, RESTART_HEALTHY_S), now))
		r->delay_ms = 0;
	r->ready = MONO_NEVER;
	if (died_too_often(r, now) || r->fruitless == RESTART_DEATHS_MAX)
		return false;
	r->at = mono_add_ms(now, r->delay_ms);
	r->delay_ms = r->delay_ms == 0 ? 1000 : r->delay_ms * 2;
	if (r->delay_ms > RESTART_DELAY_MAX_MS)
		r->delay_ms = RESTART_DELAY_MAX_MS;
	return true;
}

void
restart_started(struct restart *r)
{
	r->at = MONO_NEVER;
}

void
restart_ready(struct restart *r, struct mono now)
{
	r->ready = now;
	r->fruitless = 0;
}

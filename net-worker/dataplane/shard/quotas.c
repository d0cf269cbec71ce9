/* Shares of a source: see quotas.h. */
#include "net-worker/dataplane/shard/quotas.h"

/*
 * Bursts come and go, and the thread may have had to wait for a processor: what
 * is still there after that is a queue. Where there is one already, it is to
 * stay this short.
 */
#define STANDING_MS 20
#define SHORT_MS    2
#define ADJUST_MS   1    /* no more often */
#define SHARED_MS   1000 /* who else used the source then counts as well */
/* What a client may always have: a few answers are no load. */
#define ALLOWANCE_MIN 4
/*
 * To pass costs some ten times what a drop does. One of so many packets has to
 * pass before it is worth while to let fewer do; where fewer than the second
 * number does, more may.
 */
#define TIGHTEN_FROM 24
#define RELAX_BELOW  32

void
quotas_init(struct quotas *s)
{
	*s = (struct quotas){
		.allowance = QUOTAS_UNLIMITED,
		.waits_since = MONO_NEVER,
	};
}

bool
quotas_has_left(const struct quotas *s, const struct quota *quota)
{
	return !s->shared || quota->turn != s->turn ||
	    quota->used < s->allowance;
}

void
quotas_note(struct quotas *s, struct quota *quota, uint32_t client)
{
	s->several = s->several || (s->any && s->last != client);
	s->any = true;
	s->last = client;
	if (quota->turn != s->turn)
		*quota = (struct quota){ .turn = s->turn };
	quota->used++;
}

static void
tighten_quotas(struct quotas *s)
{
	uint32_t from = s->allowance;

	if (from == QUOTAS_UNLIMITED || from > s->passed)
		from = s->passed;
	s->allowance = from - from / 4;
	if (s->allowance < ALLOWANCE_MIN)
		s->allowance = ALLOWANCE_MIN;
}

/* Beyond what any turn has had it limits nobody. */
static void
relax_quotas(struct quotas *s)
{
	s->allowance += s->allowance / 16 + 1;
	if (s->allowance > s->most)
		s->allowance = QUOTAS_UNLIMITED;
}

static void
adjust_quotas(struct quotas *s, struct mono now, bool more)
{
	bool limited = s->allowance != QUOTAS_UNLIMITED;
	int64_t patience = limited ? SHORT_MS : STANDING_MS;

	if (!more)
		s->waits_since = MONO_NEVER;
	else if (mono_is_never(s->waits_since))
		s->waits_since = now;
	if (!mono_due(mono_add_ms(s->adjusted, ADJUST_MS), now))
		return;
	if (more && s->passed >= s->taken / TIGHTEN_FROM &&
	    mono_due(mono_add_ms(s->waits_since, patience), now)) {
		tighten_quotas(s);
		s->adjusted = now;
	} else if (limited && (!more || s->passed < s->taken / RELAX_BELOW)) {
		relax_quotas(s);
		s->adjusted = now;
	}
}

void
quotas_end_turn(struct quotas *s, struct mono now, bool more)
{
	if (s->allowance == QUOTAS_UNLIMITED)
		s->most = 0;
	if (s->taken > s->most)
		s->most = s->taken;
	if (s->several)
		s->shared_until = mono_add_ms(now, SHARED_MS);
	s->shared = !mono_due(s->shared_until, now);
	adjust_quotas(s, now, more);
	s->turn++;
	s->taken = s->passed = 0;
	s->any = s->several = false;
}

/* Fair shares of a source of packets: see quotas.h. */
#include "net-worker/dataplane/shard/quotas.h"

/*
 * Bursts come and go, and the thread may have had to wait for a processor: only
 * a queue that stands for STANDING_MS is one. Once there is a limit, the queue
 * may stand for SHORT_MS before the limit gets tighter.
 */
#define STANDING_MS 20
#define SHORT_MS    2
#define ADJUST_MS   1    /* between two changes of the allowance */
#define SHARED_MS   1000 /* a source is shared for so long after its last use */
/* A client may always have so many: a few answers are no load. */
#define ALLOWANCE_MIN 4
/*
 * A packet that passes costs some ten times what a drop does. The limit gets
 * tighter only while at least one of TIGHTEN_FROM passes, and less tight
 * when fewer than one of RELAX_BELOW do.
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

/* An allowance above what any turn has taken limits nobody. */
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

/* Mending what is undone again and again: see quarrel.h. */
#include "parent/quarrel.h"

static bool
has_lasted(const struct quarrel *q, struct mono now)
{
	return mono_is_never(q->mended) ||
	    mono_due(mono_add_ms(q->mended, QUARREL_LASTING_MS), now);
}

bool
quarrel_undone(struct quarrel *q, struct mono now)
{
	if (!q->undone && has_lasted(q, now))
		*q = QUARREL_NONE;
	q->undone = true;
	return mono_is_never(q->not_before) || mono_due(q->not_before, now);
}

bool
quarrel_pauses(struct quarrel *q, struct mono now)
{
	if (mono_is_never(q->not_before) || mono_due(q->not_before, now) ||
	    (!q->undone && has_lasted(q, now)))
		return false;
	q->undone = true;
	return true;
}

void
quarrel_mended(struct quarrel *q, unsigned weight, struct mono now)
{
	int64_t pause = QUARREL_PAUSE_MS;

	q->undone = false;
	q->mended = now;
	if (!quarrel_goes_on(q))
		q->weight += weight;
	if (!quarrel_goes_on(q))
		return;
	for (unsigned i = 0; i < q->pauses && pause < QUARREL_PAUSE_MAX_MS; i++)
		pause *= 2;
	if (pause > QUARREL_PAUSE_MAX_MS)
		pause = QUARREL_PAUSE_MAX_MS;
	else
		q->pauses++;
	q->not_before = mono_add_ms(now, pause);
}

bool
quarrel_goes_on(const struct quarrel *q)
{
	return q->weight >= QUARREL_WEIGHT_MAX;
}

bool
quarrel_is_over(struct quarrel *q, struct mono now)
{
	const bool over = quarrel_goes_on(q);

	q->undone = false;
	if (!has_lasted(q, now))
		return false;
	*q = QUARREL_NONE;
	return over;
}

struct mono
quarrel_deadline(const struct quarrel *q)
{
	if (!quarrel_goes_on(q))
		return MONO_NEVER;
	return q->undone ? q->not_before
			 : mono_add_ms(q->mended, QUARREL_LASTING_MS);
}

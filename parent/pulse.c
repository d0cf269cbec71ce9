/* Signs of life: see pulse.h. */
#include "parent/pulse.h"

enum pulse_step
pulse_turn(struct pulse *p, struct mono now)
{
	bool late;

	if (!mono_due(p->next, now))
		return PULSE_WAIT;
	late = mono_ms_between(p->next, now) >= PULSE_INTERVAL_MS;
	if (p->asked != 0 && !p->heard && !late)
		p->unanswered++;
	if (p->unanswered == PULSE_UNANSWERED_MAX) {
		p->next = MONO_NEVER;
		return PULSE_LOST;
	}
	p->asked++;
	p->heard = false;
	p->next = mono_add_ms(now, PULSE_INTERVAL_MS);
	return PULSE_ASK;
}

struct mono
pulse_deadline(const struct pulse *p)
{
	return p->next;
}

bool
pulse_answered(struct pulse *p, uint32_t serial)
{
	if (serial <= p->answered || serial > p->asked)
		return false;
	p->answered = serial;
	p->heard = true;
	p->unanswered = 0;
	return true;
}

bool
pulse_is_silent(const struct pulse *p)
{
	return p->unanswered > 0;
}

/* Finding out the generation: see generation_choice.h. */
#include "control-worker/portal/generation_choice.h"

#include <string.h>

void
choice_init(struct generation_choice *c, unsigned number)
{
	*c = (struct generation_choice){
		.automatic = number == 0,
		.chosen =
		    number == 0 ? generation_newest() : generation_of(number),
		.absent_at = MONO_NEVER,
		.newest_again = MONO_NEVER,
		.interrupts = MONO_NEVER,
		.pause_ms = GENERATION_AGAIN_MS,
	};
}

/* The newest that has not failed; NULL: all have. */
static const struct generation *
newest_left(const struct generation_choice *c)
{
	for (unsigned n = generation_newest()->number; n > 0; n--)
		if ((c->failed & 1u << n) == 0)
			return generation_of(n);
	return NULL;
}

/* A path that there is not, is there for no other generation either. */
static void
note_failure(struct generation_choice *c, bool absent)
{
	for (unsigned n = generation_newest()->number; n > 0; n--)
		if (n == c->chosen->number ||
		    (absent &&
			strcmp(generation_of(n)->path, c->chosen->path) == 0))
			c->failed |= 1u << n;
}

/* Whether that the newest is absent has to be heard once more. */
static bool
absence_is_doubtful(struct generation_choice *c, struct mono now, bool absent)
{
	if (!absent) {
		c->absent_at = MONO_NEVER;
		return false;
	}
	if (c->chosen != generation_newest() || c->is_older)
		return false;
	if (mono_is_never(c->absent_at))
		c->absent_at = now;
	return mono_before(
	    now, mono_add_ms(c->absent_at, GENERATION_CONFIRM_MS));
}

/* The newest has failed for good, or until a while has passed. */
static void
postpone_newest(struct generation_choice *c, struct mono now)
{
	c->newest_again = mono_add_ms(now, c->pause_ms);
	c->interrupts = mono_add_ms(now, GENERATION_INTERRUPTS_MS);
	c->absent_at = MONO_NEVER;
}

/* Where a login has worked, all but 401 may come from a proxy, for a while. */
static bool
login_is_refused(const struct generation_choice *c, int status)
{
	if (!c->automatic)
		return generation_is_refused(c->chosen, status);
	if (c->chosen == c->worked)
		return status == STATUS_UNAUTHORIZED;
	return generation_is_refused(c->chosen, status) ||
	    generation_wants_other_login(c->chosen, status);
}

enum choice_result
choice_failed(struct generation_choice *c, struct mono now, int status)
{
	bool refused = login_is_refused(c, status);
	bool absent = generation_is_absent(c->chosen, status);
	const struct generation *next;

	if (!c->automatic && !refused)
		return CHOICE_STAYS;
	if (absence_is_doubtful(c, now, absent))
		return CHOICE_DOUBTS;
	if (!refused && !absent)
		return CHOICE_STAYS;
	if (refused && (!c->automatic || c->chosen->refusal_is_final))
		return CHOICE_ENDS;
	note_failure(c, absent);
	if (c->chosen == generation_newest())
		postpone_newest(c, now);
	next = newest_left(c);
	if (next != NULL) {
		c->chosen = next;
		return CHOICE_TURNS;
	}
	if (refused)
		return CHOICE_ENDS;
	c->failed = 0;
	c->chosen = generation_newest();
	return CHOICE_STAYS;
}

const char *
choice_advice(
    const struct generation_choice *c, enum choice_result result, int status)
{
	if (result == CHOICE_DOUBTS)
		return "; it may be an older portal: an older generation is "
		       "tried if it answers so once more";
	if (!c->automatic && generation_is_absent(c->chosen, status))
		return "; check the path in --api-url, or let "
		       "--portal-generation auto find out what it speaks";
	return "";
}

void
choice_joined(struct generation_choice *c)
{
	c->failed = 0;
	c->worked = c->chosen;
	c->absent_at = MONO_NEVER;
	c->is_older = c->chosen != generation_newest();
	if (!c->is_older)
		c->pause_ms = GENERATION_AGAIN_MS;
}

struct mono
choice_deadline(const struct generation_choice *c)
{
	return c->chosen != generation_newest() && c->failed == 0
	    ? c->interrupts
	    : MONO_NEVER;
}

bool
choice_renew(struct generation_choice *c, struct mono now)
{
	if (c->chosen == generation_newest() || !mono_due(c->newest_again, now))
		return false;
	c->pause_ms = c->pause_ms < GENERATION_INTERRUPTS_MS / 2
	    ? 2 * c->pause_ms
	    : GENERATION_INTERRUPTS_MS;
	c->failed = 0;
	c->chosen = generation_newest();
	return true;
}

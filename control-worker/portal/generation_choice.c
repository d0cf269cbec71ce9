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
		.newest_again = MONO_NEVER,
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

enum choice_result
choice_failed(struct generation_choice *c, struct mono now, int status)
{
	bool refused = generation_is_refused(c->chosen, status);
	bool absent = generation_is_absent(c->chosen, status);
	const struct generation *next;

	if (!refused && !absent)
		return CHOICE_STAYS;
	if (refused && (!c->automatic || c->chosen->refusal_is_final))
		return CHOICE_ENDS;
	if (!c->automatic)
		return CHOICE_STAYS;
	note_failure(c, absent);
	if (c->chosen == generation_newest())
		c->newest_again = mono_add_ms(now, GENERATION_AGAIN_MS);
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

void
choice_joined(struct generation_choice *c)
{
	c->failed = 0;
}

struct mono
choice_deadline(const struct generation_choice *c)
{
	return c->chosen != generation_newest() && c->failed == 0
	    ? c->newest_again
	    : MONO_NEVER;
}

void
choice_renew(struct generation_choice *c, struct mono now)
{
	if (mono_due(choice_deadline(c), now))
		c->chosen = generation_newest();
}

/* Changes of the level of the log: see level_wish.h. */
#include "parent/level_wish.h"

#define BURST       8 /* changes */
#define INTERVAL_MS 1000

void
level_wish_make(struct level_wish *w, enum log_level level)
{
	w->pending = true;
	w->level = level;
}

struct mono
level_wish_deadline(const struct level_wish *w)
{
	return w->pending ? w->at : MONO_NEVER;
}

bool
level_wish_turn(struct level_wish *w, struct mono now)
{
	const enum log_level before = log_get_level(), least = log_get_least();

	if (!mono_due(level_wish_deadline(w), now))
		return false;
	w->pending = false;
	if ((w->level < least ? least : w->level) == before)
		return false;
	if (!bucket_take(&w->left, now, BURST, INTERVAL_MS)) {
		w->pending = true;
		w->at = mono_add_ms(now, INTERVAL_MS);
		return false;
	}
	log_set_level(w->level);
	return true;
}

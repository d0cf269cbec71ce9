/*
 * The level of the log that an operator wishes for, as control-worker says. The
 * last wish always comes true, within a second; but for a few at once, not more
 * than one does in a second, so that a hostile control-worker cannot fill the
 * log with changes of it.
 */
#ifndef PARENT_LEVEL_WISH_H
#define PARENT_LEVEL_WISH_H

#include "common/bucket.h"
#include "common/log.h"

/* All zero: none. */
struct level_wish {
	bool pending;
	enum log_level level;
	struct mono at;     /* not before; zero: at once */
	struct bucket left; /* changes at once that are left */
};

/* Takes the place of a wish that has not come true yet. */
void level_wish_make(struct level_wish *, enum log_level);
/* When level_wish_turn() is wanted next. */
struct mono level_wish_deadline(const struct level_wish *);
/*
 * Sets the level, if it is time; it never logs less than at the start. Whether
 * the level is another than before.
 */
bool level_wish_turn(struct level_wish *, struct mono now);

#endif /* PARENT_LEVEL_WISH_H */

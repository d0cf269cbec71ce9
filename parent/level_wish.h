/*
 * The log's level that was asked for last, by an operator as control-worker
 * says. It is carried out within a second, so that no wish is lost, and not
 * more often than once a second for long, so that wishes do not fill the log.
 */
#ifndef PARENT_LEVEL_WISH_H
#define PARENT_LEVEL_WISH_H

#include "common/bucket.h"
#include "common/log.h"

/* All zero: none. */
struct level_wish {
	bool pending;
	enum log_level level;
	struct mono at;     /* when it may be carried out; zero: at once */
	struct bucket left; /* changes */
};

/* In place of one that has not been carried out. */
void level_wish_make(struct level_wish *, enum log_level);
/* When level_wish_turn() is wanted next. */
struct mono level_wish_deadline(const struct level_wish *);
/* True when the level is another than before; never less than at the start. */
bool level_wish_turn(struct level_wish *, struct mono now);

#endif /* PARENT_LEVEL_WISH_H */

/*
 * Mending what somebody else undoes again: at once for the first few times,
 * which is what a reload or an administrator at work looks like, then at longer
 * and longer intervals. It is over when a mending has lasted. Sans-IO.
 */
#ifndef PARENT_QUARREL_H
#define PARENT_QUARREL_H

#include <stdbool.h>

#include "common/time.h"

/* Undone within this time, a mending has not lasted. */
#define QUARREL_LASTING_MS 10000
/*
 * Mendings in a row weigh so much before they are no longer made at once, what
 * was undone weighing more than what was lost with all around it.
 */
#define QUARREL_WEIGHT_MAX 32
#define QUARREL_UNDONE     4
#define QUARREL_LOST       1
/* The first interval from then on, doubled each time up to the last. */
#define QUARREL_PAUSE_MS     2000
#define QUARREL_PAUSE_MAX_MS 60000

struct quarrel {
	unsigned weight; /* of mendings, one undone after the other */
	unsigned pauses; /* made since that was too much */
	struct mono mended, not_before;
	bool undone; /* at present */
};

#define QUARREL_NONE                                              \
	((struct quarrel){                                        \
		.mended = MONO_NEVER, .not_before = MONO_NEVER, })

/* It is found undone; true when it shall be mended now. */
bool quarrel_undone(struct quarrel *, struct mono now);
/*
 * For who cannot look without mending: whether to leave it alone now, in which
 * case it is taken to be undone.
 */
bool quarrel_pauses(struct quarrel *, struct mono now);
/* It has been; of that weight. */
void quarrel_mended(struct quarrel *, unsigned weight, struct mono now);
/* It is found as it should be; true when that ends a quarrel. */
bool quarrel_is_over(struct quarrel *, struct mono now);
/* Whether it goes on: somebody undoes it again and again. */
bool quarrel_goes_on(const struct quarrel *);
/* When it should be looked at again. */
struct mono quarrel_deadline(const struct quarrel *);

#endif /* PARENT_QUARREL_H */

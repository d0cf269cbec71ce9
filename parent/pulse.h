/*
 * Whether a worker still turns, or hangs in a loop or a lock. The parent asks
 * it for a sign of life at intervals, which its loop answers at once; who
 * leaves one unanswered until the next is silent, and who leaves so many in a
 * row unanswered will not come back by itself.
 *
 * What counts is asks, not time, and of these only such as the parent was there
 * to see unanswered. Where it comes late to the next one, it has not run in
 * between: it was stopped, or the machine was suspended, and as far as it knows
 * the worker had no time either. So nobody dies of a closed lid.
 *
 * It says that a worker turns, not that it does so well. Sans-IO.
 */
#ifndef PARENT_PULSE_H
#define PARENT_PULSE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/time.h"

/*
 * Not so often that it costs anything, and soon enough for who asks /readyz. A
 * worker then has as long as the unit's watchdog gives the parent (posternd(8),
 * As a service).
 */
#define PULSE_INTERVAL_MS    3000
#define PULSE_UNANSWERED_MAX 10
#define PULSE_LOST_MS        (PULSE_UNANSWERED_MAX * PULSE_INTERVAL_MS)

/* Starts with zeros. */
struct pulse {
	uint32_t asked, answered; /* the last serials; 0: none */
	bool heard;               /* since it was last asked */
	unsigned unanswered;      /* asks in a row, each until the next */
	struct mono next;
};

enum pulse_step {
	PULSE_WAIT,
	PULSE_ASK,  /* by the serial asked */
	PULSE_LOST, /* it hangs; said once */
};

enum pulse_step pulse_turn(struct pulse *, struct mono now);
/* When pulse_turn() is wanted next. */
struct mono pulse_deadline(const struct pulse *);
/* False: that was not asked, or has been answered; a violation. */
bool pulse_answered(struct pulse *, uint32_t serial);
bool pulse_is_silent(const struct pulse *);

#endif /* PARENT_PULSE_H */

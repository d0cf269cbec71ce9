/*
 * When a worker that has died is made again, and when no more: at once, then
 * after 1, 2, 4 seconds and so on to 30, until one has lived for a minute. One
 * that keeps dying will not stop by itself: the daemon ends.
 */
#ifndef PARENT_RESTART_H
#define PARENT_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "common/time.h"

/* So many deaths within so long are too many. */
#define RESTART_DEATHS_MAX   5
#define RESTART_WITHIN_S     60
#define RESTART_DELAY_MAX_MS 30000
#define RESTART_HEALTHY_S    60

struct restart {
	struct mono died[RESTART_DEATHS_MAX]; /* the last ones, a ring */
	unsigned deaths;
	unsigned fruitless; /* of the last ones, before READY */
	int64_t delay_ms;   /* after the next death */
	struct mono ready;  /* since when; MONO_NEVER: it is not */
	struct mono at;     /* to be made then; MONO_NEVER: not dead */
};

void restart_init(struct restart *);
/* Plans the next start; false when there shall be none. */
bool restart_died(struct restart *, struct mono now);
void restart_started(struct restart *);
void restart_ready(struct restart *, struct mono now);

#endif /* PARENT_RESTART_H */

/*
 * The end that an operator has asked control-worker for: the parent keeps it,
 * since it outlives a control-worker, and the time until then, since that runs
 * whoever is stuck.
 */
#ifndef PARENT_DRAIN_H
#define PARENT_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/time.h"

/* Starts with zeros. */
struct drain {
	bool on;
	bool over; /* the daemon has to end, with status 0 */
	struct mono until;
	struct log_limit lines;
};

/* False: that cannot be ordered now, and is a violation. */
bool drain_order(struct drain *, struct mono now, const struct ipc_drain *);
/* When drain_turn() is wanted next. */
struct mono drain_deadline(const struct drain *);
void drain_turn(struct drain *, struct mono now);
/*
 * Tells a control-worker that is starting, where there is something to tell. -1
 * with errno.
 */
int drain_hand_over(
    const struct drain *, struct mono now, struct ipc_channel *);
/* Seconds, up to DRAIN_WITHIN_MAX, and not 0. */
uint32_t drain_left(const struct drain *, struct mono now);

#endif /* PARENT_DRAIN_H */

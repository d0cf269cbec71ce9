/*
 * Draining (common/drain.h). The operator asks control-worker for it, but it is
 * the parent that keeps the order, which has to outlive a control-worker, and
 * the time, which has to run out even when a worker is stuck.
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

/* Carries an order out. False when none such can come now: a violation. */
bool drain_order(struct drain *, struct mono now, const struct ipc_drain *);
/* When drain_turn() is wanted next. */
struct mono drain_deadline(const struct drain *);
void drain_turn(struct drain *, struct mono now);
/*
 * Tells a control-worker that is starting of an order that is in force. -1 with
 * errno.
 */
int drain_hand_over(
    const struct drain *, struct mono now, struct ipc_channel *);
/* Seconds that are left, from 1 to DRAIN_WITHIN_MAX. */
uint32_t drain_left(const struct drain *, struct mono now);

#endif /* PARENT_DRAIN_H */

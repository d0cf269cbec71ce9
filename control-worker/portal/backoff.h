/*
 * How long to wait before the next attempt to reach the portal, and when to
 * give up. firezone-portal(7), Backoff.
 *
 * The budget counts the delays that were chosen, not the time that passed, so
 * that a suspended machine does not use it up.
 */
#ifndef CONTROL_WORKER_PORTAL_BACKOFF_H
#define CONTROL_WORKER_PORTAL_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define BACKOFF_INITIAL_MS     1000
#define BACKOFF_INITIAL_BUDGET 15000
#define BACKOFF_BASE_MS        500
#define BACKOFF_CAP_MS         60000

struct backoff {
	bool was_joined;
	int64_t base_ms; /* of the next delay after a join */
	int64_t spent_ms;
	int64_t budget_ms; /* after a join */
};

void backoff_init(struct backoff *, int64_t max_partition_ms);
void backoff_joined(struct backoff *);
/*
 * The next delay, of no less than least_ms, random being uniform over all
 * values; -1 when the budget is used up.
 */
int64_t backoff_next(struct backoff *, uint32_t random, int64_t least_ms);
/* What the budget is in this phase. */
int64_t backoff_budget(const struct backoff *);

#endif /* CONTROL_WORKER_PORTAL_BACKOFF_H */

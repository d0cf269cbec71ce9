/* Delays between attempts: see backoff.h. */
#include "control-worker/portal/backoff.h"

void
backoff_init(struct backoff *b, int64_t max_partition_ms)
{
	*b = (struct backoff){
		.base_ms = BACKOFF_BASE_MS,
		.budget_ms = max_partition_ms,
	};
}

void
backoff_joined(struct backoff *b)
{
	b->was_joined = true;
	b->base_ms = BACKOFF_BASE_MS;
	b->spent_ms = 0;
}

int64_t
backoff_budget(const struct backoff *b)
{
	return b->was_joined ? b->budget_ms : BACKOFF_INITIAL_BUDGET;
}

int64_t
backoff_next(struct backoff *b, uint32_t random, int64_t least_ms)
{
	int64_t delay = BACKOFF_INITIAL_MS, grown = b->base_ms;

	if (b->was_joined) {
		delay = b->base_ms + (b->base_ms * (int64_t)random >> 32);
		grown = b->base_ms * 3 / 2;
	}
	if (delay < least_ms)
		delay = least_ms;
	if (delay > backoff_budget(b) - b->spent_ms)
		return -1;
	b->spent_ms += delay;
	b->base_ms = grown < BACKOFF_CAP_MS ? grown : BACKOFF_CAP_MS;
	return delay;
}

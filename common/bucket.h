/*
 * A token bucket, kept as the time at which it would be full again: taking one
 * moves that time on by one interval, and must not move it further than the
 * bucket is deep. All zero is a full one.
 */
#ifndef COMMON_BUCKET_H
#define COMMON_BUCKET_H

#include "common/time.h"

struct bucket {
	struct mono full;
};

/* At most burst at once, and one more in each interval; false: none is left. */
static inline bool
bucket_take(
    struct bucket *b, struct mono now, int64_t burst, int64_t interval_ms)
{
	struct mono full = mono_add_ms(mono_max(b->full, now), interval_ms);

	if (mono_before(mono_add_ms(now, burst * interval_ms), full))
		return false;
	b->full = full;
	return true;
}

#endif /* COMMON_BUCKET_H */

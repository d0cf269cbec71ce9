/*
 * Monotonic time as a type of its own, so that a point in time, a duration in
 * milliseconds and a duration in nanoseconds cannot be mixed up.
 *
 * Only the shells of the processes read the clock (CLOCK_BOOTTIME, which goes
 * on while the machine is suspended: firezone-tunnel(7), Clock), once per turn
 * of their loop; the protocol cores are handed the result.
 */
#ifndef COMMON_TIME_H
#define COMMON_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct mono {
	int64_t ns;
};

/* Later than every real point in time: a deadline that never comes. */
#define MONO_NEVER ((struct mono) { INT64_MAX })

static inline struct mono
mono_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct mono) { (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec };
}

static inline struct mono
mono_add_ns(struct mono t, int64_t ns)
{
	if (ns > 0 && t.ns > INT64_MAX - ns)
		return MONO_NEVER;
	return (struct mono) { t.ns + ns };
}

static inline struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	if (ms > INT64_MAX / 1000000)
		return MONO_NEVER;
	return mono_add_ns(t, ms * 1000000);
}

static inline struct mono
mono_add_s(struct mono t, int64_t s)
{
	if (s > INT64_MAX / 1000000000)
		return MONO_NEVER;
	return mono_add_ns(t, s * 1000000000);
}

/* Milliseconds from a to b; negative when b is earlier. */
static inline int64_t
mono_ms_between(struct mono a, struct mono b)
{
	return (b.ns - a.ns) / 1000000;
}

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.ns < b.ns;
}

/* Whether the deadline has come. */
static inline bool
mono_due(struct mono deadline, struct mono now)
{
	return deadline.ns <= now.ns;
}

static inline struct mono
mono_min(struct mono a, struct mono b)
{
	return a.ns < b.ns ? a : b;
}

static inline struct mono
mono_max(struct mono a, struct mono b)
{
	return a.ns > b.ns ? a : b;
}

static inline bool
mono_is_never(struct mono t)
{
	return t.ns == INT64_MAX;
}

#endif /* COMMON_TIME_H */

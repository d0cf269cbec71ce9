/*
 * The wall clock beside the monotonic one, in nanoseconds, and the one way from
 * either to the other.
 *
 * The wall clock may be wrong, and is set, at any time: at boot before the
 * first answer of a time server, by an operator, by a hypervisor. Both clocks
 * run at the same rate, the kernel slews them together, so that the difference
 * between them only changes when the wall clock is set: a step.
 */
#ifndef COMMON_WALL_H
#define COMMON_WALL_H

#include <stddef.h>

#include "common/time.h"

/* Unix time. */
struct wall {
	int64_t ns;
};

/* Both clocks at the same moment. */
struct clock_reading {
	struct mono mono;
	struct wall wall;
};

/* For the shells of the processes, as mono_now() is. */
struct clock_reading clock_read(void);

/*
 * A unix time in whole seconds as a point in monotonic time, by that reading:
 * MONO_NEVER when it is too far away to be one. May lie in the past.
 */
struct mono clock_mono_of_unix(const struct clock_reading *, uint64_t unix_s);

/* A smaller difference is the distance between reading one clock and the other.
 */
#define WALL_STEP_MIN_NS 10000000
/* So many steps back it is known what the wall clock showed. */
#define WALL_STEPS_MAX 16

/* What the wall clock has shown. */
struct wall_clock {
	struct clock_reading last;
	struct {
		struct mono since;
		int64_t ahead; /* of the monotonic clock */
	} steps[WALL_STEPS_MAX]; /* oldest first */
	size_t count;
};

void wall_clock_init(struct wall_clock *, const struct clock_reading *);
/* Takes a newer reading in: by how much the clock was set since, or 0. */
int64_t wall_clock_update(struct wall_clock *, const struct clock_reading *);
/*
 * What the wall clock showed then. The same moment gives the same time before
 * and after a step, so that what is named by its time keeps its name.
 */
struct wall wall_clock_at(const struct wall_clock *, struct mono);

#endif /* COMMON_WALL_H */

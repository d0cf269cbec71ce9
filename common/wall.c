/* The wall clock and the monotonic one: see wall.h. */
#include "common/wall.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)

/* A process that is interrupted between two readings tries again. */
#define READINGS         3
#define READING_LIMIT_NS 100000

struct clock_reading
clock_read(void)
{
	struct clock_reading best = { 0 };
	int64_t best_took = INT64_MAX;

	for (int i = 0; i < READINGS && best_took > READING_LIMIT_NS; i++) {
		const struct mono before = mono_now();
		struct timespec ts;
		int64_t took;

		clock_gettime(CLOCK_REALTIME, &ts);
		took = mono_now().ns - before.ns;
		if (took >= best_took)
			continue;
		best_took = took;
		best.mono.ns = before.ns + took / 2;
		best.wall.ns = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	}
	return best;
}

struct mono
clock_mono_of_unix(const struct clock_reading *r, uint64_t unix_s)
{
	int64_t ns;

	if (unix_s > INT64_MAX / NS_PER_S ||
	    __builtin_sub_overflow(
		(int64_t)unix_s * NS_PER_S, r->wall.ns, &ns))
		return MONO_NEVER;
	return mono_add_ns(r->mono, ns);
}

static int64_t
wall_ahead_by(const struct clock_reading *r)
{
	return r->wall.ns - r->mono.ns;
}

void
wall_clock_init(struct wall_clock *c, const struct clock_reading *r)
{
	*c = (struct wall_clock) { .last = *r, .count = 1 };
	c->steps[0].since = r->mono;
	c->steps[0].ahead = wall_ahead_by(r);
}

int64_t
wall_clock_update(struct wall_clock *c, const struct clock_reading *r)
{
	int64_t step = wall_ahead_by(r) - c->steps[c->count - 1].ahead;

	c->last = *r;
	if (step > -WALL_STEP_MIN_NS && step < WALL_STEP_MIN_NS)
		return 0;
	if (c->count == WALL_STEPS_MAX)
		memmove(&c->steps[0], &c->steps[1],
		    --c->count * sizeof(c->steps[0]));
	c->steps[c->count].since = r->mono;
	c->steps[c->count].ahead = wall_ahead_by(r);
	c->count++;
	return step;
}

struct wall
wall_clock_at(const struct wall_clock *c, struct mono t)
{
	size_t i = c->count - 1;

	while (i > 0 && mono_before(t, c->steps[i].since))
		i--;
	return (struct wall) { t.ns + c->steps[i].ahead };
}

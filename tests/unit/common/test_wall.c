/* common/wall.c: from unix time to monotonic time and back, over steps. */
#include "common/wall.h"

#include "tests/lib/unit.h"

#define SECOND INT64_C(1000000000)
#define UNIX   (INT64_C(1700000000) * SECOND)

static struct clock_reading
reading(int64_t mono_ns, int64_t wall_ns)
{
	return (struct clock_reading){ { mono_ns }, { wall_ns } };
}

static void
reads_both_at_once(void **state)
{
	struct timespec ts;
	struct clock_reading r = clock_read();
	int64_t later = mono_now().ns;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &ts);
	assert_in_range(later - r.mono.ns, 0, 5 * SECOND);
	assert_in_range((int64_t)ts.tv_sec * SECOND + ts.tv_nsec - r.wall.ns, 0,
	    5 * SECOND);
}

static void
converts_to_the_nanosecond(void **state)
{
	struct clock_reading r = reading(5 * SECOND, UNIX + 1);

	(void)state;
	assert_int_equal(
	    clock_mono_of_unix(&r, 1700000001).ns, 6 * SECOND - 1);
	assert_int_equal(
	    clock_mono_of_unix(&r, 1699999999).ns, 4 * SECOND - 1);
	assert_true(mono_is_never(clock_mono_of_unix(&r, UINT64_MAX)));
	assert_true(
	    mono_is_never(clock_mono_of_unix(&r, INT64_MAX / SECOND + 1)));
	r.wall.ns = INT64_MIN;
	assert_true(mono_is_never(clock_mono_of_unix(&r, 1)));
}

static void
tells_a_step_from_the_time_that_passes(void **state)
{
	struct wall_clock c;
	struct clock_reading r = reading(0, UNIX);

	(void)state;
	wall_clock_init(&c, &r);
	r = reading(SECOND, UNIX + SECOND + 900000);
	assert_int_equal(wall_clock_update(&c, &r), 0);
	r = reading(2 * SECOND, UNIX + 2 * SECOND - 900000);
	assert_int_equal(wall_clock_update(&c, &r), 0);
	r = reading(3 * SECOND, UNIX + 7203 * SECOND);
	assert_int_equal(wall_clock_update(&c, &r), 7200 * SECOND);
	r = reading(4 * SECOND, UNIX + 7204 * SECOND);
	assert_int_equal(wall_clock_update(&c, &r), 0);
	r = reading(5 * SECOND, UNIX + 5 * SECOND);
	assert_int_equal(wall_clock_update(&c, &r), -7200 * SECOND);
	assert_int_equal(c.last.mono.ns, 5 * SECOND);
}

/* Many small ones make a large one. */
static void
adds_small_steps_up(void **state)
{
	struct wall_clock c;
	struct clock_reading r = reading(0, UNIX);
	int64_t told = 0;

	(void)state;
	wall_clock_init(&c, &r);
	for (int i = 1; i <= 100; i++) {
		r.mono.ns += SECOND;
		r.wall.ns += SECOND + 4000000;
		told += wall_clock_update(&c, &r);
	}
	assert_in_range(told, 390000000, 400000000);
}

/* A moment keeps its time, whatever is set later. */
static void
a_moment_keeps_its_time(void **state)
{
	struct wall_clock c;
	struct clock_reading r = reading(0, UNIX);

	(void)state;
	wall_clock_init(&c, &r);
	r = reading(10 * SECOND, UNIX + 110 * SECOND);
	(void)wall_clock_update(&c, &r);
	for (int i = 0; i < WALL_STEPS_MAX - 2; i++) {
		assert_int_equal(
		    wall_clock_at(&c, (struct mono){ SECOND }).ns,
		    UNIX + SECOND);
		assert_int_equal(
		    wall_clock_at(&c, (struct mono){ -SECOND }).ns,
		    UNIX - SECOND);
		assert_int_equal(
		    wall_clock_at(&c, (struct mono){ 11 * SECOND }).ns,
		    UNIX + 111 * SECOND);
		r.mono.ns += 10 * SECOND;
		r.wall.ns += 20 * SECOND;
		assert_int_equal(wall_clock_update(&c, &r), 10 * SECOND);
	}
	assert_int_equal(c.count, WALL_STEPS_MAX);
	/* The oldest are forgotten, and then the next one holds. */
	r.mono.ns += 10 * SECOND;
	assert_int_equal(wall_clock_update(&c, &r), -10 * SECOND);
	assert_int_equal(c.count, WALL_STEPS_MAX);
	assert_int_equal(
	    wall_clock_at(&c, (struct mono){ SECOND }).ns, UNIX + 101 * SECOND);
	assert_int_equal(wall_clock_at(&c, r.mono).ns, r.wall.ns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_at_once),
		cmocka_unit_test(converts_to_the_nanosecond),
		cmocka_unit_test(tells_a_step_from_the_time_that_passes),
		cmocka_unit_test(adds_small_steps_up),
		cmocka_unit_test(a_moment_keeps_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

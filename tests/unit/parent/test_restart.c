/* parent/restart.c: when a worker is made again, and when no more. */
#include "parent/restart.h"

#include "tests/lib/unit.h"

static struct restart r;

static struct mono
at_s(int64_t s)
{
	return mono_add_s((struct mono){ 0 }, 1000 + s);
}

static int
set_up(void **state)
{
	(void)state;
	restart_init(&r);
	return 0;
}

/* Ready at the one time, dead at the other: the delay, or -1. */
static int64_t
life(int64_t ready, int64_t dead)
{
	if (ready >= 0)
		restart_ready(&r, at_s(ready));
	if (!restart_died(&r, at_s(dead)))
		return -1;
	assert_false(mono_is_never(r.at));
	return mono_ms_between(at_s(dead), r.at);
}

static void
nothing_is_due_before_a_death(void **state)
{
	(void)state;
	assert_true(mono_is_never(r.at));
	assert_int_equal(life(0, 1), 0);
	assert_true(mono_due(r.at, at_s(1)));
	restart_started(&r);
	assert_true(mono_is_never(r.at));
}

static void
delays_grow_to_their_maximum(void **state)
{
	static const int64_t want[] = { 0, 1, 2, 4, 8, 16, 30, 30, 30 };

	(void)state;
	for (int64_t i = 0; i < 9; i++)
		assert_int_equal(life(i * 50, i * 50 + 10), want[i] * 1000);
}

static void
a_minute_of_health_is_a_new_beginning(void **state)
{
	(void)state;
	assert_int_equal(life(0, 10), 0);
	assert_int_equal(life(20, 79), 1000);
	assert_int_equal(life(100, 160), 0);
	assert_int_equal(life(170, 180), 1000);
	/* One that never was ready was not healthy. */
	assert_int_equal(life(-1, 300), 2000);
}

static void
too_many_deaths_within_a_minute(void **state)
{
	static const struct {
		int64_t dead[6];
		int last; /* the one that is too many; 0: none */
	} cases[] = {
		{ { 1, 2, 3, 4, 5, 6 }, 5 },
		{ { 0, 15, 30, 45, 59, 80 }, 5 },
		{ { 0, 15, 30, 45, 60, 76 }, 0 },
		{ { 0, 15, 30, 45, 60, 74 }, 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int last = 0;

		restart_init(&r);
		for (int n = 0; n < 6 && last == 0; n++)
			if (life(cases[i].dead[n], cases[i].dead[n]) == -1)
				last = n + 1;
		assert_int_equal(last, cases[i].last);
	}
}

static void
too_many_lives_without_ready(void **state)
{
	(void)state;
	assert_int_equal(life(-1, 0), 0);
	assert_int_equal(life(-1, 100), 1000);
	assert_int_equal(life(200, 210), 2000);
	for (int64_t i = 3; i < 7; i++)
		assert_true(life(-1, i * 100) >= 4000);
	assert_int_equal(life(-1, 700), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_due_before_a_death, set_up),
		cmocka_unit_test_setup(delays_grow_to_their_maximum, set_up),
		cmocka_unit_test_setup(
		    a_minute_of_health_is_a_new_beginning, set_up),
		cmocka_unit_test_setup(too_many_deaths_within_a_minute, set_up),
		cmocka_unit_test_setup(too_many_lives_without_ready, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

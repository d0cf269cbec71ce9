/* parent/drain.c: the end that an operator has asked for, and when it comes. */
#include "parent/drain.h"

#include "common/drain.h"
#include "tests/lib/unit.h"

static struct drain d;
static const struct mono start = { 1 };

static struct mono
at_s(int64_t s)
{
	return mono_add_s(start, s);
}

static bool
order(enum drain_order what, int64_t s, uint32_t within)
{
	const struct ipc_drain m = { .order = (uint8_t)what, .within = within };

	return drain_order(&d, at_s(s), &m);
}

static int
set_up(void **state)
{
	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	d = (struct drain){ 0 };
	return 0;
}

static bool
is_over(int64_t s)
{
	drain_turn(&d, at_s(s));
	return d.over;
}

static void
in_time(void **state)
{
	(void)state;
	assert_true(mono_is_never(drain_deadline(&d)));
	assert_false(is_over(1000));
	assert_true(order(DRAIN_BEGIN, 0, 60));
	assert_true(d.on);
	assert_int_equal(drain_left(&d, at_s(15)), 45);
	assert_int_equal(drain_left(&d, at_s(70)), 1);
	assert_false(is_over(59));
	assert_true(is_over(60));
	/* The loop is not kept busy by it. */
	assert_true(mono_is_never(drain_deadline(&d)));
}

static void
when_nobody_is_connected(void **state)
{
	(void)state;
	assert_true(order(DRAIN_BEGIN, 0, 60));
	assert_true(order(DRAIN_DONE, 5, 0));
	assert_true(d.over);
	assert_true(order(DRAIN_DONE, 6, 0));
}

/* The last order counts. */
static void
taken_back(void **state)
{
	(void)state;
	assert_true(order(DRAIN_BEGIN, 0, 60));
	assert_true(order(DRAIN_BEGIN, 30, 60));
	assert_false(is_over(80));
	assert_true(order(DRAIN_CANCEL, 80, 0));
	assert_false(d.on);
	assert_false(is_over(1000));
	assert_true(order(DRAIN_CANCEL, 1000, 0));
}

static void
not_begun(void **state)
{
	(void)state;
	assert_false(order(DRAIN_DONE, 0, 0));
	assert_false(d.over);
	assert_true(order(DRAIN_BEGIN, 0, 60));
	assert_true(order(DRAIN_CANCEL, 1, 0));
	assert_false(order(DRAIN_DONE, 2, 0));
	assert_false(d.over);
}

static void
not_for_ever(void **state)
{
	(void)state;
	assert_true(order(DRAIN_BEGIN, 0, UINT32_MAX));
	assert_int_equal(drain_left(&d, start), DRAIN_WITHIN_MAX);
	assert_true(is_over(DRAIN_WITHIN_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, set_up)
		T(in_time),
		T(when_nobody_is_connected),
		T(taken_back),
		T(not_begun),
		T(not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

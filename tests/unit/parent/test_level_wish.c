/* parent/level_wish.c: the last wish counts, and none is lost. */
#include "parent/level_wish.h"

#include "tests/lib/unit.h"

static const struct mono start = { INT64_C(1000000000000) };

static void
last_wish(void **state)
{
	struct level_wish w = { 0 };
	struct mono now = start;
	unsigned changes = 0;

	(void)state;
	log_init_sink("test", LOG_LEVEL_WARN, LOG_FORMAT_HUMAN);
	assert_true(mono_is_never(level_wish_deadline(&w)));
	assert_false(level_wish_turn(&w, now));
	for (int i = 0; i < 101; i++) {
		level_wish_make(
		    &w, i % 2 == 0 ? LOG_LEVEL_TRACE : LOG_LEVEL_INFO);
		changes += level_wish_turn(&w, now);
	}
	assert_int_equal(changes, 8);
	assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
	assert_true(mono_before(now, level_wish_deadline(&w)));
	assert_false(level_wish_turn(&w, now));
	now = level_wish_deadline(&w);
	assert_true(mono_ms_between(start, now) <= 1000);
	assert_true(level_wish_turn(&w, now));
	assert_int_equal(log_get_level(), LOG_LEVEL_TRACE);
	assert_true(mono_is_never(level_wish_deadline(&w)));
}

/* Nor does it take a change to ask for what there is. */
static void
not_below_the_start(void **state)
{
	struct level_wish w = { 0 };

	(void)state;
	log_init_sink("test", LOG_LEVEL_WARN, LOG_FORMAT_HUMAN);
	for (int i = 0; i < 100; i++) {
		level_wish_make(&w, LOG_LEVEL_ERROR);
		assert_false(level_wish_turn(&w, start));
	}
	level_wish_make(&w, LOG_LEVEL_DEBUG);
	assert_true(level_wish_turn(&w, start));
	level_wish_make(&w, LOG_LEVEL_ERROR);
	assert_true(level_wish_turn(&w, start));
	assert_int_equal(log_get_level(), LOG_LEVEL_WARN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_wish),
		cmocka_unit_test(not_below_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

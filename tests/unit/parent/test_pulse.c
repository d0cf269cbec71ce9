/* parent/pulse.c: who hangs is lost, once, and nobody else. */
#include "parent/pulse.h"

#include "tests/lib/unit.h"

static struct pulse pulse;
static struct mono now;

static int
set_up(void **state)
{
	(void)state;
	pulse = (struct pulse){ 0 };
	now = (struct mono){ INT64_C(1000000000000) };
	return 0;
}

/* The loop has slept until it is due, and so much longer. */
static enum pulse_step
turn_late(int64_t ms)
{
	if (mono_before(now, pulse_deadline(&pulse)))
		now = pulse_deadline(&pulse);
	now = mono_add_ms(now, ms);
	return pulse_turn(&pulse, now);
}

static void
hang(unsigned asks)
{
	for (unsigned i = 0; i < asks; i++)
		assert_int_equal(turn_late(2), PULSE_ASK);
}

static void
who_answers_lives(void **state)
{
	(void)state;
	for (uint32_t serial = 1; serial < 1000; serial++) {
		assert_int_equal(turn_late(2), PULSE_ASK);
		assert_int_equal(pulse.asked, serial);
		assert_int_equal(pulse_turn(&pulse, now), PULSE_WAIT);
		now = mono_add_ms(now, PULSE_INTERVAL_MS - 1);
		assert_int_equal(pulse_turn(&pulse, now), PULSE_WAIT);
		assert_true(pulse_answered(&pulse, serial));
		assert_false(pulse_is_silent(&pulse));
	}
}

static void
who_hangs_is_lost_once(void **state)
{
	struct mono asked;

	(void)state;
	hang(1);
	asked = now;
	assert_false(pulse_is_silent(&pulse));
	hang(1);
	assert_true(pulse_is_silent(&pulse));
	assert_in_range(mono_ms_between(asked, now), 3000, 3100);
	hang(PULSE_UNANSWERED_MAX - 2);
	assert_int_equal(turn_late(2), PULSE_LOST);
	assert_in_range(
	    mono_ms_between(asked, now), PULSE_LOST_MS, PULSE_LOST_MS + 100);
	assert_true(mono_is_never(pulse_deadline(&pulse)));
	for (int i = 0; i < 100; i++) {
		now = mono_add_s(now, 10);
		assert_int_equal(pulse_turn(&pulse, now), PULSE_WAIT);
	}
}

/* The last moment is early enough, and any of the answers is one. */
static void
late_answers_count(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		hang(PULSE_UNANSWERED_MAX);
		assert_true(pulse_is_silent(&pulse));
		assert_true(pulse_answered(&pulse, pulse.answered + 1));
		assert_false(pulse_is_silent(&pulse));
	}
	/* After the answer it hangs again: the bound begins anew. */
	hang(PULSE_UNANSWERED_MAX);
	assert_int_equal(turn_late(2), PULSE_LOST);
}

/* The worker had no more time than the parent. */
static void
who_was_suspended_lives(void **state)
{
	(void)state;
	assert_int_equal(turn_late(0), PULSE_ASK);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(turn_late(86400000), PULSE_ASK);
		assert_false(pulse_is_silent(&pulse));
	}
	/* Nor is it taken for an answer. */
	hang(PULSE_UNANSWERED_MAX - 1);
	assert_int_equal(turn_late(86400000), PULSE_ASK);
	assert_true(pulse_is_silent(&pulse));
	assert_int_equal(turn_late(2), PULSE_LOST);
}

static void
what_is_no_answer(void **state)
{
	(void)state;
	assert_false(pulse_answered(&pulse, 0));
	assert_false(pulse_answered(&pulse, 1));
	hang(3);
	assert_false(pulse_answered(&pulse, 0));
	assert_false(pulse_answered(&pulse, 4));
	assert_false(pulse_answered(&pulse, UINT32_MAX));
	assert_true(pulse_is_silent(&pulse));
	assert_true(pulse_answered(&pulse, 2));
	assert_false(pulse_answered(&pulse, 2));
	assert_false(pulse_answered(&pulse, 1));
	assert_true(pulse_answered(&pulse, 3));
	assert_false(pulse_answered(&pulse, 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(who_answers_lives, set_up),
		cmocka_unit_test_setup(who_hangs_is_lost_once, set_up),
		cmocka_unit_test_setup(late_answers_count, set_up),
		cmocka_unit_test_setup(who_was_suspended_lives, set_up),
		cmocka_unit_test_setup(what_is_no_answer, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

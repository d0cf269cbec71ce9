/*
 * Delays between attempts: firezone-portal(7), Backoff and Transport cases (12,
 * 13).
 */
#include "tests/lib/unit.h"

#include "control-worker/portal/backoff.h"

#define DAY_MS INT64_C(86400000)

static void
test_never_joined(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, DAY_MS);
	assert_int_equal(backoff_budget(&b), 15000);
	for (int i = 0; i < 15; i++)
		assert_int_equal(backoff_next(&b, UINT32_MAX, 0), 1000);
	assert_int_equal(backoff_next(&b, 0, 0), -1);
	assert_int_equal(backoff_next(&b, 0, 0), -1);
}

static void
test_grows_to_the_cap(void **state)
{
	static const int64_t want[] = { 500, 750, 1125, 1687, 2530, 3795, 5692,
		8538, 12807, 19210, 28815, 43222, 60000, 60000 };
	struct backoff b;

	(void)state;
	backoff_init(&b, DAY_MS);
	backoff_next(&b, 0, 0);
	backoff_joined(&b);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_int_equal(backoff_next(&b, 0, 0), want[i]);
	backoff_joined(&b);
	assert_int_equal(backoff_next(&b, 0, 0), 500);
}

static void
test_jitter_adds_up_to_the_same_again(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, DAY_MS);
	backoff_joined(&b);
	assert_int_equal(backoff_next(&b, UINT32_MAX, 0), 999);
	assert_int_equal(backoff_next(&b, UINT32_MAX / 2, 0), 750 + 374);
}

static void
test_what_has_to_be_waited_counts(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, DAY_MS);
	assert_int_equal(backoff_next(&b, 0, 5000), 5000);
	assert_int_equal(backoff_next(&b, 0, 5000), 5000);
	for (int i = 0; i < 5; i++)
		assert_int_equal(backoff_next(&b, 0, 0), 1000);
	assert_int_equal(backoff_next(&b, 0, 0), -1);
	/* And what is waited anyway is no longer for it. */
	backoff_joined(&b);
	assert_int_equal(backoff_next(&b, 0, 400), 500);
	assert_int_equal(backoff_next(&b, 0, 0), 750);
}

static void
test_budget_after_a_join(void **state)
{
	struct backoff b;

	(void)state;
	/* 500 + 750 + 1125 */
	backoff_init(&b, 2375);
	backoff_joined(&b);
	for (int i = 0; i < 3; i++)
		assert_true(backoff_next(&b, 0, 0) > 0);
	assert_int_equal(backoff_next(&b, 0, 0), -1);
	backoff_joined(&b);
	assert_int_equal(backoff_next(&b, 0, 0), 500);
	backoff_init(&b, INT64_MAX);
	backoff_joined(&b);
	for (int i = 0; i < 10000; i++)
		assert_in_range(backoff_next(&b, (uint32_t)i, 0), 500, 120000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_joined),
		cmocka_unit_test(test_grows_to_the_cap),
		cmocka_unit_test(test_jitter_adds_up_to_the_same_again),
		cmocka_unit_test(test_what_has_to_be_waited_counts),
		cmocka_unit_test(test_budget_after_a_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

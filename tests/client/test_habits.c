/* Which row of the table a release is. */
#include "tests/client/habits.h"

#include "tests/lib/unit.h"

static void
assert_row(const char *release, const char *first)
{
	const struct habits *h = habits_of_release(release);

	assert_non_null(h);
	assert_string_equal(h->release, first);
}

static void
test_rows(void **state __attribute__((unused)))
{
	assert_row("1.3", "1.3");
	assert_row("1.3.9", "1.3");
	assert_row("1.4.0", "1.4.0");
	assert_row("1.4.9", "1.4.1");
	assert_row("1.4.12", "1.4.10");
	assert_row("1.5.3", "1.4.13");
	assert_row("1.5.8", "1.5.7");
	assert_row("1.5.10", "1.5.10");
	assert_row("1.5.15", "1.5.11");
	assert_row("1.6.0", "1.5.16");
	assert_row("2.0.0", "1.5.16");
	assert_null(habits_of_release("1.2.9"));
	assert_null(habits_of_release("new"));
	assert_null(habits_of_release(""));
}

static void
test_generations(void **state __attribute__((unused)))
{
	for (unsigned g = 1; g <= 3; g++)
		assert_int_equal(
		    habits_of_release(habits_release_of(g))->generation, g);
	assert_null(habits_release_of(0));
	assert_null(habits_release_of(4));
	assert_int_equal(habits_of_release("1.4.0")->generation, 2);
	assert_int_equal(habits_of_release("1.5.15")->generation, 2);
}

static void
test_without_ice(void **state __attribute__((unused)))
{
	assert_true(habits_of_release("1.5.16")->iceless);
	assert_false(habits_of_release("1.5.15")->iceless);
}

static void
test_two_steps(void **state __attribute__((unused)))
{
	assert_true(habits_two_step(habits_of_release("1.3.3")));
	assert_false(habits_two_step(habits_of_release("1.4.0")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_two_steps),
		cmocka_unit_test(test_without_ice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

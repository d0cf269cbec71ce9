/* common/log_budget.c: how much a worker may write. */
#include "common/log_budget.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

static const struct mono start = { INT64_C(1000000000000) };

static char text[LOG_TEXT_MAX];

/* Lines of that length let through of so many, all at once. */
static size_t
taken(struct log_budget *b, struct mono now, enum log_level level, bool verbose,
    size_t len, size_t tries)
{
	size_t n = 0;

	for (size_t i = 0; i < tries; i++)
		n += log_budget_take(b, now, level, verbose, text, len);
	return n;
}

static void
bounds_lines_and_bytes(void **state)
{
	struct log_budget b = { 0 };
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	n = taken(&b, start, LOG_LEVEL_INFO, false, sizeof(text), 100000);
	assert_in_range(n * sizeof(text), LOG_BUDGET_BURST / 2,
	    LOG_BUDGET_BURST);
	assert_int_equal(b.dropped, 100000 - n);
	b = (struct log_budget){ 0 };
	n = taken(&b, start, LOG_LEVEL_INFO, false, 1, 100000);
	assert_in_range(n, 1000, LOG_BUDGET_BURST / LOG_BUDGET_LINE_COST);
}

static void
fills_again_with_time(void **state)
{
	struct log_budget b = { 0 };
	size_t bytes = 0, burst;

	(void)state;
	memset(text, 'x', sizeof(text));
	burst = taken(&b, start, LOG_LEVEL_INFO, false, 1000, 100000);
	for (int s = 1; s <= 100; s++)
		bytes += 1000 *
		    taken(&b, mono_add_s(start, s), LOG_LEVEL_INFO, false, 1000,
			1000);
	assert_in_range(bytes, 80 * LOG_BUDGET_PER_S, 100 * LOG_BUDGET_PER_S);
	/* However long it was silent, it has no more than at first. */
	assert_int_equal(taken(&b, mono_add_s(start, 1000000), LOG_LEVEL_INFO,
			     false, 1000, 100000),
	    burst);
}

/* A flood at one level leaves the others their room. */
static void
errors_have_room_of_their_own(void **state)
{
	struct log_budget b = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text));
	taken(&b, start, LOG_LEVEL_TRACE, false, 100, 1000000);
	assert_int_equal(
	    taken(&b, start, LOG_LEVEL_DEBUG, false, 100, 100), 0);
	assert_int_equal(
	    taken(&b, start, LOG_LEVEL_INFO, false, 100, 100), 100);
	taken(&b, start, LOG_LEVEL_INFO, false, 100, 100000);
	assert_int_equal(
	    taken(&b, start, LOG_LEVEL_WARN, false, 100, 100), 100);
	taken(&b, start, LOG_LEVEL_WARN, false, 100, 100000);
	assert_int_equal(
	    taken(&b, start, LOG_LEVEL_ERROR, false, 100, 100), 100);
	taken(&b, start, LOG_LEVEL_ERROR, false, 100, 100000);
	assert_int_equal(
	    taken(&b, start, LOG_LEVEL_ERROR, false, 100, 100), 0);
}

/* What does not print takes more room than it has bytes. */
static void
escapes_count(void **state)
{
	struct log_budget b = { 0 };
	size_t n;

	(void)state;
	memset(text, 0, sizeof(text));
	n = taken(&b, start, LOG_LEVEL_INFO, false, 500, 100000);
	assert_in_range(n * 500 * 6, LOG_BUDGET_BURST / 2, LOG_BUDGET_BURST);
}

/*
 * Details, which only who turns up the level sees: more of them at once, but
 * not in the long run.
 */
static void
details(void **state)
{
	struct log_budget b = { 0 };
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	n = taken(&b, start, LOG_LEVEL_DEBUG, false, 100, 1000000);
	assert_in_range(n * 164, LOG_BUDGET_BURST * (LOG_BUDGET_VERBOSE - 1),
	    LOG_BUDGET_BURST * LOG_BUDGET_VERBOSE);
	n = taken(
	    &b, mono_add_s(start, 10), LOG_LEVEL_TRACE, false, 100, 1000000);
	assert_in_range(n * 164, 9 * LOG_BUDGET_PER_S, 10 * LOG_BUDGET_PER_S);
}

static void
more_where_the_daemon_is_started_so(void **state)
{
	struct log_budget b = { 0 };
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	n = taken(&b, start, LOG_LEVEL_INFO, true, 100, 1000000);
	assert_in_range(n * 164, LOG_BUDGET_BURST * (LOG_BUDGET_VERBOSE - 1),
	    LOG_BUDGET_BURST * LOG_BUDGET_VERBOSE);
	n = taken(&b, start, LOG_LEVEL_TRACE, true, 100, 1000000);
	assert_in_range(n * 164, LOG_BUDGET_BURST * (LOG_BUDGET_VERBOSE - 1),
	    LOG_BUDGET_BURST * LOG_BUDGET_VERBOSE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_lines_and_bytes),
		cmocka_unit_test(fills_again_with_time),
		cmocka_unit_test(errors_have_room_of_their_own),
		cmocka_unit_test(escapes_count),
		cmocka_unit_test(details),
		cmocka_unit_test(more_where_the_daemon_is_started_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* control-worker/portal/portal_clock.c: our clock against the portal's. */
#include "control-worker/net/portal_clock.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

#define SECOND INT64_C(1000000000)
#define UNIX   INT64_C(1700000000)

/* Asked when our clock showed UNIX, and answered after took_ms. */
static struct portal_date
answer(int64_t date, int64_t took_ms)
{
	struct portal_date d = {
		.present = true,
		.date = date,
		.asked = { { 5 * SECOND }, { UNIX * SECOND } },
	};

	d.answered = d.asked;
	d.answered.mono.ns += took_ms * 1000000;
	d.answered.wall.ns += took_ms * 1000000;
	return d;
}

static struct portal_clock
compared(int64_t date, int64_t took_ms)
{
	struct portal_clock c = { 0 };
	const struct portal_date d = answer(date, took_ms);

	portal_clock_compare(&c, &d);
	return c;
}

static void
tells_how_far_they_are(void **state)
{
	static const struct {
		int64_t portal, took_ms, ahead_ms;
		bool off;
	} cases[] = {
		{ 0, 0, -500, false },
		{ 0, 1000, 0, false },
		{ 1, 0, -1500, false },
		{ -2, 0, 1500, false },
		{ -3, 0, 2500, true },
		{ 3, 0, -3500, true },
		{ -7200, 0, 7199500, true },
		{ 7200, 0, -7200500, true },
		/* It may have been the way. */
		{ 3, 6000, -500, false },
		{ -3, 3000, 4000, true },
		{ -1, 14000, 7500, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct portal_clock c =
		    compared(UNIX + cases[i].portal, cases[i].took_ms);

		assert_true(c.known);
		assert_int_equal(c.ahead_ms, cases[i].ahead_ms);
		assert_int_equal(portal_clock_is_off(&c), cases[i].off);
	}
}

static void
takes_no_nonsense(void **state)
{
	struct portal_date none = answer(UNIX, 0);
	struct portal_clock c = compared(-1, 0);

	(void)state;
	assert_false(c.known);
	assert_false(compared(0, 0).known);
	assert_false(compared(INT64_MAX, 0).known);
	none.present = false;
	c = compared(UNIX - 100, 0);
	assert_true(portal_clock_is_off(&c));
	portal_clock_compare(&c, &none);
	assert_false(portal_clock_is_off(&c));
}

/* Our clock is set while we are connected. */
static void
follows_our_clock(void **state)
{
	struct portal_clock c = compared(UNIX, 1000);
	struct clock_reading now = {
		{ 100 * SECOND },
		{ (UNIX + 95) * SECOND },
	};

	(void)state;
	portal_clock_look(&c, &now);
	assert_int_equal(c.ahead_ms, 0);
	assert_false(c.told);
	now.wall.ns += 7200 * SECOND;
	portal_clock_look(&c, &now);
	assert_int_equal(c.ahead_ms, 7200000);
	assert_true(portal_clock_is_off(&c));
	assert_true(c.told);
	now.wall.ns -= 7200 * SECOND;
	portal_clock_look(&c, &now);
	assert_int_equal(c.ahead_ms, 0);
	assert_false(c.told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_how_far_they_are),
		cmocka_unit_test(takes_no_nonsense),
		cmocka_unit_test(follows_our_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

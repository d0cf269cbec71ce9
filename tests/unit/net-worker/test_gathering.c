/*
 * When packets are let gather: see gathering.h. Times are those of a source
 * that sends a burst each millisecond, of a stream, and of packets that come
 * alone.
 */
#include "net-worker/gathering.h"

#include "tests/lib/unit.h"

#define LOOK 16

static struct mono
at_us(int64_t us)
{
	return (struct mono){ 5000000000 + us * 1000 };
}

/* So many turns of so many packets, each so long after the one before. */
static int64_t
turns(struct gathering *g, int64_t from_us, unsigned count, int64_t us,
    unsigned packets)
{
	for (unsigned i = 0; i < count; i++, from_us += us)
		gathering_note(g, at_us(from_us), packets);
	return from_us;
}

static void
small_turns_in_quick_succession(void **state)
{
	struct gathering g = { 0 };
	int64_t us = turns(&g, 0, LOOK - 1, 200, 6);

	(void)state;
	assert_false(g.on);
	us = turns(&g, us, 1, 200, 6);
	assert_true(g.on);
	/* A turn a burst, and all of it. */
	turns(&g, us, 100 * LOOK, 1000, 30);
	assert_true(g.on);
}

static void
packets_that_come_alone(void **state)
{
	struct gathering g = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100 * LOOK; i++) {
		gathering_note(&g, at_us(i * 1000), 1);
		assert_false(g.on);
	}
}

/* Not even the first few after much traffic. */
static void
one_after_a_pause(void **state)
{
	struct gathering g = { 0 };
	int64_t us = turns(&g, 0, LOOK, 100, 6);

	(void)state;
	us = turns(&g, us, 3, 100, 12);
	assert_true(g.on);
	turns(&g, us + 2000, 1, 100, 1);
	assert_false(g.on);
}

static void
turns_without_packets_do_not_count(void **state)
{
	struct gathering g = { 0 };

	(void)state;
	turns(&g, 0, 100 * LOOK, 10, 0);
	assert_false(g.on);
	assert_int_equal(g.turns, 0);
}

static void
a_stream_that_fills_the_turns(void **state)
{
	struct gathering g = { 0 };

	(void)state;
	turns(&g, 0, 100 * LOOK, 100, 16);
	assert_false(g.on);
}

/* More would not come of it. */
static void
turns_become_full(void **state)
{
	struct gathering g = { 0 };
	int64_t us = turns(&g, 0, LOOK, 100, 6);

	(void)state;
	assert_true(g.on);
	turns(&g, us, LOOK, 100, 64);
	assert_false(g.on);
	assert_int_equal(g.pause, 0);
}

/* As those of a relay, which cannot go faster than we let it. */
static void
it_does_not_pay(void **state)
{
	struct gathering g = { 0 };
	unsigned tries = 0, looks = 0;
	int64_t us = 0;

	(void)state;
	for (; looks < 10000; looks++) {
		tries += g.on;
		us = turns(&g, us, LOOK, 100, g.on ? 11 : 6);
	}
	/* After 1, 2, 4, ... looks without, and once in 1025 then. */
	assert_in_range(tries, 11, 20);
}

static void
it_pays_again(void **state)
{
	struct gathering g = { 0 };
	int64_t us = 0;
	unsigned looks = 0;

	(void)state;
	while (looks++ < 200)
		us = turns(&g, us, LOOK, 100, g.on ? 11 : 6);
	assert_int_not_equal(g.next_pause, 0);
	while (!g.on)
		us = turns(&g, us, LOOK, 100, 6);
	turns(&g, us, LOOK, 1000, 12);
	assert_true(g.on);
	assert_int_equal(g.next_pause, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_turns_in_quick_succession),
		cmocka_unit_test(packets_that_come_alone),
		cmocka_unit_test(one_after_a_pause),
		cmocka_unit_test(turns_without_packets_do_not_count),
		cmocka_unit_test(a_stream_that_fills_the_turns),
		cmocka_unit_test(turns_become_full),
		cmocka_unit_test(it_does_not_pay),
		cmocka_unit_test(it_pays_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

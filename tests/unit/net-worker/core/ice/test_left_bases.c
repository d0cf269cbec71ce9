/* core/ice/left_bases.c: what is told of bases, and when there are too many. */
#include "net-worker/core/ice/left_bases.h"
#include "tests/lib/unit.h"

static struct endpoint
numbered(uint16_t port)
{
	struct endpoint e;

	assert_true(endpoint_parse("10.0.0.4:1", &e));
	e.port = port;
	return e;
}

static unsigned
tell_all(struct left_bases *lb, bool withdrawn)
{
	struct endpoint base;
	unsigned count = 0;
	bool is;

	while (left_bases_event(lb, &base, &is)) {
		assert_int_equal(is, withdrawn);
		count++;
	}
	return count;
}

static void
leave(struct left_bases *lb, struct mono now, uint16_t port)
{
	struct endpoint e = numbered(port);

	left_bases_leave(lb, now, &e);
}

static bool
is_left(const struct left_bases *lb, uint16_t port)
{
	struct endpoint e = numbered(port);

	return left_bases_have(lb, &e);
}

static void
no_more_than_there_is_room_for(void **state)
{
	struct left_bases lb = { 0 };
	struct mono now = { 1000000000 };
	struct endpoint base;

	(void)state;
	assert_true(mono_is_never(left_bases_deadline(&lb)));
	for (uint16_t i = 1; i <= 5; i++)
		leave(&lb, now, i);
	assert_true(is_left(&lb, 4));
	assert_false(is_left(&lb, 5));
	assert_int_equal(tell_all(&lb, true), 4);
	leave(&lb, now, 5);
	assert_false(is_left(&lb, 5));
	now = left_bases_deadline(&lb);
	for (int i = 0; i < 4; i++)
		assert_true(left_bases_try(&lb, now, NULL, &base));
	assert_false(left_bases_try(&lb, now, NULL, &base));
	/* Not yet: the peer has still to be told that it is offered. */
	leave(&lb, now, 5);
	assert_false(is_left(&lb, 5));
	assert_int_equal(tell_all(&lb, false), 4);
	/* One that only waits gives way. */
	leave(&lb, now, 5);
	assert_true(is_left(&lb, 5));
	assert_int_equal(tell_all(&lb, true), 1);
}

static void
what_nobody_was_told_of_is_undone(void **state)
{
	struct left_bases lb = { 0 };
	struct mono now = { 1000000000 };

	(void)state;
	leave(&lb, now, 1);
	assert_int_equal(tell_all(&lb, true), 1);
	leave(&lb, now, 2);
	left_bases_undo(&lb);
	assert_true(is_left(&lb, 1));
	assert_false(is_left(&lb, 2));
	assert_int_equal(tell_all(&lb, true), 0);
}

/* Forgotten between the offer and the word of it, which still has to be told.
 */
static void
forgotten_with_an_offer_to_be_told(void **state)
{
	struct left_bases lb = { 0 };
	struct mono now = { 1000000000 };
	struct endpoint base = numbered(1);

	(void)state;
	leave(&lb, now, 1);
	left_bases_forget(&lb, &base);
	assert_true(is_left(&lb, 1));
	assert_int_equal(tell_all(&lb, true), 1);
	now = left_bases_deadline(&lb);
	assert_true(left_bases_try(&lb, now, NULL, &base));
	left_bases_forget(&lb, &base);
	assert_int_equal(tell_all(&lb, false), 1);
	assert_true(mono_is_never(left_bases_deadline(&lb)));
}

/* Without a path nothing is withdrawn, and no base for what goes by it. */
static void
waits_while_nothing_else_is_in_use(void **state)
{
	struct left_bases lb = { 0 };
	struct mono now = { 1000000000 };
	struct endpoint base = numbered(1), other = numbered(2), next;

	(void)state;
	left_bases_await(&lb, now, &base);
	left_bases_await(&lb, mono_add_s(now, 60), &base);
	assert_int_equal(
	    mono_ms_between(now, left_bases_deadline(&lb)), 120000);
	now = left_bases_deadline(&lb);
	assert_false(left_bases_try(&lb, now, NULL, &next));
	assert_int_equal(
	    mono_ms_between(now, left_bases_deadline(&lb)), 240000);
	now = left_bases_deadline(&lb);
	assert_false(left_bases_try(&lb, now, &base, &next));
	assert_int_equal(tell_all(&lb, true), 0);
	now = left_bases_deadline(&lb);
	assert_false(left_bases_try(&lb, now, &other, &next));
	assert_int_equal(tell_all(&lb, true), 1);
	assert_int_equal(mono_ms_between(now, left_bases_deadline(&lb)), 1000);
	now = left_bases_deadline(&lb);
	assert_true(left_bases_try(&lb, now, &other, &next));
	assert_true(endpoint_equal(&next, &base));
	assert_int_equal(tell_all(&lb, false), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_there_is_room_for),
		cmocka_unit_test(what_nobody_was_told_of_is_undone),
		cmocka_unit_test(forgotten_with_an_offer_to_be_told),
		cmocka_unit_test(waits_while_nothing_else_is_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

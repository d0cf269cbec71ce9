/* Room that clients share. */
#include "tests/lib/unit.h"

#include "control-worker/dns/shares.h"

static struct shares s;

static struct ip_address
client(uint8_t n)
{
	return ip_v4(100, 64, 0, n);
}

/* The verdict for one more, which is taken where there is room. */
static enum shares_verdict
add(uint8_t n, uint8_t *other)
{
	struct ip_address ip = client(n), from = { 0 };
	enum shares_verdict v = shares_ask(&s, &ip, &from);

	if (v == SHARES_ROOM)
		shares_take(&s, &ip);
	*other = from.bytes[3];
	return v;
}

static void
give(uint8_t n)
{
	struct ip_address ip = client(n);

	shares_give(&s, &ip);
}

static int
set_up(void **state)
{
	(void)state;
	s = (struct shares){ .max = 8, .of_client = 4 };
	return 0;
}

static void
of_one_client(void **state)
{
	uint8_t other;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(add(1, &other), SHARES_ROOM);
	assert_int_equal(add(1, &other), SHARES_TOO_MANY);
	give(1);
	assert_int_equal(add(1, &other), SHARES_ROOM);
	for (int i = 0; i < 4; i++)
		give(1);
	assert_int_equal(s.total, 0);
	assert_int_equal(s.clients, 0);
}

/* Whoever has most makes room until all have alike. */
static void
who_has_most(void **state)
{
	uint8_t other;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(add(1, &other), SHARES_ROOM);
		assert_int_equal(add(2, &other), SHARES_ROOM);
	}
	for (int i = 0; i < 2; i++) {
		uint8_t ends[] = { 1, 2 };

		assert_int_equal(add(3, &other), SHARES_FULL);
		assert_int_equal(other, ends[i]);
		give(other);
		assert_int_equal(add(3, &other), SHARES_ROOM);
	}
	/* 3, 3 and 2: it would not have less than who makes room. */
	assert_int_equal(add(3, &other), SHARES_EVEN);
	assert_int_equal(add(1, &other), SHARES_EVEN);
	assert_int_equal(add(4, &other), SHARES_FULL);
}

/* As many clients as there is room for. */
static void
one_each(void **state)
{
	uint8_t other;

	(void)state;
	for (uint8_t i = 1; i <= 8; i++)
		assert_int_equal(add(i, &other), SHARES_ROOM);
	assert_int_equal(add(9, &other), SHARES_EVEN);
	give(5);
	assert_int_equal(add(9, &other), SHARES_ROOM);
	assert_int_equal(add(5, &other), SHARES_EVEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(of_one_client, set_up),
		cmocka_unit_test_setup(who_has_most, set_up),
		cmocka_unit_test_setup(one_each, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

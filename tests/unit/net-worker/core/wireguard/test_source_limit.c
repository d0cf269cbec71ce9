/* net-worker/core/wireguard/source_limit.c: its buckets, and under flood. */
#include "common/buffer.h"
#include "net-worker/core/wireguard/source_limit.h"
#include "tests/lib/unit.h"

static struct source_limit limit;

static const struct mono start = { INT64_C(1000000000000) };

static struct ip_address
host(uint32_t number)
{
	struct ip_address ip = { .family = IP_V4 };

	store_be32(ip.bytes, number);
	return ip;
}

static struct ip_address
host6(uint32_t network, uint32_t number)
{
	struct ip_address ip = { .family = IP_V6 };

	store_be32(ip.bytes, 0x20010db8);
	store_be32(ip.bytes + 4, network);
	store_be32(ip.bytes + 12, number);
	return ip;
}

static unsigned
taken(int64_t ms, struct ip_address ip, unsigned tries)
{
	unsigned n = 0;

	while (tries-- > 0)
		n += source_limit_take(&limit, mono_add_ms(start, ms), &ip);
	return n;
}

static void
five_at_once_and_twenty_a_second(void **state)
{
	unsigned n = 0;

	(void)state;
	source_limit_init(&limit);
	assert_int_equal(taken(0, host(1), 100), 5);
	assert_int_equal(taken(49, host(1), 1), 0);
	assert_int_equal(taken(50, host(1), 2), 1);
	for (int ms = 1000; ms < 2000; ms++)
		n += taken(ms, host(2), 6);
	assert_in_range(n, 24, 25);
}

static void
sources_are_hosts_and_networks(void **state)
{
	(void)state;
	source_limit_init(&limit);
	assert_int_equal(taken(0, host(1), 6), 5);
	assert_int_equal(taken(0, host(2), 6), 5);
	assert_int_equal(taken(0, host6(1, 1), 6), 5);
	assert_int_equal(taken(0, host6(1, 2), 6), 0);
	assert_int_equal(taken(0, host6(2, 1), 6), 5);
	/* An IPv4 address is not the /64 of the same bits. */
	assert_int_equal(taken(0, (struct ip_address){ .family = IP_V6,
				      .bytes = { [7] = 1 } }, 6), 5);
}

/* However many sources there are, one more is heard. */
static void
nobody_is_locked_out(void **state)
{
	(void)state;
	source_limit_init(&limit);
	for (uint32_t n = 0; n < 1000000; n++) {
		taken(0, host(n), 1);
		if (n % 1000 == 0)
			assert_int_equal(taken(0, host6(n, 1), 6), 5);
	}
}

/* Those in use keep their places as long as there is one out of use. */
static void
others_do_not_free_a_source(void **state)
{
	(void)state;
	source_limit_init(&limit);
	assert_int_equal(taken(0, host(0), 6), 5);
	for (uint32_t n = 1; n < 100000; n++) {
		/* One at a time, and full again before the next. */
		assert_int_equal(taken((int64_t)n * 50, host(n), 1), 1);
		assert_int_equal(taken((int64_t)n * 50, host(0), 2), 1);
	}
}

/* A few that ask in vain do not take each other's places. */
static void
sources_are_spread(void **state)
{
	static struct source_limit other;

	(void)state;
	source_limit_init(&limit);
	/* Over which sets, another table does not tell. */
	source_limit_init(&other);
	assert_memory_not_equal(
	    limit.secret, other.secret, sizeof(other.secret));
	for (uint32_t n = 0; n < 16; n++)
		assert_int_equal(taken(0, host(n), 6), 5);
	for (uint32_t n = 0; n < 16; n++)
		assert_int_equal(taken(1, host(n), 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(five_at_once_and_twenty_a_second),
		cmocka_unit_test(sources_are_hosts_and_networks),
		cmocka_unit_test(nobody_is_locked_out),
		cmocka_unit_test(others_do_not_free_a_source),
		cmocka_unit_test(sources_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

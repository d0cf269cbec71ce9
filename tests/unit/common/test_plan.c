/* common/plan.h: what is written twice there says the same. */
#include "common/plan.h"

#include <stdio.h>
#include <string.h>

#include "tests/lib/unit.h"

static void
ranges_as_text(void **state)
{
	const struct {
		const char *text;
		const struct ip_prefix *range;
	} table[] = {
		{ TUNNEL_RANGE_V4, &tunnel_range_v4 },
		{ TUNNEL_RANGE_V6, &tunnel_range_v6 },
		{ PROXY_RANGE_V4, &proxy_range_v4 },
		{ PROXY_RANGE_V6, &proxy_range_v6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_prefix range;

		assert_true(prefix_parse(table[i].text, &range));
		assert_memory_equal(&range, table[i].range, sizeof(range));
	}
}

static void
ranges_and_what_is_beside_them(void **state)
{
	const struct {
		const char *ip;
		bool tunnel, proxy;
	} table[] = {
		{ "100.63.255.255", false, false },
		{ "100.64.0.1", true, false },
		{ "100.95.255.255", true, false },
		{ "100.96.0.1", false, true },
		{ "100.128.0.0", false, false },
		{ "fd00:2021:1111::1f:ffff", true, false },
		{ "fd00:2021:1111::20:0", false, false },
		{ "fd00:2021:1111:8000::", false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_address ip;

		assert_true(ip_parse(table[i].ip, &ip));
		assert_int_equal(ip_in_tunnel_range(&ip), table[i].tunnel);
		assert_int_equal(ip_in_proxy_range(&ip), table[i].proxy);
	}
}

static void
low_bits_and_port(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(TUNNEL_BITS, (1 << (32 - tunnel_range_v4.length)) - 1);
	assert_int_equal(
	    TUNNEL_BITS, (1 << (128 - tunnel_range_v6.length)) - 1);
	snprintf(text, sizeof(text), "%d", TUNNEL_DNS_PORT);
	assert_string_equal(text, TUNNEL_DNS_PORT_TEXT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_as_text),
		cmocka_unit_test(ranges_and_what_is_beside_them),
		cmocka_unit_test(low_bits_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

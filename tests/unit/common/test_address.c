/* common/address.c: text forms, networks, the address plan. */
#include "common/address.h"
#include "tests/lib/unit.h"

static void
endpoints_round_trip(void **state)
{
	static const char *const good[] = {
		"192.0.2.1:3478",
		"[2001:db8::1]:65535",
		"0.0.0.0:0",
	};
	static const char *const bad[] = {
		"",
		":",
		"192.0.2.1",
		"192.0.2.1:",
		"192.0.2.1:65536",
		"192.0.2.1:-1",
		"192.0.2.256:1",
		"[192.0.2.1]:1",
		"2001:db8::1:3478x",
		"2001:db8::1",
		"[2001:db8::1:3478",
		"[]:1",
	};
	struct endpoint e;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct sockaddr_storage ss;
		struct endpoint back;

		assert_true(endpoint_parse(good[i], &e));
		assert_string_equal(endpoint_format(&e, text), good[i]);
		assert_true(endpoint_to_sockaddr(&e, &ss) > 0);
		assert_true(
		    endpoint_from_sockaddr((struct sockaddr *)&ss, &back));
		assert_true(endpoint_equal(&e, &back));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(endpoint_parse(bad[i], &e));
}

static void
prefixes(void **state)
{
	static const struct {
		const char *prefix, *ip;
		bool contains;
	} table[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::1", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "10.1.2.3", "10.1.2.3", true },
		{ "10.1.2.3/32", "10.1.2.2", false },
		{ "100.64.0.0/11", "100.95.255.255", true },
		{ "100.64.0.0/11", "100.96.0.0", false },
		{ "fd00:2021:1111::/107", "fd00:2021:1111::1f:ffff", true },
		{ "fd00:2021:1111::/107", "fd00:2021:1111::20:0", false },
		{ "::/0", "2001:db8::1", true },
	};
	static const char *const bad[] = {
		"10.0.0.1/8",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0.0/-1",
		"fd00::1/64",
		"::/129",
		"x/8",
		"",
	};
	struct ip_prefix p;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_address ip;

		assert_true(prefix_parse(table[i].prefix, &p));
		assert_true(ip_parse(table[i].ip, &ip));
		assert_int_equal(prefix_contains(&p, &ip), table[i].contains);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(prefix_parse(bad[i], &p));
}

static void
kinds(void **state)
{
	static const struct {
		const char *ip;
		bool (*is)(const struct ip_address *);
		bool want;
	} table[] = {
		{ "224.0.0.1", ip_is_multicast, true },
		{ "239.255.255.255", ip_is_multicast, true },
		{ "240.0.0.1", ip_is_multicast, false },
		{ "ff02::1", ip_is_multicast, true },
		{ "fe80::1", ip_is_link_local, true },
		{ "febf::1", ip_is_link_local, true },
		{ "fec0::1", ip_is_link_local, false },
		{ "169.254.1.1", ip_is_link_local, true },
		{ "255.255.255.255", ip_is_broadcast, true },
		{ "127.0.0.1", ip_is_loopback, true },
		{ "::1", ip_is_loopback, true },
		{ "::2", ip_is_loopback, false },
		{ "::", ip_is_unspecified, true },
		{ "0.0.0.0", ip_is_unspecified, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_address ip;

		assert_true(ip_parse(table[i].ip, &ip));
		assert_int_equal(table[i].is(&ip), table[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_round_trip),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

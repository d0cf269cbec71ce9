/* resolv.conf(5) and hosts(5). */
#include "tests/lib/unit.h"

#include "control-worker/dns/hosts.h"
#include "control-worker/dns/resolv_conf.h"

static const char sample[] =
    "# comment\n"
    "; comment\n"
    "nameserver 192.0.2.1\r\n"
    "nameserver\t2001:db8::1 # not read\n"
    "nameserver fe80::1%eth0\n"
    "nameserver 2001:db8::2%eth0\n"
    "nameserver nonsense\n"
    "domain one.test\n"
    "search a.test b.test.\n"
    "options ndots:3 timeout:99 attempts:0 rotate ndots:x\n"
    "unknown line";

static void
test_resolv_conf(void **state)
{
	struct resolv_conf c;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	resolv_conf_parse(&c, sample, sizeof(sample) - 1);
	assert_int_equal(c.server_count, 3);
	assert_string_equal(
	    endpoint_format(&c.servers[0], text), "192.0.2.1:53");
	assert_string_equal(
	    endpoint_format(&c.servers[1], text), "[2001:db8::1]:53");
	assert_string_equal(
	    endpoint_format(&c.servers[2], text), "[2001:db8::2]:53");
	assert_int_equal(c.suffix_count, 2);
	assert_string_equal(c.suffixes[0], "a.test");
	assert_string_equal(c.suffixes[1], "b.test");
	assert_int_equal(c.ndots, 3);
	assert_int_equal(c.timeout_s, 30);
	assert_int_equal(c.attempts, 1);
	assert_true(c.rotate);
	for (size_t len = 0; len < sizeof(sample); len++) {
		resolv_conf_parse(&c, sample, len);
		assert_in_range(c.server_count, 1, RESOLV_SERVERS);
	}
}

static void
test_defaults(void **state)
{
	char text[ENDPOINT_TEXT_MAX];
	struct resolv_conf c;

	(void)state;
	resolv_conf_parse(&c, "", 0);
	assert_int_equal(c.server_count, 1);
	assert_string_equal(
	    endpoint_format(&c.servers[0], text), "127.0.0.1:53");
	assert_int_equal(c.ndots, 1);
	assert_int_equal(c.timeout_s, 5);
	assert_int_equal(c.attempts, 2);
	assert_false(c.rotate);
}

static void
test_bounds(void **state)
{
	char text[4096] = "search";
	struct resolv_conf c;

	(void)state;
	for (int i = 0; i < RESOLV_SUFFIXES + 3; i++)
		strcat(text, " x.test");
	for (int i = 0; i < RESOLV_SERVERS + 3; i++)
		strcat(text, "\nnameserver 192.0.2.1");
	resolv_conf_parse(&c, text, strlen(text));
	assert_int_equal(c.server_count, RESOLV_SERVERS);
	assert_int_equal(c.suffix_count, RESOLV_SUFFIXES);
	/* A line that is too long is none. */
	memset(text, 'a', sizeof(text));
	memcpy(text, "search ", 7);
	resolv_conf_parse(&c, text, sizeof(text));
	assert_int_equal(c.suffix_count, 0);
}

static void
test_hosts(void **state)
{
	static const char text[] =
	    "127.0.0.1 localhost\n"
	    "# 192.0.2.9 portal.test\n"
	    "192.0.2.1\tother Portal.Test\t# portal.tes\n"
	    "2001:db8::1 portal.test\r\n"
	    "nonsense portal.test\n"
	    "\n"
	    "192.0.2.2 portal.test.example\n"
	    "192.0.2.3 portal.test";
	struct hosts *h = hosts_new(text, sizeof(text) - 1);
	struct ip_address found[8];
	char name[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_int_equal(hosts_lookup(h, "portal.test", found, 8), 3);
	assert_string_equal(ip_format(&found[0], name), "192.0.2.1");
	assert_string_equal(ip_format(&found[1], name), "2001:db8::1");
	assert_string_equal(ip_format(&found[2], name), "192.0.2.3");
	assert_int_equal(hosts_lookup(h, "PORTAL.test", found, 2), 2);
	assert_int_equal(hosts_lookup(h, "portal.tes", found, 8), 0);
	assert_int_equal(hosts_lookup(h, "192.0.2.1", found, 8), 0);
	assert_int_equal(hosts_lookup(h, "", found, 8), 0);
	assert_int_equal(hosts_lookup(NULL, "localhost", found, 8), 0);
	hosts_free(h);
	for (size_t len = 0; len < sizeof(text); len++) {
		h = hosts_new(text, len);
		hosts_lookup(h, "portal.test", found, 8);
		hosts_free(h);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolv_conf),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A long hosts file: what else there is in it, see test_dns_files.c. */
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* What it costs is counted, not timed: so it is compiled in here. */
static unsigned comparisons;
#define strncasecmp(a, b, n) (comparisons++, strncasecmp(a, b, n))
#include "control-worker/dns/hosts.c"

#define LINES 20000

static void
is_not_read_at_each_question(void **state)
{
	static char text[64 * LINES];
	struct hosts *h;
	struct ip_address found[4];
	char name[64], address[ENDPOINT_TEXT_MAX];
	size_t len = 0;

	(void)state;
	for (int i = 0; i < LINES; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "10.0.%d.%d h%05d.example.com\n", i / 256, i % 256, i);
	for (int i = 0; i < 3; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
		    "192.0.2.%d many.example.com\n", 9 - i);
	h = hosts_new(text, len);
	assert_non_null(h);
	for (int i = 0; i < LINES; i++) {
		snprintf(name, sizeof(name), "H%05d.example.com", i);
		assert_int_equal(hosts_lookup(h, name, found, 4), 1);
		snprintf(name, sizeof(name), "10.0.%d.%d", i / 256, i % 256);
		assert_string_equal(ip_format(&found[0], address), name);
		snprintf(name, sizeof(name), "N%05d.example.com", i);
		assert_int_equal(hosts_lookup(h, name, found, 4), 0);
	}
	print_message("%u comparisons for %d questions, %d lines\n",
	    comparisons, 2 * LINES, LINES);
	assert_in_range(comparisons, LINES, 8 * LINES);
	/* In the order of the file. */
	assert_int_equal(hosts_lookup(h, "many.example.com", found, 4), 3);
	assert_string_equal(ip_format(&found[0], address), "192.0.2.9");
	assert_string_equal(ip_format(&found[2], address), "192.0.2.7");
	hosts_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_not_read_at_each_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

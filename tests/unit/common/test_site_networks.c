/* The list of the site's networks: see common/site_networks.h. */
#include "common/site_networks.h"

#include <stdio.h>

#include "tests/lib/unit.h"

static struct site_networks site;

static void
add(const char *text)
{
	struct ip_prefix p;

	assert_true(prefix_parse(text, &p));
	site_networks_add(&site, &p);
}

static bool
contains(const char *text)
{
	struct ip_address a;

	assert_true(ip_parse(text, &a));
	return site_networks_contain(site.network, site.count, &a);
}

/* In whatever order they come. */
static void
nested_ones_are_one(void **state)
{
	(void)state;
	site = (struct site_networks){ 0 };
	assert_false(contains("198.51.100.1"));
	add("198.51.100.128/25");
	add("198.51.100.0/26");
	add("2001:db8:2::/48");
	add("192.0.2.1/32");
	add("198.51.100.64/26");
	assert_int_equal(site.count, 5);
	assert_false(contains("198.51.99.255"));
	assert_true(contains("198.51.100.0"));
	assert_true(contains("198.51.100.127"));
	assert_true(contains("192.0.2.1"));
	assert_false(contains("192.0.2.2"));
	assert_false(contains("192.0.2.0"));
	add("198.51.100.0/24");
	assert_int_equal(site.count, 3);
	add("198.51.100.7/32");
	add("198.51.100.0/24");
	assert_int_equal(site.count, 3);
	assert_true(contains("198.51.100.255"));
	assert_false(contains("198.51.101.0"));
	assert_true(contains("2001:db8:2:ffff::1"));
	assert_false(contains("2001:db8:3::"));
	assert_false(contains("2001:db8:1:ffff::1"));
}

/* What is not told must not be open. */
static void
too_many_close_it(void **state)
{
	char text[32];

	(void)state;
	site = (struct site_networks){ 0 };
	for (unsigned i = 0; i < SITE_NETWORKS_MAX; i++) {
		snprintf(text, sizeof(text), "20.%u.0.0/16", i);
		add(text);
	}
	assert_int_equal(site.count, SITE_NETWORKS_MAX);
	assert_false(site_networks_closed(&site));
	assert_false(contains("1.1.1.1"));
	add("20.0.0.0/24");
	assert_false(site_networks_closed(&site));
	add("30.0.0.0/16");
	assert_true(site_networks_closed(&site));
	assert_true(contains("1.1.1.1"));
	assert_true(contains("255.255.255.255"));
	assert_true(contains("2606:4700::1111"));
	add("31.0.0.0/16");
	assert_int_equal(site.count, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_ones_are_one),
		cmocka_unit_test(too_many_close_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

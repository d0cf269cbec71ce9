/*
 * What resources of other kinds than networks open: firezone-policy(7), RULES.
 */
#include "tests/lib/policy.h"

static void
grant_without_filters(
    struct grants *c, uint8_t resource, enum resource_type type)
{
	struct grant g = { .resource = id(resource),
		.type = type,
		.pattern = "**",
		.expires = MONO_NEVER };

	assert_int_equal(grants_add(c, &g), GRANT_NEW);
}

/* A DNS resource gives no route by itself. */
static void
names_open_nothing_by_themselves(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "1.1.1.1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "100.96.0.1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V6, "::", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "10.0.0.1", "tcp 80", PASS(7) },
	};
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_without_filters(c, 1, RESOURCE_DNS);
	grant_cidr(c, 7, "10.0.0.0/8", "");
	p = compile(c, false);
	check(p, policy_outbound, out, COUNT(out));
	policy_free(p);
	grants_free(c);
}

#define REJECTED UNREACHABLE(REJECTED_RANGE)

/*
 * firezone-policy(7), Internet resource: each rejected range by its edges, and
 * what is beside.
 */
static void
internet(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "1.1.1.1", "tcp 80", PASS(8) },
		{ CLIENT_V4, "1.1.1.1", "gre", PASS(8) },
		{ CLIENT_V6, "2001:db8::1", "udp 80", PASS(8) },
		{ CLIENT_V6, "::", "tcp 80", PASS(8) },
		{ CLIENT_V4, "0.0.0.1", "tcp 80", PASS(8) },
		{ CLIENT_V4, "9.255.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "10.0.0.0", "ping", REJECTED },
		{ CLIENT_V4, "10.255.255.255", "ping", REJECTED },
		{ CLIENT_V4, "11.0.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "172.15.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "172.16.0.0", "ping", REJECTED },
		{ CLIENT_V4, "172.31.255.255", "ping", REJECTED },
		{ CLIENT_V4, "172.32.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "192.167.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "192.168.0.0", "ping", REJECTED },
		{ CLIENT_V4, "192.168.255.255", "ping", REJECTED },
		{ CLIENT_V4, "192.169.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "126.255.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "127.0.0.1", "ping", REJECTED },
		{ CLIENT_V4, "127.255.255.255", "ping", REJECTED },
		{ CLIENT_V4, "128.0.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "169.253.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "169.254.169.254", "tcp 80", REJECTED },
		{ CLIENT_V4, "169.255.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "100.63.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "100.64.0.3", "ping", PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V4, "100.96.0.1", "ping", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "100.128.0.0", "ping", PASS(8) },
		{ CLIENT_V4, "223.255.255.255", "ping", PASS(8) },
		{ CLIENT_V4, "240.0.0.0", "ping", REJECTED },
		{ CLIENT_V4, "255.255.255.255", "ping", REJECTED },
		{ CLIENT_V6, "::1", "ping", REJECTED },
		{ CLIENT_V6, "::2", "ping", PASS(8) },
		{ CLIENT_V6, "::ffff:1.1.1.1", "ping", REJECTED },
		{ CLIENT_V6, "::fffe:1.1.1.1", "ping", PASS(8) },
		{ CLIENT_V6, "64:ff9b::1.1.1.1", "ping", PASS(8) },
		{ CLIENT_V6, "fbff::1", "ping", PASS(8) },
		{ CLIENT_V6, "fc00::1", "ping", REJECTED },
		{ CLIENT_V6, "fdff::1", "ping", REJECTED },
		{ CLIENT_V6, "fe00::1", "ping", PASS(8) },
		{ CLIENT_V6, "fe80::1", "ping", REJECTED },
		{ CLIENT_V6, "febf::1", "ping", REJECTED },
		{ CLIENT_V6, "fec0::1", "ping", REJECTED },
		{ CLIENT_V6, "feff::1", "ping", REJECTED },
		{ CLIENT_V6, "64:ff9b::10.0.0.1", "ping", REJECTED },
		{ CLIENT_V6, "64:ff9b::192.168.1.1", "tcp 22", REJECTED },
		{ CLIENT_V6, "64:ff9b::169.254.169.254", "tcp 80", REJECTED },
		{ CLIENT_V6, "64:ff9b::100.64.0.3", "ping", REJECTED },
		{ CLIENT_V6, "64:ff9b::127.0.0.1", "ping", REJECTED },
		{ CLIENT_V6, "64:ff9b::11.0.0.1", "ping", PASS(8) },
		{ CLIENT_V6, "64:ff9b:0:1::10.0.0.1", "ping", PASS(8) },
		{ CLIENT_V6, "64:ff9b:1::1.1.1.1", "ping", REJECTED },
		{ CLIENT_V6, "fd00:2021:1111::3", "ping",
		    PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V6, "fd00:2021:1111:8000::", "ping",
		    PROHIBITED(NO_ROUTE) },
		/* A CIDR resource beside it does not count. */
		{ CLIENT_V4, "10.9.0.1", "tcp 80", REJECTED },
		{ CLIENT_V4, "1.2.3.4", "udp 9", PASS(8) },
	};
	static const struct expectation in[] = {
		{ "1.1.1.1", CLIENT_V4, "from tcp 80", PASS(8) },
		{ "1.1.1.1", CLIENT_V4, "gre", DROP(INBOUND_KIND) },
		{ "10.9.0.1", CLIENT_V4, "from tcp 80", DROP(REJECTED_RANGE) },
		{ "100.64.0.3", CLIENT_V4, "from tcp 80", DROP(TUNNEL_RANGE) },
		{ "100.96.0.1", CLIENT_V4, "from tcp 80",
		    DROP(NO_TRANSLATION) },
	};
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_without_filters(c, 9, RESOURCE_INTERNET);
	grant_without_filters(c, 8, RESOURCE_INTERNET); /* the lowest id */
	grant_cidr(c, 7, "10.9.0.0/16", "tcp 80");
	grant_cidr(c, 6, "1.2.3.4", "tcp 80");
	p = compile(c, false);
	check(p, policy_outbound, out, COUNT(out));
	check(p, inbound, in, COUNT(in));
	policy_free(p);
	grants_free(c);
}

static void
add_site(struct site_networks *site, const char *network)
{
	struct ip_prefix p;

	assert_true(prefix_parse(network, &p));
	site_networks_add(site, &p);
}

/* What the parent tells of the site's own networks, both ways. */
static void
internet_without_the_site(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "1.1.1.1", "tcp 80", PASS(8) },
		{ CLIENT_V4, "198.51.99.255", "tcp 80", PASS(8) },
		{ CLIENT_V4, "198.51.100.0", "tcp 80", REJECTED },
		{ CLIENT_V4, "198.51.100.255", "ping", REJECTED },
		{ CLIENT_V4, "198.51.101.0", "ping", PASS(8) },
		{ CLIENT_V4, "192.0.2.1", "gre", REJECTED },
		{ CLIENT_V4, "192.0.2.2", "gre", PASS(8) },
		{ CLIENT_V6, "2001:db8:1::", "udp 80", REJECTED },
		{ CLIENT_V6, "2001:db8:1:ffff:ffff:ffff:ffff:ffff", "udp 80",
		    REJECTED },
		{ CLIENT_V6, "2001:db8:2::", "udp 80", PASS(8) },
		{ CLIENT_V6, "2001:db8:0:ffff::", "udp 80", PASS(8) },
		{ CLIENT_V6, "64:ff9b::198.51.100.7", "udp 80", REJECTED },
		{ CLIENT_V6, "64:ff9b::198.51.101.7", "udp 80", PASS(8) },
		{ CLIENT_V4, "10.0.0.0", "ping", REJECTED },
	};
	static const struct expectation in[] = {
		{ "198.51.100.7", CLIENT_V4, "from tcp 80",
		    DROP(REJECTED_RANGE) },
		{ "198.51.101.7", CLIENT_V4, "from tcp 80", PASS(8) },
		{ "2001:db8:1::7", CLIENT_V6, "from udp 80",
		    DROP(REJECTED_RANGE) },
	};
	static const struct expectation granted[] = {
		{ CLIENT_V4, "198.51.100.7", "tcp 80", PASS(7) },
		{ CLIENT_V4, "1.1.1.1", "tcp 80", PROHIBITED(NO_ROUTE) },
	};
	struct grants *c = new_client(), *other = new_client();
	struct site_networks site = { 0 };
	struct policy *p;

	(void)state;
	add_site(&site, "198.51.100.0/24");
	add_site(&site, "192.0.2.1");
	add_site(&site, "2001:db8:1::/48");
	grant_without_filters(c, 8, RESOURCE_INTERNET);
	p = compile_at_site(c, &site, false);
	check(p, policy_outbound, out, COUNT(out));
	check(p, inbound, in, COUNT(in));
	policy_free(p);
	grants_free(c);
	/* What is granted by its network is granted. */
	grant_cidr(other, 7, "198.51.100.0/24", "");
	assert_false(grants_have_internet(other));
	p = compile_at_site(other, &site, false);
	check(p, policy_outbound, granted, COUNT(granted));
	policy_free(p);
	grants_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_open_nothing_by_themselves),
		cmocka_unit_test(internet),
		cmocka_unit_test(internet_without_the_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

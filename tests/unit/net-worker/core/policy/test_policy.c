/*
 * Verdicts: firezone-policy(7), Steps outbound, Steps inbound and Policy
 * scenarios.
 */
#include "tests/lib/policy.h"

static void
nothing_granted_nothing_passes(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "10.0.0.1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "0.0.0.0", "gre", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "255.255.255.255", "ping", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "100.96.0.1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V6, "2001:db8::1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V6, "::", "gre", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V6, "fd00:2021:1111:8000::", "udp 1",
		    PROHIBITED(NO_ROUTE) },
	};
	static const struct expectation in[] = {
		{ "10.0.0.1", CLIENT_V4, "from tcp 80", DROP(NO_ROUTE) },
		{ "2001:db8::1", CLIENT_V6, "pong", DROP(NO_ROUTE) },
	};
	struct grants *c = new_client();
	struct policy *p = compile(c, false);

	(void)state;
	check(p, policy_outbound, out, COUNT(out));
	check(p, inbound, in, COUNT(in));
	policy_free(p);
	grants_free(c);
	policy_free(NULL);
}

/*
 * The order when a resource covers every address: firezone-policy(7), Steps
 * outbound.
 */
static void
outbound_steps(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "10.0.0.1", "gre", PASS(4) },
		{ CLIENT_V6, "2001:db8::1", "gre", PASS(6) },
		{ CLIENT_V4, "224.0.0.1", "udp 1", DROP(MULTICAST) },
		{ "10.9.9.9", "239.255.255.255", "error", DROP(MULTICAST) },
		{ CLIENT_V6, "ff02::16", "udp 1", DROP(MULTICAST) },
		{ CLIENT_V4, "223.255.255.255", "udp 1", PASS(4) },
		{ CLIENT_V4, "240.0.0.0", "udp 1", PASS(4) },
		{ CLIENT_V4, "10.0.0.1", "error", DROP(ICMP_ERROR) },
		{ CLIENT_V4, GATEWAY_V4, "error", DROP(ICMP_ERROR) },
		{ CLIENT_V6, "2001:db8::1", "error", DROP(ICMP_ERROR) },
		{ CLIENT_V4, "10.0.0.1", "broken", PASS(4) },
		{ "100.64.0.3", "10.0.0.1", "tcp 80", PROHIBITED(SOURCE) },
		{ "0.0.0.0", "10.0.0.1", "tcp 80", PROHIBITED(SOURCE) },
		{ "100.64.0.3", GATEWAY_V4, "ping", PROHIBITED(SOURCE) },
		{ GATEWAY_V4, "10.0.0.1", "tcp 80", PROHIBITED(SOURCE) },
		{ "::", "2001:db8::1", "gre", PROHIBITED(SOURCE) },
		{ "fd00:2021:1111::3", "2001:db8::1", "ping",
		    PROHIBITED(SOURCE) },
		{ CLIENT_V4, "100.64.0.3", "ping", PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V4, CLIENT_V4, "ping", PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V4, "100.95.255.255", "ping",
		    PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V6, "fd00:2021:1111::3", "ping",
		    PROHIBITED(TUNNEL_RANGE) },
		{ CLIENT_V4, "100.96.0.1", "ping",
		    UNREACHABLE(NO_TRANSLATION) },
		{ CLIENT_V4, "100.127.255.255", "ping",
		    UNREACHABLE(NO_TRANSLATION) },
		{ CLIENT_V6, "fd00:2021:1111:8000::", "udp 80",
		    UNREACHABLE(NO_TRANSLATION) },
		{ CLIENT_V4, "100.128.0.0", "ping", PASS(4) },
		{ CLIENT_V4, "100.63.255.255", "ping", PASS(4) },
	};
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_cidr(c, 4, "0.0.0.0/0", "");
	grant_cidr(c, 6, "::/0", "");
	p = compile(c, false);
	check(p, policy_outbound, out, COUNT(out));
	policy_free(p);
	grants_free(c);
}

/* firezone-policy(7), Steps outbound (step 7). */
static void
own_address(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, GATEWAY_V4, "tcp 53535", PASS(0) },
		{ CLIENT_V4, GATEWAY_V4, "udp 53535", PASS(0) },
		{ CLIENT_V4, GATEWAY_V4, "ping", PASS(0) },
		{ CLIENT_V4, GATEWAY_V4, "pong", PASS(0) },
		{ CLIENT_V6, GATEWAY_V6, "tcp 53535", PASS(0) },
		{ CLIENT_V6, GATEWAY_V6, "ping", PASS(0) },
		{ CLIENT_V4, GATEWAY_V4, "tcp 53534", PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "udp 53536", PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "tcp 22", PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "from tcp 53535",
		    PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "timestamp", PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "broken", PROHIBITED(GATEWAY) },
		{ CLIENT_V4, GATEWAY_V4, "gre", PROHIBITED(GATEWAY) },
		{ CLIENT_V6, GATEWAY_V6, "tcp 22", PROHIBITED(GATEWAY) },
		{ "10.0.0.1", GATEWAY_V4, "udp 53535", PROHIBITED(SOURCE) },
	};
	static const struct expectation exposed[] = {
		{ CLIENT_V4, GATEWAY_V4, "tcp 22", PASS(0) },
		{ CLIENT_V6, GATEWAY_V6, "gre", PASS(0) },
		{ CLIENT_V4, GATEWAY_V4, "error", DROP(ICMP_ERROR) },
		{ CLIENT_V4, "100.64.0.3", "tcp 22", PROHIBITED(TUNNEL_RANGE) },
		{ "10.0.0.1", GATEWAY_V4, "tcp 22", PROHIBITED(SOURCE) },
	};
	static const struct expectation in[] = {
		{ GATEWAY_V4, CLIENT_V4, "from tcp 53535", PASS(0) },
		{ GATEWAY_V6, CLIENT_V6, "from udp 53535", PASS(0) },
		{ GATEWAY_V4, CLIENT_V4, "error 53535", PASS(0) },
		{ GATEWAY_V6, CLIENT_V6, "error 53535", PASS(0) },
		{ GATEWAY_V6, CLIENT_V6, "pong", PASS(0) },
		{ GATEWAY_V4, "100.64.0.3", "pong", DROP(NOT_A_PEER) },
	};
	static const struct expectation in_answers[] = {
		{ GATEWAY_V4, CLIENT_V4, "from tcp 80", DROP(GATEWAY) },
		{ GATEWAY_V4, CLIENT_V4, "tcp 53535", DROP(GATEWAY) },
		{ GATEWAY_V6, CLIENT_V6, "from udp 80", DROP(GATEWAY) },
		{ GATEWAY_V4, CLIENT_V4, "ping", DROP(GATEWAY) },
		{ GATEWAY_V6, CLIENT_V6, "ping", DROP(GATEWAY) },
		{ GATEWAY_V4, CLIENT_V4, "error", DROP(GATEWAY) },
		{ GATEWAY_V4, CLIENT_V4, "broken", DROP(GATEWAY) },
		{ GATEWAY_V4, CLIENT_V4, "gre", DROP(GATEWAY) },
	};
	static const struct expectation in_exposed[] = {
		{ GATEWAY_V4, CLIENT_V4, "from tcp 80", PASS(0) },
		{ GATEWAY_V4, CLIENT_V4, "ping", PASS(0) },
		{ GATEWAY_V4, CLIENT_V4, "error", PASS(0) },
		{ GATEWAY_V4, CLIENT_V4, "gre", PASS(0) },
	};
	struct grants *c = new_client();
	struct policy *p = compile(c, false);

	(void)state;
	check(p, policy_outbound, out, COUNT(out));
	check(p, inbound, in, COUNT(in));
	check(p, inbound, in_answers, COUNT(in_answers));
	policy_free(p);
	p = compile(c, true);
	check(p, policy_outbound, exposed, COUNT(exposed));
	check(p, inbound, in, COUNT(in));
	check(p, inbound, in_exposed, COUNT(in_exposed));
	policy_free(p);
	grants_free(c);
}

/* No address of ours or the client's is no address, not every address. */
static void
missing_addresses_match_nothing(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "10.0.0.1", "tcp 80", PASS(4) },
		{ CLIENT_V4, "0.0.0.0", "tcp 53535", PASS(4) },
		{ "0.0.0.0", "10.0.0.1", "tcp 80", PROHIBITED(SOURCE) },
		{ "::", "2001:db8::1", "tcp 80", PROHIBITED(SOURCE) },
		{ CLIENT_V6, "2001:db8::1", "tcp 80", PROHIBITED(SOURCE) },
		{ CLIENT_V4, GATEWAY_V4, "ping", PROHIBITED(TUNNEL_RANGE) },
	};
	struct ip_address v4 = ip(CLIENT_V4), v6 = ip(CLIENT_V6), none = { 0 };
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &none);
	struct policy *p;

	(void)state;
	grant_cidr(c, 4, "0.0.0.0/0", "");
	grant_cidr(c, 6, "::/0", "");
	p = grants_compile(c, &none, &none, &site_networks_none, true);
	check(p, policy_outbound, out, COUNT(out));
	policy_free(p);
	/* An address in the place of the other family is none either. */
	p = grants_compile(c, &v6, &v4, &site_networks_none, true);
	check(p, policy_outbound, out, COUNT(out));
	policy_free(p);
	grants_free(c);
}

static void
inbound_steps(void **state)
{
	static const struct expectation in[] = {
		{ "10.0.0.1", CLIENT_V4, "from tcp 80", PASS(4) },
		{ "10.0.0.1", CLIENT_V4, "from tcp 81", DROP(FILTER) },
		{ "10.0.0.1", CLIENT_V4, "tcp 80", DROP(FILTER) },
		{ "10.0.0.1", CLIENT_V4, "from udp 80", DROP(FILTER) },
		{ "10.0.0.1", CLIENT_V4, "ping", PASS(4) },
		{ "10.0.0.1", CLIENT_V4, "pong", PASS(4) },
		{ "10.0.0.1", CLIENT_V4, "timestamp", DROP(INBOUND_KIND) },
		{ "10.0.0.1", CLIENT_V4, "broken", DROP(INBOUND_KIND) },
		{ "10.1.0.1", CLIENT_V4, "gre", DROP(INBOUND_KIND) },
		{ "10.1.0.1", CLIENT_V4, "from udp 1", PASS(5) },
		{ "10.1.0.1", CLIENT_V4, "error", PASS(0) },
		{ "192.0.2.9", CLIENT_V4, "error about 10.1.0.1", PASS(0) },
		{ GATEWAY_V4, CLIENT_V4, "error about 10.1.0.1", PASS(0) },
		{ "10.0.0.1", CLIENT_V4, "error", DROP(FILTER) },
		{ "10.1.0.1", CLIENT_V4, "error about 10.2.0.1",
		    DROP(NO_ROUTE) },
		{ "2001:db8::1", CLIENT_V6, "error", DROP(NO_ROUTE) },
		{ "10.1.0.1", CLIENT_V4, "error about 100.64.0.3",
		    DROP(TUNNEL_RANGE) },
		{ GATEWAY_V4, CLIENT_V4, "error about 100.96.0.1",
		    DROP(NO_TRANSLATION) },
		{ "10.1.0.1", CLIENT_V4, "alien", DROP(INBOUND_KIND) },
		{ GATEWAY_V4, CLIENT_V4, "alien", DROP(INBOUND_KIND) },
		{ GATEWAY_V6, CLIENT_V6, "alien", DROP(INBOUND_KIND) },
		{ "2001:db8::1", CLIENT_V6, "pong", DROP(NO_ROUTE) },
		{ "10.0.0.1", "100.64.0.3", "from tcp 80", DROP(NOT_A_PEER) },
		{ "10.0.0.1", "10.0.0.2", "from tcp 80", DROP(NOT_A_PEER) },
		{ "10.0.0.1", "224.0.0.1", "error", DROP(NOT_A_PEER) },
		{ "100.64.0.3", CLIENT_V4, "pong", DROP(TUNNEL_RANGE) },
		{ "100.64.0.3", CLIENT_V4, "error", DROP(TUNNEL_RANGE) },
		{ CLIENT_V4, CLIENT_V4, "from tcp 80", DROP(TUNNEL_RANGE) },
		{ "fd00:2021:1111::3", CLIENT_V6, "error", DROP(TUNNEL_RANGE) },
		{ "100.96.0.1", CLIENT_V4, "pong", DROP(NO_TRANSLATION) },
	};
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_cidr(c, 4, "10.0.0.0/24", "tcp 80 icmp");
	grant_cidr(c, 5, "10.1.0.0/24", "");
	grant_cidr(c, 6, "100.64.0.0/10", "");
	p = compile(c, false);
	check(p, inbound, in, COUNT(in));
	policy_free(p);
	grants_free(c);
}

/* A client whose address the portal took from elsewhere receives nothing. */
static void
inbound_only_to_the_tunnel_range(void **state)
{
	static const struct expectation in[] = {
		{ "10.0.0.1", "192.0.2.1", "from tcp 80", DROP(NOT_A_PEER) },
		{ GATEWAY_V4, "192.0.2.1", "pong", DROP(NOT_A_PEER) },
	};
	struct ip_address v4 = ip("192.0.2.1"), none = { 0 };
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &none);
	struct policy *p;

	(void)state;
	grant_cidr(c, 4, "0.0.0.0/0", "");
	p = compile(c, false);
	check(p, inbound, in, COUNT(in));
	policy_free(p);
	grants_free(c);
}

static void
refuses_source_routes(void **state)
{
	struct ip_address a = ip(CLIENT_V6), b = ip("2001:db8::1");
	uint8_t data[256], routing[8] = { 59, 0, 4, 1 };
	struct grants *c = new_client();
	struct policy_decision d;
	struct packet packet;
	struct policy *p;

	(void)state;
	grant_cidr(c, 6, "::/0", "");
	p = compile(c, true);
	packet = parsed(data, build_ip(data, &a, &b, 43, routing, 8));
	d = policy_outbound(p, &packet);
	assert_int_equal(d.verdict, VERDICT_PROHIBITED);
	assert_int_equal(d.reason, REASON_SOURCE_ROUTE);
	packet = parsed(data, build_ip(data, &b, &a, 43, routing, 8));
	d = inbound(p, &packet);
	assert_int_equal(d.verdict, VERDICT_DROP);
	assert_int_equal(d.reason, REASON_SOURCE_ROUTE);
	b = ip(GATEWAY_V6);
	packet = parsed(data, build_ip(data, &a, &b, 43, routing, 8));
	d = policy_outbound(p, &packet);
	assert_int_equal(d.reason, REASON_SOURCE_ROUTE);
	policy_free(p);
	grants_free(c);
}

/* firezone-policy(7), Evaluation; one resource, one packet. */
static void
filters(void **state)
{
	static const struct {
		const char *filters, *packet;
		bool permitted;
	} table[] = {
		{ "", "tcp 0", true },
		{ "", "udp 65535", true },
		{ "", "ping", true },
		{ "", "timestamp", true },
		{ "", "gre", true },
		{ "tcp 80", "tcp 79", false },
		{ "tcp 80", "tcp 80", true },
		{ "tcp 80", "tcp 81", false },
		{ "tcp 80", "udp 80", false },
		{ "tcp 80", "from tcp 80", false },
		{ "tcp 80", "ping", false },
		{ "tcp 80", "gre", false },
		{ "udp 20-100", "udp 19", false },
		{ "udp 20-100", "udp 20", true },
		{ "udp 20-100", "udp 100", true },
		{ "udp 20-100", "udp 101", false },
		{ "udp 20-100", "tcp 50", false },
		{ "tcp 0", "tcp 0", true },
		{ "tcp 0", "tcp 1", false },
		{ "tcp 65535", "tcp 65535", true },
		{ "tcp 65535", "tcp 65534", false },
		{ "tcp 65535", "tcp 0", false },
		{ "tcp", "tcp 0", true },
		{ "tcp", "tcp 65535", true },
		{ "tcp", "udp 1", false },
		{ "tcp 0-65535", "tcp 40000", true },
		{ "tcp 0-65535", "udp 40000", false },
		/* Ranges that overlap, touch, contain, and are out of order. */
		{ "tcp 20-30 tcp 25-40", "tcp 40", true },
		{ "tcp 20-30 tcp 25-40", "tcp 41", false },
		{ "tcp 20-30 tcp 31-40", "tcp 31", true },
		{ "tcp 20-90 tcp 30-40", "tcp 90", true },
		{ "tcp 20-90 tcp 30-40", "tcp 91", false },
		{ "tcp 50-60 tcp 20-30", "tcp 20", true },
		{ "tcp 50-60 tcp 20-30", "tcp 31", false },
		{ "tcp 50-60 tcp 20-30", "tcp 49", false },
		{ "tcp 50-60 tcp 20-30", "tcp 60", true },
		{ "tcp 65530-65535 tcp 0-5", "tcp 6", false },
		{ "tcp 65530-65535 tcp 0-5", "tcp 65535", true },
		{ "tcp 80 tcp 80 tcp 80", "tcp 80", true },
		{ "tcp 80 tcp 80 tcp 80", "tcp 81", false },
		/* An empty range permits nothing, and is a rule. */
		{ "tcp 81-80", "tcp 80", false },
		{ "tcp 81-80", "tcp 81", false },
		{ "tcp 81-80", "udp 80", false },
		{ "tcp 81-80", "gre", false },
		{ "tcp 65535-0", "tcp 0", false },
		{ "tcp 100-20 tcp 50", "tcp 50", true },
		{ "tcp 100-20 tcp 50", "tcp 51", false },
		/* So does a protocol that is not known. */
		{ "sctp", "tcp 80", false },
		{ "sctp", "gre", false },
		{ "sctp tcp 80", "tcp 80", true },
		/* ICMP of any type, never by port. */
		{ "icmp", "ping", true },
		{ "icmp", "pong", true },
		{ "icmp", "timestamp", true },
		{ "icmp", "broken", true },
		{ "icmp", "tcp 80", false },
		{ "icmp", "gre", false },
		{ "icmp 5-4", "ping", true },
		{ "tcp udp icmp", "gre", false },
		{ "tcp udp", "timestamp", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct grants *c = new_client();
		struct expectation out[] = {
			{ CLIENT_V4, "10.0.0.1", table[i].packet,
			    PROHIBITED(FILTER) },
			{ CLIENT_V6, "2001:db8::1", table[i].packet,
			    PROHIBITED(FILTER) },
		};
		struct policy *p;

		grant_cidr(c, 4, "10.0.0.0/24", table[i].filters);
		grant_cidr(c, 6, "2001:db8::/32", table[i].filters);
		for (size_t k = 0; k < 2 && table[i].permitted; k++) {
			out[k].verdict = VERDICT_PASS;
			out[k].reason = REASON_NONE;
			out[k].resource = (uint8_t)(4 + 2 * k);
		}
		p = compile(c, false);
		check(p, policy_outbound, out, COUNT(out));
		policy_free(p);
		grants_free(c);
	}
}

static void
as_many_filters_as_allowed(void **state)
{
	struct filter *list = calloc(FILTERS_MAX, sizeof(*list));
	struct grants *c = new_client();
	struct grant g = { .resource = id(1), .type = RESOURCE_CIDR };
	uint8_t data[256];
	struct policy *p;

	(void)state;
	/* Every 16th port, in an order that needs sorting. */
	for (size_t i = 0; i < FILTERS_MAX; i++) {
		uint16_t port = (uint16_t)(i * 7 % FILTERS_MAX * 16);

		list[i] = (struct filter){ FILTER_TCP, port, port };
	}
	assert_true(prefix_parse("10.0.0.1", &g.network));
	g.filters = list;
	g.filter_count = FILTERS_MAX;
	g.expires = MONO_NEVER;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
	p = compile(c, false);
	for (uint32_t port = 0; port <= UINT16_MAX; port++) {
		struct ip_address a = ip(CLIENT_V4), b = ip("10.0.0.1");
		struct packet packet = parsed(
		    data, build_ports(data, &a, &b, 6, 1, (uint16_t)port));

		assert_int_equal(policy_outbound(p, &packet).verdict,
		    port % 16 == 0 ? VERDICT_PASS : VERDICT_PROHIBITED);
	}
	policy_free(p);
	grants_free(c);
	free(list);
}

/*
 * firezone-policy(7), Selection, Policy scenarios and Filter scenarios (14 to
 * 20).
 */
static void
overlaps(void **state)
{
	static const struct expectation out[] = {
		/* Longer prefix; then higher id. */
		{ CLIENT_V4, "10.20.0.1", "tcp 80", PASS(1) },
		{ CLIENT_V4, "10.21.0.1", "tcp 80", PASS(9) },
		{ CLIENT_V4, "10.30.0.1", "tcp 80", PASS(4) },
		/* What permits beats what is longer, and what is higher. */
		{ CLIENT_V4, "10.20.0.1", "udp 53", PASS(9) },
		{ CLIENT_V4, "10.30.0.1", "udp 80", PASS(3) },
		{ CLIENT_V4, "10.30.0.1", "ping", PASS(8) },
		/* None permits. */
		{ CLIENT_V4, "10.20.0.1", "gre", PROHIBITED(FILTER) },
		{ CLIENT_V4, "10.30.0.1", "tcp 443", PROHIBITED(FILTER) },
		/* Edges of networks. */
		{ CLIENT_V4, "9.255.255.255", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "10.0.0.0", "tcp 80", PASS(9) },
		{ CLIENT_V4, "10.255.255.255", "tcp 80", PASS(9) },
		{ CLIENT_V4, "11.0.0.0", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, "10.19.255.255", "tcp 80", PASS(9) },
		{ CLIENT_V4, "10.20.0.0", "tcp 80", PASS(1) },
		{ CLIENT_V4, "10.20.255.255", "tcp 80", PASS(1) },
		{ CLIENT_V4, "10.40.0.6", "gre", PROHIBITED(FILTER) },
		{ CLIENT_V4, "10.40.0.7", "gre", PASS(5) },
		{ CLIENT_V4, "10.40.0.8", "gre", PROHIBITED(FILTER) },
		{ CLIENT_V6, "2001:db8::ffff", "tcp 80", PASS(10) },
		{ CLIENT_V6, "2001:db8::1:0", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V6, "2001:db8::1", "tcp 80", PASS(11) },
		{ CLIENT_V6, "a00::1", "tcp 80", PROHIBITED(NO_ROUTE) },
	};
	struct grants *c = new_client();
	struct policy *p;

	(void)state;
	grant_cidr(c, 9, "10.0.0.0/8", "tcp 80 udp 53");
	grant_cidr(c, 1, "10.20.0.0/16", "tcp 80");
	grant_cidr(c, 3, "10.30.0.0/24", "udp 80 tcp 80");
	grant_cidr(c, 4, "10.30.0.0/24", "tcp 80");
	grant_cidr(c, 8, "10.30.0.0/24", "icmp");
	grant_cidr(c, 5, "10.40.0.7/32", "");
	grant_cidr(c, 10, "2001:db8::/112", "");
	grant_cidr(c, 11, "2001:db8::1/128", "");
	p = compile(c, false);
	check(p, policy_outbound, out, COUNT(out));
	policy_free(p);
	grants_free(c);
}

static void
names_every_reason(void **state)
{
	(void)state;
	for (int i = 0; i < REASON_COUNT; i++) {
		assert_non_null(policy_reason_name((enum policy_reason)i));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
			    policy_reason_name((enum policy_reason)i),
			    policy_reason_name((enum policy_reason)k));
	}
	assert_string_equal(policy_reason_name(REASON_COUNT), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_granted_nothing_passes),
		cmocka_unit_test(outbound_steps),
		cmocka_unit_test(own_address),
		cmocka_unit_test(missing_addresses_match_nothing),
		cmocka_unit_test(inbound_steps),
		cmocka_unit_test(inbound_only_to_the_tunnel_range),
		cmocka_unit_test(refuses_source_routes),
		cmocka_unit_test(filters),
		cmocka_unit_test(as_many_filters_as_allowed),
		cmocka_unit_test(overlaps),
		cmocka_unit_test(names_every_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

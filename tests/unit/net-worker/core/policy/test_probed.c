/*
 * net-worker/core/policy/probed.c, and what policies make of it: what is
 * withdrawn while servers of the site do not answer.
 */
#include "net-worker/core/policy/probed.h"

#include "tests/lib/policy.h"

#define WITHDRAWN UNREACHABLE(WITHDRAWN)

static void
add(struct ip_address *to, size_t *count, const char *list)
{
	char word[64];
	int taken;

	for (; sscanf(list, " %63s%n", word, &taken) == 1; list += taken)
		to[(*count)++] = ip(word);
}

static struct probed
probed(const char *answering, const char *silent)
{
	struct probed p = { 0 };

	add(p.answering, &p.answering_count, answering);
	add(p.silent, &p.silent_count, silent);
	return p;
}

static void
networks(void **state)
{
	static const struct {
		const char *network, *answering, *silent;
		bool withdrawn;
	} table[] = {
		{ "10.0.0.0/24", "", "", false },
		{ "10.0.0.0/24", "", "10.0.0.1", true },
		{ "10.0.0.0/24", "", "10.0.1.1", false },
		{ "10.0.0.1/32", "", "10.0.0.1", true },
		{ "10.0.0.0/24", "10.0.0.2", "10.0.0.1", false },
		{ "10.0.0.0/24", "10.0.1.2", "10.0.0.1", true },
		{ "10.0.0.0/24", "", "10.0.0.1 10.0.0.2", true },
		{ "10.0.0.0/24", "10.0.0.1", "10.0.0.1", false },
		{ "fd20::/64", "10.0.0.2", "fd20::2", true },
		{ "fd20::/64", "fd20::3", "fd20::2", false },
		{ "0.0.0.0/0", "", "fd20::2", false },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct probed p = probed(table[i].answering, table[i].silent);
		struct ip_prefix network;

		assert_true(prefix_parse(table[i].network, &network));
		if (probed_withdraws(&p, &network) != table[i].withdrawn)
			fail_msg("%s with %s and without %s", table[i].network,
			    table[i].answering, table[i].silent);
	}
}

static void
hosts(void **state)
{
	struct probed p = probed("10.0.0.2", "10.0.0.1 fd20::1 10.0.0.2");
	struct ip_address none = { 0 }, silent = ip("10.0.0.1"),
			  silent_v6 = ip("fd20::1"), other = ip("10.0.0.3"),
			  answering = ip("10.0.0.2");

	(void)state;
	assert_true(probed_withdraws_host(&p, &silent));
	assert_true(probed_withdraws_host(&p, &silent_v6));
	assert_false(probed_withdraws_host(&p, &answering));
	assert_false(probed_withdraws_host(&p, &other));
	assert_false(probed_withdraws_host(&p, &none));
}

/* Who goes there hears of it; what comes from there passes. */
static void
verdicts(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "10.0.0.1", "tcp 80", WITHDRAWN },
		{ CLIENT_V4, "10.0.0.9", "ping", WITHDRAWN },
		{ CLIENT_V4, "10.0.0.9", "tcp 81", PROHIBITED(FILTER) },
		{ CLIENT_V4, "10.1.0.1", "tcp 80", PASS(2) },
		{ CLIENT_V6, "fd20::1", "udp 1", WITHDRAWN },
		{ CLIENT_V4, "10.9.0.1", "tcp 80", PROHIBITED(NO_ROUTE) },
		{ CLIENT_V4, GATEWAY_V4, "ping", PASS(0) },
	};
	static const struct expectation in[] = {
		{ "10.0.0.1", CLIENT_V4, "from tcp 80", PASS(1) },
		{ "fd20::1", CLIENT_V6, "pong", PASS(3) },
	};
	struct probed p = probed("10.1.0.1", "10.0.0.1 fd20::1 10.1.0.2");
	struct grants *c = new_client();
	struct policy *policy;

	(void)state;
	grant_cidr(c, 1, "10.0.0.0/24", "tcp 80 icmp");
	grant_cidr(c, 2, "10.1.0.0/24", "");
	grant_cidr(c, 3, "fd20::/64", "");
	grants_judge_by(c, &p);
	policy = compile(c, false);
	check(policy, policy_outbound, out, COUNT(out));
	check(policy, inbound, in, COUNT(in));
	policy_free(policy);

	p = probed("10.1.0.1 10.0.0.1 fd20::1", "10.1.0.2");
	policy = compile(c, false);
	check(policy, policy_outbound,
	    (const struct expectation[]){
		{ CLIENT_V4, "10.0.0.1", "tcp 80", PASS(1) },
		{ CLIENT_V6, "fd20::1", "udp 1", PASS(3) } },
	    2);
	policy_free(policy);
	grants_free(c);
}

/* It is named, as a filter's is. */
static void
named(void **state)
{
	struct probed p = probed("", "10.0.0.1");
	struct grants *c = new_client();
	struct uuid one = id(1), two = id(2);
	struct policy *policy;
	struct policy_decision d;
	struct packet packet;
	uint8_t data[2048];

	(void)state;
	grant_cidr(c, 1, "10.0.0.0/24", "");
	grant_cidr(c, 2, "10.0.0.0/8", "");
	grants_judge_by(c, &p);
	policy = compile(c, false);
	packet = make(data, CLIENT_V4, "10.0.0.7", "tcp 80");
	d = policy_outbound(policy, &packet);
	assert_int_equal(d.reason, REASON_WITHDRAWN);
	assert_true(uuid_equal(d.refused_by, &one));
	packet = make(data, CLIENT_V4, "10.2.0.7", "tcp 80");
	d = policy_outbound(policy, &packet);
	assert_int_equal(d.reason, REASON_WITHDRAWN);
	assert_true(uuid_equal(d.refused_by, &two));
	assert_true(grants_is_withdrawn(c, grants_find(c, &one)));
	policy_free(policy);
	p = probed("10.2.0.1", "10.0.0.1");
	assert_true(grants_is_withdrawn(c, grants_find(c, &one)));
	assert_false(grants_is_withdrawn(c, grants_find(c, &two)));
	grants_free(c);
}

/* A name stands for the server that is silent; the Internet has none. */
static void
names_and_the_internet(void **state)
{
	static const struct expectation out[] = {
		{ CLIENT_V4, "100.96.0.1", "tcp 80", WITHDRAWN },
		{ CLIENT_V4, "100.96.0.2", "tcp 80", PASS(1) },
		{ CLIENT_V4, "1.1.1.1", "tcp 80", PASS(2) },
	};
	struct probed p = probed("", "192.0.2.1 1.1.1.1");
	struct ip_address proxies[] = { ip("100.96.0.1"), ip("100.96.0.2") };
	struct ip_address reals[] = { ip("192.0.2.1"), ip("192.0.2.2") };
	const struct assignment a = {
		.resource = id(1),
		.domain = "x.example",
		.proxies = proxies,
		.proxy_count = 2,
		.addresses = reals,
		.address_count = 2,
	};
	const struct grant name = {
		.resource = id(1),
		.type = RESOURCE_DNS,
		.pattern = "*.example",
		.expires = MONO_NEVER,
	};
	const struct grant internet = {
		.resource = id(2),
		.type = RESOURCE_INTERNET,
		.expires = MONO_NEVER,
	};
	struct grants *c = new_client();
	struct assign_effect effect;
	struct policy *policy;

	(void)state;
	assert_int_equal(grants_add(c, &name), GRANT_NEW);
	assert_int_equal(grants_add(c, &internet), GRANT_NEW);
	assert_int_equal(grants_assign(c, &a, &effect), ASSIGN_DONE);
	grants_judge_by(c, &p);
	policy = compile(c, false);
	check(policy, policy_outbound, out, COUNT(out));
	policy_free(policy);
	grants_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(networks),
		cmocka_unit_test(hosts),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(named),
		cmocka_unit_test(names_and_the_internet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Scenarios (firezone-policy(7), SCENARIOS) that no other program has;
 * tests/scenarios.md says where the rest is.
 */
#include <sodium.h>

#include "common/log.h"
#include "common/plan.h"
#include "control-worker/dns_resources/peer_event.h"
#include "net-worker/core/policy/grants.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/packets.h"

#define ROUNDS    300
#define RULES_MAX 100

static struct uuid
id(uint8_t last)
{
	return (struct uuid){ { [15] = last } };
}

/* --- 14 to 17: random filters ----------------------------------------------
 */

struct rule_list {
	struct filter rules[RULES_MAX];
	size_t count;
};

/* Long ranges all over, or short ones next to each other. */
static struct rule_list
random_rules(struct dice *d)
{
	struct rule_list list = { .count = roll(d, RULES_MAX + 1) };
	uint32_t ports = roll(d, 2) == 0 ? 65536 : 4 * RULES_MAX;
	uint32_t longest = ports == 65536 ? 65536 : 4;

	for (size_t i = 0; i < list.count; i++) {
		uint32_t first = roll(d, ports);
		uint32_t last = first + roll(d, longest);

		list.rules[i] = (struct filter){
			.protocol = (uint8_t)(FILTER_TCP + roll(d, 3)),
			.first = (uint16_t)first,
			.last = last > 65535 ? 65535 : (uint16_t)last,
		};
	}
	return list;
}

static struct grants *
new_client(void)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &v6);

	assert_non_null(c);
	return c;
}

static void
grant_rules(struct grants *c, uint8_t resource, const char *network,
    struct rule_list *list)
{
	struct grant g = { .resource = id(resource),
		.type = RESOURCE_CIDR,
		.filters = list->rules,
		.filter_count = list->count,
		.expires = MONO_NEVER };

	assert_true(prefix_parse(network, &g.network));
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
}

static struct policy *
compile(const struct grants *c)
{
	struct ip_address v4 = ip("100.64.0.2"), v6 = ip("fd00:2021:1111::2");
	struct policy *p =
	    grants_compile(c, &v4, &v6, &site_networks_none, false);

	assert_non_null(p);
	return p;
}

static const char *
own_for(const char *to)
{
	return strchr(to, ':') == NULL ? "100.64.0.1" : "fd00:2021:1111::1";
}

static bool
permits(const struct policy *p, const char *to, const struct filter *what)
{
	struct ip_address from = ip(own_for(to)), there = ip(to);
	bool v4 = from.family == IP_V4;
	uint8_t data[128];
	struct packet packet;
	size_t len;

	if (what->protocol == FILTER_ICMP)
		len = build_icmp(
		    data, &from, &there, v4 ? 8 : 128, 0, 1, NULL, 0);
	else
		len = build_ports(data, &from, &there,
		    what->protocol == FILTER_TCP ? IPPROTO_TCP : IPPROTO_UDP,
		    1000, what->first);
	packet = parsed(data, len);
	return policy_outbound(p, &packet).verdict == VERDICT_PASS;
}

/* What the rule permits, as one packet; of an empty list, anything. */
static struct filter
drawn_from(struct dice *d, const struct rule_list *list)
{
	struct filter f = { .protocol = (uint8_t)(FILTER_TCP + roll(d, 3)),
		.first = (uint16_t)roll(d, 65536) };
	const struct filter *rule;

	if (list->count == 0)
		return f;
	rule = &list->rules[roll(d, (uint32_t)list->count)];
	f.protocol = rule->protocol;
	f.first = (uint16_t)(rule->first +
	    roll(d, (uint32_t)(rule->last - rule->first) + 1));
	return f;
}

static bool
covers(const struct rule_list *list, const struct filter *what)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct filter *f = &list->rules[i];

		if (f->protocol == what->protocol &&
		    (f->protocol == FILTER_ICMP ||
			(f->first <= what->first && what->first <= f->last)))
			return true;
	}
	return list->count == 0;
}

/* 14 and 16, for both families. */
static void
rules_permit_what_they_say(void **state)
{
	static const char *const networks[][2] = {
		{ "10.0.0.0/24", "10.0.0.77" },
		{ "2001:db8::/64", "2001:db8::77" },
	};
	struct dice d = dice_new();
	unsigned refused = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const char *const *n = networks[round % 2];
		struct rule_list list = random_rules(&d);
		struct grants *c = new_client();
		struct policy *p;

		grant_rules(c, 1, n[0], &list);
		p = compile(c);
		for (int i = 0; i < 100; i++) {
			struct filter f = drawn_from(&d, &list);

			assert_true(permits(p, n[1], &f));
			f.protocol = (uint8_t)(FILTER_TCP + roll(&d, 3));
			f.first = (uint16_t)(roll(&d, 2) == 0
				? roll(&d, 65536)
				: f.first + roll(&d, 9) - 4);
			assert_int_equal(
			    permits(p, n[1], &f), covers(&list, &f));
			refused += !covers(&list, &f);
		}
		policy_free(p);
		grants_free(c);
	}
	assert_true(refused > 0);
}

/* 15: any of up to ten resources on one network. */
static void
resources_add_up(void **state)
{
	static struct rule_list lists[10];
	struct dice d = dice_new();

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct grants *c = new_client();
		size_t count = 1 + roll(&d, 10);
		struct policy *p;

		for (size_t i = 0; i < count; i++) {
			lists[i] = random_rules(&d);
			grant_rules(c, (uint8_t)i, "10.0.0.0/24", &lists[i]);
		}
		p = compile(c);
		for (int i = 0; i < 100; i++) {
			const struct rule_list *list =
			    &lists[roll(&d, (uint32_t)count)];
			struct filter f = drawn_from(&d, list);

			assert_true(permits(p, "10.0.0.1", &f));
		}
		policy_free(p);
		grants_free(c);
	}
}

/* 17: one TCP port in the wide network, another in the narrow one. */
static void
subnets_come_and_go(void **state)
{
	struct dice d = dice_new();
	struct uuid narrow = id(2);

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t port = (uint16_t)roll(&d, 65536);
		struct rule_list a = { { { FILTER_TCP, port, port } }, 1 };
		struct rule_list b = a;
		struct grants *c = new_client();
		struct policy *p;

		b.rules[0].first = b.rules[0].last =
		    (uint16_t)(port ^ (1 + roll(&d, 65535)));
		grant_rules(c, 1, "10.0.0.0/8", &a);
		grant_rules(c, 2, "10.0.0.0/24", &b);
		p = compile(c);
		assert_true(permits(p, "10.0.0.1", &a.rules[0]));
		assert_true(permits(p, "10.0.0.1", &b.rules[0]));
		assert_false(permits(p, "10.0.1.1", &b.rules[0]));
		policy_free(p);
		assert_true(grants_revoke(c, &narrow));
		p = compile(c);
		assert_true(permits(p, "10.0.0.1", &a.rules[0]));
		assert_false(permits(p, "10.0.0.1", &b.rules[0]));
		policy_free(p);
		grants_free(c);
	}
}

/* 18, and each edge. */
static void
ranges(void **state)
{
	static const struct {
		const char *ip;
		bool tunnel, proxy;
	} table[] = {
		{ "100.63.255.255", false, false },
		{ "100.64.0.0", true, false },
		{ "100.64.0.3", true, false },
		{ "100.95.255.255", true, false },
		{ "100.96.0.0", false, true },
		{ "100.96.0.1", false, true },
		{ "100.127.255.255", false, true },
		{ "100.128.0.0", false, false },
		{ "fd00:2021:1110:ffff:ffff:ffff:ffff:ffff", false, false },
		{ "fd00:2021:1111::", true, false },
		{ "fd00:2021:1111::3", true, false },
		{ "fd00:2021:1111::1f:ffff", true, false },
		{ "fd00:2021:1111::20:0", false, false },
		{ "fd00:2021:1111:7fff:ffff:ffff:ffff:ffff", false, false },
		{ "fd00:2021:1111:8000::", false, true },
		{ "fd00:2021:1111:8000::1", false, true },
		{ "fd00:2021:1111:8000::1f:ffff", false, true },
		{ "fd00:2021:1111:8000::20:0", false, false },
		/* The sentinel of DNS is in the range of IPv4 only. */
		{ "100.100.111.1", false, true },
		{ "fd00:2021:1111:8000:100:100:111:1", false, false },
		{ "ff02::16", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_address a = ip(table[i].ip);

		if (ip_in_tunnel_range(&a) != table[i].tunnel ||
		    ip_in_proxy_range(&a) != table[i].proxy)
			fail_msg("%s", table[i].ip);
	}
}

/* --- 30: control packets ----------------------------------------------------
 */

#define LABEL_63 \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define LONGEST                   \
	LABEL_63                  \
	"." LABEL_63 "." LABEL_63 \
	".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"
#define ASSIGNMENT                                                          \
	"{\"resource\":\"00000000-0000-0000-0000-000000000065\",\"domain\"" \
	":\"" LONGEST "\",\"proxy_ips\":["
#define FOUR(address) \
	"\"" address "\",\"" address "\",\"" address "\",\"" address "\""

/* The longest name with the shortest and the longest addresses. */
static void
longest_assignments(void **state)
{
	static const struct {
		const char *json;
		size_t length;
	} table[] = {
		{ ASSIGNMENT FOUR("127.0.0.1") "," FOUR("::1") "]}", 402 },
		{ ASSIGNMENT FOUR("100.127.255.254") "," FOUR(
		      "fd00:2021:1111:8000:ffff:ffff:ffff:ffff") "]}",
		    570 },
	};
	static struct assigned_ips ips;
	char *status;

	(void)state;
	assert_int_equal(strlen(LONGEST), 253);
	for (size_t i = 0; i < 2; i++) {
		size_t len = strlen(table[i].json);

		assert_int_equal(len, table[i].length);
		assert_true(assigned_ips_parse(table[i].json, len, &ips));
		assert_string_equal(ips.names.domain, LONGEST);
		assert_int_equal(ips.names.proxy_count, 8);
		while (len-- > 0)
			assert_false(
			    assigned_ips_parse(table[i].json, len, &ips));
		assert_true(
		    assigned_ips_parse(table[i].json, table[i].length, &ips));
		/* And the answer fits into a packet. */
		status = domain_status(&ips, false);
		assert_non_null(status);
		assert_true(strlen(status) < CONTROL_PAYLOAD_MAX);
		free(status);
	}
}

/* --- 32: who has which address ---------------------------------------------
 */

static void
authorize_at(struct rig *r, uint8_t client, const char *v4, const char *v6,
    uint8_t resource, const char *network)
{
	struct ipc_authorization a = authorization(r);

	a.serial = 8;
	a.client.bytes[0] = client;
	a.client_v4 = ip(v4);
	a.client_v6 = ip(v6);
	a.resource.bytes[0] = resource;
	assert_true(prefix_parse(network, &a.network));
	if (client != 0xc1) {
		struct noise_identity other;

		assert_true(noise_identity_generate(&other));
		memcpy(a.public_key, other.public_key, sizeof(a.public_key));
	}
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
}

/* Whether a reply of 10.20.0.9 leaves for anyone. */
static bool
delivered(struct rig *r, const char *to)
{
	size_t before = r->udp_count;
	uint8_t reply[40];
	size_t len = tcp_packet(reply, "10.20.0.9:80", to);

	from_tun(r, reply, len);
	return r->udp_count > before;
}

/* All that was granted to the old ones goes with them: 2.1. */
static void
new_addresses_are_a_new_client(void **state)
{
	struct rig *r = *state;

	connected(r);
	assert_true(delivered(r, "100.64.0.2:1000"));
	authorize_at(
	    r, 0xc1, "100.64.0.5", "fd00:2021:1111::5", 0x43, "10.30.0.0/24");
	assert_int_equal(r->page.engine.clients, 1);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	assert_false(delivered(r, "100.64.0.2:1000"));
	client_sends(r, "100.64.0.5:1000", "10.30.0.9:80");
	assert_int_equal(r->tun_count, 1);
	client_sends(r, "100.64.0.5:1000", "10.20.0.9:80");
	client_sends(r, "100.64.0.2:1000", "10.30.0.9:80");
	assert_int_equal(r->tun_count, 1);
	/* The same ones again change nothing, but the network is kept. */
	authorize_at(
	    r, 0xc1, "100.64.0.5", "fd00:2021:1111::5", 0x44, "10.20.0.0/24");
	assert_true(delivered(r, "100.64.0.5:1000"));
	client_sends(r, "100.64.0.5:1000", "10.20.0.9:80");
	client_sends(r, "100.64.0.5:1000", "10.30.0.9:80");
	assert_int_equal(r->tun_count, 3);
}

/* Of two that claim an address the newer one has it, and the older nothing. */
static void
the_newer_client_has_the_address(void **state)
{
	struct rig *r = *state;

	connected(r);
	authorize_at(
	    r, 0xc2, "100.64.0.2", "fd00:2021:1111::9", 0x42, "10.20.0.0/24");
	assert_int_equal(r->page.engine.clients, 1);
	/* It is not connected; nothing goes to the other one instead. */
	assert_false(delivered(r, "100.64.0.2:1000"));
	client_sends(r, "100.64.0.2:1000", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define RIG(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		cmocka_unit_test(rules_permit_what_they_say),
		cmocka_unit_test(resources_add_up),
		cmocka_unit_test(subnets_come_and_go),
		cmocka_unit_test(ranges),
		cmocka_unit_test(longest_assignments),
		RIG(new_addresses_are_a_new_client),
		RIG(the_newer_client_has_the_address),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A client with grants, its compiled policy, and packets as text, for the tables
 * of what passes.
 */
#ifndef TESTS_LIB_POLICY_H
#define TESTS_LIB_POLICY_H

#include "tests/lib/packets.h"

#include "net-worker/core/policy/grants.h"

#define CLIENT_V4  "100.64.0.1"
#define CLIENT_V6  "fd00:2021:1111::1"
#define GATEWAY_V4 "100.64.0.2"
#define GATEWAY_V6 "fd00:2021:1111::2"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct uuid
id(uint8_t last)
{
	return (struct uuid){ { [15] = last } };
}

static inline struct grants *
new_client(void)
{
	struct ip_address v4 = ip(CLIENT_V4), v6 = ip(CLIENT_V6);
	struct uuid client = id(200);
	struct grants *c = grants_new(&client, &v4, &v6);

	assert_non_null(c);
	return c;
}

static inline struct policy *
compile_at_site(
    const struct grants *c, const struct site_networks *site, bool expose_host)
{
	struct ip_address v4 = ip(GATEWAY_V4), v6 = ip(GATEWAY_V6);
	struct policy *p = grants_compile(c, &v4, &v6, site, expose_host);

	assert_non_null(p);
	return p;
}

static inline struct policy *
compile(const struct grants *c, bool expose_host)
{
	return compile_at_site(c, &site_networks_none, expose_host);
}

/* Both halves of the way in, as if NAT had nothing to say. */
static inline struct policy_decision
inbound(const struct policy *p, const struct packet *packet)
{
	struct policy_decision d = policy_arrival(p, packet);

	return d.verdict == VERDICT_PASS ? policy_inbound(p, packet, false) : d;
}

/* Rules such as "tcp 80-90 udp 53 icmp", at most four. */
static inline size_t
parse_filters(const char *text, struct filter *to)
{
	unsigned first, last;
	char name[8];
	size_t n = 0;
	int taken;

	while (sscanf(text, " %7[a-z]%n", name, &taken) == 1) {
		text += taken;
		first = 0;
		last = 65535;
		if (sscanf(text, " %u-%u%n", &first, &last, &taken) == 2)
			text += taken;
		else if (sscanf(text, " %u%n", &first, &taken) == 1) {
			last = first;
			text += taken;
		}
		to[n].protocol = strcmp(name, "tcp") == 0 ? FILTER_TCP
		    : strcmp(name, "udp") == 0            ? FILTER_UDP
		    : strcmp(name, "icmp") == 0           ? FILTER_ICMP
							  : 99;
		to[n].first = (uint16_t)first;
		to[n++].last = (uint16_t)last;
	}
	return n;
}

static inline void
grant_cidr(struct grants *c, uint8_t resource, const char *network,
    const char *filters)
{
	struct filter list[4];
	struct grant g = { .resource = id(resource), .type = RESOURCE_CIDR };

	assert_true(prefix_parse(network, &g.network));
	g.filters = list;
	g.filter_count = parse_filters(filters, list);
	g.expires = MONO_NEVER;
	assert_int_equal(grants_add(c, &g), GRANT_NEW);
}

/*
 * A packet as text: "tcp 80" and "udp 53" have the source port 1000; "ping",
 * "error" (quoting UDP to where it is from, port 2 or another), "error about"
 * another address, "alien" (an error quoting another client's UDP), "broken"
 * (an error quoting nothing), "timestamp", "gre".
 */
static inline struct packet
make(uint8_t *data, const char *from, const char *to, const char *what)
{
	struct ip_address a = ip(from), b = ip(to), c;
	char text[64];
	bool v4 = a.family == IP_V4;
	uint8_t quote[64];
	unsigned port;
	size_t len = 0;

	if (sscanf(what, "tcp %u", &port) == 1)
		len = build_ports(data, &a, &b, 6, 1000, (uint16_t)port);
	else if (sscanf(what, "udp %u", &port) == 1)
		len = build_ports(data, &a, &b, 17, 1000, (uint16_t)port);
	else if (sscanf(what, "from tcp %u", &port) == 1)
		len = build_ports(data, &a, &b, 6, (uint16_t)port, 1000);
	else if (sscanf(what, "from udp %u", &port) == 1)
		len = build_ports(data, &a, &b, 17, (uint16_t)port, 1000);
	else if (strcmp(what, "ping") == 0)
		len = build_icmp(data, &a, &b, v4 ? 8 : 128, 0, 1, NULL, 0);
	else if (strcmp(what, "pong") == 0)
		len = build_icmp(data, &a, &b, v4 ? 0 : 129, 0, 1, NULL, 0);
	else if (strcmp(what, "error") == 0)
		len = build_icmp(data, &a, &b, v4 ? 3 : 1, 1, 0, quote,
		    build_ports(quote, &b, &a, 17, 1, 2));
	else if (sscanf(what, "error about %63s", text) == 1) {
		c = ip(text);
		len = build_icmp(data, &a, &b, v4 ? 11 : 3, 0, 0, quote,
		    build_ports(quote, &b, &c, 17, 1, 2));
	} else if (strcmp(what, "alien") == 0) {
		c = ip(v4 ? "100.64.0.3" : "fd00:2021:1111::3");
		len = build_icmp(data, &a, &b, v4 ? 3 : 1, 1, 0, quote,
		    build_ports(quote, &c, &a, 17, 1, 2));
	} else if (sscanf(what, "error %u", &port) == 1)
		len = build_icmp(data, &a, &b, v4 ? 3 : 1, 1, 0, quote,
		    build_ports(quote, &b, &a, 17, 1, (uint16_t)port));
	else if (strcmp(what, "broken") == 0)
		len = build_icmp(data, &a, &b, v4 ? 3 : 1, 1, 0, NULL, 0);
	else if (strcmp(what, "timestamp") == 0)
		len = build_icmp(data, &a, &b, v4 ? 13 : 200, 0, 1, NULL, 0);
	else if (strcmp(what, "gre") == 0)
		len = build_ip(data, &a, &b, 47, "abcd", 4);
	else
		fail_msg("%s?", what);
	return parsed(data, len);
}

struct expectation {
	const char *from, *to, *what;
	enum verdict verdict;
	enum policy_reason reason;
	uint8_t resource; /* 0: none */
};

typedef struct policy_decision judge(
    const struct policy *, const struct packet *);

/* What an operator is told agrees with the verdict, however little room. */
static inline void
check_explained(const struct policy *p, const struct packet *packet,
    const struct policy_decision *d)
{
	struct policy_route routes[32], one;
	size_t count = policy_explain(p, packet, routes, COUNT(routes));
	size_t first = 0;

	assert_true(count <= COUNT(routes));
	assert_int_equal(policy_explain(p, packet, NULL, 0), count);
	if (count > 0) {
		assert_int_equal(policy_explain(p, packet, &one, 1), count);
		assert_true(uuid_equal(&one.resource, &routes[0].resource));
	}
	for (size_t i = 0; i < count; i++)
		assert_true(
		    prefix_contains(&routes[i].network, &packet->destination));
	while (first < count && !routes[first].permits)
		first++;
	if (d->reason == REASON_FILTER) {
		assert_true(count > 0 && first == count);
		assert_true(uuid_equal(d->refused_by, &routes[0].resource));
	} else if (d->reason == REASON_NO_ROUTE) {
		assert_int_equal(count, 0);
	} else if (d->reason == REASON_REJECTED_RANGE) {
		assert_true(count == 1 && first == count);
	} else if (d->verdict == VERDICT_PASS && first < count) {
		assert_true(uuid_equal(&d->resource, &routes[first].resource));
	}
}

static inline void
check(const struct policy *p, judge *judged_by, const struct expectation *e,
    size_t count)
{
	uint8_t data[2048];

	for (size_t i = 0; i < count; i++, e++) {
		struct packet packet = make(data, e->from, e->to, e->what);
		struct policy_decision d = judged_by(p, &packet);
		struct uuid resource = id(e->resource);

		if (d.verdict != e->verdict || d.reason != e->reason ||
		    !uuid_equal(&d.resource, &resource))
			fail_msg("%s to %s %s: verdict %d, %s, resource %u",
			    e->from, e->to, e->what, d.verdict,
			    policy_reason_name(d.reason), d.resource.bytes[15]);
		if (judged_by == policy_outbound)
			check_explained(p, &packet, &d);
	}
}

#define PASS(resource)      VERDICT_PASS, REASON_NONE, resource
#define PROHIBITED(reason)  VERDICT_PROHIBITED, REASON_##reason, 0
#define UNREACHABLE(reason) VERDICT_UNREACHABLE, REASON_##reason, 0
#define DROP(reason)        VERDICT_DROP, REASON_##reason, 0

#endif /* TESTS_LIB_POLICY_H */

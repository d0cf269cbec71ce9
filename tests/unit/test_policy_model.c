/*
 * The compiled policy against a model of it: the sentences of spec/policy.md
 * 3, 4 and 5 over plain lists, bit by bit, sharing no code with the real one.
 */
#include "packets.h"

#include "net-worker/core/policy/client.h"

#define WORLDS            400
#define PACKETS           500
#define GRANTS_MAX        14
#define FILTERS_PER_GRANT 4

struct world {
	struct grant grants[GRANTS_MAX];
	struct filter filters[GRANTS_MAX][FILTERS_PER_GRANT];
	size_t count;
	bool expose_host;
	struct ip_address client[2], gateway[2];
};

static bool
same_bits(const struct ip_address *a, const struct ip_address *b, int bits)
{
	if (a->family != b->family)
		return false;
	for (int i = 0; i < bits; i++)
		if (((a->bytes[i / 8] ^ b->bytes[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

static bool
within(const struct ip_address *a, const char *v4, int v4_bits, const char *v6,
    int v6_bits)
{
	struct ip_address network = ip(a->family == IP_V4 ? v4 : v6);

	return same_bits(a, &network, a->family == IP_V4 ? v4_bits : v6_bits);
}

static bool
one_of(const struct ip_address *a, const struct ip_address two[2])
{
	return same_bits(a, &two[0], 32) || same_bits(a, &two[1], 128);
}

/* 5.2: an empty list permits everything, else a rule must permit it. */
static bool
permits(const struct grant *g, const struct packet *p, uint16_t port)
{
	bool icmp =
	    p->protocol == IPPROTO_ICMP || p->protocol == IPPROTO_ICMPV6;

	for (size_t i = 0; i < g->filter_count; i++) {
		const struct filter *f = &g->filters[i];
		bool in_range = f->first <= port && port <= f->last;

		if ((f->protocol == FILTER_ICMP && icmp) ||
		    (f->protocol == FILTER_TCP && p->protocol == IPPROTO_TCP &&
			in_range) ||
		    (f->protocol == FILTER_UDP && p->protocol == IPPROTO_UDP &&
			in_range))
			return true;
	}
	return g->filter_count == 0;
}

/* 5.4: permitting, then longer, then higher. */
static bool
better(const struct grant *a, const struct grant *b, const struct packet *p,
    uint16_t port)
{
	if (permits(a, p, port) != permits(b, p, port))
		return permits(a, p, port);
	if (a->network.length != b->network.length)
		return a->network.length > b->network.length;
	return memcmp(a->resource.bytes, b->resource.bytes, 16) > 0;
}

static const struct grant *
best(const struct world *w, const struct ip_address *far,
    const struct packet *p, uint16_t port)
{
	const struct grant *found = NULL;

	for (size_t i = 0; i < w->count; i++) {
		const struct grant *g = &w->grants[i];

		if (g->type == RESOURCE_CIDR &&
		    same_bits(&g->network.ip, far, g->network.length) &&
		    (found == NULL || better(g, found, p, port)))
			found = g;
	}
	return found;
}

static struct policy_decision
decision(enum verdict verdict, enum policy_reason reason)
{
	return (struct policy_decision){ verdict, reason, { { 0 } } };
}

static struct policy_decision
model_route(const struct world *w, const struct ip_address *far,
    const struct packet *p, uint16_t port, enum verdict no)
{
	const struct grant *g = best(w, far, p, port);
	struct policy_decision d = decision(VERDICT_PASS, REASON_NONE);

	if (g == NULL)
		return decision(no, REASON_NO_ROUTE);
	if (!permits(g, p, port))
		return decision(no, REASON_FILTER);
	d.resource = g->resource;
	return d;
}

static bool
in_tunnel(const struct ip_address *a)
{
	return within(a, "100.64.0.0", 11, "fd00:2021:1111::", 107);
}

static bool
in_proxies(const struct ip_address *a)
{
	return within(a, "100.96.0.0", 11, "fd00:2021:1111:8000::", 107);
}

/* 3, steps 2 and 6 to 12 */
static struct policy_decision
model_outbound(const struct world *w, const struct packet *p)
{
	const struct ip_address *to = &p->destination;
	bool dns = (p->kind == PACKET_TCP || p->kind == PACKET_UDP) &&
	    p->destination_port == 53535;
	struct policy_decision d;

	if (within(to, "224.0.0.0", 4, "ff00::", 8))
		return decision(VERDICT_DROP, REASON_MULTICAST);
	if (p->kind == PACKET_ICMP_ERROR)
		return decision(VERDICT_DROP, REASON_ICMP_ERROR);
	if (!one_of(&p->source, w->client))
		return decision(VERDICT_PROHIBITED, REASON_SOURCE);
	if (one_of(to, w->gateway))
		return w->expose_host || dns || p->kind == PACKET_ICMP_ECHO
		    ? decision(VERDICT_PASS, REASON_NONE)
		    : decision(VERDICT_PROHIBITED, REASON_GATEWAY);
	if (in_tunnel(to))
		return decision(VERDICT_PROHIBITED, REASON_TUNNEL_RANGE);
	d = model_route(w, to, p, p->destination_port, VERDICT_PROHIBITED);
	if (d.verdict == VERDICT_PASS && in_proxies(to))
		return decision(VERDICT_UNREACHABLE, REASON_NO_TRANSLATION);
	return d;
}

/* 4, steps 2 and 4 to 8 */
static struct policy_decision
model_inbound(const struct world *w, const struct packet *p)
{
	const struct ip_address *from = &p->source;

	if (!in_tunnel(&p->destination) || !one_of(&p->destination, w->client))
		return decision(VERDICT_DROP, REASON_NOT_A_PEER);
	if (one_of(from, w->gateway))
		return decision(VERDICT_PASS, REASON_NONE);
	if (p->kind == PACKET_OTHER || p->kind == PACKET_ICMP_OTHER)
		return decision(VERDICT_DROP, REASON_INBOUND_KIND);
	if (in_tunnel(from))
		return decision(VERDICT_DROP, REASON_TUNNEL_RANGE);
	if (p->kind == PACKET_ICMP_ERROR)
		return decision(VERDICT_PASS, REASON_NONE);
	if (in_proxies(from))
		return decision(VERDICT_DROP, REASON_NO_TRANSLATION);
	return model_route(w, from, p, p->source_port, VERDICT_DROP);
}

static uint16_t
any_port(struct dice *d)
{
	static const uint16_t ports[] = { 0, 1, 2, 79, 80, 81, 82, 53534, 53535,
		53536, 65534, 65535 };

	if (roll(d, 8) == 0)
		return (uint16_t)roll(d, 65536);
	return ports[roll(d, sizeof(ports) / sizeof(ports[0]))];
}

/* Crowded: a few bits decide, so that networks nest and neighbour. */
static struct ip_address
any_address(struct dice *d, bool v6)
{
	static const char *const v4_bases[] = { "10.0.0.0", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.95.255.255", "100.96.0.0",
		"224.0.0.0", "0.0.0.0" };
	static const char *const v6_bases[] = { "2001:db8::", "2001:db8::",
		"2001:db8::ffff:ffff", "fd00:2021:1111::",
		"fd00:2021:1111:8000::", "ff02::", "::", "a00::" };
	struct ip_address a =
	    ip(v6 ? v6_bases[roll(d, 8)] : v4_bases[roll(d, 8)]);
	uint32_t bits = v6 ? 128 : 32;

	for (uint32_t n = roll(d, 4); n > 0; n--) {
		uint32_t bit =
		    roll(d, 3) == 0 ? roll(d, bits) : bits - 1 - roll(d, 4);

		a.bytes[bit / 8] ^= (uint8_t)(0x80u >> (bit % 8));
	}
	return a;
}

static struct ip_prefix
any_network(struct dice *d)
{
	bool v6 = roll(d, 3) == 0;
	uint32_t bits = v6 ? 128 : 32;
	struct ip_prefix p = { any_address(d, v6), 0 };

	switch (roll(d, 4)) {
	case 0:
		p.length = (uint8_t)roll(d, bits + 1);
		break;
	case 1:
		p.length = (uint8_t)(8 * roll(d, bits / 8 + 1));
		break;
	default:
		p.length = (uint8_t)(bits - roll(d, 6));
		break;
	}
	for (uint32_t bit = p.length; bit < bits; bit++)
		p.ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return p;
}

static void
any_grant(struct dice *d, struct world *w, size_t i)
{
	struct grant *g = &w->grants[i];

	memset(g, 0, sizeof(*g));
	for (size_t k = 0; k < 16; k++)
		g->resource.bytes[k] = (uint8_t)roll(d, k == 0 ? 4 : 256);
	g->type = roll(d, 10) == 0 ? RESOURCE_INTERNET
	    : roll(d, 10) == 0     ? RESOURCE_DNS
				   : RESOURCE_CIDR;
	g->network = i > 0 && roll(d, 3) == 0
	    ? w->grants[roll(d, (uint32_t)i)].network
	    : any_network(d);
	if (g->network.ip.family == IP_NONE)
		g->network = any_network(d);
	g->filters = w->filters[i];
	g->filter_count = roll(d, FILTERS_PER_GRANT + 1);
	for (size_t k = 0; k < g->filter_count; k++)
		g->filters[k] = (struct filter){
			(uint8_t)(roll(d, 12) == 0 ? 0 : 1 + roll(d, 3)),
			any_port(d), any_port(d)
		};
	g->expires = MONO_NEVER;
}

static void
any_world(struct dice *d, struct world *w)
{
	w->client[0] = ip("100.64.0.1");
	w->client[1] = ip("fd00:2021:1111::1");
	w->gateway[0] = ip("100.64.0.2");
	w->gateway[1] = ip("fd00:2021:1111::2");
	w->expose_host = roll(d, 4) == 0;
	w->count = roll(d, GRANTS_MAX + 1);
	for (size_t i = 0; i < w->count; i++)
		any_grant(d, w, i);
}

static struct policy *
compile(const struct world *w)
{
	struct uuid id = { { 1 } };
	struct client *c = client_new(&id, &w->client[0], &w->client[1]);
	struct policy *p;

	assert_non_null(c);
	for (size_t i = 0; i < w->count; i++)
		assert_int_equal(client_grant(c, &w->grants[i]), GRANT_NEW);
	p = client_compile(c, &w->gateway[0], &w->gateway[1], w->expose_host);
	assert_non_null(p);
	client_free(c); /* the policy stands on its own */
	return p;
}

/* One end is the client, mostly; the other near a grant, mostly. */
static struct ip_address
far_end(struct dice *d, const struct world *w, bool v6)
{
	const struct grant *g;
	struct ip_address a;
	uint32_t bits = v6 ? 128 : 32;

	if (roll(d, 16) == 0)
		return w->gateway[v6];
	if (w->count == 0 || roll(d, 4) == 0)
		return any_address(d, v6);
	g = &w->grants[roll(d, (uint32_t)w->count)];
	if (g->network.ip.family != (v6 ? IP_V6 : IP_V4))
		return any_address(d, v6);
	a = g->network.ip;
	for (uint32_t bit = g->network.length; bit < bits; bit++)
		if (roll(d, 2) == 0)
			a.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	if (g->network.length > 0 && roll(d, 8) == 0)
		a.bytes[(g->network.length - 1) / 8] ^=
		    (uint8_t)(0x80u >> ((g->network.length - 1) % 8));
	return a;
}

static size_t
any_packet(struct dice *d, uint8_t *data, const struct ip_address *from,
    const struct ip_address *to)
{
	bool v4 = from->family == IP_V4;
	uint8_t quote[64];

	switch (roll(d, 10)) {
	case 0:
		return build_ip(data, from, to, 47, "abcd", 4);
	case 1:
		return build_icmp(
		    data, from, to, v4 ? 8 : 128, 0, roll(d, 9), NULL, 0);
	case 2:
		return build_icmp(data, from, to, v4 ? 13 : 200, 0, 0, NULL, 0);
	case 3:
		return build_icmp(data, from, to, v4 ? 3 : 1, 0, 0, quote,
		    build_ports(quote, to, from, 17, 1, 2));
	case 4:
	case 5:
	case 6:
		return build_ports(
		    data, from, to, IPPROTO_UDP, any_port(d), any_port(d));
	default:
		return build_ports(
		    data, from, to, IPPROTO_TCP, any_port(d), any_port(d));
	}
}

static void
compare(const struct policy_decision *real, const struct policy_decision *model)
{
	assert_int_equal(real->verdict, model->verdict);
	assert_int_equal(real->reason, model->reason);
	assert_true(uuid_equal(&real->resource, &model->resource));
}

static void
agrees_with_the_model(void **state)
{
	struct dice d = dice_new();
	unsigned seen[REASON_COUNT] = { 0 };
	uint8_t data[2048];

	(void)state;
	for (int i = 0; i < WORLDS; i++) {
		struct world w;
		struct policy *policy;

		any_world(&d, &w);
		policy = compile(&w);
		for (int k = 0; k < PACKETS; k++) {
			bool v6 = roll(&d, 3) == 0, out = roll(&d, 2) == 0;
			struct ip_address far = far_end(&d, &w, v6);
			struct ip_address near = roll(&d, 16) == 0
			    ? any_address(&d, v6)
			    : w.client[v6];
			struct packet p = parsed(data,
			    any_packet(&d, data, out ? &near : &far,
				out ? &far : &near));
			struct policy_decision real = out
			    ? policy_outbound(policy, &p)
			    : policy_inbound(policy, &p);
			struct policy_decision model = out
			    ? model_outbound(&w, &p)
			    : model_inbound(&w, &p);

			compare(&real, &model);
			seen[real.reason]++;
		}
		policy_free(policy);
	}
	/* The dice are no good if they leave anything out. */
	for (int i = 0; i < REASON_COUNT; i++)
		if (i != REASON_SOURCE_ROUTE && i != REASON_REJECTED_RANGE)
			assert_true(seen[i] > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

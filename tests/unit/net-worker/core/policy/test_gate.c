/*
 * One client's gate: scenarios of firezone-policy(7), Policy scenarios; answers
 * byte for byte, their limit, and what becomes of ICMP errors. tests/model says
 * the rest.
 */
#include <netinet/in.h>

#include "tests/lib/packets.h"

#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/gate.h"

#define CLIENT_V4  "100.64.0.1"
#define CLIENT_V6  "fd00:2021:1111::1"
#define GATEWAY_V4 "100.64.0.2"
#define GATEWAY_V6 "fd00:2021:1111::2"
#define PROXY_V4   "100.96.0.1"
#define PROXY_V6   "fd00:2021:1111:8000::1"

struct world {
	struct grants *client;
	struct gate gate;
	struct mono now;
	uint8_t data[2048], scratch[GATE_SCRATCH];
	struct packet packet;
	struct gate_result result; /* of the last packet */
};

static struct uuid
id(uint8_t last)
{
	return (struct uuid){ { [15] = last } };
}

static int
set_up(void **state)
{
	static struct world world;
	struct ip_address v4 = ip(CLIENT_V4), v6 = ip(CLIENT_V6);
	struct uuid client = id(200);
	struct world *w = &world;

	memset(w, 0, sizeof(*w));
	w->now = (struct mono){ 5000000000 };
	w->client = grants_new(&client, &v4, &v6);
	w->gate.nat = nat_new();
	assert_non_null(w->client);
	assert_non_null(w->gate.nat);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	grants_free(w->client);
	policy_free(w->gate.policy);
	nat_free(w->gate.nat);
	return 0;
}

static void
enforce(struct world *w)
{
	struct ip_address v4 = ip(GATEWAY_V4), v6 = ip(GATEWAY_V6);

	struct policy *policy =
	    grants_compile(w->client, &v4, &v6, &site_networks_none, false);

	assert_non_null(policy);
	policy_free(gate_enforce(&w->gate, w->now, policy));
}

static void
grant(struct world *w, uint8_t resource, enum resource_type type,
    const char *what, uint8_t protocol, uint16_t first, uint16_t last)
{
	struct filter filter = { protocol, first, last };
	struct grant g = {
		.resource = id(resource),
		.type = type,
		.filters = &filter,
		.filter_count = protocol != 0,
		.expires = MONO_NEVER,
	};

	if (type == RESOURCE_CIDR)
		assert_true(prefix_parse(what, &g.network));
	else
		strlcpy(g.pattern, what, sizeof(g.pattern));
	assert_true(grants_add(w->client, &g) <= GRANT_UPDATED);
	enforce(w);
}

static void
assign(struct world *w, uint8_t resource, const char *domain, const char *proxy,
    const char *address)
{
	struct ip_address p = ip(proxy), a = ip(address);
	struct assignment assignment = {
		.resource = id(resource),
		.domain = domain,
		.proxies = &p,
		.proxy_count = 1,
		.addresses = &a,
		.address_count = 1,
	};
	struct assign_effect effect;

	assert_int_equal(
	    grants_assign(w->client, &assignment, &effect), ASSIGN_DONE);
	if (effect.renumbered)
		nat_forget(w->gate.nat);
	enforce(w);
}

static const char *
source_for(const char *to)
{
	return strchr(to, ':') == NULL ? CLIENT_V4 : CLIENT_V6;
}

/* What is said without sending it is what becomes of it, but for want of room.
 */
static void
check_tried(const struct gate_result *tried, const struct gate_result *sent)
{
	if (sent->answer_limited || sent->reason == REASON_NAT_TOO_LONG ||
	    sent->reason == REASON_NAT_EXHAUSTED)
		return;
	assert_int_equal(tried->verdict, sent->verdict);
	assert_int_equal(tried->reason, sent->reason);
	assert_true(
	    uuid_equal(&tried->decision.resource, &sent->decision.resource));
	assert_true(ip_equal(&tried->decision.real, &sent->decision.real));
	assert_ptr_equal(tried->decision.refused_by, sent->decision.refused_by);
}

static enum gate_verdict
sent(struct world *w, size_t len)
{
	struct gate_result tried;

	w->packet = parsed(w->data, len);
	tried = gate_try_outbound(&w->gate, &w->packet);
	w->result = gate_outbound(&w->gate, w->now, &w->packet, w->scratch);
	check_tried(&tried, &w->result);
	return w->result.verdict;
}

static enum gate_verdict
came(struct world *w, size_t len)
{
	w->packet = parsed(w->data, len);
	w->result = gate_inbound(&w->gate, w->now, &w->packet, w->scratch);
	return w->result.verdict;
}

static enum gate_verdict
out(struct world *w, const char *to, uint8_t protocol, uint16_t port)
{
	struct ip_address a = ip(source_for(to)), b = ip(to);

	return sent(w, build_ports(w->data, &a, &b, protocol, 1000, port));
}

static enum gate_verdict
in(struct world *w, const char *from, uint8_t protocol, uint16_t port,
    uint16_t to_port)
{
	struct ip_address a = ip(from), b = ip(source_for(from));

	return came(w, build_ports(w->data, &a, &b, protocol, port, to_port));
}

/* Of the packet that goes on. */
static void
goes(const struct world *w, const char *from, const char *to)
{
	struct ip_address a = ip(from), b = ip(to);
	struct packet p;

	assert_int_equal(w->result.verdict, GATE_PASS);
	assert_int_equal(
	    packet_parse(w->result.data, w->result.length, &p), PACKET_OK);
	assert_true(ip_equal(&p.source, &a));
	assert_true(ip_equal(&p.destination, &b));
}

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

/* 11.1, 1 and 2: what ends when is the engine's; the gate obeys at once. */
static void
two_resources_on_one_network(void **state)
{
	struct world *w = *state;
	struct uuid first = id(1), second = id(2);

	grant(w, 1, RESOURCE_CIDR, "10.0.0.0/24", FILTER_TCP, 20, 100);
	grant(w, 2, RESOURCE_CIDR, "10.0.0.0/24", FILTER_UDP, 20, 100);
	assert_int_equal(out(w, "10.0.0.1", TCP, 20), GATE_PASS);
	assert_true(uuid_equal(&w->result.decision.resource, &first));
	assert_int_equal(out(w, "10.0.0.1", UDP, 100), GATE_PASS);
	assert_true(uuid_equal(&w->result.decision.resource, &second));
	grants_revoke(w->client, &first);
	enforce(w);
	assert_int_equal(out(w, "10.0.0.1", TCP, 20), GATE_ANSWER);
	assert_int_equal(out(w, "10.0.0.1", UDP, 20), GATE_PASS);
}

/* The former policy goes back to who is to free it. */
static void
a_new_policy_counts_at_once(void **state)
{
	struct world *w = *state;
	struct ip_address v4 = ip(GATEWAY_V4), v6 = ip(GATEWAY_V6);
	struct uuid resource = id(1);
	struct policy *open, *closed;

	grant(w, 1, RESOURCE_CIDR, "10.0.0.0/24", 0, 0, 0);
	open = w->gate.policy;
	assert_int_equal(out(w, "10.0.0.1", TCP, 20), GATE_PASS);
	grants_revoke(w->client, &resource);
	closed = grants_compile(
	    w->client, &v4, &v6, &site_networks_none, false);
	assert_non_null(closed);
	assert_true(gate_enforce(&w->gate, w->now, closed) == open);
	assert_int_equal(out(w, "10.0.0.1", TCP, 20), GATE_ANSWER);
	assert_true(gate_enforce(&w->gate, w->now, open) == closed);
	assert_int_equal(out(w, "10.0.0.1", TCP, 20), GATE_PASS);
	policy_free(closed);
}

/* 3. */
static void
the_gateways_own_address(void **state)
{
	struct world *w = *state;

	enforce(w);
	assert_int_equal(out(w, GATEWAY_V4, UDP, 53535), GATE_PASS);
	assert_int_equal(out(w, GATEWAY_V6, TCP, 53535), GATE_PASS);
	assert_int_equal(in(w, GATEWAY_V4, UDP, 53535, 1000), GATE_PASS);
	goes(w, GATEWAY_V4, CLIENT_V4);
	assert_int_equal(out(w, GATEWAY_V4, TCP, 80), GATE_ANSWER);
	assert_int_equal(w->result.reason, REASON_GATEWAY);
}

/* 4. */
static void
names_and_networks_are_apart(void **state)
{
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	grant(w, 2, RESOURCE_CIDR, "10.0.0.0/24", FILTER_UDP, 443, 443);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, "10.0.0.1", UDP, 443), GATE_PASS);
	assert_int_equal(out(w, "10.0.0.1", UDP, 80), GATE_ANSWER);
	assert_int_equal(out(w, PROXY_V4, UDP, 443), GATE_ANSWER);
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	goes(w, CLIENT_V4, "10.0.0.1");
	assert_string_equal(w->result.decision.domain, "foo.com");
}

/* 5, 6 and 7. */
static void
the_internet_beside_a_name(void **state)
{
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	grant(w, 2, RESOURCE_INTERNET, "", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	goes(w, CLIENT_V4, "10.0.0.1");
	/* Its replies come from a private address, and are the name's. */
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_PASS);
	goes(w, PROXY_V4, CLIENT_V4);
	assert_int_equal(out(w, PROXY_V4, UDP, 600), GATE_ANSWER);
	assert_int_equal(out(w, "1.1.1.1", UDP, 600), GATE_PASS);
	assert_int_equal(out(w, "100.64.0.3", UDP, 600), GATE_ANSWER);
	assert_int_equal(w->result.reason, REASON_TUNNEL_RANGE);
	assert_int_equal(in(w, "100.64.0.3", UDP, 600, 1000), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_TUNNEL_RANGE);
}

/* 8. */
static void
late_replies(void **state)
{
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	w->now = mono_add_s(w->now, 30);
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_PASS);
	w->now = mono_add_s(w->now, 120);
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NAT_EXPIRED);
	assert_false(w->result.is_rest);
}

/* 9. */
static void
sessions_stay_where_they_are(void **state)
{
	struct world *w = *state;
	struct ip_address a = ip(CLIENT_V4), b = ip(PROXY_V4);

	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.2");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	goes(w, CLIENT_V4, "10.0.0.1");
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_PASS);
	sent(w, build_ports(w->data, &a, &b, UDP, 1001, 80));
	goes(w, CLIENT_V4, "10.0.0.2");
}

/* 10. */
static void
a_renumbered_client_begins_anew(void **state)
{
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "**.com", FILTER_UDP, 80, 80);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	assign(w, 1, "bar.com", PROXY_V4, "10.0.0.2");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	goes(w, CLIENT_V4, "10.0.0.2");
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NO_ROUTE);
}

/* 11. */
static void
a_name_without_the_family(void **state)
{
	struct world *w = *state;
	uint8_t *answer;

	grant(w, 1, RESOURCE_DNS, "foo.com", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V6, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V6, UDP, 80), GATE_ANSWER);
	assert_int_equal(w->result.reason, REASON_NO_TRANSLATION);
	answer = w->result.data;
	assert_int_equal(answer[40], 1);
	assert_int_equal(answer[41], 3);
}

/* As out(), in a buffer like that of a shard. */
static enum gate_verdict
out_with_room(struct world *w, const char *to, uint8_t protocol, uint16_t port)
{
	struct ip_address a = ip(source_for(to)), b = ip(to);
	uint8_t *at = w->data + 16;

	w->packet = parsed(at, build_ports(at, &a, &b, protocol, 1000, port));
	w->packet.headroom = w->packet.tailroom = 16;
	w->result = gate_outbound(&w->gate, w->now, &w->packet, w->scratch);
	return w->result.verdict;
}

/* A name of one family, for a client that reaches it over both. */
static void
one_family(struct world *w, const char *proxy, const char *address)
{
	struct ip_address v4 = ip(CLIENT_V4), v6 = ip(CLIENT_V6);

	grants_allow_translation(w->client, true);
	nat_set_client(w->gate.nat, &v4, &v6);
	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	assign(w, 1, "foo.com", proxy, address);
}

/* Filters and answers are about what the client sent, as for any name. */
static void
a_name_over_the_other_family(void **state)
{
	static const struct {
		const char *proxy, *real;
	} ways[] = { { PROXY_V6, "10.0.0.1" }, { PROXY_V4, "2001:db8::1" } };
	struct world *w = *state;
	struct uuid resource = id(1);

	for (size_t i = 0; i < 2; i++) {
		const char *proxy = ways[i].proxy, *real = ways[i].real;
		struct packet answer;

		one_family(w, proxy, real);
		assert_int_equal(out_with_room(w, proxy, UDP, 80), GATE_PASS);
		goes(w, source_for(real), real);
		assert_true(
		    uuid_equal(&w->result.decision.resource, &resource));
		assert_string_equal(w->result.decision.domain, "foo.com");
		assert_int_equal(in(w, real, UDP, 80, 1000), GATE_PASS);
		goes(w, proxy, source_for(proxy));
		assert_int_equal(in(w, real, UDP, 81, 1000), GATE_DROP);
		assert_int_equal(w->result.reason, REASON_FILTER);
		assert_int_equal(out_with_room(w, proxy, UDP, 81), GATE_ANSWER);
		assert_int_equal(w->result.reason, REASON_FILTER);
		answer = parsed(w->result.data, w->result.length);
		assert_int_equal(answer.source.family, w->packet.source.family);
		/* The address itself is no more open than it was. */
		assert_int_equal(out_with_room(w, real, UDP, 80), GATE_ANSWER);
		assert_int_equal(w->result.reason, REASON_NO_ROUTE);
	}
}

/* UDP of that length, as one of two comes to the gate. */
static enum gate_verdict
long_datagram(struct world *w, bool outbound, size_t length, bool whole)
{
	struct ip_address a = ip(outbound ? CLIENT_V4 : "10.0.0.1"),
			  b = ip(outbound ? PROXY_V4 : CLIENT_V4);
	uint8_t *at = w->data + 16, payload[2048] = { 0 };

	store_be16(payload, outbound ? 1000 : 80);
	store_be16(payload + 2, outbound ? 80 : 1000);
	store_be16(payload + 4, (uint16_t)(length - 20));
	build_ip(at, &a, &b, UDP, payload, length - 20);
	store_be16(at + 4, 0xbeef);
	at[6] = whole ? 0x40 : 0;
	w->packet = parsed(at, length);
	w->packet.headroom = w->packet.tailroom = 16;
	w->result = (outbound ? gate_outbound : gate_inbound)(
	    &w->gate, w->now, &w->packet, w->scratch);
	return w->result.verdict;
}

/* Two fragments, as their sizes are and their headers say. */
static void
check_fragments(const struct world *w, size_t length)
{
	const struct gate_result *r = &w->result;

	assert_int_equal(r->length, INNER_PACKET_MAX);
	assert_int_equal(r->rest_length, length - 20 - 1232 + 48);
	assert_int_equal(r->data[6], 44);
	assert_int_equal(load_be16(r->data + 42), 1);
	assert_int_equal(load_be32(r->data + 44), 0xbeef);
	assert_int_equal(r->rest[6], 44);
	assert_int_equal(load_be16(r->rest + 42), 1232);
	assert_int_equal(load_be32(r->rest + 44), 0xbeef);
	assert_memory_equal(r->data + 8, r->rest + 8, 32);
}

/* Who may not have it cut hears what would have passed. */
static void
check_length(struct world *w, bool outbound)
{
	struct packet answer;
	const uint8_t *h;

	assert_int_equal(long_datagram(w, outbound, 1260, true), GATE_PASS);
	assert_int_equal(w->result.length, 1280);
	assert_int_equal(w->result.rest_length, 0);
	for (size_t n = 1261; n <= 1280; n++) {
		assert_int_equal(
		    long_datagram(w, outbound, n, false), GATE_PASS);
		check_fragments(w, n);
	}
	assert_int_equal(long_datagram(w, outbound, 1261, true), GATE_ANSWER);
	assert_int_equal(w->result.reason, REASON_NAT_TOO_LONG);
	assert_int_equal(w->result.length, 56);
	answer = parsed(w->result.data, w->result.length);
	assert_true(ip_equal(&answer.source, &w->packet.destination));
	assert_true(ip_equal(&answer.destination, &w->packet.source));
	h = answer.data + answer.transport;
	assert_int_equal(load_be16(h), 0x0304);
	assert_int_equal(load_be32(h + 4), 1260);
	assert_int_equal(checksum_finish(checksum_add(0, h, 36)), 0);
	assert_memory_equal(h + 8, w->packet.data, 28);
	for (unsigned i = 0; i < GATE_ICMP_BURST - 1; i++)
		assert_int_equal(
		    long_datagram(w, outbound, 1280, true), GATE_ANSWER);
	assert_int_equal(long_datagram(w, outbound, 1280, true), GATE_DROP);
	assert_true(w->result.answer_limited);
	w->now = mono_add_s(w->now, 2);
}

static void
too_long_for_the_other_family(void **state)
{
	struct world *w = *state;

	one_family(w, PROXY_V4, "2001:db8::1");
	check_length(w, true);
	one_family(w, PROXY_V6, "10.0.0.1");
	assert_int_equal(out_with_room(w, PROXY_V6, UDP, 80), GATE_PASS);
	check_length(w, false);
}

/* 12. */
static void
two_resources_of_one_name(void **state)
{
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "foo.com", FILTER_UDP, 80, 80);
	grant(w, 2, RESOURCE_DNS, "foo.com", FILTER_TCP, 443, 443);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assign(w, 2, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	assert_int_equal(out(w, PROXY_V4, TCP, 443), GATE_PASS);
	assert_int_equal(out(w, PROXY_V4, TCP, 80), GATE_ANSWER);
}

/* 13. */
static void
no_errors_from_clients(void **state)
{
	struct world *w = *state;
	struct ip_address a = ip(CLIENT_V4), b = ip(PROXY_V4);
	uint8_t quote[64];
	size_t len = build_ports(quote, &b, &a, UDP, 80, 1000);

	grant(w, 1, RESOURCE_DNS, "foo.com", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(
	    sent(w, build_icmp(w->data, &a, &b, 3, 3, 0, quote, len)),
	    GATE_DROP);
	assert_int_equal(w->result.reason, REASON_ICMP_ERROR);
}

/* firezone-policy(7), ICMP vectors. */
static void
answers_byte_for_byte(void **state)
{
	struct world *w = *state;
	uint8_t expected[128];
	size_t len;

	grant(w, 1, RESOURCE_INTERNET, "", 0, 0, 0);
	len = unhex("450000240000000040110c88644000010a00000100010050"
		    "0010913b0000000000000000",
	    w->data, sizeof(w->data));
	assert_int_equal(sent(w, len), GATE_ANSWER);
	unhex("4500003800000000140138840a0000016440000103006b6300000000"
	      "450000240000000040110c88644000010a000001000100500010913b",
	    expected, sizeof(expected));
	assert_int_equal(w->result.length, 56);
	assert_memory_equal(w->result.data, expected, 56);
}

/* As many as the bucket holds, then one each interval, never more. */
static void
answers_are_limited(void **state)
{
	struct world *w = *state;
	unsigned answered = 0;

	enforce(w);
	for (int i = 0; i < 150; i++)
		answered += out(w, "10.0.0.1", UDP, 80) == GATE_ANSWER;
	assert_int_equal(answered, GATE_ICMP_BURST);
	assert_true(w->result.answer_limited);
	assert_int_equal(w->result.reason, REASON_NO_ROUTE);
	w->now = mono_add_ms(w->now, GATE_ICMP_INTERVAL_MS - 1);
	assert_int_equal(out(w, "10.0.0.1", UDP, 80), GATE_DROP);
	w->now = mono_add_ms(w->now, 1);
	assert_int_equal(out(w, "10.0.0.1", UDP, 80), GATE_ANSWER);
	assert_int_equal(out(w, "10.0.0.1", UDP, 80), GATE_DROP);
	w->now = mono_add_s(w->now, 3600);
	for (answered = 0; out(w, "10.0.0.1", UDP, 80) == GATE_ANSWER;)
		answered++;
	assert_int_equal(answered, GATE_ICMP_BURST);
}

/* An error of a router about a packet of ours: 4, step 5 and 6.9. */
static size_t
build_error(struct world *w, const char *router, const char *real)
{
	struct ip_address a = ip(CLIENT_V4), b = ip(real), r = ip(router);
	uint8_t quote[64];
	size_t len = build_ports(quote, &a, &b, UDP, 1000, 80);

	return build_icmp(w->data, &r, &a, 3, 4, 1400, quote, len);
}

static void
errors_about_sessions(void **state)
{
	struct ip_address proxy = ip(PROXY_V4);
	static const char *const routers[] = { "192.0.2.9", GATEWAY_V4 };
	struct world *w = *state;

	grant(w, 1, RESOURCE_DNS, "foo.com", 0, 0, 0);
	grant(w, 2, RESOURCE_CIDR, "10.7.0.0/24", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_PASS);
	for (size_t i = 0; i < 2; i++) {
		struct packet error, quote;

		assert_int_equal(
		    came(w, build_error(w, routers[i], "10.0.0.1")), GATE_PASS);
		goes(w, PROXY_V4, CLIENT_V4);
		error = parsed(w->result.data, w->result.length);
		assert_true(packet_quote(&error, &quote));
		assert_true(ip_equal(&quote.destination, &proxy));
		assert_int_equal(load_be32(error.data + 24), 1400);
		/* About a packet that NAT had no part in: as it is. */
		assert_int_equal(
		    came(w, build_error(w, routers[i], "10.7.0.9")), GATE_PASS);
		goes(w, routers[i], CLIENT_V4);
		/* About nobody's packet. */
		assert_int_equal(
		    came(w, build_error(w, routers[i], "10.0.0.9")), GATE_DROP);
		assert_int_equal(w->result.reason, REASON_NO_ROUTE);
	}
	w->now = mono_add_s(w->now, 200);
	nat_timeout(w->gate.nat, w->now);
	assert_int_equal(
	    came(w, build_error(w, "192.0.2.9", "10.0.0.1")), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NAT_EXPIRED);
	assert_int_equal(
	    came(w, build_error(w, GATEWAY_V4, "10.0.0.1")), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NO_ROUTE);
}

static void
an_error_that_quotes_the_other_family(void **state)
{
	struct world *w = *state;
	struct ip_address a = ip(CLIENT_V6), b = ip("2001:db8::1"),
			  router = ip("192.0.2.9"), client = ip(CLIENT_V4);
	uint8_t quote[64];
	size_t len = build_ports(quote, &a, &b, UDP, 1000, 80);

	grant(w, 1, RESOURCE_CIDR, "192.0.2.0/24", 0, 0, 0);
	len = build_icmp(w->data, &router, &client, 3, 4, 0, quote, len);
	assert_int_equal(came(w, len), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_INBOUND_KIND);
}

/*
 * firezone-policy(7), Kinds that pass: a filter that lets it pass is not enough
 * for a name.
 */
static void
kinds_without_nat(void **state)
{
	struct world *w = *state;
	struct ip_address a = ip(CLIENT_V4), b = ip(PROXY_V4);

	grant(w, 1, RESOURCE_DNS, "foo.com", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(
	    sent(w, build_ip(w->data, &a, &b, 47, "abcd", 4)), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NAT_KIND);
	assert_int_equal(
	    sent(w, build_icmp(w->data, &a, &b, 13, 0, 0, NULL, 0)), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NAT_KIND);
	assert_int_equal(
	    sent(w, build_icmp(w->data, &a, &b, 8, 0, 7 << 16, NULL, 0)),
	    GATE_PASS);
	goes(w, CLIENT_V4, "10.0.0.1");
}

/* No name yet, and so no NAT: what needs it does not pass. */
static void
without_nat(void **state)
{
	struct world *w = *state;

	nat_free(w->gate.nat);
	w->gate.nat = NULL;
	grant(w, 1, RESOURCE_DNS, "foo.com", 0, 0, 0);
	grant(w, 2, RESOURCE_CIDR, "10.0.0.0/24", 0, 0, 0);
	assign(w, 1, "foo.com", PROXY_V4, "10.0.0.1");
	assert_int_equal(out(w, PROXY_V4, UDP, 80), GATE_DROP);
	assert_int_equal(w->result.reason, REASON_NAT_EXHAUSTED);
	assert_int_equal(in(w, "10.0.0.1", UDP, 80, 1000), GATE_PASS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(two_resources_on_one_network),
		T(a_new_policy_counts_at_once),
		T(the_gateways_own_address),
		T(names_and_networks_are_apart),
		T(the_internet_beside_a_name),
		T(late_replies),
		T(sessions_stay_where_they_are),
		T(a_renumbered_client_begins_anew),
		T(a_name_without_the_family),
		T(a_name_over_the_other_family),
		T(too_long_for_the_other_family),
		T(two_resources_of_one_name),
		T(no_errors_from_clients),
		T(answers_byte_for_byte),
		T(answers_are_limited),
		T(errors_about_sessions),
		T(an_error_that_quotes_the_other_family),
		T(kinds_without_nat),
		T(without_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

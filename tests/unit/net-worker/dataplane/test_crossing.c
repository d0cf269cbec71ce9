/*
 * Names of one family and older clients, which reach them over the other:
 * packets through the shard, and what is told of their flows
 * (firezone-policy(7), Translation between families).
 */
#include <sodium.h>

#include "common/log.h"
#include "tests/lib/checksums.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/packets.h"

#define CLIENT_V4 "100.64.0.2"
#define CLIENT_V6 "fd00:2021:1111::2"
#define PROXY_V4  "100.96.0.1"
#define PROXY_V6  "fd00:2021:1111:8000::1"
#define REAL_V4   "10.20.0.9"
#define REAL_V6   "2001:db8::9"

#define SYN 0x02
#define RST 0x04

/* Names, granted by what an authorization of that kind says. */
static void
granted_as(struct rig *r, enum authorization_kind kind)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_remote_candidates candidates = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host\n",
	};

	a.kind = (uint8_t)kind;
	a.expires_at = 0;
	a.resource.bytes[0] = 0x77;
	a.type = RESOURCE_DNS;
	memset(&a.network, 0, sizeof(a.network));
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	a.flow_authorization.bytes[0] = 0xaa;
	tell(r, authorization, &a);
	settle(r);
	tell(r, remote_candidates, &candidates);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
}

static void
connected_as(struct rig *r, enum authorization_kind kind)
{
	struct ipc_flow_settings flows = { .enabled = true };

	connected(r);
	granted_as(r, kind);
	tell(r, flow_settings, &flows);
	settle(r);
}

static void
install(struct rig *r, const char *address)
{
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { 0x77 } },
		.domain = "app.example.com",
		.proxies = { ip(PROXY_V4), ip(PROXY_V6) },
		.proxies_count = 2,
		.addresses = { ip(address) },
		.addresses_count = 1,
	};

	tell(r, name_resolved, &m);
	settle(r);
}

static struct packet
segment(uint8_t *to, const char *from, const char *dest, uint16_t source,
    uint16_t port, uint8_t flags)
{
	struct ip_address a = ip(from), b = ip(dest);
	struct packet p =
	    parsed(to, build_ports(to, &a, &b, IPPROTO_TCP, source, port));

	to[p.transport + 13] = flags;
	set_checksums(&p);
	return p;
}

static void
check_segment(uint8_t *data, size_t len, const char *from, const char *to,
    uint16_t source, uint16_t port)
{
	struct packet p = parsed(data, len);
	struct ip_address a = ip(from), b = ip(to);

	assert_true(ip_equal(&p.source, &a));
	assert_true(ip_equal(&p.destination, &b));
	assert_int_equal(p.source_port, source);
	assert_int_equal(p.destination_port, port);
	assert_true(checksums_right(&p));
}

/* A connection by the proxy address: out, back, and what is told of it. */
static void
check_connection(struct rig *r, const char *client, const char *proxy,
    const char *source, const char *real)
{
	uint8_t data[128], *inner;
	struct endpoint from = { ip(source), 1234 }, to = { ip(real), 80 };
	unsigned flows = r->flows;
	size_t tun = r->tun_count, udp, len;
	struct note *n;
	struct packet p;

	p = segment(data, client, proxy, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, tun + 1);
	n = &r->tun[tun % NOTES];
	check_segment(n->data, n->len, source, real, 1234, 80);

	assert_int_equal(r->flows, flows + 1);
	assert_string_equal(r->flow.domain, "app.example.com");
	assert_true(endpoint_equal(&r->flow.source, &from));
	assert_true(endpoint_equal(&r->flow.destination, &to));

	udp = r->udp_count;
	p = segment(data, real, source, 80, 1234, SYN | 0x10);
	from_tun(r, p.data, p.length);
	assert_int_equal(r->udp_count, udp + 1);
	len = client_hears(r, &inner);
	check_segment(inner, len, proxy, client, 80, 1234);

	p = segment(data, client, proxy, 1234, 80, 0x04);
	client_sends_packet(r, p.data, p.length);
	pass(r, 2000);
	assert_int_equal(r->flows, flows + 2);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.tx_packets, 2);
	assert_int_equal(r->flow.rx_packets, 1);
}

static void
older_clients_cross(void **state)
{
	struct rig *r = *state;

	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V4);
	check_connection(r, CLIENT_V6, PROXY_V6, CLIENT_V4, REAL_V4);
	check_connection(r, CLIENT_V4, PROXY_V4, CLIENT_V4, REAL_V4);
	install(r, REAL_V6);
	check_connection(r, CLIENT_V4, PROXY_V4, CLIENT_V6, REAL_V6);
	check_connection(r, CLIENT_V6, PROXY_V6, CLIENT_V6, REAL_V6);
}

static void
newer_clients_do_not(void **state)
{
	struct rig *r = *state;
	struct shard_counters *c = &r->page.shard[0].counters;
	uint8_t data[128], *inner;
	struct packet p;
	size_t len;

	connected_as(r, AUTHORIZATION_UPSERT);
	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, 0);
	assert_int_equal(c->refused_outbound[REASON_NO_TRANSLATION], 1);
	len = client_hears(r, &inner);
	assert_int_equal(len, 40 + 8 + p.length);
	assert_int_equal(inner[40], 1);
	assert_int_equal(inner[41], 3);
	check_connection(r, CLIENT_V4, PROXY_V4, CLIENT_V4, REAL_V4);
}

/* What was assigned while it was older, and what is under way by it. */
static void
newer_clients_do_not_any_more(void **state)
{
	struct rig *r = *state;
	struct shard_counters *c = &r->page.shard[0].counters;
	uint8_t data[128];
	struct packet p;
	size_t udp;

	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	p = segment(data, CLIENT_V4, PROXY_V4, 1235, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, 2);

	granted_as(r, AUTHORIZATION_UPSERT);
	udp = r->udp_count;
	p = segment(data, REAL_V4, CLIENT_V4, 80, 1234, SYN | 0x10);
	from_tun(r, p.data, p.length);
	assert_int_equal(c->refused_inbound[REASON_NAT_EXPIRED], 1);
	assert_int_equal(r->udp_count, udp);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(c->refused_outbound[REASON_NO_TRANSLATION], 1);
	assert_int_equal(r->tun_count, 2);

	udp = r->udp_count;
	p = segment(data, REAL_V4, CLIENT_V4, 80, 1235, SYN | 0x10);
	from_tun(r, p.data, p.length);
	assert_int_equal(r->udp_count, udp + 1);
}

/* A resource hears of it by the TUN, a client by its tunnel. */
static void
both_sides_hear_of_too_long_packets(void **state)
{
	struct rig *r = *state;
	struct shard_counters *c = &r->page.shard[0].counters;
	struct ip_address real = ip(REAL_V4), client = ip(CLIENT_V4);
	uint8_t data[INNER_PACKET_MAX], payload[1241] = { 0, 80, 0x04, 0xd2 };
	uint8_t *inner;
	struct packet p;
	struct note *n;
	size_t len;

	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, 1);
	payload[12] = 0x50;
	len = build_ip(data, &real, &client, IPPROTO_TCP, payload, 1241);
	data[6] = 0x40;
	from_tun(r, data, len);
	assert_int_equal(c->refused_inbound[REASON_NAT_TOO_LONG], 1);
	assert_int_equal(r->tun_count, 2);
	n = &r->tun[1];
	p = parsed(n->data, n->len);
	assert_true(ip_equal(&p.destination, &real));
	assert_true(ip_equal(&p.source, &client));
	assert_int_equal(load_be16(n->data + 20), 0x0304);

	install(r, REAL_V6);
	real = ip(PROXY_V4);
	store_be16(payload, 4321);
	store_be16(payload + 2, 80);
	len = build_ip(data, &client, &real, IPPROTO_TCP, payload, 1241);
	data[6] = 0x40;
	client_sends_packet(r, data, len);
	assert_int_equal(c->refused_outbound[REASON_NAT_TOO_LONG], 1);
	assert_int_equal(r->tun_count, 2);
	len = client_hears(r, &inner);
	assert_int_equal(len, 56);
	assert_int_equal(load_be16(inner + 20), 0x0304);
	assert_int_equal(load_be32(inner + 24), 1260);
}

static void
check_fragment(const uint8_t *at, size_t length, size_t is, uint16_t offset)
{
	assert_int_equal(length, is);
	assert_int_equal(at[0] >> 4, 6);
	assert_int_equal(load_be16(at + 4), length - 40);
	assert_int_equal(at[6], IPPROTO_FRAGMENT);
	assert_int_equal(load_be16(at + 42), offset);
	assert_int_equal(load_be32(at + 44), 0x4711);
}

/* To the TUN and to the client alike: first the first. */
static void
both_sides_get_what_may_be_cut_in_two(void **state)
{
	struct rig *r = *state;
	struct shard_counters *c = &r->page.shard[0].counters;
	struct ip_address real = ip(REAL_V4), client = ip(CLIENT_V4),
			  proxy = ip(PROXY_V4);
	uint8_t data[INNER_PACKET_MAX], payload[1260] = { 0x04, 0xd2, 0, 80 };
	uint64_t bytes, malformed = 0;
	uint8_t *inner;
	struct packet p;
	size_t len, udp;

	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V6);
	payload[12] = 0x50;
	len = build_ip(data, &client, &proxy, IPPROTO_TCP, payload, 1260);
	store_be16(data + 4, 0x4711);
	bytes = c->outbound_bytes;
	client_sends_packet(r, data, len);
	assert_int_equal(r->tun_count, 2);
	check_fragment(r->tun[0].data, r->tun[0].len, 1280, 1);
	check_fragment(r->tun[1].data, r->tun[1].len, 76, 1232);
	assert_int_equal(c->outbound_bytes - bytes, 1280 + 76);

	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, 3);
	store_be16(payload, 80);
	store_be16(payload + 2, 1234);
	len = build_ip(data, &real, &client, IPPROTO_TCP, payload, 1241);
	store_be16(data + 4, 0x4711);
	udp = r->udp_count;
	bytes = c->inbound_bytes;
	from_tun(r, data, len);
	assert_int_equal(r->udp_count, udp + 2);
	assert_int_equal(c->inbound_bytes - bytes, 1280 + 48 + 9);
	len = client_hears(r, &inner);
	check_fragment(inner, len, 48 + 9, 1232);

	/* But nobody's own fragments: no ports, no session. */
	data[6] = 0x20;
	from_tun(r, data, 1261);
	for (unsigned i = 0; i < by_hand_lanes(); i++)
		malformed += r->page.shard[i].counters.malformed_inbound;
	assert_int_equal(malformed, 1);
	assert_int_equal(r->udp_count, udp + 2);
}

/* Their payload is that of the packet, whichever fragment it is in. */
static void
flows_count_both_parts(void **state)
{
	struct rig *r = *state;
	struct ip_address real = ip(REAL_V4), client = ip(CLIENT_V4),
			  proxy = ip(PROXY_V4);
	uint8_t data[INNER_PACKET_MAX], payload[1260] = { 0x04, 0xd2, 0, 80 };
	struct packet p;
	size_t len;

	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V6);
	payload[12] = 0x50;
	len = build_ip(data, &client, &proxy, IPPROTO_TCP, payload, 1260);
	client_sends_packet(r, data, len);
	assert_int_equal(r->tun_count, 2);
	p = segment(data, CLIENT_V4, PROXY_V4, 1234, 80, RST);
	client_sends_packet(r, p.data, p.length);
	pass(r, 3000);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.tx_packets, 2);
	assert_int_equal(r->flow.tx_bytes, 1240);

	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	store_be16(payload, 80);
	store_be16(payload + 2, 1234);
	len = build_ip(data, &real, &client, IPPROTO_TCP, payload, 1260);
	from_tun(r, data, len);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, RST);
	client_sends_packet(r, p.data, p.length);
	pass(r, 3000);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.rx_packets, 1);
	assert_int_equal(r->flow.rx_bytes, 1240);
}

/*
 * Our own host speaks of what it saw, which the client has not sent: what it
 * says has to be translated, or is not for the client.
 */
static void
own_errors_have_a_counterpart_or_are_none(void **state)
{
	static const struct {
		uint8_t code;
		bool passes;
	} table[] = { { 3, true }, { 14, false }, { 1, true }, { 4, true },
		{ 16, false } };
	struct rig *r = *state;
	struct ip_address own = ip("100.64.0.1"), client = ip(CLIENT_V4);
	uint8_t data[128], error[INNER_PACKET_MAX], body[48] = { 3 };
	struct packet p;

	/* The address behind the name is granted as well. */
	connected_as(r, AUTHORIZATION_CONNECTION);
	install(r, REAL_V4);
	p = segment(data, CLIENT_V6, PROXY_V6, 1234, 80, SYN);
	client_sends_packet(r, p.data, p.length);
	assert_int_equal(r->tun_count, 1);
	memcpy(body + 8, r->tun[0].data, 40);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t before = r->udp_count;
		size_t len;

		body[1] = table[i].code;
		len = build_ip(error, &own, &client, IPPROTO_ICMP, body, 48);
		from_tun(r, error, len);
		assert_int_equal(r->udp_count - before, table[i].passes);
	}
	assert_int_equal(
	    r->page.shard[0].counters.refused_inbound[REASON_INBOUND_KIND], 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(older_clients_cross),
		T(newer_clients_do_not),
		T(newer_clients_do_not_any_more),
		T(both_sides_hear_of_too_long_packets),
		T(both_sides_get_what_may_be_cut_in_two),
		T(flows_count_both_parts),
		T(own_errors_have_a_counterpart_or_are_none),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

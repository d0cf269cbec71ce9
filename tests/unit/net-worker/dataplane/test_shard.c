/*
 * What a shard does with single packets beside carrying them: it counts them by
 * what became of them, and marks congestion through (firezone-tunnel(7), ECN).
 */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/core/turn/channel_data.h"
#include "tests/lib/dataplane.h"

#define CLIENT "192.0.2.7:50000"
#define LOCAL  "10.0.0.4:52625"

static const struct shard_counters *
counters(const struct rig *r)
{
	static struct shard_counters sum;
	uint64_t *words = (uint64_t *)&sum;

	for (size_t i = 0; i < sizeof(sum) / sizeof(*words); i++)
		words[i] = counter_sum(
		    r->page.shard, COUNTER_SHARDS, i * sizeof(*words));
	return &sum;
}

static bool
arrives(struct rig *r, const char *from, const char *to)
{
	uint8_t packet[40];
	size_t before = r->udp_count;

	from_tun(r, packet, tcp_packet(packet, from, to));
	return r->udp_count > before;
}

static void
counts_what_it_carries(void **state)
{
	struct rig *r = *state;
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };
	const struct ipc_query_client *c = &r->clients[0];

	connected(r);
	assert_int_equal(counters(r)->outbound_packets, 0);
	for (unsigned i = 1; i <= 3; i++) {
		client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
		assert_int_equal(counters(r)->outbound_packets, i);
		assert_int_equal(counters(r)->outbound_bytes, 40 * i);
	}
	for (unsigned i = 1; i <= 2; i++) {
		assert_true(arrives(r, "10.20.0.9:80", "100.64.0.2:1234"));
		assert_int_equal(counters(r)->inbound_packets, i);
		assert_int_equal(counters(r)->inbound_bytes, 40 * i);
	}
	ask_query(r, &q);
	assert_int_equal(r->client_count, 1);
	assert_int_equal(c->received_packets, 3);
	assert_int_equal(c->received_bytes, 120);
	assert_int_equal(c->sent_packets, 2);
	assert_int_equal(c->sent_bytes, 80);
	assert_int_equal(c->state, QUERY_STATE_CONNECTED);
	assert_true(c->handshaken);
	assert_int_equal(c->handshake_age, 0);
}

static void
counts_what_it_drops(void **state)
{
	struct rig *r = *state;
	uint8_t packet[40], data[sizeof(packet) + WIREGUARD_OVERHEAD];
	size_t len = tcp_packet(packet, "100.64.0.2:1", "10.20.0.9:80");

	connected(r);
	session_seal(&r->session, r->aead, packet, len, data);
	data[sizeof(data) - 1] ^= 1;
	receive(r, CLIENT, LOCAL, data, sizeof(data));
	assert_int_equal(counters(r)->forged, 1);
	session_seal(&r->session, r->aead, packet, len, data);
	data[5] ^= 1;
	receive(r, CLIENT, LOCAL, data, sizeof(data));
	assert_int_equal(counters(r)->unknown_session, 1);
	/* A counter that was there: a replay. */
	session_seal(&r->session, r->aead, packet, len, data);
	receive(r, CLIENT, LOCAL, data, sizeof(data));
	assert_int_equal(r->tun_count, 1);
	receive(r, CLIENT, LOCAL, data, sizeof(data));
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(counters(r)->forged, 2);
	packet[0] = 0x15;
	client_sends_packet(r, packet, len);
	assert_int_equal(counters(r)->malformed_outbound, 1);
	packet[0] = 0x15;
	from_tun(r, packet, len);
	assert_int_equal(counters(r)->malformed_inbound, 1);
	assert_false(arrives(r, "10.20.0.9:80", "100.64.0.77:1234"));
	assert_int_equal(counters(r)->no_such_client, 1);
	/* The client's but for the first bits: not in the tunnel's range. */
	assert_false(arrives(r, "10.20.0.9:80", "10.64.0.2:1234"));
	assert_int_equal(counters(r)->no_such_client, 2);
	assert_false(arrives(r, "10.20.1.9:80", "100.64.0.2:1234"));
	assert_int_equal(counters(r)->refused_inbound[REASON_NO_ROUTE], 1);
	assert_int_equal(counters(r)->outbound_packets, 1);
	assert_int_equal(counters(r)->inbound_packets, 0);
	assert_int_equal(counters(r)->not_connected, 0);
}

static void
counts_what_has_no_way(void **state)
{
	struct rig *r = *state;

	authorized(r);
	assert_false(arrives(r, "10.20.0.9:80", "100.64.0.2:1234"));
	assert_int_equal(counters(r)->not_connected, 1);
	assert_int_equal(counters(r)->inbound_packets, 0);
}

/* What cannot be said is nobody's data: not a goodbye without a session. */
static void
counts_no_words_of_its_own(void **state)
{
	struct rig *r = *state;
	const struct ipc_revocation revocation = {
		.client = { { 0xc1 } },
		.resource = { { 0x42 } },
	};

	authorized(r);
	check_with_use_candidate(r);
	pass(r, 20);
	tell(r, revocation, &revocation);
	settle(r);
	assert_int_equal(r->closed, 1);
	assert_int_equal(counters(r)->not_connected, 0);
}

/* The grant is still there; the connection, which got no candidate, is not. */
static void
knows_no_way_to_who_has_gone(void **state)
{
	struct rig *r = *state;

	authorized(r);
	pass(r, 11000);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
	assert_false(arrives(r, "10.20.0.9:80", "100.64.0.2:1234"));
	assert_int_equal(counters(r)->no_such_client, 1);
	assert_int_equal(counters(r)->not_connected, 0);
}

static void
drops_what_has_no_length(void **state)
{
	struct rig *r = *state;
	uint8_t packet[64] = { 0x45, 0, 0, 65 }; /* longer than it is */

	connected(r);
	client_sends_packet(r, packet, sizeof(packet));
	assert_int_equal(counters(r)->malformed_outbound, 1);
	client_sends_packet(r, NULL, 0);
	assert_int_equal(counters(r)->malformed_outbound, 1);
}

/* A client that leaves is forgotten, and gets nothing more. */
static void
lets_clients_go(void **state)
{
	struct rig *r = *state;
	uint8_t packet[CONTROL_PACKET_LEN];
	size_t sent;

	connected(r);
	sent = r->udp_count;
	control_packet_begin(packet, CONTROL_GOODBYE, 0);
	client_sends_packet(r, packet, sizeof(packet));
	assert_int_equal(r->page.engine.clients, 0);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->udp_count, sent);
	assert_int_equal(counters(r)->control_unknown, 0);
}

/* Without the turn's end. */
static void
client_sends_meanwhile(struct rig *r, const uint8_t *packet, size_t len)
{
	struct arrival a = { .from = at(CLIENT), .local = at(LOCAL) };
	uint8_t data[128];

	session_seal(&r->session, r->aead, packet, len, data);
	lane_datagram(
	    dataplane_lane(r->dp, 0), &a, data, len + WIREGUARD_OVERHEAD);
}

/*
 * A client that says it is a relay, and takes another channel with each packet,
 * leaves room for what others have to be told.
 */
static void
channels_do_not_fill_the_events(void **state)
{
	struct rig *r = *state;
	struct arrival a = { .from = at("192.0.2.7:3478"), .local = at(LOCAL) };
	uint8_t data[CHANNEL_DATA_OVERHEAD + WIREGUARD_OVERHEAD];

	connected(r);
	for (unsigned i = 0; i < 6000; i++) {
		session_seal(&r->session, r->aead, NULL, 0,
		    channel_data_begin(
			data, (uint16_t)(0x4000 + i % 2), WIREGUARD_OVERHEAD));
		lane_datagram(dataplane_lane(r->dp, 0), &a, data, sizeof(data));
	}
	assert_int_equal(counters(r)->forged, 0);
	assert_int_equal(counters(r)->events_lost, 0);
}

/* Of all that comes up in one turn nothing is lost, in either direction. */
static void
turns_hold_much(void **state)
{
	struct rig *r = *state;
	const struct ipc_flow_settings on = { .enabled = true };
	const struct ipc_peer_message message = {
		.client = { { 0xc1 } }, .event = 1, .payload = "{}"
	};
	uint8_t packet[64];
	size_t sent, len;

	connected(r);
	authorized_for_flows(r, 0xaa);
	tell(r, flow_settings, &on);
	overhear(r);
	sent = r->udp_count;
	for (int i = 0; i < 3000; i++)
		tell(r, peer_message, &message);
	settle(r);
	assert_int_equal(r->udp_count, sent + 3000);
	for (uint8_t i = 0; i < 100; i++) {
		control_packet_begin(packet, CONTROL_ASSIGNED_IPS, 1);
		packet[CONTROL_PACKET_LEN] = i;
		client_sends_meanwhile(r, packet, CONTROL_PACKET_LEN + 1);
		len = tcp_packet(packet, "100.64.0.2:1000", "10.20.0.9:80");
		packet[21] = i; /* of the port */
		packet[33] = 0x02;
		client_sends_meanwhile(r, packet, len);
		packet[23] = 81;
		client_sends_meanwhile(r, packet, len);
	}
	settle(r);
	assert_int_equal(r->peer_events, 100);
	assert_int_equal(r->peer_event.payload[0], 99);
	assert_int_equal(r->flows, 100);
	assert_int_equal(r->flow.source.port & 0xff, 99);
	assert_int_equal(logged(r, "denied:"), 25);
	/* Of two events the first is not lost either. */
	pass(r, 5000);
	control_packet_begin(packet, CONTROL_GOODBYE, 0);
	client_sends_meanwhile(r, packet, CONTROL_PACKET_LEN);
	len = tcp_packet(packet, "100.64.0.2:1000", "10.20.0.9:80");
	client_sends_meanwhile(r, packet, len);
	settle(r);
	assert_int_equal(r->page.engine.clients, 0);
	assert_int_equal(counters(r)->events_lost, 0);
	/* The end comes in the middle of a turn. */
	authorized_for_flows(r, 0xaa);
	tell(r, peer_message, &message);
}

/* One that says it a thousand times is heard once. */
static void
goodbyes_do_not_fill_the_events(void **state)
{
	struct rig *r = *state;
	uint8_t packet[CONTROL_PACKET_LEN];

	connected(r);
	control_packet_begin(packet, CONTROL_GOODBYE, 0);
	for (int i = 0; i < 4096 + 7; i++)
		client_sends_meanwhile(r, packet, sizeof(packet));
	assert_int_equal(counters(r)->events_lost, 0);
	settle(r);
	assert_int_equal(r->page.engine.clients, 0);
}

/* What comes up in the turn in which it goes is about nobody any more. */
static void
goes_and_wants_a_handshake(void **state)
{
	struct rig *r = *state;
	const struct ipc_revocation gone = { .client = { { 0xc1 } },
		.resource = { { 0x42 } } };

	connected(r);
	assert_true(arrives(r, "10.20.0.9:80", "100.64.0.2:1234"));
	r->now = mono_add_s(r->now, 16);
	tell(r, revocation, &gone);
	by_hand_timeout(r->dp);
	settle(r);
	assert_int_equal(r->page.engine.clients, 0);
}

static int
set_up_denied(void **state)
{
	set_up_unconfigured(state, true, false);
	tell_own_addresses(*state, "100.64.0.1:0", "[fd00:2021:1111::1]:0");
	return 0;
}

/* What did not pass, if somebody wants to read of it. */
static void
says_what_it_refuses(void **state)
{
	static const struct {
		const char *hex; /* from the TUN, or from the client */
		bool outbound;
		const char *line;
	} table[] = {
		{ "45000028 00000000 4006 0000 64400002 0a140009 03e80051 "
		  "00000000 00000000 50020000 00000000",
		    true,
		    "denied: from client c1000000-0000-0000-0000-000000000000: "
		    "tcp 100.64.0.2:1000 to 10.20.0.9:81: filter of resource "
		    "42000000-0000-0000-0000-000000000000" },
		{ "4500001c 00000000 4011 0000 64400002 0a150009 03e80051 "
		  "00080000",
		    true, "udp 100.64.0.2:1000 to 10.21.0.9:81: no resource" },
		{ "4500001c 00000000 4001 0000 64400002 0a150009 0800f7ff "
		  "00000000",
		    true, "icmp 100.64.0.2 to 10.21.0.9: no resource" },
		{ "45000018 00000000 402f 0000 64400002 0a150009 00000000",
		    true, "ip-47 100.64.0.2 to 10.21.0.9: no resource" },
		{ "45000018 00000000 40ff 0000 64400002 0a150009 00000000",
		    true, "ip-255 100.64.0.2 to 10.21.0.9: no resource" },
		{ "6000000000083a40 fd002021111100000000000000000002 "
		  "20010db8000000000000000000000001 8000000000000000",
		    true,
		    "icmp fd00:2021:1111::2 to 2001:db8::1: no resource" },
		{ "4500001c 00000000 4011 0000 0a150009 64400002 005103e8 "
		  "00080000",
		    false,
		    "denied: to client c1000000-0000-0000-0000-000000000000: "
		    "udp 10.21.0.9:81 to 100.64.0.2:1000: no resource" },
	};
	struct rig *r = *state;
	uint8_t packet[64];

	connected(r);
	overhear(r);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t len = unhex(table[i].hex, packet, sizeof(packet));

		if (packet[0] == 0x45)
			store_be16(packet + 10,
			    checksum_finish(checksum_add(0, packet, 20)));
		if (table[i].outbound)
			client_sends_packet(r, packet, len);
		else
			from_tun(r, packet, len);
		settle(r);
		assert_int_equal(logged(r, table[i].line), 1);
	}
}

/* One more client, at the same address as the first. */
static void
connect_another(struct rig *r)
{
	static const uint8_t transaction[12] = { 4, 5, 6 };
	struct ipc_remote_candidates m = {
		.client = { { 0xc2 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host ufrag cli2\n",
	};
	struct ipc_authorization a;
	uint8_t check[128];
	struct writer w;

	assert_true(noise_identity_generate(&r->identity));
	a = authorization(r);
	a.serial = 8;
	a.client = m.client;
	a.client_v4.bytes[3] = a.client_v6.bytes[15] = 3;
	strcpy(a.local_username, "gat2");
	strcpy(a.remote_username, "cli2");
	tell(r, authorization, &a);
	tell(r, remote_candidates, &m);
	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, "gat2:cli2");
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, "gatepassword", 12);
	stun_add_fingerprint(&w);
	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", check, w.len);
	pass(r, 20);
	handshake(r);
}

static unsigned
denied_of(struct rig *r, const char *client, int packets)
{
	for (int i = 0; i < packets; i++)
		client_sends(r, client, "10.20.0.9:81");
	return logged(r, "denied:");
}

/*
 * No more than 25 of a client at once, and 5 in a second, so that none hides
 * what another does.
 */
static void
says_something_of_each(void **state)
{
	struct rig *r = *state;

	connected(r);
	overhear(r);
	assert_int_equal(denied_of(r, "100.64.0.2:1000", 150), 25);
	pass(r, 1000);
	assert_int_equal(denied_of(r, "100.64.0.2:1000", 150), 5);
	connect_another(r);
	(void)logged(r, "denied:");
	assert_int_equal(denied_of(r, "100.64.0.3:1000", 150), 25);
}

static void
use_a_name(struct rig *r)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_name_resolved m = {
		.client = { { 0xc1 } },
		.resource = { { 0x43 } },
		.domain = "files.corp.test",
		.proxies = { at("100.96.0.1:0").ip },
		.addresses = { at("192.0.2.80:0").ip },
		.proxies_count = 1,
		.addresses_count = 1,
	};

	a.resource.bytes[0] = 0x43;
	a.type = RESOURCE_DNS;
	strcpy(a.pattern, "*.corp.test");
	a.serial = 8;
	tell(r, authorization, &a);
	tell(r, name_resolved, &m);
	settle(r);
}

/* What comes after RST is the rest of a connection, not denied to anybody. */
static void
says_nothing_of_the_rest(void **state)
{
	struct rig *r = *state;
	const uint64_t *late =
	    &r->page.shard[0].counters.refused_inbound[REASON_NAT_EXPIRED];
	uint8_t reply[40];

	connected(r);
	use_a_name(r);
	overhear(r);
	client_opens(r, "100.64.0.2:1234", "100.96.0.1:80", false);
	client_opens(r, "100.64.0.2:1234", "100.96.0.1:80", true);
	from_tun(
	    r, reply, tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1234"));
	settle(r);
	assert_int_equal(*late, 1);
	assert_int_equal(logged(r, "denied:"), 0);
	/* Somebody else's packet from there is. */
	from_tun(
	    r, reply, tcp_packet(reply, "192.0.2.80:80", "100.64.0.2:1235"));
	settle(r);
	assert_int_equal(logged(r, "denied:"), 1);
}

static void
says_nothing_unasked(void **state)
{
	struct rig *r = *state;

	connected(r);
	overhear(r);
	client_sends(r, "100.64.0.2:1000", "10.20.0.9:81");
	assert_int_equal(logged(r, ""), 0);
}

/* An answer to what is refused, until there are too many of them. */
static void
counts_refusals_and_answers(void **state)
{
	struct rig *r = *state;
	unsigned sent = 0;

	connected(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81");
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81");
	assert_int_equal(counters(r)->refused_outbound[REASON_FILTER], 2);
	assert_int_equal(counters(r)->icmp_sent, 2);
	assert_false(arrives(r, "10.20.1.9:80", "100.64.0.2:1234"));
	for (unsigned i = 0; i < 1000; i++) {
		size_t before = r->udp_count;

		client_sends(r, "100.64.0.2:1234", "10.20.0.9:81");
		sent += r->udp_count > before;
	}
	assert_true(sent < 1000);
	assert_int_equal(counters(r)->icmp_sent, 2 + sent);
	assert_int_equal(counters(r)->icmp_limited, 1000 - sent);
	assert_int_equal(counters(r)->refused_outbound[REASON_FILTER], 1002);
}

/* From the client: with this mark inside, and that one outside. */
static unsigned
marked_inside(struct rig *r, uint8_t inner, uint8_t outer)
{
	struct arrival a = { .from = at(CLIENT), .local = at(LOCAL) };
	uint8_t packet[40], data[sizeof(packet) + WIREGUARD_OVERHEAD];
	size_t len = tcp_packet(packet, "100.64.0.2:1", "10.20.0.9:80");
	const struct note *n;

	packet[1] = inner;
	store_be16(packet + 10, 0);
	store_be16(packet + 10, checksum_finish(checksum_add(0, packet, 20)));
	session_seal(&r->session, r->aead, packet, len, data);
	a.ecn = outer;
	by_hand_set_time(r->dp, r->now);
	by_hand_datagram(r->dp, &a, data, sizeof(data));
	n = &r->tun[(r->tun_count - 1) % NOTES];
	assert_int_equal(checksum_finish(checksum_add(0, n->data, 20)), 0);
	return n->data[1];
}

static void
marks_congestion_inwards(void **state)
{
	struct rig *r = *state;

	connected(r);
	assert_int_equal(marked_inside(r, 2, 3), 3);
	assert_int_equal(marked_inside(r, 1, 3), 3);
	assert_int_equal(marked_inside(r, 3, 0), 3);
	for (uint8_t outer = 0; outer < 3; outer++)
		assert_int_equal(marked_inside(r, 2, outer), 2);
	/* The other bits of that byte are not ours. */
	assert_int_equal(marked_inside(r, 0xb8 | 2, 3), 0xb8 | 3);
}

static void
marks_congestion_outwards(void **state)
{
	struct rig *r = *state;
	const struct ipc_peer_message message = {
		.client = { { 0xc1 } }, .event = 1, .payload = "{}"
	};
	uint8_t packet[40];
	size_t before;

	connected(r);
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		size_t len =
		    tcp_packet(packet, "10.20.0.9:80", "100.64.0.2:1234");

		packet[1] = 0xb8 | ecn;
		store_be16(packet + 10, 0);
		store_be16(
		    packet + 10, checksum_finish(checksum_add(0, packet, 20)));
		from_tun(r, packet, len);
		assert_int_equal(last_udp(r)->ecn, ecn);
	}
	/* What is our own is not marked: answers, messages, keepalives. */
	before = r->udp_count;
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81");
	tell(r, peer_message, &message);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	pass(r, 11000);
	assert_true(r->udp_count >= before + 3);
	for (size_t i = before; i < r->udp_count; i++)
		assert_int_equal(r->udp[i % NOTES].ecn, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(counts_what_it_carries),
		T(counts_what_it_drops),
		T(counts_what_has_no_way),
		T(counts_no_words_of_its_own),
		T(knows_no_way_to_who_has_gone),
		T(drops_what_has_no_length),
		T(lets_clients_go),
		T(goes_and_wants_a_handshake),
		T(goodbyes_do_not_fill_the_events),
		T(channels_do_not_fill_the_events),
		cmocka_unit_test_setup_teardown(
		    turns_hold_much, set_up_denied, tear_down),
		cmocka_unit_test_setup_teardown(
		    says_what_it_refuses, set_up_denied, tear_down),
		cmocka_unit_test_setup_teardown(
		    says_nothing_of_the_rest, set_up_denied, tear_down),
		cmocka_unit_test_setup_teardown(
		    says_something_of_each, set_up_denied, tear_down),
		T(says_nothing_unasked),
		T(counts_refusals_and_answers),
		T(marks_congestion_inwards),
		T(marks_congestion_outwards),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A tunnel over time: its keepalives, re-keys and sessions (firezone-tunnel(7),
 * WireGuard timers, Switching sessions).
 */
#include <sodium.h>

#include "tests/lib/dataplane.h"

static const struct shard_counters *
counters(const struct rig *r)
{
	return &r->page.shard[0].counters;
}

static bool
answered(struct rig *r)
{
	uint8_t packet[40];
	size_t before = r->udp_count;

	from_tun(
	    r, packet, tcp_packet(packet, "10.20.0.9:80", "100.64.0.2:1234"));
	return r->udp_count > before;
}

/* Whether the last datagram is for the session the client has. */
static bool
heard_in_session(struct rig *r)
{
	struct note n = *last_udp(r);
	struct session session = r->session;
	uint8_t *inner;

	return message_classify(n.data, n.len) == MESSAGE_DATA &&
	    session_open(&session, r->aead, n.data, n.len, &inner) >= 0;
}

/* How long until the gateway sends one of that length; -1: not at all. */
static int64_t
awaited(struct rig *r, enum message_type type, size_t len, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 10) {
		size_t seen = r->udp_count;

		pass(r, 10);
		for (; seen < r->udp_count; seen++) {
			const struct note *n = &r->udp[seen % NOTES];

			if (n->len == len &&
			    message_classify(n->data, n->len) == type)
				return t + 10;
		}
	}
	return -1;
}

enum { NOTHING, CLIENT_DATA, CLIENT_EMPTY, GATEWAY_DATA };

static void
happens(struct rig *r, int what)
{
	switch (what) {
	case CLIENT_DATA:
		client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
		break;
	case CLIENT_EMPTY:
		client_sends_packet(r, NULL, 0);
		break;
	case GATEWAY_DATA:
		assert_true(answered(r));
		break;
	default:
		break;
	}
}

/* Who is silent for too long says something, or makes the other one do so. */
static void
silence(void **state)
{
	static const struct {
		int first, then;               /* a second later */
		int64_t keepalive, initiation; /* after that, about; or none */
	} table[] = {
		{ NOTHING, NOTHING, -1, -1 },
		{ CLIENT_EMPTY, NOTHING, -1, -1 },
		{ CLIENT_DATA, NOTHING, 9000, -1 },
		{ CLIENT_DATA, CLIENT_DATA, 9000, -1 },
		{ NOTHING, CLIENT_DATA, 10000, -1 },
		{ CLIENT_DATA, GATEWAY_DATA, -1, 15000 },
		{ GATEWAY_DATA, NOTHING, -1, 14000 },
		{ GATEWAY_DATA, GATEWAY_DATA, -1, 14000 },
		{ GATEWAY_DATA, CLIENT_EMPTY, -1, -1 },
		{ GATEWAY_DATA, CLIENT_DATA, 10000, -1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		static const struct {
			enum message_type type;
			size_t len;
		} kinds[] = { { MESSAGE_DATA, WIREGUARD_OVERHEAD },
			{ MESSAGE_INITIATION, MESSAGE_INITIATION_LEN } };

		for (size_t kind = 0; kind < 2; kind++) {
			struct rig *r = *state;
			int64_t expected = kind == 0 ? table[i].keepalive
						     : table[i].initiation,
				after;

			connected(r);
			happens(r, table[i].first);
			pass(r, 1000);
			happens(r, table[i].then);
			after = awaited(
			    r, kinds[kind].type, kinds[kind].len, 25000);
			if (expected < 0)
				assert_int_equal(after, expected);
			else
				assert_in_range(
				    after, expected, expected + 500);
			tear_down(state);
			set_up(state);
		}
	}
}

/* It proves the new session at once and sends on it; the client does not. */
static void
gateway_rekeys(void **state)
{
	struct rig *r = *state;
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_initiation initiation;
	struct noise_keys keys;

	connected(r);
	assert_true(answered(r));
	assert_true(
	    awaited(r, MESSAGE_INITIATION, MESSAGE_INITIATION_LEN, 16000) > 0);
	while (message_classify(last_udp(r)->data, last_udp(r)->len) !=
	    MESSAGE_INITIATION)
		r->udp_count--;
	assert_true(noise_open_initiation(
	    &r->identity, last_udp(r)->data, &initiation));
	assert_true(noise_accept_initiation(&r->gateway, &initiation));
	assert_true(noise_create_response(
	    &r->gateway, &initiation, 78, r->now, response, &keys));
	session_init(&r->session, &keys, r->now);
	receive(
	    r, "192.0.2.7:50000", "10.0.0.4:52625", response, sizeof(response));
	assert_int_equal(last_udp(r)->len, WIREGUARD_OVERHEAD);
	assert_true(heard_in_session(r));
	assert_true(answered(r));
	assert_true(heard_in_session(r));
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(r->page.engine.handshakes, 2);
}

/* The gateway sends on a session that the client made once it has used it. */
static void
client_rekeys(void **state)
{
	struct rig *r = *state;
	struct session old, new;

	connected(r);
	old = r->session;
	pass(r, 30);
	client_initiates(r);
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	new = r->session;
	assert_true(answered(r));
	assert_false(heard_in_session(r));
	r->session = old;
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_true(answered(r));
	assert_true(heard_in_session(r));
	old = r->session;
	r->session = new;
	client_sends_packet(r, NULL, 0);
	assert_true(answered(r));
	assert_true(heard_in_session(r));
	/* What was under way on the old one comes in, and changes nothing. */
	new = r->session;
	r->session = old;
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 2);
	r->session = new;
	assert_true(answered(r));
	assert_true(heard_in_session(r));
}

/* Of sessions that nobody uses there are eight; then they cost the first. */
static void
many_sessions(void **state)
{
	struct rig *r = *state;
	struct session first;

	connected(r);
	first = r->session;
	for (int i = 0; i < 8; i++) {
		assert_true(answered(r));
		pass(r, 30);
		client_initiates(r);
		take_response(r, last_udp(r)->data, last_udp(r)->len);
	}
	assert_false(answered(r));
	assert_int_equal(counters(r)->not_connected, 1);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_true(answered(r));
	assert_true(heard_in_session(r));
	r->session = first;
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(counters(r)->unknown_session, 1);
}

/* Of peers: one in 20 ms. */
static void
hasty_initiations(void **state)
{
	struct rig *r = *state;

	connected(r);
	/* So few that their source is let through. */
	pass(r, 1000);
	client_initiates(r);
	r->now = mono_add_ms(r->now, 19);
	client_initiates(r);
	assert_int_equal(r->page.engine.handshakes, 2);
	r->now = mono_add_ms(r->now, 1);
	client_initiates(r);
	assert_int_equal(r->page.engine.handshakes, 3);
}

/* 180 s, served in time or not. */
static void
sessions_end(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct session old;

	connected(r);
	a.expires_at = 0;
	tell(r, authorization, &a);
	old = r->session;
	r->now = mono_add_s(r->session.established, 179);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_true(answered(r));
	/* Before anybody has looked at the time. */
	r->now = mono_add_s(r->session.established, 180);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	assert_int_equal(counters(r)->expired_session, 1);
	assert_false(answered(r));
	assert_int_equal(counters(r)->not_connected, 1);
	/* And after. */
	pass(r, 200);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(counters(r)->expired_session, 1);
	assert_int_equal(counters(r)->unknown_session, 1);
	/* A younger one stays, to its own end. */
	handshake(r);
	pass(r, 100000);
	old = r->session;
	client_initiates(r);
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	client_sends_packet(r, NULL, 0);
	pass(r, 81000);
	assert_true(answered(r));
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 2);
	r->session = old;
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(counters(r)->unknown_session, 2);
	pass(r, 99500);
	assert_false(answered(r));
}

/* What finds no room on the way out was not sent. */
static void
full_socket(void **state)
{
	struct rig *r = *state;

	connected(r);
	r->full = true;
	assert_false(answered(r));
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:81");
	assert_int_equal(counters(r)->inbound_packets, 0);
	assert_int_equal(counters(r)->icmp_sent, 0);
	assert_int_equal(counters(r)->not_connected, 0);
	r->full = false;
	assert_true(answered(r));
	assert_int_equal(counters(r)->inbound_packets, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(silence),
		T(gateway_rekeys),
		T(client_rekeys),
		T(many_sessions),
		T(hasty_initiations),
		T(sessions_end),
		T(full_socket),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

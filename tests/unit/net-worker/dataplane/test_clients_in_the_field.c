/*
 * What clients from 1.3 on do, and what they take from us (firezone-tunnel(7),
 * Clients in the field and Serving old clients). tests/scenarios.md says
 * which release each of these is for.
 */
#include <sodium.h>

#include "common/log.h"
#include "tests/lib/dataplane.h"

#define LOCAL  "10.0.0.4:52625"
#define FIRST  "192.0.2.7:50000"
#define SECOND "192.0.2.8:50000"

/* What the gateway has sent to one place, since look(). */
struct seen {
	unsigned checks;
	unsigned wireguard;
	unsigned responses;
	bool wireguard_first; /* before any STUN message */
};

static size_t looked_at;

static void
look(const struct rig *r)
{
	looked_at = r->udp_count;
}

static struct seen
sent_to(const struct rig *r, const char *place)
{
	struct endpoint to = at(place);
	struct seen seen = { 0 };
	struct stun_message m;

	assert_true(r->udp_count - looked_at <= NOTES);
	for (size_t i = looked_at; i < r->udp_count; i++) {
		const struct note *n = &r->udp[i % NOTES];
		enum message_type type = message_classify(n->data, n->len);

		if (!endpoint_equal(&n->to, &to))
			continue;
		if (stun_parse(n->data, n->len, &m)) {
			seen.checks += m.type == STUN_BINDING_REQUEST;
			continue;
		}
		if (type == MESSAGE_INVALID)
			continue;
		if (seen.checks == 0 && seen.wireguard == 0)
			seen.wireguard_first = true;
		seen.wireguard++;
		seen.responses += type == MESSAGE_RESPONSE;
	}
	return seen;
}

/* The client's check, by a pair that it has. */
static void
check_from(struct rig *r, const char *from, bool use)
{
	static uint8_t number;
	const uint8_t transaction[12] = { ++number };
	uint8_t check[128];
	struct writer w;

	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, "gate:clie");
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	if (use)
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, "gatepassword", 12);
	stun_add_fingerprint(&w);
	receive(r, from, LOCAL, check, w.len);
}

/* The client answers our checks by both of its addresses. */
static void
pass_answering(struct rig *r, int64_t ms)
{
	struct endpoint first = at(FIRST), second = at(SECOND);
	size_t next = r->udp_count;

	for (int64_t t = 0; t < ms; t += 10) {
		pass(r, 10);
		for (; next < r->udp_count; next++) {
			struct note n = r->udp[next % NOTES];
			struct stun_message m;

			if (!stun_parse(n.data, n.len, &m) ||
			    m.type != STUN_BINDING_REQUEST)
				continue;
			if (endpoint_equal(&n.to, &first))
				answer_check(r, FIRST, LOCAL, &m);
			else if (endpoint_equal(&n.to, &second))
				answer_check(r, SECOND, LOCAL, &m);
		}
	}
}

static void
signal_line(struct rig *r, bool withdrawn, const char *line)
{
	static struct ipc_remote_candidates m;

	m = (struct ipc_remote_candidates){
		.client = { { 0xc1 } },
		.withdrawn = withdrawn,
	};
	snprintf(m.lines, sizeof(m.lines), "%s\n", line);
	tell(r, remote_candidates, &m);
	settle(r);
}

static void
authorized_for_long(struct rig *r, enum authorization_kind kind)
{
	struct ipc_authorization a = authorization(r);

	a.kind = kind;
	a.expires_at = UNIX_NOW + 86400;
	with_relay(r);
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
}

/* Sends an initiation, and leaves what has come of it to be looked at. */
static void
initiate_from(struct rig *r, const char *from)
{
	uint8_t message[MESSAGE_INITIATION_LEN], psk[32],
	    timestamp[NOISE_TIMESTAMP_LEN];

	memset(psk, 0x55, sizeof(psk));
	assert_true(noise_peer_init(
	    &r->gateway, &r->identity, dataplane_public_key(r->dp), psk));
	noise_timestamp(
	    UNIX_NOW, (uint32_t)(r->now.ns / 1000000000), timestamp);
	assert_true(noise_create_initiation(
	    &r->identity, &r->gateway, 77, timestamp, r->now, message));
	receive(r, from, LOCAL, message, sizeof(message));
}

static void
send_from(struct rig *r, const char *from, const uint8_t *packet, size_t len)
{
	uint8_t data[INNER_PACKET_MAX + WIREGUARD_OVERHEAD];

	session_seal(&r->session, r->aead, packet, len, data);
	receive(r, from, LOCAL, data, len + WIREGUARD_OVERHEAD);
}

/* The session that the last datagram, a response, makes; used from there. */
static void
take_session(struct rig *r, const char *from)
{
	struct noise_keys keys;
	const struct note *n = last_udp(r);

	assert_true(
	    noise_consume_response(&r->identity, &r->gateway, n->data, &keys));
	session_init(&r->session, &keys, r->now);
	send_from(r, from, NULL, 0);
}

static bool
lets_through(struct rig *r, const char *from, const char *to)
{
	uint8_t packet[40];
	size_t before = r->tun_count;

	send_from(r, from, packet, tcp_packet(packet, "100.64.0.2:1234", to));
	return r->tun_count == before + 1;
}

static void
answer_of_the_site(struct rig *r)
{
	uint8_t reply[40];
	size_t len = tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:1234");

	from_tun(r, reply, len);
	settle(r);
}

/*
 * Clients before 1.5.7 take WireGuard from the nominated address only: whatever
 * comes by another way is answered there, and nowhere else. Those of 1.3 shake
 * hands at each nomination.
 */
static void
answers_by_the_nominated_path_alone(struct rig *r)
{
	struct seen first, second;

	signal_line(
	    r, false, "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host");
	signal_line(
	    r, false, "candidate:2 1 udp 2130706176 192.0.2.8 50000 typ host");
	check_from(r, FIRST, true);
	check_from(r, SECOND, false);
	pass_answering(r, 1000);
	look(r);
	/* It has two ways, and is not particular about its own. */
	initiate_from(r, SECOND);
	assert_int_equal(sent_to(r, FIRST).responses, 1);
	take_session(r, SECOND);
	assert_true(lets_through(r, SECOND, "10.20.0.9:80"));
	answer_of_the_site(r);
	assert_int_equal(sent_to(r, FIRST).wireguard, 2);
	assert_int_equal(sent_to(r, SECOND).wireguard, 0);

	pass_answering(r, 1000);
	look(r);
	check_from(r, SECOND, true);
	pass_answering(r, 50);
	initiate_from(r, SECOND);
	take_session(r, SECOND);
	assert_true(lets_through(r, SECOND, "10.20.0.9:80"));
	answer_of_the_site(r);
	first = sent_to(r, FIRST);
	second = sent_to(r, SECOND);
	assert_int_equal(first.wireguard, 0);
	assert_int_equal(second.responses, 1);
	assert_int_equal(second.wireguard, 2);
	assert_false(second.wireguard_first);

	/* What is refused is answered there as well. */
	look(r);
	assert_false(lets_through(r, FIRST, "10.20.0.9:81"));
	assert_int_equal(sent_to(r, FIRST).wireguard, 0);
	assert_int_equal(sent_to(r, SECOND).wireguard, 1);
}

static void
wireguard_takes_the_nominated_path(void **state)
{
	struct rig *r = *state;

	authorized_for_long(r, AUTHORIZATION_UPSERT);
	answers_by_the_nominated_path_alone(r);
}

static void
wireguard_takes_it_for_older_clients_too(void **state)
{
	struct rig *r = *state;

	authorized_for_long(r, AUTHORIZATION_CONNECTION);
	answers_by_the_nominated_path_alone(r);
}

/*
 * How lines have looked in the course of time, and how each is withdrawn. The
 * raddr tells candidates apart, even one that says nothing.
 */
static const struct {
	const char *announced, *other, *withdrawn;
} lines[] = {
	/* Up to 1.4.9: neither raddr nor fragment. */
	{ "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host",
	    "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ srflx",
	    "candidate:9 1 udp 1 192.0.2.7 50000 typ host" },
	{ "candidate:1 1 udp 1694498559 192.0.2.7 50000 typ srflx",
	    "candidate:1 1 udp 1694498559 192.0.2.7 50000 typ srflx raddr "
	    "0.0.0.0 rport 0",
	    "candidate:9 1 udp 1 192.0.2.7 50000 typ srflx" },
	{ "candidate:1 1 udp 50331391 192.0.2.7 50000 typ relay",
	    "candidate:1 1 udp 50331391 192.0.2.7 50000 typ relay raddr "
	    "0.0.0.0 rport 0",
	    "candidate:9 1 udp 1 192.0.2.7 50000 typ relay" },
	/* From 1.4.10: a raddr that is none; from 1.4.13 a fragment. */
	{ "candidate:1 1 udp 1694498559 192.0.2.7 50000 typ srflx raddr "
	  "0.0.0.0 rport 0",
	    "candidate:1 1 udp 1694498559 192.0.2.7 50000 typ srflx",
	    "candidate:9 1 udp 1 192.0.2.7 50000 typ srflx raddr 0.0.0.0 "
	    "rport 0" },
	{ "candidate:1 1 udp 50331391 192.0.2.7 50000 typ relay raddr "
	  "0.0.0.0 rport 0 ufrag clie",
	    "candidate:1 1 udp 50331391 192.0.2.7 50000 typ relay",
	    "candidate:9 1 udp 50331391 192.0.2.7 50000 typ relay raddr "
	    "0.0.0.0 rport 0" },
	/* From 1.5.9, with a repeated authorization. */
	{ "candidate:1 1 udp 1862270719 192.0.2.7 50000 typ prflx ufrag clie",
	    "candidate:1 1 udp 1862270719 192.0.2.7 50000 typ host",
	    "candidate:9 1 udp 1 192.0.2.7 50000 typ prflx" },
};

static unsigned
checks_in_a_while(struct rig *r)
{
	look(r);
	pass(r, 6000);
	return sent_to(r, FIRST).checks;
}

static void
lines_of_all_ages_are_known(void **state)
{
	struct rig *r = *state;
	const size_t count = sizeof(lines) / sizeof(lines[0]);

	authorized_for_long(r, AUTHORIZATION_UPSERT);
	/* Without any the connection would fail. */
	signal_line(r, false, "candidate:0 1 udp 5 192.0.2.8 50000 typ host");
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(checks_in_a_while(r), 0);
		signal_line(r, false, lines[i].announced);
		assert_true(checks_in_a_while(r) > 0);
		signal_line(r, true, lines[i].other);
		assert_true(checks_in_a_while(r) > 0);
		signal_line(r, true, lines[i].withdrawn);
	}
	assert_int_equal(checks_in_a_while(r), 0);
}

/* Any of them is a candidate: the connection does not fail for want of one. */
static void
any_line_is_a_candidate(void **state)
{
	struct rig *r = *state;
	unsigned connections = 0;

	with_relay(r);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct ipc_authorization a = authorization(r);

		a.kind = AUTHORIZATION_CONNECTION;
		a.expires_at = UNIX_NOW + 86400;
		tell(r, authorization, &a);
		settle(r);
		assert_int_equal(r->closed, connections++);
		pass(r, 9000);
		signal_line(r, false, lines[i].announced);
		pass(r, 2000);
		assert_int_equal(r->closed, connections - 1);
	}
}

static void
connected_twice_over(struct rig *r)
{
	authorized_for_long(r, AUTHORIZATION_UPSERT);
	signal_line(
	    r, false, "candidate:1 1 udp 2130706176 192.0.2.7 50000 typ host");
	signal_line(
	    r, false, "candidate:2 1 udp 2130706175 192.0.2.8 50000 typ host");
	check_from(r, FIRST, true);
	pass_answering(r, 1000);
	initiate_from(r, FIRST);
	take_session(r, FIRST);
}

/*
 * An idle one asks for nothing for a minute or more, and has a new session
 * every three minutes at best.
 */
static void
silence_is_no_end(void **state)
{
	struct rig *r = *state;

	connected_twice_over(r);
	pass_answering(r, 400000);
	assert_int_equal(r->closed, 0);
	initiate_from(r, FIRST);
	take_session(r, FIRST);
	assert_true(lets_through(r, FIRST, "10.20.0.9:80"));
}

/* Before 1.5.7 it goes without a word. What it was granted stays. */
static void
vanishing_ends_the_connection(void **state)
{
	struct rig *r = *state;

	connected_twice_over(r);
	pass(r, 541000);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
}

/* From 1.5.7 on it says so. */
static void
goodbye_is_the_end(void **state)
{
	struct rig *r = *state;
	const uint8_t goodbye[48] = { 0x60, [5] = 8, [6] = 255, [40] = 2 };

	connected_twice_over(r);
	look(r);
	send_from(r, FIRST, goodbye, sizeof(goodbye));
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 0);
	assert_int_equal(sent_to(r, FIRST).wireguard, 0);
}

/*
 * It gives a handshake up after 15 s, up to 1.5.5 after 90 s, and asks every 5
 * s meanwhile: when there is a path, it has all of its answers.
 */
static void
answers_wait_for_the_path(void **state)
{
	struct rig *r = *state;

	authorized_for_long(r, AUTHORIZATION_UPSERT);
	signal_line(
	    r, false, "candidate:1 1 udp 2130706176 192.0.2.7 50000 typ host");
	look(r);
	for (int i = 0; i < 3; i++) {
		initiate_from(r, FIRST);
		pass(r, 5000);
	}
	assert_int_equal(sent_to(r, FIRST).responses, 0);
	check_from(r, FIRST, true);
	look(r);
	pass(r, 20);
	assert_int_equal(sent_to(r, FIRST).responses, 3);
}

/*
 * Before 1.5.5 it gives up as soon as it has no path, and asks again: what was
 * there is replaced at once.
 */
static void
other_credentials_replace_the_connection(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected_twice_over(r);
	snprintf(a.remote_username, sizeof(a.remote_username), "anew");
	snprintf(a.local_username, sizeof(a.local_username), "ours");
	a.serial = 8;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
	assert_int_equal(r->closed, 1);
	assert_non_null(strstr(r->added, "typ host ufrag ours\n"));
	assert_false(lets_through(r, FIRST, "10.20.0.9:80"));
}

/* From 1.5.16 on it can do without ICE, if the portal says so. */
static void
without_ice_if_the_portal_says_so(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	with_relay(r);
	a.use_iceless = true;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
	assert_int_equal(r->page.engine.connections_iceless, 1);
	/* Its lines have bases in place of a fragment. */
	assert_non_null(strstr(r->added, "raddr 10.0.0.4 rport 52625\n"));
	assert_null(strstr(r->added, "ufrag"));
}

/* It withdraws all it has, as before August 2025, and has others in time. */
static void
cut_off_for_a_moment_is_no_end(void **state)
{
	struct rig *r = *state;

	connected(r);
	for (int i = 0; i < 2; i++) {
		signal_line(r, true,
		    "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host");
		pass(r, 1900);
		signal_line(r, false,
		    "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host");
		if (i == 1)
			check_from(r, FIRST, true);
		pass(r, 5000);
		assert_int_equal(r->closed, 0);
	}
	signal_line(
	    r, true, "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ host");
	pass(r, 2100);
	assert_int_equal(r->closed, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(wireguard_takes_the_nominated_path),
		T(wireguard_takes_it_for_older_clients_too),
		T(lines_of_all_ages_are_known),
		T(any_line_is_a_candidate),
		T(silence_is_no_end),
		T(vanishing_ends_the_connection),
		T(goodbye_is_the_end),
		T(answers_wait_for_the_path),
		T(other_credentials_replace_the_connection),
		T(without_ice_if_the_portal_says_so),
		T(cut_off_for_a_moment_is_no_end),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Paths of one client, with a relay and a client that answer: which candidates
 * it is told of, when one is withdrawn, and for which of its own there is a
 * channel (firezone-tunnel(7), ICE and RELAYS).
 */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/core/turn/allocation.h"
#include "net-worker/dataplane/engine/paths/paths.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/no_memory.h"

#define RELAY    "203.0.113.5:3478"
#define LOCAL    "10.0.0.4:52625"
#define CLIENT   "192.0.2.7:50000"
#define SEEN     "198.51.100.77:41000"
#define RELAYED  "203.0.113.9:50001"
#define RELAY_V6 "[2001:db8::9]:50001"
#define MOVED    "203.0.113.9:50002"

/* Of the relay's user, as with_relay() names it. */
static uint8_t relay_key[16];
static size_t heard; /* of what the gateway has sent */
static uint16_t refresh_error;
static bool client_answers;
static unsigned binds;
static const char *relayed; /* what the relay has for us */
static uint16_t channel; /* the last that was bound */

static void
reply(struct rig *r, const char *from, struct writer *w, const void *key,
    size_t len)
{
	stun_add_integrity(w, key, len);
	stun_add_fingerprint(w);
	assert_false(writer_failed(w));
	receive(r, from, LOCAL, w->base, w->len);
}

static void
play_relay(struct rig *r, const struct stun_message *m)
{
	struct endpoint v4 = at(relayed), v6 = at(RELAY_V6);
	bool fails = m->type == STUN_REFRESH_REQUEST && refresh_error != 0;
	uint8_t answer[256];
	struct writer w;

	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, (uint16_t)(m->type | (fails ? 0x0110 : 0x0100)),
	    m->transaction);
	if (fails)
		stun_add_error(&w, refresh_error, "no");
	else if (m->type == STUN_ALLOCATE_REQUEST) {
		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &v4);
		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &v6);
	} else if (m->type == STUN_CHANNEL_BIND_REQUEST) {
		binds++;
		channel = m->channel;
	} else if (m->type == STUN_BINDING_REQUEST)
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS,
		    &(struct endpoint){ at("198.51.100.1:0").ip, 40000 });
	if (!fails && m->type != STUN_BINDING_REQUEST)
		stun_add_u32(&w, STUN_LIFETIME, 600);
	reply(r, RELAY, &w, relay_key, sizeof(relay_key));
}

static void
play_client(struct rig *r, const struct stun_message *m)
{
	struct endpoint mapped = at(SEEN);
	uint8_t answer[256];
	struct writer w;

	if (m->type != STUN_BINDING_REQUEST || !client_answers)
		return;
	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	reply(r, CLIENT, &w, "cliepassword", 12);
}

/* Whoever a request went to answers it. */
static void
play(struct rig *r)
{
	struct endpoint relay = at(RELAY), client = at(CLIENT);

	while (heard < r->udp_count) {
		struct note n = r->udp[heard % NOTES];
		struct stun_message m;

		assert_true(r->udp_count - heard++ <= NOTES);
		if (!stun_parse(n.data, n.len, &m))
			continue;
		if (endpoint_equal(&n.to, &relay))
			play_relay(r, &m);
		else if (endpoint_equal(&n.to, &client))
			play_client(r, &m);
	}
}

static void
pass_playing(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 10) {
		pass(r, 10);
		play(r);
	}
}

static int
begin(void **state)
{
	assert_true(stun_long_term_key("u", TURN_REALM, "p", relay_key));
	heard = 0;
	refresh_error = 0;
	client_answers = false;
	binds = 0;
	relayed = RELAYED;
	return set_up(state);
}

static void
authorized_for_long(struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	a.expires_at = UNIX_NOW + 86400;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
}

/* The portal's list without the relay makes us ask it whether it is there. */
static void
relay_refuses_refresh(struct rig *r)
{
	refresh_error = 437;
	tell(r, relays_begin, NULL);
	tell(r, relays_commit, NULL);
	settle(r);
	play(r);
	refresh_error = 0;
}

static void
portal_removes_relay(struct rig *r)
{
	const struct ipc_relay_removed gone = { .relay = { { 1 } } };

	tell(r, relays_begin, NULL);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	settle(r);
}

static void
tells_of_a_relayed_address_when_there_is_one(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	authorized_for_long(r);
	assert_null(strstr(r->added, "typ relay"));
	assert_int_equal(r->page.engine.relays, 0);
	play(r);
	settle(r);
	assert_int_equal(r->page.engine.relays, 1);
	assert_non_null(strstr(r->added, "203.0.113.9 50001 typ relay "));
	assert_non_null(strstr(r->added, "2001:db8::9 50001 typ relay "));
	assert_string_equal(r->withdrawn, "");
}

/* One that was there before the client is told with the rest. */
static void
tells_of_all_at_once(void **state)
{
	struct rig *r = *state;
	static const char *const kinds[] = { "host", "srflx", "relay",
		"relay" };
	char *rest = r->added, *line;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		line = strsep(&rest, "\n");
		assert_non_null(line);
		line = strstr(line, "typ ");
		assert_non_null(line);
		assert_memory_equal(line + 4, kinds[i], strlen(kinds[i]));
	}
	assert_string_equal(rest, "");
}

/*
 * With the kind's default preference, other than when it was announced: the
 * client compares neither.
 */
static void
withdraws_a_relayed_address_that_is_gone(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	r->added[0] = '\0';
	relay_refuses_refresh(r);
	assert_non_null(
	    strstr(r->withdrawn, " udp 50331391 203.0.113.9 50001 typ relay "));
	assert_non_null(
	    strstr(r->withdrawn, " udp 50331647 2001:db8::9 50001 typ relay "));
	assert_null(strstr(r->withdrawn, "typ host"));
	assert_null(strstr(r->withdrawn, "typ srflx"));
	/* The new one, which the relay gave us at once. */
	play(r);
	assert_non_null(strstr(r->added, "203.0.113.9 50001 typ relay "));
}

static void
goes_on_with_another_relay(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	portal_removes_relay(r);
	assert_non_null(strstr(r->withdrawn, "203.0.113.9 50001 typ relay "));
	r->added[0] = '\0';
	with_relay(r);
	pass_playing(r, 20);
	assert_non_null(strstr(r->added, "203.0.113.9 50001 typ relay "));
	assert_int_equal(r->page.engine.clients, 1);
}

static void
tell_candidate(struct rig *r, const char *kind, bool withdrawn)
{
	static struct ipc_remote_candidates m;

	m = (struct ipc_remote_candidates){ .client = { { 0xc1 } },
		.withdrawn = withdrawn };
	snprintf(m.lines, sizeof(m.lines),
	    "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ %s ufrag "
	    "clie\n",
	    kind);
	tell(r, remote_candidates, &m);
	settle(r);
}

static void
name_client(struct rig *r, const char *kind)
{
	tell_candidate(r, kind, false);
}

static void
name_address(struct rig *r, unsigned port, const char *kind)
{
	static struct ipc_remote_candidates m;

	m = (struct ipc_remote_candidates){ .client = { { 0xc1 } } };
	snprintf(m.lines, sizeof(m.lines),
	    "candidate:1 1 udp %u 192.0.2.9 %u typ %s\n", 1000 - port, port,
	    kind);
	tell(r, remote_candidates, &m);
	settle(r);
}

/* A host address is reached directly or not at all; any other by the relay. */
static void
opens_channels_to_what_is_not_a_host(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	name_client(r, "host");
	play(r);
	assert_int_equal(binds, 0);
	name_client(r, "srflx raddr 10.0.0.1 rport 9");
	play(r);
	assert_int_equal(binds, 1);
}

/* Old clients do so behind many a NAT, and their relay comes last. */
static void
relays_are_heard_after_many_addresses(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	for (unsigned port = 1; port <= 60; port++) {
		name_address(r, port, "srflx");
		pass_playing(r, 20);
	}
	assert_int_equal(binds, 32);
	assert_true(r->page.engine.channels_refused > 0);
	name_address(r, 61, "relay");
	play(r);
	assert_int_equal(binds, 33);
	pass_playing(r, 1000);
	assert_int_equal(binds, 33);
}

/*
 * The client's answer to our check says from where it came. A client that may
 * have lost what it knew is told of that address as well.
 */
static void
tells_of_the_address_that_the_client_sees(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	name_client(r, "host");
	play(r);
	authorized_for_long(r);
	assert_null(strstr(r->added, "prflx"));
	client_answers = true;
	pass_playing(r, 2000);
	authorized_for_long(r);
	assert_non_null(strstr(r->added, "198.51.100.77 41000 typ prflx "));
}

static void
connected_directly(struct rig *r)
{
	client_answers = true;
	with_relay(r);
	play(r);
	authorized_for_long(r);
	name_client(r, "host");
	check_with_use_candidate(r);
	pass_playing(r, 20);
	handshake(r);
}

static void
becomes_idle_and_active(void **state)
{
	static const struct {
		bool sends, hears;
		int64_t every;
		int64_t idle_after; /* the last packet */
	} table[] = {
		{ false, false, 20000, 0 },
		{ true, false, 6000, 20000 },
		{ false, true, 6000, 20000 },
		/* It is looked at every 5 s only. */
		{ true, false, 4900, 20000 - 4900 },
		{ false, true, 4900, 20000 - 4900 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rig *r = *state;

		connected_directly(r);
		authorized_for_long(r);
		for (int n = 0; n < 6; n++) {
			uint8_t packet[40];
			size_t len = tcp_packet(
			    packet, "10.20.0.9:80", "100.64.0.2:1234");

			if (n > 0)
				pass_playing(r, table[i].every);
			if (table[i].sends)
				client_sends(
				    r, "100.64.0.2:1234", "10.20.0.9:80");
			if (table[i].hears)
				from_tun(r, packet, len);
			/* A keepalive is no packet. */
			client_sends_packet(r, NULL, 0);
		}
		pass_playing(r, table[i].idle_after - 200);
		assert_int_equal(state_of_client(r),
		    table[i].idle_after == 0 ? QUERY_STATE_IDLE
					     : QUERY_STATE_CONNECTED);
		pass_playing(r, 400);
		assert_int_equal(state_of_client(r), QUERY_STATE_IDLE);
		client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
		assert_int_equal(state_of_client(r), QUERY_STATE_CONNECTED);
		tear_down(state);
		begin(state);
	}
}

/* By the relay. */

static void
receive_by_channel(struct rig *r, const void *data, size_t len)
{
	uint8_t framed[DATAGRAM_MAX];

	store_be16(framed, channel);
	store_be16(framed + 2, (uint16_t)len);
	memcpy(framed + 4, data, len);
	receive(r, RELAY, LOCAL, framed, len + 4);
}

/* What the last datagram has brought the client. */
static uint8_t *
heard_by_channel(struct rig *r, size_t *len)
{
	struct note *n = &r->udp[(r->udp_count - 1) % NOTES];
	struct endpoint relay = at(RELAY);

	assert_true(endpoint_equal(&n->to, &relay));
	assert_true(n->len > 4);
	assert_int_equal(load_be16(n->data), channel);
	*len = load_be16(n->data + 2);
	assert_int_equal(*len, n->len - 4);
	return n->data + 4;
}

static void
handshake_by_channel(struct rig *r)
{
	uint8_t message[MESSAGE_INITIATION_LEN], data[MESSAGE_DATA_MIN];
	uint8_t *response;
	size_t len;

	make_initiation(r, message);
	receive_by_channel(r, message, sizeof(message));
	response = heard_by_channel(r, &len);
	take_response(r, response, len);
	session_seal(&r->session, r->aead, NULL, 0, data);
	receive_by_channel(r, data, sizeof(data));
}

/* The client is behind a NAT and comes by our relay. */
static void
connected_by_relay(struct rig *r)
{
	uint8_t check[128];

	with_relay(r);
	play(r);
	authorized_for_long(r);
	name_client(r, "srflx raddr 10.0.0.1 rport 9");
	play(r);
	receive_by_channel(r, check, write_nomination(check));
	pass_playing(r, 20);
	handshake_by_channel(r);
	pass_playing(r, 20);
}

static void
client_sends_by_channel(struct rig *r)
{
	uint8_t packet[40], data[40 + WIREGUARD_OVERHEAD];
	size_t len = tcp_packet(packet, "100.64.0.2:1234", "10.20.0.9:80");
	size_t count = r->tun_count;

	session_seal(&r->session, r->aead, packet, len, data);
	receive_by_channel(r, data, len + WIREGUARD_OVERHEAD);
	assert_int_equal(r->tun_count, count + 1);
}

/* Whether the client gets an answer to that. */
static bool
answer_arrives(struct rig *r)
{
	uint8_t reply[40], *data, *inner;
	size_t count = r->udp_count, len;

	from_tun(
	    r, reply, tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:1234"));
	if (r->udp_count == count)
		return false;
	data = heard_by_channel(r, &len);
	assert_int_equal(message_classify(data, len), MESSAGE_DATA);
	assert_int_equal(
	    session_open(&r->session, r->aead, data, len, &inner), 40);
	assert_memory_equal(inner, reply, 40);
	return true;
}

static void
carries_packets_by_the_relay(void **state)
{
	struct rig *r = *state;

	connected_by_relay(r);
	assert_int_equal(r->page.engine.connections_relayed, 1);
	assert_int_equal(r->page.engine.connections_direct, 0);
	client_sends_by_channel(r);
	assert_true(answer_arrives(r));
	/* The client finds that it can do without. */
	check_with_use_candidate(r);
	pass(r, 20);
	assert_int_equal(r->page.engine.connections_relayed, 0);
	assert_int_equal(r->page.engine.connections_direct, 1);
}

/*
 * A channel is renewed for as long as data comes by it, even where only that
 * does: we and the client need not send by the same path.
 */
static void
renews_channels_in_use(void **state)
{
	struct rig *r = *state;

	client_answers = true;
	with_relay(r);
	play(r);
	authorized_for_long(r);
	name_client(r, "srflx raddr 10.0.0.1 rport 9");
	play(r);
	check_with_use_candidate(r);
	pass_playing(r, 20);
	for (int use = 1; use >= 0; use--) {
		binds = 0;
		for (int s = 0; s < 1200; s += 60) {
			handshake(r);
			if (use)
				client_sends_by_channel(r);
			pass_playing(r, 60000);
		}
		if (use)
			assert_in_range(binds, 3, 4);
		else
			assert_in_range(binds, 0, 1);
	}
	assert_int_equal(r->closed, 0);
}

/* Nothing goes to a channel that is gone; it goes on when there is another. */
static void
waits_for_the_relay_to_come_back(void **state)
{
	struct rig *r = *state;

	connected_by_relay(r);
	client_sends_by_channel(r);
	relay_refuses_refresh(r);
	pass(r, 10);
	pass_playing(r, 100);
	client_sends_by_channel(r);
	assert_true(answer_arrives(r));
}

static void
sends_nothing_without_its_relay(void **state)
{
	struct rig *r = *state;

	connected_by_relay(r);
	client_sends_by_channel(r);
	portal_removes_relay(r);
	assert_false(answer_arrives(r));
}

/* The client hears goodbye, and the relay that we need it no more. */
static void
ends_in_order(void **state)
{
	struct rig *r = *state;
	struct endpoint relay = at(RELAY);
	struct stun_message m;
	size_t before;
	unsigned released = 0, told = 0;

	connected_directly(r);
	before = r->udp_count;
	r->tellings = 0;
	dataplane_shutdown(r->dp);
	settle(r);
	for (size_t i = before; i < r->udp_count; i++) {
		const struct note *n = &r->udp[i % NOTES];

		if (endpoint_equal(&n->to, &relay) &&
		    stun_parse(n->data, n->len, &m))
			released +=
			    m.type == STUN_REFRESH_REQUEST && m.lifetime == 0;
		told += message_classify(n->data, n->len) == MESSAGE_DATA;
	}
	assert_int_equal(released, 1);
	assert_int_equal(told, 1);
	assert_true(dataplane_has_ended(r->dp));
}

/* Whoever initiates too often has to prove the address it comes by. */
static void
demands_cookies_by_the_relay(void **state)
{
	struct rig *r = *state;
	uint8_t message[MESSAGE_INITIATION_LEN], *cookie;
	size_t len;

	connected_by_relay(r);
	for (int i = 0; i < 300 && r->page.engine.cookies_demanded == 0; i++) {
		make_initiation(r, message);
		receive_by_channel(r, message, sizeof(message));
	}
	assert_int_equal(r->page.engine.cookies_demanded, 1);
	cookie = heard_by_channel(r, &len);
	assert_int_equal(message_classify(cookie, len), MESSAGE_COOKIE);
}

/* Each way in which a connection ends says so; the grants stay. */
static void
fails_for_a_reason(void **state)
{
	enum { NO_CANDIDATE, NO_ANSWER, NO_PATH };
	static const struct {
		const char *why;
		int64_t from, to; /* about, in ms */
	} table[] = {
		{ "no candidate from it within 10 s", 9900, 10100 },
		{ "it no longer answers", 34000, 37000 },
		{ "no path to it works", 1900, 2200 },
	};

	for (int i = NO_CANDIDATE; i <= NO_PATH; i++) {
		struct rig *r = *state;
		uint8_t packet[40];
		int64_t passed = 0;

		if (i == NO_CANDIDATE) {
			with_relay(r);
			play(r);
			authorized_for_long(r);
		} else
			connected_directly(r);
		overhear(r);
		if (i == NO_ANSWER)
			from_tun(r, packet,
			    tcp_packet(
				packet, "10.20.0.9:80", "100.64.0.2:1234"));
		if (i == NO_PATH)
			tell_candidate(r, "host", true);
		while (r->closed == 0 && passed < 200000) {
			passed += 10;
			pass_playing(r, 10);
		}
		assert_in_range(passed, table[i].from, table[i].to);
		assert_int_equal(logged(r, table[i].why), 1);
		assert_int_equal(r->page.engine.connections_failed, 1);
		assert_int_equal(r->page.engine.connections_direct, 0);
		assert_int_equal(r->page.engine.clients, 1);
		tear_down(state);
		begin(state);
	}
}

/* The client does not listen for us there. */
static void
sends_nothing_from_another_relayed_address(void **state)
{
	struct rig *r = *state;

	connected_by_relay(r);
	client_sends_by_channel(r);
	relayed = MOVED;
	relay_refuses_refresh(r);
	pass_playing(r, 100);
	assert_false(answer_arrives(r));
	pass_playing(r, 100);
	assert_false(answer_arrives(r));
}

/* Of what it had set going nothing is left that finds it. */
static void
a_client_that_left_hears_no_more(void **state)
{
	struct rig *r = *state;
	const struct ipc_revocation revocation = { .client = { { 0xc1 } },
		.resource = { { 0x42 } } };
	size_t sent;

	connected_by_relay(r);
	name_client(r, "host");
	pass(r, 2000);
	tell(r, revocation, &revocation);
	settle(r);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.connections_relayed, 0);
	/* It answers its last checks, and its channel ends. */
	client_answers = true;
	play(r);
	sent = r->udp_count;
	check_with_use_candidate(r);
	assert_int_equal(r->udp_count, sent);
	r->now = mono_add_s(r->now, 601);
	pass_playing(r, 20);
}

static void
strangers_are_not_answered(void **state)
{
	static const char *const names[] = { NULL, "", ":", "gate", "clie:gate",
		"gat:clie", "gatex:clie" };
	struct rig *r = *state;
	uint8_t check[128];
	struct writer w;
	size_t sent;

	with_relay(r);
	play(r);
	authorized_for_long(r);
	sent = r->udp_count;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		writer_init(&w, check, sizeof(check));
		stun_begin(&w, STUN_BINDING_REQUEST, (uint8_t[12]){ 1 });
		if (names[i] != NULL)
			stun_add_text(&w, STUN_USERNAME, names[i]);
		stun_add_u32(&w, STUN_PRIORITY, 1);
		reply(r, CLIENT, &w, "gatepassword", 12);
		assert_int_equal(r->udp_count, sent);
	}
}

static struct relays *no_relays;
static bool without_ice;

static bool
paths_of_one(void)
{
	const struct path_terms terms = {
		.iceless = without_ice,
		.local = { "gate", "gatepassword" },
		.remote = { "clie", "cliepassword" },
	};
	static const struct packet_sink sink = { 0 };
	static const struct turn_owner owner = { 0 };
	static struct engine_counters counters;
	struct path_table *t = path_table_new(no_relays, &sink, &counters, 16);
	struct paths *p = NULL;
	bool ok;

	if (t != NULL)
		p = paths_new(t, (struct mono){ 1 }, &owner, &terms, &counters);
	ok = p != NULL && paths_connection(p) == &counters;
	if (t != NULL)
		paths_free(t, p);
	path_table_free(t);
	return ok;
}

static void
without_memory(void **state)
{
	(void)state;
	if (!HEAP_IS_OURS)
		skip();
	no_relays = relays_new();
	assert_non_null(no_relays);
	without_ice = false;
	assert_in_range(fail_each_allocation(paths_of_one), 5, 20);
	without_ice = true;
	assert_in_range(fail_each_allocation(paths_of_one), 5, 20);
	relays_free(no_relays);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, tear_down)
		T(tells_of_a_relayed_address_when_there_is_one),
		T(tells_of_all_at_once),
		T(withdraws_a_relayed_address_that_is_gone),
		T(goes_on_with_another_relay),
		T(opens_channels_to_what_is_not_a_host),
		T(relays_are_heard_after_many_addresses),
		T(tells_of_the_address_that_the_client_sees),
		T(becomes_idle_and_active),
		T(carries_packets_by_the_relay),
		T(renews_channels_in_use),
		T(waits_for_the_relay_to_come_back),
		T(ends_in_order),
		T(demands_cookies_by_the_relay),
		T(fails_for_a_reason),
		T(sends_nothing_without_its_relay),
		T(sends_nothing_from_another_relayed_address),
		T(a_client_that_left_hears_no_more),
		T(strangers_are_not_answered),
		T(without_memory),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

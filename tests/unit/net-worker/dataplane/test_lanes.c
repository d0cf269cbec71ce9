/*
 * Several lanes: what lands at another one than its own, the home that each
 * client has, and questions about clients of all of them. There are three,
 * whatever the environment says.
 */
#include <sodium.h>

#include "tests/lib/dataplane.h"

#define LANES   3u
#define STRAYS  256u /* that one thread can hold for another */
#define QUERIES 16u

/* The data plane: the first client, and so the one of rig, is of lane 0. */

static const struct io_counters *
io_of(const struct rig *r, unsigned thread)
{
	return &r->page.io[thread].counters;
}

static uint64_t
unknown_sessions(const struct rig *r)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < LANES; i++)
		count += r->page.shard[i].counters.unknown_session;
	return count;
}

/* What the counters of strays have gone up by at each thread, at all of them.
 */
struct strayed {
	uint64_t udp[1 + LANES], tun[1 + LANES], lost;
};

static struct strayed
strayed(const struct rig *r)
{
	struct strayed s = { 0 };

	for (unsigned i = 0; i <= LANES; i++) {
		s.udp[i] = io_of(r, i)->strays_udp;
		s.tun[i] = io_of(r, i)->strays_tun;
		s.lost += io_of(r, i)->strays_lost;
	}
	return s;
}

/* A datagram that arrives at a thread; 0: the engine's. */
static void
lands_at(struct rig *r, unsigned thread, const uint8_t *data, size_t len)
{
	struct arrival a = {
		.from = at("192.0.2.7:50000"),
		.local = at("10.0.0.4:52625"),
	};
	uint8_t copy[DATAGRAM_MAX];

	memcpy(copy, data, len);
	by_hand_set_time(r->dp, r->now);
	if (thread == 0)
		(void)dataplane_datagram(r->dp, &a, copy, len);
	else
		lane_datagram(dataplane_lane(r->dp, thread - 1), &a, copy, len);
}

static size_t
sealed(struct rig *r, const char *from, const char *to, uint8_t *data)
{
	uint8_t packet[40];
	size_t len = tcp_packet(packet, from, to);

	session_seal(&r->session, r->aead, packet, len, data);
	return len + WIREGUARD_OVERHEAD;
}

static void
datagrams_get_to_their_own(void **state)
{
	struct rig *r = *state;

	connected(r);
	for (unsigned thread = 0; thread <= LANES; thread++) {
		struct strayed before = strayed(r), after;
		uint8_t data[128];
		size_t len = sealed(r, "100.64.0.2:1234", "10.20.0.9:80", data);
		bool home = thread == 1;

		r->tun_count = 0;
		lands_at(r, thread, data, len);
		assert_int_equal(r->tun_count, home ? 1 : 0);
		settle(r);
		assert_int_equal(r->tun_count, 1);
		after = strayed(r);
		for (unsigned i = 0; i <= LANES; i++)
			assert_int_equal(after.udp[i] - before.udp[i],
			    i == thread && !home ? 1 : 0);
		assert_int_equal(after.lost, before.lost);
	}
	assert_int_equal(unknown_sessions(r), 0);
}

/* Handshakes and checks are the engine's, wherever they land. */
static void
handshakes_get_to_the_engine(void **state)
{
	struct rig *r = *state;
	uint8_t message[MESSAGE_INITIATION_LEN];

	connected(r);
	for (unsigned thread = 1; thread <= LANES; thread++) {
		struct strayed before = strayed(r), after;

		pass(r, 1000);
		make_initiation(r, message);
		lands_at(r, thread, message, sizeof(message));
		settle(r);
		assert_int_equal(
		    message_classify(last_udp(r)->data, last_udp(r)->len),
		    MESSAGE_RESPONSE);
		after = strayed(r);
		assert_int_equal(after.udp[thread] - before.udp[thread], 1);
		assert_int_equal(r->page.engine.handshakes, 1 + thread);
	}
}

static void
packet_lands_at(struct rig *r, unsigned lane, const char *to)
{
	uint8_t packet[40];
	size_t len = tcp_packet(packet, "10.20.0.9:80", to);

	by_hand_set_time(r->dp, r->now);
	lane_packet(dataplane_lane(r->dp, lane), packet, len);
}

static void
packets_get_to_their_own(void **state)
{
	struct rig *r = *state;

	connected(r);
	for (unsigned lane = 0; lane < LANES; lane++) {
		struct strayed before = strayed(r), after;
		size_t sent = r->udp_count;
		uint8_t *inner;

		packet_lands_at(r, lane, "100.64.0.2:1234");
		assert_int_equal(r->udp_count - sent, lane == 0 ? 1 : 0);
		settle(r);
		assert_int_equal(r->udp_count - sent, 1);
		assert_int_equal(client_hears(r, &inner), 40);
		after = strayed(r);
		for (unsigned i = 0; i < LANES; i++)
			assert_int_equal(after.tun[1 + i] - before.tun[1 + i],
			    i == lane && lane != 0 ? 1 : 0);
		assert_int_equal(after.lost, 0);
	}
}

static void
packets_of_nobody_are_counted_where_they_land(void **state)
{
	static const char *const nobody[] = {
		"100.64.0.77:1234", /* no client has it */
		"10.20.0.7:1234",   /* nor can */
	};
	struct rig *r = *state;

	connected(r);
	for (unsigned lane = 0; lane < LANES; lane++)
		for (size_t i = 0; i < 2; i++) {
			const uint64_t *count =
			    &r->page.shard[lane].counters.no_such_client;
			uint64_t before = *count;
			size_t sent = r->udp_count;

			packet_lands_at(r, lane, nobody[i]);
			assert_int_equal(*count, before + 1);
			settle(r);
			assert_int_equal(r->udp_count, sent);
			assert_int_equal(strayed(r).tun[1 + lane], 0);
		}
}

/* Also of a client that is known, but has no connection. */
static void
packets_of_the_absent_are_counted_at_their_home(void **state)
{
	struct rig *r = *state;

	authorized(r);
	packet_lands_at(r, 2, "100.64.0.2:1234");
	settle(r);
	assert_int_equal(r->page.shard[0].counters.not_connected, 1);
	assert_int_equal(r->page.shard[2].counters.not_connected, 0);
	assert_int_equal(strayed(r).tun[1 + 2], 1);
}

/* An index of ours may name no shard that there is; no thread is waited for. */
static void
junk_is_an_unknown_session(void **state)
{
	struct rig *r = *state;
	uint8_t data[128];
	size_t len;

	connected(r);
	len = sealed(r, "100.64.0.2:1234", "10.20.0.9:80", data);
	for (unsigned thread = 0; thread <= LANES; thread++)
		for (uint32_t bits = 0; bits < 8; bits++) {
			uint64_t before = unknown_sessions(r);
			const uint64_t *count = &r->page.shard[bits % LANES]
						     .counters.unknown_session;
			uint64_t there = *count;

			/* Little-endian, and with no connection's bits. */
			data[4] = (uint8_t)(bits << 5);
			data[5] ^= 0x5a;
			lands_at(r, thread, data, len);
			settle(r);
			assert_int_equal(unknown_sessions(r), before + 1);
			assert_int_equal(*count, there + 1);
			assert_int_equal(r->tun_count, 0);
		}
}

static void
strays_without_room_are_lost_and_counted(void **state)
{
	struct rig *r = *state;
	size_t sent;

	connected(r);
	sent = r->udp_count;
	for (unsigned i = 0; i < STRAYS + 44; i++)
		packet_lands_at(r, 1, "100.64.0.2:1234");
	assert_int_equal(io_of(r, 2)->strays_tun, STRAYS);
	assert_int_equal(io_of(r, 2)->strays_lost, 44);
	settle(r);
	assert_int_equal(r->udp_count - sent, STRAYS);
	packet_lands_at(r, 1, "100.64.0.2:1234");
	settle(r);
	assert_int_equal(r->udp_count - sent, STRAYS + 1);
	assert_int_equal(io_of(r, 2)->strays_lost, 44);
}

/* Homes. */

static struct ipc_authorization
authorization_of(const struct rig *r, uint8_t number)
{
	struct ipc_authorization a = authorization(r);

	a.serial = number;
	a.client.bytes[15] = number;
	a.client_v4.bytes[3] = a.client_v6.bytes[15] = number;
	a.public_key[0] ^= number;
	snprintf(a.local_username, sizeof(a.local_username), "%03u", number);
	return a;
}

static void
comes(struct rig *r, uint8_t number)
{
	struct ipc_authorization a = authorization_of(r, number);

	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, number);
}

static void
goes(struct rig *r, uint8_t number)
{
	struct ipc_authorization a = authorization_of(r, number);
	struct ipc_revocation gone = {
		.client = a.client,
		.resource = a.resource,
	};

	tell(r, revocation, &gone);
	settle(r);
}

/* The lane that a client's packets are not passed on from; LANES: none. */
static unsigned
home_of_client(struct rig *r, uint8_t number)
{
	unsigned home = LANES;
	char to[32];

	snprintf(to, sizeof(to), "100.64.0.%u:1234", number);
	for (unsigned lane = 0; lane < LANES; lane++) {
		const uint64_t *passed = &io_of(r, 1 + lane)->strays_tun;
		uint64_t before = *passed;

		packet_lands_at(r, lane, to);
		settle(r);
		if (*passed == before) {
			assert_int_equal(home, LANES);
			home = lane;
		}
	}
	return home;
}

static void
new_clients_go_where_the_fewest_are(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	for (uint8_t i = 0; i < 9; i++) {
		comes(r, 10 + i);
		assert_int_equal(home_of_client(r, 10 + i), i % LANES);
	}
	/* Two of the third lane and one of the second. */
	goes(r, 12);
	goes(r, 15);
	goes(r, 14);
	comes(r, 30);
	comes(r, 31);
	comes(r, 32);
	assert_int_equal(home_of_client(r, 30), 2);
	assert_int_equal(home_of_client(r, 31), 1);
	assert_int_equal(home_of_client(r, 32), 2);
	for (uint8_t i = 0; i < 9; i++)
		if (i != 2 && i != 5 && i != 4)
			assert_int_equal(home_of_client(r, 10 + i), i % LANES);
}

static void
client_keeps_its_home_until_its_last_grant_is_gone(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization second = authorization_of(r, 11);

	with_relay(r);
	for (uint8_t i = 0; i < 3; i++)
		comes(r, 10 + i);
	/* The first lane has none, but who is elsewhere stays there. */
	goes(r, 10);
	second.resource.bytes[0] = 0x43;
	tell(r, authorization, &second);
	settle(r);
	comes(r, 12);
	assert_int_equal(home_of_client(r, 11), 1);
	assert_int_equal(home_of_client(r, 12), 2);
	goes(r, 11);
	assert_int_equal(home_of_client(r, 11), 1);
	comes(r, 11);
	assert_int_equal(home_of_client(r, 11), 1);
	goes(r, 12);
	comes(r, 12);
	assert_int_equal(home_of_client(r, 12), 0);
}

/* Whose address is another's now: its packets go to that one's lane. */
static void
address_goes_to_the_home_of_its_heir(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization heir = authorization_of(r, 40);

	with_relay(r);
	for (uint8_t i = 0; i < 4; i++)
		comes(r, 10 + i);
	goes(r, 12);
	assert_int_equal(home_of_client(r, 10), 0);
	heir.client_v4 = authorization_of(r, 10).client_v4;
	heir.client_v6 = authorization_of(r, 10).client_v6;
	tell(r, authorization, &heir);
	settle(r);
	assert_int_equal(r->acknowledged, 40);
	assert_int_equal(home_of_client(r, 10), 2);
}

static void
who_has_gone_has_no_home(void **state)
{
	struct rig *r = *state;
	uint64_t passed;

	with_relay(r);
	comes(r, 10);
	goes(r, 10);
	passed = io_of(r, 3)->strays_tun;
	packet_lands_at(r, 2, "100.64.0.10:1234");
	settle(r);
	assert_int_equal(io_of(r, 3)->strays_tun, passed);
	assert_int_equal(r->page.shard[2].counters.no_such_client, 1);
}

/* Questions of an operator about clients of several shards. */

static const struct ipc_query about_clients = {
	.serial = 500,
	.kind = QUERY_KIND_CLIENTS,
};

/* As they came, and each with what its own shard knows of it. */
static void
assert_page(const struct rig *r, const uint8_t *numbers, size_t count)
{
	assert_int_equal(r->client_count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(r->clients[i].client.bytes[15], numbers[i]);
		assert_int_equal(r->clients[i].serial, r->end.serial);
	}
}

static void
page_is_answered_once_and_in_order(void **state)
{
	static const uint8_t numbers[] = { 0, 10, 11, 12, 13, 14 };
	struct rig *r = *state;

	connected(r); /* is number 0 */
	for (uint8_t i = 0; i < 5; i++)
		comes(r, 10 + i);
	for (int i = 0; i < 3; i++)
		client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	r->answers = 0;
	ask_query(r, &about_clients);
	assert_int_equal(r->answers, 1);
	assert_int_equal(r->end.serial, 500);
	assert_false(r->end.more);
	assert_page(r, numbers, sizeof(numbers));
	assert_true(r->clients[0].handshaken);
	assert_int_equal(r->clients[0].received_packets, 3);
	for (size_t i = 1; i < sizeof(numbers); i++) {
		assert_false(r->clients[i].handshaken);
		assert_int_equal(r->clients[i].received_packets, 0);
	}
}

/* Until the last of its shards has answered. */
static void
page_waits_for_every_shard(void **state)
{
	static const unsigned order[] = { 1, 0, 2 };
	struct rig *r = *state;

	connected(r);
	comes(r, 10);
	comes(r, 11);
	r->answers = 0;
	tell(r, query, &about_clients);
	for (size_t i = 0; i < LANES; i++) {
		dataplane_settle(r->dp);
		assert_int_equal(r->answers, 0);
		lane_settle(dataplane_lane(r->dp, order[i]));
	}
	dataplane_settle(r->dp);
	assert_int_equal(r->answers, 1);
	assert_page(r, (uint8_t[]){ 0, 10, 11 }, 3);
	assert_true(r->clients[0].handshaken);
}

/* It is told of as it was when the page was begun. */
static void
page_outlives_who_goes_meanwhile(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct ipc_revocation gone = { a.client, a.resource };

	connected(r);
	comes(r, 10);
	comes(r, 11);
	comes(r, 12);
	r->answers = 0;
	/* One before its shard is asked, one after, and one comes. */
	lane_settle(dataplane_lane(r->dp, 0));
	tell(r, query, &about_clients);
	lane_settle(dataplane_lane(r->dp, 0));
	tell(r, revocation, &gone);
	goes(r, 11);
	comes(r, 13);
	assert_int_equal(r->answers, 1);
	assert_page(r, (uint8_t[]){ 0, 10, 11, 12 }, 4);
	assert_true(r->clients[0].handshaken);
	ask_query(r, &about_clients);
	assert_int_equal(r->answers, 2);
	assert_page(r, (uint8_t[]){ 10, 12, 13 }, 3);
}

/* Pages that follow each other have each client once. */
static void
pages_follow_each_other(void **state)
{
	struct ipc_query q = about_clients;
	struct rig *r = *state;

	with_relay(r);
	for (uint8_t i = 0; i < 150; i++)
		comes(r, 10 + i);
	for (uint8_t next = 10; next < 160;) {
		ask_query(r, &q);
		assert_int_equal(r->client_count,
		    160 - next < PAGE_MAX ? 160 - next : PAGE_MAX);
		for (size_t i = 0; i < r->client_count; i++)
			assert_int_equal(
			    r->clients[i].client.bytes[15], next++);
		assert_int_equal(r->end.more, next < 160);
		q.from = r->end.next;
	}
}

static void
queries_open_at_a_time_are_bounded(void **state)
{
	struct ipc_query q = about_clients;
	struct rig *r = *state;

	connected(r);
	comes(r, 10);
	r->answers = 0;
	for (q.serial = 1; q.serial <= QUERIES + 1; q.serial++)
		tell(r, query, &q);
	settle(r);
	assert_int_equal(r->answers, QUERIES);
	assert_int_equal(r->end.serial, QUERIES);
	ask_query(r, &q);
	assert_int_equal(r->answers, QUERIES + 1);
	assert_int_equal(r->end.serial, QUERIES + 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(datagrams_get_to_their_own),
		T(handshakes_get_to_the_engine),
		T(packets_get_to_their_own),
		T(packets_of_nobody_are_counted_where_they_land),
		T(packets_of_the_absent_are_counted_at_their_home),
		T(junk_is_an_unknown_session),
		T(strays_without_room_are_lost_and_counted),
		T(new_clients_go_where_the_fewest_are),
		T(client_keeps_its_home_until_its_last_grant_is_gone),
		T(address_goes_to_the_home_of_its_heir),
		T(who_has_gone_has_no_home),
		T(page_is_answered_once_and_in_order),
		T(page_waits_for_every_shard),
		T(page_outlives_who_goes_meanwhile),
		T(pages_follow_each_other),
		T(queries_open_at_a_time_are_bounded),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "3", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A lane that has more than it can deal with: what is beyond a client's share
 * is dropped before anything is done for it, and counted for that client.
 */
#include <sodium.h>

#include "net-worker/dataplane/lane_state.h"
#include "tests/lib/dataplane.h"

#define LOCAL    "10.0.0.4:52625"
#define ELEPHANT "192.0.2.7:50000" /* the client of the rig */
#define MOUSE    "192.0.2.8:50000"
#define LOAD     32u  /* packets in a turn, and one of the mouse */
#define TURNS    100u /* of a millisecond */

static struct session elephant, mouse;

static struct shard_counters *
counters_of(struct rig *r)
{
	return &r->page.shard[0].counters;
}

static void
mouse_connects(struct rig *r)
{
	struct ipc_authorization a;
	struct ipc_remote_candidates lines = {
		.lines = "candidate:1 1 udp 2130706175 192.0.2.8 50000 typ "
			 "host ufrag cli2\n",
	};
	uint8_t message[MESSAGE_INITIATION_LEN], data[MESSAGE_DATA_MIN];

	assert_true(noise_identity_generate(&r->identity));
	a = authorization(r);
	a.client.bytes[15] = 2;
	a.client_v4.bytes[3] = a.client_v6.bytes[15] = 3;
	strlcpy(a.local_username, "gat2", sizeof(a.local_username));
	strlcpy(a.remote_username, "cli2", sizeof(a.remote_username));
	lines.client = a.client;
	tell(r, authorization, &a);
	tell(r, remote_candidates, &lines);
	settle(r);
	receive(r, MOUSE, LOCAL, message,
	    write_nomination_of(message, "gat2:cli2"));
	pass(r, 20);
	make_initiation(r, message);
	receive(r, MOUSE, LOCAL, message, sizeof(message));
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	session_seal(&r->session, r->aead, NULL, 0, data);
	receive(r, MOUSE, LOCAL, data, sizeof(data));
	mouse = r->session;
}

static int
set_up_both(void **state)
{
	set_up(state);
	connected(*state);
	elephant = ((struct rig *)*state)->session;
	mouse_connects(*state);
	return 0;
}

static void
client_brings(struct rig *r, struct session *session, const char *at_client,
    const char *from, uint8_t copy[static 128])
{
	struct arrival a = { .from = at(at_client), .local = at(LOCAL) };
	uint8_t packet[64], data[128];
	size_t len = tcp_packet(packet, from, "10.20.0.9:80");

	session_seal(session, r->aead, packet, len, data);
	memcpy(copy, data, sizeof(data));
	lane_datagram(
	    dataplane_lane(r->dp, 0), &a, data, len + WIREGUARD_OVERHEAD);
}

static void
device_brings(struct rig *r, const char *to)
{
	uint8_t packet[64];
	size_t len = tcp_packet(packet, "10.20.0.9:80", to);

	lane_packet(dataplane_lane(r->dp, 0), packet, len);
}

/* The n-th turn's load; how much of each came through. */
struct turn {
	size_t elephant, mouse;
};

static struct turn
turn_of_sockets(struct rig *r, bool more)
{
	struct turn t = { 0 };
	uint8_t copy[128];
	size_t before;

	for (unsigned i = 0; i <= LOAD; i++) {
		before = r->tun_count;
		if (i == LOAD / 2) {
			client_brings(
			    r, &mouse, MOUSE, "100.64.0.3:1234", copy);
			t.mouse += r->tun_count - before;
		} else {
			client_brings(
			    r, &elephant, ELEPHANT, "100.64.0.2:1234", copy);
			t.elephant += r->tun_count - before;
		}
	}
	lane_left(dataplane_lane(r->dp, 0), more, false);
	return t;
}

static struct turn
turn_of_device(struct rig *r, bool more)
{
	struct turn t = { 0 };
	size_t before;

	for (unsigned i = 0; i <= LOAD; i++) {
		before = r->udp_count;
		if (i == LOAD / 2) {
			device_brings(r, "100.64.0.3:1234");
			t.mouse += r->udp_count - before;
		} else {
			device_brings(r, "100.64.0.2:1234");
			t.elephant += r->udp_count - before;
		}
	}
	lane_left(dataplane_lane(r->dp, 0), false, more);
	return t;
}

static uint64_t
over_share_of(struct rig *r, uint8_t number)
{
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };

	ask_query(r, &q);
	for (size_t i = 0; i < r->client_count; i++)
		if (r->clients[i].client.bytes[15] == number)
			return r->clients[i].over_share;
	fail_msg("no such client");
	return 0;
}

static void
overload(struct rig *r, struct turn (*turn)(struct rig *, bool),
    const uint64_t *counted)
{
	size_t dropped = 0;
	struct turn t;

	for (unsigned i = 0; i < TURNS; i++) {
		r->now = mono_add_ms(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		t = turn(r, true);
		assert_int_equal(t.mouse, 1);
		if (i < 15)
			assert_int_equal(t.elephant, LOAD);
		dropped += LOAD - t.elephant;
	}
	assert_in_range(t.elephant, 1, LOAD / 4);
	assert_int_equal(*counted, dropped);
	assert_int_equal(over_share_of(r, 0), dropped);
	assert_int_equal(over_share_of(r, 2), 0);
	/* It ends. */
	for (unsigned i = 0; i < TURNS; i++) {
		r->now = mono_add_ms(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		t = turn(r, false);
	}
	assert_int_equal(t.elephant, LOAD);
}

static void
at_the_sockets(void **state)
{
	struct rig *r = *state;

	overload(r, turn_of_sockets, &counters_of(r)->over_share_outbound);
	assert_int_equal(counters_of(r)->over_share_inbound, 0);
	assert_int_equal(counters_of(r)->forged, 0);
}

static void
at_the_device(void **state)
{
	struct rig *r = *state;

	overload(r, turn_of_device, &counters_of(r)->over_share_inbound);
	assert_int_equal(counters_of(r)->over_share_outbound, 0);
}

/* What was not decrypted was not seen: the same packet may come again. */
static void
dropped_before_it_is_decrypted(void **state)
{
	struct rig *r = *state;
	struct arrival a = { .from = at(ELEPHANT), .local = at(LOCAL) };
	uint8_t copy[128];
	size_t before;

	for (unsigned i = 0; i < TURNS; i++) {
		r->now = mono_add_ms(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		turn_of_sockets(r, true);
	}
	for (unsigned i = 0; i < LOAD; i++)
		client_brings(r, &elephant, ELEPHANT, "100.64.0.2:1234", copy);
	before = r->tun_count;
	lane_left(dataplane_lane(r->dp, 0), true, false);
	lane_datagram(
	    dataplane_lane(r->dp, 0), &a, copy, 40 + WIREGUARD_OVERHEAD);
	assert_int_equal(r->tun_count, before + 1);
}

/* In the name of the mouse, by who knows its index. */
static void
mouse_is_forged(struct rig *r)
{
	struct arrival a = { .from = at(MOUSE), .local = at(LOCAL) };
	uint8_t data[MESSAGE_DATA_MIN + 40] = { MESSAGE_DATA };

	store_le32(data + 4, mouse.remote_index);
	store_le64(data + 8, mouse.send_counter + 10);
	lane_datagram(dataplane_lane(r->dp, 0), &a, data, sizeof(data));
}

static void
forged_packets_take_no_share(void **state)
{
	struct rig *r = *state;
	struct turn t;

	for (unsigned i = 0; i < TURNS; i++) {
		r->now = mono_add_ms(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		for (unsigned n = 0; n < LOAD; n++)
			mouse_is_forged(r);
		t = turn_of_sockets(r, true);
		assert_int_equal(t.mouse, 1);
	}
	assert_in_range(t.elephant, 1, LOAD / 2);
	assert_int_equal(over_share_of(r, 2), 0);
	assert_int_equal(counters_of(r)->forged, TURNS * LOAD);
}

/* By the ring of another thread, as much as it holds; this one takes less. */

static void
client_strays(struct rig *r, struct session *session, const char *at_client,
    const char *from)
{
	struct arrival a = { .from = at(at_client), .local = at(LOCAL) };
	uint8_t packet[64], data[128];
	size_t len = tcp_packet(packet, from, "10.20.0.9:80");

	session_seal(session, r->aead, packet, len, data);
	(void)dataplane_datagram(r->dp, &a, data, len + WIREGUARD_OVERHEAD);
}

static void
packet_strays(struct rig *r, const char *to)
{
	uint8_t packet[64];
	size_t len = tcp_packet(packet, "10.20.0.9:80", to);

	strays_pass(dataplane_lane(r->dp, 0)->junction->strays, ENGINE_THREAD,
	    SHARD_THREAD(0), NULL, packet, len);
}

static void
stray_datagrams(struct rig *r, unsigned i)
{
	if (i == 0)
		client_strays(r, &mouse, MOUSE, "100.64.0.3:1234");
	else
		client_strays(r, &elephant, ELEPHANT, "100.64.0.2:1234");
}

static void
stray_packets(struct rig *r, unsigned i)
{
	packet_strays(r, i == 0 ? "100.64.0.3:1234" : "100.64.0.2:1234");
}

static void
overload_by_strays(struct rig *r, void (*stray)(struct rig *, unsigned))
{
	for (unsigned i = 0; i < TURNS; i++) {
		r->now = mono_add_ms(r->now, 1);
		by_hand_set_time(r->dp, r->now);
		for (unsigned n = 0; n < 4 * LOAD; n++)
			stray(r, n);
		assert_true(lane_strays(dataplane_lane(r->dp, 0)));
		lane_left(dataplane_lane(r->dp, 0), false, false);
	}
}

static void
as_strays_of_sockets(void **state)
{
	struct rig *r = *state;

	overload_by_strays(r, stray_datagrams);
	assert_true(counters_of(r)->over_share_outbound > 0);
	assert_int_equal(counters_of(r)->over_share_inbound, 0);
	assert_int_equal(over_share_of(r, 2), 0);
}

static void
as_strays_of_the_device(void **state)
{
	struct rig *r = *state;

	overload_by_strays(r, stray_packets);
	assert_true(counters_of(r)->over_share_inbound > 0);
	assert_int_equal(counters_of(r)->over_share_outbound, 0);
	assert_int_equal(over_share_of(r, 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_both, tear_down)
		T(at_the_sockets),
		T(at_the_device),
		T(dropped_before_it_is_decrypted),
		T(forged_packets_take_no_share),
		T(as_strays_of_sockets),
		T(as_strays_of_the_device),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	/* Both have to be of one lane. */
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "1", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Connections without ICE whose path leads to an address on a relay that is
 * gone: firezone-tunnel(7), Relays without ICE.
 */
#include "tests/lib/dataplane.h"

#include "net-worker/core/inner/probe.h"
#include "net-worker/core/turn/allocation.h"

#define GATEWAY  "10.0.0.4:52625"
#define RELAY_1  "203.0.113.5:3478"
#define RELAY_2  "203.0.113.6:3478"
#define AT_1     "203.0.113.5:50001"
#define AT_2     "203.0.113.6:50002"
#define MS_TO_GO 300

static const char candidates[] =
    "candidate:1 1 udp 16777215 203.0.113.5 50001 typ relay "
    "raddr 192.0.2.7 rport 50000\n"
    "candidate:2 1 udp 16777215 203.0.113.6 50002 typ relay "
    "raddr 192.0.2.7 rport 50000\n";

static bool first_is_mute;
static size_t seen; /* of what the gateway has sent */

static void
from_client(struct rig *r, const char *from, const uint8_t *packet, size_t len)
{
	uint8_t data[INNER_PACKET_MAX + WIREGUARD_OVERHEAD];

	session_seal(&r->session, r->aead, packet, len, data);
	receive(r, from, GATEWAY, data, len + WIREGUARD_OVERHEAD);
}

/* They know us, and have no address left for us. */
static void
relay_answers(struct rig *r, const char *relay, const struct note *n)
{
	struct endpoint there = at(relay), mapped = at("198.51.100.1:40000");
	uint8_t key[STUN_KEY_LEN], answer[128];
	struct stun_message m;
	struct writer w;

	if (!endpoint_equal(&n->to, &there) || !stun_parse(n->data, n->len, &m))
		return;
	writer_init(&w, answer, sizeof(answer));
	if (m.type == STUN_BINDING_REQUEST) {
		stun_begin(&w, STUN_BINDING_SUCCESS, m.transaction);
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	} else {
		assert_int_equal(m.type, STUN_ALLOCATE_REQUEST);
		assert_true(stun_long_term_key("u", TURN_REALM, "p", key));
		stun_begin(&w, STUN_ALLOCATE_ERROR, m.transaction);
		stun_add_error(&w, 508, "full");
		stun_add_integrity(&w, key, sizeof(key));
	}
	receive(r, relay, GATEWAY, answer, w.len);
}

static void
client_answers(struct rig *r, const char *only, const struct note *n)
{
	struct endpoint there = at(only);
	uint8_t packet[PROBE_PACKET_LEN], *inner;
	struct note copy = *n;
	struct probe probe;
	int len;

	if (!endpoint_equal(&copy.to, &there) ||
	    message_classify(copy.data, copy.len) != MESSAGE_DATA)
		return;
	len = session_open(&r->session, r->aead, copy.data, copy.len, &inner);
	if (len <= 0 || !probe_packet_read(inner, (size_t)len, &probe) ||
	    probe.is_reply)
		return;
	probe.is_reply = true;
	probe_packet_write(&probe, packet);
	from_client(r, only, packet, sizeof(packet));
}

/* The client answers what it is asked there, and nowhere else. */
static void
client_stays(struct rig *r, const char *only, int64_t ms)
{
	for (; ms > 0; ms -= 20) {
		pass(r, 20);
		for (; seen < r->udp_count; seen++) {
			struct note n = r->udp[seen % NOTES];

			assert_true(r->udp_count - seen <= NOTES);
			if (!first_is_mute)
				relay_answers(r, RELAY_1, &n);
			relay_answers(r, RELAY_2, &n);
			client_answers(r, only, &n);
		}
	}
}

static bool
sends_to(struct rig *r, const char *remote)
{
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };
	struct endpoint want = at(remote);

	ask_query(r, &q);
	assert_int_equal(r->client_count, 1);
	return endpoint_equal(&r->clients[0].remote, &want);
}

/* The client has an address on each of two relays, and is at the first. */
static void
at_the_first_relay(struct rig *r)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_remote_candidates m = { .client = { { 0xc1 } } };
	uint8_t message[MESSAGE_INITIATION_LEN];

	with_relay_at(r, 1, RELAY_1, 0);
	with_relay_at(r, 2, RELAY_2, 0);
	a.use_iceless = true;
	a.expires_at = 0;
	tell(r, authorization, &a);
	settle(r);
	strlcpy(m.lines, candidates, sizeof(m.lines));
	tell(r, remote_candidates, &m);
	settle(r);
	make_initiation(r, message);
	receive(r, AT_1, GATEWAY, message, sizeof(message));
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	from_client(r, AT_1, NULL, 0);
	client_stays(r, AT_1, 1000);
	assert_true(sends_to(r, AT_1));
}

static void
portal_removes(struct rig *r, uint8_t relay)
{
	const struct ipc_relay_removed gone = { .relay = { { relay } } };

	tell(r, relays_begin, NULL);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	settle(r);
}

static void
the_portal_takes_it_away(void **state)
{
	struct rig *r = *state;

	at_the_first_relay(r);
	client_stays(r, AT_1, 14000);
	portal_removes(r, 1);
	client_stays(r, AT_2, MS_TO_GO);
	assert_true(sends_to(r, AT_2));
	/* So it does with the next. */
	client_stays(r, AT_2, 14000);
	portal_removes(r, 2);
	client_stays(r, AT_1, MS_TO_GO);
	assert_true(sends_to(r, AT_1));
}

/* With another secret it has none of the allocations that it had. */
static void
it_has_been_restarted(void **state)
{
	struct ipc_relay_present again = {
		.relay = { { 1 } },
		.v4 = at(RELAY_1),
		.username = "u",
		.password = "another",
	};
	struct rig *r = *state;

	at_the_first_relay(r);
	client_stays(r, AT_1, 14000);
	tell(r, relays_begin, NULL);
	tell(r, relay_present, &again);
	tell(r, relays_commit, NULL);
	settle(r);
	client_stays(r, AT_2, MS_TO_GO);
	assert_true(sends_to(r, AT_2));
}

/* To our Allocate, so that it is given up after 8.1 s. */
static void
it_does_not_answer(void **state)
{
	struct rig *r = *state;

	first_is_mute = true;
	at_the_first_relay(r);
	client_stays(r, AT_1, 6900);
	assert_true(sends_to(r, AT_1));
	client_stays(r, AT_2, 300 + MS_TO_GO);
	assert_true(sends_to(r, AT_2));
}

/* What is known of one relay says nothing of the other. */
static void
another_one_is_gone(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	at_the_first_relay(r);
	client_stays(r, AT_1, 14000);
	before = r->page.shard[0].counters.probes_sent;
	portal_removes(r, 2);
	client_stays(r, AT_1, MS_TO_GO);
	assert_true(sends_to(r, AT_1));
	assert_int_equal(r->page.shard[0].counters.probes_sent, before);
}

/* Nobody is on a relay's list any more who is not there. */
static void
the_client_was_gone_before(void **state)
{
	const struct ipc_revocation revoked = { .client = { { 0xc1 } },
		.resource = { { 0x42 } } };
	struct rig *r = *state;

	at_the_first_relay(r);
	tell(r, revocation, &revoked);
	settle(r);
	assert_int_equal(r->closed, 1);
	portal_removes(r, 1);
	pass(r, 1000);
	assert_int_equal(r->page.engine.clients, 0);
}

static int
begin(void **state)
{
	first_is_mute = false;
	seen = 0;
	return set_up(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_portal_takes_it_away),
		TEST(it_has_been_restarted),
		TEST(it_does_not_answer),
		TEST(another_one_is_gone),
		TEST(the_client_was_gone_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A client names more addresses than a relay has channels, as every client may
 * by the portal. The relay, which the test plays, must hear of a few dozen, and
 * the channel of an honest client must be bound as ever. So it must after the
 * attacker has made one connection after the other.
 */
#include "net-worker/core/turn/allocation.h"
#include "tests/lib/dataplane.h"

#define LINES    20 /* in one message */
#define MESSAGES 209
#define CHANNELS 4096
#define RELAY    "203.0.113.5:3478"
#define LOCAL    "10.0.0.4:52625"

/* Of the user that with_relay() makes. */
static uint8_t key[16];
static bool bound[CHANNELS];
static size_t bound_count;
static size_t heard; /* of what the gateway has sent */

static void
sign(struct writer *w)
{
	stun_add_integrity(w, key, sizeof(key));
	stun_add_fingerprint(w);
}

static void
answer_allocate(struct writer *w)
{
	/* XOR-RELAYED-ADDRESS 203.0.113.5:50000, LIFETIME 600. */
	static const uint8_t relayed[] = { 0x00, 0x16, 0x00, 0x08, 0x00, 0x01,
		0xc3 ^ 0x21, 0x50 ^ 0x12, 203 ^ 0x21, 0 ^ 0x12, 113 ^ 0xa4,
		5 ^ 0x42 };
	static const uint8_t lifetime[] = { 0x00, 0x0d, 0x00, 0x04, 0, 0, 0x02,
		0x58 };

	writer_bytes(w, relayed, sizeof(relayed));
	writer_bytes(w, lifetime, sizeof(lifetime));
}

/* The number in a ChannelBind request: CHANNEL-NUMBER is 0x000c. */
static unsigned
channel_number(const struct note *n)
{
	for (size_t at = STUN_HEADER_LEN; at + 8 <= n->len;
	     at += 4 + (load_be16(n->data + at + 2) + 3u) / 4 * 4)
		if (load_be16(n->data + at) == 0x000c)
			return load_be16(n->data + at + 4);
	fail_msg("no channel number");
	return 0;
}

static void
note_bind(const struct note *n)
{
	unsigned number = channel_number(n) - 0x4000;

	assert_true(number < CHANNELS);
	bound_count += !bound[number];
	bound[number] = true;
}

/* The relay answers one request; what is none of its business it ignores. */
static void
play_relay(struct rig *r, const struct note *n)
{
	struct stun_message request;
	struct note copy = *n;
	uint8_t answer[256];
	struct endpoint relay = at(RELAY);
	struct writer w;

	if (!endpoint_equal(&n->to, &relay) ||
	    !stun_parse(copy.data, copy.len, &request))
		return;
	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, (uint16_t)(request.type | 0x0100), request.transaction);
	switch (request.type) {
	case STUN_ALLOCATE_REQUEST:
		answer_allocate(&w);
		break;
	case STUN_CHANNEL_BIND_REQUEST:
		note_bind(&copy);
		break;
	default:
		return;
	}
	sign(&w);
	receive(r, RELAY, LOCAL, answer, w.len);
}

static void
play_relay_for_all(struct rig *r)
{
	while (heard < r->udp_count) {
		assert_true(r->udp_count - heard <= NOTES);
		play_relay(r, &r->udp[heard++ % NOTES]);
	}
}

static void
authorize(struct rig *r, uint8_t client, unsigned connection)
{
	struct ipc_authorization a = authorization(r);
	struct noise_identity identity;

	assert_true(noise_identity_generate(&identity));
	a.client.bytes[0] = client;
	a.client_v4.bytes[3] = client;
	a.client_v6.bytes[15] = client;
	a.expires_at = UNIX_NOW + 86400;
	snprintf(a.local_username, sizeof(a.local_username), "g%u.%u", client,
	    connection);
	memcpy(a.public_key, identity.public_key, sizeof(a.public_key));
	tell(r, authorization, &a);
	settle(r);
	play_relay_for_all(r);
}

/* Server-reflexive candidates at that many ports from the first on. */
static void
name_addresses(struct rig *r, uint8_t client, unsigned first, unsigned count)
{
	static struct ipc_remote_candidates m;
	size_t used = 0;

	m = (struct ipc_remote_candidates){ .client = { { client } } };
	for (unsigned i = first; i < first + count; i++)
		used += (size_t)snprintf(m.lines + used,
		    sizeof(m.lines) - used,
		    "candidate:1 1 udp %u 198.51.%u.%u %u typ srflx raddr "
		    "10.0.0.1 rport 9 ufrag clie\n",
		    1694498815u - i, i >> 16, client, 1024 + (i & 0x7fff));
	assert_true(used < sizeof(m.lines));
	tell(r, remote_candidates, &m);
	settle(r);
	play_relay_for_all(r);
}

static int
begin(void **state)
{
	struct rig *r;

	assert_true(stun_long_term_key("u", TURN_REALM, "p", key));
	memset(bound, 0, sizeof(bound));
	bound_count = heard = 0;
	if (set_up(state) != 0)
		return -1;
	r = *state;
	with_relay(r);
	play_relay_for_all(r);
	return 0;
}

static void
flood(struct rig *r, unsigned first)
{
	for (unsigned i = 0; i < MESSAGES; i++)
		name_addresses(r, 0xc1, first + i * LINES, LINES);
}

static void
one_connection(void **state)
{
	struct rig *r = *state;
	size_t of_attacker;

	authorize(r, 0xc1, 0);
	authorize(r, 0xc2, 0);
	flood(r, 0);
	of_attacker = bound_count;
	assert_true(of_attacker > 0);
	assert_true(of_attacker <= 32);
	name_addresses(r, 0xc2, 0, 1);
	assert_int_equal(bound_count, of_attacker + 1);
}

/*
 * Host candidates get a channel when there is something to send to them: of the
 * same share, and who is refused one is told of.
 */
static void
on_demand(void **state)
{
	static const char line[] =
	    "candidate:1 1 udp 2130706431 198.51.100.9 7 typ host ufrag clie\n";
	static struct ipc_remote_candidates m = { .client = { { 0xc1 } } };
	const struct engine_counters *counters;
	struct rig *r = *state;
	uint64_t refused;

	counters = &r->page.engine;
	authorize(r, 0xc1, 0);
	/* No more than there are pairs for. */
	name_addresses(r, 0xc1, 0, LINES);
	name_addresses(r, 0xc1, LINES, LINES);
	assert_int_equal(bound_count, 32);
	refused = counters->channels_refused;
	strlcpy(m.lines, line, sizeof(m.lines));
	tell(r, remote_candidates, &m);
	/* More is sent than we take notes of. */
	pass(r, 10);
	assert_true(counters->channels_refused > refused);
}

/* What a connection has bound counts as the client's when it is over. */
static void
many_connections(void **state)
{
	struct rig *r = *state;
	size_t of_attacker;

	authorize(r, 0xc2, 0);
	for (unsigned i = 0; i < 8; i++) {
		authorize(r, 0xc1, i);
		flood(r, i * MESSAGES * LINES);
	}
	of_attacker = bound_count;
	assert_true(of_attacker <= 64);
	name_addresses(r, 0xc2, 0, 4);
	assert_int_equal(bound_count, of_attacker + 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    one_connection, begin, tear_down),
		cmocka_unit_test_setup_teardown(on_demand, begin, tear_down),
		cmocka_unit_test_setup_teardown(
		    many_connections, begin, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A direct path that dies without a word (firezone-tunnel(7), Dead paths), in
 * simulated time: the data plane with a relay, and a client that does as 1.5.12
 * does. It checks each pair every 1.5 s, gives one up 16.5 s after the last
 * answer, nominates another 0.7 s after it heard that ours are gone, and sends
 * on the best that it has nominated.
 */
#include <sodium.h>

#include "net-worker/core/turn/allocation.h"
#include "net-worker/core/turn/channel_data.h"
#include "tests/lib/dataplane.h"
#include "tests/lib/dice.h"

#define RELAY   "203.0.113.5:3478"
#define LOCAL   "10.0.0.4:52625"
#define CLIENT  "192.0.2.7:50000"
#define RELAYED "203.0.113.9:50001"
#define INSIDE  "100.64.0.2:4000"
#define LAN     "10.20.0.5:80"

#define CHECK_MS    1500
#define GIVE_UP_MS  16500
#define NOMINATE_MS 700
#define PORTAL_MS   100
#define REKEY_MS    100000
#define STEP_MS     10

enum { DIRECT, OVER_RELAY, PATHS };

/* One of the client's two pairs. */
struct way {
	bool up_to, up_from; /* the network: to the gateway, and from it */
	bool known;          /* the client has the gateway's candidate */
	bool works, nominated;
	struct mono check_at, answered;
	uint8_t transaction[STUN_TRANSACTION_LEN];
};

static struct way ways[PATHS];
static unsigned loss; /* per cent, of what client and gateway exchange */
static struct dice dice, numbers; /* of the network, of all the rest */
static bool portal;               /* is there */
static int used;                  /* by the client, for what it sends */
static struct mono choose_at, tell_at, rekey_at, keepalive_at;
static size_t heard; /* of what the gateway has sent */
static uint8_t relay_key[16];
static uint16_t channel;
/* The client's, by an initiation of the gateway, until there is data on it. */
static struct session next_session;
static uint32_t next_index;
static bool has_next;

/* Traffic. */
static bool asks, answers; /* the client sends; the LAN answers */
static bool pushes;        /* the LAN sends */
static struct mono traffic_at;
static struct mono received; /* by the client, last */
static unsigned packets;     /* that it received */
static unsigned switches;    /* of the gateway, as its data shows */
static int sent_by;

static const char *
numbers_name(void)
{
	return "of a seed";
}

static uint32_t
numbers_random(void)
{
	return roll(&numbers, UINT32_MAX);
}

static void
numbers_buf(void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = (uint8_t)roll(&numbers, 256);
}

/* What is drawn at random is the same in each run. */
static struct randombytes_implementation seeded = {
	.implementation_name = numbers_name,
	.random = numbers_random,
	.buf = numbers_buf,
};

/* Handshakes are not: whether WireGuard gives up is another question. */
static bool
is_lost(const uint8_t *data, size_t len)
{
	enum message_type type = message_classify(data, len);

	return type != MESSAGE_INITIATION && type != MESSAGE_RESPONSE &&
	    percent(&dice, loss);
}

/* From the client, by one of its ways. */
static void
client_to_gateway(struct rig *r, int way, const void *data, size_t len)
{
	uint8_t framed[DATAGRAM_MAX];

	if (!ways[way].up_to || is_lost(data, len))
		return;
	if (way == DIRECT) {
		receive(r, CLIENT, LOCAL, data, len);
	} else if (channel != 0) {
		memcpy(channel_data_begin(framed, channel, len), data, len);
		receive(r, RELAY, LOCAL, framed, CHANNEL_DATA_OVERHEAD + len);
	}
}

static void
client_checks(struct rig *r, int way)
{
	uint8_t check[256];
	struct writer w;

	randombytes_buf(ways[way].transaction, STUN_TRANSACTION_LEN);
	writer_init(&w, check, sizeof(check));
	stun_begin(&w, STUN_BINDING_REQUEST, ways[way].transaction);
	stun_add_text(&w, STUN_USERNAME, "gate:clie");
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	if (ways[way].nominated)
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, "gatepassword", 12);
	ways[way].check_at = mono_add_ms(r->now, CHECK_MS);
	client_to_gateway(r, way, check, w.len);
}

/* The first that works is the best; it is nominated once and for all. */
static void
client_chooses(struct rig *r)
{
	for (int i = 0; i < PATHS; i++) {
		if (!ways[i].works)
			continue;
		if (!ways[i].nominated) {
			ways[i].nominated = true;
			client_checks(r, i);
		}
		used = i;
		return;
	}
}

static void
client_initiates_by(struct rig *r, int way)
{
	uint8_t message[MESSAGE_INITIATION_LEN];

	make_initiation(r, message);
	client_to_gateway(r, way, message, sizeof(message));
	rekey_at = mono_add_ms(r->now, 1000);
}

static void
client_sends_by(struct rig *r, int way, const uint8_t *packet, size_t len)
{
	uint8_t data[INNER_PACKET_MAX + WIREGUARD_OVERHEAD];

	session_seal(&r->session, r->aead, packet, len, data);
	client_to_gateway(r, way, data, len + WIREGUARD_OVERHEAD);
	keepalive_at = MONO_NEVER;
}

static void
client_takes_initiation(struct rig *r, const uint8_t *message)
{
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_initiation initiation;
	struct noise_keys keys;

	if (!noise_open_initiation(&r->identity, message, &initiation) ||
	    !noise_accept_initiation(&r->gateway, &initiation) ||
	    !noise_create_response(&r->gateway, &initiation, ++next_index,
		r->now, response, &keys))
		return;
	session_init(&next_session, &keys, r->now);
	has_next = true;
	client_to_gateway(r, used, response, sizeof(response));
}

/* The client has one session, so what confirms the new one arrives. */
static void
client_takes_response(struct rig *r, const uint8_t *data, size_t len)
{
	unsigned before = loss;

	take_response(r, data, len);
	rekey_at = mono_add_ms(r->now, REKEY_MS);
	loss = 0;
	client_sends_by(r, used, NULL, 0);
	loss = before;
}

static void
client_takes_stun(struct rig *r, int way, const struct stun_message *m)
{
	struct endpoint seen = at(way == DIRECT ? LOCAL : RELAYED);
	uint8_t answer[256];
	struct writer w;

	if (m->type == STUN_BINDING_SUCCESS) {
		if (memcmp(m->transaction, ways[way].transaction,
			STUN_TRANSACTION_LEN) != 0)
			return;
		ways[way].answered = r->now;
		ways[way].works = ways[way].known;
		if (mono_is_never(choose_at))
			client_chooses(r);
		return;
	}
	if (!ways[way].known || m->type != STUN_BINDING_REQUEST)
		return;
	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &seen);
	stun_add_integrity(&w, "cliepassword", 12);
	client_to_gateway(r, way, answer, w.len);
}

static void
client_takes_data(struct rig *r, uint8_t *data, size_t len)
{
	uint8_t *inner;

	if (has_next && message_receiver(MESSAGE_DATA, data) == next_index) {
		r->session = next_session;
		has_next = false;
	}
	if (session_open(&r->session, r->aead, data, len, &inner) <= 0)
		return;
	received = r->now;
	packets++;
	if (mono_is_never(keepalive_at))
		keepalive_at = mono_add_s(r->now, 10);
}

static void
client_takes(struct rig *r, int way, uint8_t *data, size_t len)
{
	struct stun_message m;

	if (!ways[way].up_from || is_lost(data, len))
		return;
	if (stun_parse(data, len, &m)) {
		client_takes_stun(r, way, &m);
	} else if (message_classify(data, len) == MESSAGE_RESPONSE) {
		client_takes_response(r, data, len);
	} else if (message_classify(data, len) == MESSAGE_INITIATION) {
		client_takes_initiation(r, data);
	} else if (message_classify(data, len) == MESSAGE_DATA) {
		client_takes_data(r, data, len);
	}
}

static void
play_relay(struct rig *r, const struct stun_message *m)
{
	struct endpoint relayed = at(RELAYED);
	uint8_t answer[256];
	struct writer w;

	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, (uint16_t)(m->type | 0x0100), m->transaction);
	if (m->type == STUN_ALLOCATE_REQUEST)
		stun_add_address(&w, STUN_XOR_RELAYED_ADDRESS, &relayed);
	else if (m->type == STUN_CHANNEL_BIND_REQUEST)
		channel = m->channel;
	else if (m->type == STUN_BINDING_REQUEST)
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS,
		    &(struct endpoint){ at("198.51.100.1:0").ip, 40000 });
	if (m->type != STUN_BINDING_REQUEST)
		stun_add_u32(&w, STUN_LIFETIME, 600);
	stun_add_integrity(&w, relay_key, sizeof(relay_key));
	receive(r, RELAY, LOCAL, answer, w.len);
}

/* Which way a datagram of ours goes. */
static void
gateway_sent(struct rig *r, struct note *n)
{
	struct endpoint relay = at(RELAY);
	bool relayed = endpoint_equal(&n->to, &relay);
	struct stun_message m;
	uint8_t *data = n->data;
	size_t len = n->len, header = 0;
	uint16_t number;

	if (relayed && stun_parse(data, len, &m)) {
		play_relay(r, &m);
		return;
	}
	if (relayed)
		header = channel_data_open(data, &len, &number);
	data += header;
	if (message_classify(data, len) == MESSAGE_DATA &&
	    sent_by != (relayed ? OVER_RELAY : DIRECT)) {
		sent_by = relayed ? OVER_RELAY : DIRECT;
		switches++;
	}
	client_takes(r, relayed ? OVER_RELAY : DIRECT, data, len);
}

/* What the portal says of our candidates. */
static void
play_portal(struct rig *r)
{
	if (r->withdrawn[0] == '\0' && r->added[0] == '\0')
		return;
	if (!portal) {
		r->withdrawn[0] = r->added[0] = '\0';
		return;
	}
	if (mono_is_never(tell_at))
		tell_at = mono_add_ms(r->now, PORTAL_MS);
	if (!mono_due(tell_at, r->now))
		return;
	tell_at = MONO_NEVER;
	if (strstr(r->withdrawn, "typ host") != NULL) {
		ways[DIRECT].known = ways[DIRECT].works = false;
		ways[DIRECT].nominated = false;
		choose_at = mono_add_ms(r->now, NOMINATE_MS);
	}
	if (strstr(r->added, "typ host") != NULL && !ways[DIRECT].known) {
		ways[DIRECT].known = true;
		ways[DIRECT].answered = r->now;
		ways[DIRECT].check_at = r->now;
	}
	r->withdrawn[0] = r->added[0] = '\0';
}

static void
play_lan(struct rig *r, size_t before)
{
	uint8_t packet[40];
	size_t len = tcp_packet(packet, LAN, INSIDE);

	for (size_t i = before; answers && i < r->tun_count; i++)
		from_tun(r, packet, len);
}

static void
play_traffic(struct rig *r)
{
	uint8_t packet[40];
	size_t before = r->tun_count, len;

	if (!mono_due(traffic_at, r->now))
		return;
	traffic_at = mono_add_ms(r->now, 200);
	if (asks) {
		len = tcp_packet(packet, INSIDE, LAN);
		client_sends_by(r, used, packet, len);
		play_lan(r, before);
	}
	if (pushes) {
		len = tcp_packet(packet, LAN, INSIDE);
		from_tun(r, packet, len);
	}
}

static void
play_client(struct rig *r)
{
	for (int i = 0; i < PATHS; i++) {
		if (ways[i].works &&
		    mono_due(
			mono_add_ms(ways[i].answered, GIVE_UP_MS), r->now)) {
			ways[i].works = ways[i].nominated = false;
			if (used == i)
				client_chooses(r);
		}
		if (ways[i].known && mono_due(ways[i].check_at, r->now) &&
		    !mono_due(
			mono_add_ms(ways[i].answered, GIVE_UP_MS), r->now))
			client_checks(r, i);
	}
	if (mono_due(choose_at, r->now)) {
		choose_at = MONO_NEVER;
		client_chooses(r);
	}
	if (mono_due(rekey_at, r->now))
		client_initiates_by(r, used);
	if (mono_due(keepalive_at, r->now))
		client_sends_by(r, used, NULL, 0);
}

static void
play(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += STEP_MS) {
		pass(r, STEP_MS);
		play_portal(r);
		play_client(r);
		play_traffic(r);
		while (heard < r->udp_count) {
			struct note n = r->udp[heard % NOTES];

			assert_true(r->udp_count - heard++ <= NOTES);
			gateway_sent(r, &n);
		}
	}
}

/* Connected over both ways; the direct one is in use. */
static int
begin(void **state)
{
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 1694498815 192.0.2.7 50000 typ "
			 "srflx raddr 0.0.0.0 rport 0 ufrag clie\n",
	};
	struct ipc_authorization a;
	struct rig *r;

	assert_true(stun_long_term_key("u", TURN_REALM, "p", relay_key));
	set_up(state);
	r = *state;
	memset(ways, 0, sizeof(ways));
	for (int i = 0; i < PATHS; i++)
		ways[i].up_to = ways[i].up_from = ways[i].known = true;
	loss = 0;
	dice = dice_new(1, 0);
	numbers = dice_new(1, 1);
	portal = true;
	used = DIRECT;
	sent_by = DIRECT;
	choose_at = tell_at = rekey_at = keepalive_at = MONO_NEVER;
	traffic_at = r->now;
	heard = 0;
	channel = 0;
	next_index = 1000;
	packets = switches = 0;
	asks = answers = pushes = has_next = false;
	with_relay(r);
	a = authorization(r);
	a.expires_at = UNIX_NOW + 86400;
	tell(r, authorization, &a);
	tell(r, remote_candidates, &m);
	settle(r);
	for (int i = 0; i < PATHS; i++)
		ways[i].answered = ways[i].check_at = r->now;
	play(r, 1000);
	client_initiates_by(r, DIRECT);
	play(r, 1000);
	assert_true(ways[DIRECT].nominated && ways[OVER_RELAY].works);
	assert_false(ways[OVER_RELAY].nominated);
	return 0;
}

static void
kill_direct(void)
{
	ways[DIRECT].up_to = ways[DIRECT].up_from = false;
}

static void
revive_direct(void)
{
	ways[DIRECT].up_to = ways[DIRECT].up_from = true;
}

/* How long the client is without a packet from now on; at most a minute. */
static int64_t
pause_of(struct rig *r)
{
	struct mono since = r->now;
	unsigned before;

	/* What was on its way has arrived. */
	play(r, 2 * STEP_MS);
	before = packets;
	for (int64_t ms = 0; ms < 60000 && packets == before; ms += STEP_MS)
		play(r, STEP_MS);
	return (received.ns - since.ns) / 1000000;
}

static void
moves_within_five_seconds(void **state)
{
	struct rig *r = *state;

	asks = answers = true;
	for (int i = 0; i < 20; i++) {
		play(r, 10000 + 370 * i);
		assert_int_equal(sent_by, DIRECT);
		kill_direct();
		assert_in_range(pause_of(r), 100, 5000);
		assert_int_equal(sent_by, OVER_RELAY);
		play(r, 20000);
		assert_int_equal(sent_by, OVER_RELAY);
		revive_direct();
		play(r, 60000);
		assert_int_equal(sent_by, DIRECT);
	}
}

/* Only our own sending shows that nothing comes any more. */
static void
moves_what_flows_one_way(void **state)
{
	struct rig *r = *state;

	pushes = true;
	for (int i = 0; i < 10; i++) {
		play(r, 50000 + 370 * i);
		assert_int_equal(sent_by, DIRECT);
		kill_direct();
		assert_in_range(pause_of(r), 100, 5000);
		revive_direct();
		play(r, 60000);
	}
}

static void
follows_without_the_portal(void **state)
{
	struct rig *r = *state;

	asks = answers = true;
	portal = false;
	for (int i = 0; i < 5; i++) {
		play(r, 10000 + 370 * i);
		assert_int_equal(sent_by, DIRECT);
		kill_direct();
		assert_in_range(pause_of(r), 10000, 18000);
		assert_int_equal(sent_by, OVER_RELAY);
		revive_direct();
		/* Nothing of the client's says that it lives again. */
		ways[DIRECT].answered = r->now;
		play(r, 20000);
		assert_int_equal(sent_by, DIRECT);
	}
}

/* Before it could be found out that the path is dead. */
static void
follows_data_after_two_seconds(void **state)
{
	struct rig *r = *state;

	asks = answers = true;
	ways[OVER_RELAY].nominated = true;
	play(r, 10000);
	assert_int_equal(sent_by, DIRECT);
	kill_direct();
	ways[DIRECT].known = ways[DIRECT].works = false;
	used = OVER_RELAY;
	assert_in_range(pause_of(r), 1500, 3200);
	assert_int_equal(sent_by, OVER_RELAY);
}

/* Only a handshake shows where the client is now: it has no session left. */
static void
follows_a_handshake(void **state)
{
	struct rig *r = *state;
	uint64_t before;

	portal = false;
	play(r, 60000);
	kill_direct();
	play(r, 20000);
	assert_int_equal(used, OVER_RELAY);
	before = r->page.engine.handshakes;
	client_initiates_by(r, OVER_RELAY);
	play(r, 100);
	assert_int_equal(r->page.engine.handshakes, before + 1);
	asks = answers = true;
	before = packets;
	play(r, 1000);
	assert_true(packets > before);
}

static void
stays_despite_loss(struct rig *r, uint64_t seed)
{
	unsigned before;

	loss = 20;
	dice = dice_new(seed, 0);
	switches = 0;
	play(r, 600000);
	assert_in_range(switches, 0, 1);
	before = packets;
	play(r, 10000);
	assert_true(packets > before);
}

/* The better one has to be gone, not only worse. */
static void
loss_is_no_death(void **state)
{
	asks = answers = true;
	for (uint64_t seed = 1; seed <= 5; seed++)
		stays_despite_loss(*state, seed);
}

static void
loss_of_one_way_traffic_is_none_either(void **state)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		pushes = true;
		stays_despite_loss(*state, seed);
		tear_down(state);
		begin(state);
	}
}

/* A passive keepalive every 10 s is all that is heard beside checks. */
static void
no_answer_is_no_death(void **state)
{
	struct rig *r = *state;

	pushes = true;
	play(r, 600000);
	assert_int_equal(switches, 0);
	assert_string_equal(r->withdrawn, "");
}

/* The client may check as rarely as an idle one. */
static void
rare_checks_are_no_death(void **state)
{
	struct rig *r = *state;

	pushes = true;
	for (int i = 0; i < 60; i++) {
		ways[DIRECT].check_at = mono_add_s(r->now, 25);
		ways[OVER_RELAY].check_at = mono_add_s(r->now, 12);
		ways[DIRECT].answered = ways[OVER_RELAY].answered = r->now;
		play(r, 10000);
	}
	assert_int_equal(switches, 0);
}

/* When it works again it is used again, and nothing is lost by that. */
static void
returns_without_a_gap(void **state)
{
	struct rig *r = *state;
	struct mono last;
	unsigned before;

	asks = answers = true;
	play(r, 10000);
	kill_direct();
	play(r, 10000);
	assert_int_equal(sent_by, OVER_RELAY);
	revive_direct();
	before = packets;
	for (int i = 0; i < 6000; i++) {
		last = received;
		play(r, STEP_MS);
		assert_in_range((received.ns - last.ns) / 1000000, 0, 250);
	}
	assert_true(packets >= before + 298);
	assert_int_equal(sent_by, DIRECT);
}

/* Nothing is changed, or withdrawn, when the client is away altogether. */
static void
absence_is_no_death(void **state)
{
	struct rig *r = *state;

	asks = answers = true;
	play(r, 10000);
	pushes = true;
	kill_direct();
	ways[OVER_RELAY].up_to = ways[OVER_RELAY].up_from = false;
	play(r, 9000);
	assert_int_equal(switches, 0);
	assert_true(ways[DIRECT].known);
	revive_direct();
	ways[OVER_RELAY].up_to = ways[OVER_RELAY].up_from = true;
	play(r, 20000);
	assert_int_equal(switches, 0);
	assert_true(ways[DIRECT].known);
}

/* It comes back by the relay only. */
static void
half_a_return_is_noticed(void **state)
{
	struct rig *r = *state;

	asks = answers = pushes = true;
	play(r, 10000);
	kill_direct();
	ways[OVER_RELAY].up_to = ways[OVER_RELAY].up_from = false;
	play(r, 9000);
	ways[OVER_RELAY].up_to = ways[OVER_RELAY].up_from = true;
	assert_in_range(pause_of(r), 100, 5000);
	assert_int_equal(sent_by, OVER_RELAY);
}

/*
 * A client that begins anew asks for the same again: what it nominates from
 * then on counts, and not what it did before.
 */
static void
reminded_it_begins_anew(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	portal = false;
	a.expires_at = UNIX_NOW + 86400;
	play(r, 10000);
	kill_direct();
	play(r, 3000);
	tell(r, authorization, &a);
	settle(r);
	/* Here is the new one. */
	ways[DIRECT].works = ways[DIRECT].nominated = false;
	ways[DIRECT].known = false;
	client_chooses(r);
	assert_int_equal(used, OVER_RELAY);
	play(r, 100);
	client_initiates_by(r, OVER_RELAY);
	asks = answers = true;
	assert_in_range(pause_of(r), 0, 1000);
	assert_int_equal(sent_by, OVER_RELAY);
}

#define test(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(moves_within_five_seconds),
		test(moves_what_flows_one_way),
		test(follows_without_the_portal),
		test(follows_data_after_two_seconds),
		test(follows_a_handshake),
		test(loss_is_no_death),
		test(loss_of_one_way_traffic_is_none_either),
		test(no_answer_is_no_death),
		test(rare_checks_are_no_death),
		test(returns_without_a_gap),
		test(absence_is_no_death),
		test(half_a_return_is_noticed),
		test(reminded_it_begins_anew),
	};

	randombytes_set_implementation(&seeded);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The data plane with real threads, and no kernel: the engine's and four lanes,
 * which sleep and are woken as those of the process are, while clients send and
 * are sent packets that land at whatever thread, and the portal changes what it
 * can. Every packet has to be delivered or counted, those of clients that keep
 * their access delivered, and nobody may sleep over what waits for it.
 */
#include <sodium.h>

#include "tests/lib/threaded.h"

#define HONEST  8u /* clients that are never shut out */
#define CLIENTS 12u

#define STORM_MS    1500
#define VISIT_MS    50   /* between those who were shut out */
#define LONE        1000 /* packets, each to somebody who sleeps */
#define IN_FLIGHT   128  /* fewer than a ring of strays holds */
#define WATCHDOG_MS 20000

#define INNER  100
#define SEALED (INNER + WIREGUARD_OVERHEAD)

struct client {
	uint8_t number;
	struct endpoint at;
	struct noise_identity identity;
	struct noise_peer gateway;
	struct session session, before;
	uint64_t sent_up, sent_down, came_up, came_down, answers;
	/* The last that came by each thread. */
	uint32_t last_up[THREADS], last_down[THREADS];
};

static struct world {
	struct client client[CLIENTS];
	uint32_t numbers; /* of packets */
	uint64_t sent, came;
} world;

/* What the portal has said of a client, who may reach one resource. */
static struct ipc_authorization
authorization_of(unsigned client)
{
	const struct client *c = &world.client[client];
	struct ipc_authorization a = authorization(crew.r);

	a.client.bytes[15] = c->number;
	a.client_v4.bytes[3] = (uint8_t)(2 + c->number);
	a.client_v6.bytes[15] = (uint8_t)(2 + c->number);
	memcpy(a.public_key, c->identity.public_key, sizeof(a.public_key));
	snprintf(a.local_username, sizeof(a.local_username), "g%03u", client);
	a.expires_at = 0;
	a.flow_authorization.bytes[0] = 0xaa;
	return a;
}

static void
change_access(unsigned client, uint8_t resource, bool grant)
{
	struct ipc_authorization a = authorization_of(client);
	struct ipc_revocation gone = { .client = a.client };

	a.resource.bytes[0] = gone.resource.bytes[0] = resource;
	if (resource == 0x43)
		a.network.ip.bytes[1] = 30;
	if (resource == 0x77) {
		a.type = RESOURCE_DNS;
		memset(&a.network, 0, sizeof(a.network));
		strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	}
	if (grant)
		dataplane_messages.authorization(crew.r->dp, &a);
	else
		dataplane_messages.revocation(crew.r->dp, &gone);
}

static void
resolve_name(unsigned client)
{
	struct ipc_name_resolved m = {
		.client = authorization_of(client).client,
		.resource = { { 0x77 } },
		.domain = "app.example.com",
		.proxies_count = 1,
		.addresses_count = 1,
		.event = 1,
		.installed = "in force",
		.refused = "refused",
	};

	change_access(client, 0x77, true);
	m.proxies[0] = ip_v4(100, 96, 0, 9);
	m.addresses[0] = ip_v4(10, 40, 0, (uint8_t)randombytes_uniform(200));
	dataplane_messages.name_resolved(crew.r->dp, &m);
}

/* Another filter comes and goes beside the one that packets pass by. */
static void
change_filters(void)
{
	struct ipc_resource_update m = {
		.resource = { { 0x42 } },
		.type = RESOURCE_CIDR,
		.filters = { { FILTER_TCP, 80, 80 }, { FILTER_UDP, 53, 53 } },
		.filters_count = (uint16_t)(1 + randombytes_uniform(2)),
	};

	dataplane_messages.resource_update(crew.r->dp, &m);
}

static void
act_as_portal(void)
{
	struct dataplane *dp = crew.r->dp;
	unsigned honest = randombytes_uniform(HONEST);
	unsigned fickle = HONEST + randombytes_uniform(CLIENTS - HONEST);
	struct ipc_query query = { .serial = 1, .kind = QUERY_KIND_CLIENTS };
	struct ipc_flow_settings flows = { randombytes_uniform(4) > 0 };
	struct ipc_flow_stored stored = { crew.r->flow.serial };
	struct ipc_peer_message message = {
		.client = authorization_of(honest).client,
		.event = 1,
		.payload = "hello",
	};

	switch (randombytes_uniform(9)) {
	case 0:
		change_access(honest, 0x43, true);
		break;
	case 1:
		change_access(honest, 0x43, false);
		break;
	case 2:
		change_filters();
		break;
	case 3:
		change_access(fickle, 0x42, false);
		break;
	case 4:
		change_access(fickle, 0x42, true);
		break;
	case 5:
		dataplane_messages.query(dp, &query);
		break;
	case 6:
		dataplane_messages.flow_settings(dp, &flows);
		dataplane_messages.flow_stored(dp, &stored);
		break;
	case 7:
		resolve_name(honest);
		break;
	default:
		dataplane_messages.peer_message(dp, &message);
		break;
	}
}

/* The world: clients, and resources behind the TUN. */

static void
land(unsigned thread, bool is_packet, const struct endpoint *from,
    const uint8_t *bytes, size_t len)
{
	struct thread *t = &crew.thread[thread];
	struct parcel *p;

	must(len <= sizeof(p->bytes), "a parcel that is not too long");
	while ((p = ring_room(&t->in)) == NULL)
		sched_yield();
	p->is_packet = is_packet;
	p->other = *from;
	p->length = (uint16_t)len;
	memcpy(p->bytes, bytes, len);
	ring_filled(&t->in);
	ring_bell(t->readable);
}

/* It carries its number, which only grows, and by which thread it came. */
static void
write_packet(
    uint8_t to[static INNER], const struct client *c, bool up, unsigned thread)
{
	char client[32];

	snprintf(client, sizeof(client), "100.64.0.%u:1234", 2 + c->number);
	memset(to, 0, INNER);
	tcp_packet(
	    to, up ? client : "10.20.0.9:80", up ? "10.20.0.9:80" : client);
	store_be16(to + 2, INNER);
	store_be16(to + 10, 0);
	store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	store_be32(to + 24, ++world.numbers);
	store_be32(to + 28, thread);
}

static void
client_sends_by(struct client *c, unsigned thread)
{
	uint8_t packet[INNER], data[SEALED];

	write_packet(packet, c, true, thread);
	session_seal(&c->session, crew.r->aead, packet, INNER, data);
	c->sent_up++;
	world.sent++;
	land(thread, false, &c->at, data, sizeof(data));
}

static void
resource_sends_by(struct client *c, unsigned thread)
{
	static const struct endpoint none;
	uint8_t packet[INNER];

	write_packet(packet, c, false, thread);
	c->sent_down++;
	world.sent++;
	land(thread, true, &none, packet, INNER);
}

/* Parcels of one way stay in order. */
static void
note_arrival(const uint8_t *packet, uint32_t last[static THREADS])
{
	uint32_t number = load_be32(packet + 24);
	uint32_t thread = load_be32(packet + 28);

	assert_true(thread < THREADS);
	assert_true(number > last[thread]);
	last[thread] = number;
	world.came++;
}

static bool
is_ours(const uint8_t *packet, size_t len)
{
	return len >= INNER && packet[0] == 0x45 && packet[9] == 6 &&
	    load_be16(packet + 2) == INNER;
}

static void
packet_comes(const uint8_t *packet, size_t len)
{
	struct client *c = &world.client[(packet[15] - 2u) % CLIENTS];

	if (!is_ours(packet, len))
		return;
	note_arrival(packet, c->last_up);
	c->came_up++;
}

static void
data_come(struct client *c, struct parcel *p)
{
	uint8_t again[SEALED], *inner;
	int len;

	if (p->length != SEALED)
		return;
	memcpy(again, p->bytes, SEALED);
	len = session_open(
	    &c->session, crew.r->aead, p->bytes, p->length, &inner);
	if (len < 0)
		len = session_open(
		    &c->before, crew.r->aead, again, SEALED, &inner);
	/* Who was shut out may have forgotten what it was sealed for. */
	if (len < 0) {
		assert_true(c->number >= HONEST);
		c->came_down++;
		world.came++;
	} else if (is_ours(inner, (size_t)len)) {
		note_arrival(inner, c->last_down);
		c->came_down++;
	}
}

static void
response_comes(struct client *c, const struct parcel *p)
{
	struct noise_keys keys;

	if (!noise_consume_response(&c->identity, &c->gateway, p->bytes, &keys))
		return;
	c->before = c->session;
	session_init(&c->session, &keys, now_ahead());
}

static void
datagram_comes(struct parcel *p)
{
	enum message_type type = message_classify(p->bytes, p->length);
	struct stun_message m;
	struct client *c;

	if (p->other.port < 50000 || p->other.port >= 50000 + CLIENTS)
		return;
	c = &world.client[p->other.port - 50000];
	if (type == MESSAGE_DATA)
		data_come(c, p);
	else if (type == MESSAGE_RESPONSE)
		response_comes(c, p);
	else if (stun_parse(p->bytes, p->length, &m) &&
	    m.type == STUN_BINDING_SUCCESS)
		c->answers++;
}

static void
take_what_came(void)
{
	for (unsigned i = 0; i < THREADS; i++) {
		struct ring *out = &crew.thread[i].out;
		struct parcel *p;

		while ((p = ring_at(out, 0)) != NULL) {
			if (p->is_packet)
				packet_comes(p->bytes, p->length);
			else
				datagram_comes(p);
			ring_done(out, 1);
		}
	}
}

static bool
in_flight_are_at_most(int64_t count)
{
	int64_t n = (int64_t)(world.sent - world.came);

	for (unsigned i = 0; i < THREADS; i++)
		n -= (int64_t)atomic_load_explicit(
		    &crew.thread[i].dropped, memory_order_acquire);
	return n <= count;
}

static bool
all_of_the_honest_came(int64_t unused)
{
	(void)unused;
	for (unsigned i = 0; i < HONEST; i++)
		if (world.client[i].came_up != world.client[i].sent_up ||
		    world.client[i].came_down != world.client[i].sent_down)
			return false;
	return true;
}

/* The watchdog: who sleeps over what is for it lets this last too long. */
static void
await(bool (*holds)(int64_t), int64_t count)
{
	struct pollfd bell = { .fd = crew.bell, .events = POLLIN };
	struct mono end = mono_add_ms(mono_now(), WATCHDOG_MS);

	for (;;) {
		hush(crew.bell);
		take_what_came();
		if (holds(count))
			return;
		must(mono_before(mono_now(), end),
		    "every packet is delivered or counted");
		(void)poll(&bell, 1, WATCHDOG_MS);
	}
}

static void
await_at_most(int64_t in_flight)
{
	await(in_flight_are_at_most, in_flight);
}

static size_t
nomination_of(const struct client *c, uint8_t to[static 128])
{
	uint8_t transaction[12] = { 1 };
	char username[16];
	struct writer w;

	store_be32(transaction + 4, ++world.numbers);
	snprintf(username, sizeof(username), "g%03u:clie", c->number);
	writer_init(&w, to, 128);
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, "gatepassword", 12);
	stun_add_fingerprint(&w);
	return w.len;
}

static void
write_initiation(struct client *c, uint8_t to[static MESSAGE_INITIATION_LEN])
{
	static uint32_t seconds;
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(UNIX_NOW + ++seconds, 0, timestamp);
	assert_true(noise_create_initiation(
	    &c->identity, &c->gateway, c->number, timestamp, now_ahead(), to));
}

/* Who may have been shut out comes again. */
static void
client_reconnects(struct client *c)
{
	uint8_t message[MESSAGE_INITIATION_LEN];

	land(randombytes_uniform(THREADS), false, &c->at, message,
	    nomination_of(c, message));
	write_initiation(c, message);
	land(randombytes_uniform(THREADS), false, &c->at, message,
	    sizeof(message));
}

/* By hand, before there is a thread. */
static void
client_connects(struct client *c)
{
	struct ipc_authorization a = authorization_of(c->number);
	struct ipc_remote_candidates lines = { .client = a.client };
	char from[ENDPOINT_TEXT_MAX];
	uint8_t message[MESSAGE_INITIATION_LEN], data[MESSAGE_DATA_MIN];
	struct noise_keys keys;
	struct rig *r = crew.r;

	endpoint_format(&c->at, from);
	snprintf(lines.lines, sizeof(lines.lines),
	    "candidate:1 1 udp 2130706175 192.0.2.7 %u typ host ufrag clie\n",
	    c->at.port);
	tell(r, authorization, &a);
	tell(r, remote_candidates, &lines);
	settle(r);
	receive(r, from, "10.0.0.4:52625", message, nomination_of(c, message));
	/* So many a second that nobody is asked for a cookie. */
	pass(r, 60);
	write_initiation(c, message);
	receive(r, from, "10.0.0.4:52625", message, sizeof(message));
	assert_true(noise_consume_response(
	    &c->identity, &c->gateway, last_udp(r)->data, &keys));
	session_init(&c->session, &keys, r->now);
	session_seal(&c->session, r->aead, NULL, 0, data);
	receive(r, from, "10.0.0.4:52625", data, sizeof(data));
}

static void
make_clients(void)
{
	uint8_t psk[32];

	memset(psk, 0x55, sizeof(psk));
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *c = &world.client[i];

		c->number = (uint8_t)i;
		c->at = (struct endpoint){
			ip_v4(192, 0, 2, 7),
			(uint16_t)(50000 + i),
		};
		assert_true(noise_identity_generate(&c->identity));
		assert_true(noise_peer_init(&c->gateway, &c->identity,
		    dataplane_public_key(crew.r->dp), psk));
		client_connects(c);
	}
}

static void
become_calm(void)
{
	atomic_store(&crew.calm, true);
	ring_bell(crew.thread[0].bell);
	await_at_most(0);
}

static int
set_up_threads(void **state)
{
	memset(&world, 0, sizeof(world));
	set_up_crew(state, act_as_portal);
	make_clients();
	return 0;
}

static uint64_t
events_lost(const struct rig *r)
{
	uint64_t lost = 0;

	for (unsigned i = 0; i < LANES; i++)
		lost += r->page.shard[i].counters.events_lost;
	return lost;
}

static void
nothing_is_lost_while_everything_changes(void **state)
{
	struct rig *r = *state;
	struct mono end = mono_add_ms(mono_now(), STORM_MS);
	struct mono visit = mono_now();
	uint64_t strays = 0;

	start_threads();
	while (mono_before(mono_now(), end)) {
		struct client *c = &world.client[randombytes_uniform(CLIENTS)];

		if (randombytes_uniform(2) == 0)
			client_sends_by(c, randombytes_uniform(THREADS));
		else
			resource_sends_by(c, 1 + randombytes_uniform(LANES));
		if (mono_due(visit, mono_now())) {
			visit = mono_add_ms(mono_now(), VISIT_MS);
			client_reconnects(&world.client[HONEST +
			    randombytes_uniform(CLIENTS - HONEST)]);
		}
		await_at_most(IN_FLIGHT);
	}
	become_calm();
	await(all_of_the_honest_came, 0);
	stop_threads();
	for (unsigned i = 0; i < HONEST; i++) {
		const struct client *c = &world.client[i];

		assert_int_equal(c->came_up, c->sent_up);
		assert_int_equal(c->came_down, c->sent_down);
		assert_true(c->sent_up > 0 && c->sent_down > 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		const struct io_counters *io = &r->page.io[i].counters;

		assert_int_equal(io->strays_lost, 0);
		strays += io->strays_udp + io->strays_tun;
	}
	assert_true(strays > world.sent / 2);
	assert_int_equal(events_lost(r), 0);
	assert_true(r->answers > 0 && r->flows > 0 && r->closed > 0);
	printf("%llu packets, %llu of them strays\n",
	    (unsigned long long)world.sent, (unsigned long long)strays);
}

/* Nothing else wakes it: who misses the one packet is not woken again. */
static void
nobody_sleeps_over_what_is_for_it(void **state)
{
	struct pollfd bell = { .fd = 0, .events = POLLIN };
	uint8_t message[128];

	(void)state;
	start_threads();
	become_calm();
	bell.fd = crew.bell;
	for (unsigned i = 0; i < LONE; i++) {
		struct client *c = &world.client[i % HONEST];
		uint64_t answers = c->answers;

		client_sends_by(c, randombytes_uniform(THREADS));
		await_at_most(0);
		resource_sends_by(c, 1 + randombytes_uniform(LANES));
		await_at_most(0);
		if (i % 16 != 0)
			continue;
		land(1 + randombytes_uniform(LANES), false, &c->at, message,
		    nomination_of(c, message));
		while (c->answers == answers) {
			must(poll(&bell, 1, WATCHDOG_MS) == 1,
			    "the engine hears what came by a lane");
			hush(crew.bell);
			take_what_came();
		}
	}
	stop_threads();
}

/* More than rings hold: what has no room is counted. */
static void
overload_is_counted(void **state)
{
	struct rig *r = *state;
	uint64_t lost = 0;

	start_threads();
	become_calm();
	for (unsigned i = 0; i < 3 * IN_FLIGHT; i++) {
		for (unsigned k = 0; k < IN_FLIGHT; k++)
			resource_sends_by(
			    &world.client[0], 1 + randombytes_uniform(LANES));
		await_at_most(8 * IN_FLIGHT);
	}
	await_at_most(0);
	stop_threads();
	for (unsigned i = 0; i < THREADS; i++)
		lost += r->page.io[i].counters.strays_lost;
	assert_int_equal(world.sent, world.came + lost);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up_threads, tear_down_crew)
		T(nothing_is_lost_while_everything_changes),
		T(nobody_sleeps_over_what_is_for_it),
		T(overload_is_counted),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1 || setenv("POSTERN_TEST_LANES", "4", 1) == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

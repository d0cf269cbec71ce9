/* Clients and a relay around a data plane: see field.h. */
#include "tests/bench/field.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/packet.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/turn/allocation.h"
#include "tests/lib/by_hand.h"

#define UNIX_NOW       1790000000
#define CHECK_MS       25000
#define HANDSHAKE_MS   180000
#define CONNECT_MS     25 /* between clients: below the cookies' threshold */
#define ICE_PASSWORD   "gatepassword"
#define THEIR_PASSWORD "cliepassword"
#define RELAY_USER     "u"
#define RELAY_PASSWORD "p"
#define RESOURCE_PORT  80
#define CLIENT_PORT    50000 /* at which it asks its resource */
#define SEGMENT        (IPV4_HEADER_LEN + TCP_HEADER_LEN)

static const uint8_t psk[NOISE_KEY_LEN] = { 0x55 };

void
must(bool holds, const char *what)
{
	if (!holds)
		errx(1, "failed: %s", what);
}

int64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct endpoint
endpoint_of(const char *text)
{
	struct endpoint e;

	must(endpoint_parse(text, &e), text);
	return e;
}

/* Where the client is. */
static struct endpoint
field_address(uint32_t client)
{
	return (struct endpoint){
		ip_v4(198, 18 + (client >> 16 & 1), (uint8_t)(client >> 8),
		    (uint8_t)client),
		50000,
	};
}

static struct field_client *
client_at(struct field *f, const struct endpoint *e)
{
	uint32_t number = load_be32(e->ip.bytes) & 0x1ffff;

	return e->ip.bytes[0] == 198 && number < f->count ? &f->clients[number]
							  : NULL;
}

/* What the data plane asks of its host; most of it does not matter here. */

static uint8_t *
put_on_wire(struct wire *w, const struct endpoint *other, size_t len)
{
	struct wire_datagram *d = &w->datagrams[w->count++];

	must(w->count <= FIELD_WIRE && len <= FIELD_DATAGRAM, "room");
	d->other = *other;
	d->len = len;
	return d->data;
}

static uint8_t *
from_gateway(void *ctx, const struct endpoint *to,
    const struct ip_address *from, uint8_t ecn, size_t len)
{
	struct field *f = ctx;

	(void)from;
	(void)ecn;
	return put_on_wire(&f->from, to, len);
}

static void
on_tun(void *ctx, uint8_t *packet, size_t len)
{
	struct field *f = ctx;

	must(len <= FIELD_DATAGRAM, "a packet");
	memcpy(f->arrived, packet, len);
	f->arrived_len = len;
}

static void
on_acknowledged(void *ctx, uint64_t serial)
{
	struct field *f = ctx;

	f->acknowledged = serial;
}

static void
on_refused(void *ctx, uint64_t serial)
{
	(void)ctx;
	(void)serial;
}

static void
on_candidates(
    void *ctx, const struct uuid *client, bool withdrawn, const char *lines)
{
	(void)ctx;
	(void)client;
	(void)withdrawn;
	(void)lines;
}

static void
on_closed(void *ctx, const struct uuid *client)
{
	(void)ctx;
	(void)client;
}

static void
on_no_relays(void *ctx)
{
	(void)ctx;
	errx(1, "failed: the relay");
}

static bool
on_flow(void *ctx, const struct ipc_flow *flow)
{
	(void)ctx;
	(void)flow;
	return true;
}

/* Turns: what the clients send goes in, what comes out is answered. */

/* With the end of the turn, as after each wake-up of the process. */
static void
deliver_datagram(
    struct field *f, struct wire_datagram *d, const struct endpoint *local)
{
	struct arrival a = { .from = d->other, .local = *local };

	/* As the kernel steers them. */
	if (message_classify(d->data, d->len) == MESSAGE_DATA)
		lane_datagram(dataplane_lane(f->dp, 0), &a, d->data, d->len);
	else
		(void)dataplane_datagram(f->dp, &a, d->data, d->len);
	by_hand_settle(f->dp);
}

static int64_t
deliver_all(struct field *f)
{
	struct endpoint local = endpoint_of("10.0.0.4:52625");
	int64_t begin = cpu_ns();

	by_hand_set_time(f->dp, f->now);
	for (size_t i = 0; i < f->to.count; i++)
		deliver_datagram(f, &f->to.datagrams[i], &local);
	by_hand_settle(f->dp);
	f->to.count = 0;
	return cpu_ns() - begin;
}

static void
send_stun(struct field *f, const struct endpoint *other, struct writer *w)
{
	must(!writer_failed(w), "a message");
	memcpy(put_on_wire(&f->to, other, w->len), w->base, w->len);
}

static void
send_check(struct field *f, struct field_client *c, bool use)
{
	uint8_t data[FIELD_DATAGRAM], transaction[STUN_TRANSACTION_LEN] = { 0 };
	struct endpoint from = field_address(c->number);
	char username[32];
	struct writer w;

	store_be32(transaction, c->number);
	store_be64(transaction + 4, (uint64_t)f->now.ns);
	snprintf(
	    username, sizeof(username), "g%05x:c%05x", c->number, c->number);
	writer_init(&w, data, sizeof(data));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	if (use)
		stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	stun_add_integrity(&w, ICE_PASSWORD, strlen(ICE_PASSWORD));
	stun_add_fingerprint(&w);
	send_stun(f, &from, &w);
	c->next_check = mono_add_ms(f->now, CHECK_MS);
}

static void
answer_check(struct field *f, const struct wire_datagram *d,
    const struct stun_message *m)
{
	struct endpoint mapped = endpoint_of("198.51.100.1:40000");
	uint8_t data[FIELD_DATAGRAM];
	struct writer w;

	writer_init(&w, data, sizeof(data));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	stun_add_integrity(&w, THEIR_PASSWORD, strlen(THEIR_PASSWORD));
	stun_add_fingerprint(&w);
	send_stun(f, &d->other, &w);
}

/* One relay that grants whatever is asked of it. */
static void
answer_as_relay(struct field *f, const struct wire_datagram *d,
    const struct stun_message *m)
{
	bool binding = m->type == STUN_BINDING_REQUEST;
	bool known = (m->have & STUN_HAVE_INTEGRITY) != 0;
	struct endpoint mapped = endpoint_of("198.51.100.1:40000"),
			relayed = endpoint_of("203.0.113.5:50001");
	uint8_t data[FIELD_DATAGRAM], key[STUN_KEY_LEN];
	struct writer w;

	writer_init(&w, data, sizeof(data));
	stun_begin(
	    &w, m->type | (binding || known ? 0x100 : 0x110), m->transaction);
	if (binding) {
		stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	} else if (!known) {
		stun_add_error(&w, 401, "Unauthorized");
		stun_add_text(&w, STUN_REALM, TURN_REALM);
		stun_add_text(&w, STUN_NONCE, "nonce");
	} else {
		if (m->type == STUN_ALLOCATE_REQUEST)
			stun_add_address(
			    &w, STUN_XOR_RELAYED_ADDRESS, &relayed);
		stun_add_u32(&w, STUN_LIFETIME, 600);
		must(stun_long_term_key(
			 RELAY_USER, TURN_REALM, RELAY_PASSWORD, key),
		    "a key");
		stun_add_integrity(&w, key, sizeof(key));
	}
	send_stun(f, &d->other, &w);
}

static void
send_initiation(struct field *f, struct field_client *c)
{
	struct endpoint from = field_address(c->number);
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(UNIX_NOW + c->initiations++, 0, timestamp);
	must(noise_create_initiation(&c->identity, &c->gateway, c->number,
		 timestamp, f->now,
		 put_on_wire(&f->to, &from, MESSAGE_INITIATION_LEN)),
	    "an initiation");
	c->next_handshake = mono_add_ms(f->now, HANDSHAKE_MS);
}

static void
send_inner(
    struct field *f, struct field_client *c, const uint8_t *packet, size_t len)
{
	struct endpoint from = field_address(c->number);

	session_seal(&c->session, f->aead, packet, len,
	    put_on_wire(&f->to, &from, MESSAGE_DATA_MIN + len));
}

/* Ours, or the answer to one. */
static void
send_probe(struct field *f, struct field_client *c, const struct probe *probe)
{
	uint8_t packet[PROBE_PACKET_LEN];

	probe_packet_write(probe, packet);
	send_inner(f, c, packet, sizeof(packet));
}

static void
ask_by_probe(struct field *f, struct field_client *c)
{
	const struct probe probe = { .sequence = c->probes++ };

	send_probe(f, c, &probe);
	c->next_check = mono_add_ms(f->now, CHECK_MS);
}

static void
note_time(struct field *f, struct field_client *c, struct mono *last)
{
	int64_t ms = mono_ms_between(*last, f->now);

	*last = f->now;
	if (ms > c->longest_ms)
		c->longest_ms = ms;
}

/* The empty packet tells the gateway that the session works. */
static void
take_response(
    struct field *f, struct field_client *c, const struct wire_datagram *d)
{
	struct noise_keys keys;

	must(noise_consume_response(&c->identity, &c->gateway, d->data, &keys),
	    "a handshake");
	session_init(&c->session, &keys, f->now);
	send_inner(f, c, NULL, 0);
}

static void
take_data(struct field *f, struct field_client *c, struct wire_datagram *d)
{
	struct probe probe;
	uint8_t *inner;
	int len = session_open(&c->session, f->aead, d->data, d->len, &inner);

	/* 0: a keepalive. */
	if (len <= 0)
		return;
	if (!probe_packet_read(inner, (size_t)len, &probe)) {
		c->packets++;
	} else if (probe.is_reply) {
		note_time(f, c, &c->answered);
	} else {
		note_time(f, c, &c->asked);
		probe.is_reply = true;
		send_probe(f, c, &probe);
	}
}

static void
take_stun(struct field *f, struct field_client *c,
    const struct wire_datagram *d, const struct stun_message *m)
{
	if (m->type == STUN_BINDING_REQUEST) {
		note_time(f, c, &c->asked);
		answer_check(f, d, m);
	} else if (m->type == STUN_BINDING_SUCCESS) {
		note_time(f, c, &c->answered);
	}
}

static void
answer_all(struct field *f)
{
	for (size_t i = 0; i < f->from.count; i++) {
		struct wire_datagram *d = &f->from.datagrams[i];
		struct field_client *c = client_at(f, &d->other);
		struct stun_message m;
		bool stun = stun_parse(d->data, d->len, &m);

		if (stun && d->other.port == TURN_PORT)
			answer_as_relay(f, d, &m);
		else if (c == NULL)
			continue;
		else if (stun)
			take_stun(f, c, d, &m);
		else if (message_classify(d->data, d->len) == MESSAGE_RESPONSE)
			take_response(f, c, d);
		else if (message_classify(d->data, d->len) == MESSAGE_DATA)
			take_data(f, c, d);
	}
	f->from.count = 0;
}

static int64_t
turn_until_quiet(struct field *f)
{
	int64_t spent = 0;

	do {
		spent += deliver_all(f);
		answer_all(f);
	} while (f->to.count > 0);
	return spent;
}

static void
client_acts(struct field *f, struct field_client *c)
{
	if (mono_due(c->next_check, f->now)) {
		if (c->iceless)
			ask_by_probe(f, c);
		else
			send_check(f, c, false);
	}
	if (mono_due(c->next_handshake, f->now) && !f->no_rekeys)
		send_initiation(f, c);
	f->due[c->number] = f->no_rekeys
	    ? c->next_check
	    : mono_min(c->next_check, c->next_handshake);
}

/* A handshake that is wanted may be due at once. */
static int64_t
serve_timeouts(struct field *f)
{
	int64_t begin = cpu_ns();
	struct mono deadline;

	by_hand_set_time(f->dp, f->now);
	for (unsigned i = 0; i < 2; i++)
		if (mono_due(by_hand_deadline(f->dp), f->now)) {
			by_hand_timeout(f->dp);
			by_hand_settle(f->dp);
		}
	deadline = by_hand_deadline(f->dp);
	must(!mono_is_never(deadline) && !mono_due(deadline, f->now),
	    "a deadline");
	return cpu_ns() - begin;
}

int64_t
field_pass(struct field *f, int64_t ms)
{
	struct mono end = mono_add_ms(f->now, ms);
	int64_t spent = 0;

	while (mono_before(f->now, end)) {
		f->now = mono_add_ms(f->now, 10);
		for (uint32_t i = 0; i < f->count; i++)
			if (mono_due(f->due[i], f->now))
				client_acts(f, &f->clients[i]);
		spent += serve_timeouts(f);
		spent += turn_until_quiet(f);
	}
	return spent;
}

void
field_send(struct field *f, const struct endpoint *from, const uint8_t *data,
    size_t len)
{
	memcpy(put_on_wire(&f->to, from, len), data, len);
}

int64_t
field_deliver(struct field *f)
{
	int64_t spent = deliver_all(f);

	f->from.count = 0;
	return spent;
}

/* Messages of the portal. */

#define TELL(f, name, message)                  \
	(by_hand_set_time((f)->dp, (f)->now), \
	    dataplane_messages.name((f)->dp, (message)))

static struct uuid
uuid_of(uint8_t kind, uint32_t number)
{
	struct uuid id = { { kind } };

	store_be32(id.bytes + 12, number);
	return id;
}

static struct ip_address
tunnel_v4(uint32_t client)
{
	uint32_t number = client + 2; /* the gateway has the first */

	return ip_v4(100, (uint8_t)(64 + (number >> 16)),
	    (uint8_t)(number >> 8), (uint8_t)number);
}

static struct ip_address
resource_v4(uint32_t resource)
{
	return ip_v4(10, (uint8_t)(resource >> 16), (uint8_t)(resource >> 8),
	    (uint8_t)resource);
}

static void
describe_client(const struct field_client *c, struct ipc_authorization *a)
{
	a->client = uuid_of(0xc1, c->number);
	a->client_v4 = tunnel_v4(c->number);
	must(ip_parse("fd00:2021:1111::", &a->client_v6), "an address");
	store_be32(a->client_v6.bytes + 12, c->number + 2);
	memcpy(a->public_key, c->identity.public_key, sizeof(a->public_key));
	memcpy(a->preshared_key, psk, sizeof(psk));
	a->use_iceless = c->iceless;
	snprintf(
	    a->local_username, sizeof(a->local_username), "g%05x", c->number);
	snprintf(
	    a->remote_username, sizeof(a->remote_username), "c%05x", c->number);
	strcpy(a->local_password, ICE_PASSWORD);
	strcpy(a->remote_password, THEIR_PASSWORD);
}

static void
describe_resource(uint32_t resource, struct ipc_authorization *a)
{
	a->resource = uuid_of(0x42, resource);
	a->type = RESOURCE_CIDR;
	a->network = (struct ip_prefix){ resource_v4(resource), 32 };
	a->filters[0] =
	    (struct filter){ FILTER_TCP, RESOURCE_PORT, RESOURCE_PORT };
	a->filters_count = 1;
}

int64_t
field_authorize(struct field *f, uint32_t client, uint32_t resource)
{
	static struct ipc_authorization a;
	int64_t begin;

	memset(&a, 0, sizeof(a));
	a.serial = ++f->serial;
	describe_client(&f->clients[client], &a);
	describe_resource(resource, &a);
	begin = cpu_ns();
	TELL(f, authorization, &a);
	by_hand_settle(f->dp);
	begin = cpu_ns() - begin;
	must(f->acknowledged == a.serial, "an authorization");
	return begin;
}

int64_t
field_revoke(struct field *f, uint32_t client, uint32_t resource)
{
	struct ipc_revocation r = { uuid_of(0xc1, client),
		uuid_of(0x42, resource) };
	int64_t begin = cpu_ns();

	TELL(f, revocation, &r);
	by_hand_settle(f->dp);
	return cpu_ns() - begin;
}

int64_t
field_filter(struct field *f, uint32_t resource, uint16_t port)
{
	static struct ipc_resource_update u;
	int64_t begin;

	u.resource = uuid_of(0x42, resource);
	u.type = RESOURCE_CIDR;
	u.filters[0] = (struct filter){ FILTER_TCP, port, port };
	u.filters_count = 1;
	begin = cpu_ns();
	TELL(f, resource_update, &u);
	by_hand_settle(f->dp);
	return cpu_ns() - begin;
}

/* Through the tunnel. */

/* Of TCP without data; nobody looks at its checksum. */
static void
write_segment(uint8_t to[SEGMENT], const struct ip_address *from,
    const struct ip_address *dest, uint16_t source, uint16_t port)
{
	uint8_t *tcp = to + IPV4_HEADER_LEN;

	memset(to, 0, SEGMENT);
	to[0] = 0x45;
	store_be16(to + IPV4_TOTAL, SEGMENT);
	to[8] = 64;
	to[IPV4_PROTOCOL] = IPPROTO_TCP;
	memcpy(to + IPV4_SOURCE, from->bytes, 4);
	memcpy(to + IPV4_DESTINATION, dest->bytes, 4);
	store_be16(to + IPV4_CHECKSUM,
	    checksum_finish(checksum_add(0, to, IPV4_HEADER_LEN)));
	store_be16(tcp, source);
	store_be16(tcp + 2, port);
	tcp[TCP_OFFSET] = 5 << 4;
	tcp[TCP_FLAGS] = TCP_ACK;
}

bool
field_answers(struct field *f, uint32_t client)
{
	struct field_client *c = &f->clients[client];
	struct ip_address own = tunnel_v4(client), host = resource_v4(client);
	uint64_t before = c->packets;
	uint8_t packet[SEGMENT];

	write_segment(packet, &own, &host, CLIENT_PORT, RESOURCE_PORT);
	f->arrived_len = 0;
	send_inner(f, c, packet, sizeof(packet));
	turn_until_quiet(f);
	if (f->arrived_len != sizeof(packet) ||
	    memcmp(f->arrived, packet, sizeof(packet)) != 0)
		return false;
	write_segment(packet, &host, &own, RESOURCE_PORT, CLIENT_PORT);
	by_hand_packet(f->dp, packet, sizeof(packet));
	turn_until_quiet(f);
	return c->packets == before + 1;
}

/* Set-up. */

static void
name_relay(struct field *f)
{
	struct ipc_relay_present relay = {
		.relay = uuid_of(0x01, 1),
		.v4 = endpoint_of("203.0.113.5:3478"),
		.username = RELAY_USER,
		.password = RELAY_PASSWORD,
	};

	TELL(f, relays_begin, NULL);
	TELL(f, relay_present, &relay);
	TELL(f, relays_commit, NULL);
	turn_until_quiet(f);
}

/* Touched, so that what memory grows by later is the data plane's. */
static void *
touched_memory(size_t count, size_t size)
{
	void *p = reallocarray(NULL, count, size);

	must(p != NULL, "memory");
	memset(p, 1, count * size);
	return p;
}

void
field_reserve(struct field *f)
{
	f->aead = aead_new();
	f->clients = touched_memory(FIELD_CLIENTS_MAX, sizeof(*f->clients));
	f->due = touched_memory(FIELD_CLIENTS_MAX, sizeof(*f->due));
	f->to.datagrams = touched_memory(FIELD_WIRE, sizeof(*f->to.datagrams));
	f->from.datagrams =
	    touched_memory(FIELD_WIRE, sizeof(*f->from.datagrams));
	must(dataplane_warm_up() && f->aead != NULL, "the cryptography");
}

void
field_start(struct field *f)
{
	const struct dataplane_host host = {
		.ctx = f,
		.acknowledged = on_acknowledged,
		.refused = on_refused,
		.candidates = on_candidates,
		.closed = on_closed,
		.no_relays = on_no_relays,
		.flow = on_flow,
		.wake = by_hand_wake,
	};
	const struct packet_sink sink = { f, from_gateway, on_tun };
	const struct dataplane_settings settings = {
		.lanes = by_hand_lanes(),
		.lane = { { sink, f->aead } },
		.counters = &f->page,
	};
	struct clock_reading started = {
		.mono = { 1000000000 },
		.wall = { UNIX_NOW * INT64_C(1000000000) },
	};
	struct ipc_interface own = { .v4 = ip_v4(100, 64, 0, 1) };

	must(ip_parse("fd00:2021:1111::1", &own.v6), "an address");
	f->now = started.mono;
	f->dp = dataplane_new(&host, &sink, &settings, &started);
	must(f->dp != NULL, "the data plane");
	TELL(f, interface, &own);
	name_relay(f);
}

static void
add_candidate(struct field *f, uint32_t client)
{
	static struct ipc_remote_candidates m;
	char address[ENDPOINT_TEXT_MAX];
	struct endpoint at = field_address(client);

	ip_format(&at.ip, address);
	m.client = uuid_of(0xc1, client);
	if (f->clients[client].iceless)
		snprintf(m.lines, sizeof(m.lines),
		    "candidate:1 1 udp 2130706431 %s %u typ host\n", address,
		    at.port);
	else
		snprintf(m.lines, sizeof(m.lines),
		    "candidate:1 1 udp 2130706175 %s %u typ host ufrag c%05x\n",
		    address, at.port, client);
	TELL(f, remote_candidates, &m);
}

void
field_connect_next(struct field *f)
{
	struct field_client *c = &f->clients[f->count];
	uint64_t before = f->page.engine.handshakes;

	must(f->count < FIELD_CLIENTS_MAX, "room");
	memset(c, 0, sizeof(*c));
	c->number = f->count++;
	c->iceless = f->iceless;
	c->next_check = f->now;
	f->due[c->number] = f->now;
	must(noise_identity_generate(&c->identity) &&
		noise_peer_init(&c->gateway, &c->identity,
		    dataplane_public_key(f->dp), psk),
	    "keys");
	field_authorize(f, c->number, FIELD_COMMON);
	field_authorize(f, c->number, c->number);
	add_candidate(f, c->number);
	if (!c->iceless)
		send_check(f, c, true);
	turn_until_quiet(f);
	send_initiation(f, c);
	f->handshakes_ns += turn_until_quiet(f);
	must(f->page.engine.handshakes == before + 1, "a client");
	field_pass(f, CONNECT_MS);
}

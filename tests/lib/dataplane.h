/*
 * The data plane on a table: a relay and a client played by the test over a
 * notebook in place of sockets. The client's handshake and checks are made with
 * the same codecs; that they interoperate with others is for the integration
 * tests.
 */
#ifndef TESTS_LIB_DATAPLANE_H
#define TESTS_LIB_DATAPLANE_H

#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/log.h"
#include "net-worker/core/inner/control_packet.h"
#include "net-worker/core/inner/packet.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/message.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/session.h"
#include "net-worker/dataplane/dataplane.h"
#include "tests/lib/by_hand.h"
#include "tests/lib/addresses.h"

#define UNIX_NOW 1790000000u
#define NOTES    64
#define PAGE_MAX 64 /* entries of an answer */

struct note {
	struct endpoint to;
	struct ip_address from;
	uint8_t ecn;
	size_t len;
	uint8_t data[DATAGRAM_MAX];
};

struct rig {
	struct dataplane *dp;
	struct counter_page page;
	struct aead *aead;
	struct mono now;

	struct note udp[NOTES], tun[NOTES];
	size_t udp_count, tun_count;
	size_t udp_seen; /* by note_tellings() */
	uint64_t acknowledged, refused;
	unsigned closed, no_relays;
	char added[4096], withdrawn[4096];
	bool candidates_before_answer;
	struct ipc_peer_event peer_event; /* the last one, and how many */
	unsigned peer_events;
	uint64_t assignment;
	enum assignment_answer answer;
	struct ipc_name_unanswered unanswered; /* the last one, and how many */
	unsigned unanswered_names;
	char told[64]; /* to the client, the last one, and how many */
	unsigned tellings;
	struct ipc_flow flow; /* the last one, and how many */
	unsigned flows;
	bool deaf; /* takes no flows */
	bool full; /* takes no datagrams */
	/* The last page of an answer. */
	struct ipc_query_client clients[PAGE_MAX];
	struct ipc_query_relay relays[PAGE_MAX];
	struct ipc_query_resource resources[PAGE_MAX];
	size_t client_count, relay_count, resource_count;
	struct ipc_query_grant grants[PAGE_MAX];
	size_t grant_count;
	struct ipc_query_flow open_flows[PAGE_MAX];
	size_t open_flow_count;
	struct ipc_query_end end;
	unsigned answers; /* pages of clients */
	struct explanation explanation; /* the last one */

	int log[2]; /* of a log that is overheard: read, write */

	struct noise_identity identity; /* the client's */
	struct noise_peer gateway;
	uint32_t initiations;
	struct session session;
};

static inline uint8_t *
write_down(struct note *notes, size_t *count, size_t len)
{
	struct note *n = &notes[*count % NOTES];

	(*count)++;
	n->len = len;
	return n->data;
}

static inline uint8_t *
note_udp(void *ctx, const struct endpoint *to, const struct ip_address *from,
    uint8_t ecn, size_t len)
{
	struct rig *r = ctx;
	struct note *n = &r->udp[r->udp_count % NOTES];

	assert_true(len <= DATAGRAM_MAX);
	if (r->full)
		return NULL;
	n->to = *to;
	n->from = *from;
	n->ecn = ecn;
	return write_down(r->udp, &r->udp_count, len);
}

static inline void
note_tun(void *ctx, uint8_t *packet, size_t len)
{
	struct rig *r = ctx;

	memcpy(write_down(r->tun, &r->tun_count, len), packet, len);
}

static inline void
on_acknowledged(void *ctx, uint64_t serial)
{
	struct rig *r = ctx;

	r->candidates_before_answer = r->added[0] != '\0';
	r->acknowledged = serial;
}

static inline void
on_refused(void *ctx, uint64_t serial)
{
	struct rig *r = ctx;

	r->refused = serial;
}

static inline void
on_candidates(
    void *ctx, const struct uuid *client, bool withdrawn, const char *lines)
{
	struct rig *r = ctx;

	(void)client;
	assert_string_not_equal(lines, "");
	strlcat(withdrawn ? r->withdrawn : r->added, lines, sizeof(r->added));
}

static inline void
on_closed(void *ctx, const struct uuid *client)
{
	struct rig *r = ctx;

	(void)client;
	r->closed++;
}

static inline void
on_no_relays(void *ctx)
{
	struct rig *r = ctx;

	r->no_relays++;
}

static inline void
on_peer_event(void *ctx, const struct uuid *client, uint8_t event,
    const uint8_t *payload, size_t len)
{
	struct rig *r = ctx;

	r->peer_events++;
	r->peer_event.client = *client;
	r->peer_event.event = event;
	r->peer_event.payload_len = (uint16_t)len;
	memcpy(r->peer_event.payload, payload, len);
}

static inline void
on_assignment(void *ctx, uint64_t serial, enum assignment_answer answer)
{
	struct rig *r = ctx;

	r->assignment = serial;
	r->answer = answer;
}

static inline void
on_name_unanswered(void *ctx, const struct ipc_name_unanswered *m)
{
	struct rig *r = ctx;

	r->unanswered = *m;
	r->unanswered_names++;
}

static inline bool
on_flow(void *ctx, const struct ipc_flow *flow)
{
	struct rig *r = ctx;

	if (r->deaf)
		return false;
	r->flow = *flow;
	r->flows++;
	return true;
}

static inline void
on_clients(void *ctx, const struct ipc_query_client *rows, size_t count,
    const struct ipc_query_end *end)
{
	struct rig *r = ctx;

	assert_true(count <= PAGE_MAX);
	memcpy(r->clients, rows, count * sizeof(*rows));
	r->client_count = count;
	r->end = *end;
	r->answers++;
}

static inline void
on_relays(void *ctx, const struct ipc_query_relay *rows, size_t count,
    const struct ipc_query_end *end)
{
	struct rig *r = ctx;

	assert_true(count <= PAGE_MAX);
	memcpy(r->relays, rows, count * sizeof(*rows));
	r->relay_count = count;
	r->end = *end;
}

static inline void
on_resources(void *ctx, const struct ipc_query_resource *rows, size_t count,
    const struct ipc_query_end *end)
{
	struct rig *r = ctx;

	assert_true(count <= PAGE_MAX);
	memcpy(r->resources, rows, count * sizeof(*rows));
	r->resource_count = count;
	r->end = *end;
}

static inline void
on_grants(void *ctx, const struct ipc_query_grant *rows, size_t count,
    const struct ipc_query_end *end)
{
	struct rig *r = ctx;

	assert_true(count <= PAGE_MAX);
	memcpy(r->grants, rows, count * sizeof(*rows));
	r->grant_count = count;
	r->end = *end;
}

static inline void
on_open_flows(void *ctx, const struct ipc_query_flow *rows, size_t count,
    const struct ipc_query_end *end)
{
	struct rig *r = ctx;

	assert_true(count <= PAGE_MAX);
	if (count > 0)
		memcpy(r->open_flows, rows, count * sizeof(*rows));
	r->open_flow_count = count;
	r->end = *end;
}

static inline void
on_explained(void *ctx, const struct explanation *e)
{
	struct rig *r = ctx;

	r->explanation = *e;
	r->end = e->end;
}

/* What the client is told by control packets; they stay to be opened again. */
static inline void
note_tellings(struct rig *r)
{
	if (r->udp_count - r->udp_seen > NOTES)
		r->udp_seen = r->udp_count - NOTES;
	for (; r->udp_seen < r->udp_count; r->udp_seen++) {
		struct note n = r->udp[r->udp_seen % NOTES];
		struct session session = r->session;
		struct control_packet told;
		struct packet p;
		uint8_t *inner;
		int len;

		if (message_classify(n.data, n.len) != MESSAGE_DATA ||
		    (len = session_open(
			 &session, r->aead, n.data, n.len, &inner)) <= 0 ||
		    packet_parse(inner, (size_t)len, &p) != PACKET_OK ||
		    !control_packet_read(&p, &told))
			continue;
		snprintf(r->told, sizeof(r->told), "%.*s", (int)told.length,
		    (const char *)told.payload);
		r->tellings++;
	}
}

/* The end of a turn. */
static inline void
settle(struct rig *r)
{
	by_hand_set_time(r->dp, r->now);
	by_hand_settle(r->dp);
	note_tellings(r);
}

/* A message of control-worker. */
#define tell(r, name, message)                \
	(by_hand_set_time((r)->dp, (r)->now), \
	    dataplane_messages.name((r)->dp,  \
		(struct ipc_##name *)(uintptr_t)(const void *)(message)))

/* The answer is the last page. */
static inline void
ask_query(struct rig *r, const struct ipc_query *q)
{
	tell(r, query, q);
	settle(r);
}

static inline void
serve_deadlines(struct rig *r)
{
	by_hand_set_time(r->dp, r->now);
	by_hand_timeout(r->dp);
	settle(r);
}

static inline void
pass(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 10) {
		r->now = mono_add_ms(r->now, 10);
		serve_deadlines(r);
		/* A handshake that is wanted may be due at once. */
		if (mono_due(by_hand_deadline(r->dp), r->now))
			serve_deadlines(r);
		/* Else the loop would turn without rest. */
		assert_true(dataplane_has_ended(r->dp) ||
		    mono_before(r->now, by_hand_deadline(r->dp)));
	}
}

static inline void
receive(struct rig *r, const char *from, const char *local, const void *data,
    size_t len)
{
	struct arrival a = { .from = at(from), .local = at(local) };
	uint8_t copy[DATAGRAM_MAX];

	memcpy(copy, data, len);
	by_hand_set_time(r->dp, r->now);
	by_hand_datagram(r->dp, &a, copy, len);
	settle(r);
}

/* A packet from the TUN. */
static inline void
from_tun(struct rig *r, uint8_t *packet, size_t len)
{
	by_hand_set_time(r->dp, r->now);
	by_hand_packet(r->dp, packet, len);
}

static inline const struct note *
last_udp(const struct rig *r)
{
	assert_true(r->udp_count > 0);
	return &r->udp[(r->udp_count - 1) % NOTES];
}

/* What is told to control-worker goes into the notebook. */
static inline struct dataplane_host
notebook_host(struct rig *r)
{
	return (struct dataplane_host){
		.ctx = r,
		.acknowledged = on_acknowledged,
		.refused = on_refused,
		.candidates = on_candidates,
		.closed = on_closed,
		.no_relays = on_no_relays,
		.peer_event = on_peer_event,
		.assignment = on_assignment,
		.name_unanswered = on_name_unanswered,
		.flow = on_flow,
		.clients = on_clients,
		.relays = on_relays,
		.resources = on_resources,
		.grants = on_grants,
		.open_flows = on_open_flows,
		.explained = on_explained,
		.wake = by_hand_wake,
	};
}

/* Before the portal's init. */
static inline int
set_up_unconfigured(void **state, bool log_denied, bool expose_host)
{
	static struct rig rig;
	struct rig *r = &rig;
	const struct dataplane_host host = notebook_host(r);
	const struct packet_sink sink = { r, note_udp, note_tun };
	struct dataplane_settings settings = {
		.expose_host = expose_host,
		.log_denied = log_denied,
		.counters = &r->page,
		.lanes = by_hand_lanes(),
	};
	struct clock_reading started = {
		.wall = { UNIX_NOW * INT64_C(1000000000) },
	};

	memset(r, 0, sizeof(*r));
	r->now = (struct mono){ 1000000000 };
	r->aead = aead_new();
	for (unsigned i = 0; i < settings.lanes; i++)
		settings.lane[i] = (struct dataplane_lane){ sink, r->aead };
	started.mono = r->now;
	assert_true(dataplane_warm_up());
	r->dp = dataplane_new(&host, &sink, &settings, &started);
	assert_non_null(r->dp);
	assert_true(noise_identity_generate(&r->identity));
	*state = r;
	return 0;
}

static inline void
tell_own_addresses(struct rig *r, const char *v4, const char *v6)
{
	struct ipc_interface own = { .v4 = at(v4).ip, .v6 = at(v6).ip };

	tell(r, interface, &own);
	settle(r);
}

static inline int
set_up(void **state)
{
	set_up_unconfigured(state, false, false);
	tell_own_addresses(*state, "100.64.0.1:0", "[fd00:2021:1111::1]:0");
	return 0;
}

/* From now on the log is for logged(). */
static inline void
overhear(struct rig *r)
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, r->log), 0);
	log_init_worker(r->log[1], LOG_LEVEL_INFO);
}

/* How many lines with that text there are since the last call. */
static inline unsigned
logged(struct rig *r, const char *text)
{
	char line[LOG_TEXT_MAX + 2];
	unsigned count = 0;
	ssize_t n;

	while ((n = recv(r->log[0], line, sizeof(line) - 1, 0)) > 0) {
		line[n] = '\0';
		count += strstr(line + 1, text) != NULL;
	}
	return count;
}

static inline int
tear_down(void **state)
{
	struct rig *r = *state;

	dataplane_free(r->dp);
	aead_free(r->aead);
	if (r->log[1] != 0) {
		log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
		close(r->log[0]);
		close(r->log[1]);
	}
	return 0;
}

/* The relay answers our Binding: there is a host and a srflx candidate. */
static inline void
with_relay_at(struct rig *r, uint8_t id, const char *address, int64_t delay_ms)
{
	struct ipc_relay_present relay = {
		.relay = { { id } },
		.v4 = at(address),
		.username = "u",
		.password = "p",
	};
	struct endpoint mapped = at("198.51.100.1:40000");
	struct stun_message request;
	uint8_t answer[128];
	struct writer w;

	tell(r, relays_begin, NULL);
	tell(r, relay_present, &relay);
	tell(r, relays_commit, NULL);
	settle(r);
	assert_true(stun_parse(last_udp(r)->data, last_udp(r)->len, &request));
	assert_int_equal(request.type, STUN_BINDING_REQUEST);
	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, request.transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	r->now = mono_add_ms(r->now, delay_ms);
	receive(r, address, "10.0.0.4:52625", answer, w.len);
}

static inline void
with_relay(struct rig *r)
{
	with_relay_at(r, 1, "203.0.113.5:3478", 0);
}

static inline struct ipc_authorization
authorization(const struct rig *r)
{
	struct ipc_authorization a = {
		.serial = 7,
		.client = { { 0xc1 } },
		.client_v4 = at("100.64.0.2:0").ip,
		.client_v6 = at("[fd00:2021:1111::2]:0").ip,
		.local_username = "gate",
		.local_password = "gatepassword",
		.remote_username = "clie",
		.remote_password = "cliepassword",
		.expires_at = UNIX_NOW + 60,
		.resource = { { 0x42 } },
		.type = RESOURCE_CIDR,
		.filters = { { FILTER_TCP, 80, 80 } },
		.filters_count = 1,
	};

	assert_true(prefix_parse("10.20.0.0/24", &a.network));
	memcpy(a.public_key, r->identity.public_key, sizeof(a.public_key));
	memset(a.preshared_key, 0x55, sizeof(a.preshared_key));
	return a;
}

static inline void
authorized(struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	with_relay(r);
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
	assert_false(r->candidates_before_answer);
}

/* The same without an end, and with logs of its flows by that token. */
static inline void
authorized_for_flows(struct rig *r, uint8_t flow_authorization)
{
	struct ipc_authorization a = authorization(r);

	a.expires_at = 0;
	a.flow_authorization.bytes[0] = flow_authorization;
	tell(r, authorization, &a);
	settle(r);
}

/* A client's answer to a check of ours, on the path that this came by. */
static inline void
answer_check(struct rig *r, const char *from, const char *to,
    const struct stun_message *m)
{
	struct endpoint mapped = at(to);
	uint8_t answer[128];
	struct writer w;

	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	stun_add_integrity(&w, "cliepassword", 12);
	stun_add_fingerprint(&w);
	receive(r, from, to, answer, w.len);
}

/* By which a client nominates the path that it comes by. */
static inline size_t
write_nomination_of(uint8_t to[static 128], const char *username)
{
	const uint8_t transaction[12] = { (uint8_t)username[3], 1, 2, 3 };
	struct writer w;

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

static inline size_t
write_nomination(uint8_t to[static 128])
{
	return write_nomination_of(to, "gate:clie");
}

static inline void
check_with_use_candidate(struct rig *r)
{
	uint8_t check[128];

	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", check,
	    write_nomination(check));
}

static inline void
client_sends_packet(struct rig *r, const uint8_t *packet, size_t len)
{
	uint8_t data[INNER_PACKET_MAX + WIREGUARD_OVERHEAD];

	session_seal(&r->session, r->aead, packet, len, data);
	receive(r, "192.0.2.7:50000", "10.0.0.4:52625", data,
	    len + WIREGUARD_OVERHEAD);
}

/* The client's half of a handshake, in steps. */
static inline void
make_initiation(struct rig *r, uint8_t to[static MESSAGE_INITIATION_LEN])
{
	uint8_t psk[32], timestamp[NOISE_TIMESTAMP_LEN];

	memset(psk, 0x55, sizeof(psk));
	assert_true(noise_peer_init(
	    &r->gateway, &r->identity, dataplane_public_key(r->dp), psk));
	noise_timestamp(UNIX_NOW + r->initiations++, 0, timestamp);
	assert_true(noise_create_initiation(
	    &r->identity, &r->gateway, 77, timestamp, r->now, to));
}

static inline void
take_response(struct rig *r, const uint8_t *response, size_t len)
{
	struct noise_keys keys;

	assert_int_equal(message_classify(response, len), MESSAGE_RESPONSE);
	assert_true(
	    noise_consume_response(&r->identity, &r->gateway, response, &keys));
	session_init(&r->session, &keys, r->now);
}

/* The answer is the last datagram. */
static inline void
client_initiates(struct rig *r)
{
	uint8_t message[MESSAGE_INITIATION_LEN];

	make_initiation(r, message);
	receive(
	    r, "192.0.2.7:50000", "10.0.0.4:52625", message, sizeof(message));
}

/* Both sides, and the empty packet by which the gateway sends on it, too. */
static inline void
handshake(struct rig *r)
{
	client_initiates(r);
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	client_sends_packet(r, NULL, 0);
}

static inline void
connected(struct rig *r)
{
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host ufrag clie\n",
	};

	authorized(r);
	tell(r, remote_candidates, &m);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
}

static inline size_t
tcp_packet(uint8_t *to, const char *from, const char *dest)
{
	struct endpoint source = at(from), destination = at(dest);

	unhex("45000028000040004006 0000", to, 12);
	memcpy(to + 12, source.ip.bytes, 4);
	memcpy(to + 16, destination.ip.bytes, 4);
	memset(to + 20, 0, 20);
	store_be16(to + 20, source.port);
	store_be16(to + 22, destination.port);
	to[32] = 0x50;
	store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	return 40;
}

static inline void
client_sends(struct rig *r, const char *from, const char *to)
{
	uint8_t packet[40];
	size_t len = tcp_packet(packet, from, to);

	client_sends_packet(r, packet, len);
}

/* A SYN; with rst what ends it. */
static inline void
client_opens(struct rig *r, const char *from, const char *to, bool rst)
{
	uint8_t packet[40];
	size_t len = tcp_packet(packet, from, to);

	packet[33] = rst ? 0x04 : 0x02;
	client_sends_packet(r, packet, len);
}

/* Of the one client, as an operator sees it. */
static inline uint8_t
state_of_client(struct rig *r)
{
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };

	ask_query(r, &q);
	assert_int_equal(r->client_count, 1);
	return r->clients[0].state;
}

/* The inner packet of the last datagram, as the client would see it. */
static inline size_t
client_hears(struct rig *r, uint8_t **inner)
{
	struct note *n = &r->udp[(r->udp_count - 1) % NOTES];
	int len;

	assert_int_equal(message_classify(n->data, n->len), MESSAGE_DATA);
	len = session_open(&r->session, r->aead, n->data, n->len, inner);
	assert_true(len >= 0);
	return (size_t)len;
}

#endif /* TESTS_LIB_DATAPLANE_H */

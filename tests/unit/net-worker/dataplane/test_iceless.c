/*
 * Connections without ICE, end to end over a notebook in place of sockets:
 * firezone-tunnel(7), ICE-LESS MODE.
 */
#include "tests/lib/dataplane.h"

#include "net-worker/core/inner/probe.h"

#define GATEWAY "10.0.0.4:52625"
#define CLIENT  "192.0.2.7:50000"
#define ROAMED  "192.0.2.99:1234"

static struct ipc_authorization
iceless_authorization(const struct rig *r)
{
	struct ipc_authorization a = authorization(r);

	a.use_iceless = true;
	a.expires_at = 0;
	return a;
}

static void
authorized_without_ice(struct rig *r)
{
	struct ipc_authorization a = iceless_authorization(r);

	with_relay(r);
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
}

static void
client_says(struct rig *r, bool withdrawn, const char *line)
{
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.withdrawn = withdrawn,
	};

	strlcpy(m.lines, line, sizeof(m.lines));
	tell(r, remote_candidates, &m);
	settle(r);
}

static void
client_signals(struct rig *r, const char *line)
{
	client_says(r, false, line);
}

static void
from_client(struct rig *r, const char *from, const uint8_t *packet, size_t len)
{
	uint8_t data[INNER_PACKET_MAX + WIREGUARD_OVERHEAD];

	session_seal(&r->session, r->aead, packet, len, data);
	receive(r, from, GATEWAY, data, len + WIREGUARD_OVERHEAD);
}

static void
client_probes(struct rig *r, const char *from, struct probe probe)
{
	uint8_t packet[PROBE_PACKET_LEN];

	probe_packet_write(&probe, packet);
	from_client(r, from, packet, sizeof(packet));
}

/* Of the notes since *seen: the next probe, and where it was sent to. */
static bool
next_probe(struct rig *r, size_t *seen, struct probe *probe, struct note *note)
{
	uint8_t *inner;
	int len;

	while (*seen < r->udp_count) {
		*note = r->udp[(*seen)++ % NOTES];
		if (message_classify(note->data, note->len) != MESSAGE_DATA)
			continue;
		len = session_open(
		    &r->session, r->aead, note->data, note->len, &inner);
		if (len > 0 && probe_packet_read(inner, (size_t)len, probe))
			return true;
	}
	return false;
}

/* The client answers what it is asked there, and nowhere else. */
static void
client_answers(struct rig *r, size_t *seen, const char *only)
{
	struct endpoint there = at(only);
	struct probe probe;
	struct note note;

	while (next_probe(r, seen, &probe, &note))
		if (!probe.is_reply && endpoint_equal(&note.to, &there)) {
			probe.is_reply = true;
			client_probes(r, only, probe);
		}
}

/* Likewise for a while, in which it is there with us. */
static void
client_stays(struct rig *r, size_t *seen, const char *only, int64_t ms)
{
	for (; ms > 0; ms -= 100) {
		pass(r, 100);
		client_answers(r, seen, only);
	}
}

static void
connected_without_ice(struct rig *r)
{
	authorized_without_ice(r);
	client_signals(
	    r, "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\n");
	handshake(r);
}

static const struct ipc_query_client *
the_client(struct rig *r)
{
	const struct ipc_query q = { .kind = QUERY_KIND_CLIENTS };

	ask_query(r, &q);
	assert_int_equal(r->client_count, 1);
	return &r->clients[0];
}

static bool
sends_to(struct rig *r, const char *remote)
{
	struct endpoint want = at(remote);

	return endpoint_equal(&the_client(r)->remote, &want);
}

static void
candidates_have_real_bases(void **state)
{
	struct rig *r = *state;

	authorized_without_ice(r);
	assert_non_null(
	    strstr(r->added, " 1 udp 2130706431 10.0.0.4 52625 typ host\n"));
	assert_non_null(strstr(r->added,
	    " 1 udp 1694498815 198.51.100.1 40000 typ srflx "
	    "raddr 10.0.0.4 rport 52625\n"));
	assert_null(strstr(r->added, "ufrag"));
	/* No check of ICE, whatever the client signals. */
	r->udp_count = 0;
	client_signals(
	    r, "candidate:1 1 udp 2130706431 192.0.2.7 50000 typ host\n");
	pass(r, 3000);
	for (size_t i = 0; i < r->udp_count; i++)
		assert_int_not_equal(r->udp[i % NOTES].to.port, 50000);
	assert_int_equal(r->page.engine.connections_iceless, 1);
}

static void
the_handshake_is_the_path(void **state)
{
	struct rig *r = *state;

	connected_without_ice(r);
	assert_int_equal(the_client(r)->state, QUERY_STATE_CONNECTED);
	assert_true(the_client(r)->iceless);
	assert_true(sends_to(r, CLIENT));
	assert_int_equal(r->page.engine.connections_direct, 1);
	client_sends(r, "100.64.0.2:1000", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
}

/* From wherever a copy comes: the same bytes, there, and no other session. */
static void
copies_are_answered(void **state)
{
	uint8_t message[MESSAGE_INITIATION_LEN], first[MESSAGE_RESPONSE_LEN];
	struct endpoint other = at(ROAMED);
	struct rig *r = *state;

	authorized_without_ice(r);
	make_initiation(r, message);
	receive(r, CLIENT, GATEWAY, message, sizeof(message));
	memcpy(first, last_udp(r)->data, sizeof(first));
	receive(r, ROAMED, GATEWAY, message, sizeof(message));
	assert_int_equal(last_udp(r)->len, sizeof(first));
	assert_memory_equal(last_udp(r)->data, first, sizeof(first));
	assert_true(endpoint_equal(&last_udp(r)->to, &other));
	assert_int_equal(r->page.engine.handshakes, 1);
	/* One bit off is no copy, and refused. */
	r->udp_count = 0;
	message[140] ^= 1;
	receive(r, ROAMED, GATEWAY, message, sizeof(message));
	assert_int_equal(r->udp_count, 0);
	message[140] ^= 1;
	pass(r, 9000);
	r->udp_count = 0;
	receive(r, ROAMED, GATEWAY, message, sizeof(message));
	assert_int_equal(r->udp_count, 1);
	pass(r, 1000);
	r->udp_count = 0;
	receive(r, ROAMED, GATEWAY, message, sizeof(message));
	assert_int_equal(r->udp_count, 0);
	assert_int_equal(r->page.engine.handshakes, 1);
}

/* Not so with ICE: there the copy is refused. */
static void
no_copies_with_ice(void **state)
{
	uint8_t message[MESSAGE_INITIATION_LEN];
	struct rig *r = *state;

	authorized(r);
	check_with_use_candidate(r);
	pass(r, 20);
	make_initiation(r, message);
	receive(r, CLIENT, GATEWAY, message, sizeof(message));
	assert_int_equal(last_udp(r)->len, MESSAGE_RESPONSE_LEN);
	r->udp_count = 0;
	receive(r, ROAMED, GATEWAY, message, sizeof(message));
	assert_int_equal(r->udp_count, 0);
}

static void
probes_are_answered_where_they_came(void **state)
{
	struct probe asked = { .id = 7, .sequence = 65535 }, reply;
	struct endpoint there = at(ROAMED), here = at(GATEWAY);
	uint64_t received, sent;
	struct rig *r = *state;
	struct note note;
	size_t seen;

	connected_without_ice(r);
	pass(r, 30000);
	received = the_client(r)->received_packets;
	sent = the_client(r)->sent_packets;
	seen = r->udp_count;
	client_probes(r, ROAMED, asked);
	assert_true(next_probe(r, &seen, &reply, &note));
	assert_true(reply.is_reply);
	assert_int_equal(reply.id, 7);
	assert_int_equal(reply.sequence, 65535);
	assert_true(endpoint_equal(&note.to, &there));
	assert_true(ip_equal(&note.from, &here.ip));
	/* And the new address is asked in turn. */
	do
		assert_true(next_probe(r, &seen, &reply, &note));
	while (!endpoint_equal(&note.to, &there));
	assert_false(reply.is_reply);
	/* Nothing of it got anywhere else. */
	assert_int_equal(r->tun_count, 0);
	assert_int_equal(the_client(r)->received_packets, received);
	assert_int_equal(the_client(r)->sent_packets, sent);
	assert_int_equal(the_client(r)->state, QUERY_STATE_IDLE);
	for (size_t i = 0; i < REASON_COUNT; i++)
		assert_int_equal(
		    r->page.shard[0].counters.refused_outbound[i], 0);
}

/* With ICE such a packet is one like all others. */
static void
no_probes_with_ice(void **state)
{
	struct probe asked = { .id = 7 };
	uint64_t refused = 0;
	struct rig *r = *state;

	connected(r);
	r->udp_count = 0;
	client_probes(r, CLIENT, asked);
	for (size_t i = 0; i < REASON_COUNT; i++)
		refused += r->page.shard[0].counters.refused_outbound[i];
	assert_int_equal(refused, 1);
	assert_int_equal(r->page.shard[0].counters.probes_received, 0);
}

/* What the client signalled was lost; it is there all the same. */
static void
a_session_is_as_good_as_a_candidate(void **state)
{
	struct rig *r = *state;
	size_t seen;

	authorized_without_ice(r);
	handshake(r);
	seen = r->udp_count;
	client_stays(r, &seen, CLIENT, 11000);
	assert_int_equal(r->closed, 0);
	assert_true(sends_to(r, CLIENT));
}

static void
the_client_roams(void **state)
{
	struct rig *r = *state;
	struct probe asked = { .id = 3 };
	size_t seen;

	connected_without_ice(r);
	seen = r->udp_count;
	client_stays(r, &seen, CLIENT, 30000);
	assert_true(sends_to(r, CLIENT));
	client_probes(r, ROAMED, asked);
	client_answers(r, &seen, ROAMED);
	assert_true(sends_to(r, ROAMED));
	/* No handshake was needed. */
	assert_int_equal(r->page.engine.handshakes, 1);
	from_client(r, ROAMED, NULL, 0);
}

/* Nothing comes by it, nor does an answer to eight probes. */
static void
a_path_dies(void **state)
{
	struct rig *r = *state;
	uint8_t packet[40];
	size_t seen, len;
	int64_t waited;

	connected_without_ice(r);
	client_signals(
	    r, "candidate:2 1 udp 2130706431 192.0.2.99 1234 typ host\n");
	seen = r->udp_count;
	client_stays(r, &seen, CLIENT, 60000);
	assert_true(sends_to(r, CLIENT));
	client_sends(r, "100.64.0.2:1000", "10.20.0.9:80");
	/* From now on only the other address hears and answers. */
	for (waited = 0; waited < 20000 && !sends_to(r, ROAMED);
	     waited += 100) {
		len = tcp_packet(packet, "10.20.0.9:80", "100.64.0.2:1000");
		from_tun(r, packet, len);
		pass(r, 100);
		client_answers(r, &seen, ROAMED);
	}
	assert_true(sends_to(r, ROAMED));
	/* 1 s, 1.52 s; some of it in ticks. */
	assert_in_range(waited, 2400, 3000);
}

/* All that is sent there since are the probes of the first seconds. */
static void
a_path_dies_young(void **state)
{
	struct rig *r = *state;
	int64_t waited;
	size_t seen;

	connected_without_ice(r);
	client_signals(
	    r, "candidate:2 1 udp 2130706431 192.0.2.99 1234 typ host\n");
	seen = r->udp_count;
	client_stays(r, &seen, CLIENT, 1000);
	assert_true(sends_to(r, CLIENT));
	client_sends(r, "100.64.0.2:1000", "10.20.0.9:80");
	for (waited = 0; waited < 20000 && !sends_to(r, ROAMED); waited += 100)
		client_stays(r, &seen, ROAMED, 100);
	/* The next probe, 1 s, 1.52 s. */
	assert_in_range(waited, 2000, 4000);
}

static void
the_peers_initiations_without_data(void **state)
{
	struct rig *r = *state;
	uint64_t before;
	size_t seen;

	connected_without_ice(r);
	seen = r->udp_count;
	client_stays(r, &seen, CLIENT, 30000);
	before = r->page.shard[0].counters.probes_sent;
	client_initiates(r);
	take_response(r, last_udp(r)->data, last_udp(r)->len);
	from_client(r, CLIENT, NULL, 0);
	pass(r, 100);
	client_initiates(r);
	pass(r, 1000);
	assert_int_equal(r->page.shard[0].counters.probes_sent, before);
	client_initiates(r);
	pass(r, 1000);
	assert_true(r->page.shard[0].counters.probes_sent > before);
}

/* The mode is part of what makes two authorizations the same. */
static void
another_mode_replaces_the_connection(void **state)
{
	struct ipc_authorization a;
	struct rig *r = *state;

	connected_without_ice(r);
	a = iceless_authorization(r);
	a.serial = 8;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->closed, 0);
	a.use_iceless = false;
	a.serial = 9;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.connections_iceless, 0);
	assert_false(the_client(r)->iceless);
	a.use_iceless = true;
	a.serial = 10;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->closed, 2);
	assert_true(the_client(r)->iceless);
}

/* Requests that have gone there since. */
static unsigned
asked_at(struct rig *r, size_t *seen, const char *there)
{
	struct endpoint to = at(there);
	struct probe probe;
	unsigned count = 0;
	struct note note;

	while (next_probe(r, seen, &probe, &note))
		count += !probe.is_reply && endpoint_equal(&note.to, &to);
	return count;
}

static void
what_is_withdrawn_is_not_asked(void **state)
{
	static const char line[] =
	    "candidate:1 1 udp 2130706431 192.0.2.99 1234 typ host\n";
	struct rig *r = *state;
	size_t seen;

	connected_without_ice(r);
	seen = r->udp_count;
	client_signals(r, line);
	pass(r, 1000);
	assert_true(asked_at(r, &seen, ROAMED) > 0);
	client_says(r, true, line);
	pass(r, 2000);
	assert_int_equal(asked_at(r, &seen, ROAMED), 0);
	assert_true(sends_to(r, CLIENT));
}

/* Its primary is not answered there; it sends the client an initiation. */
static struct note
awaited_initiation(struct rig *r)
{
	size_t seen = r->udp_count;

	for (int64_t ms = 0; ms < 60000; ms += 10) {
		pass(r, 10);
		for (; seen < r->udp_count; seen++) {
			struct note n = r->udp[seen % NOTES];

			if (message_classify(n.data, n.len) ==
			    MESSAGE_INITIATION)
				return n;
		}
	}
	fail_msg("no initiation");
	return (struct note){ 0 };
}

static void
the_gateway_rekeys(void **state)
{
	struct rig *r = *state;
	struct probe asked = { .id = 3 }, probe;
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_initiation initiation;
	struct noise_keys keys;
	struct note note;
	size_t seen;

	connected_without_ice(r);
	note = awaited_initiation(r);
	assert_true(
	    noise_open_initiation(&r->identity, note.data, &initiation));
	assert_true(noise_accept_initiation(&r->gateway, &initiation));
	assert_true(noise_create_response(
	    &r->gateway, &initiation, 78, r->now, response, &keys));
	session_init(&r->session, &keys, r->now);
	receive(r, CLIENT, GATEWAY, response, sizeof(response));
	assert_int_equal(r->page.engine.handshakes, 2);
	seen = r->udp_count;
	client_probes(r, CLIENT, asked);
	assert_true(next_probe(r, &seen, &probe, &note));
	assert_true(probe.is_reply);
	assert_true(sends_to(r, CLIENT));
}

/* Of so many, with that source: what is sent there for it. */
static size_t
replies_at(struct rig *r, const char *from, unsigned requests)
{
	struct endpoint there = at(from);
	struct probe asked = { .id = 3 }, probe;
	size_t seen = r->udp_count, replies = 0;
	struct note note;

	for (; requests > 0; requests--) {
		client_probes(r, from, asked);
		while (next_probe(r, &seen, &probe, &note))
			replies +=
			    probe.is_reply && endpoint_equal(&note.to, &there);
	}
	return replies;
}

/*
 * One client's probes leave room for those of others, and for all else; nor is
 * more sent where they say they come from than paths need.
 */
static void
a_flood_of_probes(void **state)
{
	const struct shard_counters *c;
	struct rig *r = *state;

	connected_without_ice(r);
	c = &r->page.shard[0].counters;
	assert_in_range(replies_at(r, ROAMED, 1000), 120, 140);
	assert_in_range(c->probes_lost, 860, 880);
	assert_int_equal(c->events_lost, 0);
	/* From wherever: it is the client's share. */
	assert_int_equal(replies_at(r, CLIENT, 10), 0);
	pass(r, 1000);
	assert_int_equal(replies_at(r, CLIENT, 100), 100);
}

#define ICELESS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ICELESS_TEST(candidates_have_real_bases),
		ICELESS_TEST(the_handshake_is_the_path),
		ICELESS_TEST(copies_are_answered),
		ICELESS_TEST(no_copies_with_ice),
		ICELESS_TEST(probes_are_answered_where_they_came),
		ICELESS_TEST(no_probes_with_ice),
		ICELESS_TEST(a_session_is_as_good_as_a_candidate),
		ICELESS_TEST(the_client_roams),
		ICELESS_TEST(a_path_dies),
		ICELESS_TEST(a_path_dies_young),
		ICELESS_TEST(the_peers_initiations_without_data),
		ICELESS_TEST(another_mode_replaces_the_connection),
		ICELESS_TEST(what_is_withdrawn_is_not_asked),
		ICELESS_TEST(the_gateway_rekeys),
		ICELESS_TEST(a_flood_of_probes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

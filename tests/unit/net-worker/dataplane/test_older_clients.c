/* Clients of 1.3, and the kinds of authorization that they are told by. */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/dataplane/shard_commands.h"
#include "tests/lib/dataplane.h"

#define CLIENT "192.0.2.7:50000"
#define LOCAL  "10.0.0.4:52625"

/* Of what the gateway sends, since connected_older(). */
static size_t read_so_far;
static unsigned checks, keepalives, data_messages;
static struct mono last_keepalive;

/* Access to another resource, 10.30.0.0/24, by a message that has no keys. */
static struct ipc_authorization
access_only(const struct rig *r)
{
	struct ipc_authorization with_keys = authorization(r);
	struct ipc_authorization a = {
		.serial = 8,
		.kind = AUTHORIZATION_ACCESS,
		.client = with_keys.client,
		.client_v4 = with_keys.client_v4,
		.client_v6 = with_keys.client_v6,
		.expires_at = with_keys.expires_at,
		.resource = { { 0x43 } },
		.type = RESOURCE_CIDR,
	};

	assert_true(prefix_parse("10.30.0.0/24", &a.network));
	return a;
}

/* The client's answer to a check of ours. */
static void
answer_check(struct rig *r, const struct stun_message *m)
{
	struct endpoint mapped = at(LOCAL);
	uint8_t answer[128];
	struct writer w;

	writer_init(&w, answer, sizeof(answer));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &mapped);
	stun_add_integrity(&w, "cliepassword", 12);
	stun_add_fingerprint(&w);
	receive(r, CLIENT, LOCAL, answer, w.len);
}

static void
play_client(struct rig *r)
{
	struct endpoint client = at(CLIENT);

	while (read_so_far < r->udp_count) {
		struct note n = r->udp[read_so_far % NOTES];
		struct stun_message m;

		assert_true(r->udp_count - read_so_far++ <= NOTES);
		if (!endpoint_equal(&n.to, &client))
			continue;
		if (stun_parse(n.data, n.len, &m) &&
		    m.type == STUN_BINDING_REQUEST) {
			checks++;
			answer_check(r, &m);
		} else if (message_classify(n.data, n.len) == MESSAGE_DATA) {
			keepalives += n.len == MESSAGE_DATA_MIN;
			data_messages += n.len > MESSAGE_DATA_MIN;
			if (n.len == MESSAGE_DATA_MIN)
				last_keepalive = r->now;
		}
	}
}

static void
pass_playing(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 10) {
		pass(r, 10);
		play_client(r);
	}
}

/* A client of 1.3 with a connection and a session, as it has them. */
static void
connect_older(struct rig *r, uint16_t keepalive)
{
	struct ipc_authorization a = authorization(r);
	struct ipc_remote_candidates m = {
		.client = { { 0xc1 } },
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host\n"
			 "candidate:2 1 udp 2130706174 192.0.2.8 50000 typ "
			 "host\n",
	};

	a.kind = AUTHORIZATION_CONNECTION;
	a.keepalive = keepalive;
	a.expires_at = UNIX_NOW + 3600;
	r->acknowledged = 0;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
	tell(r, remote_candidates, &m);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	read_so_far = r->udp_count;
	checks = keepalives = data_messages = 0;
}

static void
connected_older(struct rig *r, uint16_t keepalive)
{
	with_relay(r);
	connect_older(r, keepalive);
}

static uint8_t
state_of_connection(struct rig *r)
{
	const struct ipc_query q = {
		.serial = 5,
		.kind = QUERY_KIND_CLIENTS,
	};

	r->client_count = 0;
	tell(r, query, &q);
	assert_int_equal(r->client_count, 1);
	return r->clients[0].state;
}

static void
client_keeps_alive(struct rig *r)
{
	uint8_t data[MESSAGE_DATA_MIN];

	session_seal(&r->session, r->aead, NULL, 0, data);
	receive(r, CLIENT, LOCAL, data, sizeof(data));
}

/* Whether the client reaches that address now. */
static bool
reaches(struct rig *r, const char *to)
{
	size_t before = r->tun_count;

	client_sends(r, "100.64.0.2:1234", to);
	return r->tun_count > before;
}

static void
told_again(struct rig *r, enum authorization_kind kind, uint64_t expires_at)
{
	struct ipc_authorization a =
	    kind == AUTHORIZATION_ACCESS ? access_only(r) : authorization(r);

	a.kind = kind;
	a.expires_at = expires_at;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, a.serial);
}

static void
take_away(struct rig *r, uint8_t resource)
{
	const struct ipc_revocation revocation = {
		.client = { { 0xc1 } },
		.resource = { { resource } },
	};

	tell(r, revocation, &revocation);
	settle(r);
}

static void
connection_is_made_anew(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected(r);
	a.serial = 8;
	a.kind = AUTHORIZATION_CONNECTION;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
	assert_int_equal(r->closed, 1);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 0); /* its session is gone */
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
}

static void
access_leaves_the_connection(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);

	connected(r);
	r->added[0] = '\0';
	client_sends(r, "100.64.0.2:1234", "10.30.0.9:80");
	assert_int_equal(r->tun_count, 0);
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
	assert_int_equal(r->closed, 0);
	assert_string_equal(r->added, "");
	client_sends(r, "100.64.0.2:1234", "10.30.0.9:80");
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 2);
}

/* It comes over another way of the portal's, and so may come first. */
static void
access_comes_before_the_connection(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);

	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
	assert_int_equal(r->no_relays, 0);
	assert_string_equal(r->added, "");
	assert_int_equal(r->page.engine.clients, 1);
	connected(r);
	assert_int_equal(r->page.engine.clients, 1);
	client_sends(r, "100.64.0.2:1234", "10.30.0.9:80");
	client_sends(r, "100.64.0.2:1234", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 2);
}

static void
access_ends_without_a_connection(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);

	tell(r, authorization, &a);
	pass(r, 60000);
	assert_int_equal(r->page.engine.clients, 0);
}

/* It would not ask again; and a relay may come in time. */
static void
connection_waits_for_a_relay(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	a.kind = AUTHORIZATION_CONNECTION;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 7);
	assert_int_equal(r->refused, 0);
	assert_int_equal(r->no_relays, 1);
	assert_string_equal(r->added, "");
	with_relay(r);
	assert_non_null(strstr(r->added, " 10.0.0.4 52625 typ host "));
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	assert_true(reaches(r, "10.20.0.9:80"));
}

/* One that is there is better than none, but it is not the one wanted. */
static void
connection_is_made_anew_without_a_relay(void **state)
{
	struct rig *r = *state;
	const struct ipc_relay_removed gone = { .relay = { { 1 } } };
	struct ipc_authorization a = authorization(r);

	connected(r);
	tell(r, relays_begin, NULL);
	tell(r, relay_removed, &gone);
	tell(r, relays_commit, NULL);
	settle(r);
	r->no_relays = 0;
	a.kind = AUTHORIZATION_CONNECTION;
	a.serial = 8;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 8);
	assert_int_equal(r->no_relays, 1);
	assert_int_equal(r->closed, 1);
	pass(r, 10000);
	assert_int_equal(r->closed, 2); /* no candidate of the client */
	assert_int_equal(r->page.engine.clients, 1);
}

/* Every so often, and only where nothing else has been sent. */
static void
keepalives_persist(void **state)
{
	struct rig *r = *state;
	uint8_t reply[40];
	struct mono began, sent;

	connected_older(r, 25);
	began = r->now;
	pass_playing(r, 24900);
	assert_int_equal(keepalives, 0);
	pass_playing(r, 300);
	assert_int_equal(keepalives, 1);
	assert_in_range(mono_ms_between(began, last_keepalive), 25000, 25150);
	pass_playing(r, 25200);
	assert_int_equal(keepalives, 2);
	from_tun(r, reply, tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:9"));
	settle(r);
	sent = r->now;
	client_keeps_alive(r); /* it has heard that */
	pass_playing(r, 24900);
	assert_int_equal(data_messages, 1);
	assert_int_equal(keepalives, 2);
	pass_playing(r, 300);
	assert_int_equal(keepalives, 3);
	assert_in_range(mono_ms_between(sent, last_keepalive), 25000, 25150);
}

/* The others are sent none that nothing asks for. */
static void
no_keepalives_unless_wanted(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	pass_playing(r, 60000);
	assert_int_equal(keepalives, 0);
}

static void
keepalives_end_with_the_session(void **state)
{
	struct rig *r = *state;

	connected_older(r, 25);
	pass_playing(r, 179900);
	assert_int_equal(keepalives, 7);
	pass_playing(r, 120000);
	assert_int_equal(keepalives, 7);
	assert_int_equal(r->page.shard[0].counters.not_connected, 0);
	assert_int_equal(r->closed, 0);
}

/* Neither ours nor the client's. */
static void
keepalives_are_no_activity(void **state)
{
	struct rig *r = *state;
	uint64_t sent = r->page.shard[0].counters.inbound_packets,
		 received = r->page.shard[0].counters.outbound_packets;

	connected_older(r, 5);
	for (int i = 0; i < 15; i++) {
		pass_playing(r, 2000);
		client_keeps_alive(r);
	}
	assert_in_range(keepalives, 5, 6);
	assert_int_equal(state_of_connection(r), QUERY_STATE_IDLE);
	checks = 0;
	for (int i = 0; i < 10; i++) {
		pass_playing(r, 2000);
		client_keeps_alive(r);
	}
	assert_int_equal(state_of_connection(r), QUERY_STATE_IDLE);
	assert_in_range(checks, 0, 1);
	assert_int_equal(r->page.shard[0].counters.inbound_packets, sent);
	assert_int_equal(r->page.shard[0].counters.outbound_packets, received);
	assert_int_equal(r->clients[0].sent_packets, 0);
	assert_int_equal(r->clients[0].received_packets, 0);
}

/* It has told the portal of them, and is told nothing. */
static void
names_come_by_the_portal(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);
	struct ipc_name_resolved name = {
		.client = a.client,
		.resource = a.resource,
		.domain = "app.example.com",
		.proxies = { at("100.96.0.1:0").ip },
		.proxies_count = 1,
		.addresses = { at("192.0.2.80:0").ip },
		.addresses_count = 1,
	};
	uint8_t expected[40];

	connected_older(r, 0);
	a.type = RESOURCE_DNS;
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	tell(r, authorization, &a);
	tell(r, name_resolved, &name);
	settle(r);
	assert_int_equal(r->acknowledged, a.serial);
	assert_true(reaches(r, "100.96.0.1:80"));
	tcp_packet(expected, "100.64.0.2:1234", "192.0.2.80:80");
	assert_memory_equal(r->tun[0].data, expected, 36); /* no checksum */
	/* Revoked, it comes back with the next access. */
	take_away(r, 0x43);
	assert_false(reaches(r, "100.96.0.1:80"));
	tell(r, authorization, &a);
	settle(r);
	assert_true(reaches(r, "100.96.0.1:80"));
	assert_int_equal(r->tellings, 0);
}

/* One grant for each name, with an end of its own: the longest counts. */
static void
repeated_access_never_shortens(void **state)
{
	struct rig *r = *state;

	connected(r);
	told_again(r, AUTHORIZATION_UPSERT, UNIX_NOW + 3600);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 40);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	pass(r, 30000);
	assert_true(reaches(r, "10.30.0.9:80"));
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 60);
	pass(r, 20000);
	assert_true(reaches(r, "10.30.0.9:80"));
	pass(r, 11000);
	assert_false(reaches(r, "10.30.0.9:80"));
	assert_true(reaches(r, "10.20.0.9:80"));
}

static void
access_for_ever_stays_so(void **state)
{
	struct rig *r = *state;

	connected(r);
	told_again(r, AUTHORIZATION_UPSERT, 0);
	told_again(r, AUTHORIZATION_ACCESS, 0);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	pass(r, 30000);
	assert_true(reaches(r, "10.30.0.9:80"));
	told_again(r, AUTHORIZATION_ACCESS, 0);
	assert_true(reaches(r, "10.30.0.9:80"));
}

/* The clock that was set has the longest end as well. */
static void
longest_access_ends_by_the_clock(void **state)
{
	struct rig *r = *state;
	struct clock_reading reading = {
		.wall = { (UNIX_NOW + 39) * INT64_C(1000000000) },
	};

	connected(r);
	told_again(r, AUTHORIZATION_UPSERT, UNIX_NOW + 3600);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 40);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	reading.mono = r->now;
	dataplane_set_clocks(r->dp, &reading);
	assert_true(reaches(r, "10.30.0.9:80"));
	pass(r, 1000);
	assert_false(reaches(r, "10.30.0.9:80"));
}

static void
access_shortens_nothing_else_told(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	connected(r);
	a.kind = AUTHORIZATION_ACCESS;
	a.expires_at = UNIX_NOW + 10;
	tell(r, authorization, &a);
	pass(r, 20000);
	assert_true(reaches(r, "10.20.0.9:80"));
	/* The other way round, an upsert is the last word. */
	told_again(r, AUTHORIZATION_UPSERT, UNIX_NOW + 30);
	pass(r, 11000);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
revocation_takes_every_access(void **state)
{
	struct rig *r = *state;

	connected(r);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 40);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	take_away(r, 0x43);
	assert_false(reaches(r, "10.30.0.9:80"));
	assert_true(reaches(r, "10.20.0.9:80"));
}

static void
snapshot_shortens_access(void **state)
{
	struct rig *r = *state;
	const struct ipc_grants_entry entries[] = {
		{ { { 0xc1 } }, { { 0x42 } }, UNIX_NOW + 60 },
		{ { { 0xc1 } }, { { 0x43 } }, UNIX_NOW + 10 },
	};

	connected(r);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 40);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &entries[0]);
	tell(r, grants_entry, &entries[1]);
	tell(r, grants_commit, NULL);
	pass(r, 11000);
	assert_false(reaches(r, "10.30.0.9:80"));
	assert_true(reaches(r, "10.20.0.9:80"));
}

/* Nothing passes either way, and the client hears of nothing. */
static void
is_left_to_nothing(struct rig *r)
{
	static const char *const places[] = { "10.20.0.9:80", "10.30.0.9:80",
		"100.64.0.1:53535", "100.64.0.3:80", "192.0.2.1:80" };
	uint8_t reply[40];
	size_t len;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_false(reaches(r, places[i]));
		len = tcp_packet(reply, places[i], "100.64.0.2:1234");
		from_tun(r, reply, len);
		settle(r);
	}
	play_client(r);
	assert_int_equal(data_messages, 0);
	assert_int_equal(r->closed, 0);
	assert_int_equal(r->page.engine.clients, 1);
}

/* Granted again, it goes on by what it has. */
static void
goes_on_by_access(struct rig *r)
{
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 3600);
	assert_true(reaches(r, "10.30.0.9:80"));
	assert_false(reaches(r, "10.20.0.9:80"));
	assert_int_equal(r->closed, 0);
	play_client(r);
	assert_int_equal(data_messages, 1); /* it is told of that again */
}

static void
revoked_keeps_its_connection(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	assert_true(reaches(r, "10.20.0.9:80"));
	take_away(r, 0x42);
	is_left_to_nothing(r);
	pass_playing(r, 60000);
	is_left_to_nothing(r);
	goes_on_by_access(r);
}

static void
expired_keeps_its_connection(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	take_away(r, 0x42);
	assert_true(reaches(r, "10.30.0.9:80"));
	pass_playing(r, 20000);
	is_left_to_nothing(r);
	goes_on_by_access(r);
}

static void
unlisted_keeps_its_connection(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	tell(r, grants_begin, NULL);
	tell(r, grants_commit, NULL);
	settle(r);
	is_left_to_nothing(r);
	goes_on_by_access(r);
}

/* A new connection finds the client as well. */
static void
revoked_connects_anew(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	take_away(r, 0x42);
	connect_older(r, 0);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
	assert_true(reaches(r, "10.20.0.9:80"));
}

static void
revoked_goes_with_its_connection(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	take_away(r, 0x42);
	pass_playing(r, 100000);
	assert_int_equal(r->page.engine.clients, 1);
	/* It closes without a word. */
	pass(r, 540000);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 0);
}

/* A client that nothing was ever granted has no connection. */
static void
refused_connection_is_none(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	with_relay(r);
	a.kind = AUTHORIZATION_CONNECTION;
	a.network.length = 16; /* of an address that goes on */
	a.network.ip.bytes[2] = 1;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->refused, 7);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
refused_access_changes_nothing(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);

	connected_older(r, 0);
	take_away(r, 0x42);
	a.network.length = 16;
	a.network.ip.bytes[2] = 1;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->refused, 8);
	is_left_to_nothing(r);
	goes_on_by_access(r);
}

/* Access for somebody else. */
static void
access_of_another(struct rig *r, unsigned number)
{
	struct ipc_authorization a = access_only(r);

	a.serial = number;
	a.client.bytes[0] = 0xc2;
	store_be32(a.client.bytes + 4, number);
	store_be16(a.client_v4.bytes + 2, (uint16_t)(number + 16));
	store_be32(a.client_v6.bytes + 12, number + 16);
	tell(r, authorization, &a);
	settle(r);
}

static void
revoked_gives_way(void **state)
{
	struct rig *r = *state;
	unsigned n = 1;

	connected_older(r, 0);
	take_away(r, 0x42);
	for (; n < SHARD_PEERS_MAX; n++)
		access_of_another(r, n);
	assert_int_equal(r->acknowledged, n - 1);
	assert_int_equal(r->page.engine.clients, SHARD_PEERS_MAX);
	assert_int_equal(r->closed, 0);
	access_of_another(r, n);
	assert_int_equal(r->acknowledged, n);
	assert_int_equal(r->page.engine.clients, SHARD_PEERS_MAX);
	assert_int_equal(r->closed, 1);
	access_of_another(r, n + 1);
	assert_int_equal(r->refused, n + 1);
	assert_int_equal(r->page.engine.clients, SHARD_PEERS_MAX);
}

/* How the client was connected says what it understands. */
static void
access_makes_no_older_client(void **state)
{
	struct rig *r = *state;
	uint8_t *inner;

	connected(r);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 3600);
	take_away(r, 0x42);
	assert_false(reaches(r, "10.20.0.9:80"));
	assert_true(reaches(r, "10.30.0.9:80"));
	take_away(r, 0x43);
	assert_int_equal(client_hears(r, &inner), 48);
	assert_int_equal(inner[40], 2); /* goodbye */
	assert_int_equal(r->page.engine.clients, 0);
}

static void
upsert_makes_a_newer_client(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	uint8_t *inner;

	connected_older(r, 25);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 3600);
	a.serial = 9;
	tell(r, authorization, &a);
	settle(r);
	assert_int_equal(r->acknowledged, 9);
	assert_int_equal(r->closed, 0); /* it is the same one */
	assert_true(reaches(r, "10.20.0.9:80"));
	assert_true(reaches(r, "10.30.0.9:80"));
	take_away(r, 0x42);
	assert_false(reaches(r, "10.20.0.9:80"));
	take_away(r, 0x43);
	assert_int_equal(client_hears(r, &inner), 48);
	assert_int_equal(inner[40], 2); /* goodbye */
	assert_int_equal(r->page.engine.clients, 0);
}

static void
no_goodbye_to_older_clients(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	dataplane_shutdown(r->dp);
	settle(r);
	play_client(r);
	assert_int_equal(data_messages, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(connection_is_made_anew),
		T(access_leaves_the_connection),
		T(access_comes_before_the_connection),
		T(access_ends_without_a_connection),
		T(connection_waits_for_a_relay),
		T(connection_is_made_anew_without_a_relay),
		T(keepalives_persist),
		T(no_keepalives_unless_wanted),
		T(keepalives_end_with_the_session),
		T(keepalives_are_no_activity),
		T(names_come_by_the_portal),
		T(repeated_access_never_shortens),
		T(access_for_ever_stays_so),
		T(longest_access_ends_by_the_clock),
		T(access_shortens_nothing_else_told),
		T(revocation_takes_every_access),
		T(snapshot_shortens_access),
		T(revoked_keeps_its_connection),
		T(expired_keeps_its_connection),
		T(unlisted_keeps_its_connection),
		T(revoked_connects_anew),
		T(revoked_goes_with_its_connection),
		T(refused_connection_is_none),
		T(refused_access_changes_nothing),
		T(revoked_gives_way),
		T(access_makes_no_older_client),
		T(upsert_makes_a_newer_client),
		T(no_goodbye_to_older_clients),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

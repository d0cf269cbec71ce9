/* Clients of 1.3, and the kinds of authorization that they are told by. */
#include <sodium.h>

#include "common/log.h"
#include "tests/lib/older_client.h"

static uint8_t
state_of_connection(struct rig *r)
{
	const struct ipc_query q = {
		.serial = 5,
		.kind = QUERY_KIND_CLIENTS,
	};

	r->client_count = 0;
	ask_query(r, &q);
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

/*
 * Whose name was refused, the client is told nothing of it, and its candidates
 * come all the same: the connection ends, and the access stays what the portal
 * says that it is.
 */
static void
connection_that_it_is_not_told_of_ends(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	struct ipc_connection_drop drop = {
		.client = a.client,
		.serial = a.serial,
	};
	struct ipc_remote_candidates m = {
		.client = a.client,
		.lines = "candidate:1 1 udp 2130706175 192.0.2.7 50000 typ "
			 "host\n",
	};

	with_relay(r);
	a.kind = AUTHORIZATION_CONNECTION;
	tell(r, authorization, &a);
	tell(r, remote_candidates, &m);
	tell(r, connection_drop, &drop);
	settle(r);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
	/* Not another one, nor that of another client. */
	a.serial++;
	tell(r, authorization, &a);
	tell(r, connection_drop, &drop);
	drop.serial++;
	drop.client.bytes[0]++;
	tell(r, connection_drop, &drop);
	settle(r);
	assert_int_equal(r->closed, 1);
	check_with_use_candidate(r);
	pass(r, 20);
	handshake(r);
	assert_true(reaches(r, "10.20.0.9:80"));
}

/* One that could not stay for anything else goes with it. */
static void
who_lingers_goes_with_the_connection(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);
	const struct ipc_revocation revocation = { a.client, a.resource };
	const struct ipc_connection_drop drop = { a.client, a.serial };

	a.kind = AUTHORIZATION_CONNECTION;
	tell(r, authorization, &a);
	tell(r, revocation, &revocation);
	settle(r);
	assert_int_equal(r->page.engine.clients, 1);
	tell(r, connection_drop, &drop);
	settle(r);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 0);
}

static void
connection_that_nobody_takes_up_ends(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = authorization(r);

	a.kind = AUTHORIZATION_CONNECTION;
	tell(r, authorization, &a);
	pass(r, 9900);
	assert_int_equal(r->closed, 0);
	pass(r, 200);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
	pass(r, 50000);
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
	assert_int_equal(r->no_relays, 0);
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
	assert_int_equal(r->no_relays, 0);
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
	assert_int_equal(from_gateway.keepalives, 0);
	pass_playing(r, 300);
	assert_int_equal(from_gateway.keepalives, 1);
	assert_in_range(
	    mono_ms_between(began, from_gateway.last_keepalive), 25000, 25150);
	pass_playing(r, 25200);
	assert_int_equal(from_gateway.keepalives, 2);
	from_tun(r, reply, tcp_packet(reply, "10.20.0.9:80", "100.64.0.2:9"));
	settle(r);
	sent = r->now;
	client_keeps_alive(r); /* it has heard that */
	pass_playing(r, 24900);
	assert_int_equal(from_gateway.data_messages, 1);
	assert_int_equal(from_gateway.keepalives, 2);
	pass_playing(r, 300);
	assert_int_equal(from_gateway.keepalives, 3);
	assert_in_range(
	    mono_ms_between(sent, from_gateway.last_keepalive), 25000, 25150);
}

/* The others are sent none that nothing asks for. */
static void
no_keepalives_unless_wanted(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	pass_playing(r, 60000);
	assert_int_equal(from_gateway.keepalives, 0);
}

static void
keepalives_end_with_the_session(void **state)
{
	struct rig *r = *state;

	connected_older(r, 25);
	pass_playing(r, 179900);
	assert_int_equal(from_gateway.keepalives, 7);
	pass_playing(r, 120000);
	assert_int_equal(from_gateway.keepalives, 7);
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
	assert_in_range(from_gateway.keepalives, 5, 6);
	assert_int_equal(state_of_connection(r), QUERY_STATE_IDLE);
	from_gateway.checks = 0;
	for (int i = 0; i < 10; i++) {
		pass_playing(r, 2000);
		client_keeps_alive(r);
	}
	assert_int_equal(state_of_connection(r), QUERY_STATE_IDLE);
	assert_in_range(from_gateway.checks, 0, 1);
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

/* The resource of a name that has one address, and that of the other family. */
static void
name_of_one_family(struct rig *r)
{
	struct ipc_authorization a = access_only(r);
	struct ipc_name_resolved name = {
		.client = a.client,
		.resource = a.resource,
		.domain = "app.example.com",
		.proxies = { at("100.96.0.1:0").ip },
		.proxies_count = 1,
		.addresses = { at("[2001:db8::80]:0").ip },
		.addresses_count = 1,
	};

	a.type = RESOURCE_DNS;
	strlcpy(a.pattern, "*.example.com", sizeof(a.pattern));
	tell(r, authorization, &a);
	tell(r, name_resolved, &name);
	settle(r);
}

static void
names_of_one_family_are_reached_over_both(void **state)
{
	struct rig *r = *state;
	struct ip_address from = at("[fd00:2021:1111::2]:0").ip,
			  to = at("[2001:db8::80]:0").ip;
	struct ipc_authorization upsert = authorization(r);
	struct packet p;

	connected_older(r, 0);
	name_of_one_family(r);
	assert_true(reaches(r, "100.96.0.1:80"));
	assert_int_equal(
	    packet_parse(r->tun[0].data, r->tun[0].len, &p), PACKET_OK);
	assert_true(ip_equal(&p.source, &from));
	assert_true(ip_equal(&p.destination, &to));
	/* By an upsert it has become one that knows better. */
	tell(r, authorization, &upsert);
	name_of_one_family(r);
	assert_false(reaches(r, "100.96.0.1:80"));
}

static void
later_clients_get_no_translation(void **state)
{
	struct rig *r = *state;

	connected(r);
	name_of_one_family(r);
	assert_false(reaches(r, "100.96.0.1:80"));
}

/* Access has no answer that could be waited for: packets may overtake it. */
static void
what_comes_too_early_is_not_prohibited(void **state)
{
	struct rig *r = *state;

	connected_older(r, 0);
	assert_false(reaches(r, "10.30.0.9:80"));
	play_client(r);
	assert_int_equal(from_gateway.data_messages, 0);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 3600);
	assert_true(reaches(r, "10.30.0.9:80"));
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
		{ { { 0xc1 } }, { { 0x42 } }, UNIX_NOW + 60, false },
		{ { { 0xc1 } }, { { 0x43 } }, UNIX_NOW + 10, false },
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
int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(connection_is_made_anew),
		T(access_leaves_the_connection),
		T(access_comes_before_the_connection),
		T(access_ends_without_a_connection),
		T(connection_that_it_is_not_told_of_ends),
		T(who_lingers_goes_with_the_connection),
		T(connection_that_nobody_takes_up_ends),
		T(connection_waits_for_a_relay),
		T(connection_is_made_anew_without_a_relay),
		T(keepalives_persist),
		T(no_keepalives_unless_wanted),
		T(keepalives_end_with_the_session),
		T(keepalives_are_no_activity),
		T(names_come_by_the_portal),
		T(names_of_one_family_are_reached_over_both),
		T(later_clients_get_no_translation),
		T(what_comes_too_early_is_not_prohibited),
		T(repeated_access_never_shortens),
		T(access_for_ever_stays_so),
		T(longest_access_ends_by_the_clock),
		T(access_shortens_nothing_else_told),
		T(revocation_takes_every_access),
		T(snapshot_shortens_access),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

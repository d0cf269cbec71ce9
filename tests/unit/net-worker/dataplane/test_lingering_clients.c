/*
 * Clients of 1.3 that have lost all that they were granted, and what makes a
 * client one of 1.3.
 */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/dataplane/shard_commands.h"
#include "tests/lib/older_client.h"

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
	assert_int_equal(from_gateway.data_messages, 0);
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
	assert_int_equal(from_gateway.data_messages, 0);
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
	overhear(r);
	access_of_another(r, n + 1);
	assert_int_equal(r->refused, n + 1);
	assert_int_equal(logged(r, "there are too many clients"), 1);
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
	assert_int_equal(from_gateway.data_messages, 0);
}
int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
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

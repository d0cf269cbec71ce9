/*
 * A tunnel address has one client at most: what becomes of a client whose
 * address the portal gives to another, or to us (firezone-policy(7), State of a
 * client).
 */
#include <sodium.h>

#include "common/log.h"
#include "net-worker/dataplane/shard_commands.h"
#include "tests/lib/older_client.h"

#define FIRST_V4 "100.64.0.2"
#define FIRST_V6 "fd00:2021:1111::2"
#define OTHER_V4 "100.64.0.9"
#define OTHER_V6 "fd00:2021:1111::9"

/* For another client, with keys and names of its own and the same grant. */
static struct ipc_authorization
of_another(const struct rig *r, uint8_t client, const char *v4, const char *v6)
{
	struct ipc_authorization a = authorization(r);

	a.client.bytes[0] = client;
	a.client_v4 = ip(v4);
	a.client_v6 = ip(v6);
	a.public_key[0] ^= client;
	a.local_username[0] = (char)('a' + client % 26);
	return a;
}

static bool
accepted(struct rig *r, struct ipc_authorization *a)
{
	static uint64_t serial = 100;

	a->serial = ++serial;
	tell(r, authorization, a);
	settle(r);
	return r->acknowledged == serial;
}

/* Whether a reply of a resource leaves for the client that is there. */
static bool
delivers(struct rig *r, const char *to)
{
	size_t before = r->udp_count;
	uint8_t reply[40];
	size_t len = tcp_packet(reply, "10.20.0.9:80", to);

	from_tun(r, reply, len);
	return r->udp_count > before;
}

/* The log is limited, at first more than later. No timer runs. */
static void
overhear_all(struct rig *r)
{
	overhear(r);
	r->now = mono_add_ms(r->now, 40000);
}

/* The last datagram tells the client that it is over. */
static bool
hears_goodbye(struct rig *r)
{
	struct control_packet c;
	struct packet p;
	uint8_t *inner;
	size_t len = client_hears(r, &inner);

	return packet_parse(inner, len, &p) == PACKET_OK &&
	    control_packet_read(&p, &c) && c.event == CONTROL_GOODBYE;
}

/* With either family the whole client goes, and both its addresses are free. */
static void
who_loses_one_address_goes(void **state)
{
	static const char *const taken[][2] = {
		{ FIRST_V4, OTHER_V6 },
		{ OTHER_V4, FIRST_V6 },
		{ FIRST_V4, FIRST_V6 },
	};

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct rig *r = *state;
		struct ipc_authorization a =
		    of_another(r, 0xc2, taken[i][0], taken[i][1]);
		struct ipc_authorization third =
		    of_another(r, 0xc3, "100.64.0.3", "fd00:2021:1111::3");

		connected(r);
		overhear(r);
		assert_true(delivers(r, FIRST_V4 ":1000"));
		assert_true(accepted(r, &third));
		r->udp_count = r->udp_seen = 0;
		assert_int_equal(r->closed, 0);
		assert_true(accepted(r, &a));
		assert_true(hears_goodbye(r));
		assert_int_equal(r->closed, 1);
		assert_int_equal(r->page.engine.clients, 2);
		assert_int_equal(logged(r, "is sent away"), 1);
		/* To nobody: the heir has no connection yet. */
		assert_false(delivers(r, FIRST_V4 ":1000"));
		assert_false(delivers(r, OTHER_V4 ":1000"));
		client_sends(r, FIRST_V4 ":1000", "10.20.0.9:80");
		assert_int_equal(r->tun_count, 0);
		/* Told again, the first one takes its addresses back. */
		a = authorization(r);
		assert_true(accepted(r, &a));
		assert_int_equal(r->page.engine.clients, 2);
		tear_down(state);
		set_up(state);
	}
}

/* One address of each of two clients: both go. */
static void
two_clients_lose_one_address_each(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization other =
	    of_another(r, 0xc2, OTHER_V4, OTHER_V6);
	struct ipc_authorization heir = of_another(r, 0xc3, FIRST_V4, OTHER_V6);

	overhear_all(r);
	connected(r);
	assert_true(accepted(r, &other));
	assert_true(accepted(r, &heir));
	assert_int_equal(logged(r, "is sent away"), 2);
	assert_int_equal(r->closed, 2);
	assert_int_equal(r->page.engine.clients, 1);
	assert_false(delivers(r, FIRST_V4 ":1000"));
}

/* The heir is served with its own grants, and those of the other are over. */
static void
the_heir_is_served(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization first = access_only(r);
	const struct ipc_revocation revocation = {
		.client = { { 0xc2 } },
		.resource = { { 0x42 } },
	};

	first.client = revocation.client;
	assert_true(accepted(r, &first));
	/* The one with the keys that the test plays. */
	connected(r);
	assert_int_equal(r->page.engine.clients, 1);
	assert_true(delivers(r, FIRST_V4 ":1000"));
	client_sends(r, FIRST_V4 ":1000", "10.20.0.9:80");
	assert_int_equal(r->tun_count, 1);
	client_sends(r, FIRST_V4 ":1000", "10.30.0.9:80");
	assert_int_equal(r->tun_count, 1);
	/* What the portal says of the one that is gone is nothing to the heir.
	 */
	tell(r, revocation, &revocation);
	settle(r);
	assert_int_equal(r->page.engine.clients, 1);
	assert_true(delivers(r, FIRST_V4 ":1000"));
}

/* They are reported as over when the address is another's; others go on. */
static void
flows_end_with_the_address(void **state)
{
	struct rig *r = *state;
	struct ipc_flow_settings wanted = { .enabled = true };
	struct ipc_authorization heir = of_another(r, 0xc2, FIRST_V4, OTHER_V6);
	struct mono taken;

	connected(r);
	authorized_for_flows(r, 0xaa);
	tell(r, flow_settings, &wanted);
	settle(r);
	client_opens(r, FIRST_V4 ":1000", "10.20.0.9:80", false);
	client_opens(r, FIRST_V4 ":1001", "10.20.0.9:80", false);
	pass(r, 5000);
	assert_int_equal(r->flows, 2);
	taken = r->now;
	assert_true(accepted(r, &heir));
	assert_int_equal(r->flows, 4);
	assert_true(r->flow.closed);
	assert_int_equal(r->flow.ended_at,
	    UNIX_NOW * UINT64_C(1000000000) + (uint64_t)taken.ns - 1000000000);
	pass(r, 200000);
	assert_int_equal(r->flows, 4);
}

/* A client of 1.3 without grants still has its address, for as long as that. */
static void
who_lingers_goes_too(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization heir = of_another(r, 0xc2, FIRST_V4, OTHER_V6);

	connected_older(r, 0);
	take_away(r, 0x42);
	assert_int_equal(r->closed, 0);
	assert_true(accepted(r, &heir));
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
}

/* Access without a connection names addresses as well. */
static void
access_takes_addresses(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization heir = access_only(r);

	connected(r);
	heir.client.bytes[0] = 0xc2;
	assert_true(accepted(r, &heir));
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 1);
	assert_false(delivers(r, FIRST_V4 ":1000"));
}

/* When there is no place left, whose address is taken leaves one. */
static void
the_full_table_has_a_place_for_heirs(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a = access_only(r);

	for (unsigned i = 0; i < SHARD_PEERS_MAX; i++) {
		store_be32(a.client.bytes + 12, i);
		store_be32(a.client_v4.bytes, 0x64400000 + 2 + i);
		store_be32(a.client_v6.bytes + 12, 2 + i);
		tell(r, authorization, &a);
		settle(r);
	}
	assert_int_equal(r->page.engine.clients, SHARD_PEERS_MAX);
	store_be32(a.client.bytes + 12, SHARD_PEERS_MAX);
	assert_true(accepted(r, &a));
	assert_int_equal(r->page.engine.clients, SHARD_PEERS_MAX);
	store_be32(a.client.bytes + 12, SHARD_PEERS_MAX + 1);
	store_be32(a.client_v4.bytes, 0x64400000 + 2 + SHARD_PEERS_MAX);
	store_be32(a.client_v6.bytes + 12, 2 + SHARD_PEERS_MAX);
	assert_false(accepted(r, &a));
}

/* Our own are nobody's, whoever was there first. */
static void
our_own_are_nobodys(void **state)
{
	struct rig *r = *state;
	struct ipc_authorization a =
	    of_another(r, 0xc2, "100.64.0.1", OTHER_V6);
	struct ipc_authorization b =
	    of_another(r, 0xc2, OTHER_V4, "fd00:2021:1111::1");

	overhear_all(r);
	connected(r);
	assert_false(accepted(r, &a));
	assert_false(accepted(r, &b));
	assert_int_equal(logged(r, "address is our own"), 2);
	assert_int_equal(r->page.engine.clients, 1);
	assert_true(delivers(r, FIRST_V4 ":1000"));
	tell_own_addresses(r, "100.64.0.1:0", "[" FIRST_V6 "]:0");
	assert_int_equal(logged(r, "to us: the client is sent away"), 1);
	assert_int_equal(r->closed, 1);
	assert_int_equal(r->page.engine.clients, 0);
	assert_false(delivers(r, FIRST_V4 ":1000"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(who_loses_one_address_goes),
		T(two_clients_lose_one_address_each),
		T(the_heir_is_served),
		T(flows_end_with_the_address),
		T(who_lingers_goes_too),
		T(access_takes_addresses),
		T(the_full_table_has_a_place_for_heirs),
		T(our_own_are_nobodys),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

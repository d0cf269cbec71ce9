/* Clients of 1.3, and the kinds of authorization that they are told by. */
#include <sodium.h>

#include "common/log.h"
#include "tests/lib/dataplane.h"

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
	const struct ipc_revocation revocation = {
		.client = { { 0xc1 } },
		.resource = { { 0x43 } },
	};

	connected(r);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 40);
	told_again(r, AUTHORIZATION_ACCESS, UNIX_NOW + 20);
	tell(r, revocation, &revocation);
	settle(r);
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

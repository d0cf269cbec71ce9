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

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(connection_is_made_anew),
		T(access_leaves_the_connection),
		T(access_comes_before_the_connection),
		T(access_ends_without_a_connection),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

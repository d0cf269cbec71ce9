/*
 * A new control-worker, as the engine sees it: it is told what is true, and
 * inherits nothing that its predecessor left unfinished.
 */
#include "tests/lib/dataplane.h"

static void
candidates_are_told_again(void **state)
{
	struct rig *r = *state;
	char before[sizeof(r->added)];
	size_t clients;

	connected(r);
	assert_true(r->added[0] != '\0');
	strlcpy(before, r->added, sizeof(before));
	clients = engine_summary(r->engine).connections;
	r->added[0] = '\0';
	engine_control_started(r->engine, r->now);
	settle(r);
	assert_string_equal(r->added, before);
	assert_string_equal(r->withdrawn, "");
	assert_int_equal(engine_summary(r->engine).connections, clients);
	assert_int_equal(r->closed, 0);
}

static void
nobody_to_be_told_of(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	engine_control_started(r->engine, r->now);
	settle(r);
	assert_string_equal(r->added, "");
}

/* A list without its end would revoke everything else. */
static void
begun_list_is_forgotten(void **state)
{
	struct rig *r = *state;
	struct ipc_grants_entry held = { .client = { { 0xc1 } },
		.resource = { { 0x42 } },
		.expires_at = UNIX_NOW + 60 };

	connected(r);
	engine_grants_begin(r->engine);
	engine_control_started(r->engine, r->now);
	engine_grants_commit(r->engine, r->now);
	settle(r);
	assert_int_equal(engine_summary(r->engine).clients, 1);
	engine_grants_begin(r->engine);
	engine_grants_entry(r->engine, &held);
	engine_grants_commit(r->engine, r->now);
	settle(r);
	assert_int_equal(engine_summary(r->engine).clients, 1);
	engine_grants_begin(r->engine);
	engine_grants_commit(r->engine, r->now);
	settle(r);
	assert_int_equal(engine_summary(r->engine).clients, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(candidates_are_told_again),
		TEST(nobody_to_be_told_of),
		TEST(begun_list_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
	uint64_t direct;

	connected(r);
	assert_true(r->added[0] != '\0');
	strlcpy(before, r->added, sizeof(before));
	direct = r->page.engine.connections_direct;
	assert_int_equal(direct, 1);
	r->added[0] = '\0';
	dataplane_control_started(r->dp);
	settle(r);
	assert_string_equal(r->added, before);
	assert_string_equal(r->withdrawn, "");
	assert_int_equal(r->page.engine.connections_direct, direct);
	assert_int_equal(r->page.engine.connections_relayed, 0);
	assert_int_equal(r->closed, 0);
}

static void
nobody_to_be_told_of(void **state)
{
	struct rig *r = *state;

	with_relay(r);
	dataplane_control_started(r->dp);
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
	tell(r, grants_begin, NULL);
	dataplane_control_started(r->dp);
	tell(r, grants_commit, NULL);
	settle(r);
	assert_int_equal(r->page.engine.clients, 1);
	tell(r, grants_begin, NULL);
	tell(r, grants_entry, &held);
	tell(r, grants_commit, NULL);
	settle(r);
	assert_int_equal(r->page.engine.clients, 1);
	tell(r, grants_begin, NULL);
	tell(r, grants_commit, NULL);
	settle(r);
	assert_int_equal(r->page.engine.clients, 0);
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

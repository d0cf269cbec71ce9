/*
 * A connection to the portal that is away: portal_set_away(). It leaves, looks
 * in from time to time to hear what access has been taken away, gives none, and
 * comes back.
 */
#include "tests/lib/portal_connection.h"

/* More than are handed over at a time. */
#define GRANTS_MANY 300

#define AUTHORIZES "create_authorization", AUTHORIZATION

static void
hear_init(struct rig *r)
{
	hear(r, PUSH, "init", EMPTY_INIT);
	portal_send(r->c, r->now);
}

/* Joined and settled, then away. */
static void
leave(struct rig *r)
{
	go_online(r);
	hear_init(r);
	assert_int_equal(r->close_code, 0);
	portal_set_away(r->c, r->now, true);
	assert_int_equal(wait_ms(r), PORTAL_LINGER_MS);
	time_out(r);
	assert_int_equal(r->close_code, 1000);
}

/* It waits for the next look. */
static void
be_away(struct rig *r)
{
	leave(r);
	break_down(r, 0, -1, "");
	assert_false(r->online);
	assert_int_equal(wait_ms(r), PORTAL_AWAY_MS);
}

/* Connected and joined, from waiting. */
static void
look_in(struct rig *r)
{
	time_out(r);
	open_again(r);
	r->close_code = 0;
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	assert_true(r->online);
}

static void
leaves_and_looks_in(void **state)
{
	struct rig *r = *state;

	be_away(r);
	for (int i = 0; i < 3; i++) {
		r->story[0] = '\0';
		look_in(r);
		assert_int_equal(r->close_code, 0);
		hear_init(r);
		assert_string_equal(r->story, "[]I()T");
		assert_int_equal(r->close_code, 1000);
		break_down(r, 0, -1, "");
		assert_int_equal(wait_ms(r), PORTAL_AWAY_MS);
	}
	assert_string_equal(r->fatal, "");
	assert_int_equal(r->closings, 0);
}

/* What was asked for before is acknowledged; what is asked for then is not. */
static void
nobody_gets_access(void **state)
{
	struct rig *r = *state;

	go_online(r);
	hear_init(r);
	hear(r, PUSH, AUTHORIZES);
	r->story[0] = '\0';
	portal_set_away(r->c, r->now, true);
	hear(r, PUSH, AUTHORIZES);
	assert_string_equal(r->story, "");
	portal_acknowledge(r->c, r->now, r->serial);
	expect(r, ACKNOWLEDGED, 2);
	time_out(r);
	break_down(r, 0, -1, "");
	look_in(r);
	r->story[0] = '\0';
	hear(r, PUSH, AUTHORIZES);
	assert_string_equal(r->story, "");
	hear_init(r);
	assert_string_equal(r->story, "[]I()T");
}

/* A long list is handed over whole before it leaves. */
static void
takes_the_whole_list(void **state)
{
	struct rig *r = *state;
	char list[GRANTS_MANY * (sizeof(GRANT) + 1)] = "";
	static char text[sizeof(list) + 512];
	size_t len = 0;

	for (int i = 0; i < GRANTS_MANY; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
		    i == 0 ? "" : ",", GRANT);
	snprintf(text, sizeof(text),
	    "{\"topic\":\"gateway\",\"event\":\"init\",\"payload\":" INIT
	    ",\"ref\":null}",
	    list);
	be_away(r);
	look_in(r);
	r->story[0] = '\0';
	portal_text(r->c, r->now, text, strlen(text));
	portal_send(r->c, r->now);
	assert_string_equal(r->story, "[]I(");
	assert_int_equal(r->close_code, 0);
	(void)portal_takes_text(r->c);
	portal_send(r->c, r->now);
	assert_string_equal(r->story, "[]I()T");
	assert_int_equal(r->close_code, 1000);
}

static void
without_an_init(void **state)
{
	struct rig *r = *state;

	be_away(r);
	look_in(r);
	for (int64_t ms = 0; r->close_code == 0; ms += wait_ms(r)) {
		assert_true(ms < PORTAL_LOOK_MS + 1);
		time_out(r);
	}
	break_down(r, 0, -1, "");
	assert_int_equal(wait_ms(r), PORTAL_AWAY_MS);
}

/* A portal that is not there is tried again as always. */
static void
a_look_that_fails(void **state)
{
	struct rig *r = *state;

	be_away(r);
	time_out(r);
	resolve(r);
	break_down(r, 0, -1, "");
	expect_retry(r, 500, 1000);
}

static void
away_before_it_is_online(void **state)
{
	struct rig *r = *state;

	portal_set_away(r->c, r->now, true);
	go_online(r);
	hear_init(r);
	assert_int_equal(r->close_code, 1000);
}

/* The portal does not close: it is not waited for. */
static void
leaves_in_time(void **state)
{
	struct rig *r = *state;

	leave(r);
	assert_int_equal(wait_ms(r), PORTAL_CLOSE_MS);
	time_out(r);
	assert_false(r->online);
	assert_int_equal(wait_ms(r), PORTAL_AWAY_MS);
}

static void
comes_back(void **state)
{
	struct rig *r = *state;

	be_away(r);
	portal_set_away(r->c, r->now, false);
	assert_int_equal(wait_ms(r), 1000);
	look_in(r);
	hear_init(r);
	hear(r, PUSH, AUTHORIZES);
	portal_send(r->c, r->now);
	assert_int_equal(r->story[strlen(r->story) - 1], 'A');
	assert_int_equal(r->close_code, 0);
	assert_true(wait_ms(r) < PORTAL_AWAY_MS);
}

/* While it leaves, and before it has left. */
static void
comes_back_in_between(void **state)
{
	struct rig *r = *state;

	leave(r);
	portal_set_away(r->c, r->now, false);
	break_down(r, 0, -1, "");
	assert_int_equal(wait_ms(r), 1000);
	look_in(r);
	hear_init(r);
	portal_set_away(r->c, r->now, true);
	portal_set_away(r->c, r->now, false);
	r->now = mono_add_ms(r->now, PORTAL_LINGER_MS);
	portal_timeout(r->c, r->now);
	assert_int_equal(r->close_code, 0);
	assert_true(r->online);
}

static void
ends_while_it_leaves(void **state)
{
	struct rig *r = *state;

	leave(r);
	portal_shutdown(r->c, r->now);
	assert_int_equal(r->closings, 0);
	break_down(r, 0, -1, "");
	assert_int_equal(r->closings, 1);
	assert_true(mono_is_never(r->deadline));
}

static void
ends_while_it_is_away(void **state)
{
	struct rig *r = *state;

	be_away(r);
	portal_shutdown(r->c, r->now);
	assert_int_equal(r->closings, 1);
	assert_true(mono_is_never(r->deadline));
}

/* A new net-worker knows nothing: it is told at once, and then it leaves. */
static void
another_net_worker(void **state)
{
	struct rig *r = *state;
	unsigned resolutions;

	be_away(r);
	resolutions = r->resolutions;
	set_key(r, 2);
	assert_int_equal(r->resolutions, resolutions + 1);
	open_again(r);
	r->close_code = 0;
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	hear_init(r);
	assert_int_equal(r->close_code, 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(leaves_and_looks_in),
		T(nobody_gets_access),
		T(takes_the_whole_list),
		T(without_an_init),
		T(a_look_that_fails),
		T(away_before_it_is_online),
		T(leaves_in_time),
		T(comes_back),
		T(comes_back_in_between),
		T(ends_while_it_leaves),
		T(ends_while_it_is_away),
		T(another_net_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

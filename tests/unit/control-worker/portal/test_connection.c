/*
 * What is said on a connection to the portal: join, heartbeats, messages,
 * candidates. firezone-portal(7), CHANNEL, Portal outage and Transport cases.
 */
#include <stdlib.h>

#include "tests/lib/portal_connection.h"

static void
comes_online(void **state)
{
	struct rig *r = *state;

	assert_int_equal(r->resolutions, 0);
	set_key(r, 0);
	assert_string_equal(r->resolved, "api.example.com");
	assert_int_equal(r->connections, 0);
	resolve(r);
	assert_int_equal(r->connections, 1);
	assert_non_null(strstr(r->target, "/gateway/v2/websocket?"));
	assert_non_null(strstr(r->target, "public_key=AAAA"));
	assert_int_equal(r->dates, 0);
	open_socket(r);
	assert_int_equal(r->dates, 1);
	expect(r, JOIN, 0);
	assert_false(r->online);
	assert_int_equal(wait_ms(r), 5000);
	hear(r, JOINED, 0);
	assert_true(r->online);
	expect(r, CAPABILITIES, 1);
	expect_nothing(r);
	assert_int_equal(wait_ms(r), 10000);
}

/* Nothing but heartbeats goes before the answer to the join. */
static void
says_nothing_before_the_join(void **state)
{
	struct rig *r = *state;
	struct uuid client;

	assert_true(uuid_parse(CLIENT, &client));
	set_key(r, 1);
	resolve(r);
	open_socket(r);
	expect(r, JOIN, 0);
	portal_no_relays(r->c, r->now);
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	hear(r, PUSH, "init", EMPTY_INIT);
	expect_nothing(r);
	assert_string_equal(r->story, "");
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	/* What was held has waited for it; what was not is lost. */
	portal_send(r->c, r->now);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:1", 2);
	expect_nothing(r);
}

static void
sends_heartbeats(void **state)
{
	struct rig *r = *state;

	go_online(r);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(wait_ms(r), 10000);
		time_out(r);
		expect(r, HEARTBEAT, i + 2);
		hear(r, ALIVE, i + 2);
	}
	assert_true(r->online);
}

static void
four_heartbeats_without_answer_are_the_end(void **state)
{
	struct rig *r = *state;
	unsigned abandoned;

	go_online(r);
	for (unsigned i = 0; i < 3; i++) {
		time_out(r);
		expect(r, HEARTBEAT, i + 2);
	}
	assert_true(r->online);
	abandoned = r->abandoned;
	time_out(r);
	assert_int_equal(r->abandoned, abandoned + 1);
	expect_nothing(r);
	expect_retry(r, 500, 1000);
}

static void
joins_again_where_its_topic_is_unknown(void **state)
{
	struct rig *r = *state;
	unsigned abandoned;

	go_online(r);
	abandoned = r->abandoned;
	hear(r, REFUSED, 1, "invalid_ref");
	expect_nothing(r);
	hear(r, REFUSED, 1, "unmatched topic");
	portal_send(r->c, r->now);
	expect(r, JOIN, 2);
	assert_int_equal(r->abandoned, abandoned);
}

/* The portal can make it do so as often as it likes. */
static void
is_online_while_it_joins_again(void **state)
{
	struct rig *r = *state;

	go_online(r);
	for (unsigned i = 0; i < 3; i++) {
		hear(r, REFUSED, 1, "unmatched topic");
		portal_send(r->c, r->now);
		expect(r, JOIN, 2 + 2 * i);
		hear(r, JOINED, 2 + 2 * i);
		expect(r, CAPABILITIES, 3 + 2 * i);
		assert_int_equal(r->changes, 1);
	}
	hear(r, REFUSED, 1, "unmatched topic");
	break_down(r, 0, -1, "");
	assert_int_equal(r->changes, 2);
	expect_retry(r, 500, 1000);
}

/* What waits to be asked for does not wake it again and again meanwhile. */
static void
asks_for_no_relays_while_it_joins_again(void **state)
{
	struct rig *r = *state;

	go_online(r);
	portal_no_relays(r->c, r->now);
	expect(r, NO_RELAYS, 2);
	portal_no_relays(r->c, r->now);
	hear(r, REFUSED, 1, "unmatched topic");
	portal_send(r->c, r->now);
	expect(r, JOIN, 3);
	assert_int_equal(wait_ms(r), 2000);
	time_out(r);
	expect_nothing(r);
	assert_int_equal(wait_ms(r), 3000);
}

static void
holds_candidates_while_it_is_away(void **state)
{
	struct rig *r = *state;
	struct uuid client, other = { { 7 } };

	assert_true(uuid_parse(CLIENT, &client));
	go_online(r);
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:1", 2);
	break_down(r, 0, -1, "");
	portal_candidates(r->c, r->now, &client, false, "candidate:2\n");
	portal_candidates(r->c, r->now, &client, false, "candidate:3\n");
	portal_candidates(r->c, r->now, &client, true, "candidate:2\n");
	portal_candidates(r->c, r->now, &other, false, "candidate:4\n");
	portal_client_gone(r->c, &other);
	time_out(r);
	open_again(r);
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	portal_send(r->c, r->now);
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:3", 2);
	portal_candidates(r->c, r->now, &client, true, "candidate:3\n");
	expect(r, CANDIDATES, "broadcast_invalidated_ice_candidates",
	    "candidate:3", 3);
	/* What is held can still be taken back when it is there again. */
	break_down(r, 0, -1, "");
	portal_candidates(r->c, r->now, &client, false, "candidate:5\n");
	time_out(r);
	open_again(r);
	r->blocked = true;
	hear(r, JOINED, 0);
	portal_candidates(r->c, r->now, &client, true, "candidate:5\n");
	r->blocked = false;
	portal_send(r->c, r->now);
	expect(r, CAPABILITIES, 1);
	expect_nothing(r);
}

static void
throttles_its_call_for_relays(void **state)
{
	struct rig *r = *state;

	go_online(r);
	portal_no_relays(r->c, r->now);
	expect(r, NO_RELAYS, 2);
	for (int i = 0; i < 5; i++)
		portal_no_relays(r->c, r->now);
	expect_nothing(r);
	assert_int_equal(wait_ms(r), 2000);
	time_out(r);
	expect(r, NO_RELAYS, 3);
	expect_nothing(r);
	assert_int_equal(wait_ms(r), 8000); /* the heartbeat */
	/* What is due when the connection breaks is not said by the next. */
	portal_no_relays(r->c, r->now);
	break_down(r, 0, -1, "");
	time_out(r);
	open_again(r);
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	r->now = mono_add_ms(r->now, 2500);
	portal_timeout(r->c, r->now);
	expect_nothing(r);
}

/* The portal's reference comes back, even on another connection. */
static void
acknowledges(void **state)
{
	struct rig *r = *state;
	uint64_t first;

	go_online(r);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "create_authorization", AUTHORIZATION);
	assert_string_equal(r->story, "[]I()TA");
	first = r->serial;
	portal_acknowledge(r->c, r->now, first + 1);
	expect_nothing(r);
	portal_acknowledge(r->c, r->now, first);
	expect(r, ACKNOWLEDGED, 2);
	portal_acknowledge(r->c, r->now, first);
	expect_nothing(r);
	hear(r, PUSH, "create_authorization", AUTHORIZATION);
	portal_refuse(r->c, r->serial);
	portal_acknowledge(r->c, r->now, r->serial);
	expect_nothing(r);
	hear(r, PUSH, "create_authorization", AUTHORIZATION);
	break_down(r, 0, -1, "");
	time_out(r);
	open_again(r);
	hear(r, JOINED, 0);
	expect(r, CAPABILITIES, 1);
	portal_acknowledge(r->c, r->now, r->serial);
	expect(r, ACKNOWLEDGED, 2);
}

/* With much in the outbox candidates wait, so that they can be merged. */
static void
holds_candidates_of_a_slow_connection(void **state)
{
	struct rig *r = *state;
	struct uuid client;
	char line[32];

	assert_true(uuid_parse(CLIENT, &client));
	go_online(r);
	r->blocked = true;
	for (int i = 0; i < PORTAL_OUTBOX_BUSY; i++) {
		snprintf(line, sizeof(line), "candidate:%d\n", i);
		portal_candidates(
		    r->c, r->now, &(struct uuid){ { 9 } }, false, line);
	}
	portal_candidates(r->c, r->now, &client, false, "candidate:1\n");
	portal_candidates(r->c, r->now, &client, false, "candidate:2\n");
	portal_candidates(r->c, r->now, &client, true, "candidate:1\n");
	r->blocked = false;
	portal_send(r->c, r->now);
	/* The last one, and all of it. */
	assert_int_equal(r->written, 2 + PORTAL_OUTBOX_BUSY + 1);
	r->read = r->written - 1;
	expect(r, CANDIDATES, "broadcast_ice_candidates", "candidate:2",
	    PORTAL_OUTBOX_BUSY + 2);
}

/* One message at a time, and none twice that waits. */
static void
waits_for_room_to_send(void **state)
{
	struct rig *r = *state;

	go_online(r);
	r->blocked = true;
	portal_no_relays(r->c, r->now);
	r->now = mono_add_ms(r->now, 2000);
	portal_no_relays(r->c, r->now);
	time_out(r);
	expect_nothing(r);
	r->blocked = false;
	portal_send(r->c, r->now);
	expect(r, HEARTBEAT, 2);
	expect(r, NO_RELAYS, 3);
	expect_nothing(r);
}

static void
bad_texts(void **state)
{
	struct rig *r = *state;

	go_online(r);
	hear(r, "no JSON");
	hear(r, "[]");
	hear(r, PUSH, "unheard_of", "{}");
	hear(r, PUSH, "init", "{\"interface\":7}");
	assert_true(r->online);
	assert_string_equal(r->story, "");
	hear(r, "{\"topic\":");
	expect_retry(r, 500, 1000);
}

static void
hands_an_init_over(void **state)
{
	struct rig *r = *state;
	char grants[512 * sizeof(GRANT)] = GRANT, *text;

	go_online(r);
	hear(r, PUSH, "init", "{}");
	assert_string_equal(r->story, "");
	for (int i = 0; i < 400; i++)
		strcat(grants, "," GRANT);
	assert_true(asprintf(&text,
			"{\"topic\":\"gateway\",\"event\":\"init\","
			"\"payload\":" INIT ",\"ref\":null}",
			grants) > 0);
	r->full = true;
	assert_false(portal_takes_text(r->c));
	portal_text(r->c, r->now, text, strlen(text));
	free(text);
	/* Nothing that follows goes ahead of the rest of it. */
	assert_string_equal(r->story, "[]I(");
	assert_false(portal_takes_text(r->c));
	assert_string_equal(r->story, "[]I(");
	r->full = false;
	assert_true(portal_takes_text(r->c));
	assert_string_equal(r->story, "[]I()T");
}

/* Before the list of grants is in force, one too long revokes all. */
static void
too_long_a_list_revokes_all(void **state)
{
	struct transport_failure f = {
		.reason = "a message is too long",
		.retry_after_ms = -1,
		.too_long = true,
	};
	struct rig *r = *state;

	go_online(r);
	portal_failed(r->c, r->now, &f);
	assert_string_equal(r->story, "()");
	expect_retry(r, 500, 1000);
	open_again(r);
	hear(r, JOINED, 0);
	hear(r, PUSH, "init", EMPTY_INIT);
	assert_string_equal(r->story, "()[]I()T");
	portal_failed(r->c, r->now, &f);
	assert_string_equal(r->story, "()[]I()T");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(comes_online),
		T(says_nothing_before_the_join),
		T(sends_heartbeats),
		T(four_heartbeats_without_answer_are_the_end),
		T(joins_again_where_its_topic_is_unknown),
		T(is_online_while_it_joins_again),
		T(asks_for_no_relays_while_it_joins_again),
		T(holds_candidates_while_it_is_away),
		T(throttles_its_call_for_relays),
		T(acknowledges),
		T(holds_candidates_of_a_slow_connection),
		T(waits_for_room_to_send),
		T(bad_texts),
		T(hands_an_init_over),
		T(too_long_a_list_revokes_all),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

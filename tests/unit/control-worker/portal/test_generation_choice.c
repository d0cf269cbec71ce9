/*
 * Which generation of the protocol is tried when that is to be found out:
 * posternd(8), --portal-generation, and firezone-portal(7), Connect errors.
 */
#include "tests/lib/portal_connection.h"

#include "control-worker/portal/generation_choice.h"

#define DAY_MS   GENERATION_INTERRUPTS_MS
#define AGAIN_MS GENERATION_AGAIN_MS

/* How the logins begin. */
#define NEWEST "/gateway/v2/websocket?external_id="
#define SECOND "/gateway/websocket?token=.SFMyNTY.x%2F%2B&external_id="
#define FIRST  "/gateway/websocket?token=.SFMyNTY.x%2F%2B&public_key="

/* What an attempt comes to, and what is tried next. */
static const struct {
	unsigned number; /* as configured */
	struct {
		unsigned tried;
		int status;
		enum choice_result result;
	} step[6]; /* until the one whose status is -1: a join */
} stories[] = {
	/* A portal of today, of a while ago, one that wants another login. */
	{ 0, { { 3, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, -1, 0 } } },
	{ 0,
	    { { 3, 308, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 401, CHOICE_TURNS }, { 1, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 403, CHOICE_TURNS }, { 1, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 422, CHOICE_TURNS }, { 1, 503, CHOICE_STAYS },
		{ 1, -1, 0 } } },
	/* One of today, behind a proxy that does not know so for a moment. */
	{ 0, { { 3, 404, CHOICE_DOUBTS }, { 3, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 503, CHOICE_STAYS },
		{ 3, 404, CHOICE_DOUBTS }, { 3, 0, CHOICE_STAYS },
		{ 3, 308, CHOICE_DOUBTS }, { 3, -1, 0 } } },
	/* The token is wrong. */
	{ 0, { { 3, 401, CHOICE_ENDS } } },
	{ 0, { { 3, 404, CHOICE_DOUBTS }, { 3, 401, CHOICE_ENDS } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 401, CHOICE_TURNS }, { 1, 401, CHOICE_ENDS } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 401, CHOICE_TURNS }, { 1, 403, CHOICE_ENDS } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 422, CHOICE_TURNS }, { 1, 400, CHOICE_ENDS } } },
	/* No portal at all: the token is not shown around. */
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 404, CHOICE_STAYS }, { 3, 404, CHOICE_DOUBTS },
		{ 3, 404, CHOICE_TURNS }, { 2, -1, 0 } } },
	/* What says nothing of generations. */
	{ 0,
	    { { 3, 0, CHOICE_STAYS }, { 3, 503, CHOICE_STAYS },
		{ 3, 403, CHOICE_STAYS }, { 3, 301, CHOICE_STAYS },
		{ 3, 400, CHOICE_STAYS }, { 3, -1, 0 } } },
	{ 0,
	    { { 3, 404, CHOICE_DOUBTS }, { 3, 404, CHOICE_TURNS },
		{ 2, 0, CHOICE_STAYS }, { 2, 409, CHOICE_STAYS },
		{ 2, -1, 0 } } },
	/* One that is configured is the only one. */
	{ 3, { { 3, 404, CHOICE_STAYS }, { 3, -1, 0 } } },
	{ 3, { { 3, 401, CHOICE_ENDS } } },
	{ 2,
	    { { 2, 404, CHOICE_STAYS }, { 2, 403, CHOICE_STAYS },
		{ 2, 422, CHOICE_STAYS }, { 2, 401, CHOICE_ENDS } } },
	{ 1, { { 1, 503, CHOICE_STAYS }, { 1, 404, CHOICE_ENDS } } },
};

static void
finds_the_generation(void **state)
{
	struct mono now = { 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(*stories); i++) {
		struct generation_choice c;

		choice_init(&c, stories[i].number);
		for (size_t k = 0; k < 6 && stories[i].step[k].tried != 0;
		     k++) {
			choice_renew(&c, now);
			assert_int_equal(
			    c.chosen->number, stories[i].step[k].tried);
			if (stories[i].step[k].status == -1)
				break;
			assert_int_equal(
			    choice_failed(&c, now, stories[i].step[k].status),
			    stories[i].step[k].result);
			now = mono_add_ms(now, GENERATION_CONFIRM_MS);
		}
	}
}

/* Which is absent: twice, for a portal that is nobody's yet. */
static void
turn_to_older(struct generation_choice *c, struct mono *now)
{
	assert_int_equal(c->chosen->number, 3);
	assert_int_equal(choice_failed(c, *now, 404), CHOICE_DOUBTS);
	*now = mono_add_ms(*now, GENERATION_CONFIRM_MS);
	assert_int_equal(choice_failed(c, *now, 404), CHOICE_TURNS);
	assert_int_equal(c->chosen->number, 2);
}

/* Answers that come at once are one answer. */
static void
absences_are_some_time_apart(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_DOUBTS);
	now = mono_add_ms(now, GENERATION_CONFIRM_MS - 1);
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_DOUBTS);
	assert_int_equal(c.chosen->number, 3);
	now = mono_add_ms(now, 1);
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_TURNS);
}

/* What has worked is used again, and newer ones once it works no more. */
static void
remembers_what_worked(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	choice_failed(&c, now, 401);
	assert_int_equal(c.chosen->number, 1);
	choice_joined(&c);
	choice_renew(&c, now);
	assert_int_equal(c.chosen->number, 1);
	assert_int_equal(choice_failed(&c, now, 0), CHOICE_STAYS);
	assert_int_equal(c.chosen->number, 1);
	/* The portal is a new one. */
	assert_int_equal(choice_failed(&c, now, 401), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 3);
	choice_joined(&c);
	assert_true(mono_is_never(choice_deadline(&c)));
	/* And the old one again, where the token is not valid any more. */
	turn_to_older(&c, &now);
	choice_joined(&c);
	assert_int_equal(choice_failed(&c, now, 401), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 3);
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 1);
	assert_int_equal(choice_failed(&c, now, 401), CHOICE_ENDS);
}

/* Tries the newest first after pause_ms, in vain. */
static void
expect_newest_after(
    struct generation_choice *c, struct mono *now, int64_t pause_ms)
{
	*now = mono_add_ms(*now, pause_ms - 1);
	assert_false(choice_renew(c, *now));
	assert_int_equal(c->chosen->number, 2);
	*now = mono_add_ms(*now, 1);
	assert_true(choice_renew(c, *now));
	assert_int_equal(c->chosen->number, 3);
	/* It has been doubted already. */
	assert_int_equal(choice_failed(c, *now, 404), CHOICE_TURNS);
	assert_int_equal(c->chosen->number, 2);
	choice_joined(c);
}

/* A proxy that lets nobody in for a while makes no gateway of 1.3 of it. */
static void
what_worked_is_tried_on(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	choice_joined(&c);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(
		    choice_failed(&c, now, i < 2 ? 403 : 422), CHOICE_STAYS);
		assert_int_equal(c.chosen->number, 2);
	}
	now = mono_add_ms(now, GENERATION_AGAIN_MS);
	assert_true(choice_renew(&c, now));
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 2);
	assert_int_equal(choice_failed(&c, now, 403), CHOICE_STAYS);
	assert_int_equal(c.chosen->number, 2);
	/* But not with a token that is not valid any more. */
	assert_int_equal(choice_failed(&c, now, 401), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 1);
	assert_int_equal(choice_failed(&c, now, 403), CHOICE_ENDS);
}

/* Nor does it end one that is of 1.3, as a gateway of its time would have. */
static void
the_oldest_that_worked_is_tried_on(void **state)
{
	static const int statuses[] = { 403, 429, 400, 422 };
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	assert_int_equal(choice_failed(&c, now, 422), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 1);
	choice_joined(&c);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		assert_int_equal(
		    choice_failed(&c, now, statuses[i]), CHOICE_STAYS);
		assert_int_equal(c.chosen->number, 1);
	}
	/* Its token may be refused, and it may be there no more. */
	assert_int_equal(choice_failed(&c, now, 401), CHOICE_TURNS);
	assert_int_equal(choice_failed(&c, now, 404), CHOICE_TURNS);
	assert_int_equal(c.chosen->number, 2);
	assert_int_equal(choice_failed(&c, now, 422), CHOICE_ENDS);
}

static void
tries_the_newest_first_after_a_while(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	choice_joined(&c);
	for (int64_t pause = AGAIN_MS; pause < DAY_MS; pause *= 2)
		expect_newest_after(&c, &now, pause);
	expect_newest_after(&c, &now, DAY_MS);
	expect_newest_after(&c, &now, DAY_MS);
	/* One that is found is doubted again before it is left. */
	now = mono_add_ms(now, DAY_MS);
	assert_true(choice_renew(&c, now));
	choice_joined(&c);
	turn_to_older(&c, &now);
	choice_joined(&c);
	expect_newest_after(&c, &now, AGAIN_MS);
}

/* Also where what was found after it does not come up. */
static void
tries_the_newest_first_after_failures(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	choice_failed(&c, now, 403);
	assert_int_equal(choice_failed(&c, now, 503), CHOICE_STAYS);
	assert_int_equal(c.chosen->number, 1);
	now = mono_add_ms(now, AGAIN_MS);
	assert_true(choice_renew(&c, now));
	turn_to_older(&c, &now);
}

static void
a_connection_is_worth_a_day(void **state)
{
	struct mono now = { 1 };
	struct generation_choice c;

	(void)state;
	choice_init(&c, 0);
	turn_to_older(&c, &now);
	choice_joined(&c);
	assert_int_equal(mono_ms_between(now, choice_deadline(&c)), DAY_MS);
	now = mono_add_ms(now, DAY_MS);
	assert_true(choice_renew(&c, now));
	assert_int_equal(c.chosen->number, 3);
	assert_true(mono_is_never(choice_deadline(&c)));
	choice_failed(&c, now, 404);
	choice_joined(&c);
	assert_int_equal(mono_ms_between(now, choice_deadline(&c)), DAY_MS);
	/* One that is configured stays for ever. */
	choice_init(&c, 2);
	choice_joined(&c);
	assert_true(mono_is_never(choice_deadline(&c)));
	assert_false(choice_renew(&c, mono_add_ms(now, 2 * DAY_MS)));
}

static void
expect_login(struct rig *r, const char *path)
{
	resolve(r);
	assert_int_equal(strncmp(r->target, path, strlen(path)), 0);
}

/* Up to the second absence of the newest. */
static void
find_no_newest(struct rig *r)
{
	expect_login(r, NEWEST);
	break_down(r, 404, -1, "");
	assert_int_equal(wait_ms(r), GENERATION_CONFIRM_MS);
	time_out(r);
	expect_login(r, NEWEST);
	break_down(r, 404, -1, "");
	assert_string_equal(r->retried, "the test's failure");
	assert_int_equal(wait_ms(r), 0);
	time_out(r);
}

/* The attempts cost no budget, and the one that is online says so. */
static void
goes_back_without_giving_up(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	find_no_newest(r);
	expect_login(r, SECOND);
	break_down(r, 401, -1, "");
	assert_int_equal(wait_ms(r), 1000);
	time_out(r);
	expect_login(r, FIRST);
	/* The wait of the doubt is one of 15 s. */
	for (int i = 0; i < 10; i++) {
		break_down(r, 503, -1, "");
		expect_retry(r, 1000, 1000);
		expect_login(r, FIRST);
	}
	open_socket(r);
	expect(r, JOIN, 0);
	hear(r, JOINED, 0);
	assert_int_equal(r->generation, 1);
}

static void
waits_where_the_portal_says_so(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	resolve(r);
	break_down(r, 404, 7000, "");
	assert_int_equal(wait_ms(r), 7000);
	time_out(r);
	resolve(r);
	break_down(r, 404, 3000, "");
	assert_int_equal(wait_ms(r), 3000);
	time_out(r);
	expect_login(r, SECOND);
}

/* Whatever the portal, or a new key, would have tried sooner. */
static void
doubts_at_least_for_a_while(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	resolve(r);
	break_down(r, 404, 1000, "");
	assert_int_equal(wait_ms(r), GENERATION_CONFIRM_MS);
	/* A new key does not wait. */
	set_key(r, 2);
	resolve(r);
	break_down(r, 404, -1, "");
	assert_int_equal(wait_ms(r), GENERATION_CONFIRM_MS);
}

/* A proxy that has lost the portal for a moment. */
static void
a_stray_absence_changes_nothing(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	go_online(r);
	break_down(r, 0, -1, "");
	expect_retry(r, 500, 1000);
	expect_login(r, NEWEST);
	break_down(r, 404, -1, "");
	expect_retry(r, GENERATION_CONFIRM_MS, GENERATION_CONFIRM_MS);
	expect_login(r, NEWEST);
	open_socket(r);
	expect(r, JOIN, 0);
	hear(r, JOINED, 0);
	assert_int_equal(r->generation, 3);
}

/* What is open stays open; what is opened anew is the newest. */
static void
the_next_connection_tries_the_newest(void **state)
{
	struct mono again;
	struct rig *r = *state;
	unsigned beats = 1;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	find_no_newest(r);
	again = mono_add_ms(r->now, AGAIN_MS);
	open_again(r);
	hear(r, JOINED, 0);
	while (mono_before(r->now, mono_add_ms(again, 2 * AGAIN_MS))) {
		time_out(r);
		expect(r, HEARTBEAT, beats);
		hear(r, ALIVE, beats++);
		assert_true(r->online);
	}
	break_down(r, 0, -1, "");
	expect_retry(r, 500, 1000);
	expect_login(r, NEWEST);
	break_down(r, 404, -1, "");
	assert_int_equal(wait_ms(r), 0);
	time_out(r);
	expect_login(r, SECOND);
	open_socket(r);
	expect(r, JOIN, 0);
	hear(r, JOINED, 0);
	/* Not so soon once more. */
	break_down(r, 0, -1, "");
	expect_retry(r, 500, 1000);
	expect_login(r, SECOND);
}

static void
is_refused_by_all(void **state)
{
	struct rig *r = *state;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	find_no_newest(r);
	resolve(r);
	break_down(r, 401, -1, "");
	time_out(r);
	resolve(r);
	break_down(r, 401, -1, "invalid_token");
	expect_end(r, "check the file /etc/postern/token");
}

/* References of one path mean nothing on the other. */
static void
is_online_with_the_newest_after_a_day(void **state)
{
	struct mono tomorrow;
	struct rig *r = *state;
	unsigned beats = 1;

	make_connection_of(r, "wss://api.example.com/", false, 0);
	set_key(r, 1);
	find_no_newest(r);
	tomorrow = mono_add_ms(r->now, DAY_MS);
	open_again(r);
	hear(r, JOINED, 0);
	hear(r, PUSH, "init", EMPTY_INIT);
	hear(r, PUSH, "authorize_flow", AUTHORIZATION);
	while (mono_before(r->deadline, tomorrow)) {
		assert_true(r->online);
		time_out(r);
		expect(r, HEARTBEAT, beats);
		hear(r, ALIVE, beats++);
	}
	time_out(r);
	assert_false(r->online);
	open_again(r);
	assert_non_null(strstr(r->target, "/v2/"));
	hear(r, JOINED, 0);
	assert_int_equal(r->generation, 3);
	expect(r, CAPABILITIES, 1);
	portal_acknowledge(r->c, r->now, r->serial);
	expect_nothing(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(finds_the_generation),
		T(remembers_what_worked),
		T(absences_are_some_time_apart),
		T(what_worked_is_tried_on),
		T(the_oldest_that_worked_is_tried_on),
		T(tries_the_newest_first_after_a_while),
		T(tries_the_newest_first_after_failures),
		T(a_connection_is_worth_a_day),
		T(goes_back_without_giving_up),
		T(waits_where_the_portal_says_so),
		T(doubts_at_least_for_a_while),
		T(a_stray_absence_changes_nothing),
		T(the_next_connection_tries_the_newest),
		T(is_refused_by_all),
		T(is_online_with_the_newest_after_a_day),
	};

	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

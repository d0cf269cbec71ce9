/*
 * When a path that has fallen silent is followed to another one, and when the
 * peer is led there (firezone-tunnel(7), Dead paths).
 */
#include "tests/lib/ice_watch.h"

/* What the agent says next beside its state; false: nothing. */
static bool
next_word(
    struct ice_agent *agent, struct ice_event *event, enum ice_event_type type)
{
	while (ice_agent_event(agent, event))
		if (event->type == type)
			return true;
	return false;
}

static void
silent_path_is_left_and_returned_to(void **state)
{
	struct ice_agent *agent = *state;
	struct endpoint to = at(RELAY), from = at(FAR);
	struct mono now = start;
	struct ice_event event;

	nominate(agent, now, HOST, DIRECT);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	now = mono_add_ms(start, 2000);
	ice_agent_unanswered(agent, now);
	/* Others have to live for it to be dead. */
	run_to(agent, mono_add_ms(now, 1000));
	nominate(agent, mono_add_ms(now, 1000), RELAY, FAR);
	run_to(agent, mono_add_ms(now, 1519));
	assert_false(next_word(agent, &event, ICE_EVENT_LEAVE));
	run_to(agent, mono_add_ms(now, 1520));
	assert_true(ice_agent_event(agent, &event));
	assert_int_equal(event.type, ICE_EVENT_LEAVE);
	assert_true(is_at(&event.path.local, HOST));
	expect_path(agent, RELAY, FAR);
	/* A check that is not one of choice changes nothing. */
	assert_true(request(agent, mono_add_s(now, 2), HOST, DIRECT, 0));
	run_to(agent, mono_add_s(now, 2));
	expect_no_path(agent);
	/* Its owner is not woken in vain, whatever comes back then. */
	now = mono_add_ms(now, 31520);
	ice_agent_heard(agent, now, &to, &from);
	run_to(agent, now);
	assert_true(next_word(agent, &event, ICE_EVENT_RETURN));
	assert_true(is_at(&event.path.local, HOST));
	expect_no_path(agent);
	/* What the peer nominated before it has forgotten. */
	heard(agent, now, HOST, DIRECT);
	run_to(agent, now);
	expect_no_path(agent);
	nominate(agent, now, HOST, DIRECT);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
}

/* It is heard nowhere: nothing is left, until it is heard elsewhere. */
static void
silent_peer_is_awaited(void **state)
{
	struct ice_agent *agent = *state;
	struct mono now = mono_add_s(start, 2);
	struct ice_event event;

	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, start);
	expect_path(agent, HOST, DIRECT);
	ice_agent_unanswered(agent, now);
	run_to(agent, mono_add_s(now, 10));
	assert_false(next_word(agent, &event, ICE_EVENT_LEAVE));
	now = mono_add_s(now, 10);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, mono_add_ms(now, 1519));
	assert_false(next_word(agent, &event, ICE_EVENT_LEAVE));
	nominate(agent, mono_add_ms(now, 1519), RELAY, FAR);
	run_to(agent, mono_add_ms(now, 1520));
	assert_true(next_word(agent, &event, ICE_EVENT_LEAVE));
}

static void
what_is_heard_is_followed(void **state)
{
	struct ice_agent *agent = *state;
	struct endpoint to = at(RELAY), from = at(FAR), other = at(DIRECT);
	struct mono now = start;

	nominate(agent, now, HOST, DIRECT);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	ice_agent_heard(agent, mono_add_ms(now, 1999), &to, &from);
	run_to(agent, mono_add_ms(now, 1999));
	expect_no_path(agent);
	/* One that is not nominated is none to follow. */
	ice_agent_heard(agent, mono_add_s(now, 2), &to, &other);
	expect_no_path(agent);
	/* At once: an answer may be waiting to be sent. */
	ice_agent_heard(agent, mono_add_s(now, 2), &to, &from);
	expect_path(agent, RELAY, FAR);
	/* Back at once, but that was a mistake: more patience. */
	nominate(agent, mono_add_s(now, 4), HOST, DIRECT);
	run_to(agent, mono_add_s(now, 4));
	expect_path(agent, HOST, DIRECT);
	ice_agent_heard(agent, mono_add_ms(now, 7999), &to, &from);
	expect_no_path(agent);
	ice_agent_heard(agent, mono_add_s(now, 8), &to, &from);
	expect_path(agent, RELAY, FAR);
}

/* Both peers talk over the relay, and what is told of the base meanwhile. */
static void
talk_over_relay(struct ice_agent *agent, struct mono *now, int64_t s,
    unsigned *left, unsigned *returned)
{
	struct ice_event event;
	struct mono end = mono_add_s(*now, s);

	for (; mono_before(*now, end); *now = mono_add_s(*now, 1)) {
		nominate(agent, *now, RELAY, FAR);
		run_to(agent, *now);
		while (ice_agent_event(agent, &event)) {
			*left += event.type == ICE_EVENT_LEAVE;
			*returned += event.type == ICE_EVENT_RETURN;
		}
	}
}

/* Whether a check was sent on the direct path since the last call. */
static bool
direct_is_checked(struct ice_agent *agent)
{
	struct ice_message m;
	bool checked = false;

	while (ice_agent_transmit(agent, &m))
		checked = checked ||
		    (is_at(&m.path.local, HOST) &&
			is_at(&m.path.remote, DIRECT) &&
			load_be16(m.data) == STUN_BINDING_REQUEST);
	return checked;
}

/* After any time: both sides have given up the pair long since. */
static void
dead_path_is_tried_again(void **state)
{
	struct ice_agent *agent = *state;
	unsigned left = 0, returned = 0;
	struct mono now = start;

	nominate(agent, now, HOST, DIRECT);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	now = mono_add_s(now, 2);
	ice_agent_unanswered(agent, now);
	talk_over_relay(agent, &now, 40, &left, &returned);
	assert_int_equal(left, 1);
	assert_int_equal(returned, 1);
	/* After 2, 6, 14 and 30 minutes, and then each 32. */
	talk_over_relay(agent, &now, 2000, &left, &returned);
	assert_int_equal(left, 5);
	assert_int_equal(returned, 5);
	talk_over_relay(agent, &now, 10 * 1920, &left, &returned);
	assert_int_equal(left, 15);
	assert_int_equal(returned, 15);
	(void)direct_is_checked(agent);
	talk_over_relay(agent, &now, 900, &left, &returned);
	(void)direct_is_checked(agent);
	talk_over_relay(agent, &now, 100, &left, &returned);
	assert_false(direct_is_checked(agent));
	talk_over_relay(agent, &now, 920, &left, &returned);
	assert_int_equal(returned, 16);
	assert_true(direct_is_checked(agent));
	/* It works, and that is the end of it. */
	nominate(agent, now, HOST, DIRECT);
	run_to(agent, now);
	for (int i = 0; i < 7200; i++) {
		now = mono_add_s(now, 1);
		nominate(agent, now, HOST, DIRECT);
		talk_over_relay(agent, &now, 1, &left, &returned);
	}
	assert_int_equal(left, 16);
	assert_int_equal(returned, 16);
}

/* The peer left it by itself; it comes back when the pair has been given up. */
static void
given_up_path_is_tried_again(void **state)
{
	struct ice_agent *agent = *state;
	unsigned left = 0, returned = 0;
	struct mono now = start;

	nominate(agent, now, HOST, DIRECT);
	run_to(agent, now);
	talk_over_relay(agent, &now, 615, &left, &returned);
	assert_int_equal(left, 0);
	(void)direct_is_checked(agent);
	talk_over_relay(agent, &now, 100, &left, &returned);
	assert_false(direct_is_checked(agent));
	talk_over_relay(agent, &now, 60, &left, &returned);
	assert_int_equal(left, 1);
	assert_int_equal(returned, 1);
	assert_true(direct_is_checked(agent));
	/* The peer withdraws what is there: there is nothing to be tried. */
	remove_remote(agent, now, CANDIDATE_SERVER_REFLEXIVE, DIRECT);
	talk_over_relay(agent, &now, 300, &left, &returned);
	talk_over_relay(agent, &now, 7200, &left, &returned);
	assert_int_equal(left, 2);
}

/* Not just the one that was heard now, and not one that is silent as well. */
static void
the_best_that_lives_is_followed(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, HOST, FAR);
	nominate(agent, start, RELAY, DIRECT);
	nominate(agent, start, RELAY, FAR);
	assert_told(agent, start, "path " HOST " " DIRECT);
	checked(agent, after(1), RELAY, DIRECT);
	heard(agent, after(2000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " DIRECT);
}

/* What waits for a path is sent before the timer could run. */
static void
the_first_path_is_followed_at_once(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	heard(agent, start, HOST, DIRECT);
	assert_string_equal(told(agent), "path " HOST " " DIRECT);
}

/* Each error doubles the silence that it takes, up to 32 s. */
static void
errors_make_patient(void **state)
{
	struct ice_agent *agent = *state;
	int64_t patience = 2000, now = 0;

	nominate(agent, start, RELAY, FAR);
	nominate(agent, start, HOST, DIRECT);
	assert_told(agent, start, "path " HOST " " DIRECT);
	for (unsigned error = 0; error < 7; error++) {
		run_to(agent, after(now + patience - 1));
		heard(agent, after(now + patience - 1), RELAY, FAR);
		assert_string_equal(told(agent), "");
		now += patience;
		heard(agent, after(now), RELAY, FAR);
		assert_string_equal(told(agent), "path " RELAY " " FAR);
		/* The last one was right. */
		now += error < 6 ? 4999 : 5000;
		heard(agent, after(now), HOST, DIRECT);
		assert_told(agent, after(now), "path " HOST " " DIRECT);
		patience = patience < 32000 ? 2 * patience : 32000;
	}
	heard(agent, after(now + 2000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
}

/* It was right for 5 s, whatever else has been given up meanwhile. */
static void
an_error_is_one_of_the_first_doubt(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, HOST, FAR);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, start);
	heard(agent, after(2000), HOST, FAR);
	heard(agent, after(4000), RELAY, FAR);
	assert_told(agent, after(4000), "path " RELAY " " FAR);
	heard(agent, after(7000), HOST, DIRECT);
	assert_told(agent, after(7000), "path " HOST " " DIRECT);
	heard(agent, after(9000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
}

/* While the path works nothing is given up, and so nothing in error. */
static void
what_is_not_in_use_is_not_given_up(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, HOST, FAR);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, after(1900));
	heard(agent, after(1900), HOST, DIRECT);
	heard(agent, after(2000), RELAY, FAR);
	assert_string_equal(told(agent), "path " HOST " " DIRECT);
	nominate(agent, after(3000), HOST, FAR);
	run_to(agent, after(5000));
	heard(agent, after(5000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
}

/* There is nothing to be chosen then. */
static void
the_same_choice_again_wakes_nobody(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	run_to(agent, after(500));
	nominate(agent, after(500), HOST, DIRECT);
	assert_true(mono_before(after(500), ice_agent_deadline(agent)));
	/* Nor does what comes from where nobody is known. */
	heard(agent, after(500), HOST, OTHER);
	assert_true(mono_before(after(500), ice_agent_deadline(agent)));
}

/* The chosen one, and a relayed one that was heard before. */
static struct ice_agent *
make_watched(void)
{
	struct ice_agent *agent = make_two_paths();

	nominate(agent, start, HOST, DIRECT);
	checked(agent, start, RELAY, FAR);
	assert_told(agent, start, "path " HOST " " DIRECT);
	return agent;
}

static void
what_was_heard_is_asked_eight_times(void **state)
{
	static const struct {
		const char *local, *remote;
		unsigned checks;
	} rows[] = {
		{ HOST, DIRECT, 8 },
		{ RELAY, FAR, 3 }, /* and is heard then */
		{ RELAY, DIRECT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ice_agent *agent = make_watched();
		unsigned checks;

		checks_until(agent, after(1999), HOST, DIRECT);
		ice_agent_unanswered(agent, after(1999));
		checks = checks_until(
		    agent, after(2500), rows[i].local, rows[i].remote);
		heard(agent, after(2500), RELAY, FAR);
		checks += checks_until(
		    agent, after(3700), rows[i].local, rows[i].remote);
		assert_int_equal(checks, rows[i].checks);
		assert_string_equal(told(agent), "leave " HOST);
		ice_agent_free(agent);
	}
}

/* Not before it has been silent for 2 s. */
static void
a_path_is_asked_when_it_was_silent(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	heard(agent, after(800), HOST, DIRECT);
	ice_agent_unanswered(agent, after(1800));
	checks_until(agent, after(2799), HOST, DIRECT);
	assert_int_equal(checks_until(agent, after(2800), HOST, DIRECT), 1);
	assert_int_equal(checks_until(agent, after(2989), HOST, DIRECT), 0);
	assert_int_equal(checks_until(agent, after(2990), HOST, DIRECT), 1);
	ice_agent_free(agent);
}

/* Nor, after an error, as soon as something else may have been lost. */
static void
after_an_error_it_is_asked_later(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	nominate(agent, start, RELAY, FAR);
	heard(agent, after(2000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
	heard(agent, after(2000), HOST, DIRECT);
	checks_until(agent, after(5500), HOST, DIRECT);
	assert_string_equal(told(agent), "path " HOST " " DIRECT);
	ice_agent_unanswered(agent, after(5500));
	assert_int_equal(checks_until(agent, after(7499), HOST, DIRECT), 0);
	assert_int_equal(checks_until(agent, after(7500), HOST, DIRECT), 1);
	ice_agent_free(agent);
}

static void
more_that_is_unanswered_changes_nothing(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	run_to(agent, after(2000));
	ice_agent_unanswered(agent, after(2000));
	for (int64_t ms = 2100; ms < 3520; ms += 100) {
		run_to(agent, after(ms));
		heard(agent, after(ms), RELAY, FAR);
		ice_agent_unanswered(agent, after(ms));
	}
	assert_told(agent, after(3519), "");
	assert_told(agent, after(3520), "leave " HOST);
	ice_agent_free(agent);
}

static void
one_answer_is_enough(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	checks_until(agent, after(2000), HOST, DIRECT);
	ice_agent_unanswered(agent, after(2000));
	assert_int_equal(checks_until(agent, after(3500), HOST, DIRECT), 8);
	heard(agent, after(3500), RELAY, FAR);
	heard(agent, after(3500), HOST, DIRECT);
	assert_int_equal(checks_until(agent, after(7000), HOST, DIRECT), 0);
	assert_string_equal(told(agent), "");
	/* It is asked again the next time. */
	ice_agent_unanswered(agent, after(7000));
	assert_int_equal(checks_until(agent, after(7100), HOST, DIRECT), 1);
	ice_agent_free(agent);
}

/* While nothing is heard there is nothing to be found out. */
static void
a_silent_peer_is_asked_once(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	checks_until(agent, after(2000), HOST, DIRECT);
	ice_agent_unanswered(agent, after(2000));
	assert_int_equal(checks_until(agent, after(3520), HOST, DIRECT), 8);
	ice_agent_unanswered(agent, after(4000));
	assert_int_equal(checks_until(agent, after(8000), HOST, DIRECT), 0);
	/* It is back, and goes away again. */
	heard(agent, after(8000), HOST, DIRECT);
	ice_agent_unanswered(agent, after(10000));
	assert_int_equal(checks_until(agent, after(11520), HOST, DIRECT), 8);
	assert_string_equal(told(agent), "");
	ice_agent_free(agent);
}

/* Nobody has nominated another one yet. */
static void
a_dead_path_is_not_asked_again(void **state)
{
	struct ice_agent *agent = make_watched();

	(void)state;
	checks_until(agent, after(2000), HOST, DIRECT);
	ice_agent_unanswered(agent, after(2000));
	checks_until(agent, after(3000), HOST, DIRECT);
	heard(agent, after(3000), RELAY, FAR);
	checks_until(agent, after(3520), HOST, DIRECT);
	assert_string_equal(told(agent), "leave " HOST);
	ice_agent_unanswered(agent, after(4000));
	assert_int_equal(checks_until(agent, after(6000), HOST, DIRECT), 0);
	ice_agent_free(agent);
}

static void
without_a_path_nothing_is_asked(void **state)
{
	struct ice_agent *agent = *state;
	struct mono deadline;

	run_to(agent, after(2000));
	deadline = ice_agent_deadline(agent);
	ice_agent_unanswered(agent, after(2000));
	assert_true(deadline.ns == ice_agent_deadline(agent).ns);
}

/* The better path has come meanwhile: what was asked of the other is over. */
static void
doubt_is_about_the_path_in_use(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, FAR);
	checks_until(agent, after(2000), HOST, FAR);
	assert_string_equal(told(agent), "path " HOST " " FAR);
	ice_agent_unanswered(agent, after(2000));
	assert_int_equal(checks_until(agent, after(2100), HOST, FAR), 1);
	nominate(agent, after(2100), HOST, DIRECT);
	checked(agent, after(2100), RELAY, FAR);
	assert_int_equal(checks_until(agent, after(3700), HOST, FAR), 0);
	assert_string_equal(told(agent), "path " HOST " " DIRECT);
}

/* What it goes by then, if the peer nominates a worse one after that. */
static void
expect_when_reminded(int64_t silence_ms, bool idle, const char *expected)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = after(silence_ms);

	ice_agent_set_idle(agent, start, idle);
	nominate(agent, start, HOST, DIRECT);
	run_to(agent, now);
	assert_string_equal(told(agent), "path " HOST " " DIRECT);
	ice_agent_reminded(agent, now);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	assert_string_equal(told(agent), expected);
	ice_agent_free(agent);
}

static void
reminded_it_forgets_what_was_nominated(void **state)
{
	(void)state;
	expect_when_reminded(1999, false, "");
	expect_when_reminded(2000, false, "path " RELAY " " FAR);
	/* The next check of an idle client may be 25 s off. */
	expect_when_reminded(26999, true, "");
	expect_when_reminded(27000, true, "path " RELAY " " FAR);
}

static void
reminded_it_checks_all_at_once(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, DIRECT);
	checks_until(agent, after(2500), RELAY, DIRECT);
	ice_agent_reminded(agent, after(2500));
	assert_int_equal(checks_until(agent, after(2500), RELAY, DIRECT), 1);
	assert_int_equal(checks_until(agent, after(2749), RELAY, DIRECT), 0);
	assert_int_equal(checks_until(agent, after(2750), RELAY, DIRECT), 1);
}

static void
reminded_without_a_path_nothing_changes(void **state)
{
	struct ice_agent *agent = *state;
	struct mono deadline;

	run_to(agent, after(2500));
	deadline = ice_agent_deadline(agent);
	ice_agent_reminded(agent, after(2500));
	assert_true(deadline.ns == ice_agent_deadline(agent).ns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(with_two_paths, silent_path_is_left_and_returned_to),
		AGENT_TEST(with_two_paths, silent_peer_is_awaited),
		AGENT_TEST(with_two_paths, what_is_heard_is_followed),
		AGENT_TEST(with_two_paths, dead_path_is_tried_again),
		AGENT_TEST(with_two_paths, given_up_path_is_tried_again),
		AGENT_TEST(with_two_paths, the_best_that_lives_is_followed),
		AGENT_TEST(with_two_paths, the_first_path_is_followed_at_once),
		AGENT_TEST(with_two_paths, errors_make_patient),
		AGENT_TEST(with_two_paths, an_error_is_one_of_the_first_doubt),
		AGENT_TEST(with_two_paths, what_is_not_in_use_is_not_given_up),
		AGENT_TEST(with_two_paths, the_same_choice_again_wakes_nobody),
		cmocka_unit_test(what_was_heard_is_asked_eight_times),
		cmocka_unit_test(a_path_is_asked_when_it_was_silent),
		cmocka_unit_test(after_an_error_it_is_asked_later),
		cmocka_unit_test(more_that_is_unanswered_changes_nothing),
		cmocka_unit_test(one_answer_is_enough),
		cmocka_unit_test(a_silent_peer_is_asked_once),
		cmocka_unit_test(a_dead_path_is_not_asked_again),
		AGENT_TEST(with_two_paths, without_a_path_nothing_is_asked),
		AGENT_TEST(with_two_paths, doubt_is_about_the_path_in_use),
		cmocka_unit_test(reminded_it_forgets_what_was_nominated),
		AGENT_TEST(with_two_paths, reminded_it_checks_all_at_once),
		AGENT_TEST(
		    with_two_paths, reminded_without_a_path_nothing_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

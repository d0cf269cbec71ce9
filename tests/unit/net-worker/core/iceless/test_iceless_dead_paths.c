/*
 * iceless/agent.c: paths that die, lead one way or never answer
 * (firezone-tunnel(7), Dead paths without ICE).
 */
#include "tests/lib/iceless_agent.h"

static void
unanswered(struct rig *r)
{
	iceless_agent_unanswered(r->agent, r->now);
	drain(r);
}

/* Our host does not reach the peer's any longer; the relay still does. */
static void
direct_path_dies(struct rig *r)
{
	on_direct_path(r);
	r->deaf = PEER_HOST;
	r->mute = HOST;
	unanswered(r);
}

/* All the while data comes by it, so that nobody says it were dead. */
static void
a_path_that_leads_one_way(void **state)
{
	struct rig *r = *state;

	r->answers = true;
	with_session(r);
	pass(r, 70000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	/* One answer that is lost is none of it. */
	r->deaf = PEER_HOST;
	pass(r, 25000);
	r->deaf = NULL;
	pass(r, 50000);
	assert_int_equal(r->withdrawn, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
	r->deaf = PEER_HOST;
	pass(r, 52000);
	assert_false(primary_is(r, HOST, PEER_HOST));
}

/*
 * A handshake came by a path that does not lead back: its source address was
 * forged, or only one direction works. What answers takes its place, whatever
 * its class.
 */
static void
a_path_that_never_answers(void **state)
{
	struct rig *r = *state;

	both_ends(r);
	initiation(r, HOST, PEER_HOST);
	iceless_agent_heard(r->agent);
	assert_true(primary_is(r, HOST, PEER_HOST));
	r->answers = true;
	r->deaf = PEER_HOST;
	pass(r, 4000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	pass(r, 2000);
	assert_true(primary_is(r, RELAY, PEER_RELAY) ||
	    primary_is(r, HOST, PEER_RELAY));
	pass(r, 100000);
	assert_int_equal(r->events, 2);
	/* It leads back after all. */
	r->deaf = NULL;
	request(r, HOST, PEER_HOST);
	assert_true(primary_is(r, HOST, PEER_HOST));
}

/* 1.5 s: our relay is next, though the peer's is reached from there as well. */
static void
a_dead_path_is_left(void **state)
{
	struct rig *r = *state;
	struct endpoint host = at(HOST);

	direct_path_dies(r);
	pass(r, 1500);
	assert_int_equal(r->events, 0);
	pass(r, 50);
	assert_int_equal(r->events, 1);
	assert_true(primary_is(r, RELAY, PEER_HOST));
	assert_int_equal(r->withdrawn, 1);
	assert_true(endpoint_equal(&r->base, &host));

	/* It is offered again, and is as dead. */
	pass(r, 29000);
	assert_int_equal(r->returned, 0);
	pass(r, 60000);
	assert_int_equal(r->returned, 1);
	assert_true(endpoint_equal(&r->base, &host));
	assert_int_equal(r->events, 1);

	/* The peer asks there, and is heard. */
	r->deaf = NULL;
	request(r, HOST, PEER_HOST);
	assert_int_equal(r->events, 2);
	assert_true(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->withdrawn, 1);
}

/* However late the turn before it was. */
static void
the_verdict_is_in_time(void **state)
{
	struct rig *r = *state;

	direct_path_dies(r);
	r->now = mono_add_ms(r->now, 1500);
	iceless_agent_timeout(r->agent, r->now);
	drain(r);
	pass(r, 19);
	assert_int_equal(r->events, 0);
	pass(r, 1);
	assert_true(primary_is(r, RELAY, PEER_HOST));
}

/* Whatever somebody makes up meanwhile. */
static void
answers_to_nothing_do_not_help(void **state)
{
	struct rig *r = *state;
	size_t i;

	direct_path_dies(r);
	i = seen_index(r, HOST, PEER_HOST);
	for (unsigned n = 0; n < 15; n++) {
		reply(r, HOST, PEER_HOST, 1);
		r->seen[i].probe.sequence += 100;
		reply(r, HOST, PEER_HOST, 0);
		r->seen[i].probe.sequence -= 100;
		pass(r, 100);
	}
	pass(r, 50);
	assert_true(primary_is(r, RELAY, PEER_HOST));
}

/* The last of eight; and the others have not been asked for nothing. */
static void
a_lossy_path_stays(void **state)
{
	struct rig *r = *state;
	unsigned before, others;

	on_direct_path(r);
	before = requests(r, HOST, PEER_HOST);
	others = requests(r, RELAY, PEER_HOST);
	r->answers = false;
	unanswered(r);
	reply(r, HOST, PEER_HOST, 0);
	pass(r, 2000);
	assert_int_equal(requests(r, HOST, PEER_HOST), before + 1);
	assert_int_equal(requests(r, RELAY, PEER_HOST), others);
	unanswered(r);
	pass(r, 1500);
	assert_int_equal(requests(r, HOST, PEER_HOST), before + 1 + 8);
	assert_true(requests(r, RELAY, PEER_HOST) > others);
	r->answers = true;
	reply(r, HOST, PEER_HOST, 0);
	pass(r, 60000);
	assert_int_equal(r->events, 0);
	assert_int_equal(r->withdrawn, 0);
}

/* The peer is away: nothing is withdrawn, and where it comes back counts. */
static void
silence_is_no_death(void **state)
{
	static const char second[] = "10.9.0.1:52625";
	struct rig *r = *state;

	on_direct_path(r);
	add_local(r, CANDIDATE_HOST, second, second);
	pass(r, 60000);
	r->events = 0;
	r->answers = false;
	unanswered(r);
	pass(r, 60000);
	assert_int_equal(r->events, 0);
	assert_int_equal(r->withdrawn, 0);
	r->answers = true;
	pass(r, 1000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->withdrawn, 0);
}

/* A relay of ours that dies is no base that the peer could try again. */
static void
a_dead_relay_is_not_withdrawn(void **state)
{
	struct rig *r = *state;

	on_own_relay(r);
	r->mute = RELAY;
	unanswered(r);
	pass(r, 1600);
	assert_true(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->withdrawn, 0);
}

/* After any time, if only now and then; until it is heard there. */
static void
a_dead_path_is_tried_again(void **state)
{
	struct rig *r = *state;
	unsigned before;

	direct_path_dies(r);
	pass(r, 33000);
	assert_int_equal(r->returned, 1);
	/* After 2, 6, 14 and 30 minutes, and then each 32. */
	pass(r, 2000000);
	assert_int_equal(r->withdrawn, 5);
	assert_int_equal(r->returned, 5);
	pass(r, 1000000);
	before = requests(r, HOST, PEER_HOST);
	pass(r, 700000);
	assert_int_equal(requests(r, HOST, PEER_HOST), before);
	r->deaf = NULL;
	pass(r, 120000);
	assert_int_equal(r->returned, 6);
	assert_true(primary_is(r, HOST, PEER_HOST));
	pass(r, 7200000);
	assert_int_equal(r->withdrawn, 6);
	assert_int_equal(r->returned, 6);
}

/* What is in use is not withdrawn for the sake of what was. */
static void
a_base_in_use_stays(void **state)
{
	struct rig *r = *state;

	direct_path_dies(r);
	pass(r, 60000);
	assert_int_equal(r->returned, 1);
	assert_true(remove_local(r, CANDIDATE_RELAYED, RELAY));
	pass(r, 2000);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	pass(r, 7200000);
	assert_int_equal(r->withdrawn, 1);
	/* Nor is anything while there is no path. */
	r->answers = false;
	unanswered(r);
	pass(r, 7200000);
	assert_int_equal(r->withdrawn, 1);
}

/* It was lost in silence of all, so that nobody was led away. */
static void
a_path_lost_in_silence_is_tried_again(void **state)
{
	struct rig *r = *state;

	on_direct_path(r);
	r->answers = false;
	unanswered(r);
	pass(r, 10000);
	r->answers = true;
	r->deaf = PEER_HOST;
	r->mute = HOST;
	pass(r, 60000);
	assert_false(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->withdrawn, 0);
	pass(r, 120000);
	assert_int_equal(r->withdrawn, 1);
	assert_int_equal(r->returned, 1);
	/* Nobody is there any more to be tried. */
	r->deaf = PEER_RELAY;
	remove_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	pass(r, 300000);
	pass(r, 7200000);
	assert_int_equal(r->withdrawn, 2);
}

/* Where the peer is still heard it need not be led away from. */
static void
a_base_that_hears_the_peer_stays(void **state)
{
	static const char second[] = "192.0.2.8:40000";
	struct rig *r = *state;

	with_session(r);
	add_remote(r, CANDIDATE_HOST, second, second);
	r->answers = true;
	r->deaf = second;
	pass(r, 2000);
	r->deaf = NULL;
	pass(r, 60000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	r->deaf = PEER_HOST;
	r->mute = HOST;
	unanswered(r);
	pass(r, 1600);
	assert_true(primary_is(r, HOST, second));
	assert_int_equal(r->withdrawn, 0);
}

/* Until then it is not asked there; then it is, before it asks. */
static void
a_base_returns_after_thirty_seconds(void **state)
{
	struct rig *r = *state;
	unsigned direct, far, relayed;

	direct_path_dies(r);
	pass(r, 1520 + 29999);
	assert_int_equal(r->withdrawn, 1);
	assert_int_equal(r->returned, 0);
	direct = requests(r, HOST, PEER_HOST);
	far = requests(r, HOST, PEER_RELAY);
	relayed = requests(r, RELAY, PEER_RELAY);
	pass(r, 1);
	assert_int_equal(r->returned, 1);
	assert_int_equal(requests(r, HOST, PEER_HOST), direct + 1);
	assert_int_equal(requests(r, HOST, PEER_RELAY), far + 1);
	assert_int_equal(requests(r, RELAY, PEER_RELAY), relayed);
}

/* Each in its own time. */
static void
the_second_base_returns_later(void **state)
{
	static const char second[] = "10.9.0.1:52625";
	struct rig *r = *state;

	with_session(r);
	add_local(r, CANDIDATE_HOST, second, second);
	r->answers = true;
	pass(r, 60000);
	assert_true(primary_is(r, HOST, PEER_HOST));
	r->deaf = PEER_HOST;
	r->mute = HOST;
	unanswered(r);
	pass(r, 1520 + 5000);
	assert_true(primary_is(r, second, PEER_HOST));
	r->mute = NULL;
	unanswered(r);
	pass(r, 1520);
	assert_int_equal(r->withdrawn, 2);
	pass(r, 30000 - 5000 - 1520 - 1);
	assert_int_equal(r->returned, 0);
	pass(r, 1);
	assert_int_equal(r->returned, 1);
	pass(r, 5000 + 1520 - 1);
	assert_int_equal(r->returned, 1);
	pass(r, 1);
	assert_int_equal(r->returned, 2);
}

/* For want of another, and it has not to prove itself again. */
static void
a_left_base_is_better_than_none(void **state)
{
	struct rig *r = *state;
	unsigned direct, far;

	direct_path_dies(r);
	pass(r, 1520);
	assert_true(primary_is(r, RELAY, PEER_HOST));
	pass(r, 10000);
	assert_true(remove_local(r, CANDIDATE_RELAYED, RELAY));
	assert_true(primary_is(r, HOST, PEER_RELAY));
	pass(r, 19999);
	direct = requests(r, HOST, PEER_HOST);
	far = requests(r, HOST, PEER_RELAY);
	pass(r, 1);
	assert_int_equal(r->returned, 1);
	assert_int_equal(requests(r, HOST, PEER_HOST), direct + 1);
	assert_int_equal(requests(r, HOST, PEER_RELAY), far);
}

/* The answer was on its way when the others came to be asked. */
static void
a_slow_answer_is_one(void **state)
{
	struct rig *r = *state;
	struct path path = between(HOST, PEER_HOST);
	struct probe probe;

	on_direct_path(r);
	r->deaf = PEER_HOST;
	unanswered(r);
	pass(r, 400);
	probe = r->seen[seen_index(r, HOST, PEER_HOST)].probe;
	pass(r, 300);
	probe.is_reply = true;
	iceless_agent_probe(r->agent, r->now, &path, &probe);
	drain(r);
	pass(r, 2000);
	assert_int_equal(r->events, 0);
	assert_int_equal(r->withdrawn, 0);
}

/* Its answers take a second in any case. */
static void
a_far_peer_is_given_time(void **state)
{
	struct rig *r = *state;
	unsigned before;

	on_direct_path(r);
	before = requests(r, HOST, PEER_HOST);
	r->answers = false;
	while (requests(r, HOST, PEER_HOST) == before)
		pass(r, 10);
	pass(r, 2000);
	reply(r, HOST, PEER_HOST, 0);
	r->answers = true;
	r->deaf = PEER_HOST;
	r->mute = HOST;
	unanswered(r);
	pass(r, 1520 + 900);
	assert_int_equal(r->events, 0);
	pass(r, 200);
	assert_true(primary_is(r, RELAY, PEER_HOST));
}

/* The fifth one is offered all the while. */
static void
four_bases_are_left_at_a_time(void **state)
{
	struct rig *r = *state;
	char address[] = "10.9.0.0:52625";

	with_session(r);
	for (unsigned i = 0; i < 4; i++) {
		address[7] = (char)('1' + i);
		add_local(r, CANDIDATE_HOST, address, address);
	}
	r->answers = true;
	pass(r, 60000);
	r->deaf = PEER_HOST;
	unanswered(r);
	pass(r, 1600);
	assert_int_equal(r->withdrawn, 4);
	assert_true(primary_is(r, address, PEER_RELAY));
	pass(r, 30000);
	assert_int_equal(r->returned, 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(a_path_that_leads_one_way),
		AGENT_TEST(a_path_that_never_answers),
		AGENT_TEST(a_dead_path_is_left),
		AGENT_TEST(the_verdict_is_in_time),
		AGENT_TEST(answers_to_nothing_do_not_help),
		AGENT_TEST(a_lossy_path_stays),
		AGENT_TEST(silence_is_no_death),
		AGENT_TEST(a_dead_relay_is_not_withdrawn),
		AGENT_TEST(a_dead_path_is_tried_again),
		AGENT_TEST(a_base_in_use_stays),
		AGENT_TEST(a_path_lost_in_silence_is_tried_again),
		AGENT_TEST(a_base_that_hears_the_peer_stays),
		AGENT_TEST(a_base_returns_after_thirty_seconds),
		AGENT_TEST(the_second_base_returns_later),
		AGENT_TEST(a_left_base_is_better_than_none),
		AGENT_TEST(a_slow_answer_is_one),
		AGENT_TEST(a_far_peer_is_given_time),
		AGENT_TEST(four_bases_are_left_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

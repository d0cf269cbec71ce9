/*
 * agent_dead.c: which of our addresses the peer is led away from, and when it
 * may use them again (firezone-tunnel(7), Dead paths).
 */
#include "tests/lib/ice_watch.h"

#define VERDICT_MS 3520 /* 2 s of silence, and eight checks */
#define RETURN_MS  (VERDICT_MS + 30000)

/* With a second address of each kind that is no relay's. */
static struct ice_agent *
make_more_paths(void)
{
	struct ice_agent *agent = make_two_paths();

	add_local(agent, start, CANDIDATE_HOST, SECOND_HOST);
	add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, OTHER, 1686109695);
	nominate(agent, start, HOST, DIRECT);
	assert_told(agent, start, "path " HOST " " DIRECT);
	return agent;
}

static int
with_more_paths(void **state)
{
	*state = make_more_paths();
	return 0;
}

/* Nothing comes by the path any longer. */
static void
path_dies(struct ice_agent *agent)
{
	run_to(agent, after(2000));
	ice_agent_unanswered(agent, after(2000));
	run_to(agent, after(2500));
}

/* Only what leads from our relay to the Client's answers then, unchosen. */
static void
host_alone_is_left(struct ice_agent *agent)
{
	path_dies(agent);
	checked(agent, after(2500), RELAY, FAR);
	assert_told(agent, after(VERDICT_MS), "leave " HOST);
}

/* The Client goes there. */
static void
path_moves_to_relay(struct ice_agent *agent)
{
	path_dies(agent);
	nominate(agent, after(2500), RELAY, FAR);
	assert_told(
	    agent, after(VERDICT_MS), "leave " HOST ", path " RELAY " " FAR);
}

static void
all_that_fell_silent_are_left(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, SECOND_HOST, DIRECT);
	checked(agent, start, RELAY, DIRECT);
	path_dies(agent);
	nominate(agent, after(2500), RELAY, FAR);
	assert_told(agent, after(VERDICT_MS),
	    "leave " HOST ", leave " SECOND_HOST ", path " RELAY " " FAR);
	assert_told(agent, after(RETURN_MS - 1), "");
	assert_told(
	    agent, after(RETURN_MS), "return " HOST ", return " SECOND_HOST);
}

/* Whether it would be is not known. */
static void
one_that_was_never_heard_is_not(void **state)
{
	struct ice_agent *agent = *state;

	host_alone_is_left(agent);
}

static void
one_that_still_hears_the_peer_is_not(void **state)
{
	struct ice_agent *agent = *state;

	checked(agent, start, SECOND_HOST, DIRECT);
	path_dies(agent);
	checked(agent, after(2500), RELAY, FAR);
	checked(agent, after(2500), SECOND_HOST, OTHER);
	assert_told(agent, after(VERDICT_MS), "leave " HOST);
}

/* The peer's relay is no peer: it answers when the peer itself does not. */
static void
the_relay_of_the_peer_is_no_sign_of_it(void **state)
{
	struct ice_agent *agent = *state;

	checked(agent, start, SECOND_HOST, DIRECT);
	path_dies(agent);
	checked(agent, after(2500), SECOND_HOST, FAR);
	assert_told(
	    agent, after(VERDICT_MS), "leave " HOST ", leave " SECOND_HOST);
}

static void
nor_is_its_silence(void **state)
{
	struct ice_agent *agent = *state;

	checked(agent, start, SECOND_HOST, FAR);
	host_alone_is_left(agent);
}

/* That is not where the peer would have to be led away from. */
static void
an_address_that_works_otherwise_stays(void **state)
{
	struct ice_agent *agent = *state;

	checked(agent, start, RELAY, FAR);
	path_dies(agent);
	nominate(agent, after(2500), HOST, FAR);
	assert_told(agent, after(VERDICT_MS), "path " HOST " " FAR);
}

/* ... but it is, when the peer can be led to another one. */
static void
it_does_not_with_another_address(void **state)
{
	struct ice_agent *agent = *state;

	path_dies(agent);
	checked(agent, after(2500), HOST, OTHER);
	checked(agent, after(2500), RELAY, FAR);
	assert_told(agent, after(VERDICT_MS), "leave " HOST);
}

/* An allocated address cannot be tried again. */
static void
a_relayed_path_leads_to_nothing(void **state)
{
	struct ice_agent *agent = *state;

	add_local(agent, start, CANDIDATE_HOST, SECOND_HOST);
	nominate(agent, start, RELAY, FAR);
	checked(agent, start, SECOND_HOST, DIRECT);
	assert_told(agent, start, "path " RELAY " " FAR);
	path_dies(agent);
	nominate(agent, after(2500), HOST, FAR);
	assert_told(agent, after(2500), "path " HOST " " FAR);
	assert_told(agent, after(RETURN_MS), "");
}

static void
a_dead_relayed_path_is_not_chosen(void **state)
{
	struct ice_agent *agent = *state;

	add_local(agent, start, CANDIDATE_HOST, SECOND_HOST);
	/* Of the two, the relay with the better remote end is preferred. */
	nominate(agent, start, RELAY, DIRECT);
	nominate(agent, start, RELAY, FAR);
	checked(agent, start, SECOND_HOST, DIRECT);
	assert_told(agent, start, "path " RELAY " " DIRECT);
	path_dies(agent);
	nominate(agent, after(2500), RELAY, FAR);
	checked(agent, after(2500), HOST, DIRECT);
	assert_told(agent, after(VERDICT_MS - 1), "");
	assert_told(agent, after(VERDICT_MS), "path " RELAY " " FAR);
}

/*
 * What works there works for want of a better one only: what is silent is not
 * preferred to it for its rank.
 */
static void
what_still_works_there_serves_meanwhile(void **state)
{
	struct ice_agent *agent = *state;

	path_dies(agent);
	nominate(agent, after(2500), HOST, FAR);
	checked(agent, after(2500), RELAY, FAR);
	assert_told(
	    agent, after(VERDICT_MS), "leave " HOST ", path " HOST " " FAR);
	nominate(agent, after(4000), RELAY, FAR);
	assert_told(agent, after(4000), "path " RELAY " " FAR);
}

static void
what_is_silent_there_does_not(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, HOST, FAR);
	host_alone_is_left(agent);
}

/* The host is left, is used again with FAR, and 2 s are enough there. */
static void
assert_patience_is_short(struct ice_agent *agent)
{
	checked(agent, after(2500), RELAY, FAR);
	run_to(agent, after(VERDICT_MS));
	nominate(agent, after(4000), HOST, FAR);
	nominate(agent, after(4000), RELAY, FAR);
	assert_told(agent, after(4000), "leave " HOST ", path " HOST " " FAR);
	heard(agent, after(6000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
}

/* What was not in use was not given up, so it cannot have been in error. */
static void
patience_is_for_paths_given_up(void **state)
{
	struct ice_agent *agent = *state;

	/* As silent as the path, but not nominated. */
	checked(agent, start, HOST, FAR);
	path_dies(agent);
	assert_patience_is_short(agent);
}

static void
nor_is_it_for_those_that_work(void **state)
{
	struct ice_agent *agent = *state;

	path_dies(agent);
	nominate(agent, after(2500), HOST, FAR);
	assert_patience_is_short(agent);
}

/* The fifth one is offered all the while. */
static void
four_are_left_at_a_time(void **state)
{
	struct ice_agent *agent = *state;
	char address[] = "10.8.0.0:52625";

	for (unsigned i = 0; i < 4; i++) {
		address[7] = (char)('1' + i);
		add_local(agent, start, CANDIDATE_HOST, address);
		checked(agent, start, address, DIRECT);
	}
	for (unsigned again = 0; again < 2; again++) {
		int64_t begin = again * 40000;

		nominate(agent, after(begin), HOST, DIRECT);
		run_to(agent, after(begin + 2000));
		told(agent);
		ice_agent_unanswered(agent, after(begin + 2000));
		run_to(agent, after(begin + 2500));
		checked(agent, after(begin + 2500), RELAY, FAR);
		assert_told(agent, after(begin + VERDICT_MS),
		    "leave " HOST ", leave 10.8.0.1:52625, "
		    "leave 10.8.0.2:52625, leave 10.8.0.3:52625");
		assert_told(agent, after(begin + RETURN_MS),
		    "return " HOST ", return 10.8.0.1:52625, "
		    "return 10.8.0.2:52625, return 10.8.0.3:52625");
	}
}

/* The peer has nominated it anew since. */
static void
a_return_leaves_what_is_in_use_alone(void **state)
{
	struct ice_agent *agent = *state;

	path_moves_to_relay(agent);
	nominate(agent, after(6000), HOST, DIRECT);
	assert_told(agent, after(6000), "path " HOST " " DIRECT);
	run_to(agent, after(RETURN_MS - 1));
	nominate(agent, after(RETURN_MS - 1), RELAY, FAR);
	assert_told(agent, after(RETURN_MS), "return " HOST);
}

/* Until the peer has chosen another path, the dead one is better than none. */
static void
the_only_path_is_not_lost_by_it(void **state)
{
	struct ice_agent *agent = *state;

	host_alone_is_left(agent);
	assert_told(agent, after(RETURN_MS), "return " HOST);
}

/* Only what was nominated at that address is forgotten. */
static void
other_addresses_keep_their_nominations(void **state)
{
	struct ice_agent *agent = *state;

	nominate(agent, start, SECOND_HOST, DIRECT);
	nominate(agent, start, RELAY, FAR);
	path_dies(agent);
	checked(agent, after(2500), SECOND_HOST, OTHER);
	checked(agent, after(2500), RELAY, FAR);
	assert_told(agent, after(VERDICT_MS),
	    "leave " HOST ", path " SECOND_HOST " " DIRECT);
	/* It has died as well. */
	heard(agent, after(4000), RELAY, FAR);
	assert_string_equal(told(agent), "path " RELAY " " FAR);
	assert_told(agent, after(RETURN_MS), "return " HOST);
	heard(agent, after(RETURN_MS), SECOND_HOST, DIRECT);
	assert_string_equal(told(agent), "path " SECOND_HOST " " DIRECT);
}

/* So that filters on the way are open when the peer tries. */
static void
what_returns_is_checked_at_once(void **state)
{
	static const struct {
		const char *local, *remote;
		unsigned checks;
	} rows[] = {
		{ HOST, DIRECT, 1 }, { HOST, FAR, 1 }, { RELAY, FAR, 0 },
		{ HOST, OTHER, 0 }, /* it was never heard */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ice_agent *agent = make_more_paths();

		checked(agent, start, HOST, FAR);
		path_dies(agent);
		nominate(agent, after(2500), RELAY, FAR);
		checks_until(agent, after(RETURN_MS - 1), HOST, DIRECT);
		assert_int_equal(checks_until(agent, after(RETURN_MS),
				     rows[i].local, rows[i].remote),
		    rows[i].checks);
		ice_agent_free(agent);
	}
}

/* It dies again before it was offered again: the peer knows. */
static void
one_is_left_once(void **state)
{
	struct ice_agent *agent = *state;

	path_moves_to_relay(agent);
	/* More than 5 s later: no error. */
	nominate(agent, after(10000), HOST, DIRECT);
	assert_told(agent, after(10000), "path " HOST " " DIRECT);
	ice_agent_unanswered(agent, after(12000));
	run_to(agent, after(12500));
	nominate(agent, after(12500), RELAY, FAR);
	assert_told(agent, after(10000 + RETURN_MS - 1), "path " RELAY " " FAR);
	assert_told(agent, after(10000 + RETURN_MS), "return " HOST);
}

/* Each in its own time. */
static void
the_second_one_returns_later(void **state)
{
	struct ice_agent *agent = *state;

	path_dies(agent);
	nominate(agent, after(2500), SECOND_HOST, DIRECT);
	nominate(agent, after(2500), RELAY, FAR);
	assert_told(agent, after(VERDICT_MS),
	    "leave " HOST ", path " SECOND_HOST " " DIRECT);
	run_to(agent, after(4700));
	ice_agent_unanswered(agent, after(4700));
	run_to(agent, after(5000));
	checked(agent, after(5000), RELAY, FAR);
	/* It is not silent any more: it is not left for longer. */
	checked(agent, after(5000), HOST, DIRECT);
	assert_told(agent, after(4700 + 1520),
	    "leave " SECOND_HOST ", path " RELAY " " FAR);
	assert_told(agent, after(RETURN_MS), "return " HOST);
	assert_told(agent, after(4700 + 1520 + 29999), "");
	assert_told(agent, after(4700 + 1520 + 30000), "return " SECOND_HOST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(with_more_paths, all_that_fell_silent_are_left),
		AGENT_TEST(with_more_paths, one_that_was_never_heard_is_not),
		AGENT_TEST(
		    with_more_paths, one_that_still_hears_the_peer_is_not),
		AGENT_TEST(
		    with_more_paths, the_relay_of_the_peer_is_no_sign_of_it),
		AGENT_TEST(with_more_paths, nor_is_its_silence),
		AGENT_TEST(
		    with_more_paths, an_address_that_works_otherwise_stays),
		AGENT_TEST(with_more_paths, it_does_not_with_another_address),
		AGENT_TEST(with_two_paths, a_relayed_path_leads_to_nothing),
		AGENT_TEST(with_two_paths, a_dead_relayed_path_is_not_chosen),
		AGENT_TEST(
		    with_more_paths, what_still_works_there_serves_meanwhile),
		AGENT_TEST(with_more_paths, what_is_silent_there_does_not),
		AGENT_TEST(with_more_paths, patience_is_for_paths_given_up),
		AGENT_TEST(with_more_paths, nor_is_it_for_those_that_work),
		AGENT_TEST(with_two_paths, four_are_left_at_a_time),
		AGENT_TEST(
		    with_more_paths, a_return_leaves_what_is_in_use_alone),
		AGENT_TEST(with_more_paths, the_only_path_is_not_lost_by_it),
		AGENT_TEST(
		    with_more_paths, other_addresses_keep_their_nominations),
		cmocka_unit_test(what_returns_is_checked_at_once),
		AGENT_TEST(with_more_paths, one_is_left_once),
		AGENT_TEST(with_more_paths, the_second_one_returns_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * iceless/agent.c: relays to which the peer is known to have candidates, and
 * which are no more (firezone-tunnel(7), Relays without ICE).
 */
#include "tests/lib/iceless_agent.h"

#define OTHER_PEER_RELAY "198.51.100.78:50008"

static void
relay_gone(struct rig *r, const char *address)
{
	struct endpoint e = at(address);

	iceless_agent_relay_gone(r->agent, r->now, &e.ip);
	drain(r);
}

/* The peer is reached by its first relay only, whatever else it names. */
static void
by_its_relay(struct rig *r)
{
	with_session(r);
	r->answers = true;
	r->deaf = PEER_HOST;
	r->mute = HOST;
	remove_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	pass(r, 60000);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	r->deaf = OTHER_PEER_RELAY;
	r->mute = NULL;
	add_remote(r, CANDIDATE_RELAYED, OTHER_PEER_RELAY, PEER_RELAY);
	pass(r, 60000);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	r->events = 0;
}

/* Nobody has said that it were dead, and nothing was sent in vain. */
static void
all_others_are_asked_at_once(void **state)
{
	struct rig *r = *state;
	unsigned before, other;

	by_its_relay(r);
	before = requests(r, HOST, PEER_RELAY);
	other = requests(r, HOST, OTHER_PEER_RELAY);
	r->deaf = PEER_RELAY;
	relay_gone(r, PEER_RELAY);
	assert_int_equal(requests(r, HOST, PEER_RELAY), before + 1);
	assert_int_equal(requests(r, HOST, OTHER_PEER_RELAY), other + 1);
	assert_true(primary_is(r, HOST, OTHER_PEER_RELAY));
	assert_int_equal(r->events, 1);
	assert_int_equal(r->withdrawn, 0);
}

/* The peer has not heard of it yet: it answers there, but not for long. */
static void
what_still_answers_there_comes_last(void **state)
{
	struct rig *r = *state;

	by_its_relay(r);
	r->deaf = NULL;
	relay_gone(r, PEER_RELAY);
	assert_true(primary_is(r, HOST, OTHER_PEER_RELAY));
	pass(r, 60000);
	assert_true(primary_is(r, HOST, OTHER_PEER_RELAY));
	/* So does what is paired with it later, but for want of others. */
	add_local(r, CANDIDATE_RELAYED, SECOND_RELAY, SECOND_RELAY);
	pass(r, 60000);
	assert_true(primary_is(r, HOST, OTHER_PEER_RELAY));
	remove_remote(r, CANDIDATE_RELAYED, OTHER_PEER_RELAY, PEER_RELAY);
	pass(r, 2000);
	assert_true(primary_is(r, HOST, PEER_RELAY));
}

/* Its new address there is as good as any. */
static void
a_relay_that_is_there_again(void **state)
{
	static const char again[] = "198.51.100.77:50077";
	struct rig *r = *state;

	by_its_relay(r);
	relay_gone(r, PEER_RELAY);
	add_remote(r, CANDIDATE_RELAYED, again, PEER_HOST);
	pass(r, 2000);
	assert_true(primary_is(r, HOST, again));
	/* Named once more it takes the place of none. */
	remove_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
	remove_remote(r, CANDIDATE_RELAYED, again, PEER_HOST);
	add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
	r->deaf = NULL;
	pass(r, 2000);
	assert_true(primary_is(r, HOST, PEER_RELAY));
}

static void
other_paths_go_on(void **state)
{
	struct rig *r = *state;
	unsigned before;

	on_direct_path(r);
	before = requests(r, HOST, PEER_RELAY);
	relay_gone(r, PEER_RELAY);
	relay_gone(r, OTHER_PEER_RELAY);
	pass(r, 20000);
	assert_int_equal(requests(r, HOST, PEER_RELAY), before);
	assert_int_equal(r->events, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(all_others_are_asked_at_once),
		AGENT_TEST(what_still_answers_there_comes_last),
		AGENT_TEST(a_relay_that_is_there_again),
		AGENT_TEST(other_paths_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

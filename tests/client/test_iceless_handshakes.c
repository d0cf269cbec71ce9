/*
 * Handshakes of the path agent without ICE: where they go, and what they say of
 * paths (firezone-tunnel(7), ICE-less cases).
 */
#include "tests/client/iceless_bench.h"

static void
test_initiation_goes_to_relays(void **state __attribute__((unused)))
{
	four_pairs();
	initiate(7);
	assert_int_equal(n_sent, 3);
	assert_int_equal(count_of(HANDSHAKE, OUR_HOST, THEIR_HOST), 0);
	assert_int_equal(count_of(HANDSHAKE, OUR_HOST, THEIR_RELAY), 1);
	assert_int_equal(count_of(HANDSHAKE, OUR_RELAY, THEIR_HOST), 1);
	assert_int_equal(count_of(HANDSHAKE, OUR_RELAY, THEIR_RELAY), 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sent[i].bytes[0], 7);
	pass(49);
	assert_int_equal(n_sent, 3);
	pass(1);
	assert_int_equal(n_sent, 6);
}

static void
test_series_of_copies(void **state __attribute__((unused)))
{
	static const int64_t gaps[] = { 50, 50, 50, 100, 200, 400, 800, 1600 };

	local(host(OUR_HOST));
	remote(relay(THEIR_RELAY, THEIR_HOST));
	initiate(1);
	pass(60000);
	assert_int_equal(n_sent, 9);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
		    mono_ms_between(sent[i].at, sent[i + 1].at), gaps[i]);
	initiate(2); /* once, and no new series */
	pass(60000);
	assert_int_equal(n_sent, 10);
	assert_int_equal(sent[9].bytes[0], 2);
}

static void
test_late_pair_gets_the_series(void **state __attribute__((unused)))
{
	local(host(OUR_HOST));
	initiate(1);
	pass(1500);
	assert_int_equal(n_sent, 0);
	remote(relay(THEIR_RELAY, THEIR_HOST));
	pass(0);
	assert_int_equal(n_sent, 1);
	pass(700); /* 50 100 150 250 450 */
	assert_int_equal(n_sent, 6);
	initiate(2);
	assert_int_equal(n_sent, 7);
	pass(60000);
	assert_int_equal(n_sent, 10);
	assert_int_equal(sent[9].bytes[0], 2);
}

static void
test_response_ends_the_series(void **state __attribute__((unused)))
{
	four_pairs();
	initiate(1);
	respond(1, OUR_RELAY, THEIR_HOST);
	n_sent = 0;
	pass(5000);
	assert_int_equal(count_of(HANDSHAKE, NULL, NULL), 0);
	assert_true(count_of(REQUEST, OUR_HOST, THEIR_HOST) > 0);
}

static void
test_copies_of_initiations(void **state __attribute__((unused)))
{
	struct path path = between(OUR_RELAY, THEIR_HOST);
	struct path other = between(OUR_HOST, THEIR_RELAY);
	uint8_t message[NOISE_INITIATION_LEN];

	four_pairs();
	memset(message, 3, sizeof(message));
	assert_true(iceless_initiation_is_new(&agent, &path, message, now));
	/* It was rejected: nothing has changed. */
	assert_true(iceless_initiation_is_new(&agent, &path, message, now));
	assert_false(agent.has_session || agent.has_primary);
	assert_int_equal(n_sent, 0);
	peer_initiates(3, OUR_RELAY, THEIR_HOST);
	assert_chosen(OUR_RELAY, THEIR_HOST);
	assert_int_equal(n_sent, 1);
	now = mono_add_ms(now, 9999);
	assert_false(iceless_initiation_is_new(&agent, &other, message, now));
	assert_int_equal(n_sent, 2);
	assert_true(same(&sent[1].path, &other));
	assert_memory_equal(sent[1].bytes, message, NOISE_RESPONSE_LEN);
	now = mono_add_ms(now, 1);
	assert_false(iceless_initiation_is_new(&agent, &other, message, now));
	assert_int_equal(n_sent, 2);
}

static void
test_path_of_the_response(void **state __attribute__((unused)))
{
	four_pairs();
	initiate(1);
	respond(1, OUR_RELAY, THEIR_RELAY);
	assert_chosen(OUR_RELAY, THEIR_RELAY);
	assert_true(chosen_relayed);
	initiate(2);
	respond(2, OUR_RELAY, THEIR_HOST); /* a better class */
	assert_chosen(OUR_RELAY, THEIR_HOST);
	initiate(3);
	respond(3, OUR_RELAY, THEIR_RELAY);
	assert_chosen(OUR_RELAY, THEIR_HOST);
	respond(4, "10.0.0.2:9", THEIR_HOST); /* a path that is no pair */
	assert_chosen(OUR_RELAY, THEIR_HOST);
}

static void
test_unanswered_rekeys(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	assert_chosen(OUR_HOST, THEIR_HOST);
	n_works = n_sent = 0;
	path_works(OUR_RELAY, THEIR_HOST, 5);
	initiate(2);
	assert_int_equal(n_sent, 1);
	assert_int_equal(count_of(HANDSHAKE, OUR_HOST, THEIR_HOST), 1);
	assert_true(agent.has_primary);
	respond(2, OUR_HOST, THEIR_HOST);
	initiate(3); /* the answer has reset the count */
	assert_true(agent.has_primary);
	initiate(4);
	assert_false(agent.has_primary);
	n_sent = 0;
	initiate(5); /* there is nowhere to send it */
	assert_int_equal(n_sent, 0);
	pass(5);
	assert_chosen(OUR_RELAY, THEIR_HOST);
	initiate(6); /* counted from the new path on */
	assert_true(agent.has_primary);
}

static void
test_barren_initiations(void **state __attribute__((unused)))
{
	session_over_relay();
	peer_initiates(1, OUR_RELAY, THEIR_HOST);
	iceless_data_seen(&agent);
	peer_initiates(2, OUR_RELAY, THEIR_HOST);
	assert_true(agent.has_primary);
	peer_initiates(3, OUR_RELAY, THEIR_HOST);
	assert_false(agent.has_primary);
	/* Only that of the first session makes its path primary. */
	peer_initiates(4, OUR_RELAY, THEIR_HOST);
	assert_false(agent.has_primary);
}

/* What was measured before the doubt does not count any more. */
static void
test_doubt_in_the_first_round(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 5);
	session_over_relay();
	pass(300);
	assert_chosen(OUR_HOST, THEIR_HOST);
	n_works = 0;
	path_works(OUR_RELAY, THEIR_HOST, 5);
	initiate(2);
	initiate(3);
	pass(1000);
	assert_chosen(OUR_RELAY, THEIR_HOST);
}

static void
test_new_path_resets_the_counts(void **state __attribute__((unused)))
{
	session_over_relay();
	initiate(2);
	peer_initiates(2, OUR_RELAY, THEIR_HOST);
	path_works(OUR_HOST, THEIR_HOST, 5);
	pass(1000);
	assert_chosen(OUR_HOST, THEIR_HOST);
	initiate(3);
	peer_initiates(3, OUR_HOST, THEIR_HOST);
	assert_true(agent.has_primary);
}

static void
test_stop(void **state __attribute__((unused)))
{
	session_over_relay();
	iceless_stop(&agent);
	assert_true(mono_is_never(iceless_deadline(&agent)));
	assert_int_equal(agent.n_locals, 2);
	n_sent = 0;
	iceless_start(&agent);
	remote(host(THEIR_HOST));
	initiate(1);
	assert_int_equal(count_of(HANDSHAKE, OUR_RELAY, THEIR_HOST), 1);
	assert_int_equal(n_sent, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_initiation_goes_to_relays, set_up),
		cmocka_unit_test_setup(test_series_of_copies, set_up),
		cmocka_unit_test_setup(test_late_pair_gets_the_series, set_up),
		cmocka_unit_test_setup(test_response_ends_the_series, set_up),
		cmocka_unit_test_setup(test_copies_of_initiations, set_up),
		cmocka_unit_test_setup(test_path_of_the_response, set_up),
		cmocka_unit_test_setup(test_unanswered_rekeys, set_up),
		cmocka_unit_test_setup(test_barren_initiations, set_up),
		cmocka_unit_test_setup(test_doubt_in_the_first_round, set_up),
		cmocka_unit_test_setup(test_new_path_resets_the_counts, set_up),
		cmocka_unit_test_setup(test_stop, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

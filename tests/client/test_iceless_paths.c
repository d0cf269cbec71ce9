/*
 * Candidates, probes and the choice of the path agent without ICE
 * (firezone-tunnel(7), ICE-less cases).
 */
#include "tests/client/iceless_bench.h"

static void
test_host_beats_relay(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 200);
	path_works(OUR_RELAY, THEIR_HOST, 1);
	session_over_relay();
	pass(199);
	assert_chosen(OUR_RELAY, THEIR_HOST);
	pass(1);
	assert_chosen(OUR_HOST, THEIR_HOST);
	assert_false(chosen_relayed);
	pass(60000);
	assert_chosen(OUR_HOST, THEIR_HOST);
	assert_int_equal(choices, 2);
}

/* Own relay, then theirs, then both. */
static void
test_order_of_relays(void **state __attribute__((unused)))
{
	four_pairs();
	initiate(1);
	respond(1, OUR_RELAY, THEIR_RELAY);
	path_works(OUR_RELAY, THEIR_RELAY, 1);
	pass(500);
	assert_chosen(OUR_RELAY, THEIR_RELAY);
	path_works(OUR_HOST, THEIR_RELAY, 100);
	pass(1000);
	assert_chosen(OUR_HOST, THEIR_RELAY);
	path_works(OUR_RELAY, THEIR_HOST, 300);
	pass(2000);
	assert_chosen(OUR_RELAY, THEIR_HOST);
}

static void
test_families(void **state __attribute__((unused)))
{
	local(host("10.0.0.2:5000"));
	local(host("[2001:db8::2]:5000"));
	remote(host("10.9.0.2:52625"));
	remote(host("[2001:db8:9::2]:52625"));
	remote(relay(THEIR_RELAY, THEIR_HOST));
	assert_int_equal(agent.n_pairs, 3);
	path_works("10.0.0.2:5000", "10.9.0.2:52625", 1);
	path_works("[2001:db8::2]:5000", "[2001:db8:9::2]:52625", 150);
	initiate(1);
	respond(1, OUR_HOST, THEIR_RELAY);
	pass(100);
	assert_chosen("10.0.0.2:5000", "10.9.0.2:52625");
	pass(100);
	assert_chosen("[2001:db8::2]:5000", "[2001:db8:9::2]:52625");
}

/* A relay that translates is the last choice, in spite of IPv6. */
static void
test_mixed_relay(void **state __attribute__((unused)))
{
	local(relay("[2001:db8:1::1]:50000", OUR_HOST));
	local(relay(OUR_RELAY, OUR_HOST));
	remote(host(THEIR_HOST));
	remote(host("[2001:db8:9::2]:52625"));
	path_works(OUR_RELAY, THEIR_HOST, 100);
	path_works("[2001:db8:1::1]:50000", "[2001:db8:9::2]:52625", 1);
	initiate(1);
	respond(1, "[2001:db8:1::1]:50000", "[2001:db8:9::2]:52625");
	pass(99);
	assert_chosen("[2001:db8:1::1]:50000", "[2001:db8:9::2]:52625");
	pass(1);
	assert_chosen(OUR_RELAY, THEIR_HOST);
}

/* Within a class a path must be faster by 10 ms, or by a fifth. */
static void
check_margin(int64_t current_ms, int64_t other_ms, bool switches)
{
	set_up(NULL);
	local(host(OUR_HOST));
	remote(host(THEIR_HOST));
	remote(host("10.9.0.3:52625"));
	path_works(OUR_HOST, THEIR_HOST, current_ms);
	initiate(1);
	respond(1, OUR_HOST, THEIR_HOST);
	pass(150);
	path_works(OUR_HOST, "10.9.0.3:52625", other_ms);
	pass(10000);
	assert_chosen(OUR_HOST, switches ? "10.9.0.3:52625" : THEIR_HOST);
}

static void
test_margin_within_a_class(void **state __attribute__((unused)))
{
	check_margin(30, 20, false);
	check_margin(30, 19, true);
	check_margin(100, 80, false);
	check_margin(100, 79, true);
}

static void
test_number_of_probes(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 10);
	session_over_relay();
	pass(60000);
	assert_int_equal(count_of(REQUEST, OUR_RELAY, THEIR_HOST), 12);
	assert_int_equal(count_of(REQUEST, OUR_RELAY, THEIR_RELAY), 12);
	/* The last one of the round is at 9 s, the next ones at 34 and 59. */
	assert_int_equal(count_of(REQUEST, OUR_HOST, THEIR_HOST), 14);
	pass(25000);
	assert_int_equal(count_of(REQUEST, OUR_HOST, THEIR_HOST), 15);
}

static void
test_gaps_of_probes(void **state __attribute__((unused)))
{
	static const int64_t gaps[] = { 200, 300, 500, 1000, 1000 };

	local(host(OUR_HOST));
	remote(host(THEIR_HOST));
	pass(5000);
	assert_int_equal(n_sent, 0); /* none without a session */
	respond(1, OUR_HOST, "192.0.2.99:9");
	pass(3000);
	assert_int_equal(n_sent, 6);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
		    mono_ms_between(sent[i].at, sent[i + 1].at), gaps[i]);
	for (size_t i = 0; i < 6; i++) {
		struct probe p;

		assert_true(probe_read(sent[i].bytes, PROBE_LEN, &p));
		assert_int_equal(p.sequence, i);
	}
	pass(27000); /* no primary path: they go on */
	assert_int_equal(n_sent, 33);
}

static void
reply_to(const struct sent *request, uint16_t id_off, uint16_t sequence_off)
{
	struct probe p;
	uint8_t packet[PROBE_LEN];

	assert_true(probe_read(request->bytes, PROBE_LEN, &p));
	p.reply = true;
	p.id = (uint16_t)(p.id + id_off);
	p.sequence = (uint16_t)(p.sequence + sequence_off);
	probe_write(&p, packet);
	assert_true(
	    iceless_packet(&agent, &request->path, packet, PROBE_LEN, now));
}

static void
test_forged_replies(void **state __attribute__((unused)))
{
	struct path path = between(OUR_HOST, THEIR_HOST);
	struct sent request;

	session_over_relay();
	n_sent = 0;
	pass(0);
	for (size_t i = 0; i < n_sent; i++)
		if (same(&sent[i].path, &path))
			request = sent[i];
	reply_to(&request, 1, 0);
	reply_to(&request, 0, 1);
	request.path = between(OUR_HOST, THEIR_RELAY);
	reply_to(&request, 0, 0);
	assert_chosen(OUR_RELAY, THEIR_HOST);
	request.path = path;
	reply_to(&request, 0, 0);
	assert_chosen(OUR_HOST, THEIR_HOST);
}

/* The first one as it is, then the mean; each reply counts once. */
static void
test_round_trip_times(void **state __attribute__((unused)))
{
	const struct iceless_pair *p = agent.pairs;

	local(host(OUR_HOST));
	remote(host(THEIR_HOST));
	respond(1, OUR_HOST, "192.0.2.99:9");
	pass(100);
	reply_to(&sent[0], 0, ICELESS_PROBES); /* not sent yet */
	reply_to(&sent[0], 0, (uint16_t)-ICELESS_PROBES);
	assert_int_equal(p->rtt_ns, -1);
	reply_to(&sent[0], 0, 0);
	assert_int_equal(p->rtt_ns, 100000000);
	pass(120);
	reply_to(&sent[0], 0, 0);
	assert_int_equal(p->rtt_ns, 100000000);
	reply_to(&sent[1], 0, 0);
	assert_int_equal(p->rtt_ns, 60000000);
}

static void
test_ids(void **state __attribute__((unused)))
{
	four_pairs();
	for (size_t i = 0; i < agent.n_pairs; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(
			    agent.pairs[i].id, agent.pairs[k].id);
}

/* One that was measured and lost the choice stays quiet. */
static void
test_request_on_a_measured_path(void **state __attribute__((unused)))
{
	struct path path = between(OUR_RELAY, THEIR_HOST);
	struct probe p = { .id = 77 };
	uint8_t packet[PROBE_LEN];

	path_works(OUR_HOST, THEIR_HOST, 5);
	path_works(OUR_RELAY, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	n_sent = 0;
	probe_write(&p, packet);
	assert_true(iceless_packet(&agent, &path, packet, PROBE_LEN, now));
	pass(5000);
	assert_int_equal(count_of(REQUEST, OUR_RELAY, THEIR_HOST), 0);
}

/* Answered on the path of the request, under its id. */
static void
test_requests(void **state __attribute__((unused)))
{
	struct path path = between(OUR_HOST, THEIR_HOST);
	struct probe p = { .id = 0x1234, .sequence = 0x5678 };
	uint8_t packet[PROBE_LEN];

	path_works(OUR_RELAY, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	assert_int_equal(count_of(REQUEST, OUR_HOST, THEIR_HOST), 12);
	n_sent = 0;
	probe_write(&p, packet);
	assert_true(iceless_packet(&agent, &path, packet, PROBE_LEN, now));
	assert_int_equal(n_sent, 1);
	p.reply = true;
	probe_write(&p, packet);
	assert_true(same(&sent[0].path, &path));
	assert_memory_equal(sent[0].bytes, packet, PROBE_LEN);
	/* It is tried again, and found to work. */
	path_works(OUR_HOST, THEIR_HOST, 5);
	pass(5);
	assert_chosen(OUR_HOST, THEIR_HOST);
	packet[40] = 130;
	assert_false(iceless_packet(&agent, &path, packet, PROBE_LEN, now));
}

static void
test_new_candidate(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	remote(host("10.9.0.7:52625"));
	assert_false(agent.has_primary);
	pass(5);
	assert_chosen(OUR_HOST, THEIR_HOST);
	remote(host("10.9.0.7:52625")); /* the same again */
	assert_true(agent.has_primary);
}

static void
test_withdrawals(void **state __attribute__((unused)))
{
	struct iceless_candidate gone = host(THEIR_HOST);

	path_works(OUR_HOST, THEIR_HOST, 5);
	path_works(OUR_HOST, THEIR_RELAY, 5);
	session_over_relay();
	pass(20000);
	gone.base.port++; /* not the same candidate */
	iceless_remove_remote(&agent, &gone, now);
	assert_chosen(OUR_HOST, THEIR_HOST);
	gone = host(THEIR_HOST);
	iceless_remove_remote(&agent, &gone, now);
	assert_false(agent.has_primary);
	assert_int_equal(agent.n_pairs, 2);
	pass(5);
	assert_chosen(OUR_HOST, THEIR_RELAY);
}

static void
test_roaming(void **state __attribute__((unused)))
{
	path_works(OUR_HOST, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	iceless_roam(&agent);
	n_sent = 0;
	pass(3000);
	assert_int_equal(n_sent, 0);
	path_works("10.5.0.2:6000", THEIR_HOST, 5);
	local(host("10.5.0.2:6000"));
	pass(5);
	assert_int_equal(count_of(HANDSHAKE, NULL, NULL), 0);
	assert_chosen("10.5.0.2:6000", THEIR_HOST);
}

static void
test_own_relay_lost(void **state __attribute__((unused)))
{
	struct endpoint ours = at(OUR_RELAY);

	path_works(OUR_RELAY, THEIR_HOST, 5);
	session_over_relay();
	pass(20000);
	path_works(OUR_HOST, THEIR_RELAY, 5);
	iceless_remove_local(&agent, &ours, now);
	assert_false(agent.has_primary);
	pass(5);
	assert_chosen(OUR_HOST, THEIR_RELAY);
	path_works("198.51.100.3:50001", THEIR_HOST, 50);
	local(relay("198.51.100.3:50001", OUR_HOST));
	pass(50);
	assert_chosen("198.51.100.3:50001", THEIR_HOST);
	iceless_rebuild(&agent, now);
	assert_false(agent.has_primary);
	n_sent = 0;
	pass(0);
	assert_int_equal(n_sent, agent.n_pairs);
	pass(50);
	assert_true(agent.has_primary);
}

static void
test_reflexive_remote(void **state __attribute__((unused)))
{
	struct path path = between(OUR_HOST, "203.0.113.9:4000");
	struct probe p = { .id = 9 };
	uint8_t packet[PROBE_LEN];

	session_over_relay();
	path_works(OUR_HOST, "203.0.113.9:4000", 5);
	probe_write(&p, packet);
	assert_true(iceless_packet(&agent, &path, packet, PROBE_LEN, now));
	pass(5);
	assert_chosen(OUR_HOST, "203.0.113.9:4000");
	choices = 0;
	/* Without a host, no optimistic candidate follows. */
	iceless_remove_remote(&agent,
	    &(struct iceless_candidate){
		ICELESS_HOST, at(THEIR_HOST), at(THEIR_HOST) },
	    now);
	remote(srflx("203.0.113.9:4000", THEIR_HOST));
	assert_chosen(OUR_HOST, "203.0.113.9:4000");
	assert_int_equal(choices, 0);
	for (unsigned i = 0; i < 9; i++) {
		path.remote.port++;
		assert_true(
		    iceless_packet(&agent, &path, packet, PROBE_LEN, now));
	}
	assert_int_equal(agent.n_remotes, 2 + ICELESS_REFLEXIVE_MAX);
}

/* A host's port at the address that the outside sees. */
static void
test_optimistic_candidates(void **state __attribute__((unused)))
{
	local(host(OUR_HOST));
	remote(host(THEIR_HOST));
	remote(srflx("203.0.113.9:4000", THEIR_HOST));
	assert_int_equal(agent.n_remotes, 3);
	assert_true(endpoint_equal(&agent.remotes[2].candidate.address,
	    &(struct endpoint){ ip_v4(203, 0, 113, 9), 52625 }));
	remote(host("[2001:db8::9]:4444"));
	remote(srflx("[2001:db8::8]:4000", "[2001:db8::8]:4000"));
	assert_int_equal(agent.n_remotes, 5);
}

/* Six of a kind, and no more than there is room for. */
static void
test_bounds(void **state __attribute__((unused)))
{
	static const enum iceless_kind kinds[] = { ICELESS_HOST,
		ICELESS_RELAY };
	struct iceless_candidate r = host("192.0.2.1:1000");

	local(host(OUR_HOST));
	for (unsigned k = 0; k < 2; k++)
		for (unsigned i = 0; i < 9; i++) {
			r.kind = kinds[k];
			r.address.port++;
			r.base = r.address;
			remote(r);
		}
	assert_int_equal(agent.n_remotes, 12);
	assert_int_equal(agent.n_pairs, 12);
	assert_int_equal(agent.remotes[0].candidate.address.port, 1004);
	for (unsigned i = 0; i < 9; i++) {
		r.address.port++;
		remote(srflx("203.0.113.9:4000", THEIR_HOST));
		r.kind = ICELESS_SRFLX;
		r.base = r.address;
		remote(r);
	}
	assert_int_equal(agent.n_remotes, ICELESS_REMOTES_MAX);
	assert_int_equal(agent.n_pairs, ICELESS_REMOTES_MAX);
}

/* A late reply makes a path primary whose round is over. */
static void
test_primary_stays_probed(void **state __attribute__((unused)))
{
	path_works(OUR_RELAY, THEIR_HOST, 5);
	path_works(OUR_HOST, THEIR_HOST, 11500);
	session_over_relay();
	pass(25000);
	assert_chosen(OUR_HOST, THEIR_HOST);
	n_sent = 0;
	pass(30000);
	assert_true(count_of(REQUEST, OUR_HOST, THEIR_HOST) >= 1);
}

static void
test_host_and_its_reflexive(void **state __attribute__((unused)))
{
	local(host(OUR_HOST));
	remote(host(THEIR_HOST));
	local(srflx("203.0.113.1:7000", OUR_HOST));
	local(srflx("203.0.113.1:5000", "10.0.0.3:5000"));
	assert_int_equal(agent.n_pairs, 2);
	assert_int_equal(agent.pairs[0].ours, ICELESS_SRFLX);
	assert_false(iceless_add_local(&agent,
	    &(struct iceless_candidate){
		ICELESS_HOST, at(OUR_HOST), at(OUR_HOST) },
	    now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_host_beats_relay, set_up),
		cmocka_unit_test_setup(test_order_of_relays, set_up),
		cmocka_unit_test_setup(test_families, set_up),
		cmocka_unit_test_setup(test_mixed_relay, set_up),
		cmocka_unit_test_setup(test_margin_within_a_class, set_up),
		cmocka_unit_test_setup(test_number_of_probes, set_up),
		cmocka_unit_test_setup(test_gaps_of_probes, set_up),
		cmocka_unit_test_setup(test_forged_replies, set_up),
		cmocka_unit_test_setup(test_round_trip_times, set_up),
		cmocka_unit_test_setup(test_ids, set_up),
		cmocka_unit_test_setup(test_request_on_a_measured_path, set_up),
		cmocka_unit_test_setup(test_requests, set_up),
		cmocka_unit_test_setup(test_new_candidate, set_up),
		cmocka_unit_test_setup(test_withdrawals, set_up),
		cmocka_unit_test_setup(test_roaming, set_up),
		cmocka_unit_test_setup(test_own_relay_lost, set_up),
		cmocka_unit_test_setup(test_reflexive_remote, set_up),
		cmocka_unit_test_setup(test_optimistic_candidates, set_up),
		cmocka_unit_test_setup(test_bounds, set_up),
		cmocka_unit_test_setup(test_primary_stays_probed, set_up),
		cmocka_unit_test_setup(test_host_and_its_reflexive, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * iceless/agent.c and pair.c: the agent alone (firezone-tunnel(7), ICE-less
 * cases). Dead paths are in test_iceless_dead_paths.
 */
#include "tests/lib/iceless_agent.h"

static void
the_first_initiation_makes_the_primary(void **state)
{
	struct rig *r = *state;

	both_ends(r);
	pass(r, 5000);
	/* No probes without a session. */
	assert_int_equal(r->paths, 0);
	assert_int_equal(r->events, 0);
	initiation(r, RELAY, PEER_RELAY);
	assert_int_equal(r->events, 1);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
	/* All four are probed at once. */
	assert_int_equal(r->paths, 4);
	/* A later one, on another path, changes nothing. */
	iceless_agent_heard(r->agent);
	initiation(r, HOST, PEER_RELAY);
	assert_int_equal(r->events, 1);
}

static void
so_does_the_path_of_the_response(void **state)
{
	struct rig *r = *state;

	both_ends(r);
	response(r, RELAY, PEER_RELAY);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
	/* A better class takes over, a worse one does not. */
	response(r, HOST, PEER_HOST);
	assert_true(primary_is(r, HOST, PEER_HOST));
	response(r, RELAY, PEER_RELAY);
	assert_int_equal(r->events, 2);
}

/* Of the same class, it is no reason to leave what is in use. */
static void
a_response_elsewhere_changes_nothing(void **state)
{
	static const char second[] = "192.0.2.8:40000";
	struct rig *r = *state;

	both_ends(r);
	add_remote(r, CANDIDATE_HOST, second, second);
	response(r, HOST, PEER_HOST);
	response(r, HOST, second);
	assert_true(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->events, 1);
}

static void
host_beats_reflexive(void **state)
{
	static const char reflexive[] = "203.0.113.9:1";
	struct rig *r = *state;

	both_ends(r);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, reflexive, PEER_HOST);
	initiation(r, HOST, reflexive);
	reply(r, HOST, reflexive, 0);
	assert_true(primary_is(r, HOST, reflexive));
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
}

static void
host_beats_relay(void **state)
{
	struct rig *r = *state;

	with_session(r);
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
	reply(r, RELAY, PEER_RELAY, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
	assert_int_equal(r->events, 2);
}

/* Of two that are relayed, the one over our own relay. */
static void
own_relay_first(void **state)
{
	struct rig *r = *state;

	both_ends(r);
	initiation(r, HOST, PEER_RELAY);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	reply(r, RELAY, PEER_HOST, 0);
	assert_true(primary_is(r, RELAY, PEER_HOST));
	reply(r, HOST, PEER_RELAY, 0);
	assert_true(primary_is(r, RELAY, PEER_HOST));
}

/* ... unless the end that is no relay's is the better one elsewhere. */
static void
the_better_end_before_the_own_relay(void **state)
{
	static const char reflexive[] = "203.0.113.9:1";
	struct rig *r = *state;

	both_ends(r);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, reflexive, PEER_HOST);
	initiation(r, RELAY, reflexive);
	reply(r, RELAY, reflexive, 0);
	assert_true(primary_is(r, RELAY, reflexive));
	reply(r, HOST, PEER_RELAY, 0);
	assert_true(primary_is(r, HOST, PEER_RELAY));
}

static void
twelve_probes_beside_a_primary(void **state)
{
	struct rig *r = *state;

	with_session(r);
	for (int64_t ms = 0; ms < 60000; ms += 100) {
		reply(r, RELAY, PEER_RELAY, 0);
		pass(r, 100);
	}
	assert_int_equal(requests(r, HOST, PEER_HOST), 12);
	/* 12 until 9 s; then 34 s and 59 s. */
	assert_int_equal(requests(r, RELAY, PEER_RELAY), 14);
}

static void
probes_without_end_without_a_primary(void **state)
{
	struct rig *r = *state;

	with_session(r);
	/* Another candidate: the primary is none until it has answered. */
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:1", PEER_HOST);
	pass(r, 30000);
	assert_true(requests(r, HOST, PEER_HOST) > 25);
	/* The newest twelve count; this is an answer to the last one. */
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
}

static void
schedule_of_the_first_probes(void **state)
{
	static const int64_t at_ms[] = { 0, 200, 500, 1000, 2000, 3000 };
	struct rig *r = *state;
	unsigned n;

	with_session(r);
	for (n = 0; n < 5; n++) {
		assert_int_equal(requests(r, HOST, PEER_HOST), n + 1);
		pass(r, at_ms[n + 1] - at_ms[n] - 1);
		assert_int_equal(requests(r, HOST, PEER_HOST), n + 1);
		pass(r, 1);
	}
}

static void
answers_that_do_not_match(void **state)
{
	struct rig *r = *state;

	with_session(r);
	reply(r, HOST, PEER_HOST, 1);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
	/* A late one, of before the last beginning. */
	r->seen[seen_index(r, HOST, PEER_HOST)].probe.sequence += 100;
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
}

/* The same answer twice is one. */
static void
answers_count_once(void **state)
{
	struct rig *r = *state;

	with_session(r);
	r->now = mono_add_ms(r->now, 40);
	reply(r, RELAY, PEER_RELAY, 0);
	r->now = mono_add_ms(r->now, 4000);
	/* Would make the primary slow, and another of its class better. */
	reply(r, RELAY, PEER_RELAY, 0);
	add_local(r, CANDIDATE_RELAYED, SECOND_RELAY, SECOND_RELAY);
	assert_int_equal(r->events, 1);
}

static void
own_initiations_without_answer(void **state)
{
	struct rig *r = *state;
	unsigned before;

	on_direct_path(r);
	r->deaf = PEER_HOST;
	initiated(r);
	before = requests(r, RELAY, PEER_RELAY);
	pass(r, 2000);
	assert_int_equal(requests(r, RELAY, PEER_RELAY), before);
	/* Answered: the next one is the first again. */
	response(r, HOST, PEER_HOST);
	initiated(r);
	pass(r, 2000);
	assert_int_equal(requests(r, RELAY, PEER_RELAY), before);
	assert_true(primary_is(r, HOST, PEER_HOST));
	initiated(r);
	assert_true(requests(r, RELAY, PEER_RELAY) > before);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	/* The third one, with a new primary, is the first of it. */
	before = r->events;
	initiated(r);
	assert_int_equal(r->events, before);
}

static void
initiations_of_the_peer_without_data(void **state)
{
	struct rig *r = *state;

	on_direct_path(r);
	r->deaf = PEER_HOST;
	initiation(r, RELAY, PEER_RELAY);
	iceless_agent_heard(r->agent);
	initiation(r, RELAY, PEER_RELAY);
	assert_true(primary_is(r, HOST, PEER_HOST));
	initiation(r, RELAY, PEER_RELAY);
	assert_true(primary_is(r, HOST, PEER_RELAY));
}

static void
another_remote_candidate(void **state)
{
	struct rig *r = *state;

	with_session(r);
	reply(r, HOST, PEER_HOST, 0);
	assert_int_equal(r->events, 2);
	pass(r, 60000);
	add_remote(r, CANDIDATE_HOST, "192.0.2.8:40000", "192.0.2.8:40000");
	assert_int_equal(r->events, 2);
	reply(r, HOST, PEER_HOST, 0);
	assert_int_equal(r->events, 3);
	assert_true(primary_is(r, HOST, PEER_HOST));
	/* The same again is nothing. */
	assert_false(add_remote(
	    r, CANDIDATE_HOST, "192.0.2.8:40000", "192.0.2.8:40000"));
}

static void
roam(void **state)
{
	struct rig *r = *state;

	with_session(r);
	r->answers = true;
	pass(r, 60000);
	assert_true(remove_local(r, CANDIDATE_HOST, HOST));
	assert_true(remove_local(r, CANDIDATE_RELAYED, RELAY));
	pass(r, 60000);
	assert_true(mono_is_never(iceless_agent_deadline(r->agent)));
	add_local(r, CANDIDATE_HOST, "10.9.0.4:52625", "10.9.0.4:52625");
	pass(r, 1000);
	assert_true(primary_is(r, "10.9.0.4:52625", PEER_HOST));
}

static void
the_peer_roams(void **state)
{
	struct rig *r = *state;

	with_session(r);
	reply(r, HOST, PEER_HOST, 0);
	pass(r, 60000);
	request(r, HOST, "203.0.113.50:7777");
	assert_int_equal(requests(r, HOST, "203.0.113.50:7777"), 1);
	reply(r, HOST, "203.0.113.50:7777", 0);
	assert_true(primary_is(r, HOST, "203.0.113.50:7777"));
	/* Six roams without a word from the portal. */
	for (unsigned i = 1; i < 7; i++) {
		char address[] = "203.0.113.5x:7777";

		address[11] = (char)('0' + i);
		request(r, HOST, address);
		reply(r, HOST, address, 0);
		assert_true(primary_is(r, HOST, address));
	}
}

static void
the_own_relay_is_lost(void **state)
{
	struct rig *r = *state;
	unsigned before;

	on_own_relay(r);
	before = requests(r, HOST, PEER_RELAY);
	remove_local(r, CANDIDATE_RELAYED, RELAY);
	assert_int_equal(requests(r, HOST, PEER_RELAY), before + 1);
	assert_true(primary_is(r, HOST, PEER_RELAY));
	add_local(r, CANDIDATE_RELAYED, SECOND_RELAY, SECOND_RELAY);
	assert_true(primary_is(r, SECOND_RELAY, PEER_HOST));
}

/* What the primary leads to is withdrawn; so is what it does not. */
static void
the_peer_withdraws(void **state)
{
	struct rig *r = *state;
	unsigned before;

	with_session(r);
	r->answers = true;
	pass(r, 60000);
	before = r->events;
	remove_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
	pass(r, 5000);
	assert_int_equal(r->events, before);
	add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
	/* Another kind: that is not the one. */
	remove_remote(r, CANDIDATE_SERVER_REFLEXIVE, PEER_HOST, HOST);
	assert_true(primary_is(r, HOST, PEER_HOST));
	remove_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	pass(r, 200);
	assert_true(primary_is(r, HOST, PEER_RELAY));
}

static void
found_then_signalled(void **state)
{
	struct rig *r = *state;
	unsigned before, asked;

	with_session(r);
	request(r, HOST, "203.0.113.50:7777");
	reply(r, HOST, "203.0.113.50:7777", 0);
	assert_true(primary_is(r, HOST, "203.0.113.50:7777"));
	before = r->events;
	asked = requests(r, HOST, "203.0.113.50:7777");
	assert_true(add_remote(r, CANDIDATE_SERVER_REFLEXIVE,
	    "203.0.113.50:7777", "192.168.1.1:1"));
	/* It need not prove itself. */
	assert_int_equal(requests(r, HOST, "203.0.113.50:7777"), asked);
	initiated(r);
	assert_int_equal(r->events, before);
	/* It still is the primary: this is what takes it away. */
	initiated(r);
	reply(r, HOST, "203.0.113.50:7777", 0);
	assert_int_equal(r->events, before + 1);
}

/* It is of the kind that the peer says. */
static void
found_then_signalled_as_a_host(void **state)
{
	static const char found[] = "192.0.2.50:7777";
	struct rig *r = *state;

	with_session(r);
	request(r, HOST, found);
	reply(r, HOST, found, 0);
	assert_true(primary_is(r, HOST, found));
	assert_true(add_remote(r, CANDIDATE_HOST, found, found));
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, found));
}

static void
what_has_not_answered_is_not_chosen(void **state)
{
	static const char second[] = "192.0.2.8:40000";
	struct rig *r = *state;

	with_session(r);
	add_remote(r, CANDIDATE_HOST, second, second);
	reply(r, RELAY, PEER_RELAY, 0);
	assert_int_equal(r->events, 2);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
}

static void
six_of_each_kind(void **state)
{
	struct rig *r = *state;
	char address[] = "192.0.2.100:40000";

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	for (unsigned i = 0; i < 9; i++) {
		address[10] = (char)('0' + i);
		assert_true(add_remote(r, CANDIDATE_HOST, address, address));
	}
	initiation(r, HOST, "192.0.2.108:40000");
	assert_int_equal(r->paths, 6);
	assert_int_equal(requests(r, HOST, "192.0.2.102:40000"), 0);
	assert_int_equal(requests(r, HOST, "192.0.2.103:40000"), 1);
}

/* Of ours as of the peer's, the one that is in use stays. */
static void
what_is_in_use_stays(void **state)
{
	struct rig *r = *state;
	char address[] = "10.0.0.10:52625";

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	r->answers = true;
	for (unsigned i = 0; i < 9; i++) {
		r->deaf = PEER_HOST;
		r->mute = address;
		address[8] = (char)('0' + i);
		assert_true(add_local(r, CANDIDATE_HOST, address, address));
		pass(r, 1000);
	}
	assert_true(primary_is(r, HOST, PEER_HOST));
}

/* A hostile peer names all it can, and comes from everywhere. */
static void
bounded(void **state)
{
	struct rig *r = *state;
	struct probe probe = { .id = 1 };
	struct path path;
	unsigned sent = 0;

	for (uint8_t i = 1; i < 200; i++) {
		struct candidate c = {
			.kind = i % 2 != 0 ? CANDIDATE_HOST : CANDIDATE_RELAYED,
			.address = { ip_v4(10, 1, 1, i), 1 },
			.base = { ip_v4(10, 1, 1, i), 1 },
		};

		iceless_agent_add_local(r->agent, r->now, &c);
		c.kind = i % 3 == 0 ? CANDIDATE_HOST
		    : i % 3 == 1    ? CANDIDATE_SERVER_REFLEXIVE
				    : CANDIDATE_RELAYED;
		c.address.ip = ip_v4(10, 2, 2, i);
		iceless_agent_add_remote(r->agent, r->now, &c);
		path = (struct path){ .local = { ip_v4(10, 1, 1, i), 1 },
			.remote = { ip_v4(10, 3, 3, i), 2 } };
		iceless_agent_initiation(r->agent, r->now, &path);
		iceless_agent_probe(r->agent, r->now, &path, &probe);
	}
	while (iceless_agent_transmit(r->agent, &path, &probe))
		sent++;
	assert_true(sent <= ICELESS_PAIRS_MAX);
	assert_true(sent > ICELESS_PAIRS_MAX / 2);
}

/* A relay that claims our own address is still one, and ranks as one. */
static void
a_relay_at_our_own_address(void **state)
{
	struct rig *r = *state;

	r->answers = true;
	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_local(r, CANDIDATE_RELAYED, HOST, HOST);
	initiation(r, HOST, PEER_HOST);
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	pass(r, 20000);
	assert_true(r->events > 0);
	assert_int_equal(r->paths, 2);
	assert_false(r->primary.relayed);
	/* It goes with its relay, not with the address. */
	assert_true(remove_local(r, CANDIDATE_HOST, HOST));
	pass(r, 2000);
	assert_true(r->primary.relayed);
}

/*
 * With more addresses than there is room for pairs of, one that is new is asked
 * from ours, and nothing else is for it.
 */
static void
a_new_address_is_asked_alone(void **state)
{
	struct candidate ours = { .kind = CANDIDATE_HOST },
			 its = { .kind = CANDIDATE_HOST };
	struct path path = between(HOST, PEER_HOST);
	struct rig *r = *state;
	struct probe probe;
	unsigned sent = 0;

	for (uint8_t i = 0; i < 6; i++) {
		ours.address = (struct endpoint){ ip_v4(10, 1, 1, i), 1 };
		ours.base = ours.address;
		iceless_agent_add_local(r->agent, r->now, &ours);
	}
	path.local = ours.base;
	iceless_agent_initiation(r->agent, r->now, &path);
	for (uint8_t i = 0; i < 18; i++) {
		its.kind = i % 3 == 0 ? CANDIDATE_HOST
		    : i % 3 == 1      ? CANDIDATE_SERVER_REFLEXIVE
				      : CANDIDATE_RELAYED;
		its.address = (struct endpoint){ ip_v4(10, 2, 2, i), 7 };
		iceless_agent_add_remote(r->agent, r->now, &its);
	}
	while (iceless_agent_transmit(r->agent, &path, &probe))
		continue;
	for (uint8_t i = 0; i < 50; i++) {
		path.local = ours.base;
		path.remote = (struct endpoint){ ip_v4(10, 3, 3, i), 1 };
		probe = (struct probe){ .id = i };
		iceless_agent_probe(r->agent, r->now, &path, &probe);
		while (iceless_agent_transmit(r->agent, &path, &probe))
			sent++;
	}
	assert_int_equal(sent, 50 * 6);
}

/*
 * A peer that has not seen a request cannot answer it: or traffic would be led
 * to whoever's address it has signalled.
 */
static void
replies_cannot_be_foretold(void **state)
{
	struct path path = between(HOST, PEER_HOST);
	struct rig *r = *state;

	with_session(r);
	for (uint16_t id = 0; id < 16; id++)
		for (uint16_t sequence = 0; sequence < 16; sequence++) {
			struct probe forged = { true, id, sequence };

			iceless_agent_probe(r->agent, r->now, &path, &forged);
			drain(r);
		}
	assert_int_equal(r->events, 1);
	assert_true(primary_is(r, RELAY, PEER_RELAY));
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
}

/* A request on a pair that has given up makes it begin again. */
static void
triggered(void **state)
{
	struct rig *r = *state;

	with_session(r);
	pass(r, 60000);
	assert_int_equal(requests(r, HOST, PEER_HOST), 12);
	request(r, HOST, PEER_HOST);
	assert_int_equal(requests(r, HOST, PEER_HOST), 13);
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
}

/* What has answered need not be asked for that. */
static void
a_measured_pair_is_not_triggered(void **state)
{
	struct rig *r = *state;

	r->answers = true;
	with_session(r);
	pass(r, 60000);
	assert_int_equal(requests(r, HOST, PEER_RELAY), 12);
	request(r, HOST, PEER_RELAY);
	assert_int_equal(requests(r, HOST, PEER_RELAY), 12);
}

/* Those in the first twelve go on, and all others begin again. */
static void
distress_leaves_first_probes_alone(void **state)
{
	struct rig *r = *state;

	with_session(r);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:1", PEER_HOST);
	pass(r, 8500);
	assert_int_equal(requests(r, HOST, PEER_HOST), 11);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:2", PEER_HOST);
	assert_int_equal(requests(r, HOST, PEER_HOST), 11);
	pass(r, 1000);
	assert_int_equal(requests(r, HOST, PEER_HOST), 12);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:3", PEER_HOST);
	assert_int_equal(requests(r, HOST, PEER_HOST), 13);
}

/* A stopped pair that becomes the primary is kept alive. */
static void
late_reply(void **state)
{
	struct rig *r = *state;

	with_session(r);
	pass(r, 30000);
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
	pass(r, 24999);
	assert_int_equal(requests(r, HOST, PEER_HOST), 12);
	pass(r, 1);
	assert_int_equal(requests(r, HOST, PEER_HOST), 13);
}

/* In one class, only what is clearly faster takes over. */
static void
round_trip_times(void **state)
{
	static const char second[] = "192.0.2.8:40000";
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	add_remote(r, CANDIDATE_HOST, second, second);
	initiation(r, HOST, PEER_HOST);
	/* 91 ms against 100: less than 20 % better. */
	r->now = mono_add_ms(r->now, 91);
	reply(r, HOST, second, 0);
	r->now = mono_add_ms(r->now, 9);
	reply(r, HOST, PEER_HOST, 0);
	assert_true(primary_is(r, HOST, PEER_HOST));
	/* (91 + 1) / 2 = 46 ms: more. */
	pass(r, 100);
	r->now = mono_add_ms(r->now, 1);
	reply(r, HOST, second, 0);
	assert_true(primary_is(r, HOST, second));
}

static void
guesses(void **state)
{
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	add_remote(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:1", PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	assert_int_equal(requests(r, HOST, "203.0.113.9:40000"), 1);
}

/* A srflx candidate of ours is announced, and pairs as the host that it is. */
static void
reflexive_of_ours(void **state)
{
	struct rig *r = *state;

	assert_true(add_local(r, CANDIDATE_HOST, HOST, HOST));
	assert_true(add_local(r, CANDIDATE_SERVER_REFLEXIVE, HOST, HOST));
	assert_true(
	    add_local(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.1:9", HOST));
	assert_false(
	    add_local(r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.1:9", HOST));
	assert_non_null(iceless_agent_get_local(r->agent, 2));
	assert_null(iceless_agent_get_local(r->agent, 3));
	add_remote(r, CANDIDATE_HOST, PEER_HOST, PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	assert_int_equal(r->paths, 1);
	/* The host goes; what is sent from there is still offered. */
	assert_true(remove_local(r, CANDIDATE_HOST, HOST));
	assert_int_equal(r->events, 1);
	initiated(r);
	initiated(r);
	reply(r, HOST, PEER_HOST, 0);
	assert_int_equal(r->events, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(the_first_initiation_makes_the_primary),
		AGENT_TEST(so_does_the_path_of_the_response),
		AGENT_TEST(a_response_elsewhere_changes_nothing),
		AGENT_TEST(host_beats_reflexive),
		AGENT_TEST(host_beats_relay),
		AGENT_TEST(own_relay_first),
		AGENT_TEST(the_better_end_before_the_own_relay),
		AGENT_TEST(twelve_probes_beside_a_primary),
		AGENT_TEST(probes_without_end_without_a_primary),
		AGENT_TEST(schedule_of_the_first_probes),
		AGENT_TEST(answers_that_do_not_match),
		AGENT_TEST(answers_count_once),
		AGENT_TEST(own_initiations_without_answer),
		AGENT_TEST(initiations_of_the_peer_without_data),
		AGENT_TEST(another_remote_candidate),
		AGENT_TEST(roam),
		AGENT_TEST(the_peer_roams),
		AGENT_TEST(the_own_relay_is_lost),
		AGENT_TEST(the_peer_withdraws),
		AGENT_TEST(found_then_signalled),
		AGENT_TEST(found_then_signalled_as_a_host),
		AGENT_TEST(what_has_not_answered_is_not_chosen),
		AGENT_TEST(six_of_each_kind),
		AGENT_TEST(what_is_in_use_stays),
		AGENT_TEST(bounded),
		AGENT_TEST(a_relay_at_our_own_address),
		AGENT_TEST(a_new_address_is_asked_alone),
		AGENT_TEST(replies_cannot_be_foretold),
		AGENT_TEST(triggered),
		AGENT_TEST(a_measured_pair_is_not_triggered),
		AGENT_TEST(distress_leaves_first_probes_alone),
		AGENT_TEST(late_reply),
		AGENT_TEST(round_trip_times),
		AGENT_TEST(guesses),
		AGENT_TEST(reflexive_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

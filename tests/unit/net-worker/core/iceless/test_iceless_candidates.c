/*
 * iceless/agent.c: how many candidates there are, what is guessed, and which
 * pairs they make (firezone-tunnel(7), Candidates without ICE).
 */
#include "tests/lib/iceless_agent.h"

#define FIRST_OF_OURS  "10.9.0.1:52625"
#define SECOND_OF_OURS "10.9.0.2:52625"
#define REFLEXIVE      "203.0.113.9:1"

static void
host(struct rig *r, const char *address)
{
	assert_true(add_remote(r, CANDIDATE_HOST, address, address));
}

static void
reflexive(struct rig *r, const char *address)
{
	assert_true(
	    add_remote(r, CANDIDATE_SERVER_REFLEXIVE, address, PEER_HOST));
}

/* Each pair is asked once when there is a session. */
static void
begin(struct rig *r)
{
	initiation(r, HOST, "203.0.113.200:9");
}

static void
two_guesses_at_a_time(void **state)
{
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	host(r, "192.0.2.1:1");
	host(r, "192.0.2.1:2");
	host(r, "192.0.2.1:3");
	host(r, "192.0.2.1:4");
	reflexive(r, REFLEXIVE);
	begin(r);
	/* At port 1 it is no guess; and where the initiation came from. */
	assert_int_equal(r->paths, 4 + 1 + 2 + 1);
	assert_int_equal(requests(r, HOST, "203.0.113.9:2"), 1);
	assert_int_equal(requests(r, HOST, "203.0.113.9:3"), 1);
	assert_int_equal(requests(r, HOST, "203.0.113.9:4"), 0);
	/* The next one that is signalled makes room for more. */
	host(r, "192.0.2.2:2");
	assert_int_equal(requests(r, HOST, "203.0.113.9:4"), 1);
}

static void
no_guess_of_ipv6(void **state)
{
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_local(r, CANDIDATE_HOST, "[fd00::4]:52625", "[fd00::4]:52625");
	host(r, "[2001:db8::1]:2");
	reflexive(r, "[2001:db8::2]:1");
	host(r, "192.0.2.1:3");
	begin(r);
	assert_int_equal(requests(r, "[fd00::4]:52625", "[2001:db8::2]:1"), 1);
	/* Three pairs, and where the initiation came from. */
	assert_int_equal(r->paths, 3 + 1);
	reflexive(r, REFLEXIVE);
	/* That, and a guess of its IPv4 host. */
	assert_int_equal(r->paths, 3 + 1 + 2);
	assert_int_equal(requests(r, HOST, "203.0.113.9:3"), 1);
}

static void
a_guess_takes_nobodys_place(void **state)
{
	struct rig *r = *state;
	char address[] = "203.0.113.0:1";

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	for (unsigned i = 0; i < 5; i++) {
		address[10] = (char)('1' + i);
		reflexive(r, address);
	}
	host(r, "192.0.2.1:7");
	begin(r);
	assert_int_equal(r->paths, 5 + 1 + 1 + 1);
	assert_int_equal(requests(r, HOST, "203.0.113.1:1"), 1);
	assert_int_equal(requests(r, HOST, "203.0.113.1:7"), 1);
	assert_int_equal(requests(r, HOST, "203.0.113.2:7"), 0);
}

/* The peer is found at four addresses at most, the newest ones. */
static void
four_found_addresses(void **state)
{
	struct rig *r = *state;
	char address[] = "203.0.113.0:7";
	unsigned before[6];

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	host(r, PEER_HOST);
	r->answers = true;
	initiation(r, HOST, PEER_HOST);
	for (unsigned i = 0; i < 6; i++) {
		address[10] = (char)('1' + i);
		request(r, HOST, address);
		before[i] = requests(r, HOST, address);
		assert_in_range(before[i], 1, 2);
	}
	pass(r, 60000);
	for (unsigned i = 0; i < 6; i++) {
		address[10] = (char)('1' + i);
		before[i] = requests(r, HOST, address);
	}
	/* All that are there are asked again. */
	initiated(r);
	initiated(r);
	for (unsigned i = 0; i < 6; i++) {
		address[10] = (char)('1' + i);
		assert_int_equal(
		    requests(r, HOST, address), before[i] + (i >= 2));
	}
}

/* Those beside it come and go. */
static void
the_second_one_may_be_in_use(void **state)
{
	struct rig *r = *state;
	unsigned before;

	add_local(r, CANDIDATE_HOST, FIRST_OF_OURS, FIRST_OF_OURS);
	add_local(r, CANDIDATE_HOST, SECOND_OF_OURS, SECOND_OF_OURS);
	host(r, PEER_HOST);
	r->answers = true;
	r->deaf = PEER_HOST;
	r->mute = FIRST_OF_OURS;
	initiation(r, SECOND_OF_OURS, PEER_HOST);
	pass(r, 60000);
	assert_true(primary_is(r, SECOND_OF_OURS, PEER_HOST));
	before = r->events;
	assert_true(remove_local(r, CANDIDATE_HOST, FIRST_OF_OURS));
	assert_false(remove_local(r, CANDIDATE_HOST, FIRST_OF_OURS));
	pass(r, 60000);
	assert_int_equal(r->events, before);
	assert_true(remove_local(r, CANDIDATE_HOST, SECOND_OF_OURS));
	pass(r, 1000);
	assert_true(mono_is_never(iceless_agent_deadline(r->agent)));
}

/* The last of its list: nothing is made of it any more. */
static void
what_we_withdrew_makes_no_pairs(void **state)
{
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_local(r, CANDIDATE_HOST, FIRST_OF_OURS, FIRST_OF_OURS);
	assert_true(remove_local(r, CANDIDATE_HOST, FIRST_OF_OURS));
	host(r, PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	assert_int_equal(r->paths, 1);
}

static void
what_the_peer_withdrew_makes_none(void **state)
{
	struct rig *r = *state;

	host(r, PEER_HOST);
	host(r, "192.0.2.8:8");
	remove_remote(r, CANDIDATE_HOST, "192.0.2.8:8", "192.0.2.8:8");
	add_local(r, CANDIDATE_HOST, HOST, HOST);
	initiation(r, HOST, PEER_HOST);
	assert_int_equal(r->paths, 1);
}

static void
nor_any_guess(void **state)
{
	struct rig *r = *state;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	reflexive(r, REFLEXIVE);
	reflexive(r, "203.0.113.10:1");
	remove_remote(
	    r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.10:1", PEER_HOST);
	host(r, PEER_HOST);
	host(r, "192.0.2.8:8");
	remove_remote(r, CANDIDATE_HOST, "192.0.2.8:8", "192.0.2.8:8");
	remove_remote(
	    r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:8", PEER_HOST);
	add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	/* Its host, relay and reflexive address, and a guess. */
	assert_int_equal(r->paths, 4);
	assert_int_equal(requests(r, HOST, "203.0.113.9:40000"), 1);
}

/* Which kind, which address and which base make a candidate. */
static void
what_makes_it_the_same(void **state)
{
	struct rig *r = *state;

	assert_true(
	    add_local(r, CANDIDATE_SERVER_REFLEXIVE, REFLEXIVE, FIRST_OF_OURS));
	assert_true(add_local(
	    r, CANDIDATE_SERVER_REFLEXIVE, REFLEXIVE, SECOND_OF_OURS));
	assert_true(add_local(
	    r, CANDIDATE_SERVER_REFLEXIVE, "203.0.113.9:2", SECOND_OF_OURS));
	assert_false(add_local(
	    r, CANDIDATE_SERVER_REFLEXIVE, REFLEXIVE, SECOND_OF_OURS));
	/* Our own may be anything but what nobody can send to. */
	assert_false(
	    add_local(r, CANDIDATE_HOST, "224.0.0.1:52625", "224.0.0.1:52625"));
	assert_true(
	    add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, "192.0.2.7:1"));
	assert_true(
	    add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, "192.0.2.7:2"));
	assert_false(
	    add_remote(r, CANDIDATE_RELAYED, PEER_RELAY, "192.0.2.7:2"));
}

/* Kind by kind, the best first. */
static void
ours_in_their_order(void **state)
{
	struct rig *r = *state;
	struct endpoint second = at(SECOND_OF_OURS);

	add_local(r, CANDIDATE_RELAYED, RELAY, RELAY);
	add_local(r, CANDIDATE_HOST, FIRST_OF_OURS, FIRST_OF_OURS);
	add_local(r, CANDIDATE_HOST, SECOND_OF_OURS, SECOND_OF_OURS);
	assert_int_equal(
	    iceless_agent_get_local(r->agent, 0)->kind, CANDIDATE_HOST);
	assert_true(endpoint_equal(
	    &iceless_agent_get_local(r->agent, 1)->address, &second));
	assert_int_equal(
	    iceless_agent_get_local(r->agent, 2)->kind, CANDIDATE_RELAYED);
	assert_null(iceless_agent_get_local(r->agent, 3));
	iceless_agent_free(NULL);
}

static void
add_relay_by(struct rig *r, const char *address, const char *via)
{
	struct candidate c = candidate(CANDIDATE_RELAYED, address, address);

	c.via = via == NULL ? (struct endpoint){ 0 } : at(via);
	assert_true(iceless_agent_add_local(r->agent, r->now, &c));
	drain(r);
}

static void
expect_relay(struct rig *r, const char *address)
{
	struct endpoint relay = at(address);

	pass(r, 10000);
	assert_true(r->primary.relayed);
	assert_true(endpoint_equal(&r->primary.local, &relay));
}

/* Of two relays, the one that is reached by the family of its address. */
static void
one_family_all_the_way(void **state)
{
	struct rig *r = *state;

	r->answers = true;
	host(r, PEER_HOST);
	host(r, "[2001:db8::7]:40000");
	begin(r);
	add_relay_by(r, "[2001:db8::9]:50001", HOST);
	expect_relay(r, "[2001:db8::9]:50001");
	add_relay_by(r, RELAY, HOST);
	expect_relay(r, RELAY);
	add_relay_by(r, "[2001:db8::a]:50001", "[fd00::4]:52625");
	expect_relay(r, "[2001:db8::a]:50001");
	/* Nothing is said against one of which nothing is known. */
	assert_true(remove_local(r, CANDIDATE_RELAYED, "[2001:db8::a]:50001"));
	expect_relay(r, RELAY);
	add_relay_by(r, "[2001:db8::b]:50001", NULL);
	expect_relay(r, "[2001:db8::b]:50001");
}

/* Answers all, at once; the last path that was chosen is the primary. */
static void
answer_all(struct rig *r)
{
	enum candidate_kind kind;
	struct probe probe;
	struct path path;

	while (iceless_agent_transmit(r->agent, &path, &probe)) {
		probe.is_reply = true;
		iceless_agent_probe(r->agent, r->now, &path, &probe);
	}
	while (iceless_agent_event(r->agent, &path, &kind))
		r->primary = path;
}

/* The oldest of all pairs is the one in use: the next one gives way. */
static void
the_pair_in_use_stays(void **state)
{
	struct rig *r = *state;
	struct candidate c;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	host(r, PEER_HOST);
	initiation(r, HOST, PEER_HOST);
	answer_all(r);
	for (uint8_t i = 0; i < 60; i++) {
		c = candidate(CANDIDATE_HOST, FIRST_OF_OURS, FIRST_OF_OURS);
		c.base.ip.bytes[3] = c.address.ip.bytes[3] = i % 5 + 10;
		iceless_agent_add_local(r->agent, r->now, &c);
		answer_all(r);
		c = candidate(
		    i % 2 == 0 ? CANDIDATE_SERVER_REFLEXIVE : CANDIDATE_RELAYED,
		    REFLEXIVE, PEER_HOST);
		c.address.ip.bytes[3] = i;
		assert_true(iceless_agent_add_remote(r->agent, r->now, &c));
		answer_all(r);
		c = candidate(CANDIDATE_HOST, PEER_HOST, PEER_HOST);
		c.address.ip.bytes[3] = 100 + i % 5;
		iceless_agent_add_remote(r->agent, r->now, &c);
		answer_all(r);
		assert_true(primary_is(r, HOST, PEER_HOST));
	}
}

/* Whether that one is asked; two answer, of those that are. */
static bool
is_asked(struct rig *r, const char *remote, const char *const answers[2])
{
	struct endpoint wanted = at(remote);
	struct probe probe;
	struct path path;
	bool is = false;

	while (iceless_agent_transmit(r->agent, &path, &probe)) {
		is = is || endpoint_equal(&path.remote, &wanted);
		for (size_t i = 0; i < 2; i++) {
			struct endpoint other = at(answers[i]);

			if (!endpoint_equal(&path.remote, &other))
				continue;
			probe.is_reply = true;
			iceless_agent_probe(r->agent, r->now, &path, &probe);
		}
	}
	return is;
}

/*
 * A peer does not withdraw what it had on relays that are gone: it is the first
 * to give way to what it has on others, however old the rest is.
 */
static void
what_answers_stays(void **state)
{
	static const char *const live[2] = { "203.0.113.5:50001",
		"203.0.113.6:50002" };
	struct rig *r = *state;
	char dead[] = "203.0.113.7:50003";
	struct candidate c;
	struct path path;

	add_local(r, CANDIDATE_HOST, HOST, HOST);
	add_remote(r, CANDIDATE_RELAYED, live[0], PEER_HOST);
	add_remote(r, CANDIDATE_RELAYED, live[1], PEER_HOST);
	for (dead[16] = '3'; dead[16] < '7'; dead[16]++)
		add_remote(r, CANDIDATE_RELAYED, dead, PEER_HOST);
	r->now = mono_add_ms(r->now, 1000);
	path = between(HOST, live[0]);
	iceless_agent_initiation(r->agent, r->now, &path);
	assert_true(is_asked(r, live[1], live));
	for (dead[16] = '3'; dead[16] < '7'; dead[16]++) {
		r->now = mono_add_ms(r->now, 100000);
		c = candidate(CANDIDATE_RELAYED, dead, PEER_HOST);
		c.address.port += 10;
		assert_true(iceless_agent_add_remote(r->agent, r->now, &c));
		assert_true(is_asked(r, live[1], live));
		r->now = mono_add_ms(r->now, 1000);
		assert_false(is_asked(r, dead, live));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AGENT_TEST(what_answers_stays),
		AGENT_TEST(two_guesses_at_a_time),
		AGENT_TEST(no_guess_of_ipv6),
		AGENT_TEST(a_guess_takes_nobodys_place),
		AGENT_TEST(four_found_addresses),
		AGENT_TEST(the_second_one_may_be_in_use),
		AGENT_TEST(what_we_withdrew_makes_no_pairs),
		AGENT_TEST(what_the_peer_withdrew_makes_none),
		AGENT_TEST(nor_any_guess),
		AGENT_TEST(what_makes_it_the_same),
		AGENT_TEST(ours_in_their_order),
		AGENT_TEST(one_family_all_the_way),
		AGENT_TEST(the_pair_in_use_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

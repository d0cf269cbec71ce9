/* The ICE agent's candidates, and the pairs they form. */
#include "tests/lib/ice_agent.h"
#include "tests/lib/no_memory.h"

/*
 * Local candidates (firezone-tunnel(7), Gathering and Agent cases)
 */

static void
local_priorities_in_order(void **state)
{
	static const struct {
		const char *address;
		uint32_t want;
	} rows[] = {
		{ "10.0.0.1:1", 65534 },
		{ "[2001:db8::1]:1", 65535 },
		{ "[2001:db8::2]:1", 65533 },
		{ "10.0.0.2:1", 65532 },
	};
	struct ice_agent *agent = make_agent();

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct candidate candidate = local_candidate(
		    CANDIDATE_HOST, rows[i].address, rows[i].address, NULL);
		struct candidate announce;

		assert_true(
		    ice_agent_add_local(agent, start, &candidate, &announce));
		assert_int_equal(
		    announce.priority, 126u << 24 | rows[i].want << 8 | 255);
	}
	assert_true(
	    is_at(&ice_agent_get_local(agent, 0)->address, "[2001:db8::1]:1"));
	assert_true(
	    is_at(&ice_agent_get_local(agent, 3)->address, "10.0.0.2:1"));
	assert_null(ice_agent_get_local(agent, 4));
	ice_agent_free(agent);
}

static void
discarded_ones_count_on(void **state)
{
	struct ice_agent *agent = make_agent();
	struct candidate second = local_candidate(CANDIDATE_RELAYED,
	    "198.51.100.10:1", "198.51.100.10:1", "[2001:db8::4]:52625");
	struct candidate announce;

	(void)state;
	assert_true(add_relay(agent, RELAY4));
	assert_int_equal(ice_agent_get_local(agent, 0)->priority, 37748479);
	assert_true(remove_relay(agent, RELAY4));
	assert_false(remove_relay(agent, RELAY4));
	assert_null(ice_agent_get_local(agent, 0));
	assert_true(ice_agent_add_local(agent, start, &second, &announce));
	assert_int_equal(announce.priority, 37492479 - 2 * 256);
	ice_agent_free(agent);
}

static void
redundant_local_is_refused(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, "203.0.113.1:52625"));
	/* A public address: the server-reflexive one says nothing new. */
	assert_false(add_local(agent, CANDIDATE_SERVER_REFLEXIVE,
	    "203.0.113.1:52625", "203.0.113.1:52625", NULL));
	assert_false(add_host(agent, "203.0.113.1:52625"));
	assert_int_equal(count_local(agent), 1);
	/* Another port of the same host is another candidate. */
	assert_true(add_local(agent, CANDIDATE_SERVER_REFLEXIVE,
	    "203.0.113.1:1024", "203.0.113.1:52625", NULL));
	assert_int_equal(count_local(agent), 2);
	ice_agent_free(agent);
}

static void
better_local_replaces(void **state)
{
	struct ice_agent *agent = make_agent();
	struct pair *pair;
	uint64_t before;

	(void)state;
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_true(add_local(agent, CANDIDATE_SERVER_REFLEXIVE,
	    "203.0.113.1:52625", "203.0.113.1:52625", NULL));
	pair = pair_between(agent, "203.0.113.1:52625", PEER);
	assert_non_null(pair);
	pair->nominated = true;
	before = pair->priority;
	assert_true(add_host(agent, "203.0.113.1:52625"));
	assert_int_equal(count_local(agent), 1);
	assert_int_equal(agent->pair_count, 1);
	pair = pair_between(agent, "203.0.113.1:52625", PEER);
	assert_int_equal(pair->local->candidate.kind, CANDIDATE_HOST);
	assert_true(pair->nominated);
	assert_true(pair->priority > before);
	/* The worse one does not come back. */
	assert_false(add_local(agent, CANDIDATE_SERVER_REFLEXIVE,
	    "203.0.113.1:52625", "203.0.113.1:52625", NULL));
	ice_agent_free(agent);
}

static void
replaced_local_hands_its_pairs_on(void **state)
{
	struct ice_agent *agent = make_agent();
	const struct pair *pair;

	(void)state;
	/* Reached over the other family first: the worse one. */
	assert_true(add_local(agent, CANDIDATE_RELAYED, RELAY4, RELAY4, HOST6));
	assert_true(request(agent, start, RELAY4, PEER, REQUEST_USE_CANDIDATE));
	assert_true(add_relay(agent, RELAY4));
	assert_int_equal(count_local(agent), 1);
	pair = pair_between(agent, RELAY4, PEER);
	assert_non_null(pair);
	assert_false(pair->local->discarded);
	assert_true(pair->nominated);
	ice_agent_free(agent);
}

static void
discarded_local_is_revived(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_true(add_relay(agent, RELAY4));
	assert_non_null(pair_between(agent, RELAY4, PEER));
	assert_true(remove_relay(agent, RELAY4));
	assert_null(pair_between(agent, RELAY4, PEER));
	assert_false(request(agent, start, RELAY4, PEER, 0));
	assert_true(add_relay(agent, RELAY4));
	/* As it was, not as a second one. */
	assert_int_equal(ice_agent_get_local(agent, 0)->priority, 37748479);
	assert_non_null(pair_between(agent, RELAY4, PEER));
	assert_true(request(agent, start, RELAY4, PEER, 0));
	ice_agent_free(agent);
}

static void
signal_related(
    struct ice_agent *agent, const char *address, const char *related)
{
	struct candidate candidate =
	    remote_candidate(CANDIDATE_SERVER_REFLEXIVE, address, related, 5);

	assert_true(ice_agent_add_remote(agent, start, &candidate));
}

static void
removal_needs_the_kind(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_false(remove_relay(agent, HOST4));
	assert_int_equal(count_local(agent), 1);
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	remove_remote(agent, CANDIDATE_SERVER_REFLEXIVE, PEER, NULL);
	assert_int_equal(count_remote(agent), 1);
	/* No raddr is not raddr 0.0.0.0:0. */
	remove_remote(agent, CANDIDATE_HOST, PEER, "0.0.0.0:0");
	assert_int_equal(count_remote(agent), 1);
	remove_remote(agent, CANDIDATE_HOST, PEER, NULL);
	assert_int_equal(count_remote(agent), 0);
	assert_int_equal(agent->pair_count, 0);
	/* Nor the other way round. */
	signal_related(agent, PEER, "0.0.0.0:0");
	remove_remote(agent, CANDIDATE_SERVER_REFLEXIVE, PEER, NULL);
	remove_remote(agent, CANDIDATE_SERVER_REFLEXIVE, PEER, "10.0.0.1:5");
	assert_int_equal(count_remote(agent), 1);
	remove_remote(agent, CANDIDATE_SERVER_REFLEXIVE, PEER, "0.0.0.0:0");
	assert_int_equal(count_remote(agent), 0);
	ice_agent_free(agent);
}

static void
bad_addresses_are_refused(void **state)
{
	static const char *const bad[] = { "224.0.0.1:5", "255.255.255.255:5",
		"0.0.0.0:5", "169.254.0.1:5", "[ff02::1]:5", "[::]:5",
		"10.0.0.1:0" };
	struct ice_agent *agent = make_agent();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(add_host(agent, bad[i]));
		assert_false(
		    add_remote(agent, start, CANDIDATE_HOST, bad[i], 5));
	}
	/* Address and base of one family. */
	assert_false(
	    add_local(agent, CANDIDATE_SERVER_REFLEXIVE, SRFLX4, HOST6, NULL));
	assert_int_equal(count_local(agent), 0);
	assert_int_equal(count_remote(agent), 0);
	ice_agent_free(agent);
}

static void
local_list_is_bounded(void **state)
{
	struct ice_agent *agent = make_agent();
	struct endpoint address = at("10.0.0.1:1");

	(void)state;
	for (unsigned i = 0; i < 3 * CANDIDATES_MAX; i++) {
		struct candidate candidate = { .kind = CANDIDATE_RELAYED };
		struct candidate announce;

		address.port = (uint16_t)(1 + i);
		candidate.address = candidate.base = address;
		assert_int_equal(
		    ice_agent_add_local(agent, start, &candidate, &announce),
		    true);
		/* A few stay, the rest comes and goes. */
		if (i >= 10)
			assert_true(
			    ice_agent_remove_local(agent, start, &candidate));
		assert_true(agent->local_count <= CANDIDATES_MAX);
	}
	assert_int_equal(count_local(agent), 10);
	for (unsigned i = 10; i < CANDIDATES_MAX; i++) {
		address.port = (uint16_t)(2000 + i);
		assert_true(add_local(agent, CANDIDATE_RELAYED,
		    endpoint_format(&address, (char[ENDPOINT_TEXT_MAX]){ 0 }),
		    NULL, NULL));
	}
	assert_false(add_host(agent, HOST4));
	ice_agent_free(agent);
}

/* Behind a NAT that changes its address every hour, a relay still finds room.
 */
static void
former_reflexive_ones_make_room(void **state)
{
	struct ice_agent *agent = make_agent();
	struct endpoint mapped = at(SRFLX4);

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	for (unsigned i = 0; i < 3 * CANDIDATES_MAX; i++) {
		char text[ENDPOINT_TEXT_MAX];

		mapped.port = (uint16_t)(1 + i);
		assert_true(add_local(agent, CANDIDATE_SERVER_REFLEXIVE,
		    endpoint_format(&mapped, text), HOST4, NULL));
		assert_true(agent->local_count <= CANDIDATES_MAX);
	}
	assert_true(add_relay(agent, RELAY4));
	assert_non_null(pair_between(agent, RELAY4, PEER));
	assert_non_null(pair_between(agent, HOST4, PEER));
	ice_agent_free(agent);
}

/*
 * Pairs (firezone-tunnel(7), Pairs)
 */

static void
one_pair_per_path(void **state)
{
	struct ice_agent *agent = make_agent();
	const struct pair *pair;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(
	    add_local(agent, CANDIDATE_SERVER_REFLEXIVE, SRFLX4, HOST4, NULL));
	assert_true(add_host(agent, HOST6));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 1000));
	/* Not with another family, not twice for the same base. */
	assert_int_equal(agent->pair_count, 1);
	pair = pair_between(agent, HOST4, PEER);
	assert_true(pair->priority == pair_priority(1000, 2130706175));
	/* Of two candidates at one address the better one counts. */
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 2000));
	assert_int_equal(agent->pair_count, 1);
	pair = pair_between(agent, HOST4, PEER);
	assert_true(pair->priority == pair_priority(2000, 2130706175));
	/* It goes, and the other one takes over. */
	remove_remote(agent, CANDIDATE_RELAYED, PEER, NULL);
	assert_true(pair_between(agent, HOST4, PEER)->priority ==
	    pair_priority(1000, 2130706175));
	remove_remote(agent, CANDIDATE_HOST, PEER, NULL);
	assert_int_equal(agent->pair_count, 0);
	ice_agent_free(agent);
}

static void
signalled_replaces_peer_reflexive(void **state)
{
	struct ice_agent *agent = make_agent();
	struct pair *pair;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_relay(agent, RELAY4));
	assert_true(request(agent, start, HOST4, PEER, REQUEST_USE_CANDIDATE));
	/* Only where it was seen. */
	assert_int_equal(agent->pair_count, 1);
	pair = pair_between(agent, HOST4, PEER);
	assert_int_equal(
	    pair->remote->candidate.kind, CANDIDATE_PEER_REFLEXIVE);
	assert_int_equal(pair->remote->candidate.priority, 1862270719);
	ice_agent_timeout(agent, start);
	assert_true(
	    add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, PEER, 7000));
	assert_int_equal(count_remote(agent), 1);
	assert_int_equal(agent->pair_count, 2);
	assert_ptr_equal(pair_between(agent, HOST4, PEER), pair);
	assert_true(pair->nominated);
	assert_int_equal(pair->attempts_made, 1);
	assert_true(mono_before(start, pair->kept_until));
	assert_true(pair->priority == pair_priority(7000, 2130706175));
	assert_sorted(agent);
	/* A further request finds the signalled one. */
	assert_true(request(agent, start, HOST4, PEER, 0));
	assert_int_equal(count_remote(agent), 1);
	ice_agent_free(agent);
}

static void
new_local_leaves_peer_reflexive_alone(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(request(agent, start, HOST4, PEER, 0));
	assert_true(add_relay(agent, RELAY4));
	assert_null(pair_between(agent, RELAY4, PEER));
	/* Until a request comes that way. */
	assert_true(request(agent, start, RELAY4, PEER, 0));
	assert_non_null(pair_between(agent, RELAY4, PEER));
	assert_int_equal(count_remote(agent), 1);
	ice_agent_free(agent);
}

static void
withdrawn_remote_stays_away(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 5));
	remove_remote(agent, CANDIDATE_RELAYED, PEER, NULL);
	assert_false(request(agent, start, HOST4, PEER, 0));
	assert_int_equal(count_remote(agent), 0);
	assert_int_equal(drain(agent), 0);
	/* A new local candidate finds nobody to pair with. */
	assert_true(add_relay(agent, RELAY4));
	assert_int_equal(agent->pair_count, 0);
	/* Announced again it is there again, with its new priority. */
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 6));
	assert_int_equal(agent->pair_count, 2);
	assert_int_equal(remote_at(agent, 0)->priority, 6);
	assert_true(request(agent, start, HOST4, PEER, 0));
	ice_agent_free(agent);
}

static void
announced_again(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_false(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_int_equal(count_remote(agent), 1);
	/* Its pairs are gone: it gets new ones. */
	agent_drop_pair(agent, pair_between(agent, HOST4, PEER));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_non_null(pair_between(agent, HOST4, PEER));
	assert_int_equal(count_remote(agent), 1);
	/* Only one of them is: it has what it needs. */
	assert_true(add_relay(agent, RELAY4));
	agent_drop_pair(agent, pair_between(agent, HOST4, PEER));
	assert_false(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	assert_null(pair_between(agent, HOST4, PEER));
	ice_agent_free(agent);
}

static void
pruned_peer_reflexive_is_found_again(void **state)
{
	struct ice_agent *agent = make_agent();
	struct mono now = start;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(request(agent, now, HOST4, PEER, 0));
	while (agent->pair_count > 0) {
		now = ice_agent_deadline(agent);
		assert_false(mono_is_never(now));
		ice_agent_timeout(agent, now);
	}
	assert_int_equal(mono_ms_between(start, now), 15750 + 39 * 15000);
	assert_int_equal(ice_agent_state(agent), ICE_DISCONNECTED);
	assert_int_equal(agent->remote_count, 0);
	assert_true(request(agent, now, HOST4, PEER, 0));
	ice_agent_timeout(agent, now);
	assert_int_equal(ice_agent_state(agent), ICE_CHECKING);
	ice_agent_free(agent);
}

static void
add_many(struct ice_agent *agent, struct mono now, unsigned n,
    uint16_t first_port, uint32_t first_priority)
{
	struct candidate candidate = { .kind = CANDIDATE_HOST };

	for (unsigned i = 0; i < n; i++) {
		candidate.address = at("203.0.113.1:1");
		candidate.address.port = (uint16_t)(first_port + i);
		candidate.priority = first_priority + i;
		ice_agent_add_remote(agent, now, &candidate);
		assert_true(agent->pair_count <= ICE_PAIRS_MAX);
		assert_true(agent->remote_count <= CANDIDATES_MAX);
	}
}

static void
pairs_are_capped(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	add_many(agent, start, ICE_PAIRS_MAX + 1, 1000, 5000);
	assert_int_equal(agent->pair_count, ICE_PAIRS_MAX);
	/* The lowest one is out. */
	assert_null(pair_between(agent, HOST4, "203.0.113.1:1000"));
	assert_non_null(pair_between(agent, HOST4, "203.0.113.1:1001"));
	assert_non_null(pair_between(agent, HOST4, "203.0.113.1:1100"));
	/* As one more of ours would make more of them, too. */
	assert_true(add_host(agent, "10.0.0.9:52625"));
	assert_int_equal(agent->pair_count, ICE_PAIRS_MAX);
	assert_sorted(agent);
	/* A lower one does not get in, unless it is in use. */
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 1));
	assert_null(pair_between(agent, HOST4, PEER));
	assert_true(request(agent, start, HOST4, PEER, REQUEST_USE_CANDIDATE));
	assert_non_null(pair_between(agent, HOST4, PEER));
	assert_null(pair_between(agent, HOST4, "203.0.113.1:1001"));
	add_many(agent, mono_add_s(start, 60), 1000, 3000, 100000);
	assert_non_null(pair_between(agent, HOST4, PEER));
	assert_int_equal(agent->pair_count, ICE_PAIRS_MAX);
	ice_agent_timeout(agent, start);
	assert_true(agent->selected == pair_between(agent, HOST4, PEER));
	ice_agent_free(agent);
}

static void
pairs_in_use_go_last(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 1));
	assert_true(request(agent, start, HOST4, PEER, 0));
	add_many(agent, mono_add_ms(start, 14999), ICE_PAIRS_MAX, 1000, 5000);
	assert_non_null(pair_between(agent, HOST4, PEER));
	/* What was asked for a while ago only counts as any other. */
	add_many(agent, mono_add_ms(start, 15000), 1, 3000, 9000);
	assert_null(pair_between(agent, HOST4, PEER));
	ice_agent_free(agent);
}

/* However low it is, and whatever else the peer asks for. */
static void
nominated_pairs_go_after_all_others(void **state)
{
	struct ice_agent *agent = make_agent();
	char remote[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_RELAYED, PEER, 1));
	assert_true(request(agent, start, HOST4, PEER, REQUEST_USE_CANDIDATE));
	for (unsigned i = 1; i <= ICE_PAIRS_MAX; i++) {
		snprintf(remote, sizeof(remote), "203.0.113.1:%u", i);
		assert_true(request(agent, start, HOST4, remote, 0));
	}
	assert_int_equal(agent->pair_count, ICE_PAIRS_MAX);
	assert_non_null(pair_between(agent, HOST4, PEER));
	ice_agent_free(agent);
}

static void
requests_from_everywhere_are_capped(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	for (unsigned i = 0; i < 1000; i++) {
		char remote[ENDPOINT_TEXT_MAX];

		snprintf(remote, sizeof(remote), "203.0.113.1:%u", i + 1);
		request(agent, start, HOST4, remote,
		    i % 2 == 0 ? REQUEST_USE_CANDIDATE : 0);
		if (i % 7 == 0)
			ice_agent_timeout(agent, start);
		assert_true(agent->pair_count <= ICE_PAIRS_MAX);
		assert_true(agent->remote_count <= CANDIDATES_MAX);
		assert_true(agent->answer_count <= ANSWERS_MAX);
	}
	assert_true(drain(agent) <= ANSWERS_MAX + ICE_PAIRS_MAX);
	ice_agent_free(agent);
}

/* firezone-tunnel(7), Connection cases (2) */
static void
optimistic_candidates(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(
	    agent, start, CANDIDATE_HOST, "10.0.0.1:52625", 2130706175));
	assert_int_equal(count_remote(agent), 1);
	assert_true(add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE,
	    "1.1.1.1:40000", 1686109951));
	assert_int_equal(count_remote(agent), 3);
	assert_true(has_remote(agent, "1.1.1.1:52625"));
	assert_non_null(pair_between(agent, HOST4, "1.1.1.1:52625"));
	/* Signalled after all: no second one. */
	assert_true(add_remote(
	    agent, start, CANDIDATE_SERVER_REFLEXIVE, "1.1.1.1:52625", 5));
	assert_int_equal(count_remote(agent), 3);
	assert_true(pair_between(agent, HOST4, "1.1.1.1:52625")->priority ==
	    pair_priority(5, 2130706175));
	ice_agent_free(agent);
}

static void
optimistic_candidates_are_few(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, "1.1.1.1:4", 7);
	add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, "1.1.1.2:4", 7);
	add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, "1.1.1.3:4", 7);
	assert_int_equal(count_remote(agent), 3);
	add_remote(agent, start, CANDIDATE_HOST, "10.0.0.1:52625", 9);
	assert_int_equal(count_remote(agent), 3 + 1 + 2);
	/* The limit is for each call. */
	add_remote(agent, start, CANDIDATE_HOST, "[2001:db8::1]:52625", 9);
	assert_int_equal(count_remote(agent), 6 + 1 + 1);
	ice_agent_free(agent);
	agent = make_agent();
	add_remote(
	    agent, start, CANDIDATE_SERVER_REFLEXIVE, "[2001:db8::9]:4", 7);
	add_remote(agent, start, CANDIDATE_HOST, "[2001:db8::1]:52625", 9);
	add_remote(agent, start, CANDIDATE_HOST, "10.0.0.1:52625", 9);
	assert_int_equal(count_remote(agent), 3);
	ice_agent_free(agent);
}

/* Signalled ones do, the oldest first. */
static void
a_guess_takes_nobodys_place(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	add_many(agent, start, CANDIDATES_MAX, 1000, 5000);
	assert_int_equal(count_remote(agent), CANDIDATES_MAX);
	add_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, "1.1.1.1:4", 7);
	assert_int_equal(count_remote(agent), CANDIDATES_MAX);
	assert_false(has_remote(agent, "203.0.113.1:1000"));
	assert_true(has_remote(agent, "203.0.113.1:1001"));
	ice_agent_free(agent);
}

static bool
two_pairs(void)
{
	struct ice_agent *agent =
	    ice_agent_new(&gateway_credentials, &client_credentials, start);
	bool ok = agent != NULL && add_host(agent, HOST4) &&
	    add_remote(agent, start, CANDIDATE_HOST, PEER, 5) &&
	    pair_between(agent, HOST4, PEER) != NULL &&
	    add_remote(agent, start, CANDIDATE_HOST, OTHER, 5) &&
	    pair_between(agent, HOST4, OTHER) != NULL;

	ice_agent_free(agent);
	return ok;
}

/* The agent, its candidate, and two of the peer with a pair each. */
static void
without_memory(void **state)
{
	(void)state;
	if (!HEAP_IS_OURS)
		skip();
	assert_int_equal(fail_each_allocation(two_pairs), 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_priorities_in_order),
		cmocka_unit_test(discarded_ones_count_on),
		cmocka_unit_test(redundant_local_is_refused),
		cmocka_unit_test(better_local_replaces),
		cmocka_unit_test(replaced_local_hands_its_pairs_on),
		cmocka_unit_test(discarded_local_is_revived),
		cmocka_unit_test(removal_needs_the_kind),
		cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(local_list_is_bounded),
		cmocka_unit_test(former_reflexive_ones_make_room),
		cmocka_unit_test(one_pair_per_path),
		cmocka_unit_test(signalled_replaces_peer_reflexive),
		cmocka_unit_test(new_local_leaves_peer_reflexive_alone),
		cmocka_unit_test(withdrawn_remote_stays_away),
		cmocka_unit_test(announced_again),
		cmocka_unit_test(pruned_peer_reflexive_is_found_again),
		cmocka_unit_test(pairs_are_capped),
		cmocka_unit_test(pairs_in_use_go_last),
		cmocka_unit_test(nominated_pairs_go_after_all_others),
		cmocka_unit_test(requests_from_everywhere_are_capped),
		cmocka_unit_test(optimistic_candidates),
		cmocka_unit_test(optimistic_candidates_are_few),
		cmocka_unit_test(a_guess_takes_nobodys_place),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

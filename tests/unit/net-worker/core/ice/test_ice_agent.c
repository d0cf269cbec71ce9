/*
 * The ICE agent on the wire: its messages, requests and responses. For
 * candidates and nomination see test_ice_candidates.c, test_ice_nomination.c.
 */
#include "tests/lib/ice_agent.h"

#include <sodium.h>

/*
 * The vectors of firezone-tunnel(7), Check vectors
 */

static uint32_t
counting_random(void)
{
	return 0;
}

static void
counting_bytes(void *to, size_t len)
{
	uint8_t *bytes = to;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i + 1);
}

static const char *
counting_name(void)
{
	return "counting";
}

static void
check_is_vector_a(void **state)
{
	static struct randombytes_implementation counting = {
		.implementation_name = counting_name,
		.random = counting_random,
		.buf = counting_bytes,
	};
	struct ice_agent *agent = make_agent(), *other = make_agent();
	struct ice_message out;

	(void)state;
	assert_true(agent->tie_breaker != other->tie_breaker);
	ice_agent_free(other);
	agent->tie_breaker = 0x0102030405060708;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	randombytes_set_implementation(&counting);
	ice_agent_timeout(agent, start);
	randombytes_set_implementation(&randombytes_sysrandom_implementation);
	assert_true(ice_agent_transmit(agent, &out));
	assert_true(is_at(&out.path.local, HOST4));
	assert_true(is_at(&out.path.remote, PEER));
	assert_false(out.path.relayed);
	assert_hex(out.data, out.length,
	    "000100442112a4420102030405060708090a0b0c00060009686777683a656a71"
	    "74000000802900080102030405060708002400046efffeff00080014f4257bb0"
	    "201ae72c28d4c1f55a9a64f31b662aee80280004ae205bfb");
	assert_false(ice_agent_transmit(agent, &out));
	ice_agent_free(agent);
}

static void
answer_to_vector_b_is_c(void **state)
{
	struct ice_agent *agent = make_agent();
	struct endpoint local = at(HOST4), remote = at("203.0.113.7:40000");
	struct ice_message out;
	uint8_t data[128];
	size_t len;

	(void)state;
	len = unhex("000100482112a4420102030405060708090a0b0c00060009656a7174"
		    "3a68677768000000802a00081112131415161718002400046efffeff"
		    "00250000000800147118fc8aeb5f780913ba42887aa0a14a7fc6a497"
		    "802800049894f7cd",
	    data, sizeof(data));
	assert_true(add_host(agent, HOST4));
	assert_true(input_bytes(agent, start, &local, &remote, data, len));
	assert_true(ice_agent_transmit(agent, &out));
	assert_true(is_at(&out.path.local, HOST4));
	assert_true(endpoint_equal(&out.path.remote, &remote));
	assert_hex(out.data, out.length,
	    "0101002c2112a4420102030405060708090a0b0c002000080001bd52ea12d545"
	    "0008001489b1b773c1b964a6ed44e994d77eac5cde8896a980280004dffbec76");
	assert_true(pair_between(agent, HOST4, "203.0.113.7:40000")->nominated);
	ice_agent_free(agent);
}

static void
role_conflict_is_vector_d(void **state)
{
	static const uint64_t tie_breakers[] = { 0, UINT64_MAX };

	(void)state;
	/* Whatever the tie-breaker, the controlled side is ours. */
	for (size_t i = 0; i < 2; i++) {
		struct ice_agent *agent = make_agent();
		struct ice_message out;

		agent->tie_breaker = tie_breakers[i];
		assert_true(add_host(agent, HOST4));
		assert_true(request(agent, start, HOST4, PEER,
		    REQUEST_CONTROLLED | REQUEST_USE_CANDIDATE));
		assert_true(ice_agent_transmit(agent, &out));
		assert_hex(out.data, out.length,
		    "011100382112a4420102030405060708090a0b0c0009001100000457"
		    "526f6c6520436f6e666c69637400000000080014dd8d113be1cdcf2e"
		    "2481889c6be04f09e39d301480280004f67fc15e");
		assert_int_equal(agent->pair_count, 0);
		assert_int_equal(count_remote(agent), 0);
		ice_agent_free(agent);
	}
}

static void
longest_credentials_fit(void **state)
{
	struct ice_credentials longest;
	struct ice_agent *agent;

	(void)state;
	memset(&longest, 0, sizeof(longest));
	memset(longest.username, 'u', ICE_CREDENTIAL_MAX);
	memset(longest.password, 'p', ICE_CREDENTIAL_MAX);
	agent = ice_agent_new(&longest, &longest, start);
	assert_non_null(agent);
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	ice_agent_timeout(agent, start);
	assert_int_equal(drain(agent), 1);
	ice_agent_free(agent);
	ice_agent_free(NULL);
}

static void
check_priorities(void **state)
{
	struct ice_agent *agent = make_agent();
	struct ice_message out;
	struct stun_message message;
	unsigned seen = 0;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_relay(agent, RELAY4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	ice_agent_timeout(agent, start);
	while (ice_agent_transmit(agent, &out)) {
		assert_true(stun_parse(out.data, out.length, &message));
		assert_int_equal(message.priority,
		    out.path.relayed ? 1849687807 : 1862270719);
		assert_true(
		    is_at(&out.path.local, out.path.relayed ? RELAY4 : HOST4));
		seen |= out.path.relayed ? 2 : 1;
	}
	assert_int_equal(seen, 3);
	ice_agent_free(agent);
}

/*
 * Requests (firezone-tunnel(7), Processing requests and Agent cases)
 */

static void
requests_that_are_ignored(void **state)
{
	static const struct {
		const char *username, *password, *local;
		unsigned flags;
		bool want;
	} rows[] = {
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", HOST4, 0, true },
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", HOST4, REQUEST_NO_ROLE,
		    true },
		{ "ejqt:hgwx", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt:hgw", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt:hgwhx", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqx:hgwh", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt/hgwh", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "hgwh:ejqt", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt:", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt", "zfjrrjdkbci42t2axyd45a", HOST4, 0, false },
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45b", HOST4, 0, false },
		{ "ejqt:hgwh", "j2fqufatn7xlrrvv6fsvea", HOST4, 0, false },
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", HOST4,
		    REQUEST_NO_PRIORITY, false },
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", HOST4,
		    REQUEST_NO_INTEGRITY, false },
		/* Not ours, and ours but no place where packets arrive. */
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", "10.0.0.4:52626", 0,
		    false },
		{ "ejqt:hgwh", "zfjrrjdkbci42t2axyd45a", SRFLX4, 0, false },
	};
	struct endpoint remote = at(PEER);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ice_agent *agent = make_agent();
		struct endpoint local = at(rows[i].local);
		uint8_t data[512];
		size_t len = write_request(data, sizeof(data), rows[i].username,
		    rows[i].password, transaction, 5, rows[i].flags);

		assert_true(add_host(agent, HOST4));
		assert_true(add_local(
		    agent, CANDIDATE_SERVER_REFLEXIVE, SRFLX4, HOST4, NULL));
		assert_int_equal(
		    input_bytes(agent, start, &local, &remote, data, len),
		    rows[i].want);
		assert_int_equal(drain(agent), rows[i].want ? 1 : 0);
		assert_int_equal(agent->pair_count, rows[i].want ? 1 : 0);
		ice_agent_free(agent);
	}
}

static void
relayed_request_is_answered_through_the_relay(void **state)
{
	struct ice_agent *agent = make_agent();
	struct ice_message out;
	struct stun_message message;

	(void)state;
	assert_true(add_relay(agent, RELAY4));
	assert_true(request(agent, start, RELAY4, PEER, 0));
	assert_true(ice_agent_transmit(agent, &out));
	assert_true(out.path.relayed);
	assert_true(is_at(&out.path.local, RELAY4));
	assert_true(is_at(&out.path.remote, PEER));
	assert_true(stun_parse(out.data, out.length, &message));
	assert_int_equal(message.type, STUN_BINDING_SUCCESS);
	assert_true(is_at(&message.mapped, PEER));
	assert_memory_equal(
	    message.transaction, transaction, sizeof(transaction));
	ice_agent_free(agent);
}

static void
other_messages_are_ignored(void **state)
{
	static const uint16_t types[] = { STUN_BINDING_INDICATION,
		STUN_BINDING_ERROR, STUN_ALLOCATE_REQUEST };
	struct ice_agent *agent = make_agent();
	struct endpoint local = at(HOST4), remote = at(PEER);
	uint8_t id[STUN_TRANSACTION_LEN];

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, start, id);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		uint8_t data[256];
		struct writer w;

		writer_init(&w, data, sizeof(data));
		stun_begin(&w, types[i], id);
		if (types[i] == STUN_BINDING_ERROR)
			stun_add_error(&w, 487, "Role Conflict");
		stun_add_integrity(&w, client_credentials.password,
		    strlen(client_credentials.password));
		assert_false(
		    input_bytes(agent, start, &local, &remote, data, w.len));
	}
	/* The check is still open. */
	assert_true(respond(agent, start, id, HOST4));
	ice_agent_free(agent);
}

/*
 * Responses (firezone-tunnel(7), Dispatch and Processing responses)
 */

static void
response_counts_once_and_in_time(void **state)
{
	struct ice_agent *agent = make_agent();
	uint8_t id[STUN_TRANSACTION_LEN], unknown[STUN_TRANSACTION_LEN] = { 0 };
	struct mono now = start;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, now, id);
	assert_true(ice_agent_has_transaction(agent, id));
	assert_false(ice_agent_has_transaction(agent, unknown));
	assert_false(respond(agent, now, unknown, HOST4));
	assert_true(respond(agent, mono_add_ms(now, 9999), id, HOST4));
	assert_false(ice_agent_has_transaction(agent, id));
	assert_false(respond(agent, mono_add_ms(now, 9999), id, HOST4));

	now = ice_agent_deadline(agent);
	take_check(agent, now, id);
	assert_false(respond(agent, mono_add_ms(now, 10000), id, HOST4));
	assert_int_equal(TAILQ_FIRST(&agent->pairs)->last_answered, 1);
	ice_agent_free(agent);
}

static void
response_must_be_signed_and_whole(void **state)
{
	struct ice_agent *agent = make_agent();
	struct endpoint local = at(HOST4), remote = at(PEER);
	uint8_t id[STUN_TRANSACTION_LEN], data[256];
	size_t len;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, start, id);
	len = write_success(
	    data, sizeof(data), gateway_credentials.password, id, &local);
	assert_false(input_bytes(agent, start, &local, &remote, data, len));
	len = write_success(
	    data, sizeof(data), client_credentials.password, id, NULL);
	assert_false(input_bytes(agent, start, &local, &remote, data, len));
	/* Neither has used the transaction up. */
	assert_true(ice_agent_has_transaction(agent, id));
	assert_true(respond(agent, start, id, HOST4));
	ice_agent_free(agent);
}

/* As a request would: at once, not at the next check. */
static void
response_brings_a_silent_path_back(void **state)
{
	struct ice_agent *agent = make_agent();
	struct mono now = start;
	const struct pair *direct;

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_relay(agent, RELAY4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	request(agent, now, HOST4, PEER, REQUEST_USE_CANDIDATE);
	request(agent, now, RELAY4, PEER, REQUEST_USE_CANDIDATE);
	direct = pair_between(agent, HOST4, PEER);
	for (int i = 0; i <= 4; i++, now = mono_add_s(now, 10)) {
		request(agent, now, RELAY4, PEER, 0);
		ice_agent_timeout(agent, now);
		assert_int_equal(agent->selected == direct, i < 4);
	}
	now = mono_add_s(now, -10);
	assert_true(mono_before(now, ice_agent_deadline(agent)));
	assert_true(
	    respond(agent, now, pair_last_attempt(direct)->transaction, HOST4));
	assert_true(mono_due(ice_agent_deadline(agent), now));
	ice_agent_timeout(agent, now);
	assert_ptr_equal(agent->selected, direct);
	ice_agent_free(agent);
}

static void
response_of_a_dropped_pair_is_late(void **state)
{
	struct ice_agent *agent = make_agent();
	uint8_t id[STUN_TRANSACTION_LEN];

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, start, id);
	remove_remote(agent, CANDIDATE_HOST, PEER, NULL);
	assert_false(ice_agent_has_transaction(agent, id));
	assert_false(respond(agent, start, id, HOST4));
	ice_agent_free(agent);
}

static void
mapped_address_becomes_local(void **state)
{
	static const char *const mapped[] = { "203.0.113.7:41000",
		"203.0.113.7:41001", "203.0.113.7:41002", "203.0.113.7:41003",
		"203.0.113.7:41004", "203.0.113.7:41005" };
	struct ice_agent *agent = make_agent();
	const struct candidate *found;
	uint8_t id[STUN_TRANSACTION_LEN];

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, start, id);
	assert_true(respond(agent, start, id, mapped[0]));
	assert_int_equal(count_local(agent), 2);
	found = ice_agent_get_local(agent, 1);
	assert_int_equal(found->kind, CANDIDATE_PEER_REFLEXIVE);
	assert_true(is_at(&found->address, mapped[0]));
	assert_true(is_at(&found->base, HOST4));
	assert_int_equal(found->priority, 1862270719);
	/* It forms no pairs of its own and receives no requests. */
	assert_true(add_remote(agent, start, CANDIDATE_HOST, OTHER, 5));
	assert_int_equal(agent->pair_count, 2);
	assert_false(request(agent, start, mapped[0], PEER, 0));
	/* A peer cannot make the list grow: the oldest goes. */
	for (size_t i = 1; i < sizeof(mapped) / sizeof(mapped[0]); i++) {
		take_check(agent, ice_agent_deadline(agent), id);
		drain(agent);
		assert_true(
		    respond(agent, ice_agent_deadline(agent), id, mapped[i]));
	}
	assert_int_equal(count_local(agent), 1 + LOCAL_PEER_REFLEXIVE_MAX);
	for (size_t i = 0; (found = ice_agent_get_local(agent, i)) != NULL; i++)
		assert_false(is_at(&found->address, mapped[0]));
	ice_agent_free(agent);
}

/* Its priority, which is above a relayed one's, must not get into pairs. */
static void
mapped_address_ranks_nothing(void **state)
{
	struct ice_agent *agent = make_agent();
	uint8_t id[STUN_TRANSACTION_LEN];

	(void)state;
	assert_true(add_relay(agent, RELAY4));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	take_check(agent, start, id);
	assert_true(respond(agent, start, id, SRFLX4));
	assert_int_equal(count_local(agent), 2);
	assert_true(add_remote(agent, start, CANDIDATE_HOST, OTHER, 99999999));
	assert_true(pair_between(agent, RELAY4, OTHER)->priority ==
	    pair_priority(99999999, 37748479));
	ice_agent_free(agent);
}

static void
mapped_address_that_is_none(void **state)
{
	static const char *const mapped[] = { HOST4, SRFLX4, "224.0.0.1:5",
		"[2001:db8::1]:5" };
	struct ice_agent *agent = make_agent();
	uint8_t id[STUN_TRANSACTION_LEN];

	(void)state;
	assert_true(add_host(agent, HOST4));
	assert_true(
	    add_local(agent, CANDIDATE_SERVER_REFLEXIVE, SRFLX4, HOST4, NULL));
	assert_true(add_remote(agent, start, CANDIDATE_HOST, PEER, 5));
	for (size_t i = 0; i < sizeof(mapped) / sizeof(mapped[0]); i++) {
		struct mono now = ice_agent_deadline(agent);

		take_check(agent, now, id);
		assert_true(respond(agent, now, id, mapped[i]));
		assert_int_equal(count_local(agent), 2);
	}
	ice_agent_free(agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_is_vector_a),
		cmocka_unit_test(answer_to_vector_b_is_c),
		cmocka_unit_test(role_conflict_is_vector_d),
		cmocka_unit_test(longest_credentials_fit),
		cmocka_unit_test(check_priorities),
		cmocka_unit_test(requests_that_are_ignored),
		cmocka_unit_test(relayed_request_is_answered_through_the_relay),
		cmocka_unit_test(other_messages_are_ignored),
		cmocka_unit_test(response_counts_once_and_in_time),
		cmocka_unit_test(response_must_be_signed_and_whole),
		cmocka_unit_test(response_brings_a_silent_path_back),
		cmocka_unit_test(response_of_a_dropped_pair_is_late),
		cmocka_unit_test(mapped_address_becomes_local),
		cmocka_unit_test(mapped_address_ranks_nothing),
		cmocka_unit_test(mapped_address_that_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

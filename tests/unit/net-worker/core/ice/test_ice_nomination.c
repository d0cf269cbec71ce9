/*
 * Nomination, freshness and state of the ICE agent (firezone-tunnel(7),
 * Nomination, Dead paths, Agent states and Idle mode), at last against a
 * controlling peer over a lossy network in simulated time.
 */
#include "tests/lib/ice_paths.h"

static void
nomination_needs_no_answer_of_ours(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = mono_add_ms(start, 100);
	struct ice_message out;
	struct stun_message message;
	unsigned checks = 0;

	(void)state;
	run_to(agent, now);
	while (ice_agent_transmit(agent, &out))
		continue;
	assert_true(request(agent, now, HOST, DIRECT, 0));
	run_to(agent, now);
	expect_no_path(agent);
	nominate(agent, now, HOST, DIRECT);
	/* Our own check on the pair is due at once. */
	assert_true(mono_due(ice_agent_deadline(agent), now));
	run_to(agent, now);
	while (ice_agent_transmit(agent, &out)) {
		assert_true(stun_parse(out.data, out.length, &message));
		if (message.type == STUN_BINDING_REQUEST &&
		    is_at(&out.path.remote, DIRECT) &&
		    is_at(&out.path.local, HOST))
			checks++;
	}
	assert_int_equal(checks, 1);
	expect_path(agent, HOST, DIRECT);
	ice_agent_free(agent);
}

static void
priority_decides_not_recency(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = start;

	(void)state;
	run_to(agent, now);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	expect_path(agent, RELAY, FAR);
	nominate(agent, now, HOST, DIRECT);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	/* The Client keeps the flag on every pair that it ever nominated. */
	for (int i = 0; i < 400; i++) {
		now = mono_add_ms(now, 1500);
		nominate(agent, now, HOST, DIRECT);
		nominate(agent, now, RELAY, FAR);
		run_to(agent, now);
		expect_no_path(agent);
	}
	ice_agent_free(agent);
}

static void
equal_priority_changes_nothing(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	add_local(agent, start, CANDIDATE_HOST, HOST);
	add_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:1", 77);
	add_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:2", 77);
	nominate(agent, start, HOST, "203.0.113.1:2");
	run_to(agent, start);
	expect_path(agent, HOST, "203.0.113.1:2");
	nominate(agent, start, HOST, "203.0.113.1:1");
	run_to(agent, mono_add_s(start, 1));
	expect_no_path(agent);
	ice_agent_free(agent);
}

static void
silent_path_gives_way(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = start;
	int i;

	(void)state;
	nominate(agent, now, HOST, DIRECT);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	/* Only the relay is heard from now on. */
	for (i = 1; i < 8; i++)
		nominate(agent, mono_add_s(start, 5 * i), RELAY, FAR);
	run_to(agent, mono_add_ms(start, 39999));
	expect_no_path(agent);
	run_to(agent, mono_add_ms(start, 40000));
	expect_path(agent, RELAY, FAR);
	/* One sign of life and it is the best again. */
	now = mono_add_s(start, 50);
	run_to(agent, now);
	nominate(agent, now, RELAY, FAR);
	assert_false(mono_due(ice_agent_deadline(agent), now));
	assert_true(request(agent, now, HOST, DIRECT, 0));
	assert_true(mono_due(ice_agent_deadline(agent), now));
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	ice_agent_free(agent);
}

static void
silence_everywhere_changes_nothing(void **state)
{
	struct ice_agent *agent = make_two_paths();

	(void)state;
	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, start);
	expect_path(agent, HOST, DIRECT);
	run_to(agent, mono_add_s(start, 500));
	expect_no_path(agent);
	/* And one that is not nominated is no alternative. */
	assert_true(request(agent, mono_add_s(start, 500), RELAY, DIRECT, 0));
	run_to(agent, mono_add_s(start, 500));
	expect_no_path(agent);
	ice_agent_free(agent);
}

static void
idle_has_more_patience(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = start;

	(void)state;
	nominate(agent, now, HOST, DIRECT);
	nominate(agent, now, RELAY, FAR);
	run_to(agent, now);
	expect_path(agent, HOST, DIRECT);
	ice_agent_set_idle(agent, now, true);
	for (int i = 1; i < 6; i++)
		nominate(agent, mono_add_s(start, 25 * i), RELAY, FAR);
	run_to(agent, mono_add_ms(start, 129999));
	expect_no_path(agent);
	run_to(agent, mono_add_ms(start, 130000));
	expect_path(agent, RELAY, FAR);
	ice_agent_free(agent);
}

static void
waking_up_grants_a_new_term(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct mono now = mono_add_s(start, 100);

	(void)state;
	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, start);
	expect_path(agent, HOST, DIRECT);
	ice_agent_set_idle(agent, start, true);
	run_to(agent, now);
	nominate(agent, now, RELAY, FAR);
	/* 100 s of silence are nothing when idle, and no fault when active. */
	ice_agent_set_idle(agent, now, false);
	nominate(agent, mono_add_s(now, 20), RELAY, FAR);
	run_to(agent, mono_add_ms(now, 39999));
	expect_no_path(agent);
	run_to(agent, mono_add_ms(now, 40000));
	expect_path(agent, RELAY, FAR);
	ice_agent_free(agent);
}

static void
lost_path(void **state)
{
	struct ice_agent *agent = make_two_paths();
	struct ice_event event;

	(void)state;
	nominate(agent, start, HOST, DIRECT);
	nominate(agent, start, RELAY, FAR);
	run_to(agent, start);
	expect_path(agent, HOST, DIRECT);
	/* At once, not at the next timer. */
	remove_remote(agent, start, CANDIDATE_SERVER_REFLEXIVE, DIRECT);
	expect_path(agent, RELAY, FAR);
	remove_remote(agent, start, CANDIDATE_RELAYED, FAR);
	assert_true(next_path(agent, &event));
	assert_int_equal(event.type, ICE_EVENT_PATH_LOST);
	assert_false(next_path(agent, &event));
	assert_int_equal(ice_agent_state(agent), ICE_DISCONNECTED);
	ice_agent_free(agent);
}

static void
expect_state(struct ice_agent *agent, enum ice_state want)
{
	struct ice_event event;

	assert_int_equal(ice_agent_state(agent), want);
	assert_true(ice_agent_event(agent, &event));
	assert_int_equal(event.type, ICE_EVENT_STATE);
	assert_int_equal(event.state, want);
	while (ice_agent_event(agent, &event))
		assert_int_not_equal(event.type, ICE_EVENT_STATE);
}

static void
states(void **state)
{
	struct ice_agent *agent = make_agent();
	struct ice_event event;

	(void)state;
	assert_int_equal(ice_agent_state(agent), ICE_NEW);
	assert_false(ice_agent_event(agent, &event));
	run_to(agent, start);
	expect_state(agent, ICE_CHECKING);
	add_local(agent, start, CANDIDATE_HOST, HOST);
	run_to(agent, mono_add_s(start, 3600));
	assert_int_equal(ice_agent_state(agent), ICE_CHECKING);
	add_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:1", 5);
	add_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:2", 6);
	run_to(agent, mono_add_s(start, 1));
	assert_int_equal(ice_agent_state(agent), ICE_CHECKING);
	nominate(agent, mono_add_s(start, 1), HOST, "203.0.113.1:1");
	run_to(agent, mono_add_s(start, 1));
	expect_state(agent, ICE_CONNECTED);
	remove_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:2");
	expect_state(agent, ICE_COMPLETED);
	remove_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:1");
	expect_state(agent, ICE_DISCONNECTED);
	add_remote(agent, start, CANDIDATE_HOST, "203.0.113.1:3", 5);
	run_to(agent, mono_add_s(start, 1));
	expect_state(agent, ICE_CHECKING);
	ice_agent_free(agent);
}

static void
no_disconnect_before_candidates(void **state)
{
	struct ice_agent *agent = make_agent();

	(void)state;
	add_remote(agent, start, CANDIDATE_HOST, DIRECT, 5);
	run_to(agent, mono_add_s(start, 3600));
	expect_state(agent, ICE_CHECKING);
	/* Of another family: now there was a chance, and there is no pair. */
	add_local(agent, start, CANDIDATE_HOST, "[2001:db8::4]:52625");
	ice_agent_timeout(agent, start);
	expect_state(agent, ICE_DISCONNECTED);
	ice_agent_free(agent);
}

/*
 * A controlling peer (firezone-tunnel(7), Check schedule and Nomination), over
 * a network that loses datagrams.
 */

#define SIM_PATHS   3
#define SIM_FLIGHT  64
#define SIM_ONE_WAY 20 /* ms, one way */
#define CLIENT_RTO  1500
#define CLIENT_LOST 12

/* What the Client calls a pair, between two addresses as the Gateway sees. */
struct sim_path {
	const char *local, *remote;
	uint32_t priority; /* PRIORITY of the Client's checks */
	int rank;          /* the higher, the better: priority of the pair */
	bool up;
	struct mono next_check;
	unsigned checks, unanswered;
	bool succeeded, nominated, dead;
	uint8_t transaction[STUN_TRANSACTION_LEN];
};

struct sim_datagram {
	bool used, to_client;
	struct mono arrival;
	unsigned path;
	size_t len;
	uint8_t data[ICE_MESSAGE_MAX];
};

struct sim {
	struct ice_agent *agent;
	struct mono now;
	uint64_t random;
	unsigned loss; /* per cent */
	struct sim_path paths[SIM_PATHS];
	struct sim_datagram flight[SIM_FLIGHT];
	int path; /* the Gateway's, -1 without one */
	unsigned changes, checks_seen;
};

static uint32_t
sim_random(struct sim *sim)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return (uint32_t)(sim->random >> 16);
}

static void
sim_send(struct sim *sim, unsigned path, bool to_client, const uint8_t *data,
    size_t len)
{
	if (!sim->paths[path].up || sim_random(sim) % 100 < sim->loss)
		return;
	for (unsigned i = 0; i < SIM_FLIGHT; i++) {
		struct sim_datagram *d = &sim->flight[i];

		if (d->used)
			continue;
		*d = (struct sim_datagram){ true, to_client,
			mono_add_ms(
			    sim->now, SIM_ONE_WAY + sim_random(sim) % 30),
			path, len, { 0 } };
		memcpy(d->data, data, len);
		return;
	}
	fail_msg("too many datagrams");
}

static void
client_check(struct sim *sim, unsigned i)
{
	struct sim_path *path = &sim->paths[i];
	int64_t delay = 250;
	uint8_t data[512];
	size_t len;

	for (size_t n = 0; n < sizeof(path->transaction); n++)
		path->transaction[n] = (uint8_t)sim_random(sim);
	len = write_request(data, sizeof(data), "ejqt:hgwh",
	    gateway_credentials.password, path->transaction, path->priority,
	    path->nominated ? REQUEST_USE_CANDIDATE : 0);
	sim_send(sim, i, false, data, len);
	for (unsigned n = 0; n < path->checks && delay < CLIENT_RTO; n++)
		delay *= 2;
	path->checks++;
	if (++path->unanswered > CLIENT_LOST)
		path->dead = true;
	path->next_check =
	    mono_add_ms(sim->now, delay < CLIENT_RTO ? delay : CLIENT_RTO);
}

/* The best pair that works is nominated, and the others stay so. */
static void
client_nominates(struct sim *sim)
{
	struct sim_path *best = NULL;

	for (unsigned i = 0; i < SIM_PATHS; i++) {
		struct sim_path *path = &sim->paths[i];

		if (path->succeeded && !path->dead &&
		    (best == NULL || path->rank > best->rank))
			best = path;
	}
	if (best != NULL && !best->nominated) {
		best->nominated = true;
		best->next_check = sim->now;
	}
}

static void
client_input(struct sim *sim, const struct sim_datagram *d)
{
	struct sim_path *path = &sim->paths[d->path];
	struct endpoint local = at(path->local);
	struct stun_message message;
	uint8_t data[512];

	assert_true(stun_parse(d->data, d->len, &message));
	if (message.type == STUN_BINDING_REQUEST) {
		assert_true(stun_verify(&message, client_credentials.password,
		    strlen(client_credentials.password)));
		assert_true(message.have & STUN_HAVE_CONTROLLED);
		sim->checks_seen++;
		sim_send(sim, d->path, false, data,
		    write_success(data, sizeof(data),
			client_credentials.password, message.transaction,
			&local));
		return;
	}
	assert_int_equal(message.type, STUN_BINDING_SUCCESS);
	assert_true(stun_verify(&message, gateway_credentials.password,
	    strlen(gateway_credentials.password)));
	assert_true(is_at(&message.mapped, path->remote));
	if (memcmp(message.transaction, path->transaction,
		sizeof(path->transaction)) != 0)
		return;
	path->succeeded = true;
	path->dead = false;
	path->unanswered = 0;
	client_nominates(sim);
}

static void
gateway_output(struct sim *sim)
{
	struct ice_message out;
	struct ice_event event;

	while (ice_agent_transmit(sim->agent, &out))
		for (unsigned i = 0; i < SIM_PATHS; i++)
			if (is_at(&out.path.local, sim->paths[i].local) &&
			    is_at(&out.path.remote, sim->paths[i].remote))
				sim_send(sim, i, true, out.data, out.length);
	while (ice_agent_event(sim->agent, &event)) {
		if (event.type == ICE_EVENT_STATE)
			continue;
		sim->changes++;
		sim->path = -1;
		for (int i = 0; i < SIM_PATHS; i++)
			if (event.type == ICE_EVENT_NOMINATED &&
			    is_at(&event.path.local, sim->paths[i].local) &&
			    is_at(&event.path.remote, sim->paths[i].remote))
				sim->path = i;
	}
}

static void
sim_deliver(struct sim *sim)
{
	for (unsigned i = 0; i < SIM_FLIGHT; i++) {
		struct sim_datagram *d = &sim->flight[i];
		struct endpoint local, remote;

		if (!d->used || !mono_due(d->arrival, sim->now))
			continue;
		if (d->to_client) {
			client_input(sim, d);
		} else {
			local = at(sim->paths[d->path].local);
			remote = at(sim->paths[d->path].remote);
			input_bytes(sim->agent, sim->now, &local, &remote,
			    d->data, d->len);
		}
		d->used = false;
	}
}

static struct mono
sim_deadline(const struct sim *sim)
{
	struct mono deadline = ice_agent_deadline(sim->agent);

	for (unsigned i = 0; i < SIM_PATHS; i++)
		deadline = mono_min(deadline, sim->paths[i].next_check);
	for (unsigned i = 0; i < SIM_FLIGHT; i++)
		if (sim->flight[i].used)
			deadline = mono_min(deadline, sim->flight[i].arrival);
	return deadline;
}

static void
sim_run(struct sim *sim, int64_t seconds)
{
	struct mono end = mono_add_s(sim->now, seconds);

	while (mono_due(sim_deadline(sim), end)) {
		sim->now = sim_deadline(sim);
		sim_deliver(sim);
		for (unsigned i = 0; i < SIM_PATHS; i++)
			if (mono_due(sim->paths[i].next_check, sim->now))
				client_check(sim, i);
		if (mono_due(ice_agent_deadline(sim->agent), sim->now))
			ice_agent_timeout(sim->agent, sim->now);
		gateway_output(sim);
	}
	sim->now = end;
}

/* Path 0 is direct behind a NAT, 1 from our relay to it, 2 relay to relay. */
static void
sim_start(struct sim *sim, uint64_t seed, unsigned loss)
{
	memset(sim, 0, sizeof(*sim));
	sim->agent = make_agent();
	sim->now = start;
	sim->random = seed;
	sim->loss = loss;
	sim->path = -1;
	sim->paths[0] = (struct sim_path){ .local = HOST,
		.remote = DIRECT,
		.priority = 1862270719,
		.rank = 3,
		.up = true,
		.next_check = start };
	sim->paths[1] = (struct sim_path){ .local = RELAY,
		.remote = DIRECT,
		.priority = 1862270719,
		.rank = 2,
		.up = true,
		.next_check = start };
	sim->paths[2] = (struct sim_path){ .local = RELAY,
		.remote = FAR,
		.priority = 1849687807,
		.rank = 1,
		.up = true,
		.next_check = start };
	add_local(sim->agent, start, CANDIDATE_HOST, HOST);
	add_local(sim->agent, start, CANDIDATE_RELAYED, RELAY);
	add_remote(
	    sim->agent, start, CANDIDATE_SERVER_REFLEXIVE, DIRECT, 1686109951);
	add_remote(sim->agent, start, CANDIDATE_RELAYED, FAR, 37748479);
}

static void
finds_the_best_path_despite_loss(void **state)
{
	static const unsigned losses[] = { 0, 10, 30, 50 };

	(void)state;
	for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
		for (uint64_t seed = 1; seed <= 20; seed++) {
			struct sim sim;

			sim_start(&sim, seed, losses[i]);
			sim_run(&sim, 30);
			assert_int_equal(sim.path, 0);
			/* Never down again on the way. */
			assert_in_range(sim.changes, 1, SIM_PATHS);
			ice_agent_free(sim.agent);
		}
	}
}

static void
stays_for_an_hour(void **state)
{
	struct sim sim;
	unsigned changes;

	(void)state;
	sim_start(&sim, 7, 20);
	sim_run(&sim, 30);
	changes = sim.changes;
	sim_run(&sim, 3600);
	assert_int_equal(sim.path, 0);
	assert_int_equal(sim.changes, changes);
	assert_int_equal(ice_agent_state(sim.agent), ICE_CONNECTED);
	ice_agent_free(sim.agent);
}

static void
established_checks_are_rare(void **state)
{
	struct sim sim;

	(void)state;
	sim_start(&sim, 3, 0);
	sim_run(&sim, 60);
	sim.checks_seen = 0;
	sim_run(&sim, 300);
	/* Every 15 s on each of the three pairs. */
	assert_in_range(sim.checks_seen, 3 * 20 - 3, 3 * 20 + 3);
	ice_agent_set_idle(sim.agent, sim.now, true);
	sim_run(&sim, 25);
	sim.checks_seen = 0;
	sim_run(&sim, 500);
	assert_in_range(sim.checks_seen, 3 * 20 - 3, 3 * 20 + 3);
	assert_int_equal(sim.path, 0);
	ice_agent_free(sim.agent);
}

static void
follows_when_the_direct_path_dies(void **state)
{
	struct sim sim;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		sim_start(&sim, seed, 5);
		sim_run(&sim, 60);
		assert_int_equal(sim.path, 0);
		sim.paths[0].up = false;
		/* Not at once, but long before the pair is given up. */
		sim_run(&sim, 30);
		assert_int_equal(sim.path, 0);
		sim_run(&sim, 20);
		assert_int_equal(sim.path, 1);
		sim_run(&sim, 600);
		assert_int_equal(sim.path, 1);
		sim.paths[0].up = true;
		sim_run(&sim, 20);
		assert_int_equal(sim.path, 0);
		ice_agent_free(sim.agent);
	}
}

static void
relay_only(void **state)
{
	struct sim sim;

	(void)state;
	sim_start(&sim, 11, 10);
	sim.paths[0].up = sim.paths[1].up = false;
	sim_run(&sim, 30);
	assert_int_equal(sim.path, 2);
	/* The pairs that never worked are given up, the path is not. */
	sim_run(&sim, 1200);
	assert_int_equal(sim.path, 2);
	assert_int_equal(sim.changes, 1);
	assert_int_equal(ice_agent_state(sim.agent), ICE_COMPLETED);
	/* With everything dead it ends, as soon as the last pair is. */
	sim.paths[2].up = false;
	sim_run(&sim, 640);
	assert_int_equal(sim.path, -1);
	assert_int_equal(ice_agent_state(sim.agent), ICE_DISCONNECTED);
	ice_agent_free(sim.agent);
}

static void
late_candidate_is_used(void **state)
{
	struct sim sim;

	(void)state;
	sim_start(&sim, 5, 10);
	sim.paths[0].up = sim.paths[1].up = false;
	remove_remote(sim.agent, start, CANDIDATE_SERVER_REFLEXIVE, DIRECT);
	sim_run(&sim, 300);
	assert_int_equal(sim.path, 2);
	sim.paths[0].up = true;
	add_remote(
	    sim.agent, sim.now, CANDIDATE_SERVER_REFLEXIVE, DIRECT, 1686109951);
	sim_run(&sim, 10);
	assert_int_equal(sim.path, 0);
	ice_agent_free(sim.agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nomination_needs_no_answer_of_ours),
		cmocka_unit_test(priority_decides_not_recency),
		cmocka_unit_test(equal_priority_changes_nothing),
		cmocka_unit_test(silent_path_gives_way),
		cmocka_unit_test(silence_everywhere_changes_nothing),
		cmocka_unit_test(idle_has_more_patience),
		cmocka_unit_test(waking_up_grants_a_new_term),
		cmocka_unit_test(lost_path),
		cmocka_unit_test(states),
		cmocka_unit_test(no_disconnect_before_candidates),
		cmocka_unit_test(finds_the_best_path_despite_loss),
		cmocka_unit_test(stays_for_an_hour),
		cmocka_unit_test(established_checks_are_rare),
		cmocka_unit_test(follows_when_the_direct_path_dies),
		cmocka_unit_test(relay_only),
		cmocka_unit_test(late_candidate_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

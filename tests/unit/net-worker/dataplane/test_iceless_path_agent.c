/*
 * engine/paths/iceless.c: what a path agent without ICE says when an address
 * of ours does not lead to the peer any longer (firezone-tunnel(7), Dead paths
 * without ICE).
 */
#include "net-worker/dataplane/engine/paths/iceless.h"

#include "tests/lib/addresses.h"

#define HOST  "10.0.0.4:52625"
#define RELAY "198.51.100.9:50001"
#define PEER  "192.0.2.7:40000"

struct heard {
	unsigned nominated, withdrawn, returned;
	struct path path;     /* the last one nominated */
	struct endpoint base; /* the last one withdrawn or returned */
};

/* The peer answers at once, but not what comes from there. */
static void
drain(struct path_agent *agent, struct mono now, const struct endpoint *deaf,
    struct heard *heard)
{
	/* Nothing of the last one is left in it. */
	struct path_event event = { .type = PATH_LIVENESS };

	for (; agent->kind->event(agent, &event); event.type = PATH_LIVENESS)
		switch (event.type) {
		case PATH_NOMINATED:
			heard->nominated++;
			heard->path = event.path;
			break;
		case PATH_BASE:
			heard->withdrawn += event.withdrawn;
			heard->returned += !event.withdrawn;
			heard->base = event.path.local;
			break;
		case PATH_PROBE:
			event.probe.is_reply = true;
			if (deaf == NULL ||
			    !endpoint_equal(&event.path.local, deaf))
				agent->kind->probe(
				    agent, now, &event.path, &event.probe);
			break;
		default:
			fail();
		}
}

static void
play(struct path_agent *agent, struct mono *now, int64_t ms,
    const struct endpoint *deaf, struct heard *heard)
{
	struct mono end = mono_add_ms(*now, ms), next;

	drain(agent, *now, deaf, heard);
	while (!mono_before(end, next = agent->kind->deadline(agent))) {
		*now = mono_max(*now, next);
		agent->kind->timeout(agent, *now);
		drain(agent, *now, deaf, heard);
	}
	*now = end;
}

static void
a_left_address_is_told(void **state)
{
	struct endpoint host = at(HOST), relay = at(RELAY), peer = at(PEER);
	const struct candidate ours = {
		.kind = CANDIDATE_HOST,
		.address = host,
		.base = host,
	};
	const struct candidate relayed = {
		.kind = CANDIDATE_RELAYED,
		.address = relay,
		.base = relay,
		.via = host,
	};
	const struct candidate its = {
		.kind = CANDIDATE_HOST,
		.address = peer,
	};
	const struct path path = { .local = host, .remote = peer };
	struct path_agent *agent = iceless_path_agent_new();
	struct mono now = { 1000000000 };
	struct heard heard = { 0 };
	struct candidate announce;

	(void)state;
	assert_non_null(agent);
	assert_true(agent->kind->add_local(agent, now, &ours, &announce));
	assert_true(agent->kind->add_local(agent, now, &relayed, &announce));
	assert_true(agent->kind->add_remote(agent, now, &its));
	agent->kind->sign(agent, now, PATH_SIGN_INITIATION, &path);
	play(agent, &now, 30000, NULL, &heard);
	assert_int_equal(heard.nominated, 1);
	assert_true(endpoint_equal(&heard.path.local, &host));

	agent->kind->sign(agent, now, PATH_SIGN_UNANSWERED, NULL);
	play(agent, &now, 1600, &host, &heard);
	assert_int_equal(heard.nominated, 2);
	assert_true(endpoint_equal(&heard.path.local, &relay));
	assert_int_equal(heard.withdrawn, 1);
	assert_true(endpoint_equal(&heard.base, &host));
	assert_int_equal(heard.returned, 0);

	heard.base = relay;
	play(agent, &now, 30000, &host, &heard);
	assert_int_equal(heard.withdrawn, 1);
	assert_int_equal(heard.returned, 1);
	assert_true(endpoint_equal(&heard.base, &host));
	assert_int_equal(heard.nominated, 2);
	agent->kind->free(agent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_left_address_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

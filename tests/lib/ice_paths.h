/*
 * An ICE agent with two addresses at each end, one of them on a relay, and how
 * a Client nominates the paths between them.
 */
#ifndef TESTS_LIB_ICE_PATHS_H
#define TESTS_LIB_ICE_PATHS_H

#include "tests/lib/ice.h"

#define HOST   "10.0.0.4:52625"
#define RELAY  "198.51.100.9:50001"
#define DIRECT "203.0.113.99:4444"
#define FAR    "198.51.100.77:6000" /* the Client's relay */

static inline void
add_local(struct ice_agent *agent, struct mono now, enum candidate_kind kind,
    const char *address)
{
	struct candidate candidate = local_candidate(
	    kind, address, address, kind == CANDIDATE_RELAYED ? HOST : NULL);
	struct candidate announce;

	assert_true(ice_agent_add_local(agent, now, &candidate, &announce));
}

static inline void
add_remote(struct ice_agent *agent, struct mono now, enum candidate_kind kind,
    const char *address, uint32_t priority)
{
	struct candidate candidate =
	    remote_candidate(kind, address, NULL, priority);

	assert_true(ice_agent_add_remote(agent, now, &candidate));
}

static inline void
remove_remote(struct ice_agent *agent, struct mono now,
    enum candidate_kind kind, const char *address)
{
	struct candidate candidate = remote_candidate(kind, address, NULL, 1);

	ice_agent_remove_remote(agent, now, &candidate);
}

/* Host and relay here, a direct address and a relay there: four pairs. */
static inline struct ice_agent *
make_two_paths(void)
{
	struct ice_agent *agent = make_agent();

	add_local(agent, start, CANDIDATE_HOST, HOST);
	add_local(agent, start, CANDIDATE_RELAYED, RELAY);
	add_remote(
	    agent, start, CANDIDATE_SERVER_REFLEXIVE, DIRECT, 1686109951);
	add_remote(agent, start, CANDIDATE_RELAYED, FAR, 37748479);
	return agent;
}

static inline void
nominate(struct ice_agent *agent, struct mono now, const char *local,
    const char *remote)
{
	assert_true(request(agent, now, local, remote, REQUEST_USE_CANDIDATE));
}

/* All timers up to and including now. */
static inline void
run_to(struct ice_agent *agent, struct mono now)
{
	while (mono_due(ice_agent_deadline(agent), now)) {
		struct mono due = ice_agent_deadline(agent);

		ice_agent_timeout(agent, due);
		assert_true(mono_before(due, ice_agent_deadline(agent)));
	}
}

static inline bool
next_path(struct ice_agent *agent, struct ice_event *event)
{
	while (ice_agent_event(agent, event))
		if (event->type != ICE_EVENT_STATE)
			return true;
	return false;
}

static inline void
expect_path(struct ice_agent *agent, const char *local, const char *remote)
{
	struct ice_event event;

	assert_true(next_path(agent, &event));
	assert_int_equal(event.type, ICE_EVENT_NOMINATED);
	assert_true(is_at(&event.path.local, local));
	assert_true(is_at(&event.path.remote, remote));
	assert_int_equal(event.path.relayed, strcmp(local, RELAY) == 0);
	assert_false(next_path(agent, &event));
}

static inline void
expect_no_path(struct ice_agent *agent)
{
	struct ice_event event;

	assert_false(next_path(agent, &event));
}

#endif /* TESTS_LIB_ICE_PATHS_H */

/* One ICE agent with a few addresses, and what the tests do to it. */
#ifndef TESTS_LIB_ICE_AGENT_H
#define TESTS_LIB_ICE_AGENT_H

#include "net-worker/core/ice/agent_internal.h"
#include "tests/lib/ice.h"

#define HOST4  "10.0.0.4:52625"
#define HOST6  "[2001:db8::4]:52625"
#define SRFLX4 "203.0.113.7:40000"
#define RELAY4 "198.51.100.9:50001"
#define PEER   "203.0.113.99:4444"
#define OTHER  "203.0.113.98:4444"

static inline bool
add_local(struct ice_agent *agent, enum candidate_kind kind,
    const char *address, const char *base, const char *via)
{
	struct candidate candidate = local_candidate(kind, address, base, via);
	struct candidate announce;

	return ice_agent_add_local(agent, start, &candidate, &announce);
}

static inline bool
add_host(struct ice_agent *agent, const char *address)
{
	return add_local(agent, CANDIDATE_HOST, address, address, NULL);
}

static inline bool
add_relay(struct ice_agent *agent, const char *address)
{
	return add_local(agent, CANDIDATE_RELAYED, address, address, HOST4);
}

static inline bool
remove_relay(struct ice_agent *agent, const char *address)
{
	struct candidate candidate =
	    local_candidate(CANDIDATE_RELAYED, address, address, NULL);

	return ice_agent_remove_local(agent, start, &candidate);
}

static inline bool
add_remote(struct ice_agent *agent, struct mono now, enum candidate_kind kind,
    const char *address, uint32_t priority)
{
	struct candidate candidate =
	    remote_candidate(kind, address, NULL, priority);

	return ice_agent_add_remote(agent, now, &candidate);
}

static inline void
remove_remote(struct ice_agent *agent, enum candidate_kind kind,
    const char *address, const char *related)
{
	struct candidate candidate =
	    remote_candidate(kind, address, related, 1);

	ice_agent_remove_remote(agent, start, &candidate);
}

static inline bool
respond(struct ice_agent *agent, struct mono now,
    const uint8_t id[STUN_TRANSACTION_LEN], const char *mapped)
{
	struct endpoint local = at(HOST4), remote = at(PEER), seen = at(mapped);
	uint8_t data[512];
	size_t len = write_success(
	    data, sizeof(data), client_credentials.password, id, &seen);

	return input_bytes(agent, now, &local, &remote, data, len);
}

/* The next message out must be a check; its transaction id is the result. */
static inline void
take_check(
    struct ice_agent *agent, struct mono now, uint8_t id[STUN_TRANSACTION_LEN])
{
	struct ice_message out;
	struct stun_message message;

	ice_agent_timeout(agent, now);
	assert_true(ice_agent_transmit(agent, &out));
	assert_true(stun_parse(out.data, out.length, &message));
	assert_int_equal(message.type, STUN_BINDING_REQUEST);
	memcpy(id, message.transaction, STUN_TRANSACTION_LEN);
}

static inline unsigned
drain(struct ice_agent *agent)
{
	struct ice_message out;
	unsigned n = 0;

	while (ice_agent_transmit(agent, &out))
		n++;
	return n;
}

static inline size_t
count_local(const struct ice_agent *agent)
{
	size_t n = 0;

	while (ice_agent_get_local(agent, n) != NULL)
		n++;
	return n;
}

/* The live ones, peer-reflexive and optimistic ones included. */
static inline const struct candidate *
remote_at(const struct ice_agent *agent, size_t i)
{
	const struct listed_candidate *remote;

	TAILQ_FOREACH(remote, &agent->remotes, entry)
		if (!remote->discarded && i-- == 0)
			return &remote->candidate;
	return NULL;
}

static inline size_t
count_remote(const struct ice_agent *agent)
{
	size_t n = 0;

	while (remote_at(agent, n) != NULL)
		n++;
	return n;
}

static inline bool
has_remote(const struct ice_agent *agent, const char *address)
{
	const struct candidate *candidate;

	for (size_t i = 0; (candidate = remote_at(agent, i)) != NULL; i++)
		if (is_at(&candidate->address, address))
			return true;
	return false;
}

static inline struct pair *
pair_between(struct ice_agent *agent, const char *local, const char *remote)
{
	struct endpoint base = at(local), address = at(remote);

	return agent_find_pair(agent, &base, &address);
}

static inline void
assert_sorted(const struct ice_agent *agent)
{
	const struct pair *pair;
	uint64_t last = UINT64_MAX;

	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		assert_true(pair->priority <= last);
		last = pair->priority;
	}
	for (size_t i = 1; i < count_local(agent); i++)
		assert_true(ice_agent_get_local(agent, i)->priority <=
		    ice_agent_get_local(agent, i - 1)->priority);
	for (size_t i = 1; i < count_remote(agent); i++)
		assert_true(remote_at(agent, i)->priority <=
		    remote_at(agent, i - 1)->priority);
}

#endif /* TESTS_LIB_ICE_AGENT_H */

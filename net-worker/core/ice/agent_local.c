/*
 * The agent's local candidates: see agent.h and firezone-tunnel(7), Gathering
 * and Candidate priorities.
 */
#include "net-worker/core/ice/agent_internal.h"

#include <stdlib.h>

uint32_t
agent_check_priority(const struct listed_candidate *local)
{
	uint32_t preference = local->candidate.priority >> 8 & UINT16_MAX;

	return candidate_priority(
	    CANDIDATE_PEER_REFLEXIVE, (uint16_t)preference);
}

/*
 * A relay or a NAT that has seen us at ever other addresses: nothing is sent
 * from such a one, and none but the last can be reached.
 */
static bool
is_former_reflexive(
    const struct ice_agent *agent, const struct listed_candidate *local)
{
	return local->candidate.kind == CANDIDATE_SERVER_REFLEXIVE &&
	    !agent_has_pair(agent, local);
}

/*
 * Room for one more local candidate, if need be in place of a discarded one, or
 * else of the oldest of those that are not needed.
 */
static bool
make_local_room(struct ice_agent *agent)
{
	struct listed_candidate *local, *oldest = NULL;

	if (agent->local_count < CANDIDATES_MAX)
		return true;
	TAILQ_FOREACH(local, &agent->locals, entry)
		if ((local->discarded || is_former_reflexive(agent, local)) &&
		    (oldest == NULL || local->discarded > oldest->discarded ||
			(local->discarded == oldest->discarded &&
			    local->serial < oldest->serial)))
			oldest = local;
	if (oldest == NULL)
		return false;
	TAILQ_REMOVE(&agent->locals, oldest, entry);
	agent->local_count--;
	free(oldest);
	return true;
}

static struct listed_candidate *
insert_local(struct ice_agent *agent, const struct candidate *candidate)
{
	struct listed_candidate *local;

	if (!make_local_room(agent))
		return NULL;
	local = agent_new_candidate(agent, candidate);
	if (local == NULL)
		return NULL;
	agent_list(&agent->locals, local);
	agent->local_count++;
	agent->had_local = true;
	agent->added[candidate->kind][candidate->address.ip.family == IP_V6]++;
	return local;
}

/* The candidate as the agent keeps it; false when it cannot be one. */
static bool
complete_local(const struct ice_agent *agent, const struct candidate *offered,
    struct candidate *candidate)
{
	enum ip_family family = (enum ip_family)offered->address.ip.family;
	unsigned before;

	*candidate = *offered;
	candidate->related = (struct endpoint){ 0 };
	switch (offered->kind) {
	case CANDIDATE_HOST:
	case CANDIDATE_RELAYED:
		candidate->base = offered->address;
		break;
	case CANDIDATE_SERVER_REFLEXIVE:
		break;
	default:
		return false;
	}
	if (!candidate_address_ok(&candidate->address) ||
	    !candidate_address_ok(&candidate->base) ||
	    candidate->base.ip.family != family)
		return false;
	before = agent->added[candidate->kind][family == IP_V6];
	candidate->priority = candidate_priority(candidate->kind,
	    candidate_local_preference(candidate->kind, family,
		(enum ip_family)candidate->via.ip.family, before));
	return true;
}

static bool
same_local_place(
    const struct listed_candidate *local, const struct candidate *candidate)
{
	return endpoint_equal(&local->candidate.address, &candidate->address) &&
	    endpoint_equal(&local->candidate.base, &candidate->base);
}

/*
 * A candidate already there that the offered one is redundant with (RFC 8445
 * 5.1.3), or which is that very one, discarded.
 */
static struct listed_candidate *
find_redundant(struct ice_agent *agent, const struct candidate *candidate)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		if (!local->discarded && same_local_place(local, candidate) &&
		    local->candidate.kind != CANDIDATE_PEER_REFLEXIVE)
			return local;
	TAILQ_FOREACH(local, &agent->locals, entry)
		if (local->discarded && same_local_place(local, candidate) &&
		    local->candidate.kind == candidate->kind)
			return local;
	return NULL;
}

bool
ice_agent_add_local(struct ice_agent *agent, struct mono now,
    const struct candidate *offered, struct candidate *announce)
{
	struct candidate candidate;
	struct listed_candidate *local, *old;

	if (!complete_local(agent, offered, &candidate))
		return false;
	old = find_redundant(agent, &candidate);
	if (old != NULL && old->discarded) {
		old->discarded = false;
		local = old;
	} else {
		/*
		 * One of the same kind differs in nothing but the number of
		 * those before it, which lowers its priority.
		 */
		if (old != NULL &&
		    old->candidate.priority >= candidate.priority)
			return false;
		local = insert_local(agent, &candidate);
	}
	if (local == NULL)
		return false;
	agent_pair_local(agent, now, local);
	if (old != NULL && old != local) {
		old->discarded = true;
		agent_release_pairs(agent, old);
	}
	agent_trim_pairs(agent, now);
	*announce = local->candidate;
	return true;
}

bool
ice_agent_remove_local(
    struct ice_agent *agent, struct mono now, const struct candidate *candidate)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		if (!local->discarded &&
		    local->candidate.kind == candidate->kind &&
		    endpoint_equal(
			&local->candidate.address, &candidate->address))
			break;
	if (local == NULL)
		return false;
	local->discarded = true;
	agent_release_pairs(agent, local);
	agent_evaluate(agent, now);
	return true;
}

void
agent_add_local_reflexive(struct ice_agent *agent, const struct pair *pair,
    const struct endpoint *mapped)
{
	struct listed_candidate *local, *oldest = NULL;
	struct candidate candidate = pair->local->candidate;
	unsigned known = 0;

	if (!candidate_address_ok(mapped) ||
	    mapped->ip.family != candidate.base.ip.family)
		return;
	TAILQ_FOREACH(local, &agent->locals, entry) {
		if (endpoint_equal(&local->candidate.address, mapped))
			return;
		if (local->candidate.kind != CANDIDATE_PEER_REFLEXIVE)
			continue;
		known++;
		if (oldest == NULL || local->serial < oldest->serial)
			oldest = local;
	}
	if (known >= LOCAL_PEER_REFLEXIVE_MAX) {
		TAILQ_REMOVE(&agent->locals, oldest, entry);
		agent->local_count--;
		free(oldest);
	}
	candidate.address = *mapped;
	candidate.kind = CANDIDATE_PEER_REFLEXIVE;
	/* The PRIORITY that our checks carried, RFC 8445 7.2.5.3.1. */
	candidate.priority = agent_check_priority(pair->local);
	insert_local(agent, &candidate);
}

const struct candidate *
ice_agent_get_local(const struct ice_agent *agent, size_t i)
{
	const struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		if (!local->discarded && i-- == 0)
			return &local->candidate;
	return NULL;
}

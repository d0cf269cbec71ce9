/*
 * The agent's remote candidates, those that the portal signalled, those that
 * requests came from and those that are guessed: see firezone-tunnel(7),
 * Processing requests and Pairs.
 */
#include "net-worker/core/ice/agent_internal.h"

#include <stdlib.h>

/*
 * Optimistic candidates for one signalled one (firezone-tunnel(7), Optimistic
 * candidates).
 */
#define OPTIMISTIC_MAX 2

void
agent_forget_remote(struct ice_agent *agent, struct listed_candidate *remote)
{
	TAILQ_REMOVE(&agent->remotes, remote, entry);
	agent->remote_count--;
	free(remote);
}

struct listed_candidate *
agent_live_remote(struct ice_agent *agent, const struct endpoint *address)
{
	struct listed_candidate *remote;

	TAILQ_FOREACH(remote, &agent->remotes, entry)
		if (!remote->discarded &&
		    endpoint_equal(&remote->candidate.address, address))
			return remote;
	return NULL;
}

bool
agent_knows_remote(
    const struct ice_agent *agent, const struct endpoint *address)
{
	const struct listed_candidate *remote;

	TAILQ_FOREACH(remote, &agent->remotes, entry)
		if (endpoint_equal(&remote->candidate.address, address))
			return true;
	return false;
}

/*
 * Room for one more. There are fewer pairs than places, so that one
 * without a pair can always be found.
 */
static void
make_remote_room(struct ice_agent *agent)
{
	struct listed_candidate *remote, *oldest = NULL;

	_Static_assert(ICE_PAIRS_MAX < CANDIDATES_MAX, "no room to be made");
	if (agent->remote_count < CANDIDATES_MAX)
		return;
	TAILQ_FOREACH(remote, &agent->remotes, entry) {
		if (agent_has_pair(agent, remote))
			continue;
		if (oldest == NULL || remote->discarded > oldest->discarded ||
		    (remote->discarded == oldest->discarded &&
			remote->serial < oldest->serial))
			oldest = remote;
	}
	if (oldest != NULL)
		agent_forget_remote(agent, oldest);
}

static struct listed_candidate *
insert_remote(
    struct ice_agent *agent, const struct candidate *candidate, bool signalled)
{
	struct listed_candidate *remote;

	make_remote_room(agent);
	remote = agent_new_candidate(agent, candidate);
	if (remote == NULL)
		return NULL;
	remote->signalled = signalled;
	agent_list(&agent->remotes, remote);
	agent->remote_count++;
	agent->had_remote = true;
	return remote;
}

/* The candidate takes the place of one already there, with its pairs. */
static void
replace_remote(struct ice_agent *agent, struct listed_candidate *remote,
    const struct candidate *candidate)
{
	remote->candidate = *candidate;
	remote->signalled = true;
	remote->discarded = false;
	TAILQ_REMOVE(&agent->remotes, remote, entry);
	agent_list(&agent->remotes, remote);
	agent_resort_pairs(agent, remote);
}

static bool
has_remote_pair(const struct ice_agent *agent, const struct endpoint *address)
{
	const struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (endpoint_equal(&pair->remote->candidate.address, address))
			return true;
	return false;
}

/* As the peer's withdrawals name it (firezone-tunnel(7), Withdrawals). */
static struct listed_candidate *
find_remote(struct ice_agent *agent, const struct candidate *candidate)
{
	struct listed_candidate *remote;

	TAILQ_FOREACH(remote, &agent->remotes, entry)
		if (remote->candidate.kind == candidate->kind &&
		    endpoint_equal(
			&remote->candidate.address, &candidate->address) &&
		    endpoint_equal(
			&remote->candidate.related, &candidate->related))
			return remote;
	return NULL;
}

static bool
add_signalled(
    struct ice_agent *agent, struct mono now, const struct candidate *candidate)
{
	struct listed_candidate *remote;
	unsigned pairs = agent->pair_count;

	/* What was found or guessed is now known. */
	remote = agent_live_remote(agent, &candidate->address);
	if (remote == NULL || remote->signalled)
		remote = find_remote(agent, candidate);
	if (remote == NULL) {
		remote = insert_remote(agent, candidate, true);
	} else if (!remote->signalled || remote->discarded) {
		replace_remote(agent, remote, candidate);
	} else {
		if (has_remote_pair(agent, &candidate->address))
			return false;
		agent_pair_remote(agent, now, remote);
		return agent->pair_count > pairs;
	}
	if (remote == NULL)
		return false;
	agent_pair_remote(agent, now, remote);
	return true;
}

/* The server-reflexive address at the port of a host candidate, if it is new.
 */
static bool
add_guess(struct ice_agent *agent, struct mono now,
    const struct candidate *reflexive, const struct candidate *host)
{
	struct candidate guess = *reflexive;
	struct listed_candidate *remote;

	guess.address.port = host->address.port;
	guess.related = (struct endpoint){ 0 };
	if (agent_knows_remote(agent, &guess.address))
		return false;
	/* A guess takes nobody's place. */
	if (agent->remote_count >= CANDIDATES_MAX)
		return false;
	remote = insert_remote(agent, &guess, false);
	if (remote != NULL)
		agent_pair_remote(agent, now, remote);
	return remote != NULL;
}

static bool
is_live_v4(const struct listed_candidate *remote, enum candidate_kind kind)
{
	return !remote->discarded && remote->candidate.kind == kind &&
	    remote->candidate.address.ip.family == IP_V4;
}

static void
add_optimistic(struct ice_agent *agent, struct mono now)
{
	const struct listed_candidate *reflexive, *host;
	unsigned added = 0;

	TAILQ_FOREACH(reflexive, &agent->remotes, entry) {
		if (!is_live_v4(reflexive, CANDIDATE_SERVER_REFLEXIVE))
			continue;
		TAILQ_FOREACH(host, &agent->remotes, entry) {
			if (!is_live_v4(host, CANDIDATE_HOST))
				continue;
			if (add_guess(agent, now, &reflexive->candidate,
				&host->candidate) &&
			    ++added == OPTIMISTIC_MAX)
				return;
		}
	}
}

bool
ice_agent_add_remote(
    struct ice_agent *agent, struct mono now, const struct candidate *candidate)
{
	if (!candidate_address_ok(&candidate->address) ||
	    !add_signalled(agent, now, candidate))
		return false;
	add_optimistic(agent, now);
	agent_trim_pairs(agent, now);
	return true;
}

void
ice_agent_remove_remote(
    struct ice_agent *agent, struct mono now, const struct candidate *candidate)
{
	struct listed_candidate *remote = find_remote(agent, candidate);

	if (remote == NULL || remote->discarded)
		return;
	remote->discarded = true;
	agent_release_pairs(agent, remote);
	agent_evaluate(agent, now);
}

struct listed_candidate *
agent_add_remote_reflexive(
    struct ice_agent *agent, const struct endpoint *address, uint32_t priority)
{
	struct candidate candidate = {
		.kind = CANDIDATE_PEER_REFLEXIVE,
		.address = *address,
		.priority = priority,
	};

	return insert_remote(agent, &candidate, false);
}

/*
 * How the agent's candidates pair up: see firezone-tunnel(7), Pairs.
 *
 * A pair stands for the two addresses that packets travel between, the base
 * of a local candidate and the address of a remote one. Several candidates may
 * share such an address; the pair then goes by those of highest priority.
 */
#include "net-worker/core/ice/agent_internal.h"

#include <stdlib.h>

void
agent_list(struct candidate_list *list, struct listed_candidate *listed)
{
	struct listed_candidate *other;

	TAILQ_FOREACH(other, list, entry) {
		if (other->candidate.priority < listed->candidate.priority) {
			TAILQ_INSERT_BEFORE(other, listed, entry);
			return;
		}
	}
	TAILQ_INSERT_TAIL(list, listed, entry);
}

struct listed_candidate *
agent_new_candidate(struct ice_agent *agent, const struct candidate *candidate)
{
	struct listed_candidate *listed = calloc(1, sizeof(*listed));

	if (listed != NULL) {
		listed->candidate = *candidate;
		listed->serial = agent->next_serial++;
	}
	return listed;
}

static void
insert_pair_sorted(struct ice_agent *agent, struct pair *pair)
{
	struct pair *other;

	TAILQ_FOREACH(other, &agent->pairs, entry) {
		if (other->priority < pair->priority) {
			TAILQ_INSERT_BEFORE(other, pair, entry);
			return;
		}
	}
	TAILQ_INSERT_TAIL(&agent->pairs, pair, entry);
}

struct pair *
agent_find_pair(struct ice_agent *agent, const struct endpoint *base,
    const struct endpoint *remote)
{
	struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (pair_joins(pair, base, remote))
			return pair;
	return NULL;
}

static void
change_pair(struct ice_agent *agent, struct pair *pair,
    struct listed_candidate *local, struct listed_candidate *remote)
{
	TAILQ_REMOVE(&agent->pairs, pair, entry);
	pair_set_candidates(pair, local, remote);
	insert_pair_sorted(agent, pair);
}

struct pair *
agent_form_pair(struct ice_agent *agent, struct mono now,
    struct listed_candidate *local, struct listed_candidate *remote)
{
	struct pair *pair = agent_find_pair(
	    agent, &local->candidate.base, &remote->candidate.address);

	if (pair != NULL) {
		if (pair_priority(remote->candidate.priority,
			local->candidate.priority) > pair->priority)
			change_pair(agent, pair, local, remote);
		return pair;
	}
	pair = pair_new(local, remote, now);
	if (pair == NULL)
		return NULL;
	insert_pair_sorted(agent, pair);
	agent->pair_count++;
	return pair;
}

/* Forms a pair of two candidates if they go together at all. */
static void
consider_pair(struct ice_agent *agent, struct mono now,
    struct listed_candidate *local, struct listed_candidate *remote)
{
	if (local->discarded || remote->discarded)
		return;
	if (local->candidate.base.ip.family !=
	    remote->candidate.address.ip.family)
		return;
	/* RFC 8445 7.2.5.3.1: these exist to be announced, not to be paired. */
	if (local->candidate.kind == CANDIDATE_PEER_REFLEXIVE)
		return;
	agent_form_pair(agent, now, local, remote);
}

void
agent_pair_local(
    struct ice_agent *agent, struct mono now, struct listed_candidate *local)
{
	struct listed_candidate *remote;

	TAILQ_FOREACH(remote, &agent->remotes, entry) {
		/*
		 * Found on one path, it says nothing about others
		 * (firezone-tunnel(7), Processing requests).
		 */
		if (remote->signalled ||
		    remote->candidate.kind != CANDIDATE_PEER_REFLEXIVE)
			consider_pair(agent, now, local, remote);
	}
}

void
agent_pair_remote(
    struct ice_agent *agent, struct mono now, struct listed_candidate *remote)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		consider_pair(agent, now, local, remote);
}

bool
agent_has_pair(
    const struct ice_agent *agent, const struct listed_candidate *listed)
{
	const struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (pair->local == listed || pair->remote == listed)
			return true;
	return false;
}

void
agent_resort_pairs(
    struct ice_agent *agent, const struct listed_candidate *remote)
{
	struct pair_list changed = TAILQ_HEAD_INITIALIZER(changed);
	struct pair *pair, *next;

	TAILQ_FOREACH_SAFE(pair, &agent->pairs, entry, next) {
		if (pair->remote != remote)
			continue;
		TAILQ_REMOVE(&agent->pairs, pair, entry);
		TAILQ_INSERT_TAIL(&changed, pair, entry);
	}
	while ((pair = TAILQ_FIRST(&changed)) != NULL) {
		TAILQ_REMOVE(&changed, pair, entry);
		pair_set_candidates(pair, pair->local, pair->remote);
		insert_pair_sorted(agent, pair);
	}
}

void
agent_drop_pair(struct ice_agent *agent, struct pair *pair)
{
	struct listed_candidate *remote = pair->remote;

	TAILQ_REMOVE(&agent->pairs, pair, entry);
	agent->pair_count--;
	if (agent->selected == pair)
		agent->selected = NULL;
	if (agent->dead.suspect == pair)
		agent->dead.suspect = NULL;
	free(pair);
	/* A peer-reflexive candidate is found again when it is heard again. */
	if (!remote->signalled && !remote->discarded &&
	    remote->candidate.kind == CANDIDATE_PEER_REFLEXIVE &&
	    !agent_has_pair(agent, remote))
		agent_forget_remote(agent, remote);
}

/*
 * The pair that the connection can best do without: the lowest one that is
 * not in use. What the peer nominated or asks for is worth more than what
 * nobody has answered yet, and relayed pairs are always the lowest.
 */
static struct pair *
least_pair(struct ice_agent *agent, struct mono now)
{
	struct pair *pair, *unused = NULL, *unnominated = NULL;

	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		if (pair->nominated)
			continue;
		unnominated = pair;
		if (mono_due(pair->kept_until, now))
			unused = pair;
	}
	if (unused != NULL)
		return unused;
	if (unnominated != NULL)
		return unnominated;
	return TAILQ_LAST(&agent->pairs, pair_list);
}

void
agent_trim_pairs(struct ice_agent *agent, struct mono now)
{
	while (agent->pair_count > ICE_PAIRS_MAX)
		agent_drop_pair(agent, least_pair(agent, now));
	if (agent->selected == NULL && agent->path_reported)
		agent_evaluate(agent, now);
}

static struct listed_candidate *
live_local(struct ice_agent *agent, const struct endpoint *base)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		if (!local->discarded &&
		    local->candidate.kind != CANDIDATE_PEER_REFLEXIVE &&
		    endpoint_equal(&local->candidate.base, base))
			return local;
	return NULL;
}

/*
 * The pairs of a candidate just discarded go to another one with the same
 * address, or go away at once.
 */
void
agent_release_pairs(
    struct ice_agent *agent, const struct listed_candidate *gone)
{
	struct pair *pair, *next;

	TAILQ_FOREACH_SAFE(pair, &agent->pairs, entry, next) {
		struct listed_candidate *local = pair->local;
		struct listed_candidate *remote = pair->remote;

		if (local == gone)
			local = live_local(agent, &gone->candidate.base);
		else if (remote == gone)
			remote =
			    agent_live_remote(agent, &gone->candidate.address);
		else
			continue;
		if (local == NULL || remote == NULL)
			agent_drop_pair(agent, pair);
		else
			change_pair(agent, pair, local, remote);
	}
}

static void
free_candidate_list(struct candidate_list *list)
{
	struct listed_candidate *listed;

	while ((listed = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, listed, entry);
		free(listed);
	}
}

void
agent_free_lists(struct ice_agent *agent)
{
	struct pair *pair;

	while ((pair = TAILQ_FIRST(&agent->pairs)) != NULL) {
		TAILQ_REMOVE(&agent->pairs, pair, entry);
		free(pair);
	}
	free_candidate_list(&agent->locals);
	free_candidate_list(&agent->remotes);
}

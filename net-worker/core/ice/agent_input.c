/*
 * Binding requests and responses as the agent takes them: firezone-tunnel(7),
 * Processing requests and Processing responses.
 */
#include "net-worker/core/ice/agent_internal.h"

#include <string.h>

static bool
verify_integrity(const struct stun_message *message, const char *password)
{
	return stun_verify(message, password, strlen(password));
}

bool
ice_agent_has_username(
    const struct ice_agent *agent, const struct stun_text *username)
{
	const char *ours = agent->credentials.username;
	const char *theirs = agent->peer.username;
	size_t len = strlen(ours);

	return username->length == len + 1 + strlen(theirs) &&
	    memcmp(username->bytes, ours, len) == 0 &&
	    username->bytes[len] == ':' &&
	    memcmp(username->bytes + len + 1, theirs, strlen(theirs)) == 0;
}

/* The live candidate that packets for this address arrive at, or NULL. */
static struct listed_candidate *
find_receiver(struct ice_agent *agent, const struct endpoint *address)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry) {
		if (local->discarded ||
		    !endpoint_equal(&local->candidate.address, address))
			continue;
		if (local->candidate.kind == CANDIDATE_HOST ||
		    local->candidate.kind == CANDIDATE_RELAYED)
			return local;
	}
	return NULL;
}

/*
 * The candidate that a request came from. One that was withdrawn is not to
 * come back as peer-reflexive.
 */
static struct listed_candidate *
find_sender(
    struct ice_agent *agent, const struct endpoint *remote, uint32_t priority)
{
	struct listed_candidate *sender = agent_live_remote(agent, remote);

	if (sender != NULL)
		return sender;
	if (agent_knows_remote(agent, remote) || !candidate_address_ok(remote))
		return NULL;
	return agent_add_remote_reflexive(agent, remote, priority);
}

static void
answer_request(struct ice_agent *agent, const struct listed_candidate *local,
    const struct endpoint *remote, const struct stun_message *request,
    bool role_conflict)
{
	struct answer *answer;

	if (agent->answer_count == ANSWERS_MAX)
		return;
	answer = &agent->answers[(agent->answer_first + agent->answer_count) %
	    ANSWERS_MAX];
	agent->answer_count++;
	answer->path = (struct path){
		.local = local->candidate.base,
		.remote = *remote,
		.relayed = local->candidate.kind == CANDIDATE_RELAYED,
	};
	answer->role_conflict = role_conflict;
	memcpy(answer->transaction, request->transaction,
	    sizeof(answer->transaction));
}

static void
request_on_pair(struct ice_agent *agent, struct mono now, struct pair *pair,
    bool use_candidate)
{
	pair_requested(pair, now);
	agent_alive(agent, now, pair);
	if (use_candidate)
		agent_trust(agent, now, pair);
	if (use_candidate && !pair->nominated) {
		pair->nominated = true;
		pair->next_check = now;
	}
	/* It may have been too silent to be chosen, and no longer is. */
	if (pair->nominated && pair != agent->selected)
		agent->evaluate_at = now;
}

static bool
input_request(struct ice_agent *agent, struct mono now,
    const struct endpoint *local, const struct endpoint *remote,
    const struct stun_message *request)
{
	const uint32_t needed = STUN_HAVE_USERNAME | STUN_HAVE_PRIORITY;
	struct listed_candidate *receiver, *sender;
	struct pair *pair;

	if ((request->have & needed) != needed ||
	    !ice_agent_has_username(agent, &request->username) ||
	    !verify_integrity(request, agent->credentials.password))
		return false;
	receiver = find_receiver(agent, local);
	if (receiver == NULL || local->ip.family != remote->ip.family)
		return false;
	/*
	 * We stay controlled whatever the tie-breakers say: the error makes
	 * the other side take the controlling role (RFC 8445 7.2.5.1).
	 */
	if (request->have & STUN_HAVE_CONTROLLED) {
		answer_request(agent, receiver, remote, request, true);
		return true;
	}
	sender = find_sender(agent, remote, request->priority);
	if (sender == NULL)
		return false;
	pair = agent_form_pair(agent, now, receiver, sender);
	if (pair == NULL)
		return false;
	request_on_pair(
	    agent, now, pair, (request->have & STUN_HAVE_USE_CANDIDATE) != 0);
	answer_request(agent, receiver, remote, request, false);
	agent_trim_pairs(agent, now);
	return true;
}

static struct pair *
find_attempt(const struct ice_agent *agent,
    const uint8_t transaction[STUN_TRANSACTION_LEN], struct attempt **attempt)
{
	struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		*attempt = pair_find_attempt(pair, transaction);
		if (*attempt != NULL)
			return pair;
	}
	return NULL;
}

bool
ice_agent_has_transaction(const struct ice_agent *agent,
    const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	struct attempt *attempt;

	return find_attempt(agent, transaction, &attempt) != NULL;
}

static bool
input_success(struct ice_agent *agent, struct mono now,
    const struct stun_message *response)
{
	struct attempt *attempt;
	struct pair *pair;

	if (!(response->have & STUN_HAVE_MAPPED))
		return false;
	pair = find_attempt(agent, response->transaction, &attempt);
	if (pair == NULL ||
	    mono_due(mono_add_s(attempt->sent, TRANSACTION_LIFETIME_S), now) ||
	    !verify_integrity(response, agent->peer.password))
		return false;
	pair_answered(pair, agent->profile, attempt, now);
	agent_alive(agent, now, pair);
	if (pair->nominated && pair != agent->selected)
		agent->evaluate_at = now;
	agent_add_local_reflexive(agent, pair, &response->mapped);
	return true;
}

bool
ice_agent_input(struct ice_agent *agent, struct mono now,
    const struct endpoint *local, const struct endpoint *remote,
    const struct stun_message *message)
{
	switch (message->type) {
	case STUN_BINDING_REQUEST:
		return input_request(agent, now, local, remote, message);
	case STUN_BINDING_SUCCESS:
		return input_success(agent, now, message);
	default:
		return false;
	}
}

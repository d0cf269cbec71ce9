/*
 * The controlled ICE agent, see agent.h: its life, its timers, what it sends
 * and what it reports.
 */
#include "net-worker/core/ice/agent_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

struct ice_agent *
ice_agent_new(const struct ice_credentials *local,
    const struct ice_credentials *remote, struct mono now)
{
	struct ice_agent *agent = calloc(1, sizeof(*agent));

	if (agent == NULL)
		return NULL;
	agent->credentials = *local;
	agent->peer = *remote;
	randombytes_buf(&agent->tie_breaker, sizeof(agent->tie_breaker));
	agent->profile = &check_profile_active;
	agent->active_since = now;
	TAILQ_INIT(&agent->locals);
	TAILQ_INIT(&agent->remotes);
	TAILQ_INIT(&agent->pairs);
	agent->state = ICE_NEW;
	agent->reported_state = ICE_NEW;
	agent->evaluate_at = now;
	agent_watch_init(&agent->dead);
	return agent;
}

void
ice_agent_free(struct ice_agent *agent)
{
	if (agent == NULL)
		return;
	agent_free_lists(agent);
	sodium_memzero(agent, sizeof(*agent));
	free(agent);
}

const struct ice_credentials *
ice_agent_local(const struct ice_agent *agent)
{
	return &agent->credentials;
}

const struct ice_credentials *
ice_agent_remote(const struct ice_agent *agent)
{
	return &agent->peer;
}

enum ice_state
ice_agent_state(const struct ice_agent *agent)
{
	return agent->state;
}

/*
 * Nomination and state
 */

/*
 * When a nominated pair has been silent for too long to be preferred. What
 * was silence enough before a change of profile starts anew.
 */
static struct mono
pair_stale_at(const struct ice_agent *agent, const struct pair *pair)
{
	struct mono since = pair->heard;

	if (mono_before(since, agent->active_since))
		since = agent->active_since;
	return mono_add_ms(since, agent->profile->stale_ms);
}

static bool
pair_is_fresh(
    const struct ice_agent *agent, const struct pair *pair, struct mono now)
{
	return !mono_due(pair_stale_at(agent, pair), now);
}

/*
 * The nominated pair of highest priority, with no more doubt about it than
 * that; at equal priority the one that is selected already.
 */
static struct pair *
best_nominated(struct ice_agent *agent, struct mono now, enum pair_doubt doubt,
    bool only_fresh)
{
	struct pair *pair, *best = NULL;

	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		if (!pair->nominated || pair->doubt > doubt ||
		    (only_fresh && !pair_is_fresh(agent, pair, now)))
			continue;
		if (best == NULL ||
		    (pair == agent->selected &&
			pair->priority == best->priority))
			best = pair;
	}
	return best;
}

/*
 * Not the latest nomination counts: the peer repeats USE-CANDIDATE on each
 * pair that it ever nominated (firezone-tunnel(7), Nomination).
 */
static void
select_pair(struct ice_agent *agent, struct mono now)
{
	struct pair *best = best_nominated(agent, now, PAIR_TRUSTED, true);

	if (best == NULL)
		best = best_nominated(agent, now, PAIR_LEFT, true);
	agent->evaluate_at = MONO_NEVER;
	if (best == NULL)
		best = best_nominated(agent, now, PAIR_DEAD, false);
	else
		agent->evaluate_at = pair_stale_at(agent, best);
	if (best != agent->selected)
		agent->dead.all_silent = false;
	agent->selected = best;
}

static enum ice_state
current_state(const struct ice_agent *agent)
{
	if (agent->selected != NULL)
		return agent->pair_count > 1 ? ICE_CONNECTED : ICE_COMPLETED;
	if (agent->pair_count > 0)
		return ICE_CHECKING;
	/* What has not begun cannot have failed. */
	return agent->had_local && agent->had_remote ? ICE_DISCONNECTED
						     : ICE_CHECKING;
}

void
agent_evaluate(struct ice_agent *agent, struct mono now)
{
	select_pair(agent, now);
	agent->state = current_state(agent);
}

/*
 * Time
 */

void
ice_agent_timeout(struct ice_agent *agent, struct mono now)
{
	struct pair *pair, *next;

	/* First: it may have checks made at once. */
	agent_watch_timeout(agent, now);
	TAILQ_FOREACH_SAFE(pair, &agent->pairs, entry, next) {
		if (pair_failed(pair, agent->profile, now))
			agent_give_up_pair(agent, now, pair);
		else if (mono_due(pair->next_check, now))
			pair_attempt(pair, agent->profile, now);
	}
	agent_evaluate(agent, now);
}

struct mono
ice_agent_deadline(const struct ice_agent *agent)
{
	struct mono deadline =
	    mono_min(agent->evaluate_at, agent_watch_deadline(&agent->dead));
	const struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		deadline = mono_min(deadline, pair->next_check);
	return deadline;
}

void
ice_agent_set_idle(struct ice_agent *agent, struct mono now, bool idle)
{
	const struct check_profile *profile =
	    idle ? &check_profile_idle : &check_profile_active;
	struct pair *pair;

	if (agent->profile == profile)
		return;
	agent->profile = profile;
	agent->active_since = now;
	TAILQ_FOREACH(pair, &agent->pairs, entry)
		pair_reschedule(pair, profile, now);
	agent->evaluate_at = now;
}

/*
 * Output
 */

static void
begin_message(struct ice_message *message, struct writer *w, uint16_t type,
    const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	writer_init(w, message->data, sizeof(message->data));
	stun_begin(w, type, transaction);
}

/* False when it does not fit, which the limits on credentials rule out. */
static bool
end_message(struct ice_message *message, struct writer *w, const char *password)
{
	stun_add_integrity(w, password, strlen(password));
	stun_add_fingerprint(w);
	message->length = w->len;
	return !writer_failed(w);
}

static struct path
pair_path(const struct pair *pair)
{
	return (struct path){
		.local = pair->local->candidate.base,
		.remote = pair->remote->candidate.address,
		.relayed = pair->local->candidate.kind == CANDIDATE_RELAYED,
	};
}

static bool
write_check(const struct ice_agent *agent, const struct pair *pair,
    struct ice_message *message)
{
	char username[2 * ICE_CREDENTIAL_MAX + 2];
	struct writer w;

	message->path = pair_path(pair);
	snprintf(username, sizeof(username), "%s:%s", agent->peer.username,
	    agent->credentials.username);
	begin_message(message, &w, STUN_BINDING_REQUEST,
	    pair_last_attempt(pair)->transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	stun_add_u64(&w, STUN_ICE_CONTROLLED, agent->tie_breaker);
	stun_add_u32(&w, STUN_PRIORITY, agent_check_priority(pair->local));
	return end_message(message, &w, agent->peer.password);
}

static bool
write_check_answer(const struct ice_agent *agent, const struct answer *answer,
    struct ice_message *message)
{
	struct writer w;

	message->path = answer->path;
	begin_message(message, &w,
	    answer->role_conflict ? STUN_BINDING_ERROR : STUN_BINDING_SUCCESS,
	    answer->transaction);
	if (answer->role_conflict)
		stun_add_error(&w, 487, "Role Conflict");
	else
		stun_add_address(
		    &w, STUN_XOR_MAPPED_ADDRESS, &answer->path.remote);
	return end_message(message, &w, agent->credentials.password);
}

bool
ice_agent_transmit(struct ice_agent *agent, struct ice_message *message)
{
	struct pair *pair;

	while (agent->answer_count > 0) {
		const struct answer *answer =
		    &agent->answers[agent->answer_first];

		agent->answer_first = (agent->answer_first + 1) % ANSWERS_MAX;
		agent->answer_count--;
		if (write_check_answer(agent, answer, message))
			return true;
	}
	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		if (!pair->unsent)
			continue;
		pair->unsent = false;
		if (write_check(agent, pair, message))
			return true;
	}
	return false;
}

/*
 * Events are the difference between what is and what the owner was told, so
 * that none is ever lost for want of room.
 */
bool
ice_agent_event(struct ice_agent *agent, struct ice_event *event)
{
	if (agent->state != agent->reported_state) {
		agent->reported_state = agent->state;
		*event = (struct ice_event){
			.type = ICE_EVENT_STATE,
			.state = agent->state,
		};
		return true;
	}
	if (agent_watch_event(&agent->dead, event))
		return true;
	if (agent->selected != NULL) {
		*event = (struct ice_event){
			.type = ICE_EVENT_NOMINATED,
			.state = agent->state,
			.path = pair_path(agent->selected),
			.remote_kind = agent->selected->remote->candidate.kind,
		};
		if (agent->path_reported &&
		    path_has_ends_of(&event->path, &agent->path) &&
		    event->remote_kind == agent->path_kind)
			return false;
		agent->path = event->path;
		agent->path_kind = event->remote_kind;
		agent->path_reported = true;
		return true;
	}
	if (agent->path_reported) {
		agent->path_reported = false;
		*event = (struct ice_event){
			.type = ICE_EVENT_PATH_LOST,
			.state = agent->state,
		};
		return true;
	}
	return false;
}

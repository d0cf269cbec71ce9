/*
 * Paths that die without a word: see agent.h and firezone-tunnel(7), Dead
 * paths. Two things help, both of them only among pairs that the peer has
 * nominated:
 *
 *	follow	what is authentic comes over another pair, and nothing over
 *		the path: the other one is the path.
 *	lead	what is sent on the path stays unanswered: it is probed, and if
 *		only others answer, the peer is told that our end of it is gone,
 *		so that it looks for another at once.
 *
 * Silence of everything is no death of a path: the peer itself is away.
 */
#include "net-worker/core/ice/agent_internal.h"

#define PATIENCE_MS     2000
#define PATIENCE_MAX_MS 32000
/* A pair that is used again so soon was given up wrongly. */
#define MISTAKE_S 5

/* So many that loss of every fifth datagram is not taken for death. */
#define PROBES            8
#define PROBE_INTERVAL_MS 190

void
agent_watch_init(struct dead_watch *w)
{
	w->patience_ms = PATIENCE_MS;
}

static bool
pair_is_silent(const struct pair *pair, int64_t ms, struct mono now)
{
	return mono_due(mono_add_ms(pair->heard, ms), now);
}

static bool
pair_was_heard(const struct pair *pair)
{
	return pair->heard.ns != 0;
}

static bool
pair_heard_since(const struct pair *pair, struct mono since)
{
	return pair_was_heard(pair) && mono_due(since, pair->heard);
}

static void
doubt_pair(struct pair *pair, enum pair_doubt doubt, struct mono now)
{
	if (pair->doubt == PAIR_TRUSTED)
		pair->doubted = now;
	if (pair->doubt < doubt)
		pair->doubt = doubt;
}

void
agent_trust(struct ice_agent *agent, struct mono now, struct pair *pair)
{
	struct dead_watch *w = &agent->dead;

	if (pair->doubt == PAIR_TRUSTED)
		return;
	if (pair->nominated && pair->doubt == PAIR_DEAD) {
		if (mono_due(mono_add_s(pair->doubted, MISTAKE_S), now))
			w->patience_ms = PATIENCE_MS;
		else if (w->patience_ms < PATIENCE_MAX_MS)
			w->patience_ms *= 2;
	}
	pair->doubt = PAIR_TRUSTED;
	agent->evaluate_at = now;
}

/* Follow. */

void
ice_agent_heard(struct ice_agent *agent, struct mono now,
    const struct endpoint *local, const struct endpoint *remote)
{
	struct pair *heard = agent_find_pair(agent, local, remote), *pair;
	int64_t patience = agent->dead.patience_ms;

	if (heard == NULL)
		return;
	heard->heard = now;
	agent_alive(agent, now, heard);
	if (!heard->nominated || heard == agent->selected)
		return;
	agent_trust(agent, now, heard);
	if (agent->selected != NULL &&
	    !pair_is_silent(agent->selected, patience, now))
		return;
	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		if (pair == heard)
			break;
		if (pair_is_silent(pair, patience, now))
			doubt_pair(pair, PAIR_DEAD, now);
	}
	agent_evaluate(agent, now);
}

/* Lead. */

static void
suspect_path(struct ice_agent *agent, struct mono now, struct mono probe_at)
{
	agent->dead.suspect = agent->selected;
	agent->dead.suspected = now;
	agent->dead.next = probe_at;
	agent->dead.probes = 0;
	agent->dead.all_silent = false;
}

void
ice_agent_unanswered(struct ice_agent *agent, struct mono now)
{
	struct dead_watch *w = &agent->dead;
	struct mono at;

	if (agent->selected == NULL || agent->selected == w->suspect ||
	    agent->selected->doubt != PAIR_TRUSTED || w->all_silent)
		return;
	at = mono_add_ms(agent->selected->heard, w->patience_ms);
	at = mono_max(at, mono_add_ms(now, w->patience_ms - PATIENCE_MS));
	suspect_path(agent, now, at);
}

static bool
is_direct(const struct pair *pair)
{
	return pair->local->candidate.kind != CANDIDATE_RELAYED;
}

/* By which the peer itself is reached: that its relay is says nothing of it. */
static bool
leads_to_peer(const struct pair *pair)
{
	return is_direct(pair) &&
	    pair->remote->candidate.kind != CANDIDATE_RELAYED;
}

void
agent_alive(struct ice_agent *agent, struct mono now, struct pair *pair)
{
	struct dead_watch *w = &agent->dead;

	if (leads_to_peer(pair))
		left_bases_forget(&w->left, &pair->local->candidate.base);
	if (pair == agent->selected) {
		w->all_silent = false;
		w->suspect = NULL;
	} else if (w->all_silent) {
		suspect_path(agent, now, now);
	}
}

/* Also those that have worked before: which of them do still? */
static void
probe_pairs(struct ice_agent *agent, struct mono now)
{
	const struct dead_watch *w = &agent->dead;
	struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (pair_was_heard(pair) &&
		    !pair_heard_since(pair, w->suspected))
			pair_attempt(pair, agent->profile, now);
}

/*
 * Whether our end of the pair is one by which the peer is not reached any
 * longer.
 */
static bool
base_is_dead(const struct ice_agent *agent, const struct pair *of)
{
	const struct endpoint *base = &of->local->candidate.base;
	const struct pair *pair;

	if (!is_direct(of) || !pair_was_heard(of))
		return false;
	if (of == agent->dead.suspect)
		return true;
	if (!leads_to_peer(of))
		return false;
	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (leads_to_peer(pair) &&
		    endpoint_equal(&pair->local->candidate.base, base) &&
		    pair_heard_since(pair, agent->dead.suspected))
			return false;
	return true;
}

static bool
base_is_left(const struct dead_watch *w, const struct pair *pair)
{
	return is_direct(pair) &&
	    left_bases_have(&w->left, &pair->local->candidate.base);
}

/* Where else the peer is heard: by any other pair, or by another base. */
static bool
lives_elsewhere(const struct ice_agent *agent, bool other_base)
{
	const struct pair *suspect = agent->dead.suspect, *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (pair_heard_since(pair, agent->dead.suspected) &&
		    !(other_base &&
			endpoint_equal(&pair->local->candidate.base,
			    &suspect->local->candidate.base)))
			return true;
	return false;
}

static void
lead_away(struct ice_agent *agent, struct mono now)
{
	struct dead_watch *w = &agent->dead;
	struct pair *pair;

	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (base_is_dead(agent, pair))
			left_bases_leave(
			    &w->left, now, &pair->local->candidate.base);
	TAILQ_FOREACH(pair, &agent->pairs, entry)
		if (pair_was_heard(pair) && base_is_left(w, pair))
			doubt_pair(pair,
			    pair_heard_since(pair, w->suspected) ? PAIR_LEFT
								 : PAIR_DEAD,
			    now);
}

/* The path has not answered. */
static void
judge_path(struct ice_agent *agent, struct mono now)
{
	struct dead_watch *w = &agent->dead;

	if (lives_elsewhere(agent, false))
		doubt_pair(w->suspect, PAIR_DEAD, now);
	else
		w->all_silent = true;
	if (is_direct(w->suspect) && lives_elsewhere(agent, true))
		lead_away(agent, now);
	w->suspect = NULL;
}

/* What has been given up for good may be tried again, too. */
static void
form_pairs_of_base(
    struct ice_agent *agent, struct mono now, const struct endpoint *base)
{
	struct listed_candidate *local;

	TAILQ_FOREACH(local, &agent->locals, entry)
		if (local->candidate.kind != CANDIDATE_RELAYED &&
		    endpoint_equal(&local->candidate.base, base))
			agent_pair_local(agent, now, local);
	agent_trim_pairs(agent, now);
}

/* The peer may try it again; what it nominated before it has forgotten. */
static void
return_base(
    struct ice_agent *agent, struct mono now, const struct endpoint *base)
{
	struct pair *pair;
	bool hope = false;

	form_pairs_of_base(agent, now, base);
	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		if (!endpoint_equal(&pair->local->candidate.base, base))
			continue;
		hope = hope || leads_to_peer(pair);
		if (pair->doubt == PAIR_TRUSTED)
			continue;
		if (pair != agent->selected)
			pair->nominated = false;
		pair_renew(pair, now);
	}
	if (!hope)
		left_bases_forget(&agent->dead.left, base);
}

static void
return_bases(struct ice_agent *agent, struct mono now)
{
	const struct endpoint *in_use = agent->selected == NULL
	    ? NULL
	    : &agent->selected->local->candidate.base;
	struct endpoint base;

	while (left_bases_try(&agent->dead.left, now, in_use, &base))
		return_base(agent, now, &base);
}

void
agent_give_up_pair(struct ice_agent *agent, struct mono now, struct pair *pair)
{
	if (leads_to_peer(pair) && pair_was_heard(pair))
		left_bases_await(
		    &agent->dead.left, now, &pair->local->candidate.base);
	agent_drop_pair(agent, pair);
}

struct mono
agent_watch_deadline(const struct dead_watch *w)
{
	return mono_min(w->suspect == NULL ? MONO_NEVER : w->next,
	    left_bases_deadline(&w->left));
}

void
agent_watch_timeout(struct ice_agent *agent, struct mono now)
{
	struct dead_watch *w = &agent->dead;

	return_bases(agent, now);
	if (w->suspect == NULL || !mono_due(w->next, now))
		return;
	if (w->suspect != agent->selected) {
		w->suspect = NULL;
	} else if (w->probes++ < PROBES) {
		probe_pairs(agent, now);
		w->next = mono_add_ms(now, PROBE_INTERVAL_MS);
	} else {
		judge_path(agent, now);
	}
}

bool
agent_watch_event(struct dead_watch *w, struct ice_event *event)
{
	struct endpoint base;
	bool withdrawn;

	if (!left_bases_event(&w->left, &base, &withdrawn))
		return false;
	*event = (struct ice_event){
		.type = withdrawn ? ICE_EVENT_LEAVE : ICE_EVENT_RETURN,
		.path.local = base,
	};
	return true;
}

void
ice_agent_reminded(struct ice_agent *agent, struct mono now)
{
	int64_t patience = agent->dead.patience_ms;
	struct pair *pair;

	if (agent->profile == &check_profile_idle)
		patience += agent->profile->max_rto_ms;
	if (agent->selected == NULL ||
	    !pair_is_silent(agent->selected, patience, now))
		return;
	TAILQ_FOREACH(pair, &agent->pairs, entry) {
		doubt_pair(pair, PAIR_LEFT, now);
		pair_renew(pair, now);
	}
	agent_evaluate(agent, now);
}

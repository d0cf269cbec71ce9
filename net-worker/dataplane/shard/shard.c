/*
 * A shard as an object, and what the engine tells it: see shard.h and
 * state.h.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "net-worker/dataplane/shard/state.h"

#define COMMANDS 1024
#define EVENTS   4096
#define CONTROLS 256
#define PROBES   1024
#define REPORTS  256
#define REFUSALS 256
#define SURVEYS  64

struct shard *
shard_new(unsigned number, unsigned of, struct aead *aead,
    struct shard_counters *counters, struct meter *meters, bool refusals_wanted)
{
	struct shard *s = aligned_alloc(_Alignof(struct shard), sizeof(*s));

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->number = number;
	s->of = of;
	s->aead = aead;
	s->counters = counters;
	s->meters = meters;
	s->refusals_wanted = refusals_wanted;
	counters->flows_open = 0;
	s->tidy_at = MONO_NEVER;
	for (size_t i = 0; i < SHARD_SOURCES; i++)
		quotas_init(&s->quotas[i]);
	TAILQ_INIT(&s->translators);
	if (!index_map_init(&s->tunnels, SHARD_CONNECTIONS_MAX) ||
	    !index_map_init(&s->peers, SHARD_PEERS_MAX) ||
	    !index_map_init(&s->addresses, 2 * SHARD_PEERS_MAX) ||
	    !deadlines_init(&s->due, SHARD_CONNECTIONS_MAX) ||
	    !ring_init(&s->commands, sizeof(struct shard_command), COMMANDS) ||
	    !ring_init(&s->events, sizeof(struct shard_event), EVENTS) ||
	    !ring_init(&s->controls, sizeof(struct shard_control), CONTROLS) ||
	    !ring_init(&s->probes, sizeof(struct shard_probe), PROBES) ||
	    !ring_init(&s->reports, sizeof(struct flow_report), REPORTS) ||
	    !ring_init(&s->refusals, sizeof(struct shard_refusal), REFUSALS) ||
	    !ring_init(&s->surveys, sizeof(struct shard_survey *), SURVEYS) ||
	    (s->flows = flow_table_new()) == NULL) {
		shard_free(s);
		return NULL;
	}
	return s;
}

static void
session_free(struct session *session)
{
	if (session == NULL)
		return;
	session_wipe(session);
	free(session);
}

static void
tunnel_free(struct shard *s, struct tunnel *t)
{
	index_map_remove(&s->tunnels, t->index);
	deadlines_remove(&s->due, &t->due);
	LIST_REMOVE(t, entry);
	if (t->peer->tunnel == t)
		t->peer->tunnel = NULL;
	for (size_t i = 0; i < SESSIONS; i++)
		session_free(t->sessions[i]);
	free(t);
}

/* Returns a policy to the engine, or frees it where the engine is too slow. */
static void
retire_policy(struct shard *s, struct policy *policy)
{
	struct shard_event e = {
		.type = SHARD_EVENT_POLICY_OLD,
		.policy = policy,
	};

	if (policy != NULL && !ring_push(&s->events, &e))
		policy_free(policy);
}

static void
peer_free(struct shard *s, struct peer *p)
{
	struct tunnel *t;

	while ((t = LIST_FIRST(&p->tunnels)) != NULL)
		tunnel_free(s, t);
	/* There are none yet where peer_add() found no room for them. */
	if (index_map_get(&s->addresses, home_key(&p->v4)) == p)
		index_map_remove(&s->addresses, home_key(&p->v4));
	if (index_map_get(&s->addresses, home_key(&p->v6)) == p)
		index_map_remove(&s->addresses, home_key(&p->v6));
	index_map_remove(&s->peers, p->number);
	if (p->gate.nat != NULL) {
		TAILQ_REMOVE(&s->translators, p, nat_entry);
		nat_free(p->gate.nat);
	}
	retire_policy(s, p->gate.policy);
	free(p);
}

/* What the command carries, when nobody takes it. */
static void
command_drop(struct shard_command *command)
{
	switch (command->type) {
	case SHARD_PEER_ADD:
		policy_free(command->client.policy);
		break;
	case SHARD_POLICY:
		policy_free(command->policy.policy);
		nat_free(command->policy.nat);
		break;
	case SHARD_SEND:
		free(command->inner.bytes);
		break;
	case SHARD_SURVEY:
		free(command->survey);
		break;
	default:
		break;
	}
	sodium_memzero(command, sizeof(*command));
}

void
shard_free(struct shard *s)
{
	struct shard_command command;
	struct shard_event event;
	struct shard_survey *survey;
	uint32_t i;

	if (s == NULL)
		return;
	while (
	    s->commands.entries != NULL && ring_pop(&s->commands, &command)) {
		command_drop(&command);
	}
	for (i = 0; s->peers.slots != NULL && i <= s->peers.mask;)
		if (s->peers.slots[i].value != NULL)
			peer_free(s, s->peers.slots[i].value);
		else
			i++;
	while (s->events.entries != NULL && ring_pop(&s->events, &event))
		policy_free(event.policy);
	while (s->surveys.entries != NULL && ring_pop(&s->surveys, &survey))
		free(survey);
	index_map_free(&s->tunnels);
	index_map_free(&s->peers);
	index_map_free(&s->addresses);
	deadlines_free(&s->due);
	ring_free(&s->commands);
	ring_free(&s->events);
	ring_free(&s->controls);
	ring_free(&s->probes);
	ring_free(&s->reports);
	ring_free(&s->refusals);
	ring_free(&s->surveys);
	flow_table_free(s->flows);
	free(s);
}

bool
shard_post(struct shard *s, const struct shard_command *command)
{
	return ring_push(&s->commands, command);
}

bool
shard_event(struct shard *s, struct shard_event *event)
{
	return ring_pop(&s->events, event);
}

bool
shard_control(struct shard *s, struct shard_control *control)
{
	return ring_pop(&s->controls, control);
}

bool
shard_probe(struct shard *s, struct shard_probe *probe)
{
	return ring_pop(&s->probes, probe);
}

bool
shard_refusal(struct shard *s, struct shard_refusal *refusal)
{
	return ring_pop(&s->refusals, refusal);
}

bool
shard_flow(struct shard *s, struct flow_report *report)
{
	return ring_pop(&s->reports, report);
}

struct shard_survey *
shard_survey(struct shard *s)
{
	struct shard_survey *survey;

	return ring_pop(&s->surveys, &survey) ? survey : NULL;
}

bool
shard_has_news(struct shard *s, bool reports)
{
	return !ring_is_empty(&s->events) || !ring_is_empty(&s->controls) ||
	    !ring_is_empty(&s->probes) ||
	    (reports && !ring_is_empty(&s->reports)) ||
	    !ring_is_empty(&s->refusals) || !ring_is_empty(&s->surveys);
}

bool
shard_has_commands(struct shard *s)
{
	return !ring_is_empty(&s->commands);
}

static bool
peer_stats(const struct shard *s, uint32_t number, struct shard_peer_stats *to)
{
	const struct peer *p = index_map_get(&s->peers, number);

	if (p == NULL)
		return false;
	*to = (struct shard_peer_stats){
		.received_packets = p->received_packets,
		.received_bytes = p->received_bytes,
		.sent_packets = p->sent_packets,
		.sent_bytes = p->sent_bytes,
		.over_share = p->over_share,
		.handshake = p->handshake,
		.has_connection = p->tunnel != NULL,
		.connection = p->tunnel == NULL ? 0 : p->tunnel->index,
	};
	return true;
}

struct mono
shard_deadline(const struct shard *s)
{
	return mono_min(s->tidy_at, deadlines_first(&s->due));
}

/* Commands of the engine. */

static void
peer_add(struct shard *s, const struct shard_command *command)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		policy_free(command->client.policy);
		return;
	}
	p->number = command->peer;
	p->client = command->client.id;
	p->v4 = command->client.v4;
	p->v6 = command->client.v6;
	p->gate.policy = command->client.policy;
	p->handshake = MONO_NEVER;
	if (!index_map_put(&s->peers, p->number, p) ||
	    !index_map_put(&s->addresses, home_key(&p->v4), p) ||
	    !index_map_put(&s->addresses, home_key(&p->v6), p))
		peer_free(s, p);
}

static void
tunnel_add(struct shard *s, const struct shard_command *command)
{
	struct peer *p = index_map_get(&s->peers, command->peer);
	struct tunnel *t;

	if (p == NULL || (t = calloc(1, sizeof(*t))) == NULL)
		return;
	t->index = command->connection;
	t->peer = p;
	t->session_end = MONO_NEVER;
	t->path_unanswered = MONO_NEVER;
	t->iceless = command->settings.iceless;
	tunnel_timers_init(
	    &t->timers, t->iceless ? &pace_iceless : &pace_classic);
	tunnel_keep_alive(&t->timers, command->settings.keepalive_s);
	LIST_INSERT_HEAD(&p->tunnels, t, entry);
	if (!deadlines_add(&s->due, &t->due, t) ||
	    !index_map_put(&s->tunnels, t->index, t)) {
		tunnel_free(s, t);
		return;
	}
	p->tunnel = t;
}

/*
 * A responder keeps sending on the previous session until the first data on
 * the new one; an initiator switches at once (firezone-tunnel(7), Switching
 * sessions).
 */
static void
session_add(struct shard *s, struct mono now, struct tunnel *t,
    const struct noise_keys *keys)
{
	size_t slot = keys->local_index % SESSIONS;
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return;
	session_init(session, keys, now);
	if (t->current == t->sessions[slot])
		t->current = NULL;
	session_free(t->sessions[slot]);
	t->sessions[slot] = session;
	t->session_end = mono_min(t->session_end, session_end(session));
	tunnel_any_sent(&t->timers);
	tunnel_any_received(&t->timers);
	t->unheard = t->iceless;
	if (session->initiator)
		shard_make_current(t, session);
	shard_arm(s, t);
}

static void
tunnel_command(struct shard *s, struct mono now,
    const struct shard_command *command, const struct packet_sink *out)
{
	struct tunnel *t = index_map_get(&s->tunnels, command->connection);

	if (t == NULL)
		return;
	switch (command->type) {
	case SHARD_CONNECTION_REMOVE:
		tunnel_free(s, t);
		break;
	case SHARD_SESSION:
		session_add(s, now, t, &command->keys);
		if (command->keys.initiator)
			shard_transmit(s, now, t, NULL, 0, 0, out);
		break;
	case SHARD_PATH:
		t->path = command->path;
		shard_path_heard(t, now);
		break;
	case SHARD_SEND:
		shard_transmit(s, now, t, command->inner.bytes,
		    command->inner.length, 0, out);
		break;
	case SHARD_PROBE:
		shard_send_probe(s, now, t, &command->request.path,
		    &command->request.probe, out);
		break;
	default:
		break;
	}
}

/* A new policy; what NAT needs comes with the first name. */
static void
policy_command(struct shard *s, struct mono now, struct shard_command *command)
{
	struct peer *p = index_map_get(&s->peers, command->peer);

	if (p == NULL)
		return;
	if (command->policy.forget_sessions && p->gate.nat != NULL)
		nat_forget(p->gate.nat);
	retire_policy(s, gate_enforce(&p->gate, now, command->policy.policy));
	command->policy.policy = NULL;
	if (command->policy.nat == NULL || p->gate.nat != NULL)
		return;
	p->gate.nat = command->policy.nat;
	command->policy.nat = NULL;
	TAILQ_INSERT_TAIL(&s->translators, p, nat_entry);
}

static void
peer_remove(struct shard *s, const struct shard_command *command)
{
	struct peer *p = index_map_get(&s->peers, command->peer);

	if (p != NULL)
		peer_free(s, p);
}

static void
flows_command(
    struct shard *s, struct mono now, const struct shard_command *command)
{
	if (command->type == SHARD_FLOWS_CLOSE) {
		flow_close_all(s->flows, now);
		s->flows_over = true;
	}
	s->flows_wanted = command->flows_wanted && !s->flows_over;
}

/* As many reports as the engine has taken the last ones. */
static void
hand_out_reports(struct shard *s)
{
	struct shard_event closed = { .type = SHARD_EVENT_FLOWS_CLOSED };
	struct flow_report report;

	while (ring_has_room(&s->reports)) {
		if (flow_report(s->flows, &report)) {
			ring_push(&s->reports, &report);
			continue;
		}
		if (s->flows_over && !s->flows_closed)
			s->flows_closed = ring_push(&s->events, &closed);
		break;
	}
}

/* With the policy that is in force, and without a trace. */
static void
try_packet(const struct shard *s, uint32_t peer, struct shard_trial *trial)
{
	const struct peer *p = index_map_get(&s->peers, peer);
	struct gate_result r;

	if (p == NULL)
		return;
	r = gate_try_outbound(&p->gate, &trial->packet);
	trial->verdict = r.verdict;
	trial->reason = r.reason;
	trial->resource = r.decision.refused_by != NULL ? *r.decision.refused_by
							: r.decision.resource;
	trial->real = r.decision.real;
	trial->route_count = policy_explain(
	    p->gate.policy, &trial->packet, trial->routes, EXPLAIN_ROUTES_MAX);
}

static void
list_flows(struct shard *s, struct shard_flows *flows)
{
	flows->count = flow_list(s->flows, &flows->from,
	    flows->of_one ? &flows->peer : NULL, flows->flow, SURVEY_MAX);
}

/* There are fewer surveys on their way than the ring has room for. */
static void
survey_command(struct shard *s, struct shard_command *command)
{
	struct shard_survey *survey = command->survey;

	for (size_t i = 0; i < survey->count; i++)
		survey->known[i] =
		    peer_stats(s, survey->peer[i], &survey->stats[i]);
	if (survey->has_trial)
		try_packet(s, survey->peer[0], &survey->trial);
	if (survey->has_flows)
		list_flows(s, survey->flows);
	if (ring_push(&s->surveys, &survey))
		command->survey = NULL;
}

static void
run_command(struct shard *s, struct mono now, struct shard_command *command,
    const struct packet_sink *out)
{
	switch (command->type) {
	case SHARD_PEER_ADD:
		peer_add(s, command);
		command->client.policy = NULL;
		break;
	case SHARD_PEER_REMOVE:
		peer_remove(s, command);
		break;
	case SHARD_POLICY:
		policy_command(s, now, command);
		break;
	case SHARD_CONNECTION_ADD:
		tunnel_add(s, command);
		break;
	case SHARD_FLOWS_OF_PEER:
		flow_close_client(s->flows, now, command->peer);
		break;
	case SHARD_FLOWS:
	case SHARD_FLOWS_CLOSE:
		flows_command(s, now, command);
		break;
	case SHARD_SURVEY:
		survey_command(s, command);
		break;
	default:
		tunnel_command(s, now, command, out);
		break;
	}
}

void
shard_run_commands(
    struct shard *s, struct mono now, const struct packet_sink *out)
{
	struct shard_command command;

	while (ring_pop(&s->commands, &command)) {
		run_command(s, now, &command, out);
		command_drop(&command);
	}
	/* At the end of each turn, if not more often. */
	s->counters->flows_open = flow_count(s->flows);
	hand_out_reports(s);
}

void
shard_end_turn(
    struct shard *s, struct mono now, enum shard_source source, bool more)
{
	quotas_end_turn(&s->quotas[source], now, more);
}

/* Timers. */

static void
expire_sessions(struct tunnel *t, struct mono now)
{
	t->session_end = MONO_NEVER;
	for (size_t i = 0; i < SESSIONS; i++) {
		struct session *session = t->sessions[i];

		if (session == NULL)
			continue;
		if (!session_expired(session, now)) {
			t->session_end =
			    mono_min(t->session_end, session_end(session));
			continue;
		}
		if (t->current == session)
			t->current = NULL;
		session_free(session);
		t->sessions[i] = NULL;
	}
	if (t->current == NULL)
		tunnel_session_ended(&t->timers);
}

/* NAT sessions and flows whose time has come. */
static void
tidy_tables(struct shard *s, struct mono now)
{
	struct peer *p;

	s->tidy_at = MONO_NEVER;
	TAILQ_FOREACH(p, &s->translators, nat_entry) {
		nat_timeout(p->gate.nat, now);
		shard_tidy_by(s, nat_deadline(p->gate.nat));
	}
	flow_timeout(s->flows, now);
	s->counters->flows_untracked = flow_untracked(s->flows);
	shard_tidy_by(s, flow_deadline(s->flows));
}

static void
serve_tunnel(struct shard *s, struct mono now, struct tunnel *t,
    const struct packet_sink *out)
{
	unsigned due = tunnel_timeout(&t->timers, now);
	struct mono again;

	expire_sessions(t, now);
	if (due & TUNNEL_KEEPALIVE)
		shard_transmit(s, now, t, NULL, 0, 0, out);
	if ((due & TUNNEL_HANDSHAKE) != 0 || t->handshake_wanted)
		t->handshake_wanted =
		    !shard_tell_engine(s, t, SHARD_EVENT_HANDSHAKE);
	if (mono_due(t->path_unanswered, now)) {
		t->path_unanswered = MONO_NEVER;
		t->path_silent =
		    shard_tell_engine(s, t, SHARD_EVENT_UNANSWERED);
	}
	/* Not in this turn again, whatever its timers say. */
	again = mono_add_ms(now, TICK_MS + 1);
	deadlines_set(&s->due, &t->due,
	    t->handshake_wanted ? again : mono_max(shard_tunnel_due(t), again));
}

void
shard_timeout(struct shard *s, struct mono now, const struct packet_sink *out)
{
	struct tunnel *t;

	if (!mono_due(shard_deadline(s), now))
		return;
	if (mono_due(s->tidy_at, now))
		tidy_tables(s, now);
	/* Who would be woken by and by is served in this turn. */
	while ((t = deadlines_take(&s->due, mono_add_ms(now, TICK_MS))) != NULL)
		serve_tunnel(s, now, t, out);
}

/* The data plane as one object: see dataplane.h. */
#include "net-worker/dataplane/dataplane.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/dataplane/engine/engine.h"
#include "net-worker/dataplane/lane_state.h"
#include "net-worker/dataplane/queries.h"

#define PER_TURN 1024 /* of each kind of news, of one shard */
#define FLUSH_MS 1000 /* for reports about flows, at the end */

struct dataplane {
	struct mono now;
	struct dataplane_host host;
	struct packet_sink sink;
	struct engine *engine;
	struct io_counters *io;
	struct junction junction;
	struct lane lane[SHARDS_MAX];
	thread_set given;
	struct queries queries;
	bool log_denied, tell_denied;
	struct flow_report report; /* on its way from shard to engine */
	bool ending;               /* goodbyes are said, flows not yet stored */
	unsigned lanes_ended;      /* whose flows are all reported */
	struct mono end_by;
	uint8_t *homes; /* HOMES_SIZE; NULL: they are the caller's */
};

static void
note_home(
    struct dataplane *d, unsigned shard, const struct shard_command *command)
{
	bool comes = command->type == SHARD_PEER_ADD;
	uint8_t home = comes ? (uint8_t)(shard + 1) : 0;

	if (!comes && command->type != SHARD_PEER_REMOVE)
		return;
	home_set(d->junction.homes, &command->client.v4, home);
	home_set(d->junction.homes, &command->client.v6, home);
}

/*
 * Of the engine, to a shard, in order. Where there is no room the engine waits:
 * what it says next, to whomever, may depend on this.
 */
static void
give_command(void *ctx, unsigned shard, const struct shard_command *command)
{
	struct dataplane *d = ctx;
	struct lane *l = &d->lane[shard];

	note_home(d, shard, command);
	d->given |= 1u << SHARD_THREAD(shard);
	while (!shard_post(l->shard, command)) {
		if (d->host.wait == NULL)
			shard_run_commands(l->shard, d->now, &l->sink);
		else
			d->host.wait(d->host.ctx, SHARD_THREAD(shard));
	}
}

bool
dataplane_warm_up(void)
{
	return noise_crypto_warm_up() && stun_warm_up();
}

static bool
make_lane(struct dataplane *d, unsigned i,
    const struct dataplane_lane *settings, const struct dataplane_settings *all)
{
	struct counter_page *page = all->counters;
	struct lane *l = &d->lane[i];

	l->number = i;
	l->junction = &d->junction;
	l->sink = settings->sink;
	l->counters = &page->shard[i].counters;
	l->io = &page->io[SHARD_THREAD(i)].counters;
	l->now = d->now;
	l->shard = shard_new(i, all->lanes, settings->aead, l->counters,
	    page->meters[i].meter, all->log_denied || all->tell_denied);
	return l->shard != NULL;
}

struct dataplane *
dataplane_new(const struct dataplane_host *host, const struct packet_sink *sink,
    const struct dataplane_settings *settings, const struct clock_reading *now)
{
	struct dataplane *d =
	    aligned_alloc(_Alignof(struct dataplane), sizeof(*d));
	const struct engine_shards shards = {
		d,
		settings->lanes,
		give_command,
		settings->counters,
	};
	uint8_t *homes = settings->homes;
	bool failed;

	if (d == NULL)
		return NULL;
	memset(d, 0, sizeof(*d));
	d->now = now->mono;
	d->host = *host;
	d->sink = *sink;
	d->io = &settings->counters->io[ENGINE_THREAD].counters;
	d->log_denied = settings->log_denied;
	d->tell_denied = settings->tell_denied;
	if (homes == NULL)
		homes = d->homes = calloc(1, HOMES_SIZE);
	failed = homes == NULL ||
	    !junction_init(&d->junction, settings->lanes, homes, &d->host);
	for (unsigned i = 0; i < settings->lanes && !failed; i++)
		failed = !make_lane(d, i, &settings->lane[i], settings);
	if (!failed)
		d->engine = engine_new(&d->host, &d->sink, &shards,
		    &settings->counters->engine, now, settings->expose_host);
	if (d->engine == NULL) {
		dataplane_free(d);
		return NULL;
	}
	queries_init(&d->queries, d->engine, &shards, &d->host);
	return d;
}

void
dataplane_free(struct dataplane *d)
{
	if (d == NULL)
		return;
	d->host.wait = NULL;
	engine_free(d->engine);
	queries_free(&d->queries);
	for (unsigned i = 0; i < SHARDS_MAX; i++)
		shard_free(d->lane[i].shard);
	junction_free(&d->junction);
	free(d->homes);
	free(d);
}

struct lane *
dataplane_lane(struct dataplane *d, unsigned i)
{
	return &d->lane[i];
}

const uint8_t *
dataplane_public_key(const struct dataplane *d)
{
	return engine_public_key(d->engine);
}

void
dataplane_set_time(struct dataplane *d, struct mono now)
{
	d->now = now;
}

void
dataplane_set_clocks(struct dataplane *d, const struct clock_reading *now)
{
	d->now = now->mono;
	engine_clock(d->engine, now);
	engine_settle(d->engine, d->now);
}

void
dataplane_site_networks(struct dataplane *d, const struct site_networks *site)
{
	engine_site_networks(d->engine, site);
	engine_settle(d->engine, d->now);
}

bool
dataplane_datagram(
    struct dataplane *d, const struct arrival *a, uint8_t *data, size_t len)
{
	unsigned owner = junction_owner(&d->junction, a, data, len);

	if (owner != ENGINE_THREAD) {
		junction_pass(&d->junction, ENGINE_THREAD, owner, a, data, len,
		    d->io, &d->given);
		return true;
	}
	if (!engine_datagram(d->engine, d->now, a, data, len))
		return false;
	engine_settle(d->engine, d->now);
	return true;
}

static void
engine_stray(void *ctx, struct stray *stray)
{
	struct dataplane *d = ctx;

	if (stray->is_packet)
		return;
	if (engine_datagram(d->engine, d->now, &stray->arrival, stray->bytes,
		stray->length))
		engine_settle(d->engine, d->now);
}

/*
 * Messages of control-worker: the engine's, but for queries. What sets nothing
 * going by itself, as the parts of a list before its commit, leaves nothing to
 * settle: such a list may have a hundred thousand of them.
 */

#define ENGINE_CALL(name, end, ...)                            \
	static void on_##name(void *ctx, struct ipc_##name *m) \
	{                                                      \
		struct dataplane *d = ctx;                     \
                                                               \
		(void)m;                                       \
		engine_##name(__VA_ARGS__);                    \
		end;                                           \
	}
#define ENGINE_MESSAGE(name, ...) \
	ENGINE_CALL(name, engine_settle(d->engine, d->now), __VA_ARGS__)
#define ENGINE_NOTE(name, ...) ENGINE_CALL(name, (void)0, __VA_ARGS__)

ENGINE_MESSAGE(interface, d->engine, d->now, m)
ENGINE_NOTE(relays_begin, d->engine)
ENGINE_NOTE(relay_removed, d->engine, &m->relay)
ENGINE_NOTE(relay_present, d->engine, d->now, m)
ENGINE_MESSAGE(relays_commit, d->engine, d->now)
ENGINE_MESSAGE(authorization, d->engine, d->now, m)
ENGINE_MESSAGE(revocation, d->engine, m)
ENGINE_MESSAGE(connection_drop, d->engine, m)
ENGINE_MESSAGE(grant_expiry, d->engine, m)
ENGINE_NOTE(grants_begin, d->engine)
ENGINE_NOTE(grants_entry, d->engine, m)
ENGINE_MESSAGE(grants_commit, d->engine)
ENGINE_MESSAGE(resource_update, d->engine, m)
ENGINE_MESSAGE(remote_candidates, d->engine, d->now, m)
ENGINE_MESSAGE(assignment, d->engine, d->now, m)
ENGINE_MESSAGE(name_resolved, d->engine, d->now, m)
ENGINE_MESSAGE(peer_message, d->engine, m)
ENGINE_MESSAGE(probed, d->engine, m)
ENGINE_NOTE(flow_settings, d->engine, m)
ENGINE_NOTE(flow_stored, d->engine, m)

static void
on_query(void *ctx, struct ipc_query *q)
{
	struct dataplane *d = ctx;

	queries_ask(&d->queries, q);
}

static void
on_explain(void *ctx, struct ipc_explain *m)
{
	struct dataplane *d = ctx;

	queries_explain(&d->queries, m);
}

const struct ipc_handlers dataplane_messages = {
	.explain = on_explain,
	.interface = on_interface,
	.relays_begin = on_relays_begin,
	.relay_removed = on_relay_removed,
	.relay_present = on_relay_present,
	.relays_commit = on_relays_commit,
	.authorization = on_authorization,
	.revocation = on_revocation,
	.connection_drop = on_connection_drop,
	.grant_expiry = on_grant_expiry,
	.grants_begin = on_grants_begin,
	.grants_entry = on_grants_entry,
	.grants_commit = on_grants_commit,
	.resource_update = on_resource_update,
	.remote_candidates = on_remote_candidates,
	.assignment = on_assignment,
	.name_resolved = on_name_resolved,
	.peer_message = on_peer_message,
	.probed = on_probed,
	.flow_settings = on_flow_settings,
	.flow_stored = on_flow_stored,
	.query = on_query,
};

void
dataplane_control_started(struct dataplane *d)
{
	queries_forget(&d->queries);
	engine_control_started(d->engine);
	engine_settle(d->engine, d->now);
}

static void
tell_refusal(struct dataplane *d, const struct shard_refusal *r)
{
	const struct ipc_denied m = {
		.client = r->client,
		.outbound = r->outbound,
		.protocol = r->protocol,
		.source = r->source,
		.destination = r->destination,
		.reason = (uint8_t)r->reason,
		.resource = r->resource,
	};

	if (d->log_denied)
		engine_shard_refusal(r);
	if (d->tell_denied)
		d->host.denied(d->host.ctx, &m);
}

static void
hear_shard(struct dataplane *d, unsigned i)
{
	struct shard *shard = d->lane[i].shard;
	struct shard_event event;
	struct shard_control control;
	struct shard_probe probe;
	struct shard_refusal refusal;
	struct shard_survey *survey;
	unsigned n;

	for (n = 0; n < PER_TURN && shard_event(shard, &event); n++) {
		d->lanes_ended += event.type == SHARD_EVENT_FLOWS_CLOSED;
		engine_shard_event(d->engine, d->now, &event);
		engine_settle(d->engine, d->now);
	}
	for (n = 0; n < PER_TURN && shard_control(shard, &control); n++)
		engine_shard_control(d->engine, &control);
	for (n = 0; n < PER_TURN && shard_probe(shard, &probe); n++) {
		engine_shard_probe(d->engine, d->now, &probe);
		engine_settle(d->engine, d->now);
	}
	for (n = 0; n < PER_TURN && shard_refusal(shard, &refusal); n++)
		tell_refusal(d, &refusal);
	while ((survey = shard_survey(shard)) != NULL)
		queries_survey(&d->queries, d->now, survey);
	for (n = 0; n < PER_TURN && engine_takes_flows(d->engine) &&
	     shard_flow(shard, &d->report);
	     n++) {
		engine_shard_flow(d->engine, d->now, &d->report);
		/* There is room for the next one. */
		d->given |= 1u << SHARD_THREAD(i);
	}
	/* There may be room for the last word, now. */
	if (d->ending)
		d->given |= 1u << SHARD_THREAD(i);
}

void
dataplane_settle(struct dataplane *d)
{
	(void)strays_take(d->junction.strays, ENGINE_THREAD, engine_stray, d);
	for (unsigned i = 0; i < d->junction.shards; i++)
		hear_shard(d, i);
	engine_tell_flows(d->engine);
	junction_wake(&d->junction, &d->given);
}

bool
dataplane_lies_down(struct dataplane *d)
{
	struct doorbell *bell = &d->junction.bell[ENGINE_THREAD];
	bool reports = engine_takes_flows(d->engine);
	bool quiet;

	doorbell_lie_down(bell);
	quiet = strays_none(d->junction.strays, ENGINE_THREAD);
	for (unsigned i = 0; i < d->junction.shards; i++)
		quiet = quiet && !shard_has_news(d->lane[i].shard, reports);
	if (!quiet)
		doorbell_get_up(bell);
	return quiet;
}

void
dataplane_gets_up(struct dataplane *d)
{
	doorbell_get_up(&d->junction.bell[ENGINE_THREAD]);
}

struct mono
dataplane_deadline(const struct dataplane *d)
{
	struct mono next = engine_deadline(d->engine);

	return d->ending ? mono_min(next, d->end_by) : next;
}

void
dataplane_timeout(struct dataplane *d)
{
	engine_timeout(d->engine, d->now);
}

void
dataplane_shutdown(struct dataplane *d)
{
	if (d->ending)
		return;
	d->ending = true;
	d->end_by = mono_add_ms(d->now, FLUSH_MS);
	engine_shutdown(d->engine);
}

bool
dataplane_has_ended(const struct dataplane *d)
{
	return d->ending &&
	    (mono_due(d->end_by, d->now) ||
		(d->lanes_ended == d->junction.shards &&
		    !engine_has_flows(d->engine)));
}

/* The data plane as one object: see dataplane.h. */
#include "net-worker/dataplane/dataplane.h"

#include <stdlib.h>

#include "common/log.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/dataplane/engine/engine.h"
#include "net-worker/dataplane/shard/shard.h"

#define FLUSH_MS 1000 /* for reports about flows, at the end */
#define PAGE     64   /* entries of one answer to a query */

struct dataplane {
	struct mono now;
	struct dataplane_host host;
	struct packet_sink sink;
	struct engine *engine;
	struct shard *shard;
	struct flow_report report; /* on its way from shard to engine */
	bool ending;               /* goodbyes are said, flows not yet stored */
	struct mono end_by;
};

/* The engine's way to the shard. */
static void
give_command(void *ctx, const struct shard_command *command)
{
	struct dataplane *d = ctx;

	if (shard_post(d->shard, command))
		return;
	shard_run_commands(d->shard, d->now, &d->sink);
	if (!shard_post(d->shard, command))
		fatalx("internal error: the shard takes no commands");
}

bool
dataplane_warm_up(void)
{
	return noise_crypto_warm_up() && stun_warm_up();
}

struct dataplane *
dataplane_new(const struct dataplane_host *host, const struct packet_sink *sink,
    const struct dataplane_settings *settings, const struct clock_reading *now)
{
	struct dataplane *d = calloc(1, sizeof(*d));
	struct counter_page *page = settings->counters;
	const struct engine_shards shards = { d, give_command };

	if (d == NULL)
		return NULL;
	d->now = now->mono;
	d->host = *host;
	d->sink = *sink;
	d->shard = shard_new(
	    0, settings->aead, &page->shard[0].counters, settings->log_denied);
	d->engine = engine_new(&d->host, &d->sink, &shards, &page->engine, now,
	    settings->expose_host);
	if (d->shard == NULL || d->engine == NULL) {
		dataplane_free(d);
		return NULL;
	}
	return d;
}

void
dataplane_free(struct dataplane *d)
{
	if (d == NULL)
		return;
	engine_free(d->engine);
	shard_free(d->shard);
	free(d);
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

void
dataplane_datagram(
    struct dataplane *d, const struct arrival *a, uint8_t *data, size_t len)
{
	if (shard_datagram(d->shard, d->now, a, data, len, &d->sink))
		return;
	engine_datagram(d->engine, d->now, a, data, len);
	engine_settle(d->engine, d->now);
}

void
dataplane_packet(struct dataplane *d, uint8_t *packet, size_t len)
{
	shard_packet(d->shard, d->now, packet, len, &d->sink);
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

ENGINE_MESSAGE(interface, d->engine, m)
ENGINE_NOTE(relays_begin, d->engine)
ENGINE_NOTE(relay_removed, d->engine, &m->relay)
ENGINE_NOTE(relay_present, d->engine, d->now, m)
ENGINE_MESSAGE(relays_commit, d->engine, d->now)
ENGINE_MESSAGE(authorization, d->engine, d->now, m)
ENGINE_MESSAGE(revocation, d->engine, m)
ENGINE_NOTE(grants_begin, d->engine)
ENGINE_NOTE(grants_entry, d->engine, m)
ENGINE_MESSAGE(grants_commit, d->engine)
ENGINE_MESSAGE(resource_update, d->engine, m)
ENGINE_MESSAGE(remote_candidates, d->engine, d->now, m)
ENGINE_MESSAGE(assignment, d->engine, d->now, m)
ENGINE_MESSAGE(name_resolved, d->engine, d->now, m)
ENGINE_MESSAGE(peer_message, d->engine, m)
ENGINE_NOTE(flow_settings, d->engine, m)
ENGINE_NOTE(flow_stored, d->engine, m)

/* What the shard knows of a client. */
static void
describe_traffic(
    const struct dataplane *d, uint32_t number, struct ipc_query_client *row)
{
	struct shard_peer_stats stats;

	if (!shard_peer_stats(d->shard, number, &stats))
		return;
	row->received_packets = stats.received_packets;
	row->received_bytes = stats.received_bytes;
	row->sent_packets = stats.sent_packets;
	row->sent_bytes = stats.sent_bytes;
	row->handshaken = !mono_is_never(stats.handshake);
	if (row->handshaken)
		row->handshake_age =
		    (uint64_t)mono_ms_between(stats.handshake, d->now) / 1000;
	if (stats.has_connection)
		engine_query_connection(d->engine, stats.connection, row);
}

/* A page of clients, beginning with that number. */
static void
answer_clients(struct dataplane *d, const struct ipc_query *q)
{
	struct ipc_query_end end = { .serial = q->serial };
	struct ipc_query_client rows[PAGE];
	struct engine_client clients[PAGE + 1];
	size_t count =
	    engine_query_clients(d->engine, q->from, clients, PAGE + 1);

	if (count > PAGE) {
		end.more = true;
		end.next = clients[PAGE].number;
		count = PAGE;
	}
	for (size_t i = 0; i < count; i++) {
		rows[i] = clients[i].row;
		rows[i].serial = q->serial;
		describe_traffic(d, clients[i].number, &rows[i]);
	}
	d->host.clients(d->host.ctx, rows, count, &end);
}

/* There are never more than a page of them. */
static void
answer_relays(struct dataplane *d, const struct ipc_query *q)
{
	const struct ipc_query_end end = { .serial = q->serial };
	struct ipc_query_relay rows[PAGE];
	size_t count = 0;

	while (
	    count < PAGE && engine_query_relay(d->engine, count, &rows[count]))
		rows[count++].serial = q->serial;
	d->host.relays(d->host.ctx, rows, count, &end);
}

static void
on_query(void *ctx, struct ipc_query *q)
{
	if (q->kind == QUERY_KIND_CLIENTS)
		answer_clients(ctx, q);
	else
		answer_relays(ctx, q);
}

const struct ipc_handlers dataplane_messages = {
	.interface = on_interface,
	.relays_begin = on_relays_begin,
	.relay_removed = on_relay_removed,
	.relay_present = on_relay_present,
	.relays_commit = on_relays_commit,
	.authorization = on_authorization,
	.revocation = on_revocation,
	.grants_begin = on_grants_begin,
	.grants_entry = on_grants_entry,
	.grants_commit = on_grants_commit,
	.resource_update = on_resource_update,
	.remote_candidates = on_remote_candidates,
	.assignment = on_assignment,
	.name_resolved = on_name_resolved,
	.peer_message = on_peer_message,
	.flow_settings = on_flow_settings,
	.flow_stored = on_flow_stored,
	.query = on_query,
};

void
dataplane_control_started(struct dataplane *d)
{
	engine_control_started(d->engine);
	engine_settle(d->engine, d->now);
}

/* The pump. What one tells the other may make that one tell something, too. */
void
dataplane_settle(struct dataplane *d)
{
	struct shard_event event;
	struct shard_control control;
	struct shard_refusal refusal;

	shard_run_commands(d->shard, d->now, &d->sink);
	while (shard_event(d->shard, &event)) {
		engine_shard_event(d->engine, d->now, &event);
		engine_settle(d->engine, d->now);
		shard_run_commands(d->shard, d->now, &d->sink);
	}
	while (shard_control(d->shard, &control))
		engine_shard_control(d->engine, &control);
	while (shard_refusal(d->shard, &refusal))
		engine_shard_refusal(&refusal);
	while (
	    engine_takes_flows(d->engine) && shard_flow(d->shard, &d->report)) {
		engine_shard_flow(d->engine, d->now, &d->report);
		shard_run_commands(d->shard, d->now, &d->sink);
	}
	engine_tell_flows(d->engine);
}

struct mono
dataplane_deadline(const struct dataplane *d)
{
	struct mono next =
	    mono_min(engine_deadline(d->engine), shard_deadline(d->shard));

	return d->ending ? mono_min(next, d->end_by) : next;
}

void
dataplane_timeout(struct dataplane *d)
{
	engine_timeout(d->engine, d->now);
	shard_timeout(d->shard, d->now, &d->sink);
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
	    (!engine_has_flows(d->engine) || mono_due(d->end_by, d->now));
}

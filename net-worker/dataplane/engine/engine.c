/*
 * The engine as an object: its making, its clock, and the way in for datagrams
 * (firezone-tunnel(7), Demultiplexing). See engine.h and state.h.
 */
#include "net-worker/core/turn/channel_data.h"
#include "net-worker/dataplane/engine/engine.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"
#include "net-worker/dataplane/engine/state.h"

/* Deadlines of many connections are served together, this much late. */
#define TICK_MS 10

/* For a table's size: more of all clients together make it slower. */
#define RESOURCES_EXPECTED 32768

static bool
make_tables(struct engine *e)
{
	return key_map_init(&e->clients_by_id, SHARD_PEERS_MAX) &&
	    key_map_init(
		&e->clients_by_address, CLIENT_ADDRESSES * SHARD_PEERS_MAX) &&
	    holders_init(&e->holders, RESOURCES_EXPECTED) &&
	    key_map_init(&e->by_key, SHARD_CONNECTIONS_MAX) &&
	    key_map_init(&e->by_initiation, SHARD_CONNECTIONS_MAX) &&
	    index_map_init(&e->by_index, SHARD_CONNECTIONS_MAX) &&
	    deadlines_init(&e->expiries, SHARD_PEERS_MAX) &&
	    deadlines_init(&e->due, SHARD_CONNECTIONS_MAX) &&
	    deadlines_init(&e->names_due, SHARD_PEERS_MAX) &&
	    deadlines_init(&e->names_watch, SHARD_PEERS_MAX);
}

static void
free_tables(struct engine *e)
{
	key_map_free(&e->clients_by_id);
	key_map_free(&e->clients_by_address);
	holders_free(&e->holders);
	key_map_free(&e->by_key);
	key_map_free(&e->by_initiation);
	index_map_free(&e->by_index);
	deadlines_free(&e->expiries);
	deadlines_free(&e->due);
	deadlines_free(&e->names_due);
	deadlines_free(&e->names_watch);
}

struct engine *
engine_new(const struct dataplane_host *host, const struct packet_sink *sink,
    const struct engine_shards *shards, struct engine_counters *counters,
    const struct clock_reading *now, bool expose_host)
{
	struct engine *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	RB_INIT(&e->clients);
	TAILQ_INIT(&e->lingering);
	STAILQ_INIT(&e->flows);
	e->host = host;
	e->sink = sink;
	e->shards = *shards;
	e->expose_host = expose_host;
	e->started = *now;
	wall_clock_init(&e->clock, now);
	e->deadline = MONO_NEVER;
	e->counters = counters;
	/* How it is now; the rest goes on from what was counted before. */
	counters->clients = counters->relays = 0;
	counters->connections_direct = counters->connections_relayed = 0;
	counters->connections_iceless = counters->flows_followed = 0;
	cookie_guard_init(&e->guard, now->mono);
	if ((e->relays = relays_new()) == NULL ||
	    (e->paths = path_table_new(e->relays, e->sink, counters,
		 SHARD_CONNECTIONS_MAX)) == NULL ||
	    !make_tables(e) || !noise_identity_generate(&e->identity) ||
	    !noise_identity_make_ready(&e->identity)) {
		engine_free(e);
		return NULL;
	}
	return e;
}

void
engine_free(struct engine *e)
{
	struct client *client, *next;

	if (e == NULL)
		return;
	RB_FOREACH_SAFE(client, client_tree, &e->clients, next) {
		if (client->connection != NULL)
			connection_close(e, client->connection);
		client_forget(e, client);
	}
	flows_free(e);
	path_table_free(e->paths);
	relays_free(e->relays);
	free_tables(e);
	free(e->snapshot);
	cookie_guard_wipe(&e->guard);
	noise_identity_wipe(&e->identity);
	free(e);
}

const uint8_t *
engine_public_key(const struct engine *e)
{
	return e->identity.public_key;
}

static void
send_datagram(struct engine *e, const struct endpoint *to,
    const struct ip_address *from, const void *data, size_t len)
{
	uint8_t *room = e->sink->udp(e->sink->ctx, to, from, 0, len);

	if (room != NULL)
		memcpy(room, data, len);
}

/* Draining: everything that a call has set going leaves within the call. */

static uint64_t
count_allocated(struct engine *e)
{
	uint64_t count = 0;

	for (size_t i = 0; i < relays_count(e->relays); i++) {
		const struct allocation *a = relays_get(e->relays, i);

		count += allocation_relayed(a, IP_V4).ip.family != IP_NONE ||
		    allocation_relayed(a, IP_V6).ip.family != IP_NONE;
	}
	return count;
}

static bool
drain_relays(struct engine *e, struct mono now)
{
	struct datagram d;
	struct relays_event event;
	bool any = false;

	while (relays_transmit(e->relays, &d))
		send_datagram(e, &d.to, &d.from, d.data, d.length);
	while (relays_event(e->relays, &event)) {
		if (event.type == RELAYS_NONE)
			e->host->no_relays(e->host->ctx);
		else
			paths_relay_event(e->paths, now, &event);
		any = true;
	}
	if (any)
		e->counters->relays = count_allocated(e);
	return any;
}

static void
drain_connection(struct engine *e, struct mono now, struct connection *c)
{
	const struct uuid *client = client_id(c->client);
	char lines[PATHS_LINES_SIZE];

	connection_follow_paths(e, now, c);
	if (paths_take_lines(c->paths, true, lines))
		e->host->candidates(e->host->ctx, client, true, lines);
	if (paths_take_lines(c->paths, false, lines))
		e->host->candidates(e->host->ctx, client, false, lines);
	deadlines_set(&e->due, &c->due, connection_deadline(c));
	e->deadline = mono_min(e->deadline, c->due.due);
}

static bool
drain_paths(struct engine *e, struct mono now)
{
	struct paths *paths;
	bool any = false;

	while ((paths = paths_next_touched(e->paths)) != NULL) {
		drain_connection(e, now, paths_connection(paths));
		any = true;
	}
	return any;
}

void
engine_settle(struct engine *e, struct mono now)
{
	while (drain_relays(e, now) || drain_paths(e, now))
		continue;
	e->deadline = mono_min(e->deadline, relays_deadline(e->relays));
	e->deadline = mono_min(e->deadline, deadlines_first(&e->expiries));
	e->deadline = mono_min(e->deadline, deadlines_first(&e->names_due));
	e->deadline = mono_min(e->deadline, deadlines_first(&e->names_watch));
}

struct mono
engine_deadline(const struct engine *e)
{
	return e->deadline;
}

void
engine_timeout(struct engine *e, struct mono now)
{
	struct connection *c;

	if (!mono_due(e->deadline, now))
		return;
	relays_timeout(e->relays, now);
	clients_timeout(e, now);
	names_timeout(e, now);
	while ((c = deadlines_take(&e->due, now)) != NULL)
		connection_timeout(e, now, c);
	e->deadline = deadlines_first(&e->due);
	engine_settle(e, now);
	if (mono_before(e->deadline, mono_add_ms(now, TICK_MS)))
		e->deadline = mono_add_ms(now, TICK_MS);
}

void
engine_clock(struct engine *e, const struct clock_reading *now)
{
	int64_t step = wall_clock_update(&e->clock, now);
	uint32_t held;

	if (step == 0)
		return;
	if (log_allow(&e->clock_log, now->mono.ns, &held))
		log_info("the host's clock was set %s by %.3f s: grants end no "
			 "later for that",
		    step < 0 ? "back" : "forward",
		    (double)(step < 0 ? -step : step) / 1e9);
	clients_clock_was_set(e);
}

/* The way in. */

/*
 * The ends of what came out of a channel of a relay of ours: false where it is
 * no channel that anybody may send by.
 */
static bool
unwrap_channel(struct engine *e, struct path *path)
{
	struct allocation *a = relays_at(e->relays, &path->remote);
	struct endpoint peer;

	if (a == NULL || !allocation_received(a, path->channel, &peer))
		return false;
	path->relayed = true;
	path->relay = path->remote;
	path->local = allocation_relayed(a, peer.ip.family);
	path->remote = peer;
	return true;
}

static void
relay_said(struct engine *e, struct mono now, struct allocation *a,
    const struct path *path, const struct stun_message *message)
{
	int64_t sample_us;

	allocation_input(a, now, &path->local, &path->remote, message);
	sample_us = allocation_take_sample_us(a);
	if (sample_us >= 0)
		histogram_observe(
		    &e->counters->relay_round_trip, (uint64_t)sample_us);
}

/*
 * What came from a relay's port: true when it was for a TURN client or from a
 * relay we no longer know. Otherwise what is left to look at: a peer's datagram
 * out of a channel, by the path that it took, or the datagram as it was.
 */
static bool
from_relay(struct engine *e, struct mono now, struct path *path,
    const uint8_t **data, size_t *len)
{
	struct allocation *a = relays_at(e->relays, &path->remote);
	bool former =
	    a == NULL && relays_formerly_used(e->relays, &path->remote.ip);
	struct stun_message message;
	size_t header, inside = *len;

	if (a == NULL && !former)
		return false;
	if (stun_parse(*data, *len, &message)) {
		if (a != NULL)
			relay_said(e, now, a, path, &message);
		return true;
	}
	header = channel_data_open(*data, &inside, &path->channel);
	/* Framed for a channel that is none it is no message of anybody's. */
	if (header == 0 || !unwrap_channel(e, path))
		return false;
	*data += header;
	*len = inside;
	return false;
}

bool
engine_datagram(struct engine *e, struct mono now, const struct arrival *a,
    const uint8_t *data, size_t len)
{
	struct path path = { .local = a->local, .remote = a->from };
	bool maybe_relay = a->from.port == TURN_PORT;
	struct stun_message message;

	if (maybe_relay && from_relay(e, now, &path, &data, &len))
		return true;
	if (stun_parse(data, len, &message)) {
		paths_stun(e->paths, now, &path, &message);
		return true;
	}
	return handshake_message(e, now, &path, data, len) || maybe_relay;
}

static void
channel_used(struct engine *e, const struct shard_event *event)
{
	struct allocation *a = relays_at(e->relays, &event->relay);
	struct endpoint peer;

	if (a != NULL)
		allocation_received(a, event->channel, &peer);
}

static void
data_heard(struct engine *e, struct mono now, struct connection *c,
    const struct shard_event *event)
{
	struct path from = {
		.local = event->local,
		.remote = event->from,
		.channel = event->channel,
	};

	if (from.channel == 0 || unwrap_channel(e, &from))
		paths_sign(e->paths, now, c->paths, PATH_SIGN_HEARD, &from);
}

void
engine_shard_event(
    struct engine *e, struct mono now, const struct shard_event *event)
{
	struct connection *c = connection_of_index(e, event->connection);

	switch (event->type) {
	case SHARD_EVENT_CHANNEL_USED:
		channel_used(e, event);
		break;
	case SHARD_EVENT_POLICY_OLD:
		policy_free(event->policy);
		break;
	case SHARD_EVENT_HANDSHAKE:
		if (c != NULL)
			handshake_want(&c->handshake, now);
		break;
	case SHARD_EVENT_UNANSWERED:
		if (c != NULL)
			paths_sign(e->paths, now, c->paths,
			    PATH_SIGN_UNANSWERED, NULL);
		break;
	case SHARD_EVENT_HEARD:
		if (c != NULL)
			data_heard(e, now, c, event);
		break;
	case SHARD_EVENT_DATA:
		if (c != NULL)
			paths_sign(
			    e->paths, now, c->paths, PATH_SIGN_DATA, NULL);
		break;
	case SHARD_EVENT_ACTIVITY:
		if (c != NULL)
			connection_active(e, now, c);
		break;
	case SHARD_EVENT_GOODBYE:
		if (c != NULL)
			client_remove(e, c->client, false);
		c = NULL;
		break;
	case SHARD_EVENT_FLOWS_CLOSED:
		break;
	}
	if (c != NULL)
		paths_touch(e->paths, c->paths);
}

void
engine_shard_probe(
    struct engine *e, struct mono now, const struct shard_probe *p)
{
	struct connection *c = connection_of_index(e, p->connection);
	struct path path = {
		.local = p->arrival.local,
		.remote = p->arrival.from,
		.channel = p->channel,
	};

	if (c == NULL || (p->channel != 0 && !unwrap_channel(e, &path)))
		return;
	paths_probe(e->paths, now, c->paths, &path, &p->probe);
}

/* Messages about relays. */

void
engine_relays_begin(struct engine *e)
{
	relays_begin(e->relays);
}

void
engine_relay_removed(struct engine *e, const struct uuid *id)
{
	relays_removed(e->relays, id);
}

void
engine_relay_present(
    struct engine *e, struct mono now, const struct ipc_relay_present *m)
{
	struct relay_config config = {
		.id = m->relay,
		.address = { m->v4, m->v6 },
	};
	uint32_t held;
	bool taken;

	strlcpy(config.username, m->username, sizeof(config.username));
	strlcpy(config.password, m->password, sizeof(config.password));
	taken = m->suggested ? relays_suggested(e->relays, now, &config)
			     : relays_present(e->relays, now, &config);
	if (!taken && log_allow(&e->portal_log, now.ns, &held))
		log_warnx("the portal names more than %d relays: one is left "
			  "out",
		    RELAYS_MAX);
	sodium_memzero(&config, sizeof(config));
}

void
engine_relays_commit(struct engine *e, struct mono now)
{
	relays_commit(e->relays, now);
}

void
engine_control_started(struct engine *e)
{
	struct client *client;

	e->snapshot_open = false;
	RB_FOREACH(client, client_tree, &e->clients)
		if (client->connection != NULL)
			paths_announce_all(e->paths, client->connection->paths);
	flows_tell_again(e);
}

void
engine_shutdown(struct engine *e)
{
	const struct shard_command close_flows = { .type = SHARD_FLOWS_CLOSE };
	struct client *client;
	struct datagram d;

	RB_FOREACH(client, client_tree, &e->clients)
		if (client->connection != NULL)
			connection_goodbye(e, client->connection);
	shard_command_all(e, &close_flows);
	for (size_t i = 0; i < relays_count(e->relays); i++)
		if (allocation_release(relays_get(e->relays, i), &d))
			send_datagram(e, &d.to, &d.from, d.data, d.length);
}

/*
 * Paths: which candidates a connection has, what ICE says and does with them,
 * and where its datagrams go in the end (firezone-tunnel(7), ICE and Relayed
 * paths).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"
#include "net-worker/core/turn/channel_data.h"
#include "net-worker/dataplane/engine/state.h"

#define DISCONNECT_GRACE_S 2
#define LINES_MAX          (ANNOUNCEMENTS_MAX * CANDIDATE_LINE_MAX)

static struct turn_owner
owner_of(const struct connection *c)
{
	return (struct turn_owner){ *client_id(c->client), c->index };
}

static struct allocation *
relay_of(struct engine *e, const struct connection *c)
{
	return c->has_relay ? relays_find(e->relays, &c->relay) : NULL;
}

/*
 * Finds the way between the ends of a path. A relayed one needs a channel;
 * where there is none yet a bind is under way, and the path is not usable.
 */
static void
route(
    struct engine *e, struct mono now, struct connection *c, struct path *path)
{
	struct allocation *relay = relay_of(e, c);
	struct turn_owner owner = owner_of(c);
	struct endpoint own;

	path->channel = 0;
	if (!path->relayed || relay == NULL)
		return;
	own = allocation_relayed(relay, path->local.ip.family);
	if (endpoint_equal(&own, &path->local) &&
	    allocation_server(relay, &path->relay))
		path->channel =
		    allocation_channel(relay, now, &path->remote, &owner);
}

bool
paths_send_on(
    struct engine *e, const struct path *path, const void *data, size_t len)
{
	size_t header = path->relayed ? CHANNEL_DATA_OVERHEAD : 0;
	uint8_t *room;

	if (!path_is_usable(path))
		return false;
	room = e->sink->udp(e->sink->ctx, path_next_hop(path),
	    path_source(path), 0, header + len);
	if (room == NULL)
		return false;
	if (path->relayed)
		room = channel_data_begin(room, path->channel, len);
	memcpy(room, data, len);
	return true;
}

bool
paths_send(struct engine *e, struct mono now, struct connection *c,
    const void *data, size_t len)
{
	if (!connection_has_path(c))
		return false;
	route(e, now, c, &c->path);
	return paths_send_on(e, &c->path, data, len);
}

void
paths_update(struct engine *e, struct mono now, struct connection *c)
{
	struct shard_command command = {
		.type = SHARD_PATH,
		.connection = c->index,
	};

	if (!connection_has_path(c))
		return;
	route(e, now, c, &c->path);
	command.path = c->path;
	e->shards.command(e->shards.ctx, &command);
}

/*
 * Local candidates: all are by-products of talking to relays
 * (firezone-tunnel(7), Gathering).
 */

static void
announce(struct connection *c, const struct candidate *candidate)
{
	if (c->added_count < ANNOUNCEMENTS_MAX)
		c->added[c->added_count++] = *candidate;
}

static void
offer(struct engine *e, struct mono now, struct connection *c,
    enum candidate_kind kind, const struct endpoint *address,
    const struct endpoint *base, const struct endpoint *via)
{
	struct candidate candidate = {
		.kind = kind,
		.address = *address,
		.base = *base,
		.via = *via,
	};
	struct candidate announced;

	if (address->ip.family == IP_NONE)
		return;
	if (ice_agent_add_local(c->ice, now, &candidate, &announced))
		announce(c, &announced);
	engine_touch(e, c);
}

/* One kind of one relay, IPv6 first: it has the higher preference. */
static void
offer_kind(struct engine *e, struct mono now, struct connection *c,
    const struct allocation *a, enum candidate_kind kind)
{
	static const enum ip_family families[] = { IP_V6, IP_V4 };
	static const struct endpoint none;

	for (size_t i = 0; i < 2; i++) {
		struct endpoint host = allocation_host(a, families[i]);
		struct endpoint address;

		switch (kind) {
		case CANDIDATE_HOST:
			offer(e, now, c, kind, &host, &host, &none);
			break;
		case CANDIDATE_SERVER_REFLEXIVE:
			address = allocation_reflexive(a, families[i]);
			offer(e, now, c, kind, &address, &host, &none);
			break;
		case CANDIDATE_RELAYED:
			address = allocation_relayed(a, families[i]);
			host = allocation_base(a);
			offer(e, now, c, kind, &address, &address, &host);
			break;
		case CANDIDATE_PEER_REFLEXIVE:
			break;
		}
	}
}

void
paths_announce_all(struct engine *e, struct connection *c)
{
	const struct candidate *live;

	c->added_count = 0;
	for (size_t i = 0; (live = ice_agent_get_local(c->ice, i)) != NULL; i++)
		announce(c, live);
	engine_touch(e, c);
}

void
paths_offer_all(struct engine *e, struct mono now, struct connection *c)
{
	static const enum candidate_kind shared[] = {
		CANDIDATE_HOST,
		CANDIDATE_SERVER_REFLEXIVE,
	};
	struct allocation *relay = relay_of(e, c);

	for (size_t k = 0; k < 2; k++)
		for (size_t i = 0; i < relays_count(e->relays); i++)
			offer_kind(
			    e, now, c, relays_get(e->relays, i), shared[k]);
	if (relay != NULL)
		offer_kind(e, now, c, relay, CANDIDATE_RELAYED);

	/* The client may have lost what it was told before. */
	paths_announce_all(e, c);
}

void
paths_migrate(struct engine *e, struct mono now, struct connection *c)
{
	struct allocation *relay;

	if (c->has_relay || (relay = relays_sample(e->relays)) == NULL)
		return;
	connection_set_relay(e, c, &allocation_config(relay)->id);
	offer_kind(e, now, c, relay, CANDIDATE_HOST);
	offer_kind(e, now, c, relay, CANDIDATE_SERVER_REFLEXIVE);
	offer_kind(e, now, c, relay, CANDIDATE_RELAYED);
}

static void
withdraw(struct engine *e, struct mono now, struct connection *c,
    const struct endpoint *address)
{
	struct candidate gone = {
		.kind = CANDIDATE_RELAYED,
		.address = *address,
		.base = *address,
	};

	if (ice_agent_remove_local(c->ice, now, &gone) &&
	    c->withdrawn_count < ANNOUNCEMENTS_MAX) {
		/*
		 * The default preference of the kind: firezone-tunnel(7),
		 * Withdrawals.
		 */
		gone.priority = candidate_priority(CANDIDATE_RELAYED,
		    address->ip.family == IP_V4 ? 65534 : 65535);
		c->withdrawn[c->withdrawn_count++] = gone;
	}
	paths_update(e, now, c);
	engine_touch(e, c);
}

static enum candidate_kind
kind_of(enum allocation_event_type type)
{
	switch (type) {
	case ALLOCATION_HOST:
		return CANDIDATE_HOST;
	case ALLOCATION_SERVER_REFLEXIVE:
		return CANDIDATE_SERVER_REFLEXIVE;
	default:
		return CANDIDATE_RELAYED;
	}
}

static void
log_relay_end(const struct relays_event *event)
{
	static const char *const why[] = {
		[ALLOCATION_ALIVE] = "the portal withdrew it",
		[ALLOCATION_NO_RESPONSE] = "it does not answer; check that UDP "
					   "port 3478 may go out",
		[ALLOCATION_AUTHENTICATION] = "it refuses our credentials",
		[ALLOCATION_PROTOCOL] = "it does not speak our TURN",
	};
	char id[UUID_TEXT_LEN + 1];

	log_info("relay %s given up: %s", uuid_format(&event->relay, id),
	    why[event->end]);
}

/* Takes all connections off the list, each to another relay if there is one. */
static void
migrate_all(struct engine *e, struct mono now, struct connection_list *list)
{
	struct connection *c, *last = TAILQ_LAST(list, connection_list);

	/* Those that stay, or come back, lie behind the last one. */
	while (last != NULL) {
		c = TAILQ_FIRST(list);
		connection_set_relay(e, c, NULL);
		paths_update(e, now, c);
		paths_migrate(e, now, c);
		if (c == last)
			break;
	}
}

static void
channel_changed(struct engine *e, struct mono now, const struct uuid *relay,
    const struct endpoint *remote)
{
	struct connection *c = connection_of_remote(e, remote);

	for (; c != NULL; c = connection_of_same_remote(c))
		if (c->has_relay && uuid_equal(&c->relay, relay))
			paths_update(e, now, c);
}

void
paths_relay_event(
    struct engine *e, struct mono now, const struct relays_event *event)
{
	struct relay_users *users = relay_users_find(e, &event->relay);
	struct allocation *relay = relays_find(e->relays, &event->relay);
	struct connection_list none = TAILQ_HEAD_INITIALIZER(none),
			       *list =
				   users == NULL ? &none : &users->connections;
	struct connection *c;

	switch (event->type) {
	case RELAYS_CANDIDATE:
		TAILQ_FOREACH(c, list, relay_entry)
			if (relay != NULL)
				offer_kind(e, now, c, relay,
				    kind_of(event->detail.type));
		migrate_all(e, now, &e->homeless);
		break;
	case RELAYS_WITHDRAWN:
		TAILQ_FOREACH(c, list, relay_entry)
			withdraw(e, now, c, &event->detail.address);
		break;
	case RELAYS_CHANNEL:
		channel_changed(e, now, &event->relay, &event->detail.address);
		break;
	case RELAYS_REMOVED:
		log_relay_end(event);
		migrate_all(e, now, list);
		break;
	case RELAYS_NONE:
		e->host->no_relays(e->host->ctx);
		break;
	}
}

/* Remote candidates. */

static void
log_no_channel(struct engine *e, struct mono now, const struct connection *c)
{
	char who[UUID_TEXT_LEN + 1], which[UUID_TEXT_LEN + 1];
	uint32_t held;

	if (log_allow(&e->channels_log, now.ns, &held))
		log_warnx("client %s has named more addresses than it gets "
			  "channels for on relay %s: no channel (%u more "
			  "before)",
		    uuid_format(client_id(c->client), who),
		    uuid_format(&c->relay, which), held);
}

/*
 * Lets the peer's datagrams through our relay before it needs it
 * (firezone-tunnel(7), Channel bindings).
 */
static void
open_channel(struct engine *e, struct mono now, struct connection *c,
    const struct candidate *remote)
{
	struct allocation *relay = relay_of(e, c);
	struct turn_owner owner = owner_of(c);

	if (relay == NULL || remote->kind == CANDIDATE_HOST ||
	    allocation_bind(relay, now, &remote->address, &owner))
		return;
	e->counters->channels_refused++;
	log_no_channel(e, now, c);
}

static void
remote_line(struct engine *e, struct mono now, struct connection *c,
    const char *line, bool withdrawn)
{
	struct candidate remote;

	switch (candidate_parse(
	    line, ice_agent_remote(c->ice)->username, &remote)) {
	case CANDIDATE_OK:
		break;
	case CANDIDATE_NOT_FOR_US:
		c->candidate_seen = true;
		return;
	case CANDIDATE_MALFORMED:
		log_debug("a client sent a malformed candidate: ignored");
		return;
	}
	if (withdrawn) {
		ice_agent_remove_remote(c->ice, now, &remote);
		return;
	}
	c->candidate_seen = true;
	if (ice_agent_add_remote(c->ice, now, &remote))
		open_channel(e, now, c, &remote);
}

void
engine_remote_candidates(
    struct engine *e, struct mono now, struct ipc_remote_candidates *m)
{
	struct client *client = client_find(e, &m->client);
	struct connection *c = client == NULL ? NULL : client->connection;
	char *rest = m->lines, *line;

	if (c == NULL) {
		log_debug("candidates for a client without a connection");
		return;
	}
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			remote_line(e, now, c, line, m->withdrawn);
	connection_active(e, now, c);
	engine_settle(e, now);
}

/* ICE: in, events, out. */

static uint32_t
check_key(const uint8_t transaction[STUN_TRANSACTION_LEN])
{
	return load_be32(transaction);
}

static void
remember_check(
    struct engine *e, const struct connection *c, const struct ice_message *m)
{
	struct check *slot = &e->checks[e->next_check % CHECKS_MAX];

	if (load_be16(m->data) != STUN_BINDING_REQUEST)
		return;
	e->next_check++;
	if (index_map_get(&e->by_check, slot->key) == slot)
		index_map_remove(&e->by_check, slot->key);
	slot->key = check_key(m->data + STUN_HEADER_LEN - STUN_TRANSACTION_LEN);
	slot->index = c->index;
	index_map_put(&e->by_check, slot->key, slot);
}

static struct connection *
connection_of_answer(struct engine *e, const struct stun_message *m)
{
	const struct check *check =
	    index_map_get(&e->by_check, check_key(m->transaction));
	struct connection *c =
	    check == NULL ? NULL : connection_of_index(e, check->index);

	return c != NULL && ice_agent_has_transaction(c->ice, m->transaction)
	    ? c
	    : NULL;
}

/* Ours comes first in "ours:theirs" (RFC 8445, 7.2.2). */
static struct connection *
connection_of_request(struct engine *e, const struct stun_message *m)
{
	const uint8_t *name = m->username.bytes, *colon;

	if (m->username.length == 0 ||
	    (colon = memchr(name, ':', m->username.length)) == NULL)
		return NULL;
	return key_map_get(&e->by_username, name, (size_t)(colon - name));
}

static struct connection *
connection_for(struct engine *e, const struct stun_message *m)
{
	switch (m->type) {
	case STUN_BINDING_SUCCESS:
		return connection_of_answer(e, m);
	case STUN_BINDING_REQUEST:
		return connection_of_request(e, m);
	default:
		return NULL;
	}
}

void
paths_stun(struct engine *e, struct mono now, const struct path *from,
    const struct stun_message *m)
{
	struct connection *c = connection_for(e, m);

	if (c == NULL)
		return;
	ice_agent_input(c->ice, now, &from->local, &from->remote, m);
	engine_touch(e, c);
}

static void
nominated(struct engine *e, struct mono now, struct connection *c,
    const struct ice_event *event)
{
	char who[UUID_TEXT_LEN + 1], local[ENDPOINT_TEXT_MAX],
	    remote[ENDPOINT_TEXT_MAX];
	bool first = c->state == CONNECTION_CONNECTING;

	connection_set_path(e, c, &event->path);
	log_debug("client %s: path %s%s to %s%s",
	    uuid_format(client_id(c->client), who),
	    endpoint_format(&c->path.local, local),
	    c->path.relayed ? " (relay)" : "",
	    endpoint_format(&c->path.remote, remote),
	    event->remote_kind == CANDIDATE_RELAYED ? " (relay)" : "");
	connection_active(e, now, c);
	paths_update(e, now, c);
	if (first)
		handshake_release_held(e, now, c);
}

static void
state_changed(struct connection *c, struct mono now, enum ice_state state)
{
	if (state == ICE_DISCONNECTED)
		c->disconnect_deadline = mono_add_s(now, DISCONNECT_GRACE_S);
	else
		c->disconnect_deadline = MONO_NEVER;
}

static void
hand_out(struct engine *e, struct connection *c, bool withdrawn,
    const struct candidate *list, size_t *count)
{
	const char *ufrag =
	    withdrawn ? NULL : ice_agent_local(c->ice)->username;
	char lines[LINES_MAX + 1], line[CANDIDATE_LINE_MAX];
	size_t at = 0;

	if (*count == 0)
		return;
	for (size_t i = 0; i < *count; i++)
		at += (size_t)snprintf(lines + at, sizeof(lines) - at, "%s\n",
		    candidate_format(&list[i], ufrag, line));
	*count = 0;
	e->host->candidates(
	    e->host->ctx, client_id(c->client), withdrawn, lines);
}

void
paths_drain(struct engine *e, struct mono now, struct connection *c)
{
	struct ice_message m;
	struct ice_event event;

	/* Checks first: the peer's filters shall know a new path before data.
	 */
	while (ice_agent_transmit(c->ice, &m)) {
		remember_check(e, c, &m);
		route(e, now, c, &m.path);
		paths_send_on(e, &m.path, m.data, m.length);
	}
	while (ice_agent_event(c->ice, &event)) {
		switch (event.type) {
		case ICE_EVENT_NOMINATED:
			nominated(e, now, c, &event);
			break;
		case ICE_EVENT_STATE:
			state_changed(c, now, event.state);
			break;
		case ICE_EVENT_PATH_LOST:
			paths_update(e, now, c);
			break;
		}
	}
	hand_out(e, c, true, c->withdrawn, &c->withdrawn_count);
	hand_out(e, c, false, c->added, &c->added_count);
}

/*
 * Making, keeping and ending connections (firezone-tunnel(7), CONNECTIONS). A
 * connection goes from CONNECTING to CONNECTED with its first nominated pair,
 * to IDLE and back with its traffic, and fails when it gets neither candidate
 * nor handshake for 10 s, when ICE has been disconnected for 2 s, or when
 * WireGuard gives up. Without ICE, the first path that is found or that a
 * handshake came by is such a pair.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "net-worker/dataplane/engine/state.h"

#define CANDIDATE_DEADLINE_S 10
#define DISCONNECT_GRACE_S   2
#define IDLE_AFTER_S         20
#define INDEX_BITS           0xffffffu

static uint32_t
unused_index(struct engine *e)
{
	uint32_t index;

	do
		index = randombytes_random() & INDEX_BITS;
	while (connection_of_index(e, index) != NULL);
	return index;
}

static struct path_terms
terms_of(const struct ipc_authorization *a)
{
	struct path_terms terms = { .iceless = a->use_iceless };
	struct ice_credentials *local = &terms.local, *remote = &terms.remote;

	strlcpy(local->username, a->local_username, sizeof(local->username));
	strlcpy(local->password, a->local_password, sizeof(local->password));
	strlcpy(remote->username, a->remote_username, sizeof(remote->username));
	strlcpy(remote->password, a->remote_password, sizeof(remote->password));
	return terms;
}

/* firezone-tunnel(7), Authorization: keys, PSK, credentials and mode decide. */
static bool
has_same_identity(const struct connection *c, const struct ipc_authorization *a)
{
	struct path_terms terms = terms_of(a);
	bool same;

	same = sodium_memcmp(c->noise.public_key, a->public_key,
		   sizeof(a->public_key)) == 0 &&
	    sodium_memcmp(c->noise.preshared_key, a->preshared_key,
		sizeof(a->preshared_key)) == 0 &&
	    paths_have_terms(c->paths, &terms);
	sodium_memzero(&terms, sizeof(terms));
	return same;
}

static struct paths *
make_paths(struct engine *e, struct mono now, struct connection *c,
    const struct ipc_authorization *a)
{
	const struct turn_owner owner = {
		.client = a->client,
		.connection = c->index,
	};
	struct path_terms terms = terms_of(a);
	struct paths *paths = paths_new(e->paths, now, &owner, &terms, c);

	sodium_memzero(&terms, sizeof(terms));
	return paths;
}

static struct connection *
connection_make(
    struct engine *e, struct mono now, const struct ipc_authorization *a)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->index = unused_index(e);
	c->made_by = a->serial;
	c->candidate_deadline = mono_add_s(now, CANDIDATE_DEADLINE_S);
	c->disconnect_deadline = MONO_NEVER;
	c->idle_at = MONO_NEVER;
	c->iceless = a->use_iceless;
	handshake_timers_init(
	    &c->handshake, c->iceless ? &pace_iceless : &pace_classic, now);
	if (!noise_peer_init(
		&c->noise, &e->identity, a->public_key, a->preshared_key) ||
	    (c->paths = make_paths(e, now, c, a)) == NULL) {
		noise_peer_wipe(&c->noise);
		free(c);
		return NULL;
	}
	return c;
}

struct connection *
connection_upsert(struct engine *e, struct mono now,
    const struct ipc_authorization *a, struct client *client)
{
	struct connection *old = client->connection, *c;
	struct allocation *relay;
	struct shard_command command = {
		.type = SHARD_CONNECTION_ADD,
		.peer = client->number,
		.settings = { a->keepalive, a->use_iceless },
	};

	if (old != NULL && a->kind != AUTHORIZATION_CONNECTION &&
	    has_same_identity(old, a)) {
		paths_sign(e->paths, now, old->paths, PATH_SIGN_REMINDED, NULL);
		connection_active(e, now, old);
		paths_offer_all(e->paths, now, old->paths);
		return old;
	}
	/*
	 * A client of 1.3 does not ask again, and a relay may come in time. To
	 * ask for one could cost it the answer: firezone-portal(7), Requesting
	 * relays.
	 */
	relay = relays_sample(e->relays, now);
	if (relay == NULL && a->kind != AUTHORIZATION_CONNECTION) {
		e->host->no_relays(e->host->ctx);
		return NULL;
	}
	if ((c = connection_make(e, now, a)) == NULL)
		return NULL;
	c->client = client;
	if (old != NULL)
		connection_close(e, old);
	if (!connection_enter(e, c)) {
		connection_close(e, c);
		return NULL;
	}
	if (relay != NULL)
		paths_set_relay(
		    e->paths, c->paths, &allocation_config(relay)->id);
	command.connection = c->index;
	shard_command(e, c->client, &command);
	paths_offer_all(e->paths, now, c->paths);
	return c;
}

void
connection_close(struct engine *e, struct connection *c)
{
	struct shard_command command = {
		.type = SHARD_CONNECTION_REMOVE,
		.connection = c->index,
	};

	shard_command(e, c->client, &command);
	e->host->closed(e->host->ctx, client_id(c->client));
	connection_withdraw(e, c);
	paths_free(e->paths, c->paths);
	noise_peer_wipe(&c->noise);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

void
connection_goodbye(struct engine *e, struct connection *c)
{
	if (!c->client->is_older)
		control_send(e, c, CONTROL_GOODBYE, NULL, 0);
}

void
connection_active(struct engine *e, struct mono now, struct connection *c)
{
	c->idle_at = mono_add_s(now, IDLE_AFTER_S);
	if (c->state == CONNECTION_IDLE) {
		c->state = CONNECTION_CONNECTED;
		paths_set_idle(e->paths, now, c->paths, false);
	}
}

struct mono
connection_deadline(const struct connection *c)
{
	struct mono first = paths_deadline(c->paths);

	first = mono_min(first, handshake_deadline(&c->handshake));
	if (!c->peer_has_come)
		first = mono_min(first, c->candidate_deadline);
	first = mono_min(first, c->disconnect_deadline);
	if (c->state == CONNECTION_CONNECTED)
		first = mono_min(first, c->idle_at);
	return first;
}

/* Without a word. Who lingers does so for the connection's sake. */
static void
drop_connection(struct engine *e, struct connection *c)
{
	struct client *client = c->client;

	connection_close(e, c);
	if (client->lingers)
		client_remove(e, client, false);
}

static void
fail_connection(struct engine *e, struct connection *c, const char *why)
{
	char who[UUID_TEXT_LEN + 1];

	log_info("connection to client %s failed: %s",
	    uuid_format(client_id(c->client), who), why);
	e->counters->connections_failed++;
	drop_connection(e, c);
}

void
engine_connection_drop(struct engine *e, const struct ipc_connection_drop *m)
{
	struct client *client = client_find(e, &m->client);
	struct connection *c = client == NULL ? NULL : client->connection;

	/* There may be another by now. */
	if (c != NULL && c->made_by == m->serial)
		drop_connection(e, c);
}

void
connection_timeout(struct engine *e, struct mono now, struct connection *c)
{
	unsigned due;

	if (!c->peer_has_come && mono_due(c->candidate_deadline, now)) {
		fail_connection(e, c, "no candidate from it within 10 s");
		return;
	}
	if (mono_due(c->disconnect_deadline, now)) {
		fail_connection(e, c, "no path to it works");
		return;
	}
	due = handshake_timeout(&c->handshake, now);
	if (due & HANDSHAKE_EXPIRED) {
		fail_connection(e, c, "it no longer answers");
		return;
	}
	if (due & HANDSHAKE_SEND)
		handshake_initiate(e, now, c);
	if (c->state == CONNECTION_CONNECTED && mono_due(c->idle_at, now)) {
		c->idle_at = MONO_NEVER;
		if (paths_may_idle(c->paths)) {
			c->state = CONNECTION_IDLE;
			paths_set_idle(e->paths, now, c->paths, true);
		}
	}
	paths_timeout(e->paths, now, c->paths);
}

static void
log_path(const struct connection *c, const struct path_event *event)
{
	char who[UUID_TEXT_LEN + 1], local[ENDPOINT_TEXT_MAX],
	    remote[ENDPOINT_TEXT_MAX];

	log_debug("client %s: path %s%s to %s%s",
	    uuid_format(client_id(c->client), who),
	    endpoint_format(&event->path.local, local),
	    event->path.relayed ? " (relay)" : "",
	    endpoint_format(&event->path.remote, remote),
	    event->remote_kind == CANDIDATE_RELAYED ? " (relay)" : "");
}

static void
path_nominated(struct engine *e, struct mono now, struct connection *c,
    const struct path_event *event)
{
	bool first = c->state == CONNECTION_CONNECTING;

	if (first)
		c->state = CONNECTION_CONNECTED;
	log_path(c, event);
	connection_active(e, now, c);
	if (first)
		handshake_release_held(e, now, c);
}

/* The shard sends that way from now on. */
static void
path_moved(
    struct engine *e, struct connection *c, const struct path_event *event)
{
	const struct shard_command command = {
		.type = SHARD_PATH,
		.connection = c->index,
		.path = event->path,
	};

	shard_command(e, c->client, &command);
}

static void
send_request(
    struct engine *e, struct connection *c, const struct path_event *event)
{
	const struct shard_command command = {
		.type = SHARD_PROBE,
		.connection = c->index,
		.request = { event->path, event->probe },
	};

	shard_command(e, c->client, &command);
}

static void
take_path_event(struct engine *e, struct mono now, struct connection *c,
    const struct path_event *event)
{
	switch (event->type) {
	case PATH_NOMINATED:
		path_nominated(e, now, c, event);
		break;
	case PATH_LIVENESS:
		c->disconnect_deadline = event->cut_off
		    ? mono_add_s(now, DISCONNECT_GRACE_S)
		    : MONO_NEVER;
		break;
	case PATH_MOVED:
		path_moved(e, c, event);
		break;
	case PATH_BASE:
		break;
	case PATH_PROBE:
		send_request(e, c, event);
		break;
	}
}

void
connection_follow_paths(struct engine *e, struct mono now, struct connection *c)
{
	struct path_event event;

	/* Checks first: the peer's filters shall know a new path before data.
	 */
	paths_transmit(e->paths, now, c->paths);
	while (paths_event(e->paths, now, c->paths, &event))
		take_path_event(e, now, c, &event);
}

void
connection_heard(struct engine *e, struct mono now, struct connection *c,
    const struct path *from)
{
	paths_sign(e->paths, now, c->paths, PATH_SIGN_HEARD, from);
	connection_follow_paths(e, now, c);
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
		if (*line != '\0' &&
		    paths_remote_line(
			e->paths, now, c->paths, line, m->withdrawn))
			c->peer_has_come = true;
	connection_active(e, now, c);
}

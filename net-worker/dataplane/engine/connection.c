/*
 * Making, keeping and ending connections (firezone-tunnel(7), CONNECTIONS). A
 * connection goes from CONNECTING to CONNECTED with its first nominated pair,
 * to IDLE and back with its traffic, and fails when it gets no candidate for 10
 * s, when ICE has been disconnected for 2 s, or when WireGuard gives up.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "net-worker/dataplane/engine/state.h"

#define CANDIDATE_DEADLINE_S 10
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

static bool
same_credentials(
    const struct ice_credentials *a, const char *username, const char *password)
{
	return strcmp(a->username, username) == 0 &&
	    strcmp(a->password, password) == 0;
}

/* firezone-tunnel(7), Authorization: keys, PSK, credentials and mode decide. */
static bool
is_same(const struct connection *c, const struct ipc_authorization *a)
{
	return sodium_memcmp(c->noise.public_key, a->public_key,
		   sizeof(a->public_key)) == 0 &&
	    sodium_memcmp(c->noise.preshared_key, a->preshared_key,
		sizeof(a->preshared_key)) == 0 &&
	    same_credentials(ice_agent_local(c->ice), a->local_username,
		a->local_password) &&
	    same_credentials(ice_agent_remote(c->ice), a->remote_username,
		a->remote_password);
}

static struct ice_agent *
make_agent(const struct ipc_authorization *a, struct mono now)
{
	struct ice_credentials local, remote;
	struct ice_agent *agent;

	strlcpy(local.username, a->local_username, sizeof(local.username));
	strlcpy(local.password, a->local_password, sizeof(local.password));
	strlcpy(remote.username, a->remote_username, sizeof(remote.username));
	strlcpy(remote.password, a->remote_password, sizeof(remote.password));
	agent = ice_agent_new(&local, &remote, now);
	sodium_memzero(&local, sizeof(local));
	sodium_memzero(&remote, sizeof(remote));
	return agent;
}

static struct connection *
connection_make(
    struct engine *e, struct mono now, const struct ipc_authorization *a)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->index = unused_index(e);
	c->candidate_deadline = mono_add_s(now, CANDIDATE_DEADLINE_S);
	c->disconnect_deadline = MONO_NEVER;
	c->idle_at = MONO_NEVER;
	handshake_timers_init(&c->handshake, now);
	if (!noise_peer_init(
		&c->noise, &e->identity, a->public_key, a->preshared_key) ||
	    (c->ice = make_agent(a, now)) == NULL) {
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
	};

	if (old != NULL && is_same(old, a)) {
		connection_active(e, now, old);
		paths_offer_all(e, now, old);
		return old;
	}
	if ((relay = relays_sample(e->relays)) == NULL) {
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
	connection_set_relay(e, c, &allocation_config(relay)->id);
	command.connection = c->index;
	e->shards.command(e->shards.ctx, &command);
	paths_offer_all(e, now, c);
	engine_touch(e, c);
	return c;
}

void
connection_close(struct engine *e, struct connection *c)
{
	struct shard_command command = {
		.type = SHARD_CONNECTION_REMOVE,
		.connection = c->index,
	};

	e->shards.command(e->shards.ctx, &command);
	e->host->closed(e->host->ctx, client_id(c->client));
	connection_withdraw(e, c);
	if (c->dirty)
		TAILQ_REMOVE(&e->dirty, c, dirty_entry);
	ice_agent_free(c->ice);
	noise_peer_wipe(&c->noise);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

void
connection_goodbye(struct engine *e, struct connection *c)
{
	control_send(e, c, CONTROL_GOODBYE, NULL, 0);
}

void
connection_active(struct engine *e, struct mono now, struct connection *c)
{
	c->idle_at = mono_add_s(now, IDLE_AFTER_S);
	if (c->state == CONNECTION_IDLE) {
		c->state = CONNECTION_CONNECTED;
		ice_agent_set_idle(c->ice, now, false);
	}
	engine_touch(e, c);
}

struct mono
connection_deadline(const struct connection *c)
{
	struct mono first = ice_agent_deadline(c->ice);

	first = mono_min(first, handshake_deadline(&c->handshake));
	if (!c->candidate_seen)
		first = mono_min(first, c->candidate_deadline);
	first = mono_min(first, c->disconnect_deadline);
	if (c->state == CONNECTION_CONNECTED)
		first = mono_min(first, c->idle_at);
	return first;
}

static void
fail_connection(struct engine *e, struct connection *c, const char *why)
{
	char who[UUID_TEXT_LEN + 1];

	log_info("connection to client %s failed: %s",
	    uuid_format(client_id(c->client), who), why);
	e->counters->connections_failed++;
	connection_close(e, c);
}

void
connection_timeout(struct engine *e, struct mono now, struct connection *c)
{
	unsigned due;

	if (!c->candidate_seen && mono_due(c->candidate_deadline, now)) {
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
		if (ice_agent_state(c->ice) == ICE_CONNECTED) {
			c->state = CONNECTION_IDLE;
			ice_agent_set_idle(c->ice, now, true);
		}
	}
	ice_agent_timeout(c->ice, now);
	engine_touch(e, c);
}

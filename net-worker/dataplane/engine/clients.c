/*
 * The records of clients and their connections, and how they are found: by id,
 * number, index, public key, user name fragment, relay and remote end, so that
 * nothing has to ask them all.
 */
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/dataplane/engine/state.h"

static int
compare_clients(const struct client *a, const struct client *b)
{
	return a->number < b->number ? -1 : a->number > b->number;
}

RB_GENERATE(client_tree, client, by_number, compare_clients)

struct client *
client_find(struct engine *e, const struct uuid *id)
{
	return key_map_get(&e->clients_by_id, id, sizeof(*id));
}

struct client *
client_from(struct engine *e, uint32_t number)
{
	struct client key = { .number = number };

	return RB_NFIND(client_tree, &e->clients, &key);
}

struct client *
client_enter(struct engine *e, const struct uuid *id,
    const struct ip_address *v4, const struct ip_address *v6)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->grants = grants_new(id, v4, v6);
	if (c->grants == NULL || !deadlines_add(&e->expiries, &c->expiry, c) ||
	    !deadlines_add(&e->names_due, &c->names_due, c)) {
		deadlines_remove(&e->expiries, &c->expiry);
		grants_free(c->grants);
		free(c);
		return NULL;
	}
	c->number = e->next_number++;
	RB_INSERT(client_tree, &e->clients, c);
	key_map_add(&e->clients_by_id, &c->by_id, client_id(c), sizeof(*id), c);
	e->counters->clients = ++e->client_count;
	return c;
}

void
client_forget(struct engine *e, struct client *c)
{
	RB_REMOVE(client_tree, &e->clients, c);
	key_map_remove(&e->clients_by_id, &c->by_id);
	deadlines_remove(&e->expiries, &c->expiry);
	deadlines_remove(&e->names_due, &c->names_due);
	client_forget_waiting(c);
	e->counters->clients = --e->client_count;
	grants_free(c->grants);
	free(c);
}

struct connection *
connection_of_index(struct engine *e, uint32_t index)
{
	return index_map_get(&e->by_index, index);
}

bool
connection_enter(struct engine *e, struct connection *c)
{
	const char *username = ice_agent_local(c->ice)->username;

	c->client->connection = c;
	TAILQ_INSERT_TAIL(&e->homeless, c, relay_entry);
	key_map_add(
	    &e->by_username, &c->by_username, username, strlen(username), c);
	key_map_add(&e->by_key, &c->by_key, c->noise.public_key,
	    sizeof(c->noise.public_key), c);
	return deadlines_add(&e->due, &c->due, c) &&
	    index_map_put(&e->by_index, c->index, c);
}

static void
count_path(struct engine *e, const struct connection *c, int change)
{
	uint64_t *count = c->path.relayed ? &e->counters->connections_relayed
					  : &e->counters->connections_direct;

	if (connection_has_path(c))
		*count += (uint64_t)change;
}

void
connection_withdraw(struct engine *e, struct connection *c)
{
	connection_set_relay(e, c, NULL);
	TAILQ_REMOVE(&e->homeless, c, relay_entry);
	count_path(e, c, -1);
	c->client->connection = NULL;
	key_map_remove(&e->by_username, &c->by_username);
	key_map_remove(&e->by_key, &c->by_key);
	key_map_remove(&e->by_remote, &c->by_remote);
	deadlines_remove(&e->due, &c->due);
	index_map_remove(&e->by_index, c->index);
}

struct relay_users *
relay_users_find(struct engine *e, const struct uuid *relay)
{
	for (size_t i = 0; i < 2 * RELAYS_MAX; i++)
		if (!TAILQ_EMPTY(&e->relay_users[i].connections) &&
		    uuid_equal(&e->relay_users[i].relay, relay))
			return &e->relay_users[i];
	return NULL;
}

static struct relay_users *
relay_users_make(struct engine *e, const struct uuid *relay)
{
	struct relay_users *u = relay_users_find(e, relay);

	/* There are as many places as relays that anyone can be on. */
	for (size_t i = 0; u == NULL && i < 2 * RELAYS_MAX; i++)
		if (TAILQ_EMPTY(&e->relay_users[i].connections))
			u = &e->relay_users[i];
	if (u == NULL)
		fatalx("internal error: more relays in use than there are");
	u->relay = *relay;
	return u;
}

static struct connection_list *
list_of(struct engine *e, const struct connection *c)
{
	return c->has_relay ? &relay_users_make(e, &c->relay)->connections
			    : &e->homeless;
}

void
connection_set_relay(
    struct engine *e, struct connection *c, const struct uuid *relay)
{
	TAILQ_REMOVE(list_of(e, c), c, relay_entry);
	c->has_relay = relay != NULL;
	if (relay != NULL)
		c->relay = *relay;
	TAILQ_INSERT_TAIL(list_of(e, c), c, relay_entry);
}

static void
write_remote_key(
    const struct endpoint *remote, uint8_t key[static ENDPOINT_KEY_LEN])
{
	memset(key, 0, ENDPOINT_KEY_LEN);
	key[0] = (uint8_t)remote->ip.family;
	memcpy(key + 1, remote->ip.bytes, ip_size(&remote->ip));
	store_be16(key + 17, remote->port);
}

void
connection_set_path(
    struct engine *e, struct connection *c, const struct path *path)
{
	count_path(e, c, -1);
	key_map_remove(&e->by_remote, &c->by_remote);
	c->path = *path;
	if (c->state == CONNECTION_CONNECTING)
		c->state = CONNECTION_CONNECTED;
	if (c->path.relayed) {
		write_remote_key(&c->path.remote, c->remote_key);
		key_map_add(&e->by_remote, &c->by_remote, c->remote_key,
		    sizeof(c->remote_key), c);
	}
	count_path(e, c, 1);
}

struct connection *
connection_of_remote(struct engine *e, const struct endpoint *remote)
{
	uint8_t key[ENDPOINT_KEY_LEN];

	write_remote_key(remote, key);
	return key_map_get(&e->by_remote, key, sizeof(key));
}

struct connection *
connection_of_same_remote(struct connection *c)
{
	return key_map_next(&c->by_remote);
}

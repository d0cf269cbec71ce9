/*
 * The records of clients and their connections, and how they are found: by id,
 * tunnel address, number, resource, index and public key, so that nothing has
 * to ask them all.
 */
#include <stdlib.h>

#include "common/log.h"
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
client_at(struct engine *e, const struct ip_address *address)
{
	return key_map_get(&e->clients_by_address, address, sizeof(*address));
}

struct client *
client_from(struct engine *e, uint32_t number)
{
	struct client key = { .number = number };

	return RB_NFIND(client_tree, &e->clients, &key);
}

/* The shard with the fewest clients is the home of a new one. */
static unsigned
least_loaded_shard(const struct engine *e)
{
	unsigned least = 0;

	for (unsigned i = 1; i < e->shards.count; i++)
		if (e->clients_of_shard[i] < e->clients_of_shard[least])
			least = i;
	return least;
}

/* Only who has no other client's address is one: client_enter(). */
static void
index_addresses(struct engine *e, struct client *c)
{
	for (size_t i = 0; i < CLIENT_ADDRESSES; i++) {
		if (client_at(e, &c->addresses[i]) != NULL)
			fatalx("internal error: two clients at one address");
		key_map_add(&e->clients_by_address, &c->by_address[i],
		    &c->addresses[i], sizeof(c->addresses[i]), c);
	}
}

struct client *
client_enter(struct engine *e, const struct uuid *id,
    const struct ip_address *v4, const struct ip_address *v6)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->addresses[0] = *v4;
	c->addresses[1] = *v6;
	c->grants = grants_new(id, v4, v6);
	if (c->grants == NULL || !deadlines_add(&e->expiries, &c->expiry, c) ||
	    !deadlines_add(&e->names_due, &c->names_due, c) ||
	    !deadlines_add(&e->names_watch, &c->names_watch, c)) {
		deadlines_remove(&e->expiries, &c->expiry);
		deadlines_remove(&e->names_due, &c->names_due);
		grants_free(c->grants);
		free(c);
		return NULL;
	}
	grants_index(c->grants, &e->holders, c);
	grants_judge_by(c->grants, &e->probed);
	c->number = e->next_number++;
	c->shard = least_loaded_shard(e);
	e->clients_of_shard[c->shard]++;
	RB_INSERT(client_tree, &e->clients, c);
	key_map_add(&e->clients_by_id, &c->by_id, client_id(c), sizeof(*id), c);
	index_addresses(e, c);
	e->counters->clients = ++e->client_count;
	return c;
}

void
client_forget_waiting(struct client *m)
{
	for (size_t i = 0; i < m->waiting_count; i++)
		free(m->waiting[i]);
	m->waiting_count = 0;
}

void
client_set_lingering(struct engine *e, struct client *c, bool lingers)
{
	if (lingers && !c->lingers)
		TAILQ_INSERT_TAIL(&e->lingering, c, lingering_entry);
	else if (!lingers && c->lingers)
		TAILQ_REMOVE(&e->lingering, c, lingering_entry);
	c->lingers = lingers;
	grants_close(c->grants, lingers);
}

void
client_forget(struct engine *e, struct client *c)
{
	client_set_lingering(e, c, false);
	RB_REMOVE(client_tree, &e->clients, c);
	key_map_remove(&e->clients_by_id, &c->by_id);
	for (size_t i = 0; i < CLIENT_ADDRESSES; i++)
		key_map_remove(&e->clients_by_address, &c->by_address[i]);
	deadlines_remove(&e->expiries, &c->expiry);
	deadlines_remove(&e->names_due, &c->names_due);
	deadlines_remove(&e->names_watch, &c->names_watch);
	client_forget_waiting(c);
	e->clients_of_shard[c->shard]--;
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
	c->client->connection = c;
	e->counters->connections_iceless += c->iceless;
	key_map_add(&e->by_key, &c->by_key, c->noise.public_key,
	    sizeof(c->noise.public_key), c);
	return deadlines_add(&e->due, &c->due, c) &&
	    index_map_put(&e->by_index, c->index, c);
}

void
connection_withdraw(struct engine *e, struct connection *c)
{
	c->client->connection = NULL;
	e->counters->connections_iceless -= c->iceless;
	key_map_remove(&e->by_key, &c->by_key);
	key_map_remove(&e->by_initiation, &c->answered.by_bytes);
	deadlines_remove(&e->due, &c->due);
	index_map_remove(&e->by_index, c->index);
}

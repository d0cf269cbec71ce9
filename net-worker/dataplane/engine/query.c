/*
 * What an operator may see of the engine: clients and relays a page at a time,
 * so that no answer holds the packets up. No key and no password is part of
 * any.
 */
#include "net-worker/dataplane/engine/state.h"

static void
describe_client(const struct client *m, struct engine_client *to)
{
	*to = (struct engine_client){
		.number = m->number,
		.row = {
			.client = *client_id(m),
			.v4 = grants_address(m->grants, IP_V4),
			.v6 = grants_address(m->grants, IP_V6),
			.resources = (uint32_t)grants_count(m->grants),
			.shard = (uint8_t)m->shard,
			.state = QUERY_STATE_NONE,
		},
	};
}

/* New clients come last, with numbers that grow. */
size_t
engine_query_clients(
    struct engine *e, uint32_t from, struct engine_client *to, size_t max)
{
	struct client *m = client_from(e, from);
	size_t n = 0;

	for (; m != NULL && n < max; m = RB_NEXT(client_tree, , m))
		describe_client(m, &to[n++]);
	return n;
}

void
engine_query_connection(
    struct engine *e, uint32_t index, struct ipc_query_client *row)
{
	const struct connection *c = connection_of_index(e, index);
	const struct uuid *relay;
	const struct path *path;

	if (c == NULL)
		return;
	row->state = QUERY_STATE_CONNECTING;
	relay = paths_relay(c->paths);
	row->has_relay = relay != NULL;
	if (relay != NULL)
		row->relay = *relay;
	if ((path = paths_nominated(c->paths)) == NULL)
		return;
	row->state = c->state == CONNECTION_IDLE ? QUERY_STATE_IDLE
						 : QUERY_STATE_CONNECTED;
	row->relayed = path->relayed;
	row->local = path->local;
	row->remote = path->remote;
}

bool
engine_query_relay(
    const struct engine *e, size_t i, struct ipc_query_relay *row)
{
	const struct allocation *a;
	const struct relay_config *config;
	int64_t rtt;

	if (i >= relays_count(e->relays))
		return false;
	a = relays_get(e->relays, i);
	config = allocation_config(a);
	rtt = allocation_rtt_us(a);
	*row = (struct ipc_query_relay){
		.relay = config->id,
		.v4 = config->address[0],
		.v6 = config->address[1],
		.relayed_v4 = allocation_relayed(a, IP_V4),
		.relayed_v6 = allocation_relayed(a, IP_V6),
		.answers = rtt >= 0,
		.rtt_us = rtt < 0      ? 0
		    : rtt > UINT32_MAX ? UINT32_MAX
				       : (uint32_t)rtt,
	};
	return true;
}

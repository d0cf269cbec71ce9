/*
 * What an operator may see of the engine: clients and relays a page at a time,
 * so that no answer holds the packets up. No key and no password is part of
 * any.
 */
#include <netinet/in.h>

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

bool
engine_query_client(
    struct engine *e, const struct uuid *id, struct engine_client *to)
{
	const struct client *m = client_find(e, id);

	if (m != NULL)
		describe_client(m, to);
	return m != NULL;
}

static void
describe_grant(
    const struct client *m, const struct grant *g, struct ipc_query_grant *to)
{
	*to = (struct ipc_query_grant){
		.client = *client_id(m),
		.resource = g->resource,
		.type = (uint8_t)g->type,
		.network = g->network,
		.expires_at = g->expires_at,
		.withdrawn = grants_is_withdrawn(m->grants, g),
		.filter_count = (uint32_t)g->filter_count,
		.meter = g->meter,
	};
	strlcpy(to->pattern, g->pattern, sizeof(to->pattern));
	to->filters_count = g->filter_count < SHOWN_FILTERS_MAX
	    ? (uint16_t)g->filter_count
	    : SHOWN_FILTERS_MAX;
	if (to->filters_count > 0)
		memcpy(to->filters, g->filters,
		    to->filters_count * sizeof(*g->filters));
}

size_t
engine_query_grants(struct engine *e, const struct ipc_query *q,
    struct ipc_query_grant *to, size_t max, struct ipc_query_end *end)
{
	struct client *m =
	    q->of_one ? client_find(e, &q->client) : client_from(e, q->from);
	size_t n = 0, i = q->from_grant;
	const struct grant *g;

	/* Whose turn it was is gone: who comes next has all its grants. */
	if (!q->of_one && m != NULL && m->number != q->from)
		i = 0;
	for (; m != NULL; m = q->of_one ? NULL : RB_NEXT(client_tree, , m)) {
		for (; (g = grants_get(m->grants, i)) != NULL; i++) {
			if (n == max) {
				end->more = true;
				end->next = m->number;
				end->next_grant = (uint32_t)i;
				return n;
			}
			describe_grant(m, g, &to[n++]);
		}
		i = 0;
	}
	return n;
}

bool
engine_query_grant(struct engine *e, const struct uuid *client,
    const struct uuid *resource, struct ipc_query_grant *to)
{
	const struct client *m = client_find(e, client);
	const struct grant *g =
	    m == NULL ? NULL : grants_find(m->grants, resource);

	if (g != NULL)
		describe_grant(m, g, to);
	return g != NULL;
}

static enum packet_kind
kind_of_protocol(uint8_t protocol, enum ip_family family)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return PACKET_TCP;
	case IPPROTO_UDP:
		return PACKET_UDP;
	case IPPROTO_ICMP:
		return family == IP_V4 ? PACKET_ICMP_ECHO : PACKET_OTHER;
	case IPPROTO_ICMPV6:
		return family == IP_V6 ? PACKET_ICMP_ECHO : PACKET_OTHER;
	default:
		return PACKET_OTHER;
	}
}

bool
engine_query_packet(
    struct engine *e, const struct ipc_explain *asked, struct packet *to)
{
	const struct client *m = client_find(e, &asked->client);
	struct ip_address ip = asked->destination.ip;

	*to = (struct packet){ 0 };
	if (m == NULL ||
	    (asked->domain[0] != '\0' &&
		!grants_name_proxy(m->grants, asked->domain, IP_V4, &ip)) ||
	    ip.family == IP_NONE)
		return false;
	to->source = grants_address(m->grants, ip.family);
	to->destination = ip;
	to->protocol = asked->protocol;
	if (asked->protocol == IPPROTO_ICMP && ip.family == IP_V6)
		to->protocol = IPPROTO_ICMPV6;
	to->kind = kind_of_protocol(to->protocol, ip.family);
	if (to->kind == PACKET_TCP || to->kind == PACKET_UDP)
		to->destination_port = asked->destination.port;
	return true;
}

/* As rules_permit() has it, of what is compiled. */
static bool
filters_permit(const struct grant *g, enum packet_kind kind, uint16_t port)
{
	for (size_t i = 0; i < g->filter_count; i++) {
		const struct filter *f = &g->filters[i];
		const bool ports = f->first <= port && port <= f->last;

		if ((f->protocol == FILTER_ICMP && kind == PACKET_ICMP_ECHO) ||
		    (f->protocol == FILTER_TCP && kind == PACKET_TCP &&
			ports) ||
		    (f->protocol == FILTER_UDP && kind == PACKET_UDP && ports))
			return true;
	}
	return g->filter_count == 0;
}

/* The first that permits it or, where none does, the first. */
static void
note_grant_of_name(const struct client *m, const struct grant *g, bool permits,
    struct explanation *to)
{
	struct ipc_explained *p = &to->packet;

	if (permits && p->verdict != EXPLAINED_PASSED) {
		p->verdict = EXPLAINED_PASSED;
		p->reason = REASON_NONE;
		p->resource = g->resource;
	} else if (p->reason == REASON_NO_ROUTE) {
		p->reason = REASON_FILTER;
		p->resource = g->resource;
	}
	if (p->routes++ >= EXPLAIN_ROUTES_MAX)
		return;
	to->routes[to->count] = (struct ipc_explained_route){
		.serial = p->serial,
		.resource = g->resource,
		.permits = permits,
	};
	describe_grant(m, g, &to->grants[to->count]);
	to->grants[to->count].serial = p->serial;
	to->has_grant[to->count++] = true;
}

void
engine_query_name(
    struct engine *e, const struct ipc_explain *asked, struct explanation *to)
{
	const struct client *m = client_find(e, &asked->client);
	const enum packet_kind kind = asked->protocol == IPPROTO_ICMPV6
	    ? PACKET_ICMP_ECHO
	    : kind_of_protocol(asked->protocol, IP_V4);
	struct ipc_explained *p = &to->packet;
	const struct grant *g;

	p->destination = (struct endpoint){ .port = asked->destination.port };
	p->verdict = EXPLAINED_DROPPED;
	p->reason = REASON_NO_ROUTE;
	for (size_t i = 0; (g = grants_get(m->grants, i)) != NULL; i++)
		if (grants_may_assign(m->grants, &g->resource, asked->domain) ==
		    ASSIGN_DONE)
			note_grant_of_name(m, g,
			    filters_permit(g, kind, asked->destination.port),
			    to);
	if (p->verdict == EXPLAINED_PASSED && kind == PACKET_OTHER) {
		p->verdict = EXPLAINED_DROPPED;
		p->reason = REASON_NAT_KIND;
	}
}

/*
 * Nobody says what the client's end of a path is; but an address of a relay is
 * not the client's own. Of those relays that the portal has told us.
 */
static bool
is_on_relay(const struct engine *e, const struct ip_address *ip)
{
	return relays_with_ip(e->relays, ip) != NULL;
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
	row->iceless = c->iceless;
	relay = paths_relay(c->paths);
	row->has_relay = relay != NULL;
	if (relay != NULL)
		row->relay = *relay;
	if ((path = paths_nominated(c->paths)) == NULL)
		return;
	row->state = c->state == CONNECTION_IDLE ? QUERY_STATE_IDLE
						 : QUERY_STATE_CONNECTED;
	row->relayed = path->relayed;
	row->client_relayed = is_on_relay(e, &path->remote.ip);
	row->local = path->local;
	row->remote = path->remote;
}

/* As a message has it: 0 is no answer. */
static uint32_t
shown_rtt_us(int64_t rtt)
{
	return rtt < 0         ? 0
	    : rtt > UINT32_MAX ? UINT32_MAX
	    : rtt == 0         ? 1
			       : (uint32_t)rtt;
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
		.rtt_us = shown_rtt_us(rtt),
		.rtt_v4_us = shown_rtt_us(allocation_family_rtt_us(a, IP_V4)),
		.rtt_v6_us = shown_rtt_us(allocation_family_rtt_us(a, IP_V6)),
		.local_v4 = allocation_host(a, IP_V4),
		.local_v6 = allocation_host(a, IP_V6),
		.mapped_v4 = allocation_reflexive(a, IP_V4),
		.mapped_v6 = allocation_reflexive(a, IP_V6),
	};
	return true;
}

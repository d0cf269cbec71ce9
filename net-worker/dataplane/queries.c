/* Questions of an operator: see queries.h. */
#include "net-worker/dataplane/queries.h"

#include <stdlib.h>
#include <string.h>

#define PAGE SURVEY_MAX /* entries of one answer */

/* Flows have numbers of a shard and, below, what flow_list() goes on with. */
#define PLACE_BITS 16
#define PLACE_MASK ((1u << PLACE_BITS) - 1)

_Static_assert(FLOWS_MAX <= PLACE_MASK, "a place has so many bits");

/* A page that is being made. */
struct query {
	LIST_ENTRY(query) entry;
	struct ipc_query_end end;
	size_t count;
	struct ipc_query_client rows[PAGE];
	uint32_t numbers[PAGE];
	unsigned shard;                  /* whose flows are asked for */
	struct explanation *explanation; /* NULL: clients are asked for */
	unsigned awaited; /* surveys that have not come back */
	bool forgotten;
};

void
queries_init(struct queries *q, struct engine *engine,
    const struct engine_shards *shards, const struct dataplane_host *host)
{
	*q = (struct queries){
		.engine = engine,
		.shards = *shards,
		.host = host,
	};
}

static void
query_close(struct queries *q, struct query *query)
{
	LIST_REMOVE(query, entry);
	q->count--;
	free(query->explanation);
	free(query);
}

void
queries_free(struct queries *q)
{
	while (!LIST_EMPTY(&q->open))
		query_close(q, LIST_FIRST(&q->open));
}

void
queries_forget(struct queries *q)
{
	struct query *query;

	LIST_FOREACH(query, &q->open, entry)
		query->forgotten = true;
}

static void
query_answer(struct queries *q, struct query *query)
{
	if (query->explanation != NULL && !query->forgotten)
		q->host->explained(q->host->ctx, query->explanation);
	else if (!query->forgotten)
		q->host->clients(
		    q->host->ctx, query->rows, query->count, &query->end);
	query_close(q, query);
}

/* NULL: there are too many, or there is no memory. */
static struct query *
query_open(struct queries *q)
{
	struct query *query;

	if (q->count == QUERIES_MAX ||
	    (query = calloc(1, sizeof(*query))) == NULL)
		return NULL;
	LIST_INSERT_HEAD(&q->open, query, entry);
	q->count++;
	return query;
}

/* A page of clients, beginning with that number. */
static void
fill_page(struct queries *q, struct query *query, const struct ipc_query *asked)
{
	struct engine_client clients[PAGE + 1];
	size_t count =
	    engine_query_clients(q->engine, asked->from, clients, PAGE + 1);

	query->end.serial = asked->serial;
	if (count > PAGE) {
		query->end.more = true;
		query->end.next = clients[PAGE].number;
		count = PAGE;
	}
	for (size_t i = 0; i < count; i++) {
		query->rows[i] = clients[i].row;
		query->rows[i].serial = asked->serial;
		query->numbers[i] = clients[i].number;
	}
	query->count = count;
}

/* It comes back to queries_survey(). */
static void
send_survey(struct queries *q, struct query *query, unsigned shard,
    struct shard_survey *survey)
{
	const struct shard_command command = {
		.type = SHARD_SURVEY,
		.survey = survey,
	};

	survey->ctx = query;
	query->awaited++;
	q->shards.command(q->shards.ctx, shard, &command);
}

/* Nothing without memory: those clients are shown without their traffic. */
static void
survey_shard(struct queries *q, struct query *query, unsigned shard)
{
	struct shard_survey *survey = calloc(1, sizeof(*survey));

	if (survey == NULL)
		return;
	for (size_t i = 0; i < query->count; i++)
		if (query->rows[i].shard == shard)
			survey->peer[survey->count++] = query->numbers[i];
	if (survey->count == 0)
		free(survey);
	else
		send_survey(q, query, shard, survey);
}

static void
ask_clients(struct queries *q, const struct ipc_query *asked)
{
	struct query *query = query_open(q);

	if (query == NULL)
		return;
	fill_page(q, query, asked);
	for (unsigned i = 0; i < q->shards.count; i++)
		survey_shard(q, query, i);
	if (query->awaited == 0)
		query_answer(q, query);
}

/* There are never more than a page of them. */
static void
answer_relays(struct queries *q, const struct ipc_query *asked)
{
	const struct ipc_query_end end = { .serial = asked->serial };
	struct ipc_query_relay rows[PAGE];
	size_t count = 0;

	while (
	    count < PAGE && engine_query_relay(q->engine, count, &rows[count]))
		rows[count++].serial = asked->serial;
	q->host->relays(q->host->ctx, rows, count, &end);
}

static void
answer_resources(struct queries *q, const struct ipc_query *asked)
{
	struct ipc_query_end end = { .serial = asked->serial };
	struct ipc_query_resource rows[PAGE];
	uint32_t from = asked->from;
	size_t count = 0;

	while (count < PAGE &&
	    engine_query_resource(q->engine, &from, &rows[count]))
		rows[count++].serial = asked->serial;
	end.more = count == PAGE;
	end.next = from;
	q->host->resources(q->host->ctx, rows, count, &end);
}

static void
answer_grants(struct queries *q, const struct ipc_query *asked)
{
	struct ipc_query_end end = { .serial = asked->serial };
	struct ipc_query_grant rows[PAGE];
	size_t count = engine_query_grants(q->engine, asked, rows, PAGE, &end);

	for (size_t i = 0; i < count; i++)
		rows[i].serial = asked->serial;
	q->host->grants(q->host->ctx, rows, count, &end);
}

/* Whose flows, or which shard's come next; false: there are none. */
static bool
choose_flows(struct queries *q, const struct ipc_query *asked, unsigned *shard,
    struct shard_flows *flows)
{
	struct engine_client client;

	*shard = asked->from >> PLACE_BITS;
	flows->from = asked->from & PLACE_MASK;
	if (asked->of_one) {
		if (!engine_query_client(q->engine, &asked->client, &client))
			return false;
		*shard = client.row.shard;
		flows->of_one = true;
		flows->peer = client.number;
	}
	return *shard < q->shards.count;
}

static void
ask_flows(struct queries *q, const struct ipc_query *asked)
{
	struct query *query = query_open(q);
	struct shard_survey *survey =
	    calloc(1, sizeof(*survey) + sizeof(*survey->flows));

	if (query == NULL || survey == NULL) {
		free(survey);
		if (query != NULL)
			query_close(q, query);
		return;
	}
	query->end.serial = asked->serial;
	survey->has_flows = true;
	if (!choose_flows(q, asked, &query->shard, survey->flows)) {
		q->host->open_flows(q->host->ctx, NULL, 0, &query->end);
		query_close(q, query);
		free(survey);
		return;
	}
	send_survey(q, query, query->shard, survey);
}

void
queries_ask(struct queries *q, const struct ipc_query *asked)
{
	if (asked->kind == QUERY_KIND_CLIENTS)
		ask_clients(q, asked);
	else if (asked->kind == QUERY_KIND_FLOWS)
		ask_flows(q, asked);
	else if (asked->kind == QUERY_KIND_RESOURCES)
		answer_resources(q, asked);
	else if (asked->kind == QUERY_KIND_GRANTS)
		answer_grants(q, asked);
	else
		answer_relays(q, asked);
}

static uint64_t
seconds_from(struct mono then, struct mono now)
{
	return mono_before(then, now)
	    ? (uint64_t)mono_ms_between(then, now) / 1000
	    : 0;
}

/* What the shard knows of a client. */
static void
describe_traffic(struct queries *q, struct mono now,
    const struct shard_peer_stats *stats, struct ipc_query_client *row)
{
	row->received_packets = stats->received_packets;
	row->received_bytes = stats->received_bytes;
	row->sent_packets = stats->sent_packets;
	row->sent_bytes = stats->sent_bytes;
	row->over_share = stats->over_share;
	row->handshaken = !mono_is_never(stats->handshake);
	if (row->handshaken)
		row->handshake_age = seconds_from(stats->handshake, now);
	if (stats->has_connection)
		engine_query_connection(q->engine, stats->connection, row);
}

/* The client's shard has judged; what follows is for the eyes. */
static void
note_trial(
    struct queries *q, const struct shard_trial *trial, struct explanation *to)
{
	struct ipc_explained *p = &to->packet;

	p->source = trial->packet.source;
	p->destination.ip = trial->packet.destination;
	p->destination.port = trial->packet.destination_port;
	p->verdict = trial->verdict == GATE_PASS ? EXPLAINED_PASSED
	    : trial->verdict == GATE_ANSWER      ? EXPLAINED_ANSWERED
						 : EXPLAINED_DROPPED;
	p->reason = (uint8_t)trial->reason;
	p->resource = trial->resource;
	p->real = trial->real;
	p->routes = (uint32_t)trial->route_count;
	to->count = trial->route_count < EXPLAIN_ROUTES_MAX
	    ? trial->route_count
	    : EXPLAIN_ROUTES_MAX;
	for (size_t i = 0; i < to->count; i++) {
		const struct policy_route *r = &trial->routes[i];

		to->routes[i] = (struct ipc_explained_route){
			.serial = to->end.serial,
			.resource = r->resource,
			.network = r->network,
			.permits = r->permits,
		};
		to->has_grant[i] = engine_query_grant(q->engine,
		    &to->client.client, &r->resource, &to->grants[i]);
		to->grants[i].serial = to->end.serial;
	}
}

/* An answer without a client says that there is none. */
void
queries_explain(struct queries *q, const struct ipc_explain *asked)
{
	struct query *query = query_open(q);
	struct explanation *e = calloc(1, sizeof(*e));
	struct shard_survey *survey = calloc(1, sizeof(*survey));
	struct engine_client client;

	if (query == NULL || e == NULL || survey == NULL) {
		free(survey);
		free(e);
		if (query != NULL)
			query_close(q, query);
		return;
	}
	query->explanation = e;
	e->end.serial = e->packet.serial = asked->serial;
	e->has_client = engine_query_client(q->engine, &asked->client, &client);
	if (!e->has_client) {
		free(survey);
		query_answer(q, query);
		return;
	}
	query->rows[0] = client.row;
	query->rows[0].serial = asked->serial;
	query->numbers[0] = client.number;
	query->count = 1;
	strlcpy(e->packet.domain, asked->domain, sizeof(e->packet.domain));
	engine_query_ended(q->engine, asked, &e->packet);
	survey->peer[survey->count++] = client.number;
	survey->has_trial =
	    engine_query_packet(q->engine, asked, &survey->trial.packet);
	if (!survey->has_trial && asked->domain[0] != '\0')
		engine_query_name(q->engine, asked, e);
	send_survey(q, query, client.row.shard, survey);
}

static void
describe_flow(const struct flow_view *v, struct mono now, uint64_t serial,
    struct ipc_query_flow *row)
{
	*row = (struct ipc_query_flow){
		.serial = serial,
		.client = v->client,
		.resource = v->resource,
		.protocol = v->protocol,
		.source = v->source,
		.destination = v->destination,
		.age = seconds_from(v->started, now),
		.idle = seconds_from(v->last_packet, now),
		.tx_packets = v->tx_packets,
		.tx_bytes = v->tx_bytes,
		.rx_packets = v->rx_packets,
		.rx_bytes = v->rx_bytes,
	};
	strlcpy(row->domain, v->domain, sizeof(row->domain));
}

/* The shard's next ones follow, or those of the next shard. */
static void
answer_flows(struct queries *q, struct mono now, struct query *query,
    const struct shard_flows *flows)
{
	struct ipc_query_flow rows[PAGE];
	struct ipc_query_end *end = &query->end;
	unsigned next = flows->from == 0 ? query->shard + 1 : query->shard;

	for (size_t i = 0; i < flows->count; i++)
		describe_flow(&flows->flow[i], now, end->serial, &rows[i]);
	end->more =
	    flows->from != 0 || (!flows->of_one && next < q->shards.count);
	if (end->more)
		end->next = next << PLACE_BITS | flows->from;
	if (!query->forgotten)
		q->host->open_flows(q->host->ctx, rows, flows->count, end);
	query_close(q, query);
}

/* A survey's clients are some of the page's, in the same order. */
void
queries_survey(struct queries *q, struct mono now, struct shard_survey *survey)
{
	struct query *query = survey->ctx;
	size_t row = 0;

	if (survey->has_flows) {
		answer_flows(q, now, query, survey->flows);
		free(survey);
		return;
	}
	for (size_t i = 0; i < survey->count; i++) {
		while (query->numbers[row] != survey->peer[i])
			row++;
		if (survey->known[i])
			describe_traffic(
			    q, now, &survey->stats[i], &query->rows[row]);
	}
	if (query->explanation != NULL) {
		query->explanation->client = query->rows[0];
		if (survey->has_trial)
			note_trial(q, &survey->trial, query->explanation);
	}
	free(survey);
	if (--query->awaited == 0)
		query_answer(q, query);
}

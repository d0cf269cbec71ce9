/* Questions of an operator: see queries.h. */
#include "net-worker/dataplane/queries.h"

#include <stdlib.h>

#define PAGE SURVEY_MAX /* entries of one answer */

/* A page that is being made. */
struct query {
	LIST_ENTRY(query) entry;
	struct ipc_query_end end;
	size_t count;
	struct ipc_query_client rows[PAGE];
	uint32_t numbers[PAGE];
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
	if (!query->forgotten)
		q->host->clients(
		    q->host->ctx, query->rows, query->count, &query->end);
	query_close(q, query);
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

/* Nothing without memory: those clients are shown without their traffic. */
static void
survey_shard(struct queries *q, struct query *query, unsigned shard)
{
	struct shard_command command = { .type = SHARD_SURVEY };
	struct shard_survey *survey = malloc(sizeof(*survey));

	if (survey == NULL)
		return;
	survey->ctx = query;
	survey->count = 0;
	for (size_t i = 0; i < query->count; i++)
		if (query->rows[i].shard == shard)
			survey->peer[survey->count++] = query->numbers[i];
	if (survey->count == 0) {
		free(survey);
		return;
	}
	query->awaited++;
	command.survey = survey;
	q->shards.command(q->shards.ctx, shard, &command);
}

static void
ask_clients(struct queries *q, const struct ipc_query *asked)
{
	struct query *query;

	if (q->count == QUERIES_MAX ||
	    (query = calloc(1, sizeof(*query))) == NULL)
		return;
	LIST_INSERT_HEAD(&q->open, query, entry);
	q->count++;
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

void
queries_ask(struct queries *q, const struct ipc_query *asked)
{
	if (asked->kind == QUERY_KIND_CLIENTS)
		ask_clients(q, asked);
	else
		answer_relays(q, asked);
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
	row->handshaken = !mono_is_never(stats->handshake);
	if (row->handshaken && mono_before(stats->handshake, now))
		row->handshake_age =
		    (uint64_t)mono_ms_between(stats->handshake, now) / 1000;
	if (stats->has_connection)
		engine_query_connection(q->engine, stats->connection, row);
}

/* A survey's clients are some of the page's, in the same order. */
void
queries_survey(struct queries *q, struct mono now, struct shard_survey *survey)
{
	struct query *query = survey->ctx;
	size_t row = 0;

	for (size_t i = 0; i < survey->count; i++) {
		while (query->numbers[row] != survey->peer[i])
			row++;
		if (survey->known[i])
			describe_traffic(
			    q, now, &survey->stats[i], &query->rows[row]);
	}
	free(survey);
	if (--query->awaited == 0)
		query_answer(q, query);
}

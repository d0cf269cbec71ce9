/*
 * Queries of control-worker: what engine and shard know of clients and relays,
 * put together and sent, a page a time. Whoever asks waits for the end of a
 * page before asking for the next; what does not fit into the queue is left
 * out, for control-worker would rather miss an answer than a grant.
 */
#include "net-worker/worker.h"

#define PAGE        64 /* entries of one answer */
#define BACKLOG_MAX (IPC_QUEUE_MAX / 2)

static void
fill_in(struct worker *w, uint32_t number, struct ipc_query_client *row)
{
	struct shard_peer_stats stats;

	if (!shard_peer_stats(w->shard, number, &stats))
		return;
	row->received_packets = stats.received_packets;
	row->received_bytes = stats.received_bytes;
	row->sent_packets = stats.sent_packets;
	row->sent_bytes = stats.sent_bytes;
	row->handshaken = !mono_is_never(stats.handshake);
	if (row->handshaken)
		row->handshake_age =
		    (uint64_t)mono_ms_between(stats.handshake, w->now) / 1000;
	if (stats.has_connection)
		engine_query_connection(w->engine, stats.connection, row);
}

static void
answer_clients(
    struct worker *w, const struct ipc_query *q, struct ipc_query_end *end)
{
	struct engine_client page[PAGE + 1];
	size_t n = engine_query_clients(w->engine, q->from, page, PAGE + 1);

	for (size_t i = 0; i < n && i < PAGE; i++) {
		page[i].row.serial = q->serial;
		fill_in(w, page[i].number, &page[i].row);
		(void)ipc_send_query_client(w->control, &page[i].row);
	}
	end->more = n > PAGE;
	end->next = end->more ? page[PAGE].number : 0;
}

/* There are never more than a page of them. */
static void
answer_relays(struct worker *w, const struct ipc_query *q)
{
	struct ipc_query_relay row;

	for (size_t i = 0; engine_query_relay(w->engine, i, &row); i++) {
		row.serial = q->serial;
		(void)ipc_send_query_relay(w->control, &row);
	}
}

void
query_net_answer(struct worker *w, const struct ipc_query *q)
{
	struct ipc_query_end end = { .serial = q->serial };

	if (ipc_backlog(w->control) > BACKLOG_MAX)
		return;
	if (q->kind == QUERY_KIND_CLIENTS)
		answer_clients(w, q, &end);
	else
		answer_relays(w, q);
	(void)ipc_send_query_end(w->control, &end);
}

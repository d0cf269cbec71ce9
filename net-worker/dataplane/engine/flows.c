/*
 * Reports about flows on their way to control-worker. Each is kept until it has
 * been stored there, and told again to a successor: none is lost with a
 * control-worker, and none counts twice, since a report told twice is the same
 * file (control-worker/flow/spool.h).
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "net-worker/dataplane/engine/state.h"

/* Then they wait in the shard, whose table is bounded as well. */
#define FLOWS_WAITING_MAX 8192

static uint64_t
unix_ns(const struct engine *e, struct mono t)
{
	return (uint64_t)wall_clock_at(&e->clock, t).ns;
}

static void
copy_paths(
    const struct engine *e, const struct flow_report *from, struct ipc_flow *to)
{
	_Static_assert(
	    sizeof(to->paths) / sizeof(to->paths[0]) == FLOW_PATHS_MAX,
	    "all paths fit");
	to->paths_count = (uint16_t)from->path_count;
	for (size_t i = 0; i < from->path_count; i++)
		to->paths[i] = (struct flow_path){
			.from = from->paths[i].from,
			.local = from->paths[i].local,
			.at = unix_ns(e, from->paths[i].at),
		};
}

static void
fill_in_report(
    const struct engine *e, const struct flow_report *from, struct ipc_flow *to)
{
	to->closed = from->closed;
	to->authorization = from->authorization;
	to->client = from->client;
	to->resource = from->resource;
	to->protocol = from->protocol;
	to->source = from->source;
	to->destination = from->destination;
	strlcpy(to->domain, from->domain, sizeof(to->domain));
	to->started_at = unix_ns(e, from->started);
	if (from->closed) {
		to->ended_at = unix_ns(e, from->ended);
		to->last_packet_at = unix_ns(e, from->last_packet);
	}
	to->tx_packets = from->tx_packets;
	to->tx_bytes = from->tx_bytes;
	to->rx_packets = from->rx_packets;
	to->rx_bytes = from->rx_bytes;
	copy_paths(e, from, to);
}

bool
engine_has_flows(const struct engine *e)
{
	return e->flow_count > 0;
}

bool
engine_takes_flows(const struct engine *e)
{
	return e->flow_count < FLOWS_WAITING_MAX;
}

/* The server takes none of these: they are for the reader of our log. */
static void
log_suppressed(
    struct engine *e, struct mono now, const struct flow_report *report)
{
	char who[UUID_TEXT_LEN + 1];
	uint32_t held;

	e->counters->flows_suppressed += report->suppressed;
	if (!log_allow(&e->flows_log, now.ns, &held))
		return;
	log_warnx("client %s opens too many flows: %llu have ended without a "
		  "report of their own (%llu bytes sent, %llu received; %u "
		  "more clients before)",
	    uuid_format(&report->client, who),
	    (unsigned long long)report->suppressed,
	    (unsigned long long)report->tx_bytes,
	    (unsigned long long)report->rx_bytes, held);
}

void
engine_shard_flow(
    struct engine *e, struct mono now, const struct flow_report *report)
{
	struct flow_entry *f;

	if (report->suppressed != 0) {
		log_suppressed(e, now, report);
		return;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		log_error("no memory for the report about a flow: it is lost");
		return;
	}
	fill_in_report(e, report, &f->report);
	f->report.serial = ++e->flow_serial;
	e->counters->flow_reports++;
	STAILQ_INSERT_TAIL(&e->flows, f, entry);
	e->flow_count++;
	if (e->next_flow == NULL)
		e->next_flow = f;
	engine_tell_flows(e);
}

void
engine_tell_flows(struct engine *e)
{
	while (e->next_flow != NULL &&
	    e->host->flow(e->host->ctx, &e->next_flow->report))
		e->next_flow = STAILQ_NEXT(e->next_flow, entry);
}

void
flows_tell_again(struct engine *e)
{
	e->next_flow = STAILQ_FIRST(&e->flows);
	engine_tell_flows(e);
}

static void
forget_first_flow(struct engine *e)
{
	struct flow_entry *f = STAILQ_FIRST(&e->flows);

	if (e->next_flow == f)
		e->next_flow = STAILQ_NEXT(f, entry);
	STAILQ_REMOVE_HEAD(&e->flows, entry);
	e->flow_count--;
	free(f);
}

void
flows_free(struct engine *e)
{
	while (!STAILQ_EMPTY(&e->flows))
		forget_first_flow(e);
}

void
engine_flow_stored(struct engine *e, const struct ipc_flow_stored *m)
{
	while (!STAILQ_EMPTY(&e->flows) &&
	    STAILQ_FIRST(&e->flows)->report.serial <= m->serial)
		forget_first_flow(e);
	engine_tell_flows(e);
}

void
engine_flow_settings(struct engine *e, const struct ipc_flow_settings *m)
{
	struct shard_command command = {
		.type = SHARD_FLOWS,
		.flows_wanted = m->enabled,
	};

	if (m->enabled == e->flows_wanted)
		return;
	e->flows_wanted = m->enabled;
	e->counters->flows_followed = m->enabled;
	log_info("flows are %s", m->enabled ? "logged" : "not logged any more");
	shard_command_all(e, &command);
}

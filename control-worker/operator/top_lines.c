/*
 * What posternctl(8) makes rates of: counters, a line each, for that program
 * alone. Words are parted by one blank; the last is all that is left of a line.
 *
 *	time MILLISECONDS		of our clock, at the first line
 *	total FIGURES			of everybody
 *	client ID FIGURES WHO
 *	resource ID FIGURES NAME	0: of those that share one meter
 *	end				or problem TEXT
 *
 * Figures are bytes and packets from clients, then bytes and packets to them.
 * The last word of a client or resource is a cell of a table, to be shown as it
 * is.
 */
#include <inttypes.h>

#include "common/time.h"
#include "control-worker/operator/status_views.h"

#define NAME_COLUMNS 32

struct figures {
	uint64_t from_bytes, from_packets, to_bytes, to_packets;
};

static void
write_top_figures(struct text *t, const struct figures *f)
{
	text_add(t, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
	    f->from_bytes, f->from_packets, f->to_bytes, f->to_packets);
}

static void
write_top_entry(struct status *status, const char *kind, const struct uuid *id,
    const struct figures *f, const char *name)
{
	struct text *t = status->out;
	char text[UUID_TEXT_LEN + 1];

	text_add(t, "%s %s ", kind, uuid_format(id, text));
	write_top_figures(t, f);
	text_add(t, " ");
	write_cell(status, name, NAME_COLUMNS);
	text_add(t, "\n");
}

static void
begin_lines(struct status *status)
{
	const struct counter_page *page = status->situation->counters;
	struct figures all = { 0 };

	if (page != NULL)
		all = (struct figures){
			COUNTER_SHARD(page, outbound_bytes),
			COUNTER_SHARD(page, outbound_packets),
			COUNTER_SHARD(page, inbound_bytes),
			COUNTER_SHARD(page, inbound_packets),
		};
	text_add(
	    status->out, "time %" PRId64 "\ntotal ", mono_now().ns / 1000000);
	write_top_figures(status->out, &all);
	text_add(status->out, "\n");
}

static void
write_top_meter(struct status *status, const struct uuid *resource,
    unsigned meter, const char *name)
{
	const struct counter_page *page = status->situation->counters;
	struct figures f;

	if (page == NULL)
		return;
	f = (struct figures){
		COUNTER_METER(page, meter, outbound_bytes),
		COUNTER_METER(page, meter, outbound_packets),
		COUNTER_METER(page, meter, inbound_bytes),
		COUNTER_METER(page, meter, inbound_packets),
	};
	write_top_entry(status, "resource", resource, &f, name);
}

static void
begin_lines_of_list(struct status *status, enum status_list list)
{
	static const struct uuid none;

	if (list == LIST_METERS)
		write_top_meter(status, &none, 0, "others, and none");
}

static void
write_top_client(
    struct status *status, size_t i, const struct ipc_query_client *c)
{
	const struct figures f = { c->received_bytes, c->received_packets,
		c->sent_bytes, c->sent_packets };
	char who[WHO_MAX + 1];

	(void)i;
	write_top_entry(status, "client", &c->client, &f,
	    directory_who(status->names, &c->client, who));
}

static void
write_top_resource(
    struct status *status, size_t i, const struct ipc_query_resource *r)
{
	(void)i;
	write_top_meter(status, &r->resource, r->meter,
	    directory_resource(status->names, &r->resource));
}

static void
end_lines_of_list(
    struct status *status, enum status_list list, size_t count, bool complete)
{
	(void)status;
	(void)list;
	(void)count;
	(void)complete;
}

static void
end_lines(struct status *status, const char *problem)
{
	if (problem == NULL)
		text_add(status->out, "end\n");
	else
		text_add(status->out, "problem %s\n", problem);
}

const struct status_format status_top = {
	.begin = begin_lines,
	.list = begin_lines_of_list,
	.client = write_top_client,
	.meter = write_top_resource,
	.list_end = end_lines_of_list,
	.end = end_lines,
};

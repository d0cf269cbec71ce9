/* Flows, for humans: see status.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/status_views.h"
#include "control-worker/operator/table.h"

const char *
flow_domain(const struct ipc_query_flow *f, char to[DOMAIN_MAX + 1])
{
	strlcpy(to, f->domain, DOMAIN_MAX + 1);
	make_printable(to);
	return to;
}

/* Who it is in one word; the id's first digits where that is not known. */
static const char *
client_called(const struct status *status, const struct uuid *client,
    struct client_entry *e, char id[UUID_TEXT_LEN + 1])
{
	directory_client(status->names, client, e);
	if (client_user(e)[0] != '\0')
		return client_user(e);
	uuid_format(client, id);
	id[SHORT_ID] = '\0';
	return id;
}

static const char *
resource_called(const struct status *status, const struct uuid *resource,
    size_t digits, char id[UUID_TEXT_LEN + 1])
{
	const char *name = directory_resource(status->names, resource);

	if (name != NULL)
		return name;
	uuid_format(resource, id);
	id[digits] = '\0';
	return id;
}

static void
write_narrow_flow(struct status *status, const struct ipc_query_flow *f)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], to[ENDPOINT_TEXT_MAX], protocol[8];
	struct client_entry e;

	write_cell(status, client_called(status, &f->client, &e, id), 13);
	text_add(t, "%-3s %5u ", ctl_protocol_name(f->protocol, protocol),
	    f->source.port);
	write_cell(status, endpoint_format(&f->destination, to), 21);
	write_cell(
	    status, resource_called(status, &f->resource, SHORT_ID, id), 8);
}

static void
write_wide_flow(struct status *status, const struct ipc_query_flow *f)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], who[WHO_MAX + 1], from[ENDPOINT_TEXT_MAX],
	    to[ENDPOINT_TEXT_MAX], protocol[8];

	text_add(t, "%-36s ", uuid_format(&f->client, id));
	write_cell(status, directory_who(status->names, &f->client, who), 32);
	text_add(t, "%-5s %-22s %-22s ",
	    ctl_protocol_name(f->protocol, protocol),
	    endpoint_format(&f->source, from),
	    endpoint_format(&f->destination, to));
	write_cell(status,
	    resource_called(status, &f->resource, UUID_TEXT_LEN, id), 22);
}

static void
write_column_names(struct status *status)
{
	if (status->wide)
		text_add(status->out,
		    "%-36s %-32s %-5s %-22s %-22s %-22s %10s %10s %9s",
		    "client", "who", "proto", "source", "destination",
		    "resource", "received", "sent", "age");
	else
		text_add(status->out, "%-13s %-9s %-21s %-8s %7s %7s %4s",
		    "client", "source", "destination", "resource", "from", "to",
		    "age");
}

/* Of one that has just begun there is nothing to say yet. */
static void
write_flow_figures(
    struct status *status, const struct ipc_query_flow *f, bool begins)
{
	char in[FIGURE_MAX] = "-", out[FIGURE_MAX] = "-", age[FIGURE_MAX] = "-";

	if (!begins && status->wide) {
		format_bytes(f->rx_bytes, out);
		format_bytes(f->tx_bytes, in);
		format_duration(f->age, age);
	} else if (!begins) {
		format_few_bytes(f->rx_bytes, out);
		format_few_bytes(f->tx_bytes, in);
		format_few_seconds(f->age, age);
	}
	text_add(status->out, status->wide ? "%10s %10s %9s" : "%7s %7s %4s",
	    in, out, age);
}

void
write_flow(struct status *status, size_t i, const struct ipc_query_flow *f)
{
	struct text *t = status->out;
	char last[FIGURE_MAX], domain[DOMAIN_MAX + 1];

	if (i == 0) {
		open_table(status);
		write_column_names(status);
		text_add(t, status->wide ? " %9s  name\n" : " %4s\n", "last");
	}
	if (status->wide)
		write_wide_flow(status, f);
	else
		write_narrow_flow(status, f);
	write_flow_figures(status, f, false);
	if (status->wide)
		text_add(t, " %9s  %s\n", format_duration(f->idle, last),
		    flow_domain(f, domain));
	else
		text_add(t, " %4s\n", format_few_seconds(f->idle, last));
}

/* Flows as they begin and end: follow.h. */

void
write_flow_headings(struct status *status)
{
	if (status->wide)
		text_add(status->out, "%-19s ", "time (UTC)");
	text_add(status->out, "%-4s ", "");
	write_column_names(status);
	text_add(status->out, status->wide ? "  name\n" : "\n");
}

static void
write_event_time(struct text *t, uint64_t unix_s)
{
	time_t at = (time_t)unix_s;
	char when[32] = "-";
	struct tm tm;

	if (gmtime_r(&at, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	text_add(t, "%-19s ", when);
}

void
write_flow_event(struct status *status, const struct flow_event *e)
{
	struct text *t = status->out;
	const struct ipc_query_flow *f = &e->flow;
	char domain[DOMAIN_MAX + 1];

	if (e->kind == FLOW_EVENT_LEFT_OUT) {
		text_add(t,
		    "(%" PRIu64 " lines are left out: they were not read in "
		    "time)\n",
		    e->lines);
		return;
	}
	if (status->wide)
		write_event_time(t, e->at);
	text_add(t, "%-4s ", e->kind == FLOW_EVENT_OPENED ? "open" : "end");
	if (status->wide)
		write_wide_flow(status, f);
	else
		write_narrow_flow(status, f);
	write_flow_figures(status, f, e->kind == FLOW_EVENT_OPENED);
	if (status->wide)
		text_add(t, "  %s", flow_domain(f, domain));
	text_add(t, "\n");
}

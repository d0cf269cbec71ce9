/* What clients are granted, for humans: see status.h. */
#include <stdio.h>
#include <string.h>

#include "control-worker/operator/status_views.h"
#include "control-worker/operator/table.h"

const char *
grant_address(const struct ipc_query_grant *g, char to[PATTERN_MAX + 1])
{
	switch (g->type) {
	case RESOURCE_CIDR:
		return prefix_format(&g->network, to);
	case RESOURCE_DNS:
		return g->pattern;
	case RESOURCE_INTERNET:
		return "the Internet";
	default:
		return "-";
	}
}

void
format_filter(const struct filter *f, char to[24])
{
	static const char *const names[] = {
		[FILTER_TCP] = "tcp",
		[FILTER_UDP] = "udp",
		[FILTER_ICMP] = "icmp",
	};
	const char *name =
	    f->protocol >= FILTER_TCP && f->protocol <= FILTER_ICMP
	    ? names[f->protocol]
	    : "nothing";

	if (f->protocol == FILTER_ICMP || name[0] == 'n')
		snprintf(to, 24, "%s", name);
	else if (f->first > f->last)
		snprintf(to, 24, "nothing");
	else if (f->first <= 1 && f->last == UINT16_MAX)
		snprintf(to, 24, "%s", name);
	else if (f->first == f->last)
		snprintf(to, 24, "%s/%u", name, f->first);
	else
		snprintf(to, 24, "%s/%u-%u", name, f->first, f->last);
}

void
format_filters(const struct ipc_query_grant *g, char *to, size_t size)
{
	char one[24];
	size_t len = 0;

	if (g->filter_count == 0 || g->type == RESOURCE_INTERNET) {
		snprintf(to, size, "everything");
		return;
	}
	to[0] = '\0';
	for (size_t i = 0; i < g->filters_count && len < size; i++) {
		format_filter(&g->filters[i], one);
		len += (size_t)snprintf(
		    to + len, size - len, "%s%s", i == 0 ? "" : ", ", one);
	}
	if (g->filter_count > g->filters_count && len < size)
		snprintf(to + len, size - len, " and %u more",
		    g->filter_count - g->filters_count);
}

/* All of it, or as much as a narrow table has a column for. */
static void
write_id(struct status *status, const struct uuid *id)
{
	char text[UUID_TEXT_LEN + 1];

	text_add(status->out, "%.*s ", status->wide ? UUID_TEXT_LEN : SHORT_ID,
	    uuid_format(id, text));
}

/* All but the last column, and its heading. */
static void
write_granted(struct status *status, size_t i, const struct ipc_query_grant *g,
    const char *last)
{
	char address[PATTERN_MAX + 1], filters[512];

	if (i == 0) {
		open_table(status);
		text_add(status->out, "%-*s %-22s %-22s %-14s %s\n",
		    status->wide ? UUID_TEXT_LEN : SHORT_ID, "resource", "name",
		    "address", "permits", last);
	}
	write_id(status, &g->resource);
	write_cell(status, directory_resource(status->names, &g->resource), 22);
	write_cell(status, grant_address(g, address), 22);
	format_filters(g, filters, sizeof(filters));
	write_cell(status, filters, 14);
}

void
write_grant(struct status *status, size_t i, const struct ipc_query_grant *g,
    uint64_t now)
{
	char ends[FIGURE_MAX] = "never";

	write_granted(status, i, g, "ends in");
	if (g->expires_at != 0)
		format_duration(seconds_between(now, g->expires_at), ends);
	text_add(status->out, "%s\n", ends);
}

void
write_resource(struct status *status, size_t i, const struct tallied *r)
{
	write_granted(status, i, &r->grant, "clients");
	text_add(status->out, "%7u\n", r->clients);
}

/* Reports for the log: see log.h. */
#include "control-worker/flow/log.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control-worker/flow/record.h"

struct line {
	char *text;
	size_t len;
};

/* Beyond its end nothing is added any more. */
__attribute__((__format__(printf, 2, 3))) static void
add_text(struct line *l, const char *fmt, ...)
{
	size_t room = LOG_TEXT_MAX - l->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		l->len += (size_t)n < room ? (size_t)n : room - 1;
}

static void
add_time(struct line *l, const char *name, uint64_t ns)
{
	char text[FLOW_TIME_MAX];

	add_text(l, " %s=%s", name, flow_time_format(ns, text));
}

/* From where to where, one after the other. */
static void
add_paths(struct line *l, const struct ipc_flow *f)
{
	char from[ENDPOINT_TEXT_MAX], local[ENDPOINT_TEXT_MAX];

	add_text(l, " outers=");
	for (size_t i = 0; i < f->paths_count; i++)
		add_text(l, "%s%s->%s", i > 0 ? "," : "",
		    f->paths[i].from.ip.family == IP_NONE
			? "unknown"
			: endpoint_format(&f->paths[i].from, from),
		    endpoint_format(&f->paths[i].local, local));
}

void
flow_log_format(
    const struct ipc_flow *f, const char *attribution, char to[LOG_TEXT_MAX])
{
	struct line l = { .text = to };
	const bool tcp = f->protocol == IPPROTO_TCP;
	char ip[ENDPOINT_TEXT_MAX];

	add_text(&l, "%s flow %s: protocol=%s", tcp ? "TCP" : "UDP",
	    f->closed ? "completed" : "started", tcp ? "tcp" : "udp");
	add_text(&l, " inner_src_ip=%s inner_src_port=%u",
	    ip_format(&f->source.ip, ip), f->source.port);
	add_text(&l, " inner_dst_ip=%s inner_dst_port=%u",
	    ip_format(&f->destination.ip, ip), f->destination.port);
	if (f->domain[0] != '\0')
		add_text(&l, " domain=%s", f->domain);
	add_time(&l, "flow_start", f->started_at);
	if (f->closed) {
		add_time(&l, "flow_end", f->ended_at);
		add_time(&l, "last_packet", f->last_packet_at);
		add_text(&l,
		    " rx_packets=%" PRIu64 " tx_packets=%" PRIu64
		    " rx_bytes=%" PRIu64 " tx_bytes=%" PRIu64,
		    f->rx_packets, f->tx_packets, f->rx_bytes, f->tx_bytes);
	}
	/* The paths come last: of many the last ones are cut off. */
	if (attribution[0] != '\0')
		add_text(&l, " %s", attribution);
	add_paths(&l, f);
}

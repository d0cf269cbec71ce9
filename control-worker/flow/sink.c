/* Where lines about flows go: see sink.h. */
#include "control-worker/flow/sink.h"

#include <sys/socket.h>
#include <time.h>

#include "control-worker/flow/line.h"

void
flow_sink_use(struct flow_sink *s, enum flow_sink_kind kind, int fd)
{
	s->kind = kind;
	s->fd = fd;
}

static void
send_flow_line(struct flow_sink *s, const char *line, size_t len)
{
	if (len > 0 &&
	    send(s->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len)
		s->written++;
	else
		s->lost++;
}

void
flow_sink_report(struct flow_sink *s, const struct ipc_flow *f)
{
	char line[FLOW_LINE_SIZE];

	if (s->kind != FLOW_SINK_NONE)
		send_flow_line(
		    s, line, flow_line_report(s->kind, s->names, f, line));
}

void
flow_sink_denied(struct flow_sink *s, const struct ipc_denied *d)
{
	char line[FLOW_LINE_SIZE];
	struct timespec now;

	if (s->kind == FLOW_SINK_NONE)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	send_flow_line(s, line,
	    flow_line_denied(s->kind, s->names, d,
		(uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
		line));
}

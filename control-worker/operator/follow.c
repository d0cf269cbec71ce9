/* Flows as they begin and end: see follow.h. */
#include "control-worker/operator/follow.h"

#include <string.h>

#include "common/ctl.h"

static uint64_t
whole_seconds(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? (to_ns - from_ns) / 1000000000 : 0;
}

/* A report in the form of a list; a flow that begins has no figures yet. */
static struct flow_event
describe_flow_event(const struct ipc_flow *m)
{
	struct flow_event e = {
		.kind = m->closed ? FLOW_EVENT_CLOSED : FLOW_EVENT_OPENED,
		.at = (m->closed ? m->ended_at : m->started_at) / 1000000000,
		.flow = {
			.client = m->client,
			.resource = m->resource,
			.protocol = m->protocol,
			.source = m->source,
			.destination = m->destination,
			.tx_packets = m->tx_packets,
			.tx_bytes = m->tx_bytes,
			.rx_packets = m->rx_packets,
			.rx_bytes = m->rx_bytes,
		},
	};

	if (m->closed) {
		e.flow.age = whole_seconds(m->started_at, m->ended_at);
		e.flow.idle = whole_seconds(m->last_packet_at, m->ended_at);
	}
	strlcpy(e.flow.domain, m->domain, sizeof(e.flow.domain));
	return e;
}

bool
follow_catch_up(
    struct follow *f, const struct status_format *format, struct status *status)
{
	const struct flow_event e = {
		.kind = FLOW_EVENT_LEFT_OUT,
		.lines = f->left_out,
	};

	if (f->left_out == 0)
		return false;
	format->flow_event(status, &e);
	f->left_out = 0;
	return true;
}

bool
follow_flow(struct follow *f, const struct status_format *format,
    struct status *status, const struct ipc_flow *m)
{
	struct flow_event e;

	if (f->of_one && !uuid_equal(&f->client, &m->client))
		return false;
	/* Where a line is missing, the reader is told before the next one. */
	if (f->left_out > 0 || status->out->len > FOLLOW_BACKLOG_MAX) {
		f->left_out++;
		return false;
	}
	e = describe_flow_event(m);
	format->flow_event(status, &e);
	return true;
}

void
follow_say_alive(struct status *status)
{
	const char alive = CTL_ALIVE;

	if (status->out->len == 0)
		text_write(status->out, &alive, 1);
}

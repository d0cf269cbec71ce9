/*
 * Hands lines about flows to the parent, which writes them where they are
 * wanted. The parent is never waited for: a line that it has no room for is
 * lost, and counted.
 */
#ifndef CONTROL_WORKER_FLOW_SINK_H
#define CONTROL_WORKER_FLOW_SINK_H

#include <stdint.h>

#include "common/flow.h"
#include "common/ipc.h"
#include "control-worker/directory/directory.h"

struct flow_sink {
	enum flow_sink_kind kind; /* NONE: lines are not wanted */
	int fd;
	const struct directory *names; /* NULL: lines have no names */
	uint64_t written, lost; /* lines */
};

/* Takes the descriptor over. */
void flow_sink_use(struct flow_sink *, enum flow_sink_kind, int fd);
/* These do nothing where lines are not wanted. */
void flow_sink_report(struct flow_sink *, const struct ipc_flow *);
void flow_sink_denied(struct flow_sink *, const struct ipc_denied *);

#endif /* CONTROL_WORKER_FLOW_SINK_H */

/*
 * Where lines about flows go: to the parent, which writes them where they are
 * wanted. It is never waited for: what it has no room for is lost, and counted.
 */
#ifndef CONTROL_WORKER_FLOW_SINK_H
#define CONTROL_WORKER_FLOW_SINK_H

#include <stdint.h>

#include "common/flow.h"
#include "common/ipc.h"
#include "control-worker/directory/directory.h"

struct flow_sink {
	enum flow_sink_kind kind; /* NONE: there is none */
	int fd;
	const struct directory *names; /* NULL: there are none */
	uint64_t written, lost; /* lines */
};

/* Takes the descriptor over. */
void flow_sink_use(struct flow_sink *, enum flow_sink_kind, int fd);
/* Nothing where there is no sink. */
void flow_sink_report(struct flow_sink *, const struct ipc_flow *);
void flow_sink_denied(struct flow_sink *, const struct ipc_denied *);

#endif /* CONTROL_WORKER_FLOW_SINK_H */

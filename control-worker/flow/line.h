/*
 * A line about a flow for people and their tools: postern-flows(5), in the form
 * in which the parent takes it (common/flow.h). Names are left out where the
 * directory has none, or is NULL.
 */
#ifndef CONTROL_WORKER_FLOW_LINE_H
#define CONTROL_WORKER_FLOW_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/flow.h"
#include "common/ipc.h"
#include "control-worker/directory/directory.h"

/* With its terminator. */
#define FLOW_LINE_SIZE (FLOW_RECORD_MAX + 1)

/*
 * For that sink; its length, 0 without memory or where it does not fit. A
 * report of a flow, or a packet that was denied at that unix time.
 */
size_t flow_line_report(enum flow_sink_kind, const struct directory *,
    const struct ipc_flow *, char to[FLOW_LINE_SIZE]);
size_t flow_line_denied(enum flow_sink_kind, const struct directory *,
    const struct ipc_denied *, uint64_t at_ns, char to[FLOW_LINE_SIZE]);

#endif /* CONTROL_WORKER_FLOW_LINE_H */

/*
 * Lines about flows for people and their tools, postern-flows(5), in the form
 * in which the parent takes them (common/flow.h). Names are left out where the
 * directory has none, or is NULL.
 */
#ifndef CONTROL_WORKER_FLOW_LINE_H
#define CONTROL_WORKER_FLOW_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/flow.h"
#include "common/ipc.h"
#include "control-worker/directory/directory.h"

/* Of a line with its terminator. */
#define FLOW_LINE_SIZE (FLOW_RECORD_MAX + 1)

/*
 * A line for that kind of sink about a report of a flow, or about a packet that
 * was denied, at_ns unix time. Its length, or 0 without memory or when it is
 * too long.
 */
size_t flow_line_report(enum flow_sink_kind, const struct directory *,
    const struct ipc_flow *, char to[FLOW_LINE_SIZE]);
size_t flow_line_denied(enum flow_sink_kind, const struct directory *,
    const struct ipc_denied *, uint64_t at_ns, char to[FLOW_LINE_SIZE]);

#endif /* CONTROL_WORKER_FLOW_LINE_H */

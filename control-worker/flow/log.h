/*
 * A report as a line of the log (--flow-logs): firezone-policy(7), Flow
 * settings and Flow reports.
 */
#ifndef CONTROL_WORKER_FLOW_LOG_H
#define CONTROL_WORKER_FLOW_LOG_H

#include "common/ipc.h"
#include "common/log.h"

/*
 * "TCP flow completed: protocol=tcp inner_src_ip=... role=responder ...". The
 * attribution is that of struct flow_token, or empty.
 */
void flow_log_format(
    const struct ipc_flow *, const char *attribution, char to[LOG_TEXT_MAX]);

#endif /* CONTROL_WORKER_FLOW_LOG_H */

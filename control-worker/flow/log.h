/*
 * A report as a line of the log (--flow-logs): spec/policy.md 10.1 and 10.4.
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

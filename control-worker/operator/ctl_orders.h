/*
 * The operator's socket: who may use it, and the requests that are answered
 * without asking net-worker.
 */
#ifndef CONTROL_WORKER_OPERATOR_CTL_ORDERS_H
#define CONTROL_WORKER_OPERATOR_CTL_ORDERS_H

#include <stdbool.h>

#include "control-worker/net/server.h"
#include "control-worker/operator/ctl.h"
#include "control-worker/operator/ctl_request.h"

/* Whether who is at the other end of the connection may use it. */
bool ctl_may_ask(const struct ctl_config *, int fd);
/*
 * Ends an answer (ctl.h) with the status that posternctl exits with, at most 9,
 * and, unless it is NULL, what is wrong.
 */
void ctl_end_saying(struct served *, unsigned status, const char *why);
/* False, and nothing is done, when net-worker has to be asked. */
bool ctl_answer_at_once(
    struct served *, const struct ctl_config *, const struct ctl_request *);

#endif /* CONTROL_WORKER_OPERATOR_CTL_ORDERS_H */

/*
 * The operator's socket: who may use it, and the requests for which nobody else
 * has to be asked.
 */
#ifndef CONTROL_WORKER_OPERATOR_CTL_ORDERS_H
#define CONTROL_WORKER_OPERATOR_CTL_ORDERS_H

#include <stdbool.h>

#include "control-worker/net/server.h"
#include "control-worker/operator/ctl.h"
#include "control-worker/operator/ctl_request.h"

/* Of who is at the other end of the connection. */
bool ctl_may_ask(const struct ctl_config *, int fd);
/*
 * Ends the text with the status that posternctl exits with, up to 9. why is
 * NULL, or for where errors go.
 */
void ctl_end_saying(struct served *, unsigned status, const char *why);
/* False: it is no such request, and nothing has been done. */
bool ctl_answer_at_once(
    struct served *, const struct ctl_config *, const struct ctl_request *);

#endif /* CONTROL_WORKER_OPERATOR_CTL_ORDERS_H */

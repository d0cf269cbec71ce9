/*
 * Flows that begin and end from now on, for one reader: a line for each, as
 * net-worker reports them. Who does not read loses lines, and is told how many
 * those were when there is room again; no more waits than FOLLOW_BACKLOG_MAX
 * and a line.
 */
#ifndef CONTROL_WORKER_OPERATOR_FOLLOW_H
#define CONTROL_WORKER_OPERATOR_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "control-worker/operator/status.h"

#define FOLLOW_BACKLOG_MAX 65536 /* bytes */

struct follow {
	bool of_one; /* that client's flows alone */
	struct uuid client;
	uint64_t left_out; /* lines, since there was no room */
};

/* Whether something was written. */
bool follow_flow(struct follow *, const struct status_format *, struct status *,
    const struct ipc_flow *);
/* Likewise; to be called when all that was written has been sent. */
bool follow_catch_up(
    struct follow *, const struct status_format *, struct status *);
/* Says that we are there (common/ctl.h), if nothing waits to be sent. */
void follow_say_alive(struct status *);

#endif /* CONTROL_WORKER_OPERATOR_FOLLOW_H */

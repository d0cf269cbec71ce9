/*
 * Flows as they begin and end, for one reader: a line each, as net-worker
 * reports them. A reader who is slow loses lines, and is told how many when
 * there is room again; no more than FOLLOW_BACKLOG_MAX and a line wait for it.
 */
#ifndef CONTROL_WORKER_OPERATOR_FOLLOW_H
#define CONTROL_WORKER_OPERATOR_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc.h"
#include "control-worker/operator/status.h"

#define FOLLOW_BACKLOG_MAX 65536 /* bytes */

struct follow {
	bool of_one; /* only that client's flows */
	struct uuid client;
	uint64_t left_out; /* lines that the reader is to be told of */
};

/* Writes a line, if it concerns the reader. Whether it was written. */
bool follow_flow(struct follow *, const struct status_format *, struct status *,
    const struct ipc_flow *);
/*
 * Writes how many lines were left out, if any: when all that was written has
 * been sent. Whether it was written.
 */
bool follow_catch_up(
    struct follow *, const struct status_format *, struct status *);
/* Writes CTL_ALIVE, if nothing else waits to be sent. */
void follow_say_alive(struct status *);

#endif /* CONTROL_WORKER_OPERATOR_FOLLOW_H */

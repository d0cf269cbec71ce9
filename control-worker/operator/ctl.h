/*
 * The operator's socket: answers posternctl(8). A request is one line, "status
 * text" or "status json"; the answer is what is to be printed, then a NUL, by
 * which the reader knows that it has all of it.
 */
#ifndef CONTROL_WORKER_OPERATOR_CTL_H
#define CONTROL_WORKER_OPERATOR_CTL_H

#include <uv.h>

#include "common/ipc.h"
#include "control-worker/operator/situation.h"

struct ctl;

struct ctl_config {
	int fd;            /* the listener */
	uint32_t uid, gid; /* may ask, beside root */
	const struct situation *situation;
	/* Asks net-worker; false when there is none to be asked. */
	bool (*ask)(void *ctx, const struct ipc_query *);
	void *ctx;
};

/* NULL without memory. */
struct ctl *ctl_serve(uv_loop_t *, const struct ctl_config *);
void ctl_free(struct ctl *);

/* Answers of net-worker; NULL is fine in all of these, and ignores them. */
void ctl_relay(struct ctl *, const struct ipc_query_relay *);
void ctl_client(struct ctl *, const struct ipc_query_client *);
void ctl_query_end(struct ctl *, const struct ipc_query_end *);

#endif /* CONTROL_WORKER_OPERATOR_CTL_H */

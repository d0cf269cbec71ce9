/*
 * The operator's socket: answers posternctl(8). A request is one line
 * (ctl_request.h); the answer is what is to be printed, then a NUL, by which
 * the reader knows that it has all of it, and, unless all is well, the exit
 * status as a digit and what is wrong, which is no part of the answer.
 */
#ifndef CONTROL_WORKER_OPERATOR_CTL_H
#define CONTROL_WORKER_OPERATOR_CTL_H

#include <uv.h>

#include "common/ipc.h"
#include "common/log.h"
#include "control-worker/directory/directory.h"
#include "control-worker/operator/netcheck.h"
#include "control-worker/operator/situation.h"

/* At a time. */
#define CTL_CONNECTIONS 4

struct ctl;

struct ctl_config {
	int fd;            /* the listener */
	uint32_t uid, gid; /* may ask, beside root */
	const struct situation *situation;
	const struct directory *names; /* NULL: there are none */
	const char *options;           /* posternd's, as it prints them */
	struct netcheck_config netcheck;
	/* Asks net-worker; false when there is none to be asked. */
	bool (*ask)(void *ctx, const struct ipc_query *);
	bool (*explain)(void *ctx, const struct ipc_explain *);
	/*
	 * Drains, within so many seconds, or no more (0): from then on the
	 * situation says so. False when nobody can be asked.
	 */
	bool (*drain)(void *ctx, uint32_t within);
	/* Sets the level of the log; false when nobody can be asked. */
	bool (*log_level)(void *ctx, enum log_level);
	void *ctx;
};

/* NULL without memory. */
struct ctl *ctl_serve(uv_loop_t *, const struct ctl_config *);
void ctl_free(struct ctl *);

/* Answers of net-worker; NULL is fine in all of these, and ignores them. */
void ctl_relay(struct ctl *, const struct ipc_query_relay *);
void ctl_client(struct ctl *, const struct ipc_query_client *);
void ctl_grant(struct ctl *, const struct ipc_query_grant *);
void ctl_explained(struct ctl *, const struct ipc_explained *);
void ctl_route(struct ctl *, const struct ipc_explained_route *);
void ctl_resource(struct ctl *, const struct ipc_query_resource *);
void ctl_flow(struct ctl *, const struct ipc_query_flow *);
void ctl_query_end(struct ctl *, const struct ipc_query_end *);
/* A flow has begun or ended; likewise. */
void ctl_flow_report(struct ctl *, const struct ipc_flow *);

#endif /* CONTROL_WORKER_OPERATOR_CTL_H */

/*
 * Flow logs as the rest of control-worker sees them: settings and tokens come
 * from the portal, reports from net-worker; they go to the spool, from there to
 * the server, and to our own log where that is asked for. firezone-policy(7),
 * FLOW LOGS.
 */
#ifndef CONTROL_WORKER_FLOW_FLOW_LOGS_H
#define CONTROL_WORKER_FLOW_FLOW_LOGS_H

#include <stdbool.h>

#include "common/ipc.h"
#include "control-worker/flow/post.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"
#include "control-worker/net/flow_figures.h"

struct flow_logs;

/* Before the process is confined. NULL on failure. */
struct flow_logs *flow_logs_new(const struct poster_config *, bool log);
/*
 * Under confinement: the spool's directory, or NULL where there is none; then
 * nothing is uploaded. Goes on with what an earlier process left.
 */
void flow_logs_start(struct flow_logs *, const char *root);

/* What an init says; whether flows are to be followed at all. */
bool flow_logs_configure(struct flow_logs *, const struct flow_settings *);
/* The token of an authorization, before its first flow. */
void flow_logs_token(
    struct flow_logs *, const struct flow_token *, const char *jwt);
void flow_logs_report(struct flow_logs *, const struct ipc_flow *);

/* Where there is a spool; else nothing is changed. */
void flow_logs_figures(const struct flow_logs *, struct flow_figures *);

/* Uploads what is there, once; see upload_flush(). */
void flow_logs_flush(struct flow_logs *, void (*done)(void *ctx), void *ctx);

#endif /* CONTROL_WORKER_FLOW_FLOW_LOGS_H */

/*
 * Flow logs between the processes: what net-worker and the portal say goes to
 * flow_logs.h, and net-worker is told what is asked of it and what it may
 * forget. And the end, which waits for net-worker's last reports and one last
 * upload, but not for long (design section 3).
 */
#ifndef CONTROL_WORKER_FLOW_CONTROL_H
#define CONTROL_WORKER_FLOW_CONTROL_H

#include <uv.h>

#include "common/ipc.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"

#define FLOW_ENDING_MS 1000

struct worker;

struct flow_control {
	struct ipc_control_flow_logs config;
	struct flow_logs *logs; /* NULL: not yet, or there are none */
	/* The last report that net-worker does not know to be stored. */
	bool has_news;
	uint64_t stored;
	uv_timer_t timer; /* of the end */
	bool enabled;     /* flows are followed */
	bool ending;      /* we have been told to end */
	bool flushing, flushed;
	bool portal_closed;
};

/* Before and after the process is confined. */
void flow_control_prepare(struct worker *, const char *user_agent);
void flow_control_start(struct worker *, bool rooted);

void flow_control_report(struct worker *, const struct ipc_flow *);
/* Acknowledges the reports since the last call. */
void flow_control_acknowledge(struct worker *);
/* A new net-worker counts from the beginning. */
void flow_control_forget(struct worker *);

/* What connection.c calls, with the worker. */
void flow_control_settings(void *ctx, const struct flow_settings *);
void flow_control_token(void *ctx, const struct flow_token *, const char *jwt);

/* SHUTDOWN has come; the portal's connection is closed; net-worker has died. */
void flow_control_end(struct worker *);
void flow_control_portal_closed(struct worker *);
void flow_control_net_changed(struct worker *);

#endif /* CONTROL_WORKER_FLOW_CONTROL_H */

/*
 * Flow logs between the processes: what net-worker and the portal say goes to
 * flow_logs.h, and net-worker is told what is asked of it and what it may
 * forget. And the end, which waits for net-worker's last reports and one last
 * upload, but not for long.
 */
#ifndef CONTROL_WORKER_FLOW_CONTROL_H
#define CONTROL_WORKER_FLOW_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/ipc.h"
#include "common/uuid.h"
#include "control-worker/flow/post.h"
#include "control-worker/flow/sink.h"
#include "control-worker/json/json.h"
#include "control-worker/net/flow_figures.h"

#define FLOW_ENDING_MS 1000

struct flow_control_host {
	void *ctx;
	/* To net-worker: whether flows are followed. */
	void (*settings)(void *ctx, const struct ipc_flow_settings *);
	/* To net-worker: what it may forget; false: it could not be told. */
	bool (*stored)(void *ctx, const struct ipc_flow_stored *);
	/* Reads what a net-worker that has died said before. */
	void (*read_rest)(void *ctx);
	/* flow_control_is_done() is true from now on. */
	void (*done)(void *ctx);
};

struct flow_control {
	struct flow_control_host host;
	struct flow_logs *logs; /* NULL: not yet, or there are none */
	struct flow_sink sink;  /* for people; the caller sets it */
	/* The last report that net-worker does not know to be stored. */
	bool has_news;
	uint64_t stored;
	uv_timer_t timer; /* of the end */
	bool enabled;     /* flows are followed */
	bool ending;      /* we have been told to end */
	bool flushing, flushed;
};

/* Before the process is confined; log: reports go to our log, too. */
void flow_control_prepare(struct flow_control *,
    const struct flow_control_host *, const struct poster_config *, bool log);
/* And after: see flow_logs_start(). */
void flow_control_start(struct flow_control *, const char *spool);

void flow_control_report(struct flow_control *, const struct ipc_flow *);
/* Acknowledges the reports since the last call. */
void flow_control_acknowledge(struct flow_control *);
/* A new net-worker counts from the beginning. */
void flow_control_forget(struct flow_control *);

/* What the portal's init says of flow logs; NULL: nothing. */
void flow_control_settings(struct flow_control *, const struct json_value *);
/*
 * The ingest token of an authorization; whether it is one, and then the id that
 * its flows are told with.
 */
bool flow_control_token(
    struct flow_control *, const char *jwt, size_t len, struct uuid *id);

void flow_control_figures(const struct flow_control *, struct flow_figures *);

/* SHUTDOWN has come. */
void flow_control_end(struct flow_control *, bool net_runs);
/* Whether net-worker runs may have changed. */
void flow_control_net_changed(struct flow_control *, bool net_runs);
/* Nothing that is under way here has to be waited for. */
bool flow_control_is_done(const struct flow_control *);

#endif /* CONTROL_WORKER_FLOW_CONTROL_H */

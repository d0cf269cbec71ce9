/* Flow logs between the processes: see control.h. */
#include "control-worker/flow/control.h"

#include "common/log.h"
#include "control-worker/flow/flow_logs.h"
#include "control-worker/worker.h"

/* Messages of a dead net-worker: more than its socket holds. */
#define LEFT_BEHIND_MAX 64

void
flow_control_prepare(struct worker *w, const char *user_agent)
{
	struct flow_control *f = &w->flow;
	const struct poster_config c = {
		.loop = &w->loop,
		.resolver = w->resolver,
		.ca = w->ca,
		.ca_len = w->ca_len,
		.user_agent = user_agent,
	};

	f->logs = flow_logs_new(&c, f->config.log);
	if (f->logs == NULL)
		fatalx("no memory");
	uv_timer_init(&w->loop, &f->timer);
	f->timer.data = w;
}

void
flow_control_start(struct worker *w, bool rooted)
{
	const char *spool = w->flow.config.spool;

	if (spool[0] == '\0')
		spool = NULL;
	else if (rooted)
		spool = "/";
	flow_logs_start(w->flow.logs, spool);
}

void
flow_control_report(struct worker *w, const struct ipc_flow *m)
{
	struct flow_control *f = &w->flow;

	if (f->logs != NULL)
		flow_logs_report(f->logs, m);
	f->has_news = true;
	f->stored = m->serial;
}

void
flow_control_acknowledge(struct worker *w)
{
	const struct ipc_flow_stored m = { .serial = w->flow.stored };

	/* One that does not get through is part of the next. */
	if (w->flow.has_news && !w->net_closed &&
	    ipc_send_flow_stored(w->net, &m) == 0)
		w->flow.has_news = false;
}

void
flow_control_forget(struct worker *w)
{
	w->flow.has_news = false;
}

void
flow_control_settings(void *ctx, const struct flow_settings *s)
{
	struct worker *w = ctx;
	struct ipc_flow_settings m = { 0 };

	if (w->flow.logs != NULL)
		m.enabled = flow_logs_configure(w->flow.logs, s);
	w->flow.enabled = m.enabled;
	ipc_control_check_sent(
	    w, w->net_closed ? 0 : ipc_send_flow_settings(w->net, &m));
}

void
flow_control_token(void *ctx, const struct flow_token *t, const char *jwt)
{
	struct worker *w = ctx;

	if (w->flow.logs != NULL)
		flow_logs_token(w->flow.logs, t, jwt);
}

/* The end. */

static void
stop_if_done(struct worker *w)
{
	const struct flow_control *f = &w->flow;

	if (f->portal_closed && (!f->ending || f->flushed))
		w->stop = true;
}

static void
on_flushed(void *ctx)
{
	struct worker *w = ctx;

	w->flow.flushed = true;
	uv_timer_stop(&w->flow.timer);
	stop_if_done(w);
}

/* What is not uploaded by now is, after the next start. */
static void
on_limit(uv_timer_t *timer)
{
	on_flushed(timer->data);
}

void
flow_control_net_changed(struct worker *w)
{
	struct flow_control *f = &w->flow;

	if (!f->ending || f->flushing || w->situation.process[IPC_NET].running)
		return;
	f->flushing = true;
	/* What it said before it died. */
	for (int i = 0; i < LEFT_BEHIND_MAX && !w->net_closed; i++)
		ipc_control_read(w, w->net);
	flow_logs_flush(f->logs, on_flushed, w);
}

void
flow_control_end(struct worker *w)
{
	struct flow_control *f = &w->flow;

	if (f->logs == NULL || !f->enabled)
		return;
	f->ending = true;
	uv_timer_start(&f->timer, on_limit, FLOW_ENDING_MS, 0);
	flow_control_net_changed(w);
}

void
flow_control_portal_closed(struct worker *w)
{
	w->flow.portal_closed = true;
	stop_if_done(w);
}

/* Flow logs between the processes: see control.h. */
#include "control-worker/flow/control.h"

#include "common/log.h"
#include "control-worker/flow/flow_logs.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"

void
flow_control_prepare(struct flow_control *f,
    const struct flow_control_host *host, const struct poster_config *c,
    bool log)
{
	f->host = *host;
	f->logs = flow_logs_new(c, log);
	if (f->logs == NULL)
		fatalx("no memory");
	uv_timer_init(c->loop, &f->timer);
	f->timer.data = f;
}

void
flow_control_start(struct flow_control *f, const char *spool)
{
	flow_logs_start(f->logs, spool);
}

void
flow_control_report(struct flow_control *f, const struct ipc_flow *m)
{
	if (f->logs != NULL)
		flow_logs_report(f->logs, m);
	flow_sink_report(&f->sink, m);
	f->has_news = true;
	f->stored = m->serial;
}

void
flow_control_acknowledge(struct flow_control *f)
{
	const struct ipc_flow_stored m = { .serial = f->stored };

	/* One that does not get through is part of the next. */
	if (f->has_news && f->host.stored(f->host.ctx, &m))
		f->has_news = false;
}

void
flow_control_forget(struct flow_control *f)
{
	f->has_news = false;
}

void
flow_control_settings(struct flow_control *f, const struct json_value *v)
{
	struct ipc_flow_settings m = { 0 };
	struct flow_settings s;

	flow_settings_parse(v, &s);
	if (f->logs != NULL)
		m.enabled = flow_logs_configure(f->logs, &s);
	m.enabled |= f->sink.kind != FLOW_SINK_NONE;
	f->enabled = m.enabled;
	f->host.settings(f->host.ctx, &m);
}

bool
flow_control_token(
    struct flow_control *f, const char *jwt, size_t len, struct uuid *id)
{
	struct flow_token t;

	if (!flow_token_parse(jwt, len, &t))
		return false;
	if (f->logs != NULL)
		flow_logs_token(f->logs, &t, jwt);
	*id = t.authorization;
	return true;
}

void
flow_control_figures(const struct flow_control *f, struct flow_figures *to)
{
	*to = (struct flow_figures){ 0 };
	if (f->logs != NULL)
		flow_logs_figures(f->logs, to);
	to->lines = f->sink.written;
	to->lines_lost = f->sink.lost;
}

/* The end. */

static void
on_flushed(void *ctx)
{
	struct flow_control *f = ctx;

	f->flushed = true;
	uv_timer_stop(&f->timer);
	f->host.done(f->host.ctx);
}

/* What is not uploaded by now is, after the next start. */
static void
on_flush_limit(uv_timer_t *timer)
{
	on_flushed(timer->data);
}

void
flow_control_net_changed(struct flow_control *f, bool net_runs)
{
	if (!f->ending || f->flushing || net_runs)
		return;
	f->flushing = true;
	f->host.read_rest(f->host.ctx);
	flow_logs_flush(f->logs, on_flushed, f);
}

void
flow_control_end(struct flow_control *f, bool net_runs)
{
	if (f->logs == NULL || !f->enabled)
		return;
	f->ending = true;
	uv_timer_start(&f->timer, on_flush_limit, FLOW_ENDING_MS, 0);
	flow_control_net_changed(f, net_runs);
}

bool
flow_control_is_done(const struct flow_control *f)
{
	return !f->ending || f->flushed;
}

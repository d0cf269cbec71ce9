/* The metrics: see metrics.h. What they are called is in counters.def. */
#include "control-worker/operator/metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/reason.h"

struct metric {
	const char *name, *type, *help;
};

static void
declare_metric(struct text *t, const struct metric *m)
{
	text_add(t, "# HELP postern_%s %s\n# TYPE postern_%s %s\n", m->name,
	    m->help, m->name, m->type);
}

/* One series of the metric; an empty label: it is the only one. */
static void
write_series(struct text *t, const struct metric *m, const char *label,
    const char *text, uint64_t value)
{
	if (*label == '\0')
		text_add(t, "postern_%s %" PRIu64 "\n", m->name, value);
	else
		text_add(t, "postern_%s{%s=\"%s\"} %" PRIu64 "\n", m->name,
		    label, text, value);
}

static void
write_single_series(struct text *t, const struct metric *m, uint64_t value)
{
	declare_metric(t, m);
	write_series(t, m, "", "", value);
}

/* What is not in the counter page; one function for each SITUATION. */

static void
metric_build_info(
    struct text *t, const struct metric *m, const struct situation *s)
{
	(void)s;
	declare_metric(t, m);
	write_series(t, m, "version", POSTERN_VERSION, 1);
}

static void
metric_ready(struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, situation_lacks(s) == NULL);
}

static void
metric_portal_connected(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->online);
}

static void
metric_portal_dropped_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	write_series(t, m, "kind", "wrong", s->portal_wrong);
	write_series(t, m, "kind", "unknown", s->portal_unknown);
	write_series(t, m, "kind", "other generation", s->portal_foreign);
}

static void
metric_clock_ahead_seconds(
    struct text *t, const struct metric *m, const struct situation *s)
{
	if (!s->clock.known)
		return;
	declare_metric(t, m);
	text_add(
	    t, "postern_%s %.3f\n", m->name, (double)s->clock.ahead_ms / 1e3);
}

static void
metric_network_trouble(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->trouble.text[0] != '\0');
}

static void
metric_tunnel_configured(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	write_series(t, m, "family", "ipv4", s->has_v4);
	write_series(t, m, "family", "ipv6", s->has_v6);
}

static void
write_process_series(
    struct text *t, const struct metric *m, unsigned process, uint64_t value)
{
	write_series(t, m, "process",
	    ipc_process_name((enum ipc_process)process), value);
}

static void
metric_process_running(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		write_process_series(t, m, i, s->process[i].running);
}

static void
metric_process_restarts_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		write_process_series(t, m, i, s->process[i].restarts);
}

static void
metric_process_start_time_seconds(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		write_process_series(t, m, i, s->process[i].started_at);
}

static void
metric_dns_refused_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	if (s->dns_queries_refused == NULL ||
	    s->dns_connections_refused == NULL)
		return;
	declare_metric(t, m);
	write_series(t, m, "kind", "query", *s->dns_queries_refused);
	write_series(t, m, "kind", "connection", *s->dns_connections_refused);
}

static void
metric_names_left_out_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	if (s->names_left_out != NULL)
		write_single_series(t, m, *s->names_left_out);
}

static void
write_situation_metrics(struct text *t, const struct situation *s)
{
#define SITUATION(name, type, help) \
	metric_##name(t, &(const struct metric){ #name, #type, help }, s);
#include "common/counters.def"
}

/* What is. */

static void
write_reason_series(struct text *t, const struct metric *m, const char *label,
    const char *value, const struct counter_page *page, size_t offset)
{
	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
		text_add(t, "postern_%s{%s=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
		    m->name, label, value,
		    policy_reason_name((enum policy_reason)r),
		    counter_sum(page->shard, COUNTER_SHARDS,
			offset + r * sizeof(uint64_t)));
}

static void
write_counters(struct text *t, const struct counter_page *page)
{
	struct metric m;

#define METRIC(name, type, help)                   \
	m = (struct metric){ #name, #type, help }; \
	declare_metric(t, &m);
#define COUNT_ENGINE(member, label, value) \
	write_series(t, &m, label, value, counter_read(&page->engine.member));
#define COUNT_IO(member, label, value) \
	write_series(t, &m, label, value, COUNTER_IO(page, member));
#define OFFLOAD_IO(member, label, value)  \
	write_series(t, &m, label, value, \
	    COUNTER_OFFLOAD(page, member) == OFFLOAD_IN_USE);
#define COUNT_SHARD(member, label, value) \
	write_series(t, &m, label, value, COUNTER_SHARD(page, member));
#define REASONS_SHARD(member, label, value)            \
	write_reason_series(t, &m, label, value, page, \
	    offsetof(struct shard_counters, member));
#include "common/counters.def"
}

void
metrics_write(struct text *t, const struct situation *s)
{
	write_situation_metrics(t, s);
	if (s->counters != NULL)
		write_counters(t, s->counters);
}

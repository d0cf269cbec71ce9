/* The metrics: see metrics.h. What they are called is in counters.def. */
#include "control-worker/operator/metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/reason.h"
#include "control-worker/operator/traffic.h"

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
metric_draining(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->draining);
}

static void
metric_portal_connected(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->online);
}

static void
metric_portal_connections_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->connected);
}

static void
metric_portal_changed_timestamp_seconds(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->since);
}

static void
metric_portal_generation(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->online ? s->generation : 0);
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

/* One of the figures of each server that is probed; negative: it has none. */
static void
write_probe_metric(struct text *t, const struct metric *m,
    const struct probe_results *p,
    double (*figure)(const struct probe_result *))
{
	char server[ENDPOINT_TEXT_MAX];

	if (p->count > 0)
		declare_metric(t, m);
	for (size_t i = 0; i < p->count; i++)
		if (figure(&p->of[i]) >= 0)
			text_add(t, "postern_%s{server=\"%s\"} %.12g\n",
			    m->name, endpoint_format(&p->of[i].server, server),
			    figure(&p->of[i]));
}

static double
probe_answers(const struct probe_result *r)
{
	return r->known ? r->answers : -1;
}

static double
probe_failures(const struct probe_result *r)
{
	return (double)r->failed;
}

static double
probe_seconds(const struct probe_result *r)
{
	return r->known && r->answers ? (double)r->connect_us / 1e6 : -1;
}

static void
metric_probe_answers(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_probe_metric(t, m, &s->probes, probe_answers);
}

static void
metric_probe_failures_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_probe_metric(t, m, &s->probes, probe_failures);
}

static void
metric_probe_connect_seconds(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_probe_metric(t, m, &s->probes, probe_seconds);
}

static void
metric_probe_withdrawn(
    struct text *t, const struct metric *m, const struct situation *s)
{
	char server[ENDPOINT_TEXT_MAX];

	if (!s->withdraws || s->probes.count == 0)
		return;
	declare_metric(t, m);
	for (size_t i = 0; i < s->probes.count; i++)
		write_series(t, m, "server",
		    endpoint_format(&s->probes.of[i].server, server),
		    situation_withdraws(s, &s->probes.of[i]));
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
metric_process_cpu_seconds_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		if (s->usage[i].cpu_us != 0)
			text_add(t, "postern_%s{process=\"%s\"} %.6f\n",
			    m->name, ipc_process_name((enum ipc_process)i),
			    (double)s->usage[i].cpu_us / 1e6);
}

static void
metric_process_resident_memory_bytes(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		if (s->usage[i].resident_bytes != 0)
			write_process_series(
			    t, m, i, s->usage[i].resident_bytes);
}

static void
metric_process_open_fds(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	for (unsigned i = 0; i < 3; i++)
		if (s->usage[i].descriptors != 0)
			write_process_series(t, m, i, s->usage[i].descriptors);
}

static void
metric_dns_queries_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	static const char *const names[DNS_OUTCOMES] = {
		[DNS_OUTCOME_ANSWERED] = "answered",
		[DNS_OUTCOME_NO_NAME] = "no such name",
		[DNS_OUTCOME_REFUSED] = "refused by servers",
		[DNS_OUTCOME_UNANSWERED] = "unanswered",
	};

	if (s->dns_outcomes == NULL)
		return;
	declare_metric(t, m);
	for (unsigned i = 0; i < DNS_OUTCOMES; i++)
		write_series(t, m, "outcome", names[i], s->dns_outcomes[i]);
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
metric_flow_spool_bytes(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->flows.spool_bytes);
}

static void
metric_flow_spool_limit_bytes(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->flows.spool_bytes_max);
}

static void
metric_flow_uploaded_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->flows.uploaded);
}

static void
metric_flow_dropped_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	write_single_series(t, m, s->flows.dropped);
}

static void
metric_flow_lines_total(
    struct text *t, const struct metric *m, const struct situation *s)
{
	declare_metric(t, m);
	write_series(t, m, "result", "written", s->flows.lines);
	write_series(t, m, "result", "lost", s->flows.lines_lost);
}

/* Whose traffic it is. */
#define METRIC_TRAFFIC(which, kind, unit)                                      \
	static void metric_##which(                                            \
	    struct text *t, const struct metric *m, const struct situation *s) \
	{                                                                      \
		if (s->traffic == NULL)                                        \
			return;                                                \
		declare_metric(t, m);                                          \
		traffic_write(s->traffic, t, m->name, kind, unit);             \
	}
METRIC_TRAFFIC(per_client_packets_total, TRAFFIC_CLIENTS, TRAFFIC_PACKETS)
METRIC_TRAFFIC(per_client_bytes_total, TRAFFIC_CLIENTS, TRAFFIC_BYTES)
METRIC_TRAFFIC(per_resource_packets_total, TRAFFIC_RESOURCES, TRAFFIC_PACKETS)
METRIC_TRAFFIC(per_resource_bytes_total, TRAFFIC_RESOURCES, TRAFFIC_BYTES)

/* And what those are called. */
#define METRIC_NAMES(which, kind)                                              \
	static void metric_##which(                                            \
	    struct text *t, const struct metric *m, const struct situation *s) \
	{                                                                      \
		if (s->traffic == NULL || !traffic_has_names(s->traffic))      \
			return;                                                \
		declare_metric(t, m);                                          \
		traffic_write_names(s->traffic, t, m->name, kind);             \
	}
METRIC_NAMES(client_info, TRAFFIC_CLIENTS)
METRIC_NAMES(resource_info, TRAFFIC_RESOURCES)

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

/* Buckets of Prometheus have all that is not longer than their bound. */
static void
write_histogram(
    struct text *t, const struct metric *m, const struct counter_histogram *h)
{
	uint64_t count = 0;

	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		count += counter_read(&h->bucket[i]);
		text_add(t, "postern_%s_bucket{le=\"%g\"} %" PRIu64 "\n",
		    m->name, histogram_bounds_us[i] / 1e6, count);
	}
	count += counter_read(&h->bucket[HISTOGRAM_BOUNDS]);
	text_add(t,
	    "postern_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n"
	    "postern_%s_sum %.6f\npostern_%s_count %" PRIu64 "\n",
	    m->name, count, m->name, (double)counter_read(&h->sum_us) / 1e6,
	    m->name, count);
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
#define HISTOGRAM_ENGINE(member) write_histogram(t, &m, &page->engine.member);
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

/* Status for humans: see status.h. */
#include "control-worker/operator/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/sandbox.h"
#include "common/uuid.h"
#include "control-worker/operator/drain.h"
#include "control-worker/operator/status_views.h"
#include "control-worker/operator/table.h"

#define LOCKS_COLUMN 50
#define LOCKS_WIDTH  30

const char *
status_connection_name(uint8_t state)
{
	static const char *const names[] = {
		[QUERY_STATE_NONE] = "none",
		[QUERY_STATE_CONNECTING] = "connecting",
		[QUERY_STATE_CONNECTED] = "connected",
		[QUERY_STATE_IDLE] = "idle",
	};

	return state <= QUERY_STATE_IDLE ? names[state] : "unknown";
}

/* Each end may be an address on a relay. */
const char *
status_path_name(const struct ipc_query_client *c)
{
	if (c->client_relayed)
		return c->relayed ? "relayed by both" : "relayed by the client";
	return c->relayed ? "relayed" : "direct";
}

const char *
status_list_name(enum status_list list)
{
	static const char *const names[] = {
		[LIST_RELAYS] = "relays",
		[LIST_CLIENTS] = "clients",
		[LIST_GRANTS] = "grants",
		[LIST_RESOURCES] = "resources",
		[LIST_FLOWS] = "flows",
	};

	return names[list];
}

const char *
status_type_name(uint8_t type)
{
	static const char *const names[] = {
		[RESOURCE_CIDR] = "cidr",
		[RESOURCE_DNS] = "dns",
		[RESOURCE_INTERNET] = "internet",
	};

	return type >= RESOURCE_CIDR && type <= RESOURCE_INTERNET ? names[type]
								  : "unknown";
}

const char *
status_offload_name(uint64_t state)
{
	static const char *const names[] = {
		[OFFLOAD_NONE] = "none",
		[OFFLOAD_IN_USE] = "in use",
		[OFFLOAD_REFUSED] = "refused",
	};

	return state <= OFFLOAD_REFUSED ? names[state] : "unknown";
}

const struct ip_prefix *
status_overlap(const struct situation *s, const struct ipc_query_client *c)
{
	const struct ip_prefix *p = overlaps_find(&s->overlaps, &c->v4);

	return p != NULL ? p : overlaps_find(&s->overlaps, &c->v6);
}

/* Below each other where there is no room beside each other. */
static void
write_locks(struct text *t, unsigned locks, bool wide)
{
	char all[160], *rest = all, *lock;
	size_t used = 0;

	sandbox_describe(locks, all, sizeof(all));
	if (wide) {
		text_add(t, "%s\n", all);
		return;
	}
	while ((lock = strsep(&rest, ",")) != NULL) {
		lock += strspn(lock, " ");
		if (used > 0 && used + 1 + strlen(lock) + 1 > LOCKS_WIDTH) {
			text_add(t, "\n%*s", LOCKS_COLUMN, "");
			used = 0;
		}
		text_add(t, "%s%s%s", used > 0 ? " " : "", lock,
		    rest == NULL ? "" : ",");
		used += (used > 0) + strlen(lock) + 1;
	}
	text_add(t, "\n");
}

static void
write_process(struct status *status, const struct ipc_process_status *p,
    unsigned i, uint64_t now)
{
	struct text *t = status->out;
	char up[FIGURE_MAX];

	if (!p->running) {
		text_add(t, "%-15s %7s %6s %8s %8u  is starting\n",
		    ipc_process_name((enum ipc_process)i), "-", "-", "-",
		    p->restarts);
		return;
	}
	text_add(t, "%-15s %7u %6u %8s %8u  ",
	    ipc_process_name((enum ipc_process)i), p->pid, p->uid,
	    format_duration(seconds_between(p->started_at, now), up),
	    p->restarts);
	write_locks(t, p->locks, status->wide);
}

static void
write_tunnel(struct text *t, const struct situation *s)
{
	char v4[ENDPOINT_TEXT_MAX], v6[ENDPOINT_TEXT_MAX];

	if (!s->has_v4 && !s->has_v6) {
		text_add(t, "tunnel: not configured\n");
		return;
	}
	text_add(t, "tunnel: tun-firezone, IPv4 %s, IPv6 %s\n",
	    s->has_v4 ? ip_format(&s->v4, v4) : "none",
	    s->has_v6 ? ip_format(&s->v6, v6) : "none");
}

/* Not in the way of anything but of clients with such an address. */
static void
write_overlaps(struct text *t, const struct overlaps *o)
{
	char network[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < o->count; i++)
		text_add(t, "%s%s", i == 0 ? "overlap: the host's " : ", ",
		    prefix_format(&o->network[i], network));
	if (o->count > 0)
		text_add(t, "\n");
}

static void
write_offloads(struct text *t, const struct counter_page *c)
{
	uint64_t paths = COUNTER_IO(c, udp_paths_refusing);

	text_add(t, "segmentation: UDP IPv4 %s, IPv6 %s, TUN %s",
	    status_offload_name(COUNTER_OFFLOAD(c, udp_segmentation_v4)),
	    status_offload_name(COUNTER_OFFLOAD(c, udp_segmentation_v6)),
	    status_offload_name(COUNTER_OFFLOAD(c, tun_segmentation)));
	if (paths > 0)
		text_add(t, "; refused for %" PRIu64 " destinations", paths);
	text_add(t, "\n");
}

static void
write_strays(struct text *t, const struct counter_page *c)
{
	uint64_t strays = COUNTER_IO(c, strays_udp) + COUNTER_IO(c, strays_tun);
	uint64_t packets =
	    COUNTER_IO(c, udp_received) + COUNTER_IO(c, tun_read);

	if (strays > 0)
		text_add(t,
		    "strays: %" PRIu64 " of %" PRIu64
		    " packets came to another thread than their own, %" PRIu64
		    " were lost\n",
		    strays, packets, COUNTER_IO(c, strays_lost));
}

static void
write_clock(struct text *t, const struct portal_clock *c)
{
	if (!c->known)
		return;
	if (!portal_clock_is_off(c))
		text_add(t, "clock: as the portal's\n");
	else
		text_add(t, "clock: %.1f s %s the portal's; grants end too %s\n",
		    (double)llabs(c->ahead_ms) / 1e3,
		    c->ahead_ms > 0 ? "ahead of" : "behind",
		    c->ahead_ms > 0 ? "early" : "late");
}

static void
write_probe(struct text *t, const struct situation *s,
    const struct probe_result *r, uint64_t now)
{
	char server[ENDPOINT_TEXT_MAX], lasts[FIGURE_MAX] = "-",
					took[FIGURE_MAX] = "-";

	if (r->known)
		format_duration(seconds_between(r->since, now), lasts);
	if (r->known && r->answers)
		snprintf(
		    took, sizeof(took), "%.1f ms", (double)r->connect_us / 1e3);
	text_add(t, "%-29s %-9s %7s %9s  %s\n",
	    endpoint_format(&r->server, server),
	    !r->known                       ? "-"
		: r->answers                ? "answers"
		: situation_withdraws(s, r) ? "withdrawn"
					    : "silent",
	    lasts, took, r->error);
}

static void
write_probes(struct text *t, const struct situation *s, uint64_t now)
{
	const struct probe_results *p = &s->probes;

	if (p->count > 0)
		text_add(t, "\n%-29s %-9s %7s %9s  %s\n", "server", "state",
		    "for", "connects", "last error");
	for (size_t i = 0; i < p->count; i++)
		write_probe(t, s, &p->of[i], now);
}

static void
begin_view(struct status *status)
{
	(void)status;
}

static void
write_situation(struct status *status, uint64_t now)
{
	const struct situation *s = status->situation;
	struct text *t = status->out;
	const char *lacks = situation_lacks(s);
	char text[FIGURE_MAX];

	text_add(t, "posternd " POSTERN_VERSION ": %s%s\n",
	    lacks == NULL ? "ready" : "not ready: ",
	    lacks == NULL ? "" : lacks);
	if (s->draining) {
		text_add(t, "drain: ");
		drain_describe(t, s, now);
	}
	text_add(t, "portal: %s for %s, %s",
	    s->online         ? "online"
		: s->draining ? "left"
			      : "not connected",
	    format_duration(seconds_between(s->since, now), text), s->url);
	if (s->online)
		text_add(t, ", generation %u", s->generation);
	text_add(t, "\n");
	write_clock(t, &s->clock);
	write_tunnel(t, s);
	if (s->trouble.text[0] != '\0')
		text_add(t, "trouble: %s\n", s->trouble.text);
	write_overlaps(t, &s->overlaps);
	if (s->counters != NULL) {
		write_offloads(t, s->counters);
		write_strays(t, s->counters);
	}
	text_add(t, "\n%-15s %7s %6s %8s %8s  %s\n", "process", "pid", "uid",
	    "up", "restarts", "locks");
	for (unsigned i = 0; i < 3; i++)
		write_process(status, &s->process[i], i, now);
	write_probes(t, s, now);
	status->shown = true;
}

/* One of two addresses, or "-". */
static const char *
either_endpoint(const struct endpoint *a, const struct endpoint *b,
    char to[ENDPOINT_TEXT_MAX])
{
	if (a->ip.family != IP_NONE)
		return endpoint_format(a, to);
	return b->ip.family != IP_NONE ? endpoint_format(b, to) : "-";
}

void
open_table(struct status *status)
{
	if (status->shown)
		text_add(status->out, "\n");
	status->shown = true;
}

void
write_cell(struct status *status, const char *text, size_t columns)
{
	if (text == NULL || text[0] == '\0')
		text = "-";
	if (status->wide)
		table_wide_cell(status->out, text, columns);
	else
		table_cell(status->out, text, columns);
}

static void
begin_list(struct status *status, enum status_list list)
{
	(void)status;
	(void)list;
}

static const char *
relay_state(const struct ipc_query_relay *r)
{
	if (r->relayed_v4.ip.family != IP_NONE ||
	    r->relayed_v6.ip.family != IP_NONE)
		return "allocated";
	return r->answers ? "answers" : "silent";
}

static void
write_relay(struct status *status, size_t i, const struct ipc_query_relay *r)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], at[ENDPOINT_TEXT_MAX],
	    ours[ENDPOINT_TEXT_MAX], rtt[FIGURE_MAX] = "-";
	const char *address = either_endpoint(&r->v4, &r->v6, at);
	const char *allocated =
	    either_endpoint(&r->relayed_v4, &r->relayed_v6, ours);

	if (i == 0)
		open_table(status);
	uuid_format(&r->relay, id);
	if (r->answers)
		snprintf(rtt, sizeof(rtt), "%u.%u ms", r->rtt_us / 1000,
		    r->rtt_us % 1000 / 100);
	if (status->wide) {
		if (i == 0)
			text_add(t, "%-36s %-11s %9s %-22s %s\n", "relay",
			    "state", "rtt", "address", "allocated");
		text_add(t, "%-36s %-11s %9s %-22s %s\n", id, relay_state(r),
		    rtt, address, allocated);
		return;
	}
	if (i == 0)
		text_add(t, "%-8s %-9s %9s %-25s %s\n", "relay", "state", "rtt",
		    "address", "allocated");
	text_add(t, "%.*s %-9s %9s ", SHORT_ID, id, relay_state(r), rtt);
	table_cell(t, address, 25);
	table_last_cell(t, allocated, 24);
}

static void
write_path(struct text *t, const struct ipc_query_client *c)
{
	char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];

	if (c->remote.ip.family == IP_NONE)
		text_add(t, "-");
	else
		text_add(t, "%s%s %s - %s", status_path_name(c),
		    c->iceless ? " without ICE" : "",
		    endpoint_format(&c->local, local),
		    endpoint_format(&c->remote, remote));
}

/* What a path is or, where there is none, why. */
static const char *
path_word(const struct ipc_query_client *c)
{
	if (c->state == QUERY_STATE_CONNECTED)
		return c->relayed || c->client_relayed ? "relayed" : "direct";
	return status_connection_name(c->state);
}

/* Beside all others, or below. */
static void
write_remarks(struct status *status, const struct ipc_query_client *c)
{
	const struct ip_prefix *overlap = status_overlap(status->situation, c);
	const char *before = status->wide ? ", " : "         ";
	const char *after = status->wide ? "" : "\n";
	char network[PREFIX_TEXT_MAX];

	if (overlap != NULL)
		text_add(status->out, "%sits address is the host's %s%s",
		    before, prefix_format(overlap, network), after);
	if (c->over_share > 0)
		text_add(status->out, "%s%llu packets over its share%s", before,
		    (unsigned long long)c->over_share, after);
}

static void
write_wide_client(
    struct status *status, size_t i, const struct ipc_query_client *c)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], address[ENDPOINT_TEXT_MAX],
	    who[WHO_MAX + 1], in[FIGURE_MAX], out[FIGURE_MAX], age[FIGURE_MAX];

	if (i == 0)
		text_add(t, "%-36s %-32s %-15s %5s %-10s %10s %10s %9s  %s\n",
		    "client", "who", "address", "shard", "state", "received",
		    "sent", "handshake", "path");
	text_add(t, "%-36s ", uuid_format(&c->client, id));
	write_cell(status, directory_who(status->names, &c->client, who), 32);
	text_add(t, "%-15s %5u %-10s %10s %10s %9s  ",
	    ip_format(c->v4.family != IP_NONE ? &c->v4 : &c->v6, address),
	    c->shard, status_connection_name(c->state),
	    format_bytes(c->received_bytes, in),
	    format_bytes(c->sent_bytes, out),
	    c->handshaken ? format_duration(c->handshake_age, age) : "never");
	write_path(t, c);
	write_remarks(status, c);
	text_add(t, "\n");
}

static void
write_client(struct status *status, size_t i, const struct ipc_query_client *c)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], address[ENDPOINT_TEXT_MAX],
	    who[WHO_MAX + 1], in[FIGURE_MAX], out[FIGURE_MAX];

	if (i == 0)
		open_table(status);
	if (status->wide) {
		write_wide_client(status, i, c);
		return;
	}
	if (i == 0)
		text_add(t, "%-8s %-28s %-15s %-10s %7s %7s\n", "client", "who",
		    "address", "path", "from", "to");
	text_add(t, "%.*s ", SHORT_ID, uuid_format(&c->client, id));
	write_cell(status, directory_who(status->names, &c->client, who), 28);
	ip_format(c->v4.family != IP_NONE ? &c->v4 : &c->v6, address);
	table_cell(t, address, 15);
	text_add(t, "%-10s %7s %7s\n", path_word(c),
	    format_few_bytes(c->received_bytes, in),
	    format_few_bytes(c->sent_bytes, out));
	write_remarks(status, c);
}

static void
end_list(
    struct status *status, enum status_list list, size_t count, bool complete)
{
	if (status->more > 0)
		text_add(status->out, "and %" PRIu64 " more\n", status->more);
	if (count > 0 || !complete)
		return;
	open_table(status);
	text_add(status->out, "no %s\n", status_list_name(list));
}

/* What is wrong goes where errors go. */
static void
end_view(struct status *status, const char *problem)
{
	(void)status;
	(void)problem;
}

const struct status_format status_text = {
	.begin = begin_view,
	.situation = write_situation,
	.list = begin_list,
	.relay = write_relay,
	.client = write_client,
	.grant = write_grant,
	.resource = write_resource,
	.flow = write_flow,
	.explained = write_explained,
	.list_end = end_list,
	.end = end_view,
	.flow_events = write_flow_headings,
	.flow_event = write_flow_event,
};

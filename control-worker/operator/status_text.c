/* Status for humans: see status.h. */
#include "control-worker/operator/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/sandbox.h"
#include "common/uuid.h"

#define ROOM 64 /* for a figure with its unit */

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

/* The two largest units: "3d 4h", "12m 5s", "0s". */
static const char *
format_duration(uint64_t s, char to[ROOM])
{
	if (s < 60)
		snprintf(to, ROOM, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(to, ROOM, "%" PRIu64 "m %" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(to, ROOM, "%" PRIu64 "h %" PRIu64 "m", s / 3600,
		    s % 3600 / 60);
	else
		snprintf(to, ROOM, "%" PRIu64 "d %" PRIu64 "h", s / 86400,
		    s % 86400 / 3600);
	return to;
}

static const char *
format_bytes(uint64_t bytes, char to[ROOM])
{
	static const char units[] = "KMGTPE";
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(to, ROOM, "%" PRIu64 " B", bytes);
		return to;
	}
	while (value >= 1024) {
		value /= 1024;
		i++;
	}
	snprintf(to, ROOM, "%.1f %ciB", value, units[i]);
	return to;
}

static uint64_t
seconds_since(uint64_t start, uint64_t now)
{
	return now > start ? now - start : 0;
}

static void
write_process(struct text *t, const struct ipc_process_status *p, unsigned i,
    uint64_t now)
{
	char up[ROOM], locks[160];

	if (!p->running) {
		text_add(t, "%-15s %7s %6s %8s %8u  is starting\n",
		    ipc_process_name((enum ipc_process)i), "-", "-", "-",
		    p->restarts);
		return;
	}
	text_add(t, "%-15s %7u %6u %8s %8u  %s\n",
	    ipc_process_name((enum ipc_process)i), p->pid, p->uid,
	    format_duration(seconds_since(p->started_at, now), up), p->restarts,
	    sandbox_describe(p->locks, locks, sizeof(locks)));
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
write_situation(struct status *status, const struct situation *s, uint64_t now)
{
	struct text *t = status->out;
	const char *lacks = situation_lacks(s);
	char text[ROOM];

	text_add(t, "posternd " POSTERN_VERSION ": %s%s\n",
	    lacks == NULL ? "ready" : "not ready: ",
	    lacks == NULL ? "" : lacks);
	text_add(t, "portal: %s for %s, %s",
	    s->online ? "online" : "not connected",
	    format_duration(seconds_since(s->since, now), text), s->url);
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
		write_process(t, &s->process[i], i, now);
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

static void
write_relay(struct status *status, size_t i, const struct ipc_query_relay *r)
{
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], at[ENDPOINT_TEXT_MAX],
	    ours[ENDPOINT_TEXT_MAX], rtt[ROOM] = "-";
	bool allocated = r->relayed_v4.ip.family != IP_NONE ||
	    r->relayed_v6.ip.family != IP_NONE;

	if (i == 0)
		text_add(t, "\n%-36s %-11s %9s %-22s %s\n", "relay", "state",
		    "rtt", "address", "allocated");
	if (r->answers)
		snprintf(rtt, sizeof(rtt), "%u.%u ms", r->rtt_us / 1000,
		    r->rtt_us % 1000 / 100);
	text_add(t, "%-36s %-11s %9s %-22s %s\n", uuid_format(&r->relay, id),
	    allocated        ? "allocated"
		: r->answers ? "answers"
			     : "silent",
	    rtt, either_endpoint(&r->v4, &r->v6, at),
	    either_endpoint(&r->relayed_v4, &r->relayed_v6, ours));
}

static void
write_relays_end(struct status *status, size_t count)
{
	struct text *t = status->out;

	if (count == 0)
		text_add(t, "\nno relays\n");
}

static void
write_path(struct text *t, const struct ipc_query_client *c)
{
	char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];

	if (c->remote.ip.family == IP_NONE)
		text_add(t, "-");
	else
		text_add(t, "%s %s - %s", c->relayed ? "relayed" : "direct",
		    endpoint_format(&c->local, local),
		    endpoint_format(&c->remote, remote));
}

static void
write_client(struct status *status, const struct situation *s, size_t i,
    const struct ipc_query_client *c)
{
	struct text *t = status->out;
	const struct ip_prefix *overlap = status_overlap(s, c);
	char id[UUID_TEXT_LEN + 1], address[ENDPOINT_TEXT_MAX], in[ROOM],
	    out[ROOM], age[ROOM], network[PREFIX_TEXT_MAX];

	if (i == 0)
		text_add(t, "\n%-36s %-15s %5s %-10s %10s %10s %9s  %s\n",
		    "client", "address", "shard", "state", "received", "sent",
		    "handshake", "path");
	text_add(t, "%-36s %-15s %5u %-10s %10s %10s %9s  ",
	    uuid_format(&c->client, id),
	    ip_format(c->v4.family != IP_NONE ? &c->v4 : &c->v6, address),
	    c->shard, status_connection_name(c->state),
	    format_bytes(c->received_bytes, in),
	    format_bytes(c->sent_bytes, out),
	    c->handshaken ? format_duration(c->handshake_age, age) : "never");
	write_path(t, c);
	if (overlap != NULL)
		text_add(t, ", its address is the host's %s",
		    prefix_format(overlap, network));
	text_add(t, "\n");
}

static void
write_end(struct status *status, size_t count, const char *problem)
{
	struct text *t = status->out;

	if (count == 0 && problem == NULL)
		text_add(t, "\nno clients\n");
	if (problem != NULL)
		text_add(t, "\n%s\n", problem);
}

const struct status_format status_text = {
	.situation = write_situation,
	.relay = write_relay,
	.relays_end = write_relays_end,
	.client = write_client,
	.end = write_end,
};

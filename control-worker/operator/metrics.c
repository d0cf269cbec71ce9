/* The metrics: see metrics.h. */
#include "control-worker/operator/metrics.h"

#include <inttypes.h>
#include <stddef.h>

#include "common/reason.h"

static void
declare(struct text *t, const char *name, const char *type, const char *help)
{
	text_add(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
single(struct text *t, const char *name, const char *type, const char *help,
    uint64_t value)
{
	declare(t, name, type, help);
	text_add(t, "%s %" PRIu64 "\n", name, value);
}

static void
labelled(struct text *t, const char *name, const char *label, const char *text,
    uint64_t value)
{
	text_add(t, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, text, value);
}

/* A word of all shards together, by its place in their block. */
static uint64_t
sum(const struct counter_page *page, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < COUNTER_SHARDS; i++)
		total += counter_read((const uint64_t *)(const void
			*)((const char *)&page->shard[i].counters + offset));
	return total;
}

#define SUM(page, field) sum(page, offsetof(struct shard_counters, field))

static void
write_daemon(struct text *t, const struct situation *s)
{
	declare(t, "postern_build_info", "gauge", "The version that runs.");
	labelled(t, "postern_build_info", "version", POSTERN_VERSION, 1);
	single(t, "postern_ready", "gauge",
	    "Whether clients can be served (see /readyz).",
	    situation_lacks(s) == NULL);
	single(t, "postern_portal_connected", "gauge",
	    "Whether the gateway is online with the portal.", s->online);
	if (s->clock.known) {
		declare(t, "postern_clock_ahead_seconds", "gauge",
		    "The host's clock less the portal's.");
		text_add(t, "postern_clock_ahead_seconds %.3f\n",
		    (double)s->clock.ahead_ms / 1e3);
	}
	single(t, "postern_network_trouble", "gauge",
	    "Whether the network set-up of the host is disturbed.",
	    s->trouble.text[0] != '\0');
	declare(t, "postern_tunnel_configured", "gauge",
	    "Whether the tunnel has an address of the family.");
	labelled(t, "postern_tunnel_configured", "family", "ipv4", s->has_v4);
	labelled(t, "postern_tunnel_configured", "family", "ipv6", s->has_v6);
}

static void
write_processes(struct text *t, const struct situation *s)
{
	static const char running[] = "postern_process_running",
			  restarts[] = "postern_process_restarts_total",
			  started[] = "postern_process_start_time_seconds";
	const struct ipc_process_status *p = s->process;

	declare(t, running, "gauge", "Whether the process runs.");
	for (unsigned i = 0; i < 3; i++)
		labelled(t, running, "process",
		    ipc_process_name((enum ipc_process)i), p[i].running);
	declare(t, restarts, "counter", "How often it was started again.");
	for (unsigned i = 0; i < 3; i++)
		labelled(t, restarts, "process",
		    ipc_process_name((enum ipc_process)i), p[i].restarts);
	declare(t, started, "gauge", "When it was ready, in unix time.");
	for (unsigned i = 0; i < 3; i++)
		labelled(t, started, "process",
		    ipc_process_name((enum ipc_process)i), p[i].started_at);
}

static void
write_engine(struct text *t, const struct engine_counters *e)
{
	single(t, "postern_clients", "gauge", "Clients with access.",
	    counter_read(&e->clients));
	declare(t, "postern_connections", "gauge",
	    "Connections of clients by the kind of their path.");
	labelled(t, "postern_connections", "path", "direct",
	    counter_read(&e->direct));
	labelled(t, "postern_connections", "path", "relayed",
	    counter_read(&e->relayed));
	single(t, "postern_relays", "gauge", "Relays with an allocation.",
	    counter_read(&e->relays));
	single(t, "postern_handshakes_total", "counter",
	    "Handshakes that made a session.", counter_read(&e->handshakes));
	single(t, "postern_cookies_total", "counter",
	    "Handshakes answered by a cookie, under load.",
	    counter_read(&e->cookies));
	single(t, "postern_connections_failed_total", "counter",
	    "Connections of clients that failed.", counter_read(&e->failed));
	single(t, "postern_grants_expired_total", "counter",
	    "Grants whose time was over.", counter_read(&e->expired));
	declare(t, "postern_names_total", "counter",
	    "Names that clients assigned addresses to.");
	labelled(t, "postern_names_total", "result", "set up",
	    counter_read(&e->names_set));
	labelled(t, "postern_names_total", "result", "set-up failed",
	    counter_read(&e->names_refused));
	single(t, "postern_flows_suppressed_total", "counter",
	    "Flows without a report: their client has too many.",
	    counter_read(&e->flows_suppressed));
	single(t, "postern_channels_refused_total", "counter",
	    "Candidates without a channel: the client has its share.",
	    counter_read(&e->channels_refused));
	single(t, "postern_flow_reports_total", "counter",
	    "Openings and closings of flows.", counter_read(&e->flows));
}

static void
write_io(struct text *t, const struct io_counters *c)
{
	static const char udp[] = "postern_udp_datagrams_total",
			  tun[] = "postern_tun_packets_total",
			  errors[] = "postern_io_errors_total";

	declare(t, udp, "counter", "Datagrams of the data plane's sockets.");
	labelled(
	    t, udp, "direction", "received", counter_read(&c->udp_received));
	labelled(t, udp, "direction", "sent", counter_read(&c->udp_sent));
	declare(t, tun, "counter", "Packets of the TUN device.");
	labelled(t, tun, "direction", "read", counter_read(&c->tun_read));
	labelled(t, tun, "direction", "written", counter_read(&c->tun_written));
	declare(t, errors, "counter", "Datagrams and packets lost there.");
	labelled(t, errors, "what", "udp oversized",
	    counter_read(&c->udp_oversized));
	labelled(t, errors, "what", "udp send failed",
	    counter_read(&c->udp_send_failed));
	labelled(t, errors, "what", "tun malformed",
	    counter_read(&c->tun_malformed));
	labelled(t, errors, "what", "tun write failed",
	    counter_read(&c->tun_write_failed));
}

static void
write_offloads(struct text *t, const struct io_counters *c)
{
	static const char used[] = "postern_segmentation_in_use",
			  refused[] = "postern_segmentation_refused_total";

	declare(t, used, "gauge",
	    "Whether the kernel cuts what is written at once; 0: refused.");
	labelled(t, used, "what", "udp ipv4",
	    counter_read(&c->udp_segmentation[0]) == OFFLOAD_IN_USE);
	labelled(t, used, "what", "udp ipv6",
	    counter_read(&c->udp_segmentation[1]) == OFFLOAD_IN_USE);
	labelled(t, used, "what", "tun",
	    counter_read(&c->tun_segmentation) == OFFLOAD_IN_USE);
	single(t, "postern_segmentation_refusing_paths", "gauge",
	    "Destinations that it is refused for, of datagrams.",
	    counter_read(&c->udp_paths_refusing));
	declare(t, refused, "counter",
	    "Writes that the kernel took only in parts.");
	labelled(t, refused, "what", "udp",
	    counter_read(&c->udp_segmentation_refused));
	labelled(t, refused, "what", "tun",
	    counter_read(&c->tun_segmentation_refused));
}

static void
write_data(struct text *t, const struct counter_page *p)
{
	static const char packets[] = "postern_client_packets_total",
			  bytes[] = "postern_client_bytes_total",
			  dropped[] = "postern_dropped_total";

	declare(t, packets, "counter", "Inner packets forwarded.");
	labelled(t, packets, "direction", "from client", SUM(p, udp_packets));
	labelled(t, packets, "direction", "to client", SUM(p, tun_packets));
	declare(t, bytes, "counter", "Bytes of these packets.");
	labelled(t, bytes, "direction", "from client", SUM(p, udp_bytes));
	labelled(t, bytes, "direction", "to client", SUM(p, tun_bytes));
	declare(t, dropped, "counter", "Data that was not for anybody.");
	labelled(t, dropped, "reason", "forged", SUM(p, forged));
	labelled(
	    t, dropped, "reason", "unknown session", SUM(p, unknown_index));
	labelled(
	    t, dropped, "reason", "expired session", SUM(p, expired_session));
	labelled(t, dropped, "reason", "malformed from client",
	    SUM(p, malformed_outbound));
	labelled(t, dropped, "reason", "malformed to client",
	    SUM(p, malformed_inbound));
	labelled(t, dropped, "reason", "no such client", SUM(p, not_a_peer));
	labelled(t, dropped, "reason", "not connected", SUM(p, not_connected));
	single(t, "postern_icmp_sent_total", "counter",
	    "ICMP errors sent to clients.", SUM(p, icmp_sent));
	single(t, "postern_icmp_limited_total", "counter",
	    "ICMP errors not sent, since a client had too many.",
	    SUM(p, icmp_limited));
	single(t, "postern_control_packets_lost_total", "counter",
	    "Control packets of clients beyond their limit.",
	    SUM(p, control_lost));
	single(t, "postern_control_packets_unknown_total", "counter",
	    "Control packets of clients of unknown types.",
	    SUM(p, control_unknown));
	single(t, "postern_flows_untracked_total", "counter",
	    "Packets of flows that found no room to be tracked.",
	    SUM(p, flows_untracked));
	single(t, "postern_events_lost_total", "counter",
	    "Events between data plane and engine that were lost.",
	    SUM(p, events_lost));
}

static void
write_refused(struct text *t, const struct counter_page *p)
{
	static const struct {
		const char *direction;
		size_t offset;
	} ways[] = {
		{ "from client",
		    offsetof(struct shard_counters, refused_outbound) },
		{ "to client",
		    offsetof(struct shard_counters, refused_inbound) },
	};

	declare(t, "postern_refused_total", "counter",
	    "Packets that the policy refused.");
	for (size_t w = 0; w < 2; w++)
		for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
			text_add(t,
			    "postern_refused_total{direction=\"%s\","
			    "reason=\"%s\"} %" PRIu64 "\n",
			    ways[w].direction,
			    policy_reason_name((enum policy_reason)r),
			    sum(p, ways[w].offset + r * sizeof(uint64_t)));
}

static void
write_dns(struct text *t, const struct situation *s)
{
	static const char refused[] = "postern_dns_refused_total";

	if (s->dns_queries_refused == NULL ||
	    s->dns_connections_refused == NULL)
		return;
	declare(t, refused, "counter",
	    "What the DNS server on the tunnel had no room for.");
	labelled(t, refused, "kind", "query", *s->dns_queries_refused);
	labelled(
	    t, refused, "kind", "connection", *s->dns_connections_refused);
}

void
metrics_write(struct text *t, const struct situation *s)
{
	write_daemon(t, s);
	write_processes(t, s);
	write_dns(t, s);
	if (s->counters == NULL)
		return;
	write_engine(t, &s->counters->engine);
	write_io(t, &s->counters->io);
	write_offloads(t, &s->counters->io);
	write_data(t, s->counters);
	write_refused(t, s->counters);
}

/*
 * Status as one JSON object: see status.h. What has no value is null. Times are
 * unix seconds, ages and up-times are to be computed from them.
 */
#include "control-worker/operator/status.h"

#include <string.h>

#include "common/sandbox.h"
#include "common/uuid.h"
#include "common/reason.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/status_views.h"

static void
member_string(struct json_writer *w, const char *name, const char *string)
{
	json_put_name(w, name);
	json_put_text(w, string);
}

static void
member_known(struct json_writer *w, const char *name, const char *string)
{
	member_string(w, name, string[0] == '\0' ? NULL : string);
}

static void
member_ip(struct json_writer *w, const char *name, const struct ip_address *ip)
{
	char text[ENDPOINT_TEXT_MAX];

	member_string(
	    w, name, ip->family == IP_NONE ? NULL : ip_format(ip, text));
}

static void
member_endpoint(
    struct json_writer *w, const char *name, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	member_string(
	    w, name, e->ip.family == IP_NONE ? NULL : endpoint_format(e, text));
}

static void
member_uuid(struct json_writer *w, const char *name, const struct uuid *id)
{
	char text[UUID_TEXT_LEN + 1];

	member_string(w, name, uuid_format(id, text));
}

static void
member_bool(struct json_writer *w, const char *name, bool truth)
{
	json_put_name(w, name);
	json_put_bool(w, truth);
}

static void
member_number(struct json_writer *w, const char *name, uint64_t n)
{
	json_put_name(w, name);
	json_put_unsigned(w, n);
}

static void
put_locks(struct json_writer *w, unsigned locks)
{
	char text[160], *rest = text, *name;

	sandbox_describe(locks, text, sizeof(text));
	json_put_name(w, "locks");
	json_put_array(w);
	while (*text != '\0' && (name = strsep(&rest, ",")) != NULL)
		json_put_text(w, name + strspn(name, " "));
	json_put_array_end(w);
}

static void
put_process(
    struct json_writer *w, const struct ipc_process_status *p, unsigned i)
{
	json_put_object(w);
	member_string(w, "process", ipc_process_name((enum ipc_process)i));
	member_bool(w, "running", p->running);
	member_number(w, "pid", p->pid);
	member_number(w, "uid", p->uid);
	member_number(w, "restarts", p->restarts);
	member_number(w, "started_at", p->started_at);
	put_locks(w, p->locks);
	json_put_object_end(w);
}

static void
put_drain(struct json_writer *w, const struct situation *s)
{
	json_put_name(w, "drain");
	if (!s->draining) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_number(w, "connections", situation_connections(s));
	member_number(w, "ends_at", s->drain_ends_at);
	json_put_object_end(w);
}

static void
put_portal(struct json_writer *w, const struct situation *s)
{
	json_put_name(w, "portal");
	json_put_object(w);
	member_string(w, "url", s->url);
	member_bool(w, "online", s->online);
	json_put_name(w, "generation");
	if (s->online)
		json_put_unsigned(w, s->generation);
	else
		json_put_text(w, NULL);
	member_number(w, "since", s->since);
	json_put_name(w, "clock_ahead_ms");
	if (s->clock.known)
		json_put_signed(w, s->clock.ahead_ms);
	else
		json_put_text(w, NULL);
	json_put_object_end(w);
}

static void
put_tunnel(struct json_writer *w, const struct situation *s)
{
	const struct ip_address none = { 0 };

	json_put_name(w, "tunnel");
	json_put_object(w);
	member_string(w, "device", "tun-firezone");
	member_ip(w, "ipv4", s->has_v4 ? &s->v4 : &none);
	member_ip(w, "ipv6", s->has_v6 ? &s->v6 : &none);
	json_put_object_end(w);
}

static void
put_offloads(struct json_writer *w, const struct situation *s)
{
	const struct counter_page *c = s->counters;

	json_put_name(w, "segmentation");
	if (c == NULL) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_string(w, "udp_ipv4",
	    status_offload_name(COUNTER_OFFLOAD(c, udp_segmentation_v4)));
	member_string(w, "udp_ipv6",
	    status_offload_name(COUNTER_OFFLOAD(c, udp_segmentation_v6)));
	member_string(w, "tun",
	    status_offload_name(COUNTER_OFFLOAD(c, tun_segmentation)));
	member_number(w, "refusing_paths", COUNTER_IO(c, udp_paths_refusing));
	json_put_object_end(w);
}

static void
put_strays(struct json_writer *w, const struct counter_page *c)
{
	json_put_name(w, "strays");
	if (c == NULL) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_number(w, "datagrams", COUNTER_IO(c, strays_udp));
	member_number(w, "packets", COUNTER_IO(c, strays_tun));
	member_number(w, "lost", COUNTER_IO(c, strays_lost));
	json_put_object_end(w);
}

static void
put_overlaps(struct json_writer *w, const struct overlaps *o)
{
	char network[PREFIX_TEXT_MAX];

	json_put_name(w, "overlaps");
	json_put_array(w);
	for (size_t i = 0; i < o->count; i++)
		json_put_text(w, prefix_format(&o->network[i], network));
	json_put_array_end(w);
}

static void
put_probe(struct json_writer *w, const struct situation *s,
    const struct probe_result *r)
{
	json_put_object(w);
	member_endpoint(w, "server", &r->server);
	json_put_name(w, "answers");
	if (r->known)
		json_put_bool(w, r->answers);
	else
		json_put_text(w, NULL);
	member_number(w, "since", r->since);
	member_number(w, "failed", r->failed);
	member_number(w, "connect_us", r->connect_us);
	member_known(w, "error", r->error);
	member_bool(w, "withdrawn", situation_withdraws(s, r));
	json_put_object_end(w);
}

static void
put_probes(struct json_writer *w, const struct situation *s)
{
	const struct probe_results *p = &s->probes;

	json_put_name(w, "probes");
	json_put_array(w);
	for (size_t i = 0; i < p->count; i++)
		put_probe(w, s, &p->of[i]);
	json_put_array_end(w);
}

static void
begin_object(struct status *status)
{
	json_write_begin_to(&status->json, text_append, status->out);
	json_put_object(&status->json);
}

static void
put_situation(struct status *status, uint64_t now)
{
	const struct situation *s = status->situation;
	const char *lacks = situation_lacks(s);
	struct json_writer *w = &status->json;

	member_string(w, "version", POSTERN_VERSION);
	member_number(w, "now", now);
	member_bool(w, "ready", lacks == NULL);
	member_string(w, "lacks", lacks);
	member_known(w, "trouble", s->trouble.text);
	put_drain(w, s);
	put_portal(w, s);
	put_tunnel(w, s);
	put_offloads(w, s);
	put_strays(w, s->counters);
	put_overlaps(w, &s->overlaps);
	put_probes(w, s);
	json_put_name(w, "processes");
	json_put_array(w);
	for (unsigned i = 0; i < 3; i++)
		put_process(w, &s->process[i], i);
	json_put_array_end(w);
}

static void
begin_array(struct status *status, enum status_list list)
{
	json_put_name(&status->json, status_list_name(list));
	json_put_array(&status->json);
}

static void
end_array(
    struct status *status, enum status_list list, size_t count, bool complete)
{
	(void)count;
	(void)complete;
	json_put_array_end(&status->json);
	if (list == LIST_FLOWS)
		member_number(&status->json, "more", status->more);
}

static void
put_relay(struct status *status, size_t i, const struct ipc_query_relay *r)
{
	struct json_writer *w = &status->json;

	(void)i;
	json_put_object(w);
	member_uuid(w, "relay", &r->relay);
	member_endpoint(w, "ipv4", &r->v4);
	member_endpoint(w, "ipv6", &r->v6);
	member_endpoint(w, "allocated_ipv4", &r->relayed_v4);
	member_endpoint(w, "allocated_ipv6", &r->relayed_v6);
	if (r->answers)
		member_number(w, "rtt_us", r->rtt_us);
	else
		member_string(w, "rtt_us", NULL);
	member_endpoint(w, "mapped_ipv4", &r->mapped_v4);
	member_endpoint(w, "mapped_ipv6", &r->mapped_v6);
	json_put_object_end(w);
}

static void
put_path(struct json_writer *w, const struct ipc_query_client *c)
{
	json_put_name(w, "path");
	if (c->remote.ip.family == IP_NONE) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_string(
	    w, "kind", c->relayed || c->client_relayed ? "relayed" : "direct");
	member_string(w, "relayed_by",
	    c->relayed && c->client_relayed ? "both"
		: c->client_relayed         ? "client"
		: c->relayed                ? "gateway"
					    : NULL);
	member_string(w, "found_by", c->iceless ? "probes" : "ice");
	member_endpoint(w, "local", &c->local);
	member_endpoint(w, "remote", &c->remote);
	json_put_object_end(w);
}

static void
put_transfer(struct json_writer *w, const struct ipc_query_client *c)
{
	member_number(w, "received_packets", c->received_packets);
	member_number(w, "received_bytes", c->received_bytes);
	member_number(w, "sent_packets", c->sent_packets);
	member_number(w, "sent_bytes", c->sent_bytes);
	member_number(w, "over_share", c->over_share);
}

/* What is not known is null. */
static void
put_names(struct status *status, const struct uuid *client)
{
	struct json_writer *w = &status->json;
	struct client_entry e;

	directory_client(status->names, client, &e);
	member_known(w, "actor", e.actor);
	member_known(w, "email", e.email);
	member_known(w, "system", e.system);
	member_known(w, "system_version", e.system_version);
	member_known(w, "serial", e.serial);
	member_known(w, "city", e.city);
}

static void
put_client(struct status *status, size_t i, const struct ipc_query_client *c)
{
	const struct ip_prefix *overlap = status_overlap(status->situation, c);
	struct json_writer *w = &status->json;
	char network[PREFIX_TEXT_MAX];

	(void)i;
	json_put_object(w);
	member_uuid(w, "client", &c->client);
	put_names(status, &c->client);
	member_ip(w, "ipv4", &c->v4);
	member_ip(w, "ipv6", &c->v6);
	member_number(w, "resources", c->resources);
	member_number(w, "shard", c->shard);
	member_string(w, "state", status_connection_name(c->state));
	if (c->has_relay)
		member_uuid(w, "relay", &c->relay);
	else
		member_string(w, "relay", NULL);
	put_path(w, c);
	if (c->handshaken)
		member_number(w, "handshake_age", c->handshake_age);
	else
		member_string(w, "handshake_age", NULL);
	put_transfer(w, c);
	member_string(w, "overlap",
	    overlap == NULL ? NULL : prefix_format(overlap, network));
	json_put_object_end(w);
}

/* In text, as in "tcp/80-90"; [] permits everything. */
static void
put_filters(struct json_writer *w, const struct ipc_query_grant *g)
{
	char one[24];

	member_number(w, "filter_count", g->filter_count);
	json_put_name(w, "filters");
	json_put_array(w);
	for (size_t i = 0; i < g->filters_count; i++) {
		format_filter(&g->filters[i], one);
		json_put_text(w, one);
	}
	json_put_array_end(w);
}

static void
put_resource_members(struct status *status, const struct ipc_query_grant *g)
{
	struct json_writer *w = &status->json;
	char address[PATTERN_MAX + 1];

	member_uuid(w, "resource", &g->resource);
	member_string(
	    w, "name", directory_resource(status->names, &g->resource));
	member_string(w, "type", status_type_name(g->type));
	member_string(w, "address",
	    g->type == RESOURCE_INTERNET ? NULL : grant_address(g, address));
	put_filters(w, g);
	member_bool(w, "withdrawn", g->withdrawn);
}

static void
member_expiry(struct json_writer *w, uint64_t expires_at)
{
	if (expires_at == 0)
		member_string(w, "expires_at", NULL);
	else
		member_number(w, "expires_at", expires_at);
}

static void
put_grant(struct status *status, size_t i, const struct ipc_query_grant *g,
    uint64_t now)
{
	(void)i;
	(void)now;
	json_put_object(&status->json);
	put_resource_members(status, g);
	member_expiry(&status->json, g->expires_at);
	json_put_object_end(&status->json);
}

static void
put_resource(struct status *status, size_t i, const struct tallied *r)
{
	(void)i;
	json_put_object(&status->json);
	put_resource_members(status, &r->grant);
	member_number(&status->json, "clients", r->clients);
	json_put_object_end(&status->json);
}

static void
put_flow_members(struct status *status, const struct ipc_query_flow *f)
{
	struct json_writer *w = &status->json;
	char protocol[8], domain[DOMAIN_MAX + 1];
	struct client_entry e;

	directory_client(status->names, &f->client, &e);
	member_uuid(w, "client", &f->client);
	member_known(w, "actor", e.actor);
	member_known(w, "email", e.email);
	member_uuid(w, "resource", &f->resource);
	member_string(
	    w, "name", directory_resource(status->names, &f->resource));
	member_string(w, "protocol", ctl_protocol_name(f->protocol, protocol));
	member_endpoint(w, "source", &f->source);
	member_endpoint(w, "destination", &f->destination);
	member_known(w, "domain", flow_domain(f, domain));
	member_number(w, "age", f->age);
	member_number(w, "idle", f->idle);
	member_number(w, "received_packets", f->tx_packets);
	member_number(w, "received_bytes", f->tx_bytes);
	member_number(w, "sent_packets", f->rx_packets);
	member_number(w, "sent_bytes", f->rx_bytes);
}

static void
put_flow(struct status *status, size_t i, const struct ipc_query_flow *f)
{
	(void)i;
	json_put_object(&status->json);
	put_flow_members(status, f);
	json_put_object_end(&status->json);
}

static void
begin_events(struct status *status)
{
	(void)status;
}

static void
put_flow_event(struct status *status, const struct flow_event *e)
{
	struct json_writer *w = &status->json;

	json_write_begin_to(w, text_append, status->out);
	json_put_object(w);
	switch (e->kind) {
	case FLOW_EVENT_OPENED:
	case FLOW_EVENT_CLOSED:
		member_string(w, "event",
		    e->kind == FLOW_EVENT_OPENED ? "opened" : "closed");
		member_number(w, "time", e->at);
		put_flow_members(status, &e->flow);
		break;
	case FLOW_EVENT_LEFT_OUT:
		member_string(w, "event", "left out");
		member_number(w, "lines", e->lines);
		break;
	}
	json_put_object_end(w);
	text_add(status->out, "\n");
	status->out->failed |= w->failed;
	json_write_free(w);
}

/* "passed", "answered", "dropped" */
static const char *
verdict_name(uint8_t verdict)
{
	return verdict == EXPLAINED_PASSED  ? "passed"
	    : verdict == EXPLAINED_ANSWERED ? "answered"
					    : "dropped";
}

static void
put_routes(struct status *status, const struct explained_packet *e)
{
	struct json_writer *w = &status->json;
	char network[PREFIX_TEXT_MAX];

	json_put_name(w, "routes");
	json_put_array(w);
	for (size_t i = 0; i < e->count; i++) {
		const struct ipc_explained_route *r = &e->routes[i].route;

		json_put_object(w);
		member_string(w, "network",
		    r->network.ip.family == IP_NONE
			? NULL
			: prefix_format(&r->network, network));
		member_bool(w, "permits", r->permits);
		if (e->routes[i].has_grant) {
			put_resource_members(status, &e->routes[i].grant);
			member_expiry(w, e->routes[i].grant.expires_at);
		} else {
			member_uuid(w, "resource", &r->resource);
		}
		json_put_object_end(w);
	}
	json_put_array_end(w);
}

/* Which grant had the destination, and how it ended. */
static void
put_ended(struct status *status, const struct ipc_explained *p)
{
	struct json_writer *w = &status->json;

	json_put_name(w, "ended");
	if (p->ended_by == GRANT_END_NONE) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_uuid(w, "resource", &p->ended);
	member_string(w, "name", directory_resource(status->names, &p->ended));
	member_string(w, "by",
	    p->ended_by == GRANT_END_EXPIRED ? "expiry" : "revocation");
	member_number(w, "at", p->ended_at);
	json_put_object_end(w);
}

static void
put_traffic(struct status *status, const struct explained_packet *e)
{
	struct json_writer *w = &status->json;
	uint64_t sent, back;

	json_put_name(w, "traffic");
	if (!explained_traffic(status, e, &sent, &back)) {
		json_put_text(w, NULL);
		return;
	}
	json_put_object(w);
	member_number(w, "packets_to", sent);
	member_number(w, "packets_back", back);
	json_put_object_end(w);
}

static void
put_explained(
    struct status *status, const struct explained_packet *e, uint64_t now)
{
	static const struct uuid none;
	const struct ipc_explained *p = &e->packet;
	struct json_writer *w = &status->json;
	bool passed = p->verdict == EXPLAINED_PASSED;
	char protocol[8];

	member_number(w, "now", now);
	member_bool(w, "allowed", passed);
	member_string(w, "verdict", verdict_name(p->verdict));
	member_string(w, "reason",
	    passed ? NULL : policy_reason_name((enum policy_reason)p->reason));
	member_string(w, "protocol", ctl_protocol_name(e->protocol, protocol));
	member_ip(w, "source", &p->source);
	member_ip(w, "destination", &p->destination.ip);
	member_number(w, "port", p->destination.port);
	member_known(w, "domain", p->domain);
	json_put_name(w, "name_in_use");
	if (p->domain[0] == '\0')
		json_put_text(w, NULL);
	else
		json_put_bool(w, p->destination.ip.family != IP_NONE);
	member_ip(w, "translated_to", &p->real);
	if (uuid_equal(&p->resource, &none))
		member_string(w, "resource", NULL);
	else
		member_uuid(w, "resource", &p->resource);
	put_routes(status, e);
	put_ended(status, p);
	put_traffic(status, e);
	json_put_name(w, "client");
	put_client(status, 0, &e->client);
}

static void
end_object(struct status *status, const char *problem)
{
	struct json_writer *w = &status->json;

	member_string(w, "problem", problem);
	json_put_object_end(w);
	text_add(status->out, "\n");
	if (w->failed)
		status->out->failed = true;
}

const struct status_format status_json = {
	.begin = begin_object,
	.situation = put_situation,
	.list = begin_array,
	.relay = put_relay,
	.client = put_client,
	.grant = put_grant,
	.resource = put_resource,
	.flow = put_flow,
	.explained = put_explained,
	.list_end = end_array,
	.end = end_object,
	.flow_events = begin_events,
	.flow_event = put_flow_event,
};

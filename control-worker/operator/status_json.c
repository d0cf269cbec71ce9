/*
 * Status as one JSON object: see status.h. What has no value is null. Times are
 * unix seconds, ages and up-times are to be computed from them.
 */
#include "control-worker/operator/status.h"

#include <string.h>

#include "common/sandbox.h"
#include "common/uuid.h"

static void
member_string(struct json_writer *w, const char *name, const char *string)
{
	json_put_name(w, name);
	json_put_text(w, string);
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
append_json(void *ctx, const char *bytes, size_t len)
{
	text_write(ctx, bytes, len);
}

static void
put_situation(struct status *status, const struct situation *s, uint64_t now)
{
	const char *lacks = situation_lacks(s);
	struct json_writer *w = &status->json;

	json_write_begin_to(w, append_json, status->out);
	json_put_object(w);
	member_string(w, "version", POSTERN_VERSION);
	member_number(w, "now", now);
	member_bool(w, "ready", lacks == NULL);
	member_string(w, "lacks", lacks);
	member_string(
	    w, "trouble", s->trouble.text[0] == '\0' ? NULL : s->trouble.text);
	put_portal(w, s);
	put_tunnel(w, s);
	put_offloads(w, s);
	put_strays(w, s->counters);
	put_overlaps(w, &s->overlaps);
	json_put_name(w, "processes");
	json_put_array(w);
	for (unsigned i = 0; i < 3; i++)
		put_process(w, &s->process[i], i);
	json_put_array_end(w);
	json_put_name(w, "relays");
	json_put_array(w);
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
	json_put_object_end(w);
}

static void
put_relays_end(struct status *status, size_t count)
{
	struct json_writer *w = &status->json;

	(void)count;
	json_put_array_end(w);
	json_put_name(w, "clients");
	json_put_array(w);
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
	member_string(w, "kind", c->relayed ? "relayed" : "direct");
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
}

static void
put_client(struct status *status, const struct situation *s, size_t i,
    const struct ipc_query_client *c)
{
	const struct ip_prefix *overlap = status_overlap(s, c);
	struct json_writer *w = &status->json;
	char network[PREFIX_TEXT_MAX];

	(void)i;
	json_put_object(w);
	member_uuid(w, "client", &c->client);
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

static void
put_end(struct status *status, size_t count, const char *problem)
{
	struct json_writer *w = &status->json;

	(void)count;
	json_put_array_end(w);
	member_string(w, "problem", problem);
	json_put_object_end(w);
	text_add(status->out, "\n");
	if (w->failed)
		status->out->failed = true;
}

const struct status_format status_json = {
	.situation = put_situation,
	.relay = put_relay,
	.relays_end = put_relays_end,
	.client = put_client,
	.end = put_end,
};

/*
 * Status as one JSON object: see status.h. What has no value is null. Times are
 * unix seconds, ages and up-times are to be computed from them.
 */
#include "control-worker/operator/status.h"

#include <inttypes.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "common/sandbox.h"
#include "common/uuid.h"

static void
print(void *ctx, const char *bytes, size_t len)
{
	text_write(ctx, bytes, len);
}

/* NULL is null. */
static void
put_string(struct text *t, const char *string)
{
	yajl_gen g;

	if (string == NULL) {
		text_add(t, "null");
		return;
	}
	if ((g = yajl_gen_alloc(NULL)) == NULL) {
		t->failed = true;
		return;
	}
	yajl_gen_config(g, yajl_gen_print_callback, print, t);
	if (yajl_gen_string(g, (const unsigned char *)string, strlen(string)) !=
	    yajl_gen_status_ok)
		t->failed = true;
	yajl_gen_free(g);
}

static void
member_string(struct text *t, const char *name, const char *string)
{
	text_add(t, "\"%s\":", name);
	put_string(t, string);
}

static void
member_ip(struct text *t, const char *name, const struct ip_address *ip)
{
	char text[ENDPOINT_TEXT_MAX];

	member_string(
	    t, name, ip->family == IP_NONE ? NULL : ip_format(ip, text));
}

static void
member_endpoint(struct text *t, const char *name, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	member_string(
	    t, name, e->ip.family == IP_NONE ? NULL : endpoint_format(e, text));
}

static void
member_uuid(struct text *t, const char *name, const struct uuid *id)
{
	char text[UUID_TEXT_LEN + 1];

	member_string(t, name, uuid_format(id, text));
}

static void
member_bool(struct text *t, const char *name, bool truth)
{
	text_add(t, "\"%s\":%s", name, truth ? "true" : "false");
}

static void
member_number(struct text *t, const char *name, uint64_t n)
{
	text_add(t, "\"%s\":%" PRIu64, name, n);
}

static void
comma(struct text *t)
{
	text_add(t, ",");
}

static void
put_locks(struct text *t, unsigned locks)
{
	char text[160], *rest = text, *name;
	const char *between = "";

	sandbox_describe(locks, text, sizeof(text));
	text_add(t, "\"locks\":[");
	while (*text != '\0' && (name = strsep(&rest, ",")) != NULL) {
		text_add(t, "%s", between);
		put_string(t, name + strspn(name, " "));
		between = ",";
	}
	text_add(t, "]");
}

static void
put_process(struct text *t, const struct ipc_process_status *p, unsigned i)
{
	text_add(t, "%s{", i == 0 ? "" : ",");
	member_string(t, "process", ipc_process_name((enum ipc_process)i));
	comma(t);
	member_bool(t, "running", p->running);
	comma(t);
	member_number(t, "pid", p->pid);
	comma(t);
	member_number(t, "uid", p->uid);
	comma(t);
	member_number(t, "restarts", p->restarts);
	comma(t);
	member_number(t, "started_at", p->started_at);
	comma(t);
	put_locks(t, p->locks);
	text_add(t, "}");
}

static void
put_portal(struct text *t, const struct situation *s)
{
	text_add(t, "\"portal\":{");
	member_string(t, "url", s->url);
	comma(t);
	member_bool(t, "online", s->online);
	comma(t);
	member_number(t, "since", s->since);
	comma(t);
	if (s->clock.known)
		text_add(t, "\"clock_ahead_ms\":%" PRId64, s->clock.ahead_ms);
	else
		member_string(t, "clock_ahead_ms", NULL);
	text_add(t, "},");
}

static void
put_tunnel(struct text *t, const struct situation *s)
{
	const struct ip_address none = { 0 };

	text_add(t, "\"tunnel\":{");
	member_string(t, "device", "tun-firezone");
	comma(t);
	member_ip(t, "ipv4", s->has_v4 ? &s->v4 : &none);
	comma(t);
	member_ip(t, "ipv6", s->has_v6 ? &s->v6 : &none);
	text_add(t, "},");
}

static void
put_offloads(struct text *t, const struct situation *s)
{
	const struct io_counters *c;

	if (s->counters == NULL) {
		text_add(t, "\"segmentation\":null,");
		return;
	}
	c = &s->counters->io;
	text_add(t, "\"segmentation\":{");
	member_string(t, "udp_ipv4",
	    status_offload_name(counter_read(&c->udp_segmentation_v4)));
	comma(t);
	member_string(t, "udp_ipv6",
	    status_offload_name(counter_read(&c->udp_segmentation_v6)));
	comma(t);
	member_string(t, "tun",
	    status_offload_name(counter_read(&c->tun_segmentation)));
	comma(t);
	member_number(
	    t, "refusing_paths", counter_read(&c->udp_paths_refusing));
	text_add(t, "},");
}

static void
put_overlaps(struct text *t, const struct overlaps *o)
{
	char network[PREFIX_TEXT_MAX];

	text_add(t, "\"overlaps\":[");
	for (size_t i = 0; i < o->count; i++) {
		text_add(t, "%s", i == 0 ? "" : ",");
		put_string(t, prefix_format(&o->network[i], network));
	}
	text_add(t, "],");
}

static void
put_situation(struct text *t, const struct situation *s, uint64_t now)
{
	const char *lacks = situation_lacks(s);

	text_add(t, "{");
	member_string(t, "version", POSTERN_VERSION);
	comma(t);
	member_number(t, "now", now);
	comma(t);
	member_bool(t, "ready", lacks == NULL);
	comma(t);
	member_string(t, "lacks", lacks);
	comma(t);
	member_string(t, "trouble",
	    s->trouble.text[0] == '\0' ? NULL : s->trouble.text);
	comma(t);
	put_portal(t, s);
	put_tunnel(t, s);
	put_offloads(t, s);
	put_overlaps(t, &s->overlaps);
	text_add(t, "\"processes\":[");
	for (unsigned i = 0; i < 3; i++)
		put_process(t, &s->process[i], i);
	text_add(t, "],\"relays\":[");
}

static void
put_relay(struct text *t, size_t i, const struct ipc_query_relay *r)
{
	text_add(t, "%s{", i == 0 ? "" : ",");
	member_uuid(t, "relay", &r->relay);
	comma(t);
	member_endpoint(t, "ipv4", &r->v4);
	comma(t);
	member_endpoint(t, "ipv6", &r->v6);
	comma(t);
	member_endpoint(t, "allocated_ipv4", &r->relayed_v4);
	comma(t);
	member_endpoint(t, "allocated_ipv6", &r->relayed_v6);
	comma(t);
	if (r->answers)
		member_number(t, "rtt_us", r->rtt_us);
	else
		member_string(t, "rtt_us", NULL);
	text_add(t, "}");
}

static void
put_relays_end(struct text *t, size_t count)
{
	(void)count;
	text_add(t, "],\"clients\":[");
}

static void
put_path(struct text *t, const struct ipc_query_client *c)
{
	if (c->remote.ip.family == IP_NONE) {
		member_string(t, "path", NULL);
		return;
	}
	text_add(t, "\"path\":{");
	member_string(t, "kind", c->relayed ? "relayed" : "direct");
	comma(t);
	member_endpoint(t, "local", &c->local);
	comma(t);
	member_endpoint(t, "remote", &c->remote);
	text_add(t, "}");
}

static void
put_transfer(struct text *t, const struct ipc_query_client *c)
{
	member_number(t, "received_packets", c->received_packets);
	comma(t);
	member_number(t, "received_bytes", c->received_bytes);
	comma(t);
	member_number(t, "sent_packets", c->sent_packets);
	comma(t);
	member_number(t, "sent_bytes", c->sent_bytes);
}

static void
put_client(struct text *t, const struct situation *s, size_t i,
    const struct ipc_query_client *c)
{
	const struct ip_prefix *overlap = status_overlap(s, c);
	char network[PREFIX_TEXT_MAX];

	text_add(t, "%s{", i == 0 ? "" : ",");
	member_uuid(t, "client", &c->client);
	comma(t);
	member_ip(t, "ipv4", &c->v4);
	comma(t);
	member_ip(t, "ipv6", &c->v6);
	comma(t);
	member_number(t, "resources", c->resources);
	comma(t);
	member_string(t, "state", status_connection_name(c->state));
	comma(t);
	if (c->has_relay)
		member_uuid(t, "relay", &c->relay);
	else
		member_string(t, "relay", NULL);
	comma(t);
	put_path(t, c);
	comma(t);
	if (c->handshaken)
		member_number(t, "handshake_age", c->handshake_age);
	else
		member_string(t, "handshake_age", NULL);
	comma(t);
	put_transfer(t, c);
	comma(t);
	member_string(t, "overlap",
	    overlap == NULL ? NULL : prefix_format(overlap, network));
	text_add(t, "}");
}

static void
put_end(struct text *t, size_t count, const char *problem)
{
	(void)count;
	text_add(t, "],");
	member_string(t, "problem", problem);
	text_add(t, "}\n");
}

const struct status_format status_json = {
	.situation = put_situation,
	.relay = put_relay,
	.relays_end = put_relays_end,
	.client = put_client,
	.end = put_end,
};

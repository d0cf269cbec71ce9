/* A line about a flow: see line.h. */
#include "control-worker/flow/line.h"

#include <ctype.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/reason.h"
#include "control-worker/flow/record.h"
#include "control-worker/json/write.h"
#include "control-worker/net/text.h"

/* One line in the making: as JSON and, for the journal, as its fields. */
struct flow_line {
	struct json_writer json;
	bool has_fields;
	char fields[FLOW_LINE_SIZE];
	size_t fields_len;
};

static void
add_field(struct flow_line *l, const char *name, const char *value)
{
	size_t room = sizeof(l->fields) - l->fields_len, begin = l->fields_len;
	int n;

	if (!l->has_fields)
		return;
	n = snprintf(l->fields + begin, room, "\n%s=%s", name, value);
	if (n < 0 || (size_t)n >= room)
		return; /* it is in the message all the same */
	for (size_t i = 1; i <= strlen(name); i++)
		l->fields[begin + i] =
		    (char)toupper((unsigned char)l->fields[begin + i]);
	l->fields_len += (size_t)n;
}

static void
put_line_text(struct flow_line *l, const char *name, const char *value)
{
	json_put_name(&l->json, name);
	json_put_text(&l->json, value);
	add_field(l, name, value);
}

static void
put_line_number(struct flow_line *l, const char *name, uint64_t value)
{
	char text[24];

	json_put_name(&l->json, name);
	json_put_unsigned(&l->json, value);
	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_field(l, name, text);
}

static void
put_line_time(struct flow_line *l, const char *name, uint64_t ns)
{
	char text[FLOW_TIME_MAX];

	put_line_text(l, name, flow_time_format(ns, text));
}

static void
put_line_uuid(struct flow_line *l, const char *name, const struct uuid *u)
{
	static const struct uuid none;
	char text[UUID_TEXT_LEN + 1];

	if (!uuid_equal(u, &none))
		put_line_text(l, name, uuid_format(u, text));
}

static void
put_line_name(struct flow_line *l, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		put_line_text(l, name, value);
}

static void
put_whose(struct flow_line *l, const struct directory *names,
    const struct uuid *client, const struct uuid *resource)
{
	struct client_entry e;
	char system[SYSTEM_MAX + 1];

	directory_client(names, client, &e);
	put_line_uuid(l, "client", client);
	put_line_name(l, "user", client_user(&e));
	put_line_name(l, "system", client_system(&e, system));
	put_line_uuid(l, "resource", resource);
	put_line_name(l, "resource_name", directory_resource(names, resource));
}

/* Chosen by a client, so that all but ASCII is replaced. */
static void
put_line_domain(struct flow_line *l, const char *domain)
{
	char text[DOMAIN_MAX + 1];

	strlcpy(text, domain, sizeof(text));
	make_printable(text);
	put_line_name(l, "domain", text);
}

static void
put_end_of_flow(struct flow_line *l, const char *ip_name, const char *port_name,
    const struct endpoint *e, bool has_port)
{
	char text[ENDPOINT_TEXT_MAX];

	put_line_text(l, ip_name, ip_format(&e->ip, text));
	if (has_port)
		put_line_number(l, port_name, e->port);
}

static void
put_ends(struct flow_line *l, uint8_t protocol, const struct endpoint *source,
    const struct endpoint *destination)
{
	const bool has_ports =
	    protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
	char number[8];

	switch (protocol) {
	case IPPROTO_TCP:
		put_line_text(l, "protocol", "tcp");
		break;
	case IPPROTO_UDP:
		put_line_text(l, "protocol", "udp");
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		put_line_text(l, "protocol", "icmp");
		break;
	default:
		snprintf(number, sizeof(number), "%u", protocol);
		put_line_text(l, "protocol", number);
	}
	put_end_of_flow(l, "source_ip", "source_port", source, has_ports);
	put_end_of_flow(
	    l, "destination_ip", "destination_port", destination, has_ports);
}

/* Of the path that it took last. */
static void
put_last_path(struct flow_line *l, const struct ipc_flow *f)
{
	const struct flow_path *p;
	char text[ENDPOINT_TEXT_MAX];

	if (f->paths_count == 0)
		return;
	p = &f->paths[f->paths_count - 1];
	if (p->from.ip.family != IP_NONE)
		put_line_text(l, "path_from", endpoint_format(&p->from, text));
	if (p->local.ip.family != IP_NONE)
		put_line_text(l, "path_to", endpoint_format(&p->local, text));
}

static void
begin_line(struct flow_line *l, enum flow_sink_kind kind)
{
	*l = (struct flow_line){ .has_fields = kind == FLOW_SINK_JOURNAL };
	json_write_begin(&l->json);
	json_put_object(&l->json);
}

/* Those in names and the like, which a line may not have: common/flow.h. */
static void
replace_braces(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '{')
			text[i] = '(';
		else if (text[i] == '}')
			text[i] = ')';
	}
}

static size_t
end_line(struct flow_line *l, char to[FLOW_LINE_SIZE])
{
	char *json;
	size_t len;
	int n;

	json_put_object_end(&l->json);
	if ((json = json_write_end(&l->json)) == NULL)
		return 0;
	len = strlen(json) - 2;
	replace_braces(json + 1, len);
	n = snprintf(to, FLOW_LINE_SIZE, "%.*s%.*s", (int)len, json + 1,
	    (int)l->fields_len, l->fields);
	free(json);
	return n > 0 && n < FLOW_LINE_SIZE ? (size_t)n : 0;
}

size_t
flow_line_report(enum flow_sink_kind kind, const struct directory *names,
    const struct ipc_flow *f, char to[FLOW_LINE_SIZE])
{
	struct flow_line l;

	begin_line(&l, kind);
	put_line_time(&l, "time", f->closed ? f->ended_at : f->started_at);
	put_line_text(&l, "event", f->closed ? "closed" : "opened");
	put_whose(&l, names, &f->client, &f->resource);
	/* Without one a flow has the id of its resource. */
	if (!uuid_equal(&f->authorization, &f->resource))
		put_line_uuid(&l, "authorization", &f->authorization);
	put_ends(&l, f->protocol, &f->source, &f->destination);
	put_line_domain(&l, f->domain);
	put_last_path(&l, f);
	if (f->closed) {
		put_line_time(&l, "start", f->started_at);
		put_line_time(&l, "last_packet", f->last_packet_at);
		put_line_number(&l, "from_client_packets", f->tx_packets);
		put_line_number(&l, "from_client_bytes", f->tx_bytes);
		put_line_number(&l, "to_client_packets", f->rx_packets);
		put_line_number(&l, "to_client_bytes", f->rx_bytes);
	}
	return end_line(&l, to);
}

size_t
flow_line_denied(enum flow_sink_kind kind, const struct directory *names,
    const struct ipc_denied *d, uint64_t at_ns, char to[FLOW_LINE_SIZE])
{
	struct flow_line l;

	begin_line(&l, kind);
	put_line_time(&l, "time", at_ns);
	put_line_text(&l, "event", "denied");
	put_line_text(
	    &l, "direction", d->outbound ? "from client" : "to client");
	put_line_text(
	    &l, "reason", policy_reason_name((enum policy_reason)d->reason));
	put_whose(&l, names, &d->client, &d->resource);
	put_ends(&l, d->protocol, &d->source, &d->destination);
	return end_line(&l, to);
}

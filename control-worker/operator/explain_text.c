/*
 * Why a packet passes or does not, for humans: a sentence that answers, then
 * what it rests on, line by line. See status.h.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/reason.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/status_views.h"
#include "control-worker/operator/table.h"

/* What a reason of the code that judges means to somebody who asks. */
static const char *
reason_sentence(enum policy_reason reason)
{
	static const char *const sentences[REASON_COUNT] = {
		[REASON_MULTICAST] = "multicast does not pass",
		[REASON_SOURCE] =
		    "the client has no tunnel address of that family",
		[REASON_GATEWAY] = "the Gateway's own address answers DNS on "
				   "port 53535, and ping, only",
		[REASON_TUNNEL_RANGE] = "clients do not reach each other",
		[REASON_NO_ROUTE] =
		    "no resource that it is granted so far has that "
		    "destination",
		[REASON_REJECTED_RANGE] = "the Internet resource does not open "
					  "what is not on the Internet, or is "
					  "the site's",
		[REASON_NO_TRANSLATION] = "the resolvers of this host have no "
					  "address for the name, or one that "
					  "does not count",
		[REASON_NAT_KIND] =
		    "a name is reached by TCP, UDP and ping only",
		[REASON_NAT_EXHAUSTED] =
		    "there is no memory for the translation of its names",
	};

	if ((size_t)reason >= REASON_COUNT || sentences[reason] == NULL)
		return policy_reason_name(reason);
	return sentences[reason];
}

static const char *
resource_text(struct status *status, const struct uuid *resource,
    char to[UUID_TEXT_LEN + 1])
{
	const char *name = directory_resource(status->names, resource);

	return name != NULL ? name : uuid_format(resource, to);
}

bool
explained_traffic(const struct status *status, const struct explained_packet *e,
    uint64_t *sent, uint64_t *back)
{
	const struct counter_page *page = status->situation->counters;

	if (e->packet.verdict != EXPLAINED_PASSED || page == NULL)
		return false;
	for (size_t i = 0; i < e->count; i++) {
		const struct ipc_query_grant *g = &e->routes[i].grant;

		if (!e->routes[i].has_grant || g->meter == 0 ||
		    !uuid_equal(&g->resource, &e->packet.resource))
			continue;
		*sent = COUNTER_METER(page, g->meter, outbound_packets);
		*back = COUNTER_METER(page, g->meter, inbound_packets);
		return true;
	}
	return false;
}

/* Where it goes: with a port, if the protocol has them. */
static const char *
destination_text(const struct explained_packet *e, char to[ENDPOINT_TEXT_MAX])
{
	const struct endpoint *d = &e->packet.destination;

	return d->port != 0 ? endpoint_format(d, to) : ip_format(&d->ip, to);
}

/* The name alone where it has no address. */
static void
write_asked_destination(struct status *status, const struct explained_packet *e)
{
	const struct ipc_explained *p = &e->packet;
	char to[ENDPOINT_TEXT_MAX];

	if (p->destination.ip.family != IP_NONE) {
		text_add(status->out, "%s", destination_text(e, to));
		if (p->domain[0] != '\0')
			text_add(status->out, " (%s)", p->domain);
		return;
	}
	text_add(status->out, "%s", p->domain);
	if (p->destination.port != 0)
		text_add(status->out, ":%u", p->destination.port);
}

/* Says which grant had the destination until it ended. False: none had. */
static bool
write_ended(struct status *status, const struct ipc_explained *p, uint64_t now)
{
	char resource[UUID_TEXT_LEN + 1], ago[FIGURE_MAX];

	if (p->ended_by == GRANT_END_NONE)
		return false;
	text_add(status->out, ": its grant of %s %s %s ago\n",
	    resource_text(status, &p->ended, resource),
	    p->ended_by == GRANT_END_EXPIRED ? "expired" : "was revoked",
	    format_duration(seconds_between(p->ended_at, now), ago));
	return true;
}

/* Why a packet that passes may not arrive, or is not answered. */
static void
write_doubts(struct status *status, const struct explained_packet *e)
{
	char resource[UUID_TEXT_LEN + 1];
	uint64_t sent, back;

	if (e->client.state != QUERY_STATE_CONNECTED &&
	    e->client.state != QUERY_STATE_IDLE)
		text_add(status->out,
		    "but the client is not connected: nothing comes from it\n");
	if (explained_traffic(status, e, &sent, &back) && sent > 0 && back == 0)
		text_add(status->out,
		    "but nothing comes back: none of %" PRIu64
		    " packets to %s was answered\n",
		    sent, resource_text(status, &e->packet.resource, resource));
}

static void
write_reason(
    struct status *status, const struct explained_packet *e, uint64_t now)
{
	static const struct uuid none;
	const struct ipc_explained *p = &e->packet;
	const bool is_asked_for = p->destination.ip.family != IP_NONE;
	char resource[UUID_TEXT_LEN + 1];

	if (p->reason == REASON_FILTER)
		text_add(status->out, ": no filter of %s permits it\n",
		    resource_text(status, &p->resource, resource));
	else if (p->reason == REASON_WITHDRAWN)
		text_add(status->out, ": the servers of %s do not answer\n",
		    resource_text(status, &p->resource, resource));
	else if (p->reason == REASON_NO_ROUTE && write_ended(status, p, now))
		return;
	else if (p->reason == REASON_NO_ROUTE && !is_asked_for)
		text_add(status->out,
		    ": no resource that it is granted so far has that name\n");
	else if (p->verdict != EXPLAINED_PASSED)
		text_add(status->out, ": %s\n",
		    reason_sentence((enum policy_reason)p->reason));
	else if (!is_asked_for)
		text_add(status->out,
		    ", granted by %s; the client has not asked for the name "
		    "yet\n",
		    resource_text(status, &p->resource, resource));
	else if (uuid_equal(&p->resource, &none))
		text_add(status->out, ", this Gateway itself\n");
	else
		text_add(status->out, ", by %s\n",
		    resource_text(status, &p->resource, resource));
}

static void
write_sentence(
    struct status *status, const struct explained_packet *e, uint64_t now)
{
	bool passed = e->packet.verdict == EXPLAINED_PASSED;
	char who[WHO_MAX + 1], id[UUID_TEXT_LEN + 1], protocol[8];
	/* In that room stands what has a number alone. */
	const char *name = ctl_protocol_name(e->protocol, protocol);

	if (directory_who(status->names, &e->client.client, who)[0] == '\0')
		strlcpy(who, uuid_format(&e->client.client, id), sizeof(who));
	text_add(status->out, "%s: %s%s from %s to ",
	    passed ? "allowed" : "denied", name == protocol ? "protocol " : "",
	    name, who);
	write_asked_destination(status, e);
	write_reason(status, e, now);
	if (passed)
		write_doubts(status, e);
}

static void
write_step(struct text *t, const char *label)
{
	text_add(t, "  %-9s ", label);
}

/* The filter that lets it through, where it is one of those that are shown. */
static const struct filter *
find_filter(const struct explained_packet *e, const struct ipc_query_grant *g)
{
	static const uint8_t of_protocol[] = {
		[IPPROTO_ICMP] = FILTER_ICMP,
		[IPPROTO_TCP] = FILTER_TCP,
		[IPPROTO_UDP] = FILTER_UDP,
		[IPPROTO_ICMPV6] = FILTER_ICMP,
	};
	uint16_t port = e->packet.destination.port;

	for (size_t i = 0; i < g->filters_count; i++) {
		const struct filter *f = &g->filters[i];

		if (e->protocol < sizeof(of_protocol) &&
		    f->protocol == of_protocol[e->protocol] &&
		    (f->protocol == FILTER_ICMP ||
			(f->first <= port && port <= f->last)))
			return f;
	}
	return NULL;
}

static void
write_expiry(struct text *t, uint64_t expires_at, uint64_t now)
{
	time_t at = (time_t)expires_at;
	char when[64] = "a far future", left[FIGURE_MAX];
	struct tm tm;

	write_step(t, "");
	if (expires_at == 0) {
		text_add(t, "granted without an end\n");
		return;
	}
	if (gmtime_r(&at, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	text_add(t, "granted until %s, %s from now\n", when,
	    format_duration(seconds_between(now, expires_at), left));
}

static void
write_route(struct status *status, const struct explained_packet *e, size_t i,
    uint64_t now)
{
	const struct ipc_explained_route *r = &e->routes[i].route;
	const struct ipc_query_grant *g = &e->routes[i].grant;
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], address[PATTERN_MAX + 1], filters[512],
	    one[24];
	const struct filter *f;

	write_step(t, i == 0 ? "resource" : "");
	if (directory_resource(status->names, &r->resource) != NULL)
		text_add(
		    t, "%s, ", directory_resource(status->names, &r->resource));
	text_add(t, "%s\n", uuid_format(&r->resource, id));
	if (!e->routes[i].has_grant) {
		write_step(t, "");
		text_add(t, "taken away just now\n");
		return;
	}
	format_filters(g, filters, sizeof(filters));
	write_step(t, "");
	text_add(t, "%s, permits %s: ", grant_address(g, address), filters);
	if (!r->permits)
		text_add(t, "not this\n");
	else if ((f = find_filter(e, g)) == NULL)
		text_add(t, "yes\n");
	else {
		format_filter(f, one);
		text_add(t, "yes, by %s\n", one);
	}
	write_expiry(t, g->expires_at, now);
	if (g->withdrawn) {
		write_step(t, "");
		text_add(t, "withdrawn: its servers of --probe are silent\n");
	}
}

static void
write_answer(struct text *t, const struct ipc_explained *p)
{
	/* Who has no address for a name sends nothing. */
	if (p->verdict == EXPLAINED_PASSED ||
	    p->destination.ip.family == IP_NONE)
		return;
	write_step(t, "answer");
	text_add(t, "%s\n",
	    p->verdict == EXPLAINED_ANSWERED
		? "the client is told by an ICMP error"
		: "none: it is dropped, and the client runs into its time-out");
}

static void
write_traffic(struct status *status, const struct explained_packet *e)
{
	uint64_t sent, back;

	if (!explained_traffic(status, e, &sent, &back))
		return;
	write_step(status->out, "traffic");
	text_add(status->out,
	    "%" PRIu64 " packets of all clients to it, %" PRIu64 " back\n",
	    sent, back);
}

static void
write_way(struct status *status, const struct explained_packet *e)
{
	const struct ipc_query_client *c = &e->client;
	struct text *t = status->out;
	char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX],
	    age[FIGURE_MAX];

	write_step(t, "path");
	if (c->remote.ip.family == IP_NONE) {
		text_add(t, "%s\n", status_connection_name(c->state));
		return;
	}
	text_add(t, "%s%s, ours %s, its %s\n", status_path_name(c),
	    c->iceless ? " without ICE" : "", endpoint_format(&c->local, local),
	    endpoint_format(&c->remote, remote));
	if (c->handshaken) {
		write_step(t, "");
		text_add(t, "last handshake %s ago\n",
		    format_duration(c->handshake_age, age));
	}
}

void
write_explained(
    struct status *status, const struct explained_packet *e, uint64_t now)
{
	const struct ipc_explained *p = &e->packet;
	struct text *t = status->out;
	char id[UUID_TEXT_LEN + 1], ip[ENDPOINT_TEXT_MAX];

	write_sentence(status, e, now);
	write_step(t, "client");
	text_add(t, "%s, at %s\n", uuid_format(&e->client.client, id),
	    ip_format(
		p->source.family != IP_NONE ? &p->source : &e->client.v4, ip));
	for (size_t i = 0; i < e->count; i++)
		write_route(status, e, i, now);
	if (p->routes > e->count) {
		write_step(t, "");
		text_add(t, "and %u more\n", p->routes - (uint32_t)e->count);
	}
	if (p->real.family != IP_NONE) {
		write_step(t, "becomes");
		text_add(t, "%s, by translation\n", ip_format(&p->real, ip));
	}
	write_answer(t, p);
	write_traffic(status, e);
	write_way(status, e);
}

/*
 * The two paths of a packet through the model: firezone-policy(7), Steps
 * outbound, Steps inbound and RULES.
 */
#include "tests/model/model.h"

#include <string.h>

#include "tests/model/model_cross.h"
#include "tests/model/model_range.h"

/* Classification: 5 */

static bool
permits(
    const struct model_grant *g, const struct model_packet *p, uint16_t port)
{
	if (g->filter_count == 0)
		return true;
	for (size_t i = 0; i < g->filter_count; i++) {
		const struct filter *f = &g->filters[i];
		bool in_range = f->first <= port && port <= f->last;

		if (f->protocol == FILTER_TCP && p->kind == MODEL_TCP &&
		    in_range)
			return true;
		if (f->protocol == FILTER_UDP && p->kind == MODEL_UDP &&
		    in_range)
			return true;
		if (f->protocol == FILTER_ICMP &&
		    (p->kind == MODEL_ECHO || p->kind == MODEL_ICMP_ERROR ||
			p->kind == MODEL_ICMP_OTHER))
			return true;
	}
	return false;
}

/* The entry that is the best so far; 5.4. */
struct choice {
	const struct model_grant *grant; /* NULL: nothing covers the address */
	unsigned length;
	bool permitted;
	bool longer_rejects;
};

static void
consider(struct choice *best, const struct model_grant *g, unsigned length,
    bool permitted)
{
	bool wins;

	if (best->grant == NULL)
		wins = true;
	else if (permitted != best->permitted) {
		wins = permitted;
		if (wins ? best->length > length : length > best->length)
			best->longer_rejects = true;
	} else if (length != best->length)
		wins = length > best->length;
	else
		wins = memcmp(g->id.bytes, best->grant->id.bytes, 16) > 0;
	if (wins) {
		best->grant = g;
		best->length = length;
		best->permitted = permitted;
	}
}

static struct choice
route(struct model *m, const struct ip_address *a, const struct model_packet *p,
    uint16_t port)
{
	struct choice best = { 0 };
	const struct model_name *n = model_name_of(m, a);

	for (size_t i = 0; i < m->grant_count; i++) {
		const struct model_grant *g = &m->grants[i];

		if (g->type == RESOURCE_CIDR &&
		    model_covers(g->network.ip.family, g->network.ip.bytes,
			g->network.length, a))
			consider(
			    &best, g, g->network.length, permits(g, p, port));
	}
	for (size_t i = 0; n != NULL && i < n->holder_count; i++) {
		const struct model_grant *g = model_find(m, &n->holders[i]);

		if (g != NULL)
			consider(&best, g, a->family == IP_V4 ? 32 : 128,
			    permits(g, p, port));
	}
	return best;
}

/* Also what a translator of the network leads there: 64:ff9b::/96. */
static bool
at_site(const struct model *m, const struct ip_address *a)
{
	static const uint8_t nat64[16] = { 0x00, 0x64, 0xff, 0x9b };
	struct ip_address to = *a;

	if (model_covers(IP_V6, nat64, 96, a))
		to = ip_v4(
		    a->bytes[12], a->bytes[13], a->bytes[14], a->bytes[15]);
	for (size_t i = 0; i < m->site_count; i++)
		if (model_covers(m->site[i].ip.family, m->site[i].ip.bytes,
			m->site[i].length, &to))
			return true;
	return false;
}

static const struct model_grant *
internet(const struct model *m)
{
	const struct model_grant *lowest = NULL;

	for (size_t i = 0; i < m->grant_count; i++) {
		const struct model_grant *g = &m->grants[i];

		if (g->type == RESOURCE_INTERNET &&
		    (lowest == NULL ||
			memcmp(g->id.bytes, lowest->id.bytes, 16) < 0))
			lowest = g;
	}
	return lowest;
}

/* REASON_NONE, and by which grant, or why not. */
static enum policy_reason
classify(struct model *m, const struct ip_address *a,
    const struct model_packet *p, uint16_t port,
    const struct model_grant **grant)
{
	struct choice best;

	*grant = internet(m);
	if (*grant != NULL && !model_within(model_proxies, a))
		return model_within(model_rejected, a) || at_site(m, a)
		    ? REASON_REJECTED_RANGE
		    : REASON_NONE;
	best = route(m, a, p, port);
	if (best.longer_rejects && best.permitted)
		m->seen[PATH_SPECIFIC_LOSES]++;
	*grant = best.grant;
	if (best.grant == NULL)
		return REASON_NO_ROUTE;
	return best.permitted ? REASON_NONE : REASON_FILTER;
}

static bool
has_one_of(const struct ip_address *network, unsigned length,
    const struct ip_address *ips, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (model_covers(
			network->family, network->bytes, length, &ips[i]))
			return true;
	return false;
}

/* It has servers that are looked after, and each is silent. */
static bool
is_withdrawn(
    const struct model *m, const struct ip_address *network, unsigned length)
{
	return has_one_of(network, length, m->silent, m->silent_count) &&
	    !has_one_of(network, length, m->answering, m->answering_count);
}

static bool
grant_is_withdrawn(const struct model *m, const struct model_grant *g)
{
	return g->type == RESOURCE_CIDR &&
	    is_withdrawn(m, &g->network.ip, g->network.length);
}

static bool
name_is_withdrawn(const struct model *m, const struct model_name *n)
{
	return n != NULL && n->real.family != IP_NONE &&
	    is_withdrawn(m, &n->real, n->real.family == IP_V4 ? 32 : 128);
}

/* What becomes of it */

static void
drop(struct model_result *r, enum policy_reason reason)
{
	r->verdict = MODEL_DROP;
	r->reason = reason;
}

static void
pass(struct model_result *r, const struct model_grant *g)
{
	r->verdict = MODEL_PASS;
	r->reason = REASON_NONE;
	if (g != NULL) {
		r->resource = g->id;
		r->flow = g->flow;
	}
}

/* Answers are counted out: so many, and one more in each interval. */
static bool
may_answer(struct model *m, struct mono now)
{
	int64_t most = (int64_t)MODEL_ANSWERS * MODEL_ANSWER_NS;

	m->icmp_credit += now.ns - m->icmp_counted.ns;
	m->icmp_counted = now;
	if (m->icmp_credit > most)
		m->icmp_credit = most;
	if (m->icmp_credit < MODEL_ANSWER_NS)
		return false;
	m->icmp_credit -= MODEL_ANSWER_NS;
	return true;
}

/* 3.1; type, code and rest are of the ICMP header. */
static void
answer_with(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, enum policy_reason reason,
    uint8_t type, uint8_t code, uint32_t rest, struct model_result *r)
{
	bool v6 = p->source.family == IP_V6;
	size_t most = v6 ? 1232 : data[0] % 16u * 4 + 8;

	drop(r, reason);
	if (!may_answer(m, now)) {
		r->limited = true;
		m->seen[PATH_ANSWER_LIMITED]++;
		return;
	}
	if (length > most)
		length = most;
	else if (!v6 || length == 1232)
		m->seen[PATH_ANSWER_SHORT]++;
	m->seen[v6 ? PATH_ANSWER_V6 : PATH_ANSWER_V4]++;
	r->verdict = MODEL_ANSWER;
	r->length = model_icmp(r->data, &p->destination, &p->source, type, code,
	    rest, data, length);
}

static void
answer(struct model *m, struct mono now, const uint8_t *data, size_t length,
    const struct model_packet *p, bool prohibited, enum policy_reason reason,
    struct model_result *r)
{
	if (p->source.family == IP_V6)
		answer_with(m, now, data, length, p, reason, 1,
		    prohibited ? 1 : 3, 0, r);
	else
		answer_with(m, now, data, length, p, reason, 3,
		    prohibited ? 13 : 0, 0, r);
}

/* It would have to be cut; whoever forbids that hears of it. */
static void
refuse_length(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, struct model_result *r)
{
	drop(r, REASON_NAT_TOO_LONG);
	if (data[6] & 0x40) {
		m->seen[PATH_CROSS_TOO_LONG_TOLD]++;
		answer_with(m, now, data, length, p, REASON_NAT_TOO_LONG, 3, 4,
		    MODEL_CROSS_V4_MAX, r);
	}
}

/* Whether the packet has changed its family; false: it is too long. */
static bool
change_family(struct model *m, const struct model_packet *p,
    const struct ip_address *source, const struct ip_address *destination,
    uint16_t value, bool first, struct model_result *r)
{
	bool none =
	    p->kind == MODEL_UDP && model_word(r->data + p->transport + 6) == 0;
	unsigned identification = model_word(r->data + 4);
	bool has_one = model_identification(r->data, p, &identification);
	size_t length = model_cross(r->data, r->length, p, source, destination,
	    value, first, &r->checksums);

	if (length == 0)
		return false;
	m->seen[PATH_CROSS_NO_CHECKSUM] += none;
	m->crossed++;
	r->length = length;
	if (has_one)
		model_identify(r->data, identification);
	m->seen[PATH_CROSS_IDENTIFIED] += has_one;
	r->identified = source->family == IP_V4 && !has_one;
	r->rest_length = model_cut(
	    r->data, &r->length, identification, r->rest, &r->checksums);
	m->seen[PATH_CROSS_CUT] += r->rest_length > 0;
	return true;
}

static uint8_t
tcp_flags(const uint8_t *data, const struct model_packet *p)
{
	return p->kind == MODEL_TCP ? data[p->transport + 13] : 0;
}

static void
count_session(struct model *m, const struct model_session *s, bool made)
{
	m->seen[made ? PATH_NAT_NEW : PATH_NAT_AGAIN]++;
	if (s->inside != s->outside)
		m->seen[PATH_NAT_MOVED]++;
	m->seen[s->protocol == 6    ? PATH_NAT_TCP
		: s->protocol == 17 ? PATH_NAT_UDP
		: s->protocol == 1  ? PATH_NAT_ECHO_V4
				    : PATH_NAT_ECHO_V6]++;
	if (s->fin_in && s->fin_out)
		m->seen[PATH_NAT_FIN_BOTH]++;
	if (s->rst)
		m->seen[PATH_NAT_RST]++;
}

/* 3, step 12 from its third item on */
static void
translate_outbound(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, const struct model_name *n,
    struct model_result *r)
{
	unsigned long gave_way = m->nat.gave_way;
	struct model_session *s;
	bool made;

	if (p->kind != MODEL_TCP && p->kind != MODEL_UDP &&
	    p->kind != MODEL_ECHO) {
		drop(r, REASON_NAT_KIND);
		return;
	}
	if (model_nat_outbound(&m->nat, now, p, tcp_flags(r->data, p), &n->real,
		&s, &made) == MODEL_NAT_EXHAUSTED) {
		m->seen[m->nat.count == MODEL_SESSIONS_MAX
			? PATH_NAT_FULL
			: PATH_NAT_NO_PORT]++;
		drop(r, REASON_NAT_EXHAUSTED);
		return;
	}
	count_session(m, s, made);
	m->seen[PATH_NAT_ROOM] += m->nat.gave_way - gave_way;
	if (!model_same(&s->real, &n->real))
		m->seen[PATH_NAT_PINNED]++;
	if (s->real.family != p->source.family) {
		bool to_v6 = s->real.family == IP_V6;
		bool crosses = change_family(
		    m, p, &m->client[to_v6], &s->real, s->outside, true, r);

		m->seen[!crosses ? PATH_CROSS_TOO_LONG_OUT
			: to_v6  ? PATH_CROSS_TO_V6
				 : PATH_CROSS_TO_V4]++;
		if (!crosses)
			refuse_length(m, now, data, length, p, r);
		return;
	}
	model_rewrite(r->data, r->length, p, NULL, &s->real, s->outside, true,
	    &r->checksums);
	if (p->kind == MODEL_UDP &&
	    r->checksums.count == (p->source.family == IP_V4))
		m->seen[PATH_NAT_NO_CHECKSUM]++;
}

/* 3, steps 6 to 9: whether the packet gets as far as the resources. */
static bool
admit(struct model *m, struct mono now, const uint8_t *data, size_t length,
    const struct model_packet *p, struct model_result *r)
{
	bool dns = (p->kind == MODEL_TCP || p->kind == MODEL_UDP) &&
	    p->destination_port == 53535;

	if (model_within(model_multicast, &p->destination))
		drop(r, REASON_MULTICAST);
	else if (p->kind == MODEL_ICMP_ERROR)
		drop(r, REASON_ICMP_ERROR);
	else if (!model_one_of(m->client, &p->source))
		answer(m, now, data, length, p, true, REASON_SOURCE, r);
	else if (p->source_route)
		answer(m, now, data, length, p, true, REASON_SOURCE_ROUTE, r);
	else if (model_one_of(m->gateway, &p->destination)) {
		if (m->expose_host || dns || p->kind == MODEL_ECHO) {
			pass(r, NULL);
			m->seen[PATH_TO_GATEWAY]++;
		} else
			answer(
			    m, now, data, length, p, true, REASON_GATEWAY, r);
	} else if (model_within(model_tunnel, &p->destination))
		answer(m, now, data, length, p, true, REASON_TUNNEL_RANGE, r);
	else
		return true;
	return false;
}

/* False: the packet is malformed, and that is the result. */
static bool
begin_result(const uint8_t *data, size_t length, struct model_packet *p,
    struct model_result *r)
{
	memset(r, 0, offsetof(struct model_result, data));
	r->checksums.count = 0;
	r->identified = false;
	r->rest_length = 0;
	r->verdict = MODEL_MALFORMED;
	if (!model_parse(data, length, p))
		return false;
	memcpy(r->data, data, length);
	r->length = length;
	return true;
}

void
model_outbound(struct model *m, struct mono now, const uint8_t *data,
    size_t length, struct model_result *r)
{
	const struct model_grant *grant;
	const struct model_name *n;
	struct model_packet p;
	enum policy_reason reason;

	if (!begin_result(data, length, &p, r))
		return;
	if (!admit(m, now, data, length, &p, r))
		return;
	reason = classify(m, &p.destination, &p, p.destination_port, &grant);
	if (reason == REASON_FILTER)
		r->refused_by = grant->id;
	if (reason != REASON_NONE) {
		answer(m, now, data, length, &p,
		    reason != REASON_REJECTED_RANGE, reason, r);
		return;
	}
	n = model_within(model_proxies, &p.destination)
	    ? model_name_of(m, &p.destination)
	    : NULL;
	if (grant_is_withdrawn(m, grant) || name_is_withdrawn(m, n)) {
		m->seen[PATH_NAME_WITHDRAWN] += name_is_withdrawn(m, n);
		r->refused_by = grant->id;
		answer(m, now, data, length, &p, false, REASON_WITHDRAWN, r);
		return;
	}
	m->seen[grant->type == RESOURCE_CIDR       ? PATH_CIDR_OUT
		: grant->type == RESOURCE_INTERNET ? PATH_INTERNET_OUT
						   : PATH_DNS_OUT]++;
	pass(r, grant);
	if (!model_within(model_proxies, &p.destination))
		return;
	if (n == NULL || n->real.family == IP_NONE) {
		m->seen[n == NULL ? PATH_NO_ENTRY : PATH_NO_FAMILY]++;
		answer(
		    m, now, data, length, &p, false, REASON_NO_TRANSLATION, r);
		return;
	}
	if (grant->type == RESOURCE_CIDR)
		m->seen[PATH_PROXY_BY_CIDR]++;
	r->domain = n->domain;
	translate_outbound(m, now, data, length, &p, n, r);
}

/* 6.9 */
static void
rebuild(struct model *m, const uint8_t *data, size_t length,
    const struct model_packet *p, const struct model_session *s,
    struct model_result *r)
{
	const uint8_t *icmp = data + p->transport;
	bool v6 = p->source.family == IP_V6;
	uint8_t quote[MODEL_PACKET_MAX];
	size_t quote_length = length - p->transport - 8;
	size_t headers = v6 ? 48 : 28;
	uint32_t rest = 0;
	struct model_packet quoted;

	memcpy(quote, icmp + 8, quote_length);
	model_parse_quote(quote, quote_length, &quoted);
	model_rewrite(quote, quote_length, &quoted, NULL, &s->proxy, s->inside,
	    true, &r->checksums);
	for (size_t i = 0; i < r->checksums.count; i++)
		r->checksums.at[i] += headers;
	if (v6 && icmp[0] == 2)
		rest = icmp[4] * 0x1000000u + icmp[5] * 0x10000u;
	if ((v6 && icmp[0] == 2) || (!v6 && icmp[0] == 3 && icmp[1] == 4)) {
		rest += icmp[6] * 0x100u + icmp[7];
		m->seen[PATH_ERROR_MTU]++;
	}
	r->length = model_icmp(r->data, &s->proxy, &m->client[v6], icmp[0],
	    icmp[1], rest, quote, quote_length);
	r->checksums.at[r->checksums.count] = headers - 6;
	r->checksums.udp[r->checksums.count++] = false;
	m->seen[v6 ? PATH_ERROR_REBUILT_V6 : PATH_ERROR_REBUILT_V4]++;
}

/* The same of a session that crosses; false: it is none in that family. */
static bool
rebuild_crossing(struct model *m, const uint8_t *data, size_t length,
    const struct model_packet *p, const struct model_session *s,
    struct model_result *r)
{
	const uint8_t *icmp = data + p->transport, *sent = icmp + 8;
	bool v6 = p->source.family == IP_V6;
	size_t headers = v6 ? 28 : 48, most = (v6 ? 576u : 1280u) - headers;
	uint8_t quote[MODEL_PACKET_MAX + 40];
	size_t quote_length = length - p->transport - 8;
	struct model_crossed_error e;
	struct model_packet quoted;

	model_parse_quote(sent, quote_length, &quoted);
	if (!model_cross_error(v6, icmp, &e))
		return false;
	quote_length = model_cross_quote(sent, quote_length, &quoted,
	    &m->client[!v6], &s->proxy, s->inside, quote, &r->checksums);
	if (quote_length == 0)
		return false;
	m->seen[PATH_CROSS_MTU] += e.mtu;
	m->seen[PATH_CROSS_POINTER] += e.pointer;
	m->seen[PATH_CROSS_ERROR_CUT] += quote_length > most;
	m->seen[v6 ? PATH_CROSS_ERROR_V6 : PATH_CROSS_ERROR_V4]++;
	for (size_t i = 0; i < r->checksums.count; i++)
		r->checksums.at[i] += headers;
	r->length = model_icmp(r->data, &s->proxy, &m->client[!v6], e.type,
	    e.code, e.rest, quote, quote_length < most ? quote_length : most);
	r->checksums.at[r->checksums.count] = headers - 6;
	r->checksums.udp[r->checksums.count++] = false;
	return true;
}

/*
 * 4, step 5, of an ICMP error. A quote of the other family is none that NAT
 * could evaluate.
 */
static enum policy_reason
translate_error(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, struct model_result *r,
    bool *translated)
{
	struct model_packet quoted;
	struct model_session *s;

	*translated = false;
	model_parse_quote(
	    data + p->transport + 8, length - p->transport - 8, &quoted);
	if (!model_same(&quoted.source, &p->destination)) {
		m->seen[quoted.source.family != p->source.family
			? PATH_ERROR_FAMILY
			: PATH_ERROR_OF_ANOTHER]++;
		return REASON_INBOUND_KIND;
	}
	switch (model_nat_inbound(&m->nat, now, &quoted, 0, true, &s)) {
	case MODEL_NAT_FOUND:
		if (s->real.family == s->proxy.family)
			rebuild(m, data, length, p, s, r);
		else if (!rebuild_crossing(m, data, length, p, s, r)) {
			m->seen[PATH_CROSS_ERROR_NONE]++;
			return REASON_INBOUND_KIND;
		}
		*translated = true;
		return REASON_NONE;
	case MODEL_NAT_ENDED:
		m->seen[PATH_ERROR_ENDED]++;
		return REASON_NAT_EXPIRED;
	default:
		return REASON_NONE;
	}
}

/* An error that NAT has left alone: 3, of the packet it quotes. */
static enum policy_reason
judge_quote(struct model *m, const uint8_t *data, size_t length,
    const struct model_packet *p)
{
	const struct model_grant *grant;
	struct model_packet q;
	bool dns;
	enum policy_reason reason;

	model_parse_quote(
	    data + p->transport + 8, length - p->transport - 8, &q);
	dns = q.kind != MODEL_ECHO && q.destination_port == 53535;
	if (model_within(model_multicast, &q.destination))
		return REASON_MULTICAST;
	if (q.source_route)
		return REASON_SOURCE_ROUTE;
	if (model_one_of(m->gateway, &q.destination))
		return m->expose_host || dns || q.kind == MODEL_ECHO
		    ? REASON_NONE
		    : REASON_GATEWAY;
	if (model_within(model_tunnel, &q.destination))
		return REASON_TUNNEL_RANGE;
	reason =
	    classify(m, &q.destination, &q, q.destination_port, &grant);
	if (reason != REASON_NONE)
		return reason;
	if (grant_is_withdrawn(m, grant))
		return REASON_WITHDRAWN;
	if (!model_within(model_proxies, &q.destination))
		return REASON_NONE;
	return name_is_withdrawn(m, model_name_of(m, &q.destination))
	    ? REASON_WITHDRAWN
	    : REASON_NO_TRANSLATION;
}

/* An answer of ours, hardened as what it answers is: 3, step 8. */
static bool
is_answer(const struct model_packet *p, const uint8_t *data)
{
	switch (p->kind) {
	case MODEL_TCP:
	case MODEL_UDP:
		return p->source_port == 53535;
	case MODEL_ECHO:
		return data[p->transport] ==
		    (p->source.family == IP_V4 ? 0 : 129);
	default:
		return p->kind == MODEL_ICMP_ERROR;
	}
}

/* 4, step 4: answers pass, but what NAT can turn back it does. */
static void
from_gateway(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, struct model_result *r)
{
	bool translated;
	enum policy_reason reason;

	if (!m->expose_host && !is_answer(p, data)) {
		m->seen[PATH_FROM_GATEWAY_UNASKED]++;
		drop(r, REASON_GATEWAY);
		return;
	}
	pass(r, NULL);
	m->seen[PATH_FROM_GATEWAY]++;
	if (p->kind != MODEL_ICMP_ERROR)
		return;
	reason = translate_error(m, now, data, length, p, r, &translated);
	if (translated) {
		m->seen[PATH_FROM_GATEWAY_TRANSLATED]++;
		return;
	}
	if (reason == REASON_NAT_EXPIRED)
		m->seen[PATH_FROM_GATEWAY_ENDED]++;
	if (reason != REASON_INBOUND_KIND)
		reason = judge_quote(m, data, length, p);
	if (reason != REASON_NONE)
		drop(r, reason);
}

/* 4, step 5, of anything else; source becomes what the client will see. */
static enum policy_reason
translate_inbound(struct model *m, struct mono now,
    const struct model_packet *p, struct model_result *r,
    struct ip_address *source, bool *translated)
{
	struct model_session *s;

	*translated = false;
	switch (model_nat_inbound(
	    &m->nat, now, p, tcp_flags(r->data, p), false, &s)) {
	case MODEL_NAT_FOUND:
		count_session(m, s, false);
		*source = s->proxy;
		if (s->real.family != s->proxy.family) {
			bool v6 = s->real.family == IP_V6;

			*translated = change_family(m, p, &s->proxy,
			    &m->client[!v6], s->inside, false, r);
			m->seen[!*translated ? PATH_CROSS_TOO_LONG_IN
				: v6         ? PATH_CROSS_FROM_V6
					     : PATH_CROSS_FROM_V4]++;
			return *translated ? REASON_NONE : REASON_NAT_TOO_LONG;
		}
		model_rewrite(r->data, r->length, p, &s->proxy, NULL, s->inside,
		    false, &r->checksums);
		*translated = true;
		m->seen[PATH_NAT_RETURN]++;
		return REASON_NONE;
	case MODEL_NAT_ENDED:
		return REASON_NAT_EXPIRED;
	default:
		return REASON_NONE;
	}
}

/* 4, steps 5 to 8 */
static void
from_resource(struct model *m, struct mono now, const uint8_t *data,
    size_t length, const struct model_packet *p, struct model_result *r)
{
	const struct model_grant *grant = NULL;
	struct ip_address source = p->source;
	enum policy_reason reason;
	bool translated;

	if (p->kind == MODEL_ICMP_ERROR)
		reason =
		    translate_error(m, now, data, length, p, r, &translated);
	else if (p->kind == MODEL_ICMP_OTHER || p->kind == MODEL_OTHER)
		reason = REASON_INBOUND_KIND;
	else
		reason = translate_inbound(m, now, p, r, &source, &translated);
	if (reason == REASON_NAT_TOO_LONG) {
		refuse_length(m, now, data, length, p, r);
		return;
	}
	/* A translated one comes from a proxy address. */
	if (reason == REASON_NONE && !translated &&
	    model_within(model_tunnel, &source))
		reason = REASON_TUNNEL_RANGE;
	if (reason == REASON_NONE && p->kind == MODEL_ICMP_ERROR &&
	    !translated) {
		reason = judge_quote(m, data, length, p);
		m->seen[reason == REASON_NONE ? PATH_ERROR_PASSED
					      : PATH_ERROR_UNASKED]++;
		if (reason != REASON_NONE) {
			drop(r, reason);
			return;
		}
	}
	if (reason == REASON_NONE && p->kind == MODEL_ICMP_ERROR) {
		pass(r, NULL);
		return;
	}
	if (reason == REASON_NONE && model_within(model_proxies, &source) &&
	    !translated)
		reason = REASON_NO_TRANSLATION;
	if (reason == REASON_NONE)
		reason = classify(m, &source, p, p->source_port, &grant);
	if (reason == REASON_FILTER)
		r->refused_by = grant->id;
	if (reason != REASON_NONE) {
		drop(r, reason);
		return;
	}
	m->seen[grant->type == RESOURCE_CIDR       ? PATH_CIDR_IN
		: grant->type == RESOURCE_INTERNET ? PATH_INTERNET_IN
						   : PATH_DNS_IN]++;
	pass(r, grant);
}

void
model_inbound(struct model *m, struct mono now, const uint8_t *data,
    size_t length, struct model_result *r)
{
	struct model_packet p;

	if (!begin_result(data, length, &p, r))
		return;
	if (!model_within(model_tunnel, &p.destination) ||
	    !model_one_of(m->client, &p.destination))
		drop(r, REASON_NOT_A_PEER);
	else if (p.source_route)
		drop(r, REASON_SOURCE_ROUTE);
	else if (model_one_of(m->gateway, &p.source))
		from_gateway(m, now, data, length, &p, r);
	else
		from_resource(m, now, data, length, &p, r);
}

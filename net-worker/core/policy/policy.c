/*
 * The verdict on one packet: see policy.h.
 *
 * There are four ways to pass, and each is one call of decide_pass() or
 * decide_resource_pass(): to and from our own tunnel address, an ICMP error on
 * its way to the client, a route whose resource permits the packet, and the
 * Internet resource. Whatever is not recognised falls through to a refusal.
 */
#include "net-worker/core/policy/policy.h"

#include <stdlib.h>

#include "common/internet.h"
#include "common/plan.h"
#include "net-worker/core/policy/compiled.h"

/* firezone-policy(7), Sizes. */

static struct policy_decision
decide_pass(void)
{
	return (struct policy_decision){ .verdict = VERDICT_PASS };
}

static struct policy_decision
decide_resource_pass(const struct rules *rules)
{
	static const struct uuid none;
	const struct uuid *flow = &rules->flow_authorization;

	return (struct policy_decision){
		.verdict = VERDICT_PASS,
		.resource = rules->resource,
		.meter = rules->meter,
		.flow_authorization = uuid_equal(flow, &none) ? NULL : flow,
		.through = rules,
	};
}

static struct policy_decision
decide_refusal(enum verdict verdict, enum policy_reason reason)
{
	return (struct policy_decision){ .verdict = verdict, .reason = reason };
}

static struct policy_decision
decide_refusal_by(
    const struct rules *rules, enum verdict verdict, enum policy_reason reason)
{
	struct policy_decision d = decide_refusal(verdict, reason);

	d.refused_by = &rules->resource;
	return d;
}

/*
 * Its servers are silent, which the client shall hear at once. Not
 * "prohibited": the client would ask the portal for access, get it, and try
 * again.
 */
static struct policy_decision
decide_withdrawn(const struct rules *rules)
{
	return decide_refusal_by(rules, VERDICT_UNREACHABLE, REASON_WITHDRAWN);
}

/* An address of a packet has a family, so that IP_NONE equals none. */
static bool
is_client_address(const struct policy *p, const struct ip_address *ip)
{
	return ip_equal(ip,
	    ip->family == IP_V4 ? &p->parties.client_v4
				: &p->parties.client_v6);
}

static bool
is_gateway_address(const struct policy *p, const struct ip_address *ip)
{
	return ip_equal(ip,
	    ip->family == IP_V4 ? &p->parties.gateway_v4
				: &p->parties.gateway_v6);
}

/* What our own address answers: firezone-policy(7), Steps outbound (step 7). */
static bool
is_host_service(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
		return packet->destination_port == TUNNEL_DNS_PORT;
	case PACKET_ICMP_ECHO:
		return true;
	default:
		return false;
	}
}

/*
 * The route to the far end's address and port: firezone-policy(7), Selection.
 */
static struct policy_decision
follow_routes(const struct policy *p, const struct packet *packet,
    const struct ip_address *far, uint16_t port, enum verdict refusal)
{
	const struct rules *rules;

	switch (routes_classify(&p->routes, far, packet->kind, port, &rules)) {
	case COVERED_PERMITTED:
		return decide_resource_pass(rules);
	case COVERED_REJECTED:
		return decide_refusal_by(rules, refusal, REASON_FILTER);
	case NOT_COVERED:
		break;
	}
	return decide_refusal(refusal, REASON_NO_ROUTE);
}

/* A translator leads back to the site what is its own. */
static bool
is_on_internet(const struct policy *p, const struct ip_address *ip)
{
	struct ip_address reached = internet_behind_nat64(ip);

	return ip_is_internet(ip) &&
	    !site_networks_contain(p->site, p->site_count, &reached);
}

/*
 * firezone-policy(7), Internet resource: an Internet resource leaves routes to
 * the names only.
 */
static struct policy_decision
classify_outbound(const struct policy *p, const struct packet *packet)
{
	const struct ip_address *to = &packet->destination;

	if (!p->has_internet || ip_in_proxy_range(to))
		return follow_routes(p, packet, to, packet->destination_port,
		    VERDICT_PROHIBITED);
	if (!is_on_internet(p, to))
		return decide_refusal(
		    VERDICT_UNREACHABLE, REASON_REJECTED_RANGE);
	return decide_resource_pass(&p->internet);
}

static struct policy_decision
classify_inbound(const struct policy *p, const struct packet *packet)
{
	const struct ip_address *from = &packet->source;

	if (!p->has_internet || ip_in_proxy_range(from))
		return follow_routes(
		    p, packet, from, packet->source_port, VERDICT_DROP);
	if (!is_on_internet(p, from))
		return decide_refusal(VERDICT_DROP, REASON_REJECTED_RANGE);
	return decide_resource_pass(&p->internet);
}

/*
 * What the proxy address stands for: firezone-policy(7), Steps outbound (step
 * 11).
 */
static struct policy_decision
decide_translation(const struct policy *p, const struct ip_address *proxy,
    struct policy_decision decision)
{
	const struct translation *t =
	    translations_find(&p->translations, proxy);

	if (t == NULL || t->real.family == IP_NONE) {
		decision =
		    decide_refusal(VERDICT_UNREACHABLE, REASON_NO_TRANSLATION);
		decision.unresolved = t != NULL;
		decision.name = t != NULL ? t->name : 0;
		return decision;
	}
	if (t->withdrawn)
		return decide_withdrawn(decision.through);
	decision.translate = true;
	decision.real = t->real;
	decision.domain = t->domain;
	decision.name = t->name;
	return decision;
}

static struct policy_decision
to_gateway(const struct policy *p, const struct packet *packet)
{
	if (p->parties.expose_host || is_host_service(packet))
		return decide_pass();
	return decide_refusal(VERDICT_PROHIBITED, REASON_GATEWAY);
}

struct policy_decision
policy_outbound(const struct policy *p, const struct packet *packet)
{
	const struct ip_address *to = &packet->destination;
	struct policy_decision decision;

	if (p->parties.closed)
		return decide_refusal(VERDICT_DROP, REASON_NO_ROUTE);
	if (ip_is_multicast(to))
		return decide_refusal(VERDICT_DROP, REASON_MULTICAST);
	if (packet->kind == PACKET_ICMP_ERROR)
		return decide_refusal(VERDICT_DROP, REASON_ICMP_ERROR);
	if (!is_client_address(p, &packet->source))
		return decide_refusal(VERDICT_PROHIBITED, REASON_SOURCE);
	if (packet->source_route)
		return decide_refusal(VERDICT_PROHIBITED, REASON_SOURCE_ROUTE);
	if (is_gateway_address(p, to))
		return to_gateway(p, packet);
	if (ip_in_tunnel_range(to))
		return decide_refusal(VERDICT_PROHIBITED, REASON_TUNNEL_RANGE);

	decision = classify_outbound(p, packet);
	if (decision.verdict != VERDICT_PASS)
		return decision;
	if (decision.through->withdrawn)
		return decide_withdrawn(decision.through);
	if (ip_in_proxy_range(to))
		return decide_translation(p, to, decision);
	return decision;
}

size_t
policy_explain(const struct policy *p, const struct packet *packet,
    struct policy_route *to, size_t max)
{
	const struct ip_address *ip = &packet->destination;

	if (is_gateway_address(p, ip) || ip_in_tunnel_range(ip))
		return 0;
	if (!p->has_internet || ip_in_proxy_range(ip))
		return routes_explain(&p->routes, ip, packet->kind,
		    packet->destination_port, to, max);
	if (max > 0)
		*to = (struct policy_route){
			.resource = p->internet.resource,
			.network.ip.family = ip->family,
			.permits = is_on_internet(p, ip),
		};
	return 1;
}

/*
 * What can belong to something that the client sent: firezone-policy(7), Steps
 * inbound (step 4). An error goes to whom it quotes.
 */
static bool
has_flow(const struct packet *packet)
{
	struct packet quote;

	switch (packet->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_ECHO:
		return true;
	case PACKET_ICMP_ERROR:
		return packet_quote(packet, &quote) &&
		    ip_equal(&quote.source, &packet->destination);
	default:
		return false;
	}
}

/* What is_host_service is answered with, and what that fails of. */
static bool
is_host_answer(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
		return packet->source_port == TUNNEL_DNS_PORT;
	case PACKET_ICMP_ECHO:
		return packet_is_echo_reply(packet);
	case PACKET_ICMP_ERROR:
		return true;
	default:
		return false;
	}
}

struct policy_decision
policy_arrival(const struct policy *p, const struct packet *packet)
{
	if (p->parties.closed)
		return decide_refusal(VERDICT_DROP, REASON_NO_ROUTE);
	/* Step 2, for this client. */
	if (!ip_in_tunnel_range(&packet->destination) ||
	    !is_client_address(p, &packet->destination))
		return decide_refusal(VERDICT_DROP, REASON_NOT_A_PEER);
	if (packet->source_route)
		return decide_refusal(VERDICT_DROP, REASON_SOURCE_ROUTE);
	if (is_gateway_address(p, &packet->source)) {
		if (!p->parties.expose_host && !is_host_answer(packet))
			return decide_refusal(VERDICT_DROP, REASON_GATEWAY);
		if (packet->kind != PACKET_ICMP_ERROR)
			return decide_pass();
	}
	if (!has_flow(packet))
		return decide_refusal(VERDICT_DROP, REASON_INBOUND_KIND);
	return decide_pass();
}

/*
 * An error that NAT did not know, from whomever it is: the packet it quotes
 * must be one that the client may send.
 */
static struct policy_decision
judge_error(const struct policy *p, const struct packet *error)
{
	struct policy_decision d;
	struct packet quote;

	if (!packet_quote(error, &quote))
		return decide_refusal(VERDICT_DROP, REASON_INBOUND_KIND);
	d = policy_outbound(p, &quote);
	if (d.verdict != VERDICT_PASS)
		return decide_refusal(VERDICT_DROP, d.reason);
	/* Beyond NAT nobody has seen a proxy address. */
	if (d.translate)
		return decide_refusal(VERDICT_DROP, REASON_NO_TRANSLATION);
	return decide_pass();
}

struct policy_decision
policy_inbound(
    const struct policy *p, const struct packet *packet, bool translated)
{
	const struct ip_address *from = &packet->source;

	if (!is_gateway_address(p, from) && ip_in_tunnel_range(from))
		return decide_refusal(VERDICT_DROP, REASON_TUNNEL_RANGE);
	if (packet->kind == PACKET_ICMP_ERROR)
		return judge_error(p, packet);
	if (is_gateway_address(p, from))
		return decide_pass();
	/* On nobody's network: such a source is forged. */
	if (ip_in_proxy_range(from) && !translated)
		return decide_refusal(VERDICT_DROP, REASON_NO_TRANSLATION);
	return classify_inbound(p, packet);
}

bool
policy_is_silent(const struct policy *p)
{
	return p->parties.silent;
}

bool
policy_is_own(const struct policy *p, const struct ip_address *ip)
{
	return is_gateway_address(p, ip);
}

bool
policy_has_proxy(const struct policy *p, const struct ip_address *proxy,
    const struct ip_address *real, bool moved)
{
	const struct translation *t =
	    translations_find(&p->translations, proxy);

	return t != NULL && (!moved || ip_equal(&t->real, real)) &&
	    (p->parties.translates || proxy->family == real->family);
}

void
policy_free(struct policy *p)
{
	free(p);
}

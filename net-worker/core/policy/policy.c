/*
 * The verdict on one packet: see policy.h.
 *
 * There are three ways to pass, and each is one call of pass() or
 * pass_resource(): to and from our own tunnel address, an ICMP error on its
 * way to the client, and a route whose resource permits the packet. Whatever
 * is not recognised falls through to a refusal.
 */
#include "net-worker/core/policy/policy.h"

#include <stdlib.h>

#include "net-worker/core/policy/compiled.h"

/* spec/policy.md 1.2 */
#define DNS_SERVER_PORT 53535

static struct policy_decision
pass(void)
{
	return (struct policy_decision){ VERDICT_PASS, REASON_NONE, { { 0 } } };
}

static struct policy_decision
pass_resource(const struct uuid *resource)
{
	return (struct policy_decision){ VERDICT_PASS, REASON_NONE, *resource };
}

static struct policy_decision
refuse(enum verdict verdict, enum policy_reason reason)
{
	return (struct policy_decision){ verdict, reason, { { 0 } } };
}

/* An address of a packet has a family, so that IP_NONE equals none. */
static bool
is_client(const struct policy *p, const struct ip_address *ip)
{
	return ip_equal(ip,
	    ip->family == IP_V4 ? &p->parties.client_v4
				: &p->parties.client_v6);
}

static bool
is_gateway(const struct policy *p, const struct ip_address *ip)
{
	return ip_equal(ip,
	    ip->family == IP_V4 ? &p->parties.gateway_v4
				: &p->parties.gateway_v6);
}

/* What our own address answers: spec/policy.md 3, step 8. */
static bool
is_host_service(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_TCP:
	case PACKET_UDP:
		return packet->destination_port == DNS_SERVER_PORT;
	case PACKET_ICMP_ECHO:
		return true;
	default:
		return false;
	}
}

/*
 * The route to the far end's address and port: spec/policy.md 5.4. Only CIDR
 * resources have routes. The catch-all of an Internet resource (5.5) is not
 * granted, so that such a resource opens nothing.
 */
static struct policy_decision
classify(const struct policy *p, const struct packet *packet,
    const struct ip_address *far, uint16_t port, enum verdict refusal)
{
	struct uuid resource;

	switch (
	    routes_classify(&p->routes, far, packet->kind, port, &resource)) {
	case COVERED_PERMITTED:
		return pass_resource(&resource);
	case COVERED_REJECTED:
		return refuse(refusal, REASON_FILTER);
	case NOT_COVERED:
		break;
	}
	return refuse(refusal, REASON_NO_ROUTE);
}

static struct policy_decision
to_gateway(const struct policy *p, const struct packet *packet)
{
	if (p->parties.expose_host || is_host_service(packet))
		return pass();
	return refuse(VERDICT_PROHIBITED, REASON_GATEWAY);
}

struct policy_decision
policy_outbound(const struct policy *p, const struct packet *packet)
{
	const struct ip_address *to = &packet->destination;
	struct policy_decision decision;

	if (ip_is_multicast(to))
		return refuse(VERDICT_DROP, REASON_MULTICAST);
	if (packet->kind == PACKET_ICMP_ERROR)
		return refuse(VERDICT_DROP, REASON_ICMP_ERROR);
	if (!is_client(p, &packet->source))
		return refuse(VERDICT_PROHIBITED, REASON_SOURCE);
	if (packet->source_route)
		return refuse(VERDICT_PROHIBITED, REASON_SOURCE_ROUTE);
	if (is_gateway(p, to))
		return to_gateway(p, packet);
	if (ip_in_tunnel_range(to))
		return refuse(VERDICT_PROHIBITED, REASON_TUNNEL_RANGE);

	decision = classify(
	    p, packet, to, packet->destination_port, VERDICT_PROHIBITED);
	if (decision.verdict == VERDICT_PASS && ip_in_proxy_range(to))
		return refuse(VERDICT_UNREACHABLE, REASON_NO_TRANSLATION);
	return decision;
}

/* Kinds that can belong to a flow: spec/policy.md 4, step 5. */
static bool
has_flow(enum packet_kind kind)
{
	switch (kind) {
	case PACKET_TCP:
	case PACKET_UDP:
	case PACKET_ICMP_ECHO:
	case PACKET_ICMP_ERROR:
		return true;
	default:
		return false;
	}
}

struct policy_decision
policy_inbound(const struct policy *p, const struct packet *packet)
{
	const struct ip_address *from = &packet->source;

	/* Step 6 first: it is what steps 2 and 3 ask, for this client. */
	if (!ip_in_tunnel_range(&packet->destination) ||
	    !is_client(p, &packet->destination))
		return refuse(VERDICT_DROP, REASON_NOT_A_PEER);
	if (packet->source_route)
		return refuse(VERDICT_DROP, REASON_SOURCE_ROUTE);
	if (is_gateway(p, from))
		return pass();
	if (!has_flow(packet->kind))
		return refuse(VERDICT_DROP, REASON_INBOUND_KIND);
	if (ip_in_tunnel_range(from))
		return refuse(VERDICT_DROP, REASON_TUNNEL_RANGE);
	if (packet->kind == PACKET_ICMP_ERROR)
		return pass();
	if (ip_in_proxy_range(from))
		return refuse(VERDICT_DROP, REASON_NO_TRANSLATION);
	return classify(p, packet, from, packet->source_port, VERDICT_DROP);
}

void
policy_free(struct policy *p)
{
	free(p);
}

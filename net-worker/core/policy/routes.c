/*
 * Which resource, if any, carries a packet: see compiled.h.
 *
 * Of all routes whose network contains the address, the one wanted is that
 * which permits the packet, then the one with the longer prefix, then the one
 * with the higher id. Walked by falling length and falling id, that is simply
 * the first that permits.
 */
#include "net-worker/core/policy/compiled.h"

static bool
ports_contain(const struct port_range *ranges, uint32_t count, uint16_t port)
{
	uint32_t low = 0, high = count;

	/* Ranges before low start at or below port, from high on above. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ranges[middle].first <= port)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && port <= ranges[low - 1].last;
}

static bool
rules_permit(const struct rules *rules, const struct port_range *ranges,
    enum packet_kind kind, uint16_t port)
{
	if (rules->everything)
		return true;
	switch (kind) {
	case PACKET_TCP:
		return ports_contain(
		    ranges + rules->tcp.first, rules->tcp.count, port);
	case PACKET_UDP:
		return ports_contain(
		    ranges + rules->udp.first, rules->udp.count, port);
	case PACKET_ICMP_ECHO:
	case PACKET_ICMP_ERROR:
	case PACKET_ICMP_OTHER:
		return rules->icmp;
	case PACKET_OTHER:
		return false;
	}
	return false;
}

/* The last network that starts at or before the address, or NO_NETWORK. */
static uint32_t
network_before(const struct routes *r, struct slice family, struct number ip)
{
	uint32_t low = family.first, high = family.first + family.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (number_compare(&r->networks[middle].first, &ip) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low > family.first ? low - 1 : NO_NETWORK;
}

/* The first route of the network that permits, or NULL. */
static const struct rules *
network_permits(const struct routes *r, const struct network *n,
    enum packet_kind kind, uint16_t port)
{
	const uint32_t *route = r->routes + n->routes.first;

	for (uint32_t i = 0; i < n->routes.count; i++) {
		const struct rules *rules = &r->rules[route[i]];

		if (rules_permit(rules, r->ranges, kind, port))
			return rules;
	}
	return NULL;
}

enum coverage
routes_classify(const struct routes *r, const struct ip_address *ip,
    enum packet_kind kind, uint16_t port, const struct rules **rules)
{
	struct slice family = ip->family == IP_V4 ? r->v4 : r->v6;
	struct number number = number_of(ip);
	enum coverage coverage = NOT_COVERED;
	const struct network *network;
	const struct rules *permits;

	*rules = NULL;
	for (uint32_t i = network_before(r, family, number); i != NO_NETWORK;
	     i = network->parent) {
		network = &r->networks[i];
		if (!network_contains(network, number))
			continue;
		permits = network_permits(r, network, kind, port);
		if (permits != NULL) {
			*rules = permits;
			return COVERED_PERMITTED;
		}
		/* Of those that reject it, the first is the choice. */
		if (coverage == NOT_COVERED)
			*rules = &r->rules[r->routes[network->routes.first]];
		coverage = COVERED_REJECTED;
	}
	return coverage;
}

/* As it was before it was compiled. */
static struct ip_prefix
prefix_of_network(const struct network *n, enum ip_family family)
{
	struct ip_prefix p = { .ip.family = family };
	struct number first = { htobe64(n->first.high), htobe64(n->first.low) };

	memcpy(p.ip.bytes, &first, sizeof(first));
	p.length = (uint8_t)(__builtin_popcountll(n->mask.high) +
	    __builtin_popcountll(n->mask.low));
	return p;
}

size_t
routes_explain(const struct routes *r, const struct ip_address *ip,
    enum packet_kind kind, uint16_t port, struct policy_route *to, size_t max)
{
	struct slice family = ip->family == IP_V4 ? r->v4 : r->v6;
	struct number number = number_of(ip);
	const struct network *network;
	size_t count = 0;

	for (uint32_t i = network_before(r, family, number); i != NO_NETWORK;
	     i = network->parent) {
		network = &r->networks[i];
		if (!network_contains(network, number))
			continue;
		for (uint32_t k = 0; k < network->routes.count; k++) {
			const struct rules *rules =
			    &r->rules[r->routes[network->routes.first + k]];

			if (count++ >= max)
				continue;
			*to++ = (struct policy_route){
				.resource = rules->resource,
				.network =
				    prefix_of_network(network, ip->family),
				.permits =
				    rules_permit(rules, r->ranges, kind, port),
			};
		}
	}
	return count;
}

const struct translation *
translations_find(const struct translations *t, const struct ip_address *proxy)
{
	struct slice family = proxy->family == IP_V4 ? t->v4 : t->v6;
	struct number number = number_of(proxy);
	uint32_t low = family.first, high = family.first + family.count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (number_compare(&t->entries[middle].proxy, &number) > 0)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == family.first ||
	    number_compare(&t->entries[low - 1].proxy, &number) != 0)
		return NULL;
	return &t->entries[low - 1];
}

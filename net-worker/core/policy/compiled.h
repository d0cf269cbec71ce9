/*
 * The compiled form behind policy.h: a few contiguous arrays in one
 * allocation, written once by compile.c and only read by policy.c and routes.c.
 */
#ifndef NET_WORKER_CORE_POLICY_COMPILED_H
#define NET_WORKER_CORE_POLICY_COMPILED_H

#include <endian.h>
#include <string.h>

#include "common/site_networks.h"
#include "net-worker/core/policy/policy.h"

/* Part of another array. */
struct slice {
	uint32_t first;
	uint32_t count;
};

struct port_range {
	uint16_t first, last; /* inclusive */
};

/* What one resource permits: firezone-policy(7), Evaluation. */
struct rules {
	struct uuid resource;
	struct uuid flow_authorization; /* all zero: no flow logs */
	bool everything;                /* its list of filters is empty */
	bool icmp;
	bool withdrawn; /* for who goes there; see probed.h */
	uint8_t meter;
	struct slice tcp, udp; /* of ranges: ascending, disjoint */
};

/* An address as a number, to compare at once; IPv4 in the topmost bits. */
struct number {
	uint64_t high, low;
};

/*
 * All routes to one network. Networks are sorted by first address, then by
 * length, so that the last one that starts at or before an address, and the
 * parents of that one, are all that can contain the address.
 */
struct network {
	struct number first, mask;
	uint32_t parent; /* the smallest other one around it, or NO_NETWORK */
	struct slice routes; /* of routes */
};

#define NO_NETWORK UINT32_MAX

struct routes {
	struct network *networks; /* IPv4 ones, then IPv6 ones */
	struct slice v4, v6;      /* of networks */
	uint32_t *routes;    /* indices of rules; of one network: descending */
	struct rules *rules; /* ascending by resource */
	struct port_range *ranges;
};

/* What a proxy address stands for: firezone-policy(7), DNS RESOURCES. */
struct translation {
	struct number proxy;
	struct ip_address real; /* IP_NONE: there is none to reach */
	const char *domain;     /* in the policy */
	uint16_t name;          /* its number */
	bool withdrawn;         /* the real address, likewise */
};

struct translations {
	struct translation *entries; /* IPv4 ones, then IPv6 ones; ascending */
	struct slice v4, v6;
};

struct parties {
	struct ip_address client_v4, client_v6;   /* IP_NONE: has none */
	struct ip_address gateway_v4, gateway_v6; /* likewise */
	bool expose_host;
	bool closed; /* nothing passes, and nothing is answered */
	bool silent; /* nobody is told that there is no route */
	bool translates; /* names may be reached over the other family */
};

struct policy {
	struct parties parties;
	struct routes routes;
	struct translations translations;
	bool has_internet;
	struct rules internet; /* its ids; it permits everything */
	struct ip_prefix *site; /* but these; see site_networks.h */
	size_t site_count;
};

static inline struct number
number_of(const struct ip_address *ip)
{
	struct number n;

	memcpy(&n, ip->bytes, sizeof(n));
	return (struct number){ be64toh(n.high), be64toh(n.low) };
}

static inline int
number_compare(const struct number *a, const struct number *b)
{
	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	return (a->low > b->low) - (a->low < b->low);
}

static inline bool
network_contains(const struct network *n, struct number ip)
{
	return ((n->first.high ^ ip.high) & n->mask.high) == 0 &&
	    ((n->first.low ^ ip.low) & n->mask.low) == 0;
}

enum coverage {
	NOT_COVERED,
	COVERED_REJECTED,
	COVERED_PERMITTED,
};

/*
 * firezone-policy(7), Selection; *rules is the choice, unless it is not
 * covered.
 */
enum coverage routes_classify(const struct routes *, const struct ip_address *,
    enum packet_kind, uint16_t port, const struct rules **rules);

/* See policy_explain(). */
size_t routes_explain(const struct routes *, const struct ip_address *,
    enum packet_kind, uint16_t port, struct policy_route *, size_t max);

/* NULL when the address stands for nothing; any route or none may go there. */
const struct translation *translations_find(
    const struct translations *, const struct ip_address *proxy);

/* What a policy is compiled from. */

struct resource_source {
	struct uuid id;
	struct uuid flow_authorization;
	const struct filter *filters;
	size_t filter_count;
	uint8_t meter;
	bool withdrawn;
};

struct route_source {
	struct ip_prefix network;
	uint32_t resource; /* index */
};

struct translation_source {
	struct ip_address proxy, real;
	const char *domain;
	uint16_t name;
	bool withdrawn;
};

struct policy_source {
	struct parties parties;
	const struct resource_source *resources; /* in ascending order of ids */
	size_t resource_count;
	struct route_source *networks; /* will be sorted */
	size_t network_count;
	/* By address, and those of one address by falling resource. */
	const struct route_source *proxies;
	size_t proxy_count;
	/* In ascending order of proxies; those of a name share its domain. */
	const struct translation_source *translations;
	size_t translation_count;
	const struct resource_source *internet; /* or NULL */
	const struct site_networks *site;       /* matters to that alone */
};

/* Of no more than a client may have (grants.h, names.h). NULL: no memory. */
struct policy *policy_compile(const struct policy_source *);

#endif /* NET_WORKER_CORE_POLICY_COMPILED_H */

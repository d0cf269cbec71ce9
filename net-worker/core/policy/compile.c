/*
 * From grants to the form of compiled.h.
 *
 * The one allocation is as large as the sources could need at most: merging
 * ranges and sharing networks only ever take less.
 */
#include <stdalign.h>
#include <stdlib.h>

#include "net-worker/core/policy/compiled.h"

/* No sum or product of sizes below can overflow, nor an index be NO_NETWORK. */
#define SOURCES_MAX ((size_t)1 << 24)

static int
compare_ranges(const void *left, const void *right)
{
	const struct port_range *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* Sorts and unites ranges in place; returns how many are left. */
static uint32_t
unite(struct port_range *ranges, uint32_t count)
{
	uint32_t n = 0;

	if (count == 0)
		return 0;
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	for (uint32_t i = 1; i < count; i++) {
		if (ranges[i].first > ranges[n].last)
			ranges[++n] = ranges[i];
		else if (ranges[i].last > ranges[n].last)
			ranges[n].last = ranges[i].last;
	}
	return n + 1;
}

/* The ranges that the filters give to one protocol, from *used on. */
static struct slice
compile_ports(const struct resource_source *from, enum filter_protocol protocol,
    struct port_range *ranges, uint32_t *used)
{
	struct slice slice = { *used, 0 };

	for (size_t i = 0; i < from->filter_count; i++) {
		const struct filter *f = &from->filters[i];

		if (f->protocol == protocol && f->first <= f->last)
			ranges[slice.first + slice.count++] =
			    (struct port_range){ f->first, f->last };
	}
	slice.count = unite(ranges + slice.first, slice.count);
	*used += slice.count;
	return slice;
}

/*
 * "Everything" hangs on the list as it was given: one that holds nothing but
 * empty ranges or protocols we do not know permits nothing.
 */
static struct rules
compile_rules(const struct resource_source *from, struct port_range *ranges,
    uint32_t *used)
{
	struct rules rules = { .resource = from->id };

	rules.everything = from->filter_count == 0;
	for (size_t i = 0; i < from->filter_count; i++)
		if (from->filters[i].protocol == FILTER_ICMP)
			rules.icmp = true;
	rules.tcp = compile_ports(from, FILTER_TCP, ranges, used);
	rules.udp = compile_ports(from, FILTER_UDP, ranges, used);
	return rules;
}

static int
compare_prefixes(const struct ip_prefix *a, const struct ip_prefix *b)
{
	int order = ip_compare(&a->ip, &b->ip);

	return order != 0 ? order : a->length - b->length;
}

static int
compare_routes(const void *left, const void *right)
{
	const struct route_source *a = left, *b = right;
	int order = compare_prefixes(&a->network, &b->network);

	if (order != 0)
		return order;
	return (a->resource < b->resource) - (a->resource > b->resource);
}

/* The number of the first length bits set. */
static struct number
mask_of(unsigned length)
{
	struct number m = { UINT64_MAX, UINT64_MAX };

	if (length <= 64)
		m.low = 0;
	else if (length < 128)
		m.low <<= 128 - length;
	if (length == 0)
		m.high = 0;
	else if (length < 64)
		m.high <<= 64 - length;
	return m;
}

/* The nearest network of the family around the one that follows them. */
static uint32_t
find_parent(const struct routes *r, struct slice family, struct number first)
{
	uint32_t i = NO_NETWORK;

	if (family.count > 0)
		i = family.first + family.count - 1;
	while (i != NO_NETWORK && !network_contains(&r->networks[i], first))
		i = r->networks[i].parent;
	return i;
}

/* Adds the network, which sorts behind all that are there. */
static void
add_network(
    struct routes *r, const struct ip_prefix *prefix, uint32_t first_route)
{
	struct slice *family = prefix->ip.family == IP_V4 ? &r->v4 : &r->v6;
	struct number first = number_of(&prefix->ip);
	struct network *n;

	if (family->count == 0)
		family->first = r->v4.count;
	n = &r->networks[family->first + family->count];
	n->first = first;
	n->mask = mask_of(prefix->length);
	n->parent = find_parent(r, *family, first);
	n->routes = (struct slice){ first_route, 0 };
	family->count++;
}

/* Sources come sorted: those of one network stand together. */
static void
add_routes(struct routes *r, const struct route_source *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (i == 0 ||
		    compare_prefixes(&from[i - 1].network, &from[i].network) !=
			0)
			add_network(r, &from[i].network, i);
		r->routes[i] = from[i].resource;
		r->networks[r->v4.count + r->v6.count - 1].routes.count++;
	}
}

/* Adds an array to a block of *size bytes; returns where it starts. */
static size_t
reserve(size_t *size, size_t count, size_t element)
{
	size_t align = alignof(max_align_t);
	size_t at = (*size + align - 1) / align * align;

	*size = at + count * element;
	return at;
}

static struct policy *
allocate(size_t resources, size_t routes, size_t ranges)
{
	size_t size = sizeof(struct policy);
	size_t at_networks = reserve(&size, routes, sizeof(struct network));
	size_t at_routes = reserve(&size, routes, sizeof(uint32_t));
	size_t at_rules = reserve(&size, resources, sizeof(struct rules));
	size_t at_ranges = reserve(&size, ranges, sizeof(struct port_range));
	uint8_t *block = calloc(1, size);
	struct policy *p = (struct policy *)block;

	if (block == NULL)
		return NULL;
	p->routes.networks = (struct network *)(block + at_networks);
	p->routes.routes = (uint32_t *)(block + at_routes);
	p->routes.rules = (struct rules *)(block + at_rules);
	p->routes.ranges = (struct port_range *)(block + at_ranges);
	return p;
}

/* How many ranges the filters can become at most; more than allowed: false. */
static bool
count_ranges(
    const struct resource_source *resources, size_t count, size_t *ranges)
{
	*ranges = 0;
	for (size_t i = 0; i < count; i++) {
		if (resources[i].filter_count > SOURCES_MAX - *ranges)
			return false;
		*ranges += resources[i].filter_count;
	}
	return true;
}

struct policy *
policy_compile(const struct parties *parties,
    const struct resource_source *resources, size_t resource_count,
    struct route_source *routes, size_t route_count)
{
	struct policy *p;
	size_t ranges;
	uint32_t used = 0;

	if (resource_count > SOURCES_MAX || route_count > SOURCES_MAX ||
	    !count_ranges(resources, resource_count, &ranges))
		return NULL;
	if ((p = allocate(resource_count, route_count, ranges)) == NULL)
		return NULL;
	p->parties = *parties;
	for (size_t i = 0; i < resource_count; i++)
		p->routes.rules[i] =
		    compile_rules(&resources[i], p->routes.ranges, &used);
	if (route_count > 0)
		qsort(routes, route_count, sizeof(*routes), compare_routes);
	add_routes(&p->routes, routes, (uint32_t)route_count);
	return p;
}

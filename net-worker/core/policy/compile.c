/*
 * From grants to the form of compiled.h.
 *
 * The one allocation is as large as the sources could need at most: merging
 * ranges and sharing networks only ever take less.
 */
#include <stdalign.h>
#include <stdlib.h>

#include "common/sort.h"

#include "net-worker/core/policy/compiled.h"
#include "net-worker/core/policy/grants.h"
#include "net-worker/core/policy/names.h"

/* No sum or product of sizes below can overflow, nor an index be NO_NETWORK. */
_Static_assert(GRANTS_OF_CLIENT_MAX <= UINT32_MAX / 8 / FILTERS_MAX &&
	NAMES_PROXIES_MAX <= UINT32_MAX / 128 / PROXY_RESOURCES_MAX,
    "too many sources");

static int
compare_ranges(const void *left, const void *right)
{
	const struct port_range *a = left, *b = right;

	return a->first - b->first;
}

/* Sorts and unites ranges in place; returns how many are left. */
static uint32_t
unite_ranges(struct port_range *ranges, uint32_t count)
{
	uint32_t n = 0;

	if (count == 0)
		return 0;
	sort(ranges, count, sizeof(*ranges), compare_ranges);
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
	slice.count = unite_ranges(ranges + slice.first, slice.count);
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
	struct rules rules = {
		.resource = from->id,
		.flow_authorization = from->flow_authorization,
		.meter = from->meter,
		.withdrawn = from->withdrawn,
	};

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

/* What is left of two sorted lists, to be taken as one. */
struct merge {
	const struct route_source *networks, *proxies;
	size_t network_count, proxy_count;
};

static const struct route_source *
next_route(struct merge *m)
{
	if (m->network_count > 0 &&
	    (m->proxy_count == 0 ||
		compare_routes(m->networks, m->proxies) < 0)) {
		m->network_count--;
		return m->networks++;
	}
	if (m->proxy_count == 0)
		return NULL;
	m->proxy_count--;
	return m->proxies++;
}

static void
add_routes(struct routes *r, const struct policy_source *from)
{
	struct merge m = { from->networks, from->proxies, from->network_count,
		from->proxy_count };
	const struct route_source *route, *last = NULL;

	for (uint32_t i = 0; (route = next_route(&m)) != NULL; i++) {
		struct network *n;

		if (last == NULL ||
		    compare_prefixes(&last->network, &route->network) != 0)
			add_network(r, &route->network, i);
		n = &r->networks[r->v4.count + r->v6.count - 1];
		n->routes.count++;
		r->routes[i] = route->resource;
		last = route;
	}
}

/* Adds an array to a block of *size bytes; returns where it starts. */
static size_t
reserve_array(size_t *size, size_t count, size_t element)
{
	size_t align = alignof(max_align_t);
	size_t at = (*size + align - 1) / align * align;

	*size = at + count * element;
	return at;
}

/* Where the parts of the one allocation begin. */
struct layout {
	size_t networks, routes, rules, ranges, translations, site, text, size;
};

static struct policy *
allocate_policy(const struct layout *at)
{
	uint8_t *block = calloc(1, at->size);
	struct policy *p = (struct policy *)block;

	if (block == NULL)
		return NULL;
	p->routes.networks = (struct network *)(block + at->networks);
	p->routes.routes = (uint32_t *)(block + at->routes);
	p->routes.rules = (struct rules *)(block + at->rules);
	p->routes.ranges = (struct port_range *)(block + at->ranges);
	p->translations.entries =
	    (struct translation *)(block + at->translations);
	p->site = (struct ip_prefix *)(block + at->site);
	return p;
}

/* How many ranges the filters can become at most. */
static size_t
range_count(const struct policy_source *from)
{
	size_t count = 0;

	for (size_t i = 0; i < from->resource_count; i++)
		count += from->resources[i].filter_count;
	return count;
}

/* Proxies of one name stand for the very same text. */
static bool
same_domain(const struct policy_source *from, size_t i)
{
	return i > 0 &&
	    from->translations[i].domain == from->translations[i - 1].domain;
}

static size_t
text_size(const struct policy_source *from)
{
	size_t size = 0;

	for (size_t i = 0; i < from->translation_count; i++)
		if (!same_domain(from, i))
			size += strlen(from->translations[i].domain) + 1;
	return size;
}

static size_t
site_count(const struct policy_source *from)
{
	return from->internet != NULL ? from->site->count : 0;
}

static void
lay_policy_out(const struct policy_source *from, struct layout *at)
{
	size_t routes = from->network_count + from->proxy_count;

	at->size = sizeof(struct policy);
	at->networks = reserve_array(&at->size, routes, sizeof(struct network));
	at->routes = reserve_array(&at->size, routes, sizeof(uint32_t));
	at->rules = reserve_array(
	    &at->size, from->resource_count, sizeof(struct rules));
	at->ranges = reserve_array(
	    &at->size, range_count(from), sizeof(struct port_range));
	at->translations = reserve_array(
	    &at->size, from->translation_count, sizeof(struct translation));
	at->site = reserve_array(
	    &at->size, site_count(from), sizeof(struct ip_prefix));
	at->text = reserve_array(&at->size, text_size(from), 1);
}

static void
add_translations(struct policy *p, const struct policy_source *from, char *text)
{
	struct translations *t = &p->translations;
	const char *domain = NULL;

	for (size_t i = 0; i < from->translation_count; i++) {
		const struct translation_source *source =
		    &from->translations[i];

		if (!same_domain(from, i)) {
			size_t len = strlen(source->domain) + 1;

			domain = memcpy(text, source->domain, len);
			text += len;
		}
		t->entries[i] = (struct translation){ number_of(&source->proxy),
			source->real, domain, source->name, source->withdrawn };
		if (source->proxy.family == IP_V4)
			t->v4.count++;
		else
			t->v6.count++;
	}
	t->v6.first = t->v4.count;
}

struct policy *
policy_compile(const struct policy_source *from)
{
	struct policy *p;
	struct layout at;
	uint32_t used = 0;

	lay_policy_out(from, &at);
	if ((p = allocate_policy(&at)) == NULL)
		return NULL;
	p->parties = from->parties;
	for (size_t i = 0; i < from->resource_count; i++)
		p->routes.rules[i] =
		    compile_rules(&from->resources[i], p->routes.ranges, &used);
	sort(from->networks, from->network_count, sizeof(*from->networks),
	    compare_routes);
	add_routes(&p->routes, from);
	add_translations(p, from, (char *)p + at.text);
	if (from->internet != NULL) {
		p->has_internet = true;
		p->internet.resource = from->internet->id;
		p->internet.meter = from->internet->meter;
		p->internet.flow_authorization =
		    from->internet->flow_authorization;
		p->site_count = from->site->count;
		memcpy(p->site, from->site->network,
		    p->site_count * sizeof(p->site[0]));
	}
	return p;
}

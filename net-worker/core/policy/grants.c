/*
 * One client's grants: see grants.h. They are kept in an array of pointers,
 * ascending by resource id, which is the order that the compiled form wants.
 */
#include "net-worker/core/policy/grants.h"

#include <stdlib.h>
#include <string.h>

#include "common/plan.h"
#include "net-worker/core/policy/compiled.h"
#include "net-worker/core/policy/names.h"
#include "net-worker/core/policy/pattern.h"

/*
 * What an expiry too far away to be represented becomes: firezone-policy(7),
 * Expiry.
 */
#define EXPIRY_FALLBACK_S 86400

#define GRANTS_AT_FIRST 8

struct grants {
	struct uuid id;
	struct ip_address v4, v6;
	struct grant **grants;
	size_t count;
	size_t room;
	bool closed;
	bool silent;
	struct names *names;
	bool translates; /* between IPv4 and IPv6 */
	const struct probed *probed; /* NULL: nobody looks */
	struct holders *holders;     /* NULL: there is no index */
	void *client;                /* in there */
};

static struct ip_address
address_of(const struct ip_address *ip, enum ip_family family)
{
	return ip->family == family ? *ip : (struct ip_address){ 0 };
}

struct grants *
grants_new(const struct uuid *id, const struct ip_address *v4,
    const struct ip_address *v6)
{
	struct grants *c = calloc(1, sizeof(*c));

	if (c == NULL || (c->names = names_new()) == NULL) {
		free(c);
		return NULL;
	}
	c->id = *id;
	c->v4 = address_of(v4, IP_V4);
	c->v6 = address_of(v6, IP_V6);
	return c;
}

void
grants_index(struct grants *c, struct holders *holders, void *client)
{
	c->holders = holders;
	c->client = client;
}

static void
grant_free(struct grants *c, struct grant *g)
{
	if (c->holders != NULL)
		holders_remove(c->holders, &g->holder);
	free(g->filters);
	free(g);
}

void
grants_free(struct grants *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->count; i++)
		grant_free(c, c->grants[i]);
	free(c->grants);
	names_free(c->names);
	free(c);
}

const struct uuid *
grants_client(const struct grants *c)
{
	return &c->id;
}

bool
grants_have_addresses(const struct grants *c, const struct ip_address *v4,
    const struct ip_address *v6)
{
	return ip_equal(&c->v4, v4) && ip_equal(&c->v6, v6);
}

struct ip_address
grants_address(const struct grants *c, enum ip_family family)
{
	switch (family) {
	case IP_V4:
		return c->v4;
	case IP_V6:
		return c->v6;
	default:
		return (struct ip_address){ 0 };
	}
}

void
grants_silence(struct grants *c, bool silent)
{
	c->silent = silent;
}

void
grants_close(struct grants *c, bool closed)
{
	c->closed = closed;
}

void
grants_allow_translation(struct grants *c, bool translates)
{
	c->translates = translates;
	if (!translates)
		names_leave_other_family(c->names);
}

/* Where the grant of the resource is, or would have to be. */
static size_t
grant_place(const struct grants *c, const struct uuid *resource, bool *there)
{
	size_t low = 0, high = c->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (uuid_compare(&c->grants[middle]->resource, resource) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*there =
	    low < c->count && uuid_equal(&c->grants[low]->resource, resource);
	return low;
}

static struct grant *
grant_of(const struct grants *c, const struct uuid *resource)
{
	bool there;
	size_t i = grant_place(c, resource, &there);

	return there ? c->grants[i] : NULL;
}

static void
remove_grant_at(struct grants *c, size_t i)
{
	grant_free(c, c->grants[i]);
	c->count--;
	memmove(&c->grants[i], &c->grants[i + 1],
	    (c->count - i) * sizeof(c->grants[0]));
}

static bool
make_room_for_grant(struct grants *c)
{
	size_t room = c->room == 0 ? GRANTS_AT_FIRST : c->room * 2;
	struct grant **grants;

	if (c->count < c->room)
		return true;
	grants = reallocarray(c->grants, room, sizeof(grants[0]));
	if (grants == NULL)
		return false;
	c->grants = grants;
	c->room = room;
	return true;
}

static bool
network_valid(const struct ip_prefix *p)
{
	struct ip_address first = p->ip;

	if (p->ip.family == IP_NONE || p->length > ip_size(&p->ip) * 8)
		return false;
	for (size_t bit = p->length; bit < sizeof(first.bytes) * 8; bit++)
		first.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return ip_equal(&first, &p->ip);
}

static bool
grant_valid(const struct grant *g)
{
	if (g->filter_count > FILTERS_MAX)
		return false;
	switch (g->type) {
	case RESOURCE_CIDR:
		return network_valid(&g->network);
	case RESOURCE_DNS:
		return memchr(g->pattern, '\0', sizeof(g->pattern)) != NULL;
	case RESOURCE_INTERNET:
		return true;
	}
	return false;
}

/* Replaces the filters of the grant, or leaves it as it is. */
static bool
set_filters(struct grant *g, const struct filter *filters, size_t count)
{
	struct filter *copy = NULL;

	if (g->type == RESOURCE_INTERNET)
		count = 0; /* never has filters: firezone-policy(7), Resources */
	if (count > FILTERS_MAX)
		return false;
	if (count > 0) {
		copy = reallocarray(NULL, count, sizeof(*copy));
		if (copy == NULL)
			return false;
		memcpy(copy, filters, count * sizeof(*copy));
	}
	free(g->filters);
	g->filters = copy;
	g->filter_count = count;
	return true;
}

static enum grant_result
grant_again(struct grants *c, size_t i, const struct grant *from)
{
	struct grant *g = c->grants[i];

	g->expires_at = from->expires_at;
	g->expires = from->expires;
	if (g->type != from->type)
		return GRANT_TYPE_CONFLICT;
	g->flow_authorization = from->flow_authorization;
	g->meter = from->meter;
	if (!set_filters(g, from->filters, from->filter_count)) {
		remove_grant_at(c, i);
		return GRANT_NO_MEMORY;
	}
	return GRANT_UPDATED;
}

static struct grant *
grant_copy(struct grants *c, const struct grant *from)
{
	struct grant *g = malloc(sizeof(*g));

	if (g == NULL)
		return NULL;
	*g = *from;
	g->filters = NULL;
	g->holder = (struct holder){ 0 };
	if (!set_filters(g, from->filters, from->filter_count) ||
	    (c->holders != NULL &&
		!holders_add(
		    c->holders, &g->holder, &g->resource, c->client))) {
		grant_free(c, g);
		return NULL;
	}
	return g;
}

enum grant_result
grants_add(struct grants *c, const struct grant *from)
{
	struct grant *g;
	bool there;
	size_t i = grant_place(c, &from->resource, &there);

	if (!grant_valid(from))
		return GRANT_INVALID;
	if (there)
		return grant_again(c, i, from);
	if (c->count == GRANTS_OF_CLIENT_MAX)
		return GRANT_INVALID;
	if (!make_room_for_grant(c) || (g = grant_copy(c, from)) == NULL)
		return GRANT_NO_MEMORY;
	memmove(&c->grants[i + 1], &c->grants[i],
	    (c->count - i) * sizeof(c->grants[0]));
	c->grants[i] = g;
	c->count++;
	names_restrict(c->names, &g->resource,
	    g->type == RESOURCE_DNS ? g->pattern : NULL);
	return GRANT_NEW;
}

static bool
is_later(uint64_t expires_at, uint64_t other)
{
	return other != 0 && (expires_at == 0 || expires_at > other);
}

enum grant_result
grants_prolong(struct grants *c, const struct grant *from)
{
	const struct grant *there = grant_of(c, &from->resource);
	struct grant g = *from;

	if (there != NULL && is_later(there->expires_at, g.expires_at))
		g.expires_at = there->expires_at;
	if (there != NULL)
		g.expires = mono_max(g.expires, there->expires);
	return grants_add(c, &g);
}

bool
grants_revoke(struct grants *c, const struct uuid *resource)
{
	bool there;
	size_t i = grant_place(c, resource, &there);

	if (there)
		remove_grant_at(c, i);
	return there;
}

bool
grants_update_filters(struct grants *c, const struct uuid *resource,
    enum resource_type type, const struct filter *filters, size_t count)
{
	bool there;
	size_t i = grant_place(c, resource, &there);

	if (!there || c->grants[i]->type != type)
		return false;
	if (!set_filters(c->grants[i], filters, count))
		remove_grant_at(c, i);
	return true;
}

bool
grants_set_expiry(struct grants *c, const struct uuid *resource,
    uint64_t expires_at, struct mono expires)
{
	struct grant *g = grant_of(c, resource);

	if (g == NULL)
		return false;
	if (expires_at != 0 && g->expires_at == expires_at)
		expires = mono_min(g->expires, expires);
	g->expires_at = expires_at;
	g->expires = expires;
	return true;
}

void
grants_clock_was_set(struct grants *c, const struct clock_reading *now)
{
	for (size_t i = 0; i < c->count; i++) {
		struct grant *g = c->grants[i];

		if (g->expires_at != 0)
			g->expires = mono_min(g->expires,
			    grants_expiry_from_unix(g->expires_at, now));
	}
}

size_t
grants_count(const struct grants *c)
{
	return c->count;
}

const struct grant *
grants_get(const struct grants *c, size_t i)
{
	return i < c->count ? c->grants[i] : NULL;
}

struct mono
grants_deadline(const struct grants *c)
{
	struct mono deadline = MONO_NEVER;

	for (size_t i = 0; i < c->count; i++)
		deadline = mono_min(deadline, c->grants[i]->expires);
	return deadline;
}

bool
grants_expire(struct grants *c, struct mono now, struct uuid *gone)
{
	for (size_t i = 0; i < c->count; i++) {
		if (mono_is_never(c->grants[i]->expires) ||
		    !mono_due(c->grants[i]->expires, now))
			continue;
		*gone = c->grants[i]->resource;
		remove_grant_at(c, i);
		return true;
	}
	return false;
}

struct mono
grants_expiry_from_unix(uint64_t expires_at, const struct clock_reading *now)
{
	struct mono expires;

	if (expires_at == 0)
		return MONO_NEVER;
	expires = clock_mono_of_unix(now, expires_at);
	/* What overflows is a mistake, not a grant for ever. */
	if (mono_is_never(expires))
		return mono_add_s(now->mono, EXPIRY_FALLBACK_S);
	return mono_max(expires, now->mono);
}

/* Names. */

enum assign_result
grants_may_assign(
    const struct grants *c, const struct uuid *resource, const char *domain)
{
	const struct grant *g = grant_of(c, resource);

	if (g == NULL)
		return ASSIGN_NOT_GRANTED;
	if (g->type != RESOURCE_DNS)
		return ASSIGN_NOT_DNS;
	if (!pattern_matches(g->pattern, domain))
		return ASSIGN_NO_MATCH;
	return ASSIGN_DONE;
}

void
grants_watch_names(struct grants *c, bool watched)
{
	names_watch(c->names, watched);
}

/* One that is still granted, and for that name; NULL: none. */
static const struct uuid *
resource_of_proxy(const struct grants *c, const struct proxy *p)
{
	for (size_t i = 0; i < p->resource_count; i++)
		if (grants_may_assign(c, &p->resources[i], p->name->domain) ==
		    ASSIGN_DONE)
			return &p->resources[i];
	return NULL;
}

/* False where nothing of it is granted any more. */
static bool
describe_name(
    const struct grants *c, const struct name *name, struct unanswered_name *to)
{
	const struct uuid *resource = NULL;
	const struct proxy *p;

	*to = (struct unanswered_name){ .name = name, .domain = name->domain };
	for (size_t i = 0; (p = names_get(c->names, i)) != NULL; i++) {
		if (p->name != name || to->proxy_count == PROXIES_MAX)
			continue;
		to->proxies[to->proxy_count++] = p->ip;
		if (resource == NULL)
			resource = resource_of_proxy(c, p);
	}
	if (resource != NULL)
		to->resource = *resource;
	return resource != NULL;
}

bool
grants_unanswered_name(
    struct grants *c, struct mono now, struct unanswered_name *to)
{
	const struct name *name;

	while ((name = names_unanswered(c->names, now)) != NULL) {
		if (describe_name(c, name, to))
			return true;
		names_asked(c->names, name, now);
	}
	return false;
}

void
grants_name_asked(
    struct grants *c, struct mono now, const struct unanswered_name *u)
{
	names_asked(c->names, u->name, now);
}

/* A list of our own, sorted, of those that are acceptable; NULL: no memory. */
static struct ip_address *
sorted_addresses(const struct ip_address *from, size_t *count,
    bool (*acceptable)(const struct ip_address *))
{
	struct ip_address *list = reallocarray(NULL, *count + 1, sizeof(*list));

	if (list == NULL)
		return NULL;
	if (*count > 0)
		memcpy(list, from, *count * sizeof(*list));
	*count = names_sort(list, *count, acceptable);
	return list;
}

static size_t
count_unacceptable(const struct ip_address *list, size_t count,
    bool (*acceptable)(const struct ip_address *))
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += !acceptable(&list[i]);
	return n;
}

static enum assign_result
assign_addresses(struct grants *c, const struct assignment *a,
    const struct names_entry *entry, struct assign_effect *effect)
{
	enum assign_result result;
	bool changed, done;

	if (names_conflict(
		c->names, a->domain, entry->proxies, entry->proxy_count)) {
		names_clear(c->names);
		effect->changed = effect->renumbered = true;
	}
	result = grants_may_assign(c, &a->resource, a->domain);
	if (result != ASSIGN_DONE)
		return result;
	if (entry->proxy_count == 0 && a->proxy_count > 0)
		return ASSIGN_NO_PROXY;
	done = names_assign(c->names, entry, &changed);
	effect->changed = effect->changed || changed;
	return done ? ASSIGN_DONE : ASSIGN_NO_ROOM;
}

enum assign_result
grants_assign(
    struct grants *c, const struct assignment *a, struct assign_effect *effect)
{
	struct names_entry entry = {
		.domain = a->domain,
		.resource = a->resource,
		.crosses = c->translates && c->v4.family != IP_NONE &&
		    c->v6.family != IP_NONE,
		.now = a->now,
		.proxy_count = a->proxy_count,
		.address_count = a->address_count,
	};
	struct ip_address *proxies, *addresses;
	enum assign_result result = ASSIGN_NO_ROOM;

	*effect = (struct assign_effect){
		.foreign_proxies = count_unacceptable(
		    a->proxies, a->proxy_count, ip_in_proxy_range),
		.unusable_addresses = count_unacceptable(
		    a->addresses, a->address_count, names_address_usable),
	};
	proxies =
	    sorted_addresses(a->proxies, &entry.proxy_count, ip_in_proxy_range);
	addresses = sorted_addresses(
	    a->addresses, &entry.address_count, names_address_usable);
	if (proxies != NULL && addresses != NULL) {
		entry.proxies = proxies;
		entry.addresses = addresses;
		result = assign_addresses(c, a, &entry, effect);
	}
	free(proxies);
	free(addresses);
	return result;
}

size_t
grants_names_size(const struct grants *c)
{
	size_t size = names_count(c->names);

	for (size_t i = 0; i < names_count(c->names); i++)
		size += names_get(c->names, i)->resource_count;
	return size;
}

bool
grants_have_internet(const struct grants *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->grants[i]->type == RESOURCE_INTERNET)
			return true;
	return false;
}

bool
grants_have_names(const struct grants *c)
{
	return names_count(c->names) > 0;
}

struct name_use *
grants_name_use(const struct grants *c)
{
	return names_use(c->names);
}

const struct grant *
grants_find(const struct grants *c, const struct uuid *resource)
{
	return grant_of(c, resource);
}

bool
grants_name_proxy(const struct grants *c, const char *domain,
    enum ip_family family, struct ip_address *to)
{
	const struct proxy *p;
	bool found = false;

	for (size_t i = 0; (p = names_get(c->names, i)) != NULL; i++) {
		if (strcasecmp(p->name->domain, domain) != 0 ||
		    (found && p->ip.family != family))
			continue;
		*to = p->ip;
		found = true;
		if (p->ip.family == family)
			break;
	}
	return found;
}

/* Compiling. */

/* Arrays with room for all that the client has. */
struct sources {
	struct resource_source *resources;
	uint32_t resource_count;
	struct route_source *networks, *proxies;
	uint32_t network_count, proxy_count;
	struct translation_source *translations;
	struct resource_source internet;
	bool has_internet;
	uint32_t *of_grant; /* the index of its resource; by grant */
};

#define NO_RESOURCE UINT32_MAX

static bool
sources_init(struct sources *s, const struct grants *c)
{
	size_t proxies = names_count(c->names), routes = 0;

	for (size_t i = 0; i < proxies; i++)
		routes += names_get(c->names, i)->resource_count;
	s->resources = calloc(c->count + 1, sizeof(*s->resources));
	s->of_grant = calloc(c->count + 1, sizeof(*s->of_grant));
	s->networks = calloc(c->count + 1, sizeof(*s->networks));
	s->proxies = calloc(routes + 1, sizeof(*s->proxies));
	s->translations = calloc(proxies + 1, sizeof(*s->translations));
	return s->resources != NULL && s->of_grant != NULL &&
	    s->networks != NULL && s->proxies != NULL &&
	    s->translations != NULL;
}

static void
sources_free(struct sources *s)
{
	free(s->resources);
	free(s->of_grant);
	free(s->networks);
	free(s->proxies);
	free(s->translations);
}

void
grants_judge_by(struct grants *c, const struct probed *p)
{
	c->probed = p;
}

bool
grants_is_withdrawn(const struct grants *c, const struct grant *g)
{
	/* Only a network has servers of its own. */
	return c->probed != NULL && g->type == RESOURCE_CIDR &&
	    probed_withdraws(c->probed, &g->network);
}

/* Grants in ascending order: so are resources, and the first Internet wins. */
static void
add_grants(struct sources *s, const struct grants *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct grant *g = c->grants[i];
		struct resource_source source = { g->resource,
			g->flow_authorization, g->filters, g->filter_count,
			g->meter, grants_is_withdrawn(c, g) };

		s->of_grant[i] = NO_RESOURCE;
		if (g->type == RESOURCE_INTERNET) {
			if (!s->has_internet)
				s->internet = source;
			s->has_internet = true;
			continue;
		}
		if (g->type == RESOURCE_CIDR)
			s->networks[s->network_count++] =
			    (struct route_source){ g->network,
				    s->resource_count };
		s->of_grant[i] = s->resource_count;
		s->resources[s->resource_count++] = source;
	}
}

static struct ip_prefix
host_route(const struct ip_address *ip)
{
	return (struct ip_prefix){ *ip, (uint8_t)(ip_size(ip) * 8) };
}

/* One route for each resource of the proxy that the client still has. */
static void
add_proxies(struct sources *s, const struct grants *c)
{
	const struct proxy *p;

	for (uint32_t i = 0; (p = names_get(c->names, i)) != NULL; i++) {
		struct ip_prefix network = host_route(&p->ip);

		s->translations[i] = (struct translation_source){ p->ip,
			p->real, p->name->domain, p->name->number,
			c->probed != NULL &&
			    probed_withdraws_host(c->probed, &p->real) };
		for (size_t r = 0; r < p->resource_count; r++) {
			bool there;
			size_t at = grant_place(c, &p->resources[r], &there);

			if (there && s->of_grant[at] != NO_RESOURCE)
				s->proxies[s->proxy_count++] =
				    (struct route_source){ network,
					    s->of_grant[at] };
		}
	}
}

struct policy *
grants_compile(const struct grants *c, const struct ip_address *gateway_v4,
    const struct ip_address *gateway_v6, const struct site_networks *site,
    bool expose_host)
{
	struct sources s = { 0 };
	struct policy_source from = {
		.site = site,
		.parties = {
			.client_v4 = c->v4,
			.client_v6 = c->v6,
			.gateway_v4 = address_of(gateway_v4, IP_V4),
			.gateway_v6 = address_of(gateway_v6, IP_V6),
			.expose_host = expose_host,
			.closed = c->closed,
			.silent = c->silent,
			.translates = c->translates,
		},
	};
	struct policy *policy = NULL;

	if (sources_init(&s, c)) {
		add_grants(&s, c);
		add_proxies(&s, c);
		from.resources = s.resources;
		from.resource_count = s.resource_count;
		from.networks = s.networks;
		from.network_count = s.network_count;
		from.proxies = s.proxies;
		from.proxy_count = s.proxy_count;
		from.translations = s.translations;
		from.translation_count = names_count(c->names);
		from.internet = s.has_internet ? &s.internet : NULL;
		policy = policy_compile(&from);
	}
	sources_free(&s);
	return policy;
}

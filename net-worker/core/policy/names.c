/*
 * Proxy addresses and names: see names.h. Proxies are kept in ascending order
 * of their addresses, names by their numbers: there are few, and they are
 * looked for only when a client assigns one.
 */
#include "net-worker/core/policy/names.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/plan.h"
#include "common/sort.h"
#include "net-worker/core/policy/pattern.h"

struct names {
	struct proxy **proxies;
	size_t proxy_count, proxy_room;
	/* From the first name on, as most clients never have one. */
	struct name **all; /* by number; NULL: none has it */
	size_t room;       /* of all: none, or for every number */
	struct name_use *use;
	bool watched;
	uint64_t order; /* counts assignments */
};

struct names *
names_new(void)
{
	return calloc(1, sizeof(struct names));
}

static void
proxy_free(struct proxy *p)
{
	free(p->resources);
	free(p);
}

static void
name_free(struct name *n)
{
	if (n == NULL)
		return;
	free(n->domain);
	free(n);
}

void
names_clear(struct names *n)
{
	for (size_t i = 0; i < n->proxy_count; i++)
		proxy_free(n->proxies[i]);
	for (size_t i = 0; i < n->room; i++) {
		name_free(n->all[i]);
		n->all[i] = NULL;
	}
	n->proxy_count = 0;
}

void
names_free(struct names *n)
{
	if (n == NULL)
		return;
	names_clear(n);
	name_use_release(n->use);
	free(n->all);
	free(n->proxies);
	free(n);
}

struct name_use *
names_use(const struct names *n)
{
	return n->use;
}

size_t
names_count(const struct names *n)
{
	return n->proxy_count;
}

const struct proxy *
names_get(const struct names *n, size_t i)
{
	return i < n->proxy_count ? n->proxies[i] : NULL;
}

/* Where the proxy is, or would have to be. */
static size_t
find_proxy(const struct names *n, const struct ip_address *ip, bool *there)
{
	size_t low = 0, high = n->proxy_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_compare(&n->proxies[middle]->ip, ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*there = low < n->proxy_count && ip_equal(&n->proxies[low]->ip, ip);
	return low;
}

bool
names_conflict(const struct names *n, const char *domain,
    const struct ip_address *proxies, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool there;
		size_t at = find_proxy(n, &proxies[i], &there);

		if (there &&
		    strcasecmp(n->proxies[at]->name->domain, domain) != 0)
			return true;
	}
	return false;
}

/*
 * Room: of what has no session, the one that was used or assigned longest ago
 * gives way.
 */

static void
forget_name(struct names *n, struct name *name)
{
	size_t kept = 0;

	for (size_t i = 0; i < n->proxy_count; i++) {
		if (n->proxies[i]->name == name)
			proxy_free(n->proxies[i]);
		else
			n->proxies[kept++] = n->proxies[i];
	}
	n->proxy_count = kept;
	n->all[name->number] = NULL;
	name_free(name);
}

static bool
name_is_older(const struct names *n, const struct name *a, const struct name *b)
{
	struct mono used_a =
	    mono_max(a->assigned, name_last_use(n->use, a->number));
	struct mono used_b =
	    mono_max(b->assigned, name_last_use(n->use, b->number));

	if (used_a.ns != used_b.ns)
		return mono_before(used_a, used_b);
	return a->order < b->order;
}

/* False where all but keep are in use. */
static bool
forget_oldest_name(struct names *n, const struct name *keep)
{
	struct name *oldest = NULL;

	for (size_t i = 0; i < n->room; i++) {
		struct name *name = n->all[i];

		if (name == NULL || name == keep ||
		    name_in_use(n->use, name->number))
			continue;
		if (oldest == NULL || name_is_older(n, name, oldest))
			oldest = name;
	}
	if (oldest != NULL)
		forget_name(n, oldest);
	return oldest != NULL;
}

static size_t
free_number(const struct names *n)
{
	size_t i = 0;

	while (i < n->room && n->all[i] != NULL)
		i++;
	return i;
}

static struct name *
add_name(struct names *n, size_t number, const char *domain)
{
	struct name *name = calloc(1, sizeof(*name));

	if (name == NULL || (name->domain = strdup(domain)) == NULL) {
		free(name);
		return NULL;
	}
	name->number = (uint16_t)number;
	name_use_moved(n->use, name->number, (struct mono){ 0 });
	n->all[number] = name;
	return name;
}

static bool
make_room_for_names(struct names *n)
{
	if (n->room > 0)
		return true;
	if (n->use == NULL && (n->use = name_use_new()) == NULL)
		return false;
	name_use_watch(n->use, n->watched);
	if ((n->all = calloc(NAMES_MAX, sizeof(n->all[0]))) == NULL)
		return false;
	n->room = NAMES_MAX;
	return true;
}

static struct name *
name_of(struct names *n, const char *domain, bool *changed)
{
	size_t number;

	for (size_t i = 0; i < n->room; i++)
		if (n->all[i] != NULL &&
		    strcasecmp(n->all[i]->domain, domain) == 0)
			return n->all[i];
	if (!make_room_for_names(n))
		return NULL;
	if ((number = free_number(n)) == n->room) {
		if (!forget_oldest_name(n, NULL))
			return NULL;
		*changed = true;
		number = free_number(n);
	}
	return add_name(n, number, domain);
}

static bool
make_room_for_proxy(struct names *n)
{
	size_t room = n->proxy_room == 0 ? 16 : n->proxy_room * 2;
	struct proxy **proxies;

	if (n->proxy_count < n->proxy_room)
		return true;
	proxies = reallocarray(n->proxies, room, sizeof(proxies[0]));
	if (proxies == NULL)
		return false;
	n->proxies = proxies;
	n->proxy_room = room;
	return true;
}

/* The proxy of that address, a new one without a resource if need be. */
static struct proxy *
proxy_of(struct names *n, struct name *name, const struct ip_address *ip)
{
	struct proxy *p;
	bool there;
	size_t at = find_proxy(n, ip, &there);

	if (there)
		return n->proxies[at];
	if (n->proxy_count == NAMES_PROXIES_MAX || !make_room_for_proxy(n) ||
	    (p = calloc(1, sizeof(*p))) == NULL)
		return NULL;
	p->ip = *ip;
	p->name = name;
	memmove(&n->proxies[at + 1], &n->proxies[at],
	    (n->proxy_count - at) * sizeof(n->proxies[0]));
	n->proxies[at] = p;
	n->proxy_count++;
	return p;
}

static bool
add_resource(struct proxy *p, const struct uuid *resource, bool *changed)
{
	struct uuid *more;
	size_t at = 0;

	while (at < p->resource_count &&
	    uuid_compare(&p->resources[at], resource) > 0)
		at++;
	if (at < p->resource_count && uuid_equal(&p->resources[at], resource))
		return true;
	if (p->resource_count == PROXY_RESOURCES_MAX)
		return false;
	more = reallocarray(p->resources, p->resource_count + 1, sizeof(*more));
	if (more == NULL)
		return false;
	p->resources = more;
	memmove(
	    &more[at + 1], &more[at], (p->resource_count - at) * sizeof(*more));
	more[at] = *resource;
	p->resource_count++;
	*changed = true;
	return true;
}

/* The addresses of one family among those of a name, which are sorted by it. */
struct family {
	const struct ip_address *addresses;
	size_t count;
	size_t next; /* how many proxies of the family have got theirs */
};

static struct family
addresses_of_family(const struct names_entry *e, enum ip_family family)
{
	struct family f = { .addresses = e->addresses };

	for (size_t i = 0; i < e->address_count; i++) {
		if (e->addresses[i].family != family)
			continue;
		if (f.count++ == 0)
			f.addresses = &e->addresses[i];
	}
	return f;
}

/* What proxies of the family stand for. */
static struct family
addresses_reached_by(const struct names_entry *e, enum ip_family family)
{
	struct family f = addresses_of_family(e, family);

	if (f.count == 0 && e->crosses)
		return addresses_of_family(e, family == IP_V4 ? IP_V6 : IP_V4);
	return f;
}

static struct ip_address
next_address(struct family *f)
{
	if (f->count == 0)
		return (struct ip_address){ 0 };
	return f->addresses[f->next++ % f->count];
}

static size_t
new_proxies(const struct names *n, const struct names_entry *e)
{
	size_t count = 0;

	for (size_t i = 0; i < e->proxy_count; i++) {
		bool there;

		(void)find_proxy(n, &e->proxies[i], &there);
		count += !there;
	}
	return count;
}

/* Names without an answer. */

void
names_watch(struct names *n, bool watched)
{
	n->watched = watched;
	if (n->use != NULL)
		name_use_watch(n->use, watched);
}

static struct mono
silent_since(const struct names *n, const struct name *name)
{
	return mono_max(mono_max(name->assigned, name->asked),
	    name_last_heard(n->use, name->number));
}

static bool
is_unanswered(const struct names *n, struct name *name, struct mono now)
{
	struct mono since = silent_since(n, name);

	if (mono_before(name_last_sent(n->use, name->number),
		mono_add_s(since, NAME_SILENCE_S)))
		return false;
	/* An answer may be on its way still. */
	if (mono_before(name->unanswered, since)) {
		name->unanswered = now;
		return false;
	}
	return mono_due(mono_add_s(since, NAME_UNANSWERED_S), now);
}

const struct name *
names_unanswered(struct names *n, struct mono now)
{
	for (size_t i = 0; n->watched && i < n->room; i++)
		if (n->all[i] != NULL && is_unanswered(n, n->all[i], now))
			return n->all[i];
	return NULL;
}

void
names_asked(struct names *n, const struct name *name, struct mono now)
{
	n->all[name->number]->asked = now;
}

/*
 * What had no answer has become another address: sessions with the former one
 * are of no use.
 */
static void
move_unanswered(struct names *n, const struct name *name, struct mono now)
{
	if (name->asked.ns != 0 &&
	    mono_before(name_last_heard(n->use, name->number), name->asked))
		name_use_moved(n->use, name->number, now);
}

bool
names_assign(struct names *n, const struct names_entry *e, bool *changed)
{
	struct family v4 = addresses_reached_by(e, IP_V4),
		      v6 = addresses_reached_by(e, IP_V6);
	struct name *name;
	size_t more;

	*changed = false;
	if (e->proxy_count == 0)
		return true;
	if ((name = name_of(n, e->domain, changed)) == NULL)
		return false;
	name->assigned = e->now;
	name->order = ++n->order;
	more = new_proxies(n, e);
	while (n->proxy_count + more > NAMES_PROXIES_MAX &&
	    forget_oldest_name(n, name))
		*changed = true;
	for (size_t i = 0; i < e->proxy_count; i++) {
		struct proxy *p = proxy_of(n, name, &e->proxies[i]);
		struct ip_address real;

		if (p == NULL || !add_resource(p, &e->resource, changed))
			return false;
		real = next_address(p->ip.family == IP_V4 ? &v4 : &v6);
		if (ip_equal(&p->real, &real))
			continue;
		*changed = true;
		p->real = real;
		move_unanswered(n, name, e->now);
	}
	return true;
}

void
names_leave_other_family(struct names *n)
{
	for (size_t i = 0; i < n->proxy_count; i++) {
		struct proxy *p = n->proxies[i];

		if (p->real.family != p->ip.family)
			p->real = (struct ip_address){ 0 };
	}
}

static void
remove_resource(struct proxy *p, const struct uuid *resource)
{
	for (size_t i = 0; i < p->resource_count; i++) {
		if (!uuid_equal(&p->resources[i], resource))
			continue;
		p->resource_count--;
		memmove(&p->resources[i], &p->resources[i + 1],
		    (p->resource_count - i) * sizeof(p->resources[0]));
		return;
	}
}

void
names_restrict(
    struct names *n, const struct uuid *resource, const char *pattern)
{
	for (size_t i = 0; i < n->proxy_count; i++)
		if (pattern == NULL ||
		    !pattern_matches(pattern, n->proxies[i]->name->domain))
			remove_resource(n->proxies[i], resource);
}

static int
compare_addresses(const void *a, const void *b)
{
	return ip_compare(a, b);
}

size_t
names_sort(struct ip_address *list, size_t count,
    bool (*acceptable)(const struct ip_address *))
{
	size_t kept = 0;

	if (count > 0)
		sort(list, count, sizeof(list[0]), compare_addresses);
	for (size_t i = 0; i < count; i++) {
		if (!acceptable(&list[i]) ||
		    (kept > 0 && ip_equal(&list[i], &list[kept - 1])))
			continue;
		list[kept++] = list[i];
	}
	return kept;
}

static bool
is_mapped(const struct ip_address *ip)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return ip->family == IP_V6 &&
	    memcmp(ip->bytes, prefix, sizeof(prefix)) == 0;
}

bool
names_address_usable(const struct ip_address *ip)
{
	return ip->family != IP_NONE && !ip_is_unspecified(ip) &&
	    !ip_is_loopback(ip) && !ip_is_link_local(ip) &&
	    !ip_is_multicast(ip) && !ip_is_broadcast(ip) && !is_mapped(ip) &&
	    !ip_in_tunnel_range(ip) && !ip_in_proxy_range(ip);
}

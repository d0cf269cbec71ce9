/*
 * What the model's client was granted, and its names: firezone-policy(7),
 * GRANTS and DNS RESOURCES.
 */
#include <string.h>

#include "tests/model/model.h"
#include "tests/model/model_range.h"

void
model_reset(struct model *m, const struct ip_address client[2])
{
	m->client[0] = client[0];
	m->client[1] = client[1];
	m->grant_count = 0;
	m->name_count = 0;
	m->site_count = 0;
	m->answering_count = m->silent_count = 0;
	m->older = false;
	m->crossed = 0;
	model_nat_forget(&m->nat);
	m->icmp_credit = (int64_t)MODEL_ANSWERS * MODEL_ANSWER_NS;
	m->icmp_counted = (struct mono){ 0 };
}

/* Grants: 2.4 */

const struct model_grant *
model_find(const struct model *m, const struct uuid *id)
{
	for (size_t i = 0; i < m->grant_count; i++)
		if (memcmp(m->grants[i].id.bytes, id->bytes, 16) == 0)
			return &m->grants[i];
	return NULL;
}

static struct model_grant *
find(struct model *m, const struct uuid *id)
{
	return (struct model_grant *)model_find(m, id);
}

/* A network is one only when no bit behind its length is set. */
static bool
valid(const struct model_grant *g)
{
	const struct ip_address *ip = &g->network.ip;
	unsigned bits = ip->family == IP_V4 ? 32 : 128;

	if (g->type != RESOURCE_CIDR)
		return g->type == RESOURCE_DNS || g->type == RESOURCE_INTERNET;
	if (ip->family == IP_NONE || g->network.length > bits)
		return false;
	for (unsigned bit = g->network.length; bit < bits; bit++)
		if (ip->bytes[bit / 8] & 0x80u >> bit % 8)
			return false;
	return true;
}

/*
 * An id that comes again, as something new, has no part in the names that its
 * former pattern matched and its new one does not.
 */
static void
let_go_of_names(struct model *m, const struct model_grant *g)
{
	for (size_t i = 0; i < m->name_count; i++) {
		struct model_name *n = &m->names[i];

		if (g->type == RESOURCE_DNS &&
		    model_matches(g->pattern, n->domain))
			continue;
		for (size_t k = 0; k < n->holder_count;) {
			if (memcmp(&n->holders[k], &g->id, 16) == 0)
				n->holders[k] = n->holders[--n->holder_count];
			else
				k++;
		}
	}
}

/* 2.3: an Internet resource never has any. */
static void
put_filters(struct model_grant *g, const struct filter *filters, size_t count)
{
	g->filter_count = 0;
	if (g->type != RESOURCE_INTERNET)
		for (; g->filter_count < count; g->filter_count++)
			g->filters[g->filter_count] = filters[g->filter_count];
}

enum model_granted
model_add(struct model *m, const struct model_grant *g)
{
	struct model_grant *known = find(m, &g->id);

	if (!valid(g))
		return MODEL_GRANT_INVALID;
	if (known == NULL) {
		let_go_of_names(m, g);
		known = &m->grants[m->grant_count++];
		*known = *g;
		put_filters(known, g->filters, g->filter_count);
		return MODEL_GRANT_NEW;
	}
	known->expires = g->expires;
	if (known->type != g->type)
		return MODEL_GRANT_CONFLICT;
	put_filters(known, g->filters, g->filter_count);
	known->flow = g->flow;
	return MODEL_GRANT_UPDATED;
}

bool
model_remove(struct model *m, const struct uuid *id)
{
	struct model_grant *g = find(m, id);

	if (g == NULL)
		return false;
	*g = m->grants[--m->grant_count];
	return true;
}

bool
model_set_filters(struct model *m, const struct uuid *id,
    enum resource_type type, const struct filter *filters, size_t count)
{
	struct model_grant *g = find(m, id);

	if (g == NULL || g->type != type)
		return false;
	put_filters(g, filters, count);
	return true;
}

bool
model_set_expiry(struct model *m, const struct uuid *id, struct mono expires)
{
	struct model_grant *g = find(m, id);

	if (g != NULL)
		g->expires = expires;
	return g != NULL;
}

struct mono
model_deadline(const struct model *m)
{
	struct mono first = MONO_NEVER;

	for (size_t i = 0; i < m->grant_count; i++)
		if (m->grants[i].expires.ns < first.ns)
			first = m->grants[i].expires;
	return first;
}

/* Names: 6.4 */

bool
model_proxy(const struct ip_address *a)
{
	return model_within(model_proxies, a);
}

bool
model_usable(const struct ip_address *a)
{
	return !model_within(model_unusable, a);
}

enum model_assigned
model_may_assign(
    const struct model *m, const struct uuid *id, const char *domain)
{
	const struct model_grant *g = model_find(m, id);

	if (g == NULL)
		return MODEL_NOT_GRANTED;
	if (g->type != RESOURCE_DNS)
		return MODEL_NOT_DNS;
	if (!model_matches(g->pattern, domain))
		return MODEL_NO_MATCH;
	return MODEL_ASSIGNED;
}

struct model_name *
model_name_of(struct model *m, const struct ip_address *proxy)
{
	for (size_t i = 0; i < m->name_count; i++)
		if (model_same(&m->names[i].proxy, proxy))
			return &m->names[i];
	return NULL;
}

/* Numeric order; duplicates and what is not wanted go. */
static size_t
sort(struct ip_address *list, size_t count, const struct model_range *only,
    const struct model_range *without)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct ip_address a = list[i];
		size_t at = n;

		if ((only != NULL && !model_within(only, &a)) ||
		    (without != NULL && model_within(without, &a)))
			continue;
		while (at > 0 && memcmp(list[at - 1].bytes, a.bytes, 16) > 0)
			at--;
		if (at > 0 && model_same(&list[at - 1], &a))
			continue;
		memmove(list + at + 1, list + at, (n - at) * sizeof(a));
		list[at] = a;
		n++;
	}
	return n;
}

static size_t
count_family(const struct ip_address *list, size_t count, uint8_t family)
{
	size_t n = 0;

	for (size_t k = 0; k < count; k++)
		n += list[k].family == family;
	return n;
}

/*
 * The i-th of its family for the i-th, and from the start again; where there is
 * none of it and the client may cross, in the same way of the other family.
 */
static struct ip_address
share(const struct ip_address *list, size_t count, uint8_t family, size_t i,
    bool crosses)
{
	size_t of_family = count_family(list, count, family);

	if (of_family == 0 && crosses) {
		family = family == IP_V4 ? IP_V6 : IP_V4;
		of_family = count_family(list, count, family);
	}
	if (of_family == 0)
		return (struct ip_address){ IP_NONE, { 0 } };
	i %= of_family;
	for (size_t k = 0;; k++)
		if (list[k].family == family && i-- == 0)
			return list[k];
}

static void
hold(struct model *m, struct model_name *n, const struct uuid *id)
{
	for (size_t i = 0; i < n->holder_count; i++)
		if (memcmp(&n->holders[i], id, 16) == 0)
			return;
	n->holders[n->holder_count++] = *id;
	if (n->holder_count > 1)
		m->seen[PATH_SHARED_PROXY]++;
}

static void
install(struct model *m, const struct uuid *id, const char *domain,
    const struct ip_address *proxy, struct ip_address real)
{
	struct model_name *n = model_name_of(m, proxy);

	if (n == NULL) {
		n = &m->names[m->name_count++];
		memset(n, 0, sizeof(*n));
		n->proxy = *proxy;
		strcpy(n->domain, domain);
	}
	n->real = real;
	hold(m, n, id);
}

size_t
model_set_older(struct model *m, struct mono now, bool older)
{
	size_t before;

	m->older = older;
	if (older)
		return 0;
	for (size_t i = 0; i < m->name_count; i++)
		if (m->names[i].real.family != m->names[i].proxy.family)
			m->names[i].real.family = IP_NONE;
	model_nat_settle(&m->nat, now);
	before = m->nat.count;
	model_nat_end_crossing(&m->nat, now);
	return before - m->nat.count;
}

enum model_assigned
model_assign(struct model *m, const struct uuid *id, const char *domain,
    struct ip_address *proxy, size_t proxy_count, struct ip_address *address,
    size_t address_count, bool *renumbered)
{
	enum model_assigned refused;
	size_t given = proxy_count, index[2] = { 0 };
	bool crosses = m->older && m->client[0].family != IP_NONE &&
	    m->client[1].family != IP_NONE;

	*renumbered = false;
	for (size_t i = 0; i < proxy_count; i++) {
		const struct model_name *n = model_name_of(m, &proxy[i]);

		if (n != NULL && strcasecmp(n->domain, domain) != 0)
			*renumbered = true;
	}
	if (*renumbered) {
		m->name_count = 0;
		model_nat_forget(&m->nat);
		m->seen[PATH_RENUMBERED]++;
	}
	refused = model_may_assign(m, id, domain);
	if (refused != MODEL_ASSIGNED)
		return refused;
	proxy_count = sort(proxy, proxy_count, model_proxies, NULL);
	if (given > 0 && proxy_count == 0)
		return MODEL_NO_PROXY;
	address_count = sort(address, address_count, NULL, model_unusable);
	for (size_t i = 0; i < proxy_count; i++)
		install(m, id, domain, &proxy[i],
		    share(address, address_count, proxy[i].family,
			index[proxy[i].family == IP_V6]++, crosses));
	return MODEL_ASSIGNED;
}

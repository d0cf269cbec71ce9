/* Names that are known for a while: see cache.h. */
#include "control-worker/dns/cache.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct entry {
	char *name; /* NULL: free */
	struct ip_address *addresses;
	size_t count;
	uint64_t end;
};

struct cache {
	struct entry entries[CACHE_ENTRIES];
};

struct cache *
cache_new(void)
{
	return calloc(1, sizeof(struct cache));
}

static void
drop_entry(struct entry *e)
{
	free(e->name);
	free(e->addresses);
	*e = (struct entry){ 0 };
}

void
cache_clear(struct cache *c)
{
	for (size_t i = 0; i < CACHE_ENTRIES; i++)
		drop_entry(&c->entries[i]);
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	cache_clear(c);
	free(c);
}

static bool
entry_has_name(const struct entry *e, const char *name)
{
	return e->name != NULL && strcasecmp(e->name, name) == 0;
}

/* The name's own place, else a free one, else that of the first to end. */
static struct entry *
place_for_entry(struct cache *c, const char *name)
{
	struct entry *best = &c->entries[0];

	for (size_t i = 0; i < CACHE_ENTRIES; i++) {
		struct entry *e = &c->entries[i];

		if (entry_has_name(e, name))
			return e;
		if (best->name != NULL &&
		    (e->name == NULL || e->end < best->end))
			best = e;
	}
	return best;
}

void
cache_put(struct cache *c, uint64_t now, const char *name,
    const struct ip_address *addresses, size_t count, uint32_t ttl_s)
{
	struct entry *e = place_for_entry(c, name);

	drop_entry(e);
	if (ttl_s == 0 || count == 0 || count > LOOKUP_ADDRESSES_MAX)
		return;
	e->name = strdup(name);
	e->addresses = reallocarray(NULL, count, sizeof(*addresses));
	if (e->name == NULL || e->addresses == NULL) {
		drop_entry(e);
		return;
	}
	memcpy(e->addresses, addresses, count * sizeof(*addresses));
	e->count = count;
	if (ttl_s > CACHE_TTL_MAX_S)
		ttl_s = CACHE_TTL_MAX_S;
	e->end = now + ttl_s * UINT64_C(1000);
}

size_t
cache_get(const struct cache *c, uint64_t now, const char *name,
    struct ip_address to[LOOKUP_ADDRESSES_MAX])
{
	for (size_t i = 0; i < CACHE_ENTRIES; i++) {
		const struct entry *e = &c->entries[i];

		if (!entry_has_name(e, name) || now >= e->end)
			continue;
		memcpy(to, e->addresses, e->count * sizeof(to[0]));
		return e->count;
	}
	return 0;
}

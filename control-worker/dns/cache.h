/*
 * What names meant, for as long as their records say (firezone-policy(7),
 * Resolution): clients ask for the same few names again and again.
 */
#ifndef CONTROL_WORKER_DNS_CACHE_H
#define CONTROL_WORKER_DNS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"

#define CACHE_ENTRIES   512
#define CACHE_TTL_MAX_S 300 /* whatever the record says */

struct cache;

struct cache *cache_new(void);   /* NULL without memory */
void cache_free(struct cache *); /* NULL is fine */
void cache_clear(struct cache *);
/*
 * Times in milliseconds of any clock that does not go back. A name that is not
 * there yet takes the place of the one that ends first.
 */
void cache_put(struct cache *, uint64_t now, const char *name,
    const struct ip_address *, size_t count, uint32_t ttl_s);
/* How many addresses are known; 0: ask. */
size_t cache_get(const struct cache *, uint64_t now, const char *name,
    struct ip_address to[LOOKUP_ADDRESSES_MAX]);

#endif /* CONTROL_WORKER_DNS_CACHE_H */

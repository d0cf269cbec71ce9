/*
 * A map from keys of bytes to objects, for keys that others may choose: which
 * slot one falls into is decided by SipHash with a secret of this map's own, so
 * that nobody can make many fall into one. The entries lie in the objects;
 * after the making there is no allocation.
 */
#ifndef NET_WORKER_CORE_KEY_MAP_H
#define NET_WORKER_CORE_KEY_MAP_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: in no map. */
struct key_entry {
	struct key_entry *next;
	const void *key; /* lies in the object, unchanged while it is in */
	size_t length;
	void *value; /* NULL: in no map */
};

struct key_map {
	struct key_entry **slots;
	uint32_t mask;
	uint8_t secret[crypto_shorthash_KEYBYTES];
};

/* Made for about that many entries; it takes more. False without memory. */
bool key_map_init(struct key_map *, uint32_t expected);
void key_map_free(struct key_map *); /* all zero is fine */

/* Of several with the same key the one that was added first; NULL: none. */
void *key_map_get(const struct key_map *, const void *key, size_t length);
/* The value of the next one with the same key as that entry's; NULL: none. */
void *key_map_next(const struct key_entry *);
void key_map_add(struct key_map *, struct key_entry *, const void *key,
    size_t length, void *value);
void key_map_remove(struct key_map *, struct key_entry *); /* if it is in */

#endif /* NET_WORKER_CORE_KEY_MAP_H */

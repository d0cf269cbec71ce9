/* Chains of entries, oldest first: see key_map.h. */
#include "net-worker/core/key_map.h"

#include <stdlib.h>
#include <string.h>

bool
key_map_init(struct key_map *m, uint32_t expected)
{
	uint32_t slots = 16;

	while (slots < expected)
		slots *= 2;
	memset(m, 0, sizeof(*m));
	m->slots = calloc(slots, sizeof(struct key_entry *));
	if (m->slots == NULL)
		return false;
	m->mask = slots - 1;
	crypto_shorthash_keygen(m->secret);
	return true;
}

void
key_map_free(struct key_map *m)
{
	free(m->slots);
	sodium_memzero(m, sizeof(*m));
}

static struct key_entry **
key_slot_of(const struct key_map *m, const void *key, size_t length)
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t bits;

	crypto_shorthash(hash, key, length, m->secret);
	memcpy(&bits, hash, sizeof(bits));
	return &m->slots[bits & m->mask];
}

void *
key_map_get(const struct key_map *m, const void *key, size_t length)
{
	const struct key_entry *e = *key_slot_of(m, key, length);

	while (e != NULL &&
	    (e->length != length || memcmp(e->key, key, length) != 0))
		e = e->next;
	return e == NULL ? NULL : e->value;
}

void *
key_map_next(const struct key_entry *entry)
{
	const struct key_entry *e = entry->next;

	while (e != NULL &&
	    (e->length != entry->length ||
		memcmp(e->key, entry->key, e->length) != 0))
		e = e->next;
	return e == NULL ? NULL : e->value;
}

void
key_map_add(struct key_map *m, struct key_entry *e, const void *key,
    size_t length, void *value)
{
	struct key_entry **at = key_slot_of(m, key, length);

	while (*at != NULL)
		at = &(*at)->next;
	*e = (struct key_entry){
		.key = key,
		.length = length,
		.value = value,
	};
	*at = e;
}

void
key_map_remove(struct key_map *m, struct key_entry *e)
{
	struct key_entry **at;

	if (e->value == NULL)
		return;
	at = key_slot_of(m, e->key, e->length);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	*e = (struct key_entry){ 0 };
}

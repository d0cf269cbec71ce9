/* Open addressing with backward-shift deletion: see index_map.h. */
#include "net-worker/core/index_map.h"

#include <stdlib.h>
#include <string.h>

/* Fibonacci hashing: the keys may be consecutive or random. */
static uint32_t
home_slot(const struct index_map *m, uint32_t key)
{
	uint32_t h = key * 2654435769u;

	return (h ^ h >> 16) & m->mask;
}

bool
index_map_init(struct index_map *m, uint32_t limit)
{
	uint32_t slots = 16;

	while (slots < limit * 2)
		slots *= 2;
	memset(m, 0, sizeof(*m));
	m->slots = calloc(slots, sizeof(*m->slots));
	if (m->slots == NULL)
		return false;
	m->mask = slots - 1;
	m->limit = limit;
	return true;
}

void
index_map_free(struct index_map *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t
find_slot(const struct index_map *m, uint32_t key)
{
	uint32_t i = home_slot(m, key);

	while (m->slots[i].value != NULL && m->slots[i].key != key)
		i = (i + 1) & m->mask;
	return i;
}

void *
index_map_get(const struct index_map *m, uint32_t key)
{
	return m->slots[find_slot(m, key)].value;
}

bool
index_map_put(struct index_map *m, uint32_t key, void *value)
{
	uint32_t i = find_slot(m, key);

	if (m->slots[i].value == NULL) {
		if (m->count == m->limit)
			return false;
		m->count++;
	}
	m->slots[i].key = key;
	m->slots[i].value = value;
	return true;
}

void
index_map_remove(struct index_map *m, uint32_t key)
{
	uint32_t hole = find_slot(m, key), i = hole;

	if (m->slots[hole].value == NULL)
		return;
	m->count--;
	/* Move up every later entry of the run that may stand in the hole. */
	for (;;) {
		uint32_t want;

		i = (i + 1) & m->mask;
		if (m->slots[i].value == NULL)
			break;
		want = home_slot(m, m->slots[i].key);
		if (((i - want) & m->mask) >= ((i - hole) & m->mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].value = NULL;
}

/*
 * A map from 32-bit keys to pointers for the packet path: open addressing, one
 * array, no allocation after its making. Deletion shifts back, so that there
 * are no tombstones and a look-up stays one probe or two.
 */
#ifndef NET_WORKER_CORE_INDEX_MAP_H
#define NET_WORKER_CORE_INDEX_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_map {
	struct index_slot {
		uint32_t key;
		void *value; /* NULL: free */
	} * slots;
	uint32_t mask;
	uint32_t count;
	uint32_t limit; /* entries it holds at most */
};

/* Room for limit entries, in twice as many slots. False without memory. */
bool index_map_init(struct index_map *, uint32_t limit);
void index_map_free(struct index_map *);
void *index_map_get(const struct index_map *, uint32_t key);
/* Replaces what is there. False when the map is full. */
bool index_map_put(struct index_map *, uint32_t key, void *value);
void index_map_remove(struct index_map *, uint32_t key);

#endif /* NET_WORKER_CORE_INDEX_MAP_H */

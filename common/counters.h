/*
 * The counter page: what net-worker counts, in memory that it shares with
 * control-worker. The parent makes it, net-worker writes it and control-worker
 * can only read it; it outlives both, so that what is counted is not lost with
 * a worker.
 *
 * A block has one writer, and every word is written by a plain store of eight
 * aligned bytes; readers take one word at a time with counter_read(). Words of
 * one block need not belong to the same instant.
 */
#ifndef COMMON_COUNTERS_H
#define COMMON_COUNTERS_H

#include <stdint.h>

#include "common/reason.h"

#define COUNTER_SHARDS     8
#define COUNTER_BLOCK_SIZE 4096

enum offload_state {
	OFFLOAD_NONE, /* not offered */
	OFFLOAD_IN_USE,
	OFFLOAD_REFUSED, /* by the kernel, and to be tried again */
};

/* The words of each block, from counters.def. */
#define COUNT_ENGINE(member, label, value) uint64_t member;
struct engine_counters {
#include "common/counters.def"
};

#define COUNT_IO(member, label, value)   uint64_t member;
#define OFFLOAD_IO(member, label, value) uint64_t member;
struct io_counters {
#include "common/counters.def"
};

#define COUNT_SHARD(member, label, value)   uint64_t member;
#define REASONS_SHARD(member, label, value) uint64_t member[REASON_COUNT];
struct shard_counters {
#include "common/counters.def"
};

struct counter_page {
	_Alignas(COUNTER_BLOCK_SIZE) struct engine_counters engine;
	_Alignas(COUNTER_BLOCK_SIZE) struct io_counters io;
	struct {
		_Alignas(COUNTER_BLOCK_SIZE) struct shard_counters counters;
	} shard[COUNTER_SHARDS];
};

_Static_assert(
    sizeof(struct counter_page) == (2 + COUNTER_SHARDS) * COUNTER_BLOCK_SIZE,
    "a block is a page");

static inline uint64_t
counter_read(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

#endif /* COMMON_COUNTERS_H */

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

#include <stddef.h>
#include <stdint.h>

#include "common/reason.h"

#define COUNTER_SHARDS     8
#define COUNTER_BLOCK_SIZE 4096

enum offload_state {
	OFFLOAD_NONE, /* not offered */
	OFFLOAD_IN_USE,
	OFFLOAD_REFUSED, /* by the kernel, and to be tried again */
};

/*
 * Times by how long they were: up to each of the bounds, and longer. A bucket
 * has those that are in none before it.
 */
#define HISTOGRAM_BOUNDS 12

static const uint32_t histogram_bounds_us[HISTOGRAM_BOUNDS] = { 1000, 2500,
	5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
	5000000 };

struct counter_histogram {
	uint64_t bucket[HISTOGRAM_BOUNDS + 1];
	uint64_t sum_us;
};

/* The writer's. */
static inline void
histogram_observe(struct counter_histogram *h, uint64_t us)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && us > histogram_bounds_us[i])
		i++;
	h->bucket[i]++;
	h->sum_us += us;
}

/* The words of each block, from counters.def. */
#define COUNT_ENGINE(member, label, value) uint64_t member;
#define HISTOGRAM_ENGINE(member)           struct counter_histogram member;
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

/*
 * What was forwarded for a resource. Meter 0 is of what has none of its own;
 * whose the others are net-worker tells when it is asked (ipc.def: QUERY), and
 * what was on it before, since a meter is never put back.
 */
#define METERS 128

struct meter {
	uint64_t outbound_packets, outbound_bytes;
	uint64_t inbound_packets, inbound_bytes;
};

struct counter_page {
	_Alignas(COUNTER_BLOCK_SIZE) struct engine_counters engine;
	/* A thread's: the engine's, then those of the shards. */
	struct {
		_Alignas(COUNTER_BLOCK_SIZE) struct io_counters counters;
	} io[1 + COUNTER_SHARDS];
	struct {
		_Alignas(COUNTER_BLOCK_SIZE) struct shard_counters counters;
	} shard[COUNTER_SHARDS];
	struct {
		_Alignas(COUNTER_BLOCK_SIZE) struct meter meter[METERS];
	} meters[COUNTER_SHARDS];
};

_Static_assert(sizeof(struct counter_page) ==
	(2 + 3 * COUNTER_SHARDS) * COUNTER_BLOCK_SIZE,
    "a block is a page");

/*
 * The writer's plain store is no race that matters: the word is read whole, as
 * it was or as it is. A sanitizer for threads cannot know that.
 */
#ifdef __SANITIZE_THREAD__
__attribute__((__no_sanitize_thread__))
#endif
static inline uint64_t
counter_read(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* The word at that offset of each of so many blocks together. */
static inline uint64_t
counter_sum(const void *blocks, size_t count, size_t offset)
{
	const char *word = (const char *)blocks + offset;
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++, word += COUNTER_BLOCK_SIZE)
		sum += counter_read((const uint64_t *)(const void *)word);
	return sum;
}

/* Of words that are an offload_state; refused by one is refused. */
static inline enum offload_state
counter_offload(const void *blocks, size_t count, size_t offset)
{
	const char *word = (const char *)blocks + offset;
	uint64_t state = OFFLOAD_NONE;

	for (size_t i = 0; i < count; i++, word += COUNTER_BLOCK_SIZE) {
		uint64_t one =
		    counter_read((const uint64_t *)(const void *)word);

		if (one > state)
			state = one;
	}
	return (enum offload_state)state;
}

#define COUNTER_IO(page, member)                    \
	counter_sum((page)->io, 1 + COUNTER_SHARDS, \
	    offsetof(struct io_counters, member))
#define COUNTER_SHARD(page, member)                \
	counter_sum((page)->shard, COUNTER_SHARDS, \
	    offsetof(struct shard_counters, member))
#define COUNTER_METER(page, i, member)              \
	counter_sum((page)->meters, COUNTER_SHARDS, \
	    (i) * sizeof(struct meter) + offsetof(struct meter, member))
#define COUNTER_OFFLOAD(page, member)                   \
	counter_offload((page)->io, 1 + COUNTER_SHARDS, \
	    offsetof(struct io_counters, member))

#endif /* COMMON_COUNTERS_H */

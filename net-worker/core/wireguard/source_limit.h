/*
 * How often a network may begin handshakes: a token bucket for each IPv4
 * address and each IPv6 /64, which is what one host can have addresses of.
 *
 * The table is small and never full: a bucket that has filled up again says no
 * more than none, and where all of a set are in use the one nearest to that is
 * given away. So nobody can lock others out by filling it, and which networks
 * share a set is a secret.
 */
#ifndef NET_WORKER_CORE_WIREGUARD_SOURCE_LIMIT_H
#define NET_WORKER_CORE_WIREGUARD_SOURCE_LIMIT_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "common/bucket.h"

/* As other implementations have it: 20 a second, 5 at once. */
#define SOURCE_LIMIT_BURST       5
#define SOURCE_LIMIT_INTERVAL_MS 50

#define SOURCE_LIMIT_SETS 512 /* power of two */
#define SOURCE_LIMIT_WAYS 4

struct source_limit {
	uint8_t secret[crypto_shorthash_KEYBYTES];
	struct limited_source {
		uint64_t network; /* the address, or its first half */
		enum ip_family family;
		struct bucket bucket;
	} sources[SOURCE_LIMIT_SETS][SOURCE_LIMIT_WAYS];
};

void source_limit_init(struct source_limit *);
/* Counts one; false: there have been too many. */
bool source_limit_take(
    struct source_limit *, struct mono now, const struct ip_address *);

#endif /* NET_WORKER_CORE_WIREGUARD_SOURCE_LIMIT_H */

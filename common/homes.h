/*
 * Which thread a tunnel address belongs to: a byte for each, by its family and
 * low bits. The engine writes, shards read; the kernel's program that chooses a
 * queue of the TUN (parent/steering.h) may read the very same bytes. A shard
 * that reads an old one passes a packet on to where its client is no more, and
 * that is where it is dropped.
 */
#ifndef COMMON_HOMES_H
#define COMMON_HOMES_H

#include <stdint.h>

#include "common/buffer.h"
#include "common/plan.h"

/* The family is the bit above those of the address. */
#define HOMES_SIZE ((size_t)(TUNNEL_BITS + 1) * 2)

static inline uint32_t
home_key(const struct ip_address *ip)
{
	const uint8_t *last = ip->bytes + ip_size(ip) - 4;

	return (load_be32(last) & TUNNEL_BITS) |
	    (ip->family == IP_V6 ? TUNNEL_BITS + 1 : 0);
}

/* The shard plus one; 0: nobody's. The address is one of a tunnel range. */
static inline uint8_t
home_of(const uint8_t *homes, const struct ip_address *ip)
{
	return __atomic_load_n(&homes[home_key(ip)], __ATOMIC_RELAXED);
}

static inline void
home_set(uint8_t *homes, const struct ip_address *ip, uint8_t home)
{
	__atomic_store_n(&homes[home_key(ip)], home, __ATOMIC_RELAXED);
}

#endif /* COMMON_HOMES_H */

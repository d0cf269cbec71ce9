/*
 * Sums for the Internet checksums (RFC 1071) of whole packets, of which every
 * byte is read: by the widest words that the processor can add. Those that
 * parsed packets and what is made of them want are in packet.h.
 *
 * They are not folded, and may be added to each other: none of fewer than 2^16
 * bytes is larger than 2^47. Only the last of several pieces may have an odd
 * length.
 */
#ifndef NET_WORKER_CORE_INNER_BYTE_SUM_H
#define NET_WORKER_CORE_INNER_BYTE_SUM_H

#include <stddef.h>
#include <stdint.h>

/* Of len bytes, fewer than 2^16. */
uint64_t byte_sum(const uint8_t *, size_t len);
/* The same, and copies them to where nothing of them lies. */
uint64_t byte_sum_copied(uint8_t *to, const uint8_t *from, size_t len);
/* The ones'-complement sum in host order, and the checksum that it makes. */
uint16_t byte_sum_fold(uint64_t sum);
static inline uint16_t
byte_sum_checksum(uint64_t sum)
{
	return (uint16_t)~byte_sum_fold(sum);
}

#endif /* NET_WORKER_CORE_INNER_BYTE_SUM_H */

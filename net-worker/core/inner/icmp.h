/*
 * The ICMP errors that a gateway makes, byte for byte: its own two answers, and
 * those of others that it makes anew. firezone-policy(7), ICMP replies and
 * Rebuilt ICMP errors. Which packet gets one is for policy/gate.c to say.
 */
#ifndef NET_WORKER_CORE_INNER_ICMP_H
#define NET_WORKER_CORE_INNER_ICMP_H

#include "net-worker/core/inner/packet.h"

enum icmp_reply {
	ICMP_PROHIBITED,
	ICMP_UNREACHABLE,
};

/*
 * Writes the answer to the offending packet to "to" (INNER_PACKET_MAX bytes)
 * and returns its length.
 */
size_t icmp_build(enum icmp_reply, const struct packet *offending, uint8_t *to);

/*
 * Likewise to an IPv4 packet that is too long and must not be cut: so many
 * bytes would have passed.
 */
size_t icmp_build_too_long(
    const struct packet *offending, uint16_t mtu, uint8_t *to);

struct icmp_error {
	struct ip_address source, destination; /* of one family */
	uint8_t type;
	uint8_t code;
	uint32_t rest; /* of the header: bytes 4 to 7 */
	const uint8_t *quote;
	size_t quote_len;
};

/* Likewise for any error; 0 if it were longer than INNER_PACKET_MAX. */
size_t icmp_write(const struct icmp_error *, uint8_t *to);

#endif /* NET_WORKER_CORE_INNER_ICMP_H */

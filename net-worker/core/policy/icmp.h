/*
 * The two ICMP errors a gateway answers with, byte for byte as
 * spec/policy.md 3.1 lays them out.
 */
#ifndef NET_WORKER_CORE_POLICY_ICMP_H
#define NET_WORKER_CORE_POLICY_ICMP_H

#include "net-worker/core/packet.h"

enum icmp_reply {
	ICMP_PROHIBITED,
	ICMP_UNREACHABLE,
};

/*
 * Writes the answer to the offending packet to "to" (INNER_PACKET_MAX bytes)
 * and returns its length.
 */
size_t icmp_build(enum icmp_reply, const struct packet *offending, uint8_t *to);

#endif /* NET_WORKER_CORE_POLICY_ICMP_H */

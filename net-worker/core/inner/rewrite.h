/*
 * Changes the addresses and ports of an inner packet in place, and with them
 * the checksums that cover these, incrementally: firezone-policy(7), Checksums.
 * What was wrong stays wrong, a UDP checksum of 0 stays 0, and nothing else
 * changes.
 *
 * The packet has been parsed, or is the quote in an ICMP error; its fields
 * follow. A quote may end before the checksum of its transport; what covers the
 * quote, the checksum of the error, is not updated.
 */
#ifndef NET_WORKER_CORE_INNER_REWRITE_H
#define NET_WORKER_CORE_INNER_REWRITE_H

#include "net-worker/core/inner/packet.h"

/* The address is of the packet's family. */
void rewrite_source(struct packet *, const struct ip_address *);
void rewrite_destination(struct packet *, const struct ip_address *);

/* TCP and UDP only. */
void rewrite_source_port(struct packet *, uint16_t);
void rewrite_destination_port(struct packet *, uint16_t);
/* ICMP echo only. */
void rewrite_echo_id(struct packet *, uint16_t);

/*
 * Where the checksum of the transport is, or NULL: there is none, its sender
 * made none (UDP), or the quote ends before it.
 */
uint8_t *transport_checksum(const struct packet *);

#endif /* NET_WORKER_CORE_INNER_REWRITE_H */

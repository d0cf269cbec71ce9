/* UDP datagrams: how one came in, and one on its way out of a protocol core. */
#ifndef NET_WORKER_CORE_DATAGRAM_H
#define NET_WORKER_CORE_DATAGRAM_H

#include "common/address.h"

/* Inner packet + WireGuard + ChannelData: firezone-tunnel(7), Sizes. */
#define INNER_PACKET_MAX      1280
#define WIREGUARD_OVERHEAD    32
#define CHANNEL_DATA_OVERHEAD 4
#define DATAGRAM_MAX \
	(INNER_PACKET_MAX + WIREGUARD_OVERHEAD + CHANNEL_DATA_OVERHEAD)

/* The envelope of one that came in. */
struct arrival {
	struct endpoint from;
	struct endpoint local; /* destination address and our port */
	uint8_t ecn;
};

/* Data packets never take this form: they are written in place (host.h). */
struct datagram {
	struct endpoint to;
	struct ip_address from; /* IP_NONE: the kernel chooses the source */
	size_t length;          /* bytes of data */
	uint8_t data[DATAGRAM_MAX];
};

#endif /* NET_WORKER_CORE_DATAGRAM_H */

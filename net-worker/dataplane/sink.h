/*
 * Where engine and shard put the packets they make: the shell's sockets, or a
 * test's notebook.
 */
#ifndef NET_WORKER_DATAPLANE_SINK_H
#define NET_WORKER_DATAPLANE_SINK_H

#include "common/address.h"

struct packet_sink {
	void *ctx;
	/*
	 * Room for one datagram of exactly len bytes, which the caller fills
	 * before it calls again; NULL when there is none (the datagram is
	 * dropped and counted). from IP_NONE: the kernel chooses.
	 */
	uint8_t *(*udp)(void *ctx, const struct endpoint *to,
	    const struct ip_address *from, uint8_t ecn, size_t len);
	/* An inner packet for the TUN; it stays in place until the flush. */
	void (*tun)(void *ctx, uint8_t *packet, size_t len);
};

#endif /* NET_WORKER_DATAPLANE_SINK_H */

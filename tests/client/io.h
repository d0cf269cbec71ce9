/*
 * Datagrams and packets by the handful, so that the client keeps pace with the
 * gateway: UDP_GRO and UDP_SEGMENT on the sockets, TCP and UDP segmentation on
 * the TUN device (firezone-tunnel(7), Segmentation and Tunnel device).
 */
#ifndef TESTS_CLIENT_IO_H
#define TESTS_CLIENT_IO_H

#include "common/address.h"
#include "net-worker/core/inner/offload.h"

#define IO_DATAGRAM_MAX 2048
#define IO_RECEIVE      65536 /* what GRO merges at most */
#define IO_SEND         65000 /* less than 65535 by any headers */
#define IO_SEGMENTS     64
#define IO_PACKETS      64 /* that wait to be written to the device */

struct client;

struct io {
	/* Datagrams of one size to one destination, to be sent together. */
	struct endpoint to;
	size_t segment, length, count;
	bool sealed;       /* the last one is a short one */
	bool segmentation; /* false once the kernel has refused it */
	uint8_t send[IO_SEND];

	uint8_t receive[IO_RECEIVE];

	struct segmenter segments; /* of what was read from the device */
	uint8_t super[VNET_HEADER_LEN + SUPER_PACKET_MAX];
	uint8_t segment_room[INNER_PACKET_MAX];

	/* Packets for the device; their payloads stay in their rooms. */
	struct coalescer flow;
	unsigned kinds; /* that are glued */
	uint8_t room[IO_PACKETS][IO_DATAGRAM_MAX];
	size_t rooms_used;
};

/* udp: the device takes super-packets of it as well. */
void io_init(struct client *, bool udp);
/* The socket of an address family, or none for IP_NONE; failure is fatal. */
void io_open(struct client *, size_t family, const struct ip_address *);

/* Leaves with the flush, in order; the data is copied. */
void io_send(struct client *, const struct endpoint *to, const void *, size_t);
/* Where the next packet for io_write is made, IO_DATAGRAM_MAX bytes. */
uint8_t *io_room(struct client *);
/* A packet in the newest room. */
void io_write(struct client *, uint8_t *packet, size_t);
void io_flush(struct client *);

/* Hand out what is there, up to a share; see client_udp_input and the like. */
void io_read_udp(struct client *, int fd);
void io_read_tun(struct client *);

#endif /* TESTS_CLIENT_IO_H */

/*
 * Segmentation at the TUN (firezone-tunnel(7), Tunnel device): the virtio-net
 * header in front of every packet, cutting the kernel's TCP and UDP
 * super-packets into packets, and gluing the packets of a TCP or UDP flow into
 * super-packets for the kernel.
 */
#ifndef NET_WORKER_CORE_INNER_OFFLOAD_H
#define NET_WORKER_CORE_INNER_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "net-worker/core/datagram.h"

#define VNET_HEADER_LEN  10
#define SUPER_PACKET_MAX 65535

/* Cutting. */

struct segmenter {
	uint8_t *packet; /* the super-packet, or the only packet */
	size_t length;
	bool v6;
	bool cut;         /* false: one packet, as it is */
	bool udp;         /* cut into datagrams, not TCP segments */
	size_t transport; /* offset of the TCP or UDP header */
	size_t header;    /* bytes before the payload */
	size_t segment;   /* payload bytes of each segment but the last */
	size_t at;        /* next payload byte */
	uint16_t number;  /* of the next segment */
};

/*
 * Starts on what was read from the TUN: vnet header and len bytes of packet,
 * whose partial checksum is completed. False when header and packet do not fit
 * each other.
 */
bool segmenter_init(struct segmenter *, const uint8_t vnet[VNET_HEADER_LEN],
    uint8_t *packet, size_t len);
/*
 * The next packet and its length, or NULL. Cut segments are made in room; a
 * packet that needs no cutting is returned where it lies.
 */
uint8_t *segmenter_next(
    struct segmenter *, uint8_t room[INNER_PACKET_MAX], size_t *len);

/* Gluing. */

#define COALESCE_PIECES 64  /* payloads in one; more of UDP not every kernel */
#define COALESCE_HEADER 100 /* IPv6 and the longest TCP header */

/* Kinds of flows, as bits. */
#define COALESCE_TCP 1u
#define COALESCE_UDP 2u

/*
 * Packets of one flow in the order they came; payloads stay in place. What each
 * look at it needs comes first, close together.
 */
struct coalescer {
	size_t count; /* packets; 0: empty */
	unsigned kind;
	bool v6;
	bool sealed; /* takes no more: pushed, or the last was short */
	size_t transport;
	size_t header_len;
	size_t payload; /* bytes of all packets */
	size_t segment; /* payload bytes of the first */
	uint32_t next_sequence; /* of TCP */
	uint8_t header[COALESCE_HEADER]; /* of the first */
	uint8_t vnet[VNET_HEADER_LEN];
	struct iovec pieces[2 + COALESCE_PIECES];
};

enum coalesce_result {
	COALESCE_JOINED,
	COALESCE_SAME_FLOW, /* write the coalescer first, then the packet */
	COALESCE_OTHER,     /* another flow, or none that is glued */
};

/*
 * Whether a packet may start a super-packet: data of one of these kinds, plain
 * and with a right checksum. It has passed packet_parse().
 */
bool coalesce_start(
    struct coalescer *, uint8_t *packet, size_t len, unsigned kinds);
enum coalesce_result coalesce_add(
    struct coalescer *, uint8_t *packet, size_t len);
/* The vectors for writev(2), vnet header first; empties the coalescer. */
const struct iovec *coalesce_finish(struct coalescer *, int *count);
/*
 * Of what coalesce_finish() returned last: the i-th packet as it was added.
 * NULL beyond the last.
 */
uint8_t *coalesce_packet(
    const struct coalescer *, int count, size_t i, size_t *len);

#endif /* NET_WORKER_CORE_INNER_OFFLOAD_H */

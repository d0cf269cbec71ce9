/*
 * One TUN queue (firezone-tunnel(7), Tunnel device): packets with a vnet header
 * in front. With offload, what is read is cut into segments and what is written
 * is glued per flow, so that one call moves up to 64 KiB; the order within a
 * flow is kept. Where the kernel refuses what was glued, its packets are
 * written one by one, and those of its kind for some time (offload_pause.h).
 */
#ifndef NET_WORKER_IO_TUN_H
#define NET_WORKER_IO_TUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/counters.h"
#include "net-worker/core/inner/offload.h"
#include "net-worker/core/inner/offload_pause.h"

#define TUN_FLOWS 8 /* that are glued at a time */

struct tun_io {
	int fd; /* the caller's */
	unsigned kinds; /* of flows that are glued: COALESCE_*; 0: none */
	struct offload_pause pause_tcp, pause_udp; /* of gluing */
	const struct mono *now;
	struct io_counters *counters;
	struct segmenter segments; /* of what was read last */
	struct coalescer flow[TUN_FLOWS];
	unsigned flows_open; /* with packets that are not written yet */
	unsigned last_flow;  /* that took one */
	unsigned next_victim;
	uint8_t room[INNER_PACKET_MAX];
	uint8_t buffer[VNET_HEADER_LEN + SUPER_PACKET_MAX];
};

/*
 * With the kinds of flows that the TUN takes glued; the time (of this turn) and
 * the counters are the caller's. NULL without memory.
 */
struct tun_io *tun_io_new(
    int fd, unsigned kinds, const struct mono *now, struct io_counters *);
void tun_io_free(struct tun_io *);

/* The next packet, valid until the next call, or NULL when there is none. */
uint8_t *tun_io_read(struct tun_io *, size_t *len);

/* A packet of TCP or UDP stays in place until the flush; others need not. */
void tun_io_write(struct tun_io *, uint8_t *packet, size_t len);
void tun_io_flush(struct tun_io *);
/*
 * Brings the counter up that says whether packets are glued: refused when one
 * of the kinds is.
 */
void tun_io_describe(const struct tun_io *);

#endif /* NET_WORKER_IO_TUN_H */

/*
 * The data plane's UDP sockets: received with UDP_GRO, many datagrams a call;
 * sent with UDP_SEGMENT, in batches that keep the order per destination
 * (firezone-tunnel(7), Sizes and Segmentation).
 */
#ifndef NET_WORKER_IO_UDP_H
#define NET_WORKER_IO_UDP_H

#include "common/address.h"
#include "common/counters.h"
#include "common/time.h"
#include "net-worker/core/datagram.h"

struct udp_io;

/*
 * The descriptors, the time (of this turn) and the counters are the caller's;
 * -1 leaves the family out.
 */
struct udp_io *udp_io_new(int v4, uint16_t port_v4, int v6, uint16_t port_v6,
    const struct mono *now, struct io_counters *);
void udp_io_free(struct udp_io *);

typedef void (*udp_handler)(
    void *ctx, const struct arrival *, uint8_t *data, size_t len);

/*
 * Hands out what one call to the kernel yields; data stays valid until the
 * next call. False when the socket had nothing (more).
 */
bool udp_io_receive(struct udp_io *, enum ip_family, udp_handler, void *ctx);

/*
 * See packet_sink.udp. What is reserved leaves with the flush; where the kernel
 * refuses to cut it into datagrams, one by one, and so for some time
 * (offload_pause.h).
 */
uint8_t *udp_io_reserve(struct udp_io *, const struct endpoint *to,
    const struct ip_address *from, uint8_t ecn, size_t len);
void udp_io_flush(struct udp_io *);
/* Brings the counters up that say what is in use. */
void udp_io_describe(const struct udp_io *);

#endif /* NET_WORKER_IO_UDP_H */

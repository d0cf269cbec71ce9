/*
 * What landed at the wrong thread: datagrams and packets that the kernel could
 * not steer to their owner are copied over to it, in order, by one bounded ring
 * for each pair of threads. Steering is for speed, this is for correctness.
 *
 * Thread 0 is the engine's; 1 to N are the shards'.
 */
#ifndef NET_WORKER_DATAPLANE_STRAYS_H
#define NET_WORKER_DATAPLANE_STRAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net-worker/core/datagram.h"

struct stray {
	bool is_packet; /* of the TUN; else a datagram, which came as: */
	struct arrival arrival;
	uint16_t length;
	uint8_t bytes[DATAGRAM_MAX];
};

struct strays;

/* NULL without memory. */
struct strays *strays_new(unsigned threads);
void strays_free(struct strays *); /* NULL is fine */

/*
 * Copies; arrival NULL: a packet of the TUN. False: there is no room, or it is
 * longer than any that would be taken.
 */
bool strays_pass(struct strays *, unsigned from, unsigned to,
    const struct arrival *, const uint8_t *data, size_t len);
/*
 * Hands out some of what waits for a thread; it lies in place, and may be
 * changed there, until the next call. False: there was nothing.
 */
typedef void (*stray_handler)(void *ctx, struct stray *);
bool strays_take(struct strays *, unsigned at, stray_handler, void *ctx);
/* Whether nothing waits there. */
bool strays_none(struct strays *, unsigned at);

#endif /* NET_WORKER_DATAPLANE_STRAYS_H */

/*
 * A TCP connection to the first of several addresses that answers: all are
 * tried at once, the others are dropped. firezone-portal(7), Resolution and
 * dialing.
 */
#ifndef CONTROL_WORKER_NET_DIAL_H
#define CONTROL_WORKER_NET_DIAL_H

#include <stddef.h>

#include <uv.h>

#include "common/address.h"

#define DIAL_TIMEOUT_MS    5000
#define DIAL_ADDRESSES_MAX 16

struct dial;

/* Who hears of the addresses before any packet goes to them. */
struct dialler {
	void *ctx;
	void (*announce)(void *ctx, const struct ip_address *, size_t count);
};

/*
 * fd is the connection, which is the callee's from now on, and peer its other
 * end; or fd is -1 and error says what was wrong with the last of them.
 */
typedef void (*dial_done)(
    void *ctx, int fd, const struct endpoint *peer, const char *error);

/*
 * Takes the first DIAL_ADDRESSES_MAX of them. NULL without memory. The
 * callback comes from the loop, never before this returns.
 */
struct dial *dial_start(uv_loop_t *, const struct dialler *,
    const struct ip_address *, size_t count, uint16_t port, dial_done,
    void *ctx);
void dial_cancel(struct dial *); /* no callback any more */

#endif /* CONTROL_WORKER_NET_DIAL_H */

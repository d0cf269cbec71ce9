/*
 * One DNS message to one server, and what comes back. By UDP from a socket of
 * its own, which the kernel gives a fresh port and which hears only the server
 * it is connected to; or by a TCP connection of its own.
 */
#ifndef CONTROL_WORKER_DNS_FORWARD_H
#define CONTROL_WORKER_DNS_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/address.h"

struct forward;

/*
 * What the server said. True ends it; false is for what is not the answer, and
 * by UDP there may still be one. With bytes NULL nothing came in time, or
 * nobody is there: it has ended, whatever is returned.
 */
typedef bool (*forward_heard)(void *ctx, const uint8_t *bytes, size_t len);

/*
 * At most 65535 bytes, which are copied. NULL, without a callback, when it
 * cannot be sent at all; else the callback comes from the loop.
 */
struct forward *forward_start(uv_loop_t *, const struct endpoint *server,
    bool tcp, const uint8_t *message, size_t len, unsigned timeout_ms,
    forward_heard, void *ctx);
/* Ends it without a callback; not to be called once it has ended. */
void forward_cancel(struct forward *);

#endif /* CONTROL_WORKER_DNS_FORWARD_H */

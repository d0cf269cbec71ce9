/*
 * One question, one server, one answer: UDP from a socket of its own, which
 * the kernel gives a fresh port and which hears only the server it is
 * connected to; TCP when the answer is truncated. firezone-policy(7),
 * Forwarding and DNS answers.
 */
#ifndef CONTROL_WORKER_DNS_EXCHANGE_H
#define CONTROL_WORKER_DNS_EXCHANGE_H

#include <uv.h>

#include "common/address.h"
#include "control-worker/dns/message.h"

struct exchange;

enum exchange_outcome {
	EXCHANGE_ANSWERED,
	EXCHANGE_FAILED, /* the server is there, but could not say */
	EXCHANGE_SILENT, /* nothing came in time, or nobody is there */
};

/* answer is NULL but for EXCHANGE_ANSWERED. */
typedef void (*exchange_done)(
    void *ctx, enum exchange_outcome, const struct dns_answer *answer);

/* NULL, without a callback, when a socket is missing. */
struct exchange *exchange_start(uv_loop_t *, const struct endpoint *server,
    const struct dns_name *, enum ip_family, unsigned timeout_ms, exchange_done,
    void *ctx);
/* Ends it without a callback; not to be called after the callback. */
void exchange_cancel(struct exchange *);

#endif /* CONTROL_WORKER_DNS_EXCHANGE_H */

/*
 * A client's query on its way to a server. Whatever becomes of it, there is an
 * answer: the server's, or SERVFAIL. spec/policy.md 7.5.
 */
#ifndef CONTROL_WORKER_DNS_PENDING_H
#define CONTROL_WORKER_DNS_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/address.h"
#include "control-worker/dns/foreign.h"

#define PENDING_TIMEOUT_MS 5000

struct forward;
struct pending;

/* The bytes last for the call; they begin with a head (foreign.h). */
typedef void (*pending_done)(
    struct pending *, const uint8_t *answer, size_t len);

struct pending {
	struct forward *forward; /* NULL: not under way */
	pending_done done;
	uint8_t head[DNS_HEAD_MAX];
	size_t head_len;
};

/*
 * The query has a head of this length. server may be NULL. done may be called
 * before this returns, and is called once.
 */
void pending_start(struct pending *, uv_loop_t *, const struct endpoint *server,
    bool tcp, const uint8_t *query, size_t len, size_t head_len, pending_done);
/* Without a call of done. */
void pending_cancel(struct pending *);

#endif /* CONTROL_WORKER_DNS_PENDING_H */

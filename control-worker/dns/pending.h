/*
 * A client's query on its way to the servers of resolv.conf: to the chosen one,
 * or the first where none is, and to the next beside it when that is slow, or
 * at once when it fails.
 * Whatever becomes of it, there is an answer: a server's, or SERVFAIL.
 * firezone-policy(7), Forwarding and DNS answers.
 */
#ifndef CONTROL_WORKER_DNS_PENDING_H
#define CONTROL_WORKER_DNS_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "control-worker/dns/foreign.h"
#include "control-worker/dns/probe.h"
#include "control-worker/net/dns_outcome.h"

#define PENDING_TIMEOUT_MS 5000
/* Servers that are asked at once; each takes a socket. */
#define PENDING_LEGS_MAX 2

struct pending;

/* The bytes last for the call; they begin with a head (foreign.h). */
typedef void (*pending_done)(
    struct pending *, const uint8_t *answer, size_t len);

struct pending {
	struct race *race; /* NULL: not under way */
	pending_done done;
	uint8_t head[DNS_HEAD_MAX];
	size_t head_len;
};

/*
 * The query has a head of this length. done may be called before this returns,
 * and is called once.
 */
void pending_start(struct pending *, uv_loop_t *, struct prober *, bool tcp,
    const uint8_t *query, size_t len, size_t head_len, pending_done);
/* Gives it up: the answer is SERVFAIL, at once. */
void pending_give_up(struct pending *);
/* What an answer to it means that done was called with. */
enum dns_outcome pending_outcome(const struct pending *, const uint8_t *answer);
/* Without a call of done. */
void pending_cancel(struct pending *);

#endif /* CONTROL_WORKER_DNS_PENDING_H */

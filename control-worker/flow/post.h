/*
 * One POST at a time over HTTPS, by libcurl (curl_loop.h). Names are looked up
 * by our own resolver, and connections are made by net/dial.h; a connection
 * that still stands is used again.
 */
#ifndef CONTROL_WORKER_FLOW_POST_H
#define CONTROL_WORKER_FLOW_POST_H

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "control-worker/flow/ingest_url.h"
#include "control-worker/net/dial.h"
#include "control-worker/net/lookup.h"

#define POST_TIMEOUT_MS 30000

struct poster;

struct poster_config {
	uv_loop_t *loop;
	struct lookups lookups;
	struct dialler dialler;
	const char *ca; /* PEM, which has to outlive it */
	size_t ca_len;
	const char *user_agent; /* copied */
};

enum post_outcome {
	POST_ANSWERED,
	POST_UNREACHABLE, /* no connection with a trusted server came about */
	POST_BROKEN,      /* it was closed on the way */
	POST_TIMED_OUT,
};

struct post_result {
	enum post_outcome outcome;
	int status;                         /* of HTTP, when answered */
	const char *retry_after, *location; /* NULL: the answer has none */
	const char *text; /* the beginning of the answer, or what went wrong */
};

/* Nothing of the result outlives the call; another POST may be begun in it. */
typedef void (*post_done)(void *ctx, const struct post_result *);

/* Once, before the process is confined. NULL on failure. */
struct poster *poster_new(const struct poster_config *);
void poster_free(struct poster *); /* NULL is fine */

/*
 * Only one may be under way. The body has to stay until it is over; the
 * callback comes from the loop, never before this returns.
 */
void poster_post(struct poster *, const struct ingest_url *, const char *token,
    const char *body, size_t len, post_done, void *ctx);
void poster_cancel(struct poster *); /* no callback any more */

#endif /* CONTROL_WORKER_FLOW_POST_H */

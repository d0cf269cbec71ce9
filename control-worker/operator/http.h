/*
 * Health, readiness and metrics for monitoring (posternd(8), Monitoring): as
 * much of HTTP/1.1 as a GET or HEAD without a body takes, one request a
 * connection. All else is refused.
 */
#ifndef CONTROL_WORKER_OPERATOR_HTTP_H
#define CONTROL_WORKER_OPERATOR_HTTP_H

#include <uv.h>

#include "control-worker/net/server.h"
#include "control-worker/operator/situation.h"
#include "control-worker/net/text.h"

#define HTTP_REQUEST_MAX 4096 /* bytes of line and headers */
#define HTTP_CONNECTIONS 16   /* at a time */

struct http;

/*
 * The answer to what has come so far: false while the request is not complete
 * and nothing is wrong with it.
 */
bool http_answer(
    const struct situation *, const char *bytes, size_t len, struct text *to);

/*
 * Serves on the listener. NULL without memory. Where the situation has traffic,
 * that is refreshed for who asks for metrics, and they are answered then.
 */
struct http *http_serve(uv_loop_t *, int fd, const struct situation *);
void http_free(struct http *);
/* The traffic is as fresh as it will be. NULL is fine. */
void http_refreshed(struct http *);

#endif /* CONTROL_WORKER_OPERATOR_HTTP_H */

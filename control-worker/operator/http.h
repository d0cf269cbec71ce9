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

/*
 * The answer to what has come so far: false while the request is not complete
 * and nothing is wrong with it.
 */
bool http_answer(
    const struct situation *, const char *bytes, size_t len, struct text *to);

/* Serves on the listener. NULL without memory. */
struct server *http_serve(uv_loop_t *, int fd, const struct situation *);

#endif /* CONTROL_WORKER_OPERATOR_HTTP_H */

/*
 * Bytes to and from a server over a TCP connection that exists: TLS by
 * libcurl, which verifies the certificate for the host, or nothing.
 */
#ifndef CONTROL_WORKER_NET_STREAM_H
#define CONTROL_WORKER_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "common/address.h"
#include "control-worker/net/curl_loop.h"
#include "control-worker/net/tls_summary.h"
#include "control-worker/net/url_host.h"

struct stream;

/* Whom the certificate has to name; without TLS nothing is asked. */
struct stream_target {
	bool tls;
	const struct url_host *host;
	uint16_t port;
};

/* error is NULL when the stream can be used. */
typedef void (*stream_ready)(void *ctx, const char *error);
/* The socket is readable or writable, as asked for. */
typedef void (*stream_event)(void *ctx, bool readable, bool writable);

/* Takes fd over in any case. NULL on failure. */
struct stream *stream_open(uv_loop_t *, struct curl_loop *, int fd,
    const struct stream_target *, const struct endpoint *peer, stream_ready,
    stream_event, void *ctx);
void stream_close(struct stream *); /* NULL is fine; no callback any more */
/* As far as it is known; all zero without TLS. */
const struct tls_summary *stream_tls(const struct stream *);

/* Which events to report, once it is ready. */
void stream_want(struct stream *, bool read, bool write);

#define STREAM_AGAIN (-1)
#define STREAM_ERROR (-2) /* or it was closed on the way out */

/* The number of bytes; 0 from recv: the other end has closed. */
ssize_t stream_recv(struct stream *, void *, size_t);
ssize_t stream_send(struct stream *, const void *, size_t);

#endif /* CONTROL_WORKER_NET_STREAM_H */

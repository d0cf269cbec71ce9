/*
 * libcurl on the loop: TLS with verified certificates over connections that
 * net/dial.h has made.
 *
 * What libcurl must not do here, and is kept from: start a resolver thread,
 * make a socket of its own, open or look for files, obey proxy variables,
 * follow redirects, offer HTTP/2.
 */
#ifndef CONTROL_WORKER_NET_CURL_LOOP_H
#define CONTROL_WORKER_NET_CURL_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>
#include <uv.h>

struct curl_loop;

/* An easy handle on the loop, and its one connection. */
struct curl_transfer {
	CURL *easy; /* NULL: none */
	/* From the loop, once; the transfer may be ended in it. */
	void (*done)(void *ctx, CURLcode);
	void *ctx;
	/*
	 * The connection for it, or -1; libcurl has taken it when it is -1
	 * again. It asks for none where one stands that it can use again.
	 */
	int fd;
	bool fd_missed; /* it asked for one that there was not */
	char error[CURL_ERROR_SIZE];

	struct curl_loop *loop;
	uv_poll_t *poll; /* of poll_fd, the socket that libcurl waits for */
	int poll_fd;
	bool over; /* it waits no more */
};

/*
 * A connection that is used behind libcurl's back, as net/stream.h does, has
 * a loop of its own: libcurl would take it for an idle one, and close it.
 *
 * Once, before the process is confined. The PEM text of the trusted
 * certificates has to outlive it. NULL on failure.
 */
struct curl_loop *curl_loop_new(uv_loop_t *, const char *ca, size_t len);
void curl_loop_free(struct curl_loop *); /* NULL is fine; no transfer is left */

/*
 * A new easy handle with what all of ours have in common; done, ctx and fd are
 * the caller's, and so are the further options. False without memory.
 */
bool curl_transfer_init(struct curl_loop *, struct curl_transfer *);
/* False when it cannot be begun. */
bool curl_transfer_start(struct curl_transfer *);
/* No callback any more; closes a connection that was not taken. */
void curl_transfer_end(struct curl_transfer *);
/* libcurl's words if it has any. */
const char *curl_transfer_error(const struct curl_transfer *, CURLcode);

#endif /* CONTROL_WORKER_NET_CURL_LOOP_H */

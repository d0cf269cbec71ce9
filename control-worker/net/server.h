/*
 * A listener that was handed over, and its few connections: each brings one
 * short request and takes one answer, in parts if it is long. A connection that
 * makes its peer wait, or us, is ended. Where there are too many, the oldest of
 * those that have not asked goes, first of the address, or of the user of this
 * host, that has most, and never of one that has fewer than the newest's; else
 * the oldest of one that has at least two more than that, or the newest is
 * refused.
 */
#ifndef CONTROL_WORKER_NET_SERVER_H
#define CONTROL_WORKER_NET_SERVER_H

#include <uv.h>

#include "control-worker/net/text.h"

#define SERVER_REQUEST_MAX 4096

struct server;
struct served; /* one connection */

struct server_kind {
	const char *name;     /* of what it is for, in the log */
	unsigned connections; /* at a time */
	uint64_t patience_ms; /* for the request, and for each step after it */
	size_t request_max;   /* at most SERVER_REQUEST_MAX */
	/*
	 * More of the request has come; bytes are all of it. Called until
	 * served_send() or served_finish(), and last when it has request_max
	 * bytes.
	 */
	void (*request)(struct served *, const char *bytes, size_t len);
	/* These may be NULL. All of the answer so far has been sent. */
	void (*drained)(struct served *);
	/* Patience is at its end. Without it the connection is closed. */
	void (*impatient)(struct served *);
	/* It is over; what hangs on it is to be given up. */
	void (*gone)(struct served *);
};

/* Takes the descriptor over. NULL without memory. */
struct server *server_new(
    uv_loop_t *, int fd, const struct server_kind *, void *ctx);
/* Ends every connection. The loop has to run once more, or never. */
void server_free(struct server *); /* NULL is fine */

void *server_ctx(const struct served *);
/* Belongs to the kind; NULL at first. */
void served_set_data(struct served *, void *);
void *served_data(const struct served *);
int served_fd(const struct served *);
/* The connection for which matches() is true, or NULL. */
struct served *server_find(struct server *,
    bool (*matches)(const struct served *, const void *key), const void *key);

/* Calls it for each connection, none of which may end by that. */
void server_each(
    struct server *, void (*each)(struct served *, const void *), const void *);

/* What is written there is sent. */
struct text *served_out(struct served *);
/*
 * There is an answer, or a part of it: sends what was written, if anything, and
 * then calls drained(). What else the peer says is ignored.
 */
void served_send(struct served *);
/*
 * From now on the peer may take its time: patience is for us to say that we are
 * there, and impatient(), which has to be, does not mean that anything is
 * amiss.
 */
void served_take_time(struct served *);
/* No more will be written: closes in order when all has been sent. */
void served_finish(struct served *);

#endif /* CONTROL_WORKER_NET_SERVER_H */

/* What the parts of control-worker's shell share. */
#ifndef CONTROL_WORKER_WORKER_H
#define CONTROL_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/ipc.h"
#include "control-worker/dns/resolver.h"
#include "control-worker/portal/connection.h"
#include "control-worker/portal/stream.h"

struct worker {
	uv_loop_t loop;
	uv_poll_t poll_parent, poll_net;
	int watched_parent, watched_net; /* events */
	uv_prepare_t prepare;
	struct ipc_channel *parent;
	struct ipc_channel *net; /* NULL before it has been handed over */
	bool net_closed;
	bool net_was_full;

	/* Handed over before the start. */
	struct ipc_control_identity identity;
	char host[LOGIN_HOST_MAX + 3]; /* of the portal, for the title */
	char token[4097];
	char *ca;
	size_t ca_len;
	bool start; /* everything is there */

	struct resolver *resolver;
	struct stream_context *streams;
	struct connection *connection;
	bool told_fatal;
	bool stop;
	int status;
};

/*
 * Handles the messages that have come on a channel, a bounded number of them.
 * fatal() when the peer breaks the rules of ipc.def or the parent is gone.
 */
void ipc_control_read(struct worker *, struct ipc_channel *);
/* What connection.c calls. */
struct connection_events ipc_control_events(void);
/* Tells the parent once why the daemon has to end. */
void ipc_control_fatal(struct worker *, uint8_t status, const char *reason);

/* Gives up what only the start needed; port: that of the portal. */
void sandbox_control_enter(uint16_t port);

#endif /* CONTROL_WORKER_WORKER_H */

/* What the parts of control-worker's shell share. */
#ifndef CONTROL_WORKER_WORKER_H
#define CONTROL_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/ipc.h"
#include "control-worker/dns/resolver.h"
#include "control-worker/dns/server.h"
#include "control-worker/dns_resources/assignments.h"
#include "control-worker/flow/control.h"
#include "control-worker/net/server.h"
#include "control-worker/net/stream.h"
#include "control-worker/operator/ctl.h"
#include "control-worker/operator/situation.h"
#include "control-worker/portal/connection.h"

/* See egress.h. */
struct egress {
	char *text;       /* of the last resolv.conf, until it is used */
	size_t len;
	unsigned awaited; /* answers of the parent */
};

struct worker {
	uv_loop_t loop;
	uv_poll_t poll_parent, poll_net;
	int watched_parent, watched_net; /* events */
	uv_prepare_t prepare;
	uv_timer_t clock_timer;
	struct ipc_channel *parent;
	struct ipc_channel *net; /* NULL before it has been handed over */
	bool net_closed;         /* nobody to talk to until the next epoch */
	uint64_t epoch;          /* of who is at the other end */
	bool net_was_full;

	/* Handed over before the start. */
	struct ipc_control_identity identity;
	char host[URL_HOST_MAX + 3]; /* of the portal, for the title */
	char url[URL_HOST_MAX + 32];
	char token[4097];
	char *ca; /* whom to trust; libcurl reads it later, too */
	size_t ca_len;
	int health_fd, ctl_fd; /* listeners; -1: none */
	uint32_t ctl_uid, ctl_gid; /* may use it, beside root */
	bool start; /* everything is there */

	struct situation situation;
	struct server *http; /* NULL: none */
	struct ctl *ctl;

	struct egress egress;
	struct flow_control flow;
	struct dns_server *dns;
	struct resolver *resolver;
	struct curl_loop *curl; /* of the portal's connection */
	struct connection *connection;
	struct assignments *assignments;
	bool told_fatal;
	bool stop;
	int status;
};

/*
 * Handles the messages that have come on a channel, a bounded number of them.
 * fatal() when the peer breaks the rules of ipc.def or the parent is gone.
 */
void ipc_control_read(struct worker *, struct ipc_channel *);
/* What came of a message to net-worker: the result of its ipc_send. */
void ipc_control_check_sent(struct worker *, int result);
/* What connection.c calls. */
struct connection_events ipc_control_events(void);
/* The way of assignments.h to net-worker. */
struct assignments_host ipc_control_names(struct worker *);
/* Asks net-worker on behalf of an operator; see ctl.h. */
bool ipc_control_ask(void *worker, const struct ipc_query *);
/* Tells the parent once why the daemon has to end. */
void ipc_control_fatal(struct worker *, uint8_t status, const char *reason);

/*
 * Gives up what only the start needed; port: that of the portal; spool: the
 * directory to be the root, which is made the empty text where it cannot. The
 * locks that hold (enum sandbox_lock).
 */
unsigned sandbox_control_enter(uint16_t port, char *spool);

#endif /* CONTROL_WORKER_WORKER_H */

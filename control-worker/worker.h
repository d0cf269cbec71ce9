/*
 * All that control-worker is: known to main.c, ipc_control.c and ipc_parts.c,
 * which tie its parts together; none of them knows this.
 */
#ifndef CONTROL_WORKER_WORKER_H
#define CONTROL_WORKER_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/ipc.h"
#include "common/log.h"
#include "control-worker/dns/check.h"
#include "control-worker/dns/resolver.h"
#include "control-worker/dns/server.h"
#include "control-worker/dns_resources/assignments.h"
#include "control-worker/directory/directory.h"
#include "control-worker/egress.h"
#include "control-worker/flow/control.h"
#include "control-worker/operator/ctl.h"
#include "control-worker/operator/drain.h"
#include "control-worker/operator/http.h"
#include "control-worker/operator/situation.h"
#include "control-worker/operator/traffic.h"
#include "control-worker/portal/driver.h"

struct control_worker {
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
	char portal_name[URL_HOST_MAX + 2]; /* as looked up; or empty */
	char url[URL_HOST_MAX + 32];
	char options[OPTIONS_TEXT_MAX + 1]; /* of posternd, to be shown */
	char token[4097];
	char token_source[TOKEN_SOURCE_MAX + 1];
	char *ca; /* whom to trust; libcurl reads it later, too */
	size_t ca_len;
	int health_fd, ctl_fd; /* listeners; -1: none */
	uint32_t ctl_uid, ctl_gid; /* may use it, beside root */
	void *names_memory;        /* of the directory; NULL: none */
	struct ipc_control_flow_logs flow_logs;
	uint32_t drain_left; /* seconds; 0: nobody has told us to drain */
	bool start;          /* everything is there */

	struct ipc_control_probes probing;
	struct probes *probes; /* NULL: none */

	struct situation situation;
	struct drain_watch drain;
	struct http *http; /* NULL: none */
	unsigned series;   /* of /metrics; see operator/traffic.h */
	bool metrics_names;          /* there, too */
	struct directory *directory; /* NULL: names are not kept */
	struct log_limit access_log;
	struct ctl *ctl;

	struct egress egress;
	struct flow_control flow;
	struct dns_server *dns;
	struct resolver *resolver;
	struct curl_loop *curl; /* of the portal's connection */
	struct portal_driver *portal;
	struct portal_connection *connection; /* the driver's */
	struct assignments *assignments;
	bool portal_closed;
	bool told_fatal;
	bool stop;
	int status;
};

/*
 * Handles the messages that have come on a channel, a bounded number of them.
 * fatal() when the peer breaks the rules of ipc.def or the parent is gone.
 */
void ipc_control_read(struct control_worker *, struct ipc_channel *);
/* What the parts ask of the process around them, as their headers say. */
struct portal_events ipc_control_events(void);
struct assignments_host ipc_control_names(struct control_worker *);
struct egress_host ipc_control_egress(struct control_worker *);
struct flow_control_host ipc_control_flows(struct control_worker *);
/* Look-ups by the resolver; of names that were asked for lately, or anew. */
struct lookups ipc_control_lookups(struct control_worker *, bool cached);
/* The servers of resolv.conf, to be seen whether they answer. */
struct dns_checker ipc_control_dns_checker(struct control_worker *);
/* What /metrics waited for is there; see traffic.h. */
void ipc_control_traffic(void *worker);
/* Asks net-worker on behalf of an operator; see ctl.h. */
bool ipc_control_ask(void *worker, const struct ipc_query *);
bool ipc_control_explain(void *worker, const struct ipc_explain *);
/* Tells net-worker what is known of probed servers, if it shall know it. */
void ipc_control_probed(void *worker);
bool ipc_control_drain(void *worker, uint32_t within);
bool ipc_control_log_level(void *worker, enum log_level);
/* Where we drain, whether that is over; to be called each second. */
void ipc_control_look_at_drain(struct control_worker *);
/* Goes on with what a predecessor was told. */
void ipc_control_draining(struct control_worker *);
/* Tells the parent once why the daemon has to end. */
void ipc_control_fatal(
    struct control_worker *, uint8_t status, const char *reason);

#endif /* CONTROL_WORKER_WORKER_H */

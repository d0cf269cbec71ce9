/*
 * What there is to see, as aligned text for humans or as one JSON object. An
 * answer comes in parts, because it may be long: begin, the situation if that
 * is asked for, lists with their entries, end.
 */
#ifndef CONTROL_WORKER_OPERATOR_STATUS_H
#define CONTROL_WORKER_OPERATOR_STATUS_H

#include "control-worker/directory/directory.h"
#include "control-worker/operator/situation.h"
#include "control-worker/operator/tally.h"
#include "control-worker/json/write.h"
#include "control-worker/net/text.h"

enum status_list {
	LIST_RELAYS,
	LIST_CLIENTS,
	LIST_GRANTS, /* of one client */
	LIST_RESOURCES,
	LIST_FLOWS,  /* that are open */
	LIST_METERS, /* of resources, for status_top */
};

/* What has become of a flow, or of lines about flows. */
struct flow_event {
	enum {
		FLOW_EVENT_OPENED,
		FLOW_EVENT_CLOSED,
		FLOW_EVENT_LEFT_OUT, /* lines */
	} kind;
	uint64_t at; /* unix seconds */
	uint64_t lines;
	struct ipc_query_flow flow; /* but for the serial */
};

/* What became of a packet that nobody sent: the answer to EXPLAIN. */
struct explained_packet {
	uint8_t protocol;
	struct ipc_query_client client;
	struct ipc_explained packet;
	size_t count; /* of the routes */
	struct {
		struct ipc_explained_route route;
		bool has_grant;
		struct ipc_query_grant grant;
	} routes[EXPLAIN_ROUTES_MAX];
};

/* One answer in the making; json is all zero before the first part. */
struct status {
	struct text *out;
	const struct situation *situation;
	const struct directory *names; /* NULL: there are none */
	bool wide;                     /* text may be wider than 80 columns */
	bool shown;                    /* there is text above */
	uint64_t more; /* entries of a list of flows that are not shown */
	struct json_writer json; /* to be given to json_write_free() */
};

struct status_format {
	void (*begin)(struct status *);
	/* now: unix seconds */
	void (*situation)(struct status *, uint64_t now);
	void (*list)(struct status *, enum status_list);
	void (*relay)(
	    struct status *, size_t i, const struct ipc_query_relay *);
	void (*client)(
	    struct status *, size_t i, const struct ipc_query_client *);
	/* now: unix seconds */
	void (*grant)(struct status *, size_t i, const struct ipc_query_grant *,
	    uint64_t now);
	void (*resource)(struct status *, size_t i, const struct tallied *);
	void (*flow)(struct status *, size_t i, const struct ipc_query_flow *);
	void (*meter)(
	    struct status *, size_t i, const struct ipc_query_resource *);
	void (*explained)(
	    struct status *, const struct explained_packet *, uint64_t now);
	/* complete: there are no more than those count entries */
	void (*list_end)(
	    struct status *, enum status_list, size_t count, bool complete);
	/* problem: why entries are missing; NULL: none are */
	void (*end)(struct status *, const char *problem);
	/*
	 * Instead of all that: what stands above events, and each of them as a
	 * line, or an object, of its own.
	 */
	void (*flow_events)(struct status *);
	void (*flow_event)(struct status *, const struct flow_event *);
};

/* The last is for the program that asks: see top_lines.c. */
extern const struct status_format status_text, status_json, status_top;

/* The host's network in which an address of the client lies; NULL: none. */
const struct ip_prefix *status_overlap(
    const struct situation *, const struct ipc_query_client *);

/* "direct", "relayed", "relayed by the client", "relayed by both" */
const char *status_path_name(const struct ipc_query_client *);
/* "none", "connecting", "connected", "idle" */
const char *status_connection_name(uint8_t query_state);
/* "relays", "clients", "grants", "resources", "flows" */
const char *status_list_name(enum status_list);
/* "cidr", "dns", "internet" */
const char *status_type_name(uint8_t resource_type);
/* "none", "in use", "refused" */
const char *status_offload_name(uint64_t offload_state);

#endif /* CONTROL_WORKER_OPERATOR_STATUS_H */

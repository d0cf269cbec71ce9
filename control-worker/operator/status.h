/*
 * The answer to "posternctl status": what there is to see, as aligned text for
 * humans or as one JSON object. It comes in parts, because it may be long:
 * situation, relays, relays_end, clients, end; i counts the entries of a kind.
 */
#ifndef CONTROL_WORKER_OPERATOR_STATUS_H
#define CONTROL_WORKER_OPERATOR_STATUS_H

#include "control-worker/operator/situation.h"
#include "control-worker/json/write.h"
#include "control-worker/net/text.h"

/* One answer in the making; json is all zero before the first part. */
struct status {
	struct text *out;
	struct json_writer json; /* to be given to json_write_free() */
};

struct status_format {
	/* now: unix seconds */
	void (*situation)(
	    struct status *, const struct situation *, uint64_t now);
	void (*relay)(
	    struct status *, size_t i, const struct ipc_query_relay *);
	void (*relays_end)(struct status *, size_t count);
	void (*client)(struct status *, const struct situation *, size_t i,
	    const struct ipc_query_client *);
	/* problem: why entries are missing; NULL: none are */
	void (*end)(struct status *, size_t count, const char *problem);
};

extern const struct status_format status_text, status_json;

/* The host's network in which an address of the client lies; NULL: none. */
const struct ip_prefix *status_overlap(
    const struct situation *, const struct ipc_query_client *);

/* "none", "connecting", "connected", "idle" */
const char *status_connection_name(uint8_t query_state);
/* "none", "in use", "refused" */
const char *status_offload_name(uint64_t offload_state);

#endif /* CONTROL_WORKER_OPERATOR_STATUS_H */

/*
 * The portal's messages as messages between our processes, and back: the one
 * place that knows their fields. No I/O. firezone-portal(7), GATEWAY MESSAGES.
 *
 * Lenient where that cannot widen access; where it could, an element that is
 * not understood takes its message along or is replaced by one that permits
 * nothing.
 */
#ifndef CONTROL_WORKER_PORTAL_MESSAGES_H
#define CONTROL_WORKER_PORTAL_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc.h"
#include "control-worker/json/json.h"
#include "control-worker/net/description.h"
#include "control-worker/portal/refs.h"

struct generation;
struct push;

/* What has to be remembered between the portal's messages. */
struct incoming {
	const struct generation *generation; /* whose events are understood */
	bool has_interface; /* an init has come: authorizations make sense */
	struct refs refs;
	/* Where the results go: one handler per message, all of them set. */
	const struct ipc_handlers *to;
	/* See connection.h: what is said of flow logs, as it came. */
	void (*flow_settings)(void *ctx, const struct json_value *);
	bool (*flow_token)(
	    void *ctx, const char *jwt, size_t len, struct uuid *authorization);
	struct described described; /* likewise */
	void *ctx;
	/* An init whose list of grants has not been handed over completely. */
	bool keeps_grants; /* it has no list: those that are there stay */
	const struct json_value *grants, *next_grant;
	struct ipc_interface interface;
};

enum incoming_result {
	INCOMING_DONE,
	INCOMING_MORE,    /* call incoming_more() before anything else */
	INCOMING_UNKNOWN, /* not an event that we know */
	INCOMING_DROPPED, /* see what */
};

/* What acts on an event: generation.h says on which. */
typedef enum incoming_result push_handler(struct incoming *,
    const struct push *, const struct json_value *payload, const char **what);
push_handler handle_allow_access, handle_authorization, handle_candidates_added,
    handle_candidates_withdrawn, handle_expiry_update, handle_flow, handle_init,
    handle_reject_access, handle_relays_presence, handle_request_connection,
    handle_resource_updated;

/*
 * Acts on one push. what says why it was dropped. After INCOMING_MORE the
 * payload has to stay until INCOMING_DONE.
 */
enum incoming_result incoming_handle(struct incoming *, const char *event,
    const struct json_value *payload, const char **what);
/*
 * Hands the next entries of a long list over, a bounded number at a time, so
 * that the queue to net-worker can drain in between.
 */
enum incoming_result incoming_more(struct incoming *);

/* The end of a message that cannot be acted upon. */
enum incoming_result incoming_drop(const char **what, const char *why);

/*
 * Hands lists of relays over; NULL and what is no list are empty ones. See
 * ipc.def.
 */
void pass_relays(struct incoming *, const struct json_value *removed,
    const struct json_value *present, bool suggested);

/*
 * Who the client of an authorization is, and what its resource is called, as
 * far as the message says it: messages_names.c.
 */
void describe_client(const struct incoming *, const struct uuid *client,
    const struct json_value *payload);
void describe_resource(const struct incoming *, const struct uuid *,
    const struct json_value *resource);

/* Parts of messages, parsed alone: messages_fields.c. */
bool parse_key(const struct json_value *, uint8_t key[32]);
bool parse_uuid(const struct json_value *, struct uuid *);
/* 0: none that we know */
enum resource_type parse_resource_type(const struct json_value *);
bool parse_ip(const struct json_value *, enum ip_family, struct ip_address *);
/* Unix seconds as IPC has them; what is absent or null is 0, which is never. */
bool parse_expiry(const struct json_value *, uint64_t *);
/*
 * The rules of a list that are understood. A list of which none is left
 * becomes one rule that permits nothing. -1: no list, or too long.
 */
int parse_filters(const struct json_value *, struct filter filters[FILTERS_MAX],
    uint16_t *count);
/* Whether it is a candidate line that may be passed on. */
bool candidate_is_valid(const char *line);

/* Payloads to the portal, to be freed; NULL without memory. */
char *outgoing_acknowledgement(const struct ref *);
char *outgoing_candidates(const struct uuid *client, const char *lines);
char *outgoing_capabilities(void);
char *outgoing_empty(void);

#define EVENT_CANDIDATES           "broadcast_ice_candidates"
#define EVENT_CANDIDATES_WITHDRAWN "broadcast_invalidated_ice_candidates"
#define EVENT_NO_RELAYS            "no_relays"
#define EVENT_CAPABILITIES         "set_snownet_capabilities"

#endif /* CONTROL_WORKER_PORTAL_MESSAGES_H */

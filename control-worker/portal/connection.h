/*
 * The life of the connection to the portal: resolve, connect, join, stay
 * online, wait, again. spec/portal.md 3.
 */
#ifndef CONTROL_WORKER_PORTAL_CONNECTION_H
#define CONTROL_WORKER_PORTAL_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/ipc.h"
#include "common/uuid.h"
#include "control-worker/json/json.h"
#include "control-worker/net/curl_loop.h"
#include "control-worker/net/lookup.h"
#include "control-worker/portal/login_url.h"
#include "control-worker/net/portal_clock.h"

struct connection;

struct connection_config {
	uv_loop_t *loop;
	struct lookups lookups;
	struct curl_loop *curl; /* for its connections alone */
	struct login_url login;
	const char *external_id, *name, *user_agent, *token; /* copied */
	uint64_t max_partition_ms;
	bool resumed; /* the daemon was online before: this is a reconnect */
};

struct connection_events {
	/* Where the portal's messages go: every handler is set. */
	struct ipc_handlers to;
	/* What an init says of flow logs; NULL: nothing. */
	void (*flow_settings)(void *ctx, const struct json_value *);
	/*
	 * The ingest token of an authorization that comes next; whether it is
	 * one, and then the id that its flows are told with.
	 */
	bool (*flow_token)(
	    void *ctx, const char *jwt, size_t len, struct uuid *authorization);
	/* Whether more of them may be handed over just now. */
	bool (*has_room)(void *ctx);
	void (*online)(void *ctx, bool online);
	/* The portal answered, and said what time it is. */
	void (*date)(void *ctx, const struct portal_date *);
	/* It is over; the connection may be freed later, not in the call. */
	void (*fatal)(void *ctx, const char *reason);
	/* What connection_shutdown() began is done. */
	void (*closed)(void *ctx);
};

/* NULL without memory. Nothing happens before the public key is set. */
struct connection *connection_new(const struct connection_config *,
    const struct connection_events *, void *ctx);
void connection_free(struct connection *); /* wipes; NULL is fine */

/* The key of a net-worker that has just started: connects, or again. */
void connection_set_key(struct connection *, const uint8_t key[32]);
/* There is room again for the portal's messages. */
void connection_resume(struct connection *);

/* What net-worker says. */
void connection_acknowledge(struct connection *, uint64_t serial);
void connection_refuse(struct connection *, uint64_t serial);
void connection_candidates(struct connection *, const struct uuid *client,
    bool withdrawn, const char *lines);
void connection_client_gone(struct connection *, const struct uuid *client);
void connection_no_relays(struct connection *);

/* Close with 1000, then closed(); within a second. */
void connection_shutdown(struct connection *);

#endif /* CONTROL_WORKER_PORTAL_CONNECTION_H */

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
#include "control-worker/dns/resolver.h"
#include "control-worker/flow/settings.h"
#include "control-worker/flow/token.h"
#include "control-worker/net/stream.h"
#include "control-worker/portal/login_url.h"
#include "control-worker/portal/portal_clock.h"

struct connection;

struct connection_config {
	uv_loop_t *loop;
	struct resolver *resolver;
	struct curl_loop *curl; /* for its connections alone */
	struct login_url login;
	const char *external_id, *name, *user_agent, *token; /* copied */
	uint64_t max_partition_ms;
	bool resumed; /* the daemon was online before: this is a reconnect */
};

struct connection_events {
	/* Where the portal's messages go: every handler is set. */
	struct ipc_handlers to;
	void (*flow_settings)(void *ctx, const struct flow_settings *);
	void (*flow_token)(
	    void *ctx, const struct flow_token *, const char *jwt);
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

/*
 * One attempt to have a WebSocket to the portal, and the WebSocket: TCP, TLS,
 * upgrade, frames. firezone-portal(7), Upgrade response, Resolution and
 * dialing, TLS, Limits and order and Close.
 */
#ifndef CONTROL_WORKER_PORTAL_TRANSPORT_H
#define CONTROL_WORKER_PORTAL_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "common/address.h"
#include "common/ipc.h"
#include "control-worker/net/portal_attempt.h"
#include "control-worker/net/stream.h"
#include "control-worker/portal/failure.h"
#include "control-worker/portal/login_url.h"
#include "control-worker/net/portal_clock.h"

#define TRANSPORT_TIMEOUT_MS  15000
/* A list of all grants that net-worker holds, at 256 bytes each. */
#define TRANSPORT_MESSAGE_MAX (256 * GRANTS_LIST_MAX)

struct transport;

/*
 * Called from the loop, and nothing is done with the transport afterwards, so
 * that any of them may free it.
 */
struct transport_events {
	void (*open)(void *ctx);
	/* There may be messages to take, or room for one to send. */
	void (*activity)(void *ctx);
	void (*failed)(void *ctx, const struct transport_failure *);
};

struct transport_config {
	uv_loop_t *loop;
	const struct dialler *dialler;
	struct curl_loop *curl;
	const struct login_url *login; /* outlives the transport */
	const struct ip_address *addresses;
	size_t address_count;
	const struct upgrade_request *request; /* copied, then wiped */
};

/* NULL without memory. */
struct transport *transport_start(const struct transport_config *,
    const struct transport_events *, void *ctx);
void transport_free(struct transport *); /* NULL is fine; drops everything */

/*
 * A whole text message, to be given back with transport_free_message(), or
 * NULL. Without somebody who takes them, reading stops.
 */
char *transport_next(struct transport *, size_t *len);
void transport_free_message(char *, size_t len); /* wipes */

/* What the portal's answer said of the time, once it is open. */
struct portal_date transport_date(const struct transport *);

/* How far it has come: the step, and what is known of the other end. */
void transport_describe(const struct transport *, struct portal_attempt *);

/* Open, and nothing waits to be written. */
bool transport_can_send(const struct transport *);
/* Sends a text message; a failure shows as an event. */
void transport_send(struct transport *, const char *text);
/* Starts the closing handshake; failed() is called when it is done. */
void transport_close(struct transport *, uint16_t code);

#endif /* CONTROL_WORKER_PORTAL_TRANSPORT_H */

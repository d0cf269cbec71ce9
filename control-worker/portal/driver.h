/*
 * What drives the connection to the portal: its look-ups, its WebSocket, its
 * timer. The decisions are connection.h's.
 */
#ifndef CONTROL_WORKER_PORTAL_DRIVER_H
#define CONTROL_WORKER_PORTAL_DRIVER_H

#include <uv.h>

#include "control-worker/net/curl_loop.h"
#include "control-worker/net/dial.h"
#include "control-worker/net/lookup.h"
#include "control-worker/net/portal_attempt.h"
#include "control-worker/portal/connection.h"

struct portal_driver;

struct portal_driver_config {
	uv_loop_t *loop;
	struct lookups lookups;
	struct dialler dialler;
	struct curl_loop *curl; /* for its connections alone */
	struct portal_config connection;
};

/* NULL without memory. The events are called with ctx. */
struct portal_driver *portal_driver_new(const struct portal_driver_config *,
    const struct portal_events *, void *ctx);
void portal_driver_free(struct portal_driver *); /* wipes; NULL is fine */
/* The driver's, as long as that lives. */
struct portal_connection *portal_driver_connection(struct portal_driver *);
/* The driver's, likewise; it changes with every step. */
const struct portal_attempt *portal_driver_attempt(
    const struct portal_driver *);
/* There is room again for the portal's messages. */
void portal_driver_resume(struct portal_driver *);

#endif /* CONTROL_WORKER_PORTAL_DRIVER_H */

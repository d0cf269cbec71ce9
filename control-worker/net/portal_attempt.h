/*
 * How far the latest attempt to connect to the portal has come, or where it has
 * failed; a failure stays until the next attempt has come farther. Plain data,
 * written by portal/driver.h.
 */
#ifndef CONTROL_WORKER_NET_PORTAL_ATTEMPT_H
#define CONTROL_WORKER_NET_PORTAL_ATTEMPT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "control-worker/net/tls_summary.h"

/* In this order: those before it have succeeded. */
enum portal_step {
	PORTAL_STEP_NONE,    /* there was no attempt yet */
	PORTAL_STEP_NAME,    /* its addresses are looked up */
	PORTAL_STEP_CONNECT, /* TCP */
	PORTAL_STEP_TLS,
	PORTAL_STEP_LOGIN,   /* the request with the token */
	PORTAL_STEP_CHANNEL, /* the WebSocket stands: it joins, or has joined */
};

struct portal_attempt {
	enum portal_step step;
	bool failed;          /* at that step */
	char reason[512];     /* why; may quote the portal */
	uint64_t at;          /* unix seconds: of the last change */
	struct endpoint peer; /* IP_NONE before there is a connection */
	struct tls_summary tls;
};

#endif /* CONTROL_WORKER_NET_PORTAL_ATTEMPT_H */

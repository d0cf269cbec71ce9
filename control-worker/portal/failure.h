/* Why a connection to the portal, or an attempt at one, has ended. */
#ifndef CONTROL_WORKER_PORTAL_FAILURE_H
#define CONTROL_WORKER_PORTAL_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "control-worker/portal/upgrade.h"

struct transport_failure {
	char reason[512];       /* for the log; may quote the portal */
	int status;             /* of HTTP, when the portal refused; else 0 */
	int64_t retry_after_ms; /* -1: not given */
	struct problem problem;
	bool too_long; /* a message was longer than TRANSPORT_MESSAGE_MAX */
};

#endif /* CONTROL_WORKER_PORTAL_FAILURE_H */

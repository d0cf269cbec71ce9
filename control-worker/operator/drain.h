/*
 * When a daemon that drains may end, and what an operator is told of it. It may
 * when nobody has been connected for DRAIN_QUIET_MS: in less than that a client
 * connects that was authorized just before, or has lost its connection.
 */
#ifndef CONTROL_WORKER_OPERATOR_DRAIN_H
#define CONTROL_WORKER_OPERATOR_DRAIN_H

#include <stdbool.h>

#include "common/time.h"
#include "control-worker/net/text.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/situation.h"

#define DRAIN_QUIET_MS 5000

/* Starts with zeros. */
struct drain_watch {
	bool quiet; /* nobody is connected */
	struct mono since;
};

/* True when the daemon may end. To be asked every second or so. */
bool drain_is_done(
    struct drain_watch *, const struct situation *, struct mono now);

/* The answer to an operator's order, once it has been carried out. */
void drain_write(
    struct text *, const struct situation *, enum ctl_form, uint64_t now);
/* "3 clients are connected, and posternd ends ... " */
void drain_describe(struct text *, const struct situation *, uint64_t now);

#endif /* CONTROL_WORKER_OPERATOR_DRAIN_H */

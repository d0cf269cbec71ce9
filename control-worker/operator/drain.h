/*
 * When a daemon that drains may end: nobody has been connected for a while, in
 * which a client that was authorized before, or has lost its connection, would
 * have connected.
 */
#ifndef CONTROL_WORKER_OPERATOR_DRAIN_H
#define CONTROL_WORKER_OPERATOR_DRAIN_H

#include <stdbool.h>

#include "common/time.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/situation.h"
#include "control-worker/net/text.h"

#define DRAIN_QUIET_MS 5000

/* Starts with zeros. */
struct drain_watch {
	bool quiet;
	struct mono since; /* nobody has been connected */
};

/* To be asked every second or so; true: that is the end. */
bool drain_is_done(
    struct drain_watch *, const struct situation *, struct mono now);

/* The answer to an operator's order, once it has been carried out. */
void drain_write(
    struct text *, const struct situation *, enum ctl_form, uint64_t now);
/* "3 clients are connected, and posternd ends ... " */
void drain_describe(struct text *, const struct situation *, uint64_t now);

#endif /* CONTROL_WORKER_OPERATOR_DRAIN_H */

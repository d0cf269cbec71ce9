/*
 * Whether servers of the site answer: those that the operator has named
 * (posternd(8), --probe) are connected to by TCP at an interval, as clients
 * reach them by way of this host, and left again at once.
 */
#ifndef CONTROL_WORKER_PROBES_PROBES_H
#define CONTROL_WORKER_PROBES_PROBES_H

#include <stdint.h>

#include <uv.h>

#include "control-worker/net/probe_result.h"

struct probes;

/*
 * Tries each server at once, and again in each interval; what is found stands
 * in the results, which stay the caller's, and in the log when it is news; then
 * news() is called. NULL without memory.
 */
struct probes *probes_start(uv_loop_t *, struct probe_results *,
    uint64_t interval_ms, void (*news)(void *ctx), void *ctx);

/* The callbacks of the loop that are left free it. */
void probes_stop(struct probes *);

#endif /* CONTROL_WORKER_PROBES_PROBES_H */

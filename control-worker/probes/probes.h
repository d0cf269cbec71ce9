/*
 * Whether servers of the site answer, those that the operator has named
 * (posternd(8), --probe). A TCP connection is made to each at an interval, from
 * this host, as connections of clients come, and closed at once.
 */
#ifndef CONTROL_WORKER_PROBES_PROBES_H
#define CONTROL_WORKER_PROBES_PROBES_H

#include <stdint.h>

#include <uv.h>

#include "control-worker/net/probe_result.h"

struct probes;

/*
 * Tries each server at once, and again in each interval. What is found is put
 * into the results, which stay the caller's; when it is news it is logged and
 * news() is called. NULL without memory.
 */
struct probes *probes_start(uv_loop_t *, struct probe_results *,
    uint64_t interval_ms, void (*news)(void *ctx), void *ctx);

/* Frees them, once the loop has run what it still has to. */
void probes_stop(struct probes *);

#endif /* CONTROL_WORKER_PROBES_PROBES_H */

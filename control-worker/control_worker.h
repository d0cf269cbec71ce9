/* The process that talks to the portal. */
#ifndef CONTROL_WORKER_CONTROL_WORKER_H
#define CONTROL_WORKER_CONTROL_WORKER_H

#include "common/log.h"
#include "common/sandbox.h"

/*
 * Runs in a process of its own, with its channel and its log where
 * common/ipc.h says; returns its exit status.
 */
int control_worker_main(enum log_level);

/* Its libraries, a line each. */
void control_worker_print_version(void);

/*
 * What it keeps, but for the ports; the parent's filter has to let it.
 */
extern const struct sandbox_profile control_worker_profile;

#endif /* CONTROL_WORKER_CONTROL_WORKER_H */

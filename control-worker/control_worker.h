/* The process that talks to the portal (design section 5). */
#ifndef CONTROL_WORKER_CONTROL_WORKER_H
#define CONTROL_WORKER_CONTROL_WORKER_H

#include "common/log.h"

/*
 * Runs in a process of its own, with its channel and its log where
 * common/ipc.h says; returns its exit status.
 */
int control_worker_main(enum log_level);

#endif /* CONTROL_WORKER_CONTROL_WORKER_H */

/* The confinement of control-worker. */
#ifndef CONTROL_WORKER_SANDBOX_CONTROL_H
#define CONTROL_WORKER_SANDBOX_CONTROL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Gives up what only the start needed; ports: of TCP, that of the portal and of
 * at most PROBES_MAX servers that are probed; spool: the directory to be the
 * root, which is made the empty text where it cannot. The locks that hold (enum
 * sandbox_lock).
 */
unsigned sandbox_control_enter(
    const uint16_t *ports, size_t count, char *spool);

#endif /* CONTROL_WORKER_SANDBOX_CONTROL_H */

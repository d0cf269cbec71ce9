/* The confinement of control-worker. */
#ifndef CONTROL_WORKER_SANDBOX_CONTROL_H
#define CONTROL_WORKER_SANDBOX_CONTROL_H

#include <stdint.h>

/*
 * Gives up what only the start needed; port: that of the portal; spool: the
 * directory to be the root, which is made the empty text where it cannot. The
 * locks that hold (enum sandbox_lock).
 */
unsigned sandbox_control_enter(uint16_t port, char *spool);

#endif /* CONTROL_WORKER_SANDBOX_CONTROL_H */

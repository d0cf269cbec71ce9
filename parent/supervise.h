/*
 * The parent's loop: waits for the workers and for signals, from the start of
 * the workers until both are gone.
 */
#ifndef PARENT_SUPERVISE_H
#define PARENT_SUPERVISE_H

#include "parent/ipc_parent.h"

/*
 * Blocks the signals that the loop reads and returns the descriptor; before
 * anything that must not be interrupted. -1 with errno.
 */
int supervise_signals(void);

/*
 * Runs until both workers have ended. ready() is called once, when both have
 * said READY. Returns the daemon's exit status.
 */
int supervise(struct service *, int signals, void (*ready)(void));

#endif /* PARENT_SUPERVISE_H */

/* The net-worker as the rest of the program sees it: one entry point. */
#ifndef NET_WORKER_NET_WORKER_H
#define NET_WORKER_NET_WORKER_H

#include "common/log.h"
#include "common/sandbox.h"

/*
 * The whole life of a net-worker, with the parent on fd 3 and the log on fd 4
 * (ipc.h). Returns the exit status.
 */
int net_worker_main(enum log_level);

/* Its libraries and the cipher that it will take, a line each. */
void net_worker_print_version(void);

/* What it keeps; the parent's filter has to let it. */
extern const struct sandbox_profile net_worker_profile;

#endif /* NET_WORKER_NET_WORKER_H */

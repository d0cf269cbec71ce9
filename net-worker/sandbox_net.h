/* The net-worker locks itself in: sandbox_net.c. */
#ifndef NET_WORKER_SANDBOX_NET_H
#define NET_WORKER_SANDBOX_NET_H

/*
 * Gives everything away that the work does not need; the locks that hold (enum
 * sandbox_lock).
 */
unsigned sandbox_net_enter(void);

#endif /* NET_WORKER_SANDBOX_NET_H */

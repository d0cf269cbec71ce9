/* The net-worker locks itself in: sandbox_net.c. */
#ifndef NET_WORKER_SANDBOX_NET_H
#define NET_WORKER_SANDBOX_NET_H

/*
 * Gives everything away that the work does not need, in two steps: threads are
 * started in between. Both tell the locks that hold (enum sandbox_lock), and
 * the second is told those of the first.
 */
unsigned sandbox_net_confine(void);
unsigned sandbox_net_close(unsigned locks);

#endif /* NET_WORKER_SANDBOX_NET_H */

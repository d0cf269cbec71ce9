/*
 * A lane: what one thread of the data plane drives. It is a shard with all that
 * leads to and from it; what comes in by the thread's own sockets and queue but
 * is another thread's goes there as a stray.
 *
 * Sans-IO, as dataplane.h: the thread sets the time, tells what has come, and
 * settles at the end of each turn. Nothing of it may be touched by another
 * thread, but for what dataplane.c does with the rings.
 */
#ifndef NET_WORKER_DATAPLANE_LANE_H
#define NET_WORKER_DATAPLANE_LANE_H

#include "common/time.h"
#include "net-worker/core/datagram.h"
#include "net-worker/dataplane/host.h"

struct lane;

/* When all that is told from now on happens; it never goes back. */
void lane_set_time(struct lane *, struct mono now);
/* A datagram; data is decrypted in place, and lies there until the TUN's flush.
 */
void lane_datagram(
    struct lane *, const struct arrival *, uint8_t *data, size_t len);
/* A packet from the TUN. */
void lane_packet(struct lane *, uint8_t *packet, size_t len);
/*
 * Some of what other threads have passed on, which lies in place until the next
 * call, and so has to be flushed before. False: there was nothing.
 */
bool lane_strays(struct lane *);

/*
 * The end of a turn: whether sockets and TUN may have more than was taken of
 * them; then this.
 */
void lane_left(struct lane *, bool sockets, bool device);
void lane_settle(struct lane *);
struct mono lane_deadline(const struct lane *);
/* To be called when it has come. */
void lane_timeout(struct lane *);
/*
 * Before the thread sleeps: from now on it is woken (host.h) when something
 * comes for it. False: something has come already.
 */
bool lane_lies_down(struct lane *);
void lane_gets_up(struct lane *); /* whatever woke it */

#endif /* NET_WORKER_DATAPLANE_LANE_H */

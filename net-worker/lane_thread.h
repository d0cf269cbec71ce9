/*
 * A lane's thread: a shard's UDP sockets and TUN queue, and a loop of its own
 * over them. It is started before the process confines itself, touches nothing
 * that came from a network until it is let go, and ends when it is told to.
 */
#ifndef NET_WORKER_LANE_THREAD_H
#define NET_WORKER_LANE_THREAD_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "common/counters.h"
#include "net-worker/core/aead.h"
#include "net-worker/dataplane/host.h"
#include "net-worker/dataplane/lane.h"
#include "net-worker/gathering.h"
#include "net-worker/io/tun.h"
#include "net-worker/io/udp.h"

struct lane_thread {
	unsigned number;
	int udp_fd[2]; /* IPv4, IPv6; -1 where there is none */
	int tun_fd;
	int bell; /* an eventfd */
	int epoll;
	struct udp_io *udp;
	struct tun_io *tun;
	struct aead *aead;
	struct io_counters *counters;
	struct lane *lane;
	struct mono now; /* of this turn */
	unsigned taken;  /* packets, in this turn */
	bool left;       /* and some that it has left to the next one */
	struct gathering gathering;
	struct mono describe_at;
	pthread_t thread;
	sem_t waits;
	bool runs;
	_Atomic bool let_go, stop;
	_Atomic uint32_t pulse;  /* the last sign of life that is wanted */
	_Atomic uint32_t turned; /* the same, when it had one */
};

/* What its sockets and queue need: of the process's settings. */
struct lane_io {
	uint16_t port_v4, port_v6;
	unsigned tun_kinds; /* see tun.h */
};

/*
 * Makes all but the thread, from the descriptors, the number and the counters
 * that have been filled in. fatal() when that fails.
 */
void lane_thread_prepare(struct lane_thread *, const struct lane_io *);
struct packet_sink lane_thread_sink(struct lane_thread *);
/* Returns when it waits to be let go, and has no more to set up. */
void lane_thread_start(struct lane_thread *, struct lane *);
/* Its sources are watched from now on. */
void lane_thread_let_go(struct lane_thread *);
/* From any thread. */
void lane_thread_wake(struct lane_thread *);
/*
 * From the engine's thread: a turn is to be taken, though nothing may have
 * come; and the last such wish since which one has been taken to its end.
 */
void lane_thread_ask(struct lane_thread *, uint32_t serial);
uint32_t lane_thread_turned(const struct lane_thread *);
/* Returns when it has ended its turn and is no more. */
void lane_thread_stop(struct lane_thread *);

#endif /* NET_WORKER_LANE_THREAD_H */

/*
 * The net-worker's parts, for main.c, which wires them, and ipc_net.c: what the
 * parent handed over, the two channels, the data plane, its lanes' threads, and
 * the way the engine's datagrams leave.
 */
#ifndef NET_WORKER_WORKER_H
#define NET_WORKER_WORKER_H

#include <uv.h>

#include "common/counters.h"
#include "common/ipc.h"
#include "common/site_networks.h"
#include "net-worker/dataplane/dataplane.h"
#include "net-worker/full_tables.h"
#include "net-worker/lane_thread.h"
#include "net-worker/io/udp.h"

#define WORKER_OFFLOADS 3 /* UDP over IPv4, over IPv6, TUN */

struct worker {
	struct ipc_channel *parent;
	struct ipc_channel *control;

	/* What the parent handed over. */
	struct ipc_net_settings settings;
	struct site_networks site, site_begun;
	int udp_fd[2]; /* the engine's: IPv4, IPv6; -1 where there is none */
	struct lane_thread lane[SHARDS_MAX];
	unsigned lanes;
	struct counter_page *counters;
	uint8_t *homes;      /* NULL: the kernel does not look */
	int control_fd;      /* our end of the pair to control-worker */
	uint64_t epoch;      /* of who is at the other end */
	bool start;          /* NET_START has come */
	bool shutdown;       /* NET_SHUTDOWN has come */
	bool control_closed; /* nobody to talk to until the next epoch */
	bool control_full;   /* it does not read, and that has been said */
	uint32_t pulse;      /* the last sign of life that is wanted */
	uint32_t pulse_told; /* and the last that was given */

	struct dataplane *dataplane;
	struct udp_io *udp;
	int bell;        /* an eventfd, by which lanes wake the engine */
	struct mono now; /* of this turn */
	bool heard;      /* a datagram that set something going, in this turn */

	uv_loop_t loop;
	uv_poll_t poll_parent, poll_control, poll_bell, poll_udp[2];
	int control_events; /* what poll_control waits for */
	uv_timer_t timer, rest_timer, clock_timer, title_timer;
	uint64_t title_bytes; /* carried when the title was last set */
	struct full_tables full_tables;
	bool offload_refused[WORKER_OFFLOADS]; /* and it has been said */
};

/* main.c: ends the threads and the process; the packets that are left go out.
 */
_Noreturn void worker_end(struct worker *);

/* ipc_net.c: the data plane's way to control-worker, and the way back. */
struct dataplane_host ipc_net_host(struct worker *);
/*
 * Handles what a channel has; ends the process when the parent is gone or the
 * peer has broken the rules.
 */
void ipc_net_read(struct worker *, struct ipc_channel *);
/* Gives the parent the signs of life that it wants and our threads allow. */
void ipc_net_pulse(struct worker *);
/* What control-worker has to know first: our key, and our candidates. */
void ipc_net_introduce(struct worker *);

#endif /* NET_WORKER_WORKER_H */

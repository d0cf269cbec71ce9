/*
 * The net-worker's parts, as main.c wires them: what the parent handed over,
 * the two channels, the engine, the shard, and the way packets leave.
 */
#ifndef NET_WORKER_WORKER_H
#define NET_WORKER_WORKER_H

#include <uv.h>

#include "common/counters.h"
#include "common/ipc.h"
#include "net-worker/core/aead.h"
#include "net-worker/dataplane/engine/engine.h"
#include "net-worker/dataplane/shard/shard.h"
#include "net-worker/full_tables.h"
#include "net-worker/io/tun.h"
#include "net-worker/io/udp.h"

#define WORKER_OFFLOADS 3 /* UDP over IPv4, over IPv6, TUN */

struct worker {
	struct ipc_channel *parent;
	struct ipc_channel *control;

	/* What the parent handed over. */
	struct ipc_net_settings settings;
	int tun_fd;
	int udp_fd[2]; /* IPv4, IPv6; -1 where there is none */
	struct counter_page *counters;
	int control_fd;      /* our end of the pair to control-worker */
	uint64_t epoch;      /* of who is at the other end */
	bool start;          /* NET_START has come */
	bool shutdown;       /* NET_SHUTDOWN has come */
	bool control_closed; /* nobody to talk to until the next epoch */
	bool control_full;   /* it does not read, and that has been said */

	struct aead *aead;
	struct engine *engine;
	struct shard *shard;
	struct udp_io *udp;
	struct tun_io *tun;
	struct packet_sink sink;
	struct mono now;           /* of this turn */
	struct flow_report report; /* on its way from shard to engine */

	bool ending; /* goodbyes are said, flows not yet stored */
	struct mono end_by;

	uv_loop_t loop;
	uv_poll_t poll_parent, poll_control, poll_tun, poll_udp[2];
	int control_events; /* what poll_control waits for */
	uv_timer_t timer, clock_timer, title_timer;
	uint64_t title_bytes; /* carried when the title was last set */
	struct full_tables full_tables;
	bool offload_refused[WORKER_OFFLOADS]; /* and it has been said */
};

/* ipc_net.c: the tables of handlers, and the engine's way to control-worker. */
extern const struct ipc_handlers parent_handlers, control_handlers;
struct engine_host ipc_net_host(struct worker *);
/*
 * Handles what a channel has; ends the process when the parent is gone or the
 * peer has broken the rules.
 */
void ipc_net_read(struct worker *, struct ipc_channel *);
/* What control-worker has to know first: our key, and our candidates. */
void ipc_net_introduce(struct worker *);

/* main.c: shard commands at once, when the ring is full. */
void worker_run_shard(struct worker *);

/* query_net.c: answers one page of a query of control-worker. */
void query_net_answer(struct worker *, const struct ipc_query *);

/*
 * sandbox_net.c: gives everything away that the work does not need; the locks
 * that hold (enum sandbox_lock).
 */
unsigned sandbox_net_enter(void);

#endif /* NET_WORKER_WORKER_H */

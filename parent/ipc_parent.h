/*
 * What the parent says to its workers and does for them: hands over at start
 * what they work with, and serves the handful of requests they may make.
 */
#ifndef PARENT_IPC_PARENT_H
#define PARENT_IPC_PARENT_H

#include <stdbool.h>

#include "common/ipc.h"
#include "common/time.h"
#include "parent/identity.h"
#include "parent/netlink.h"
#include "parent/options.h"
#include "parent/roles.h"
#include "parent/sockets.h"
#include "parent/tun.h"

/* At least this long between two changes of the tunnel's addresses. */
#define TUN_CONFIGURE_INTERVAL_MS 1000

struct service {
	struct worker net, control;
	struct network *network;
	/* The last intent of control-worker, until it has been carried out. */
	struct ip_address v4, v6;
	bool intent;
	struct mono not_before;
	/* Why the daemon has to end, as an exit status; 0: it need not. */
	int fatal_status;
};

/* Both ends of the workers' own channel, which the parent keeps. */
struct peer_pair {
	int net, control;
};

struct net_hand_over {
	const struct options *options;
	const struct tun *tun;
	const struct udp_sockets *udp;
	int peer;
};

struct control_hand_over {
	struct options *options; /* its token is wiped */
	const struct identity *identity;
	int ca_bundle, resolv_conf, hosts; /* read-only descriptors */
	int peer;
};

int peer_pair_open(struct peer_pair *);
void peer_pair_close(struct peer_pair *);

/* Everything up to START. -1 with errno. */
int service_hand_over_net(struct service *, const struct net_hand_over *);
int service_hand_over_control(
    struct service *, const struct control_hand_over *);

/* Receives one message of the worker, and does what it asks for. */
enum ipc_result service_dispatch(struct service *, struct worker *);
/* Carries out an intent that had to wait. */
void service_turn(struct service *, struct mono now);
/* When service_turn() is wanted next. */
struct mono service_deadline(const struct service *);
/* Tells the worker to end; false when it is not yet ready to be told. */
bool service_shut_down(struct worker *);

#endif /* PARENT_IPC_PARENT_H */

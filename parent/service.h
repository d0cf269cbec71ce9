/*
 * What the parent says to its workers and does for them: hands over at start
 * what they work with, and serves the handful of requests they may make.
 */
#ifndef PARENT_SERVICE_H
#define PARENT_SERVICE_H

#include <stdbool.h>

#include "common/bucket.h"
#include "common/ipc.h"
#include "common/time.h"
#include "parent/dns_listeners.h"
#include "parent/drain.h"
#include "parent/firewall.h"
#include "parent/identity.h"
#include "parent/level_wish.h"
#include "parent/netlink.h"
#include "parent/operator_sockets.h"
#include "parent/options.h"
#include "parent/peer_pair.h"
#include "parent/roles.h"
#include "parent/sockets.h"
#include "parent/trouble.h"
#include "parent/tun.h"
#include "parent/watched_file.h"

/* At least this long between two changes of the tunnel's addresses. */
#define TUN_CONFIGURE_INTERVAL_MS 1000

/*
 * Hosts beside the Internet that are opened for control-worker: so many at
 * once, and one more in this time. The oldest of PRIVATE_HOSTS_MAX goes first.
 */
#define PRIVATE_HOSTS_BURST       PRIVATE_HOSTS_MAX
#define PRIVATE_HOSTS_INTERVAL_MS (10 * 60 * 1000)

/*
 * An address that is fresh may not be there yet for a socket; so binding the
 * DNS listeners is tried so often, so long apart.
 */
#define DNS_LISTENERS_TRIES    3
#define DNS_LISTENERS_PAUSE_MS 100

/* What is told of a process when an operator asks. */
struct process {
	uid_t uid; /* that it has once it is running */
	bool running;
	bool silent; /* see pulse.h */
	pid_t pid;
	unsigned locks; /* enum sandbox_lock */
	unsigned restarts;
	uint64_t started_at; /* unix seconds; 0: it has never run */
};

struct service {
	struct process process[3]; /* by enum ipc_process */
	struct worker net, control;
	struct network *network;
	struct firewall *firewall;
	bool egress_bound; /* it knows control-worker by a user of its own */
	/* The last intent of control-worker, until it has been carried out. */
	struct ip_address v4, v6;
	bool intent;
	struct mono not_before;
	/* On the addresses that the tunnel has. */
	struct dns_listeners listeners;
	struct ip_address listen_v4, listen_v6;
	bool listening_due;
	struct mono listen_at;
	unsigned listen_tries;
	/* Whom control-worker talks to, and how often it may name others. */
	struct firewall_egress egress;
	unsigned resolvers_due;
	struct bucket hosts_left; /* beside the Internet, that may be opened */
	bool hosts_refused;       /* and the log says so */
	struct level_wish level;
	struct troubles troubles;
	struct overlaps overlaps;
	struct site_networks site;
	struct drain drain;
	/* Why the daemon has to end, as an exit status; 0: it need not. */
	int fatal_status;
	uint64_t epoch; /* of the workers' pair, as announced last */
	/* What a worker says that the other has done, for the supervisor. */
	char accused_net[256], accused_control[256];
	struct log_limit silences; /* lines about them */
};

struct net_hand_over {
	const struct options *options;
	const struct tun *tun;
	const struct udp_sockets *udp;
	int peer;
	const struct operator_sockets *window;
};

struct control_hand_over {
	const struct options *options;
	const struct identity *identity;
	const char *spool; /* of the flow logs; empty: there is none */
	int ca_bundle;     /* a read-only descriptor */
	struct watched_file *resolv_conf, *hosts;
	int peer;
	const struct operator_sockets *window;
	int flow_sink; /* takes lines about flows; -1: they are not wanted */
};

/*
 * Begins a new epoch, and tells it the other worker, if there is one, this one
 * being about to be made. The other has to know before the new one says a word:
 * -1 with errno when it does not take the message at once.
 */
int service_announce(struct service *, enum ipc_process role);

/* Everything up to START. -1 with errno. */
int service_hand_over_net(struct service *, const struct net_hand_over *);
int service_hand_over_control(
    struct service *, const struct control_hand_over *);

/* Hands over again what has changed; what is not taken remains as changed. */
void service_renew_files(struct service *, struct watched_file *resolv_conf,
    struct watched_file *hosts);

/* Receives one message of the worker, and does what it asks for. */
enum ipc_result service_dispatch(struct service *, struct worker *);
/* Tells control-worker what each process takes; see usage.h. */
void service_tell_usage(struct service *);
/* This process runs, with these locks, from now on. */
void service_is_running(
    struct service *, enum ipc_process, pid_t, unsigned locks);
/*
 * What trouble.h says; control-worker is told when it is news, and a new one in
 * any case.
 */
void service_trouble(
    struct service *, enum trouble_source, const char *text);
/* Likewise, with a line in the log for what is new. */
void service_overlaps(struct service *, const struct overlaps *);
/* What net-worker is to keep from the Internet resource, when it is news. */
void service_site(struct service *, const struct site_networks *);
/*
 * Asks a worker that is ready for a sign of life when that is due, and tells
 * control-worker who is silent. False, once: it hangs, and has to be ended.
 */
bool service_pulse(struct service *, struct worker *, struct mono now);
/* Its end: what it asked for and what it was accused of is forgotten. */
void service_forget(struct service *, const struct worker *);
/* Carries out an intent that had to wait. */
void service_turn(struct service *, struct mono now);
/* When service_turn() is wanted next. */
struct mono service_deadline(const struct service *);
/* Tells the worker to end; false when it is not yet ready to be told. */
bool service_shut_down(struct worker *);

#endif /* PARENT_SERVICE_H */

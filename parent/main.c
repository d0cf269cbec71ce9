/*
 * posternd: the parent. It opens what takes privilege, makes the two workers,
 * hands them what they work with, cuts its own privileges and then serves and
 * watches them.
 *
 * It never looks at a byte that came from a network. Everything that it sets
 * outside of itself is taken back on every way out but SIGKILL; for that the
 * next start cleans up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_output.h"
#include "control-worker/control_worker.h"
#include "net-worker/net_worker.h"
#include "parent/check.h"
#include "parent/firewall.h"
#include "parent/flow_log.h"
#include "parent/flow_relay.h"
#include "parent/identity.h"
#include "parent/netlink.h"
#include "parent/oom.h"
#include "parent/notify.h"
#include "parent/operator_sockets.h"
#include "parent/options.h"
#include "parent/roles.h"
#include "parent/sandbox_parent.h"
#include "parent/service.h"
#include "parent/sockets.h"
#include "parent/spool.h"
#include "parent/supervise.h"
#include "parent/sysctl.h"
#include "parent/tun.h"
#include "parent/upkeep.h"
#include "parent/version.h"
#include "parent/violation.h"
#include "parent/watch.h"

extern char **environ;

#ifdef POSTERN_SANITIZE
const char *__asan_default_options(void);

/* Looking for leaks takes a tracer, which the filters forbid. */
const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

struct daemon {
	struct options options;
	struct identity identity;
	struct tun tun;
	struct udp_sockets udp;
	struct firewall *firewall;
	struct peer_pair pair;
	struct service service;
	struct operator_sockets window;
	struct watch watch;
	struct upkeep upkeep;
	struct upkeep_troubles troubles;
	bool site_known; /* once the routes have been read, or were not */
	uid_t net_uid, control_uid; /* (uid_t)-1: the workers share ours */
	struct watched_file resolv_conf, hosts;
	struct flow_log flow_log;
	struct flow_relay flow_relay;
	int ca_bundle;
	char spool[SPOOL_MAX]; /* empty: there is none */
	int signals, kernel_log;
	struct notifier notifier;
	unsigned workers; /* that are ready */
};

/* Each worker has a user of its own, or none can have one. */
static void
find_users(struct daemon *d)
{
	struct problems problems = { 0 };

	d->net_uid = d->control_uid = (uid_t)-1;
	for (size_t i = 0; i < 3; i++)
		d->service.process[i].uid = geteuid();
	if (geteuid() != 0) {
		log_info("not started as root: the workers keep the uid %u, "
			 "and the packet filter cannot tell whom "
			 "control-worker reaches",
		    (unsigned)geteuid());
		return;
	}
	if (!find_worker_users(&d->net_uid, &d->control_uid, &problems))
		fatalx("%s", problems.text[0]);
	d->service.process[IPC_NET].uid = d->net_uid;
	d->service.process[IPC_CONTROL].uid = d->control_uid;
}

static int
open_ca_bundle(const struct daemon *d)
{
	return open(d->options.ca_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

static void
open_files(struct daemon *d)
{
	if (watched_file_open(&d->resolv_conf) == -1)
		fatal("cannot read " RESOLV_CONF
		      ", without which no name can be looked up");
	if (watched_file_open(&d->hosts) == -1)
		fatal("cannot read " HOSTS);
	if ((d->ca_bundle = open_ca_bundle(d)) == -1)
		fatal("cannot read the trusted certificates in %s; install "
		      "ca-certificates or name another file by --ca-file",
		    d->options.ca_file);
}

static void
log_start(const struct daemon *d)
{
	const struct identity *i = &d->identity;
	struct timespec up;

	clock_gettime(CLOCK_BOOTTIME, &up);
	log_info("posternd " POSTERN_VERSION
		 " (gateway protocol " GATEWAY_GENERATION
		 ") on %s, %s, %s, up for %lld s",
	    i->arch, i->os, i->kernel, (long long)up.tv_sec);
	log_debug("portal %s, name \"%s\", id %s", d->options.api_url, i->name,
	    i->external_id);
	for (size_t n = 0; n < d->options.ineffective_count; n++)
		log_info("%s has no effect in this version",
		    d->options.ineffective[n]);
}

/* What fails before anything outside of the process has been touched. */
static void
prepare_daemon(struct daemon *d)
{
	struct options *o = &d->options;
	struct problems problems = { 0 };
	char why[512];

	if (options_take_token(o, why, sizeof(why)) == -1)
		fatalx("%s", why);
	setproctitle("parent [starting]");
	if (!check_privileges(o, &problems))
		fatalx("%s", problems.text[0]);
	find_users(d);
	if (identity_determine(&d->identity, &identity_paths, o->id, o->name,
		why, sizeof(why)) == -1)
		fatalx("%s", why);
	log_start(d);
	open_files(d);
	spool_make(d->options.state_dir, d->control_uid, d->spool);
	if (flow_log_open(&d->flow_log, &o->flow_log, why, sizeof(why)) == -1)
		fatalx("%s", why);
	flow_relay_init(
	    &d->flow_relay, &d->flow_log, o->log_format == LOG_FORMAT_JSON);
	notify_open(&d->notifier);
	if ((d->signals = supervise_signals()) == -1)
		fatal("cannot wait for signals");
	d->kernel_log = violation_open();
}

static void
close_files(struct daemon *d)
{
	watched_file_close(&d->resolv_conf);
	watched_file_close(&d->hosts);
	flow_relay_close(&d->flow_relay);
	flow_log_close(&d->flow_log);
	if (d->ca_bundle != -1)
		close(d->ca_bundle);
	d->ca_bundle = -1;
}

static int
open_sockets(struct daemon *d, char *why, size_t why_size)
{
	const struct udp_options udp = {
		.count = d->options.threads + 1,
		.receive_bytes = d->options.udp_receive_bytes,
		.send_bytes = d->options.udp_send_bytes,
	};

	sysctls_raise(d->options.no_inc_buf ? NULL : &udp, true);
	return udp_sockets_open(&d->udp, &udp, why, why_size);
}

/* What cannot be told is closed, until it can. */
static void
look_for_site(struct daemon *d)
{
	const struct mono from = mono_now();
	struct site_networks site;
	int r = network_site(d->service.network, &site);
	const bool open = !site_networks_closed(&d->service.site);

	watch_site_took(&d->watch, from, mono_now());
	if (r == -1) {
		watch_site_again(&d->watch, from);
		if (errno == EINTR && d->site_known)
			return;
		if (open)
			log_warn("the host's routes cannot be read, so that "
				 "the Internet resource is closed");
		site_networks_close(&site);
	} else if (open && site_networks_closed(&site))
		log_warnx("the host's routes name more than %d networks beside "
			  "its default routes, so that the Internet resource "
			  "is closed; see postern-network(7)",
		    SITE_NETWORKS_MAX);
	d->site_known = true;
	service_site(&d->service, &site);
}

static int
open_network(struct daemon *d, char *why, size_t why_size)
{
	struct firewall_options firewall = {
		.masquerade = !d->options.no_masquerade,
		.expose_host = d->options.expose_host,
		.net_uid = d->net_uid,
		.control_uid = d->control_uid,
		.probes = d->options.probe,
		.probe_count = d->options.probe_count,
	};

	if (tun_open(&d->tun, d->options.threads, why, why_size) == -1 ||
	    open_sockets(d, why, why_size) == -1)
		return -1;
	tun_set_offload(&d->tun, true);
	d->service.network = network_open(d->tun.ifindex, d->control_uid);
	if (d->service.network == NULL) {
		snprintf(
		    why, why_size, "cannot use netlink: %s", strerror(errno));
		return -1;
	}
	network_clean(d->service.network);
	if (network_device_up(d->service.network) == -1) {
		snprintf(why, why_size, "cannot bring up " TUN_NAME ": %s",
		    strerror(errno));
		return -1;
	}
	if (watch_open(&d->watch, d->tun.ifindex, mono_now()) == -1) {
		snprintf(
		    why, why_size, "cannot use netlink: %s", strerror(errno));
		return -1;
	}
	look_for_site(d); /* before net-worker is made */
	upkeep_init(&d->upkeep, d->service.network, mono_now());
	firewall.keep_apart_v4 = sysctls_forwarding_is_ours(IP_V4);
	firewall.keep_apart_v6 = sysctls_forwarding_is_ours(IP_V6);
	d->firewall = firewall_install(&firewall, why, why_size);
	if (d->firewall == NULL)
		return -1;
	d->service.firewall = d->firewall;
	d->service.egress_bound = d->control_uid != (uid_t)-1;
	return operator_sockets_open(&d->window, &d->options,
	    d->service.process[IPC_CONTROL].uid, why, why_size);
}

static int
hand_over_net(struct daemon *d)
{
	const struct net_hand_over net = {
		.options = &d->options,
		.tun = &d->tun,
		.udp = &d->udp,
		.peer = d->pair.net,
		.window = &d->window,
	};

	return service_hand_over_net(&d->service, &net);
}

static int
hand_over_control(struct daemon *d)
{
	struct control_hand_over control = {
		.options = &d->options,
		.identity = &d->identity,
		.spool = d->spool,
		.ca_bundle = d->ca_bundle,
		.resolv_conf = &d->resolv_conf,
		.hosts = &d->hosts,
		.peer = d->pair.control,
		.window = &d->window,
		.flow_sink = -1,
	};
	int r;

	if (d->options.flow_log.kind != FLOW_SINK_NONE &&
	    (control.flow_sink = flow_relay_open(&d->flow_relay)) == -1)
		return -1;
	r = service_hand_over_control(&d->service, &control);
	if (control.flow_sink != -1)
		close(control.flow_sink);
	return r;
}

static void
end_worker(struct worker *w)
{
	int status;

	worker_kill(w);
	(void)worker_reap(w, true, &status);
	worker_close(w);
}

/*
 * Each start is an epoch, of which the other worker knows before it begins; and
 * what was said before it is not heard after.
 */
static int
start_worker(struct daemon *d, enum ipc_process role)
{
	struct service *s = &d->service;
	struct worker *w = role == IPC_NET ? &s->net : &s->control;
	int saved;

	peer_pair_drain(&d->pair);
	if (service_announce(s, role) == -1 ||
	    worker_start(w, role) == -1)
		return -1;
	/* One that died already is found, with its reason, by the loop. */
	if ((role == IPC_NET ? hand_over_net(d) : hand_over_control(d)) == 0 ||
	    errno == EPIPE)
		return 0;
	saved = errno;
	end_worker(w);
	errno = saved;
	return -1;
}

static int
start_workers(struct daemon *d, char *why, size_t why_size)
{
	if (peer_pair_open(&d->pair) == 0 && start_worker(d, IPC_NET) == 0 &&
	    start_worker(d, IPC_CONTROL) == 0)
		return 0;
	snprintf(
	    why, why_size, "cannot start the workers: %s", strerror(errno));
	return -1;
}

/* A file that was replaced by another of the same name is opened anew. */
static void
renew_ca_bundle(struct daemon *d)
{
	int now = open_ca_bundle(d);

	if (now == -1) {
		log_warn("cannot open %s again; it is used as it was",
		    d->options.ca_file);
		return;
	}
	close(d->ca_bundle);
	d->ca_bundle = now;
}

static int
restart_worker(void *ctx, enum ipc_process role)
{
	struct daemon *d = ctx;

	if (role == IPC_CONTROL) {
		watched_file_look(&d->resolv_conf);
		watched_file_look(&d->hosts);
		renew_ca_bundle(d);
	}
	return start_worker(d, role);
}

static void
tell_manager(struct daemon *d)
{
	char status[NOTIFY_STATUS_MAX], troubles[TROUBLES_MAX];

	trouble_describe(&d->service.troubles, troubles);
	snprintf(status, sizeof(status), "%u worker%s, " TUN_NAME " up%s%s%s",
	    d->workers, d->workers == 1 ? "" : "s",
	    d->service.drain.on ? ", draining" : "",
	    troubles[0] == '\0' ? "" : "; ", troubles);
	notify_status(&d->notifier, status);
}

static void
on_workers_ready(void *ctx)
{
	static const struct sandbox_profile *const workers[] = {
		&net_worker_profile,
		&control_worker_profile,
	};
	struct daemon *d = ctx;

	service_is_running(
	    &d->service, IPC_PARENT, getpid(), parent_confine(workers, 2));
	notify_ready(&d->notifier);
}

/* control-worker cannot look itself. */
static void
on_supervisor_tick(void *ctx)
{
	struct daemon *d = ctx;

	log_tell_lost();
	worker_tell_dropped(&d->service.net);
	worker_tell_dropped(&d->service.control);
	watched_file_look(&d->resolv_conf);
	watched_file_look(&d->hosts);
	service_renew_files(&d->service, &d->resolv_conf, &d->hosts);
	flow_log_look(&d->flow_log);
	service_tell_usage(&d->service);
	tell_manager(d);
	notify_alive(&d->notifier);
}

static void
on_reopen(void *ctx)
{
	struct daemon *d = ctx;

	flow_log_again(&d->flow_log);
}

static int
network_fd(const void *ctx)
{
	const struct daemon *d = ctx;

	return watch_fd(&d->watch);
}

static struct mono
network_deadline(const void *ctx)
{
	const struct daemon *d = ctx;

	return mono_min(
	    watch_deadline(&d->watch), upkeep_deadline(&d->upkeep));
}

static void
look_for_overlaps(struct daemon *d)
{
	struct overlaps now;

	if (!watch_routes_changed(&d->watch))
		return;
	if (network_overlaps(d->service.network, &now) == 0)
		service_overlaps(&d->service, &now);
	else
		d->watch.routes = true; /* next time */
}

static void
look_after_network(void *ctx, bool readable, struct mono now)
{
	struct daemon *d = ctx;
	bool due = mono_due(upkeep_deadline(&d->upkeep), now);

	if (readable)
		watch_read(&d->watch, now);
	due |= watch_is_due(&d->watch, now);
	if (watch_site_is_due(&d->watch, now))
		look_for_site(d);
	if (!due)
		return;
	if (upkeep_look(&d->upkeep, now, &d->troubles) == -1) {
		log_error(TUN_NAME " has been deleted; start posternd again");
		d->service.fatal_status = 1;
		return;
	}
	service_trouble(&d->service, TROUBLE_ROUTING, d->troubles.routing);
	service_trouble(&d->service, TROUBLE_SETTINGS, d->troubles.settings);
	look_for_overlaps(d);
}

static int
firewall_events(const void *ctx)
{
	const struct daemon *d = ctx;

	return firewall_fd(d->firewall);
}

static struct mono
firewall_until(const void *ctx)
{
	const struct daemon *d = ctx;

	return firewall_deadline(d->firewall);
}

static void
look_after_firewall(void *ctx, bool readable, struct mono now)
{
	struct daemon *d = ctx;

	(void)readable;
	firewall_turn(d->firewall, now);
	service_trouble(
	    &d->service, TROUBLE_FILTERS, firewall_trouble(d->firewall));
}

static int
flow_lines(const void *ctx)
{
	const struct daemon *d = ctx;

	return flow_relay_fd(&d->flow_relay);
}

static struct mono
flow_lines_until(const void *ctx)
{
	const struct daemon *d = ctx;

	return flow_relay_deadline(&d->flow_relay);
}

static void
relay_flow_lines(void *ctx, bool readable, struct mono now)
{
	struct daemon *d = ctx;

	(void)readable;
	if (!flow_relay_turn(&d->flow_relay, now))
		strlcpy(d->service.accused_control, "malformed line of a flow",
		    sizeof(d->service.accused_control));
}

static void
on_workers_changed(void *ctx, unsigned workers)
{
	struct daemon *d = ctx;

	setproctitle("parent [%u worker%s, " TUN_NAME " up]", workers,
	    workers == 1 ? "" : "s");
	d->workers = workers;
	tell_manager(d);
}

/* The reverse of what was set up, as far as that got. */
static void
take_network_down(struct daemon *d)
{
	notify_stopping(&d->notifier);
	end_worker(&d->service.net);
	end_worker(&d->service.control);
	operator_sockets_close(&d->window);
	peer_pair_close(&d->pair);
	dns_listeners_close(&d->service.listeners);
	firewall_remove(d->firewall);
	watch_close(&d->watch);
	if (d->service.network != NULL)
		network_close(d->service.network);
	udp_sockets_close(&d->udp);
	tun_close(&d->tun);
	sysctls_restore();
	options_wipe_token(&d->options);
	close_files(d);
}

static int
run_daemon(struct daemon *d)
{
	const struct lookout lookouts[] = {
		{ .ctx = d,
		    .fd = network_fd,
		    .deadline = network_deadline,
		    .turn = look_after_network },
		{ .ctx = d,
		    .fd = firewall_events,
		    .deadline = firewall_until,
		    .turn = look_after_firewall },
		{ .ctx = d,
		    .to_the_end = true,
		    .fd = flow_lines,
		    .deadline = flow_lines_until,
		    .turn = relay_flow_lines },
	};
	const struct supervision how = {
		.service = &d->service,
		.signals = d->signals,
		.kernel_log = d->kernel_log,
		.ctx = d,
		.ready = on_workers_ready,
		.tick = on_supervisor_tick,
		.reopen = on_reopen,
		.changed = on_workers_changed,
		.start = restart_worker,
		.lookouts = lookouts,
		.lookout_count = sizeof(lookouts) / sizeof(*lookouts),
	};
	char why[512] = "";
	int status = 1;

	if (open_network(d, why, sizeof(why)) == -1 ||
	    start_workers(d, why, sizeof(why)) == -1)
		log_error("%s", why);
	else
		status = supervise(&how);
	take_network_down(d);
	notify_close(&d->notifier);
	if (status == 0)
		log_info("Goodbye!");
	return status;
}

static void
daemon_init(struct daemon *d)
{
	*d = (struct daemon){
		.pair = { -1, -1 },
		.window = OPERATOR_SOCKETS_CLOSED,
		.net_uid = (uid_t)-1,
		.control_uid = (uid_t)-1,
		.ca_bundle = -1,
		.resolv_conf = { .path = RESOLV_CONF, .fd = -1 },
		.flow_log.fd = -1,
		.hosts = { .path = HOSTS, .optional = true, .fd = -1 },
		.service.listeners = DNS_LISTENERS_CLOSED,
		.signals = -1,
		.kernel_log = -1,
		.notifier.fd = -1,
		.service.net.log_fd = -1,
		.service.control.log_fd = -1,
	};
	for (size_t i = 0; i < TUN_QUEUES_MAX; i++)
		d->tun.queue[i] = -1;
	d->tun.homes = -1;
	for (size_t i = 0; i < UDP_SOCKETS_MAX; i++)
		d->udp.v4[i] = d->udp.v6[i] = -1;
}

static int
worker_main(enum ipc_process role, enum log_level level)
{
	log_init_worker(IPC_FD_LOG, level);
	/* After exec of /proc/self/exe the name is "exe". */
	(void)prctl(PR_SET_NAME, ipc_process_name(role), 0L, 0L, 0L);
	return role == IPC_NET ? net_worker_main(level)
			       : control_worker_main(level);
}

/* The exit status when we do not start: 0 if nothing is wrong. */
static int
tell_problems(struct options *o, struct problems *problems)
{
	const size_t wrong = problems->count; /* options; the rest is not */

	if (o->check)
		check_start(o, problems);
	for (size_t i = 0; i < problems->count; i++)
		fprintf(stderr, "posternd: %s\n", problems->text[i]);
	if (problems->more > 0)
		fprintf(stderr, "posternd: and %zu more\n", problems->more);
	if (wrong > 0)
		return 2;
	return problems->count > 0 ? 1 : 0;
}

static void
print_libraries(void)
{
	version_print_parent();
	net_worker_print_version();
	control_worker_print_version();
}

int
main(int argc, char **argv)
{
	enum ipc_process role;
	enum log_level level;
	enum options_result result;
	struct problems problems;
	struct daemon d;

	setproctitle_init(argc, argv, environ);
	if (worker_is_requested(argc, argv, &role, &level))
		return worker_main(role, level);
	daemon_init(&d);
	result = options_parse(&d.options, argc, argv, &problems);
	if (result == OPTIONS_DONE && d.options.print_version)
		print_libraries();
	if (result == OPTIONS_DONE)
		return 0;
	if (result == OPTIONS_WRONG || d.options.check)
		return tell_problems(&d.options, &problems);
	umask(077);
	/* What a careless starter left open must not reach the workers. */
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	log_output_open();
	log_init_sink("parent", d.options.log_level, d.options.log_format);
	oom_spare();
	prepare_daemon(&d);
	return run_daemon(&d);
}

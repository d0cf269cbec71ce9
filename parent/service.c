/*
 * Serves the workers: see service.h. A request is an intent; it is compared
 * with what the parent itself knows to be allowed before anything is done.
 */
#include "parent/service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/internet.h"
#include "common/log.h"
#include "common/plan.h"
#include "common/sandbox.h"
#include "parent/usage.h"

static int
draw_epoch(uint64_t *epoch)
{
	do
		if (getrandom(epoch, sizeof(*epoch), 0) != sizeof(*epoch))
			return -1;
	while (*epoch == 0);
	return 0;
}

int
service_announce(struct service *s, enum ipc_process role)
{
	struct ipc_control_started control = { 0 };
	struct ipc_net_started net = { 0 };
	struct ipc_channel *ch =
	    role == IPC_NET ? s->control.channel : s->net.channel;

	if (draw_epoch(&s->epoch) == -1)
		return -1;
	control.epoch = net.epoch = s->epoch;
	if (ch == NULL)
		return 0;
	if ((role == IPC_NET ? ipc_send_net_started(ch, &net)
			     : ipc_send_control_started(ch, &control)) == -1)
		/* The kernel tells of its end. */
		return errno == EPIPE ? 0 : -1;
	if (ipc_backlog(ch) == 0)
		return 0;
	errno = EAGAIN;
	return -1;
}

static int
send_udp_sockets(
    struct ipc_channel *ch, uint8_t family, const int *sockets, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct ipc_net_udp m = {
			.fd = sockets[i],
			.family = family,
			.socket = (uint8_t)i,
		};

		if (sockets[i] != -1 && ipc_send_net_udp(ch, &m) == -1)
			return -1;
	}
	return 0;
}

static int
tell_site(struct ipc_channel *ch, const struct site_networks *site)
{
	const struct ipc_site_networks_begin begin = {};
	const struct ipc_site_networks_commit commit = {};

	if (ipc_send_site_networks_begin(ch, &begin) == -1)
		return -1;
	for (size_t i = 0; i < site->count; i++) {
		const struct ipc_site_network m = { site->network[i] };

		if (ipc_send_site_network(ch, &m) == -1)
			return -1;
	}
	return ipc_send_site_networks_commit(ch, &commit);
}

/* Also who is only about to be told that it may start. */
static int
tell_level_to_net(const struct service *s)
{
	const struct ipc_net_log_level m = { (uint8_t)log_get_level() };

	return s->net.channel == NULL
	    ? 0
	    : ipc_send_net_log_level(s->net.channel, &m);
}

static int
tell_level_to_control(const struct service *s)
{
	const struct ipc_control_log_level m = { (uint8_t)log_get_level() };

	return s->control.channel == NULL
	    ? 0
	    : ipc_send_control_log_level(s->control.channel, &m);
}

int
service_hand_over_net(struct service *s, const struct net_hand_over *h)
{
	struct ipc_channel *ch = s->net.channel;
	const struct ipc_net_settings settings = {
		.port_v4 = h->udp->port_v4,
		.port_v6 = h->udp->port_v6,
		.expose_host = h->options->expose_host,
		.log_denied = h->options->log_denied,
		.tell_denied = h->options->flow_log.kind != FLOW_SINK_NONE,
		.tun_offload = h->tun->offload,
		.tun_uso = h->tun->uso,
	};
	const struct ipc_net_peer peer = { h->peer, s->epoch };
	const struct ipc_net_counters counters = { h->window->counters };
	const struct ipc_net_homes homes = { h->tun->homes };
	const struct ipc_net_start start = {};

	if (tell_level_to_net(s) == -1 ||
	    ipc_send_net_settings(ch, &settings) == -1)
		return -1;
	for (unsigned i = 0; i < h->tun->queues; i++) {
		const struct ipc_net_tun queue = {
			.fd = h->tun->queue[i],
			.queue = (uint8_t)i,
		};

		if (ipc_send_net_tun(ch, &queue) == -1)
			return -1;
	}
	if (send_udp_sockets(ch, IP_V4, h->udp->v4, h->udp->count) == -1 ||
	    send_udp_sockets(ch, IP_V6, h->udp->v6, h->udp->count) == -1 ||
	    ipc_send_net_peer(ch, &peer) == -1 ||
	    ipc_send_net_counters(ch, &counters) == -1 ||
	    (homes.fd != -1 && ipc_send_net_homes(ch, &homes) == -1) ||
	    tell_site(ch, &s->site) == -1)
		return -1;
	return ipc_send_net_start(ch, &start);
}

static bool
control_runs(const struct service *s)
{
	return s->control.channel != NULL && ipc_is_running(s->control.channel);
}

void
service_renew_files(struct service *s, struct watched_file *resolv_conf,
    struct watched_file *hosts)
{
	const struct ipc_control_resolv_conf r = { .fd = resolv_conf->fd };
	const struct ipc_control_hosts h = { .fd = hosts->fd };

	if (!control_runs(s))
		return;
	if (resolv_conf->changed &&
	    ipc_send_control_resolv_conf(s->control.channel, &r) == 0) {
		resolv_conf->changed = false;
		s->resolvers_due++;
	}
	if (hosts->changed &&
	    ipc_send_control_hosts(s->control.channel, &h) == 0)
		hosts->changed = false;
}

/* What control-worker does not take it cannot tell anybody. */
static void
tell_process(struct service *s, enum ipc_process role)
{
	const struct process *p = &s->process[role];
	const struct ipc_process_status m = {
		.process = (uint8_t)role,
		.running = p->running,
		.silent = p->silent,
		.pid = (uint32_t)p->pid,
		.uid = p->uid,
		.locks = p->locks,
		.restarts = p->restarts,
		.started_at = p->started_at,
	};

	if (control_runs(s))
		(void)ipc_send_process_status(s->control.channel, &m);
}

void
service_tell_usage(struct service *s)
{
	/* One that does not read hears no more until it does. */
	if (!control_runs(s) || ipc_backlog(s->control.channel) > 0)
		return;
	for (unsigned i = 0; i < 3; i++) {
		struct ipc_process_usage m = { .process = (uint8_t)i };
		struct usage u;

		if (!s->process[i].running)
			continue;
		usage_measure(s->process[i].pid, &u);
		m.cpu_us = u.cpu_us;
		m.resident_bytes = u.resident_bytes;
		m.descriptors = u.descriptors;
		(void)ipc_send_process_usage(s->control.channel, &m);
	}
}

static void
tell_troubles(struct service *s)
{
	struct ipc_network_trouble m = { 0 };

	_Static_assert(sizeof(m.text) == TROUBLES_MAX, "all of it fits");
	trouble_describe(&s->troubles, m.text);
	if (control_runs(s))
		(void)ipc_send_network_trouble(s->control.channel, &m);
}

void
service_trouble(
    struct service *s, enum trouble_source source, const char *text)
{
	if (trouble_set(&s->troubles, source, text))
		tell_troubles(s);
}

static void
tell_overlaps(struct service *s)
{
	const struct ipc_overlaps_begin begin = {};

	if (!control_runs(s))
		return;
	(void)ipc_send_overlaps_begin(s->control.channel, &begin);
	for (size_t i = 0; i < s->overlaps.count; i++) {
		const struct ipc_overlap m = { s->overlaps.network[i] };

		(void)ipc_send_overlap(s->control.channel, &m);
	}
}

void
service_overlaps(struct service *s, const struct overlaps *now)
{
	char text[PREFIX_TEXT_MAX];

	if (overlaps_equal(&s->overlaps, now))
		return;
	for (size_t i = 0; i < now->count; i++)
		if (overlaps_find(&s->overlaps, &now->network[i].ip) == NULL)
			log_warnx("the host's network %s lies within the "
				  "tunnel's range and goes before it; a client "
				  "with an address in it cannot be reached",
			    prefix_format(&now->network[i], text));
	s->overlaps = *now;
	tell_overlaps(s);
}

/*
 * One that is starting has room for it as well; one that takes no messages is
 * ended for it elsewhere.
 */
void
service_site(struct service *s, const struct site_networks *now)
{
	if (site_networks_equal(&s->site, now))
		return;
	s->site = *now;
	if (s->net.channel != NULL)
		(void)tell_site(s->net.channel, now);
}

void
service_is_running(
    struct service *s, enum ipc_process role, pid_t pid, unsigned locks)
{
	struct process *p = &s->process[role];

	p->restarts += p->started_at != 0;
	p->started_at = (uint64_t)time(NULL);
	p->running = true;
	p->pid = pid;
	p->locks = locks;
	tell_process(s, role);
}

static void
tell_silence(struct service *s, const struct worker *w)
{
	struct process *p = &s->process[w->role];
	const bool silent = pulse_is_silent(&w->pulse);
	uint32_t held;

	if (p->silent == silent)
		return;
	p->silent = silent;
	tell_process(s, w->role);
	if (silent && log_allow(&s->silences, mono_now().ns, &held))
		log_warnx("%s does not answer", worker_name(w));
}

static int
ask_for_pulse(struct worker *w)
{
	const struct ipc_net_pulse net = { w->pulse.asked };
	const struct ipc_control_pulse control = { w->pulse.asked };

	return w->role == IPC_NET
	    ? ipc_send_net_pulse(w->channel, &net)
	    : ipc_send_control_pulse(w->channel, &control);
}

bool
service_pulse(struct service *s, struct worker *w, struct mono now)
{
	const enum pulse_step step = pulse_turn(&w->pulse, now);

	/* What is not taken is not answered, either. */
	if (step == PULSE_ASK)
		(void)ask_for_pulse(w);
	tell_silence(s, w);
	return step != PULSE_LOST;
}

static const char not_asked[] = "it gives a sign of life that is not wanted";

static void
on_net_alive(void *ctx, struct ipc_net_alive *m)
{
	struct service *s = ctx;

	if (!pulse_answered(&s->net.pulse, m->serial))
		strlcpy(s->accused_net, not_asked, sizeof(s->accused_net));
	tell_silence(s, &s->net);
}

static void
on_control_alive(void *ctx, struct ipc_control_alive *m)
{
	struct service *s = ctx;

	if (!pulse_answered(&s->control.pulse, m->serial))
		strlcpy(
		    s->accused_control, not_asked, sizeof(s->accused_control));
	tell_silence(s, &s->control);
}

static void
on_net_ready(void *ctx, struct ipc_net_ready *m)
{
	struct service *s = ctx;

	ipc_set_running(s->net.channel);
	/* The packet filter knows its sockets whatever its user is. */
	service_is_running(s, IPC_NET, s->net.pid, m->locks | SANDBOX_EGRESS);
}

static void
tell_listeners(struct service *s, const struct dns_family *f)
{
	for (size_t i = 0; i < 2; i++) {
		const struct ipc_dns_listener m = {
			.fd = f->fds[i],
			.family = f->address.family,
			.tcp = i == 1,
		};

		if (m.fd != -1 && control_runs(s))
			(void)ipc_send_dns_listener(s->control.channel, &m);
	}
}

static void
on_control_ready(void *ctx, struct ipc_control_ready *m)
{
	struct service *s = ctx;

	ipc_set_running(s->control.channel);
	service_is_running(s, IPC_CONTROL, s->control.pid,
	    (m->locks & ~(unsigned)SANDBOX_EGRESS) |
		(s->egress_bound ? SANDBOX_EGRESS : 0));
	/* A new one knows nothing of the others. */
	tell_process(s, IPC_PARENT);
	tell_process(s, IPC_NET);
	if (trouble_is_there(&s->troubles))
		tell_troubles(s);
	if (s->overlaps.count > 0)
		tell_overlaps(s);
	tell_listeners(s, &s->listeners.v4);
	tell_listeners(s, &s->listeners.v6);
}

_Static_assert(sizeof(((struct ipc_egress *)0)->resolvers) ==
	    sizeof(((struct firewall_egress *)0)->resolvers) &&
	sizeof(((struct ipc_resolvers *)0)->resolvers) ==
	    sizeof(((struct firewall_egress *)0)->resolvers),
    "a message has no more resolvers than the packet filter takes");

/*
 * Nothing is worse than a gateway that believes itself fenced and is not. That
 * control-worker is gone meanwhile is told by the kernel.
 */
static void
open_egress(struct service *s, const struct ip_address *resolvers, size_t count)
{
	const struct ipc_egress_open m = {};

	s->egress.resolver_count = count;
	for (size_t i = 0; i < count; i++)
		s->egress.resolvers[i] = resolvers[i];
	if (firewall_set_egress(s->firewall, &s->egress) == -1)
		s->fatal_status = 1;
	else
		(void)ipc_send_egress_open(s->control.channel, &m);
}

static void
on_egress(void *ctx, struct ipc_egress *m)
{
	struct service *s = ctx;

	s->egress.portal_port = m->portal_port;
	open_egress(s, m->resolvers, m->resolvers_count);
}

static void
on_resolvers(void *ctx, struct ipc_resolvers *m)
{
	struct service *s = ctx;

	if (s->resolvers_due == 0) {
		strlcpy(s->accused_control,
		    "it names other resolvers without a new resolv.conf",
		    sizeof(s->accused_control));
		return;
	}
	s->resolvers_due--;
	open_egress(s, m->resolvers, m->resolvers_count);
}

static bool
is_host_open(const struct firewall_egress *e, const struct ip_address *host)
{
	for (size_t i = 0; i < e->host_count; i++)
		if (ip_equal(&e->hosts[i], host))
			return true;
	return false;
}

static void
open_host(struct firewall_egress *e, const struct ip_address *host)
{
	char text[ENDPOINT_TEXT_MAX];

	if (e->host_count == PRIVATE_HOSTS_MAX)
		memmove(&e->hosts[0], &e->hosts[1],
		    --e->host_count * sizeof(e->hosts[0]));
	e->hosts[e->host_count++] = *host;
	log_info("control-worker may reach %s, which it takes for the portal "
		 "or for who takes the flow logs",
	    ip_format(host, text));
}

/* After a break-in each is a step into the LAN, so they are few. */
static void
open_private_hosts(
    struct service *s, const struct ip_address *hosts, size_t count)
{
	char text[ENDPOINT_TEXT_MAX];
	const struct mono now = mono_now();
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (is_host_open(&s->egress, &hosts[i]))
			continue;
		if (bucket_take(&s->hosts_left, now, PRIVATE_HOSTS_BURST,
			PRIVATE_HOSTS_INTERVAL_MS)) {
			open_host(&s->egress, &hosts[i]);
			s->hosts_refused = false;
			any = true;
		} else if (!s->hosts_refused) {
			log_warnx("control-worker names one host after another "
				  "that is not on the Internet; %s is not "
				  "opened, nor others for ten minutes",
			    ip_format(&hosts[i], text));
			s->hosts_refused = true;
		}
	}
	if (any && firewall_set_egress(s->firewall, &s->egress) == -1)
		s->fatal_status = 1;
}

static void
on_private_hosts(void *ctx, struct ipc_private_hosts *m)
{
	struct service *s = ctx;

	for (size_t i = 0; i < m->hosts_count; i++)
		if (ip_is_internet(&m->hosts[i])) {
			strlcpy(s->accused_control,
			    "it names a host that needs no naming",
			    sizeof(s->accused_control));
			return;
		}
	open_private_hosts(s, m->hosts, m->hosts_count);
}

/* The only thing the parent asks of the portal's answer. */
static bool
is_tunnel_address(const struct ip_address *ip, enum ip_family family)
{
	return ip->family == IP_NONE ||
	    (ip->family == family && ip_in_tunnel_range(ip));
}

static void
on_tun_configure(void *ctx, struct ipc_tun_configure *m)
{
	struct service *s = ctx;

	if (!is_tunnel_address(&m->v4, IP_V4) ||
	    !is_tunnel_address(&m->v6, IP_V6) ||
	    (m->v4.family == IP_NONE && m->v6.family == IP_NONE)) {
		char v4[ENDPOINT_TEXT_MAX], v6[ENDPOINT_TEXT_MAX];

		log_error("control-worker wants the tunnel to have %s and %s, "
			  "which are not tunnel addresses",
		    ip_format(&m->v4, v4), ip_format(&m->v6, v6));
		s->fatal_status = 1;
		return;
	}
	s->v4 = m->v4;
	s->v6 = m->v6;
	s->intent = true;
}

static void
change_level(struct service *s, struct mono now)
{
	if (!level_wish_turn(&s->level, now))
		return;
	log_info("an operator wants the log to have level %s",
	    log_level_name(log_get_level()));
	(void)tell_level_to_net(s);
	(void)tell_level_to_control(s);
}

static void
on_log_level(void *ctx, struct ipc_log_level *m)
{
	struct service *s = ctx;

	level_wish_make(&s->level, (enum log_level)m->level);
	change_level(s, mono_now());
}

static void
on_drain(void *ctx, struct ipc_drain *m)
{
	struct service *s = ctx;

	if (!drain_order(&s->drain, mono_now(), m))
		strlcpy(s->accused_control,
		    "it ends what nobody has told it to drain",
		    sizeof(s->accused_control));
}

static void
on_control_fatal(void *ctx, struct ipc_control_fatal *m)
{
	struct service *s = ctx;

	log_error("%s", m->reason);
	s->fatal_status = m->status;
}

/* Who is accused may have had a successor meanwhile, who did nothing. */
static bool
is_about_present(const struct service *s, uint64_t epoch)
{
	if (epoch != s->epoch)
		log_debug("an accusation of a worker that is gone: dropped");
	return epoch == s->epoch;
}

static void
on_net_accuses(void *ctx, struct ipc_net_accuses *m)
{
	struct service *s = ctx;

	if (!is_about_present(s, m->epoch))
		return;
	strlcpy(s->accused_control, m->what, sizeof(s->accused_control));
}

static void
on_control_accuses(void *ctx, struct ipc_control_accuses *m)
{
	struct service *s = ctx;

	if (!is_about_present(s, m->epoch))
		return;
	strlcpy(s->accused_net, m->what, sizeof(s->accused_net));
}

static const struct ipc_handlers net_handlers = {
	.net_ready = on_net_ready,
	.net_alive = on_net_alive,
	.net_accuses = on_net_accuses,
};

static const struct ipc_handlers control_handlers = {
	.control_ready = on_control_ready,
	.control_alive = on_control_alive,
	.control_accuses = on_control_accuses,
	.egress = on_egress,
	.resolvers = on_resolvers,
	.private_hosts = on_private_hosts,
	.log_level = on_log_level,
	.tun_configure = on_tun_configure,
	.drain = on_drain,
	.control_fatal = on_control_fatal,
};

enum ipc_result
service_dispatch(struct service *s, struct worker *w)
{
	return ipc_dispatch(w->channel,
	    w->role == IPC_NET ? &net_handlers : &control_handlers, s);
}

void
service_forget(struct service *s, const struct worker *w)
{
	s->process[w->role].running = s->process[w->role].silent = false;
	tell_process(s, w->role);
	if (w->role == IPC_NET) {
		s->accused_net[0] = '\0';
		return;
	}
	s->accused_control[0] = '\0';
	s->intent = false;
	s->resolvers_due = 0;
}

static void
configure_network(struct service *s, struct mono now)
{
	struct ipc_tun_configured m = { 0 };

	s->intent = false;
	s->not_before = mono_add_ms(now, TUN_CONFIGURE_INTERVAL_MS);
	if (network_configure(s->network, &s->v4, &s->v6, &m.v4, &m.v6) == -1) {
		log_error("cannot set the addresses and routes of %s: %s",
		    TUN_NAME, strerrordesc_np(errno));
		s->fatal_status = 1;
		return;
	}
	s->listen_v4 = m.v4 ? s->v4 : (struct ip_address){ 0 };
	s->listen_v6 = m.v6 ? s->v6 : (struct ip_address){ 0 };
	s->listening_due = true;
	s->listen_at = now;
	s->listen_tries = 0;
	if (control_runs(s))
		(void)ipc_send_tun_configured(s->control.channel, &m);
}

/* False when it cannot be bound. */
static bool
listen_on_address(
    struct service *s, struct dns_family *f, const struct ip_address *address)
{
	int r = dns_family_bind(f, address, s->process[IPC_CONTROL].uid);

	if (r == 1)
		tell_listeners(s, f);
	return r != -1;
}

static void
start_listening(struct service *s, struct mono now)
{
	if (listen_on_address(s, &s->listeners.v4, &s->listen_v4) &&
	    listen_on_address(s, &s->listeners.v6, &s->listen_v6)) {
		s->listening_due = false;
		return;
	}
	s->listen_at = mono_add_ms(now, DNS_LISTENERS_PAUSE_MS);
	if (++s->listen_tries < DNS_LISTENERS_TRIES)
		return;
	log_error("cannot bind the DNS server to port %u of the tunnel's "
		  "addresses: %s",
	    TUNNEL_DNS_PORT, strerrordesc_np(errno));
	s->fatal_status = 1;
}

void
service_turn(struct service *s, struct mono now)
{
	if (s->intent && mono_due(s->not_before, now))
		configure_network(s, now);
	if (s->listening_due && mono_due(s->listen_at, now))
		start_listening(s, now);
	change_level(s, now);
	drain_turn(&s->drain, now);
}

struct mono
service_deadline(const struct service *s)
{
	struct mono until = mono_min(s->intent ? s->not_before : MONO_NEVER,
	    s->listening_due ? s->listen_at : MONO_NEVER);

	until = mono_min(until, drain_deadline(&s->drain));
	return mono_min(until, level_wish_deadline(&s->level));
}

bool
service_shut_down(struct worker *w)
{
	const struct ipc_net_shutdown net = {};
	const struct ipc_control_shutdown control = {};

	if (w->channel == NULL || !ipc_is_running(w->channel))
		return false;
	return (w->role == IPC_NET
		       ? ipc_send_net_shutdown(w->channel, &net)
		       : ipc_send_control_shutdown(w->channel, &control)) == 0;
}

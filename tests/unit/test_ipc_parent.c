/*
 * parent/ipc_parent.c: what it hands over, and what it does when asked. The
 * kernel's part is replaced by one that records the intents.
 */
#include "parent/ipc_parent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/sandbox.h"
#include "tests/unit/unit.h"

static struct service service;
static struct ipc_channel *net, *control; /* the workers' ends */
static unsigned configured;
static struct ip_address last_v4, last_v6;
static int configure_error;

int
network_configure(struct network *n, const struct ip_address *v4,
    const struct ip_address *v6, bool *have_v4, bool *have_v6)
{
	(void)n;
	configured++;
	last_v4 = *v4;
	last_v6 = *v6;
	*have_v4 = v4->family != IP_NONE;
	*have_v6 = v6->family != IP_NONE;
	errno = configure_error;
	return configure_error == 0 ? 0 : -1;
}

/* Of the packet filter and of the listeners likewise. */
static unsigned filtered, bound;
static struct firewall_egress last_egress;
static int filter_result, bind_failures;

int
firewall_set_egress(struct firewall *fw, const struct firewall_egress *e)
{
	(void)fw;
	filtered++;
	last_egress = *e;
	return filter_result;
}

int
dns_family_bind(struct dns_family *f, const struct ip_address *ip, uid_t owner)
{
	(void)owner;
	if (ip_equal(&f->address, ip))
		return 0;
	*f = (struct dns_family){ .fds = { -1, -1 } };
	if (bind_failures > 0) {
		bind_failures--;
		errno = EADDRNOTAVAIL;
		return -1;
	}
	bound++;
	f->address = *ip;
	if (ip->family != IP_NONE)
		f->fds[0] = f->fds[1] = 0;
	return 1;
}

static void
connect_worker(
    struct worker *w, enum ipc_process role, struct ipc_channel **other)
{
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	*w = (struct worker){ .role = role, .log_fd = -1 };
	w->channel = ipc_open(fds[0], IPC_PARENT, role);
	*other = ipc_open(fds[1], role, IPC_PARENT);
	assert_true(w->channel != NULL && *other != NULL);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&service, 0, sizeof(service));
	service.listeners = DNS_LISTENERS_CLOSED;
	connect_worker(&service.net, IPC_NET, &net);
	connect_worker(&service.control, IPC_CONTROL, &control);
	configured = 0;
	configure_error = 0;
	filtered = bound = 0;
	filter_result = bind_failures = 0;
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	worker_close(&service.net);
	worker_close(&service.control);
	ipc_close(net);
	ipc_close(control);
	return 0;
}

static void
become_ready(void)
{
	const struct ipc_net_ready n = { .fd = -1 };
	const struct ipc_control_ready c = { .fd = -1 };

	assert_int_equal(ipc_send_net_ready(net, &n), 0);
	assert_int_equal(ipc_send_control_ready(control, &c), 0);
	assert_false(service_shut_down(&service.net));
	assert_int_equal(service_dispatch(&service, &service.net), IPC_HANDLED);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_true(ipc_is_running(service.net.channel));
	assert_true(ipc_is_running(service.control.channel));
	ipc_set_running(net);
	ipc_set_running(control);
}

static struct ip_address
ip(const char *text)
{
	struct ip_address a = { 0 };

	if (*text != '\0')
		assert_true(ip_parse(text, &a));
	return a;
}

static void
ask(const char *v4, const char *v6)
{
	const struct ipc_tun_configure m = { -1, ip(v4), ip(v6) };

	assert_int_equal(ipc_send_tun_configure(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
}

static struct mono
at_ms(int64_t ms)
{
	return (struct mono){ ms * 1000000 };
}

/* The answers that have come to control-worker. */
static unsigned answers;
static bool answer_v4, answer_v6;

static void
on_configured(void *ctx, struct ipc_tun_configured *m)
{
	(void)ctx;
	answers++;
	answer_v4 = m->v4;
	answer_v6 = m->v6;
}

static unsigned listeners;

static void
on_listener(void *ctx, struct ipc_dns_listener *m)
{
	(void)ctx;
	assert_true(m->fd != -1);
	listeners |= 1u << ((m->family == IP_V6) * 2 + m->tcp);
}

static void
ignore_process(void *ctx, struct ipc_process_status *m)
{
	(void)ctx;
	(void)m;
}

static unsigned
count_answers(void)
{
	static const struct ipc_handlers h = {
		.tun_configured = on_configured,
		.dns_listener = on_listener,
		.process_status = ignore_process,
	};

	answers = listeners = 0;
	while (ipc_dispatch(control, &h, NULL) == IPC_HANDLED)
		continue;
	return answers;
}

static void
addresses_are_set(void **state)
{
	(void)state;
	become_ready();
	ask("100.64.0.1", "fd00:2021:1111::1");
	service_turn(&service, at_ms(1));
	assert_int_equal(configured, 1);
	assert_int_equal(count_answers(), 1);
	assert_true(answer_v4 && answer_v6);
	service_turn(&service, at_ms(5000));
	assert_int_equal(configured, 1);
	ask("100.95.255.255", "");
	service_turn(&service, at_ms(9000));
	assert_int_equal(count_answers(), 1);
	assert_true(answer_v4 && !answer_v6);
	assert_int_equal(service.fatal_status, 0);
}

/* Listeners are told of when they are others, and to a new control-worker. */
static void
listeners_follow_the_addresses(void **state)
{
	const struct ipc_control_ready ready = { .fd = -1 };

	(void)state;
	become_ready();
	ask("100.64.0.1", "fd00:2021:1111::1");
	service_turn(&service, at_ms(1));
	assert_int_equal(count_answers(), 1);
	assert_int_equal(listeners, 15);
	ask("100.64.0.1", "fd00:2021:1111::2");
	service_turn(&service, at_ms(2000));
	(void)count_answers();
	assert_int_equal(listeners, 12); /* IPv6 alone */
	ask("100.64.0.1", "fd00:2021:1111::2");
	service_turn(&service, at_ms(4000));
	assert_int_equal(count_answers(), 1);
	assert_int_equal(listeners, 0);
	ask("100.64.0.1", "");
	service_turn(&service, at_ms(6000));
	assert_int_equal(bound, 4);
	(void)count_answers();
	worker_close(&service.control);
	ipc_close(control);
	service_forget(&service, &service.control);
	connect_worker(&service.control, IPC_CONTROL, &control);
	assert_int_equal(ipc_send_control_ready(control, &ready), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	ipc_set_running(control);
	(void)count_answers();
	assert_int_equal(listeners, 3); /* IPv4 alone is left */
}

/* Whom control-worker reaches is bound by us, and it cannot claim it is. */
static void
the_lock_of_the_packet_filter(void **state)
{
	const struct ipc_control_ready ready = {
		.fd = -1,
		.locks = SANDBOX_SECCOMP | SANDBOX_EGRESS,
	};

	(void)state;
	assert_int_equal(ipc_send_control_ready(control, &ready), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(service.process[IPC_CONTROL].locks, SANDBOX_SECCOMP);
	ipc_close(control);
	worker_close(&service.control);
	service_forget(&service, &service.control);
	connect_worker(&service.control, IPC_CONTROL, &control);
	service.egress_bound = true;
	assert_int_equal(ipc_send_control_ready(control, &ready), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(service.process[IPC_CONTROL].locks,
	    SANDBOX_SECCOMP | SANDBOX_EGRESS);
}

static void
listeners_that_cannot_be_bound(void **state)
{
	(void)state;
	become_ready();
	bind_failures = 2;
	ask("100.64.0.1", "");
	for (int64_t ms = 0; ms < 300; ms += 50)
		service_turn(&service, at_ms(ms));
	assert_int_equal(service.fatal_status, 0);
	assert_true(mono_is_never(service_deadline(&service)));
	(void)count_answers();
	assert_int_equal(listeners, 3);
	bind_failures = 3;
	ask("100.64.0.2", "");
	service_turn(&service, at_ms(2000));
	assert_int_equal(service_deadline(&service).ns,
	    at_ms(2000 + DNS_LISTENERS_PAUSE_MS).ns);
	service_turn(&service, at_ms(2099));
	assert_int_equal(bind_failures, 2);
	service_turn(&service, at_ms(2100));
	assert_int_equal(service.fatal_status, 0);
	service_turn(&service, at_ms(2200));
	assert_int_equal(service.fatal_status, 1);
}

/* The messages about the packet filter that have come to control-worker. */
static unsigned opened, files;

static void
on_open(void *ctx, struct ipc_egress_open *m)
{
	(void)ctx;
	(void)m;
	opened++;
}

static void
on_resolv_conf(void *ctx, struct ipc_control_resolv_conf *m)
{
	(void)ctx;
	assert_true(m->fd != -1);
	files++;
}

static void
on_hosts(void *ctx, struct ipc_control_hosts *m)
{
	(void)ctx;
	assert_true(m->fd != -1);
	files += 10;
}

static void
count_opened(void)
{
	static const struct ipc_handlers h = {
		.egress_open = on_open,
		.control_resolv_conf = on_resolv_conf,
		.control_hosts = on_hosts,
		.process_status = ignore_process,
	};

	opened = files = 0;
	while (ipc_dispatch(control, &h, NULL) == IPC_HANDLED)
		continue;
}

static void
name_egress(uint16_t port)
{
	struct ipc_egress m = { .fd = -1, .portal_port = port };

	m.resolvers[0] = ip("192.0.2.53");
	m.resolvers_count = 1;
	assert_int_equal(ipc_send_egress(control, &m), 0);
}

static void
name_resolvers(const char *first)
{
	struct ipc_resolvers m = { .fd = -1, .resolvers_count = 1 };

	m.resolvers[0] = ip(first);
	assert_int_equal(ipc_send_resolvers(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
}

static void
egress_is_opened_once(void **state)
{
	(void)state;
	name_egress(8443);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(filtered, 1);
	assert_int_equal(last_egress.portal_port, 8443);
	assert_int_equal(last_egress.resolver_count, 1);
	assert_int_equal(last_egress.resolvers[0].bytes[3], 53);
	count_opened();
	assert_int_equal(opened, 1);
	name_egress(22);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_VIOLATION);
	assert_int_equal(filtered, 1);
}

/* Once it has heard the network, it may not say whom it wants to talk to. */
static void
egress_is_too_late(void **state)
{
	static const uint8_t late[2 + 2 + 2] = { 0, IPC_TYPE_EGRESS, 0, 22 };

	(void)state;
	become_ready();
	assert_int_equal(
	    send(ipc_fd(control), late, sizeof(late), 0), sizeof(late));
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_VIOLATION);
	assert_int_equal(filtered, 0);
}

static void
resolvers_come_with_a_file(void **state)
{
	struct handed_file resolv_conf = { .fd = 0 }, hosts = { .fd = 0 };

	(void)state;
	name_egress(443);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	resolv_conf.changed = hosts.changed = true;
	service_renew_files(&service, &resolv_conf, &hosts);
	assert_true(resolv_conf.changed && hosts.changed); /* not ready yet */
	become_ready();
	service_renew_files(&service, &resolv_conf, &hosts);
	service_renew_files(&service, &resolv_conf, &hosts);
	assert_false(resolv_conf.changed || hosts.changed);
	count_opened();
	assert_int_equal(files, 11);
	name_resolvers("192.0.2.54");
	assert_int_equal(filtered, 2);
	assert_int_equal(last_egress.portal_port, 443);
	assert_int_equal(last_egress.resolvers[0].bytes[3], 54);
	count_opened();
	assert_int_equal(opened, 1);
	assert_string_equal(service.accused_control, "");
	/* A second one, and one for the hosts file, is too much. */
	hosts.changed = true;
	service_renew_files(&service, &resolv_conf, &hosts);
	name_resolvers("192.0.2.55");
	assert_int_equal(filtered, 2);
	assert_string_not_equal(service.accused_control, "");
}

/* It has died since: no reason for the parent to do likewise. */
static void
egress_of_the_dead(void **state)
{
	(void)state;
	name_egress(443);
	ipc_close(control);
	control = NULL;
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(filtered, 1);
	assert_int_equal(service.fatal_status, 0);
}

static void
packet_filter_refuses(void **state)
{
	(void)state;
	filter_result = -1;
	name_egress(443);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(service.fatal_status, 1);
}

static void
addresses_that_are_none(void **state)
{
	static const struct {
		const char *v4, *v6;
	} cases[] = {
		{ "", "" },
		{ "100.96.0.1", "" },     /* a proxy address */
		{ "100.63.255.255", "" }, /* just below */
		{ "10.0.0.1", "" },       /* of somebody else */
		{ "100.64.0.1", "2001:db8::1" },
		{ "100.64.0.1", "fd00:2021:1111:8000::1" },
		{ "fd00:2021:1111::1", "" }, /* the wrong way round */
		{ "", "100.64.0.1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		(void)tear_down(NULL);
		(void)set_up(NULL);
		become_ready();
		ask(cases[i].v4, cases[i].v6);
		service_turn(&service, at_ms(1));
		assert_int_equal(service.fatal_status, 1);
		assert_int_equal(configured, 0);
	}
}

static void
changes_are_held_back(void **state)
{
	(void)state;
	become_ready();
	assert_true(mono_is_never(service_deadline(&service)));
	ask("100.64.0.1", "");
	service_turn(&service, at_ms(10));
	for (int i = 0; i < 50; i++) {
		ask("100.64.0.2", "");
		service_turn(&service, at_ms(10 + i));
	}
	ask("100.64.0.3", "");
	assert_int_equal(configured, 1);
	assert_int_equal(service_deadline(&service).ns,
	    at_ms(10 + TUN_CONFIGURE_INTERVAL_MS).ns);
	service_turn(&service, at_ms(9 + TUN_CONFIGURE_INTERVAL_MS));
	assert_int_equal(configured, 1);
	service_turn(&service, at_ms(10 + TUN_CONFIGURE_INTERVAL_MS));
	assert_int_equal(configured, 2);
	assert_int_equal(last_v4.bytes[3], 3); /* the last one counts */
	assert_true(mono_is_never(service_deadline(&service)));
}

static void
kernel_refuses(void **state)
{
	(void)state;
	become_ready();
	configure_error = ENODEV;
	ask("100.64.0.1", "");
	service_turn(&service, at_ms(1));
	assert_int_equal(service.fatal_status, 1);
	assert_int_equal(count_answers(), 0);
}

static void
control_worker_gives_up(void **state)
{
	struct ipc_control_fatal m = { .fd = -1, .status = 2 };

	(void)state;
	snprintf(m.reason, sizeof(m.reason), "the token is invalid");
	assert_int_equal(ipc_send_control_fatal(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	assert_int_equal(service.fatal_status, 2);
}

static void
net_worker_may_say_ready_only(void **state)
{
	static const uint8_t request[2 + 17 + 17] = { 0,
		IPC_TYPE_TUN_CONFIGURE };

	(void)state;
	become_ready();
	assert_int_equal(
	    send(ipc_fd(net), request, sizeof(request), 0), sizeof(request));
	assert_int_equal(
	    service_dispatch(&service, &service.net), IPC_VIOLATION);
	assert_int_equal(configured, 0);
}

/* The messages of a hand-over, as words. */
static char story[2048];

#define TELL(name, word)                                       \
	static void tell_##name(void *c, struct ipc_##name *m) \
	{                                                      \
		(void)c;                                       \
		(void)m;                                       \
		strcat(story, word " ");                       \
	}
TELL(net_peer, "peer")
TELL(net_start, "start")
TELL(net_counters, "counters")
TELL(control_ca_bundle, "ca")
TELL(control_resolv_conf, "resolv")
TELL(control_hosts, "hosts")
TELL(control_peer, "peer")
TELL(control_start, "start")
TELL(control_counters, "counters")
TELL(control_health, "health")
TELL(net_shutdown, "shutdown")
TELL(control_shutdown, "shutdown")

static void
tell_settings(void *ctx, struct ipc_net_settings *m)
{
	(void)ctx;
	assert_int_equal(m->port_v4, 52625);
	assert_int_equal(m->port_v6, 0);
	assert_true(m->expose_host && m->tun_offload && !m->tun_uso);
	strcat(story, "settings ");
}

static void
tell_tun(void *ctx, struct ipc_net_tun *m)
{
	(void)ctx;
	strcat(story, m->queue == 0 ? "tun0 " : "tun1 ");
}

static void
tell_udp(void *ctx, struct ipc_net_udp *m)
{
	(void)ctx;
	assert_int_equal(m->family, IP_V4);
	strcat(story, m->socket == 0 ? "udp0 " : "udp1 ");
}

static void
tell_identity(void *ctx, struct ipc_control_identity *m)
{
	(void)ctx;
	assert_string_equal(m->api_url, "wss://x");
	assert_string_equal(m->external_id, "id");
	assert_string_equal(m->name, "name");
	assert_string_equal(m->os, "Debian/12");
	assert_string_equal(m->arch, "x86_64");
	assert_string_equal(m->kernel, "6.1");
	assert_int_equal(m->max_partition_ms, 5);
	strcat(story, "identity ");
}

static void
tell_token(void *ctx, struct ipc_control_token *m)
{
	(void)ctx;
	assert_string_equal(m->token, "secret");
	strcat(story, "token ");
}

static void
tell_ctl(void *ctx, struct ipc_control_ctl *m)
{
	(void)ctx;
	assert_int_equal(m->uid, 1);
	assert_int_equal(m->gid, 2);
	strcat(story, "ctl ");
}

static void
tell_flow_logs(void *ctx, struct ipc_control_flow_logs *m)
{
	(void)ctx;
	assert_string_equal(m->spool, "/spool");
	assert_true(m->log);
	strcat(story, "flow_logs ");
}

static void
tell_process(void *ctx, struct ipc_process_status *m)
{
	char text[64];

	(void)ctx;
	snprintf(text, sizeof(text), "%s:%s:%u:%u ",
	    ipc_process_name((enum ipc_process)m->process),
	    m->running ? "runs" : "starts", m->locks, m->restarts);
	strcat(story, text);
}

static void
tell_trouble(void *ctx, struct ipc_network_trouble *m)
{
	(void)ctx;
	strcat(story, m->text[0] == '\0' ? "no trouble" : m->text);
	strcat(story, ". ");
}

static void
tell_no_overlaps(void *ctx, struct ipc_overlaps_begin *m)
{
	(void)ctx;
	(void)m;
	strcat(story, "overlaps ");
}

static void
tell_overlap(void *ctx, struct ipc_overlap *m)
{
	char text[PREFIX_TEXT_MAX];

	(void)ctx;
	strcat(story, prefix_format(&m->network, text));
	strcat(story, " ");
}

static const struct ipc_handlers telling = {
	.overlaps_begin = tell_no_overlaps,
	.overlap = tell_overlap,
	.network_trouble = tell_trouble,
	.net_settings = tell_settings,
	.net_tun = tell_tun,
	.net_udp = tell_udp,
	.net_peer = tell_net_peer,
	.net_counters = tell_net_counters,
	.net_start = tell_net_start,
	.net_shutdown = tell_net_shutdown,
	.control_identity = tell_identity,
	.control_token = tell_token,
	.control_ca_bundle = tell_control_ca_bundle,
	.control_resolv_conf = tell_control_resolv_conf,
	.control_hosts = tell_control_hosts,
	.control_peer = tell_control_peer,
	.control_counters = tell_control_counters,
	.control_health = tell_control_health,
	.control_ctl = tell_ctl,
	.control_flow_logs = tell_flow_logs,
	.process_status = tell_process,
	.control_start = tell_control_start,
	.control_shutdown = tell_control_shutdown,
};

static const char *
story_of(struct ipc_channel *ch)
{
	story[0] = '\0';
	while (ipc_dispatch(ch, &telling, NULL) == IPC_HANDLED)
		continue;
	return story;
}

static void
what_is_handed_over(void **state)
{
	struct options o = {
		.api_url = "wss://x",
		.expose_host = true,
		.flow_logs = true,
		.max_partition_ms = 5,
	};
	const struct identity i = { "id", "name", "Debian/12", "x86_64",
		"6.1" };
	const struct tun tun = {
		.queue = { 0, 0 }, .queues = 2, .offload = true
	};
	const struct udp_sockets udp = {
		.v4 = { 0, 0 }, .v6 = { -1, -1 }, .count = 2, .port_v4 = 52625
	};
	char token[] = "secret";
	const struct window window = {
		.health = 0,
		.ctl = 0,
		.ctl_uid = 1,
		.ctl_gid = 2,
	};
	const struct net_hand_over n = { &o, &tun, &udp, 0, &window };
	struct handed_file resolv_conf = { .changed = true };
	struct handed_file hosts = { .changed = true };
	const struct control_hand_over c = { &o, &i, "/spool", 0, &resolv_conf,
		&hosts, 0, &window };

	(void)state;
	o.token = token;
	assert_int_equal(service_hand_over_net(&service, &n), 0);
	assert_int_equal(service_hand_over_control(&service, &c), 0);
	assert_false(resolv_conf.changed || hosts.changed);
	assert_string_equal(
	    story_of(net), "settings tun0 tun1 udp0 udp1 peer counters start ");
	assert_string_equal(story_of(control),
	    "identity token ca resolv hosts peer flow_logs counters health "
	    "ctl start ");
	become_ready();
	(void)story_of(control);
	assert_true(service_shut_down(&service.net));
	assert_true(service_shut_down(&service.control));
	assert_string_equal(story_of(net), "shutdown ");
	assert_string_equal(story_of(control), "shutdown ");
}

/* control-worker knows at any time which processes there are. */
static void
processes_are_told(void **state)
{
	(void)state;
	become_ready();
	assert_string_equal(story_of(control),
	    "control-worker:runs:0:0 parent:starts:0:0 net-worker:runs:0:0 ");
	service_is_running(&service, IPC_PARENT, 1, 8);
	assert_string_equal(story_of(control), "parent:runs:8:0 ");
	service_forget(&service, &service.net);
	assert_string_equal(story_of(control), "net-worker:starts:0:0 ");
	service_is_running(&service, IPC_NET, 2, 3);
	assert_string_equal(story_of(control), "net-worker:runs:3:1 ");
}

/* What the workers were told last of their epoch. */
static uint64_t told_net, told_control;

static void
on_control_started(void *ctx, struct ipc_control_started *m)
{
	(void)ctx;
	told_net = m->epoch;
}

static void
on_net_started(void *ctx, struct ipc_net_started *m)
{
	(void)ctx;
	told_control = m->epoch;
}

static void
epochs_cannot_be_guessed(void **state)
{
	static const struct ipc_handlers net_hears = {
		.control_started = on_control_started,
	};
	static const struct ipc_handlers control_hears = {
		.net_started = on_net_started,
	};
	uint64_t distance, before = 0;

	(void)state;
	for (int i = 0; i < 32; i++) {
		assert_int_equal(service_announce(&service, IPC_NET), 0);
		assert_int_equal(
		    ipc_dispatch(control, &control_hears, NULL), IPC_HANDLED);
		assert_true(told_control == service.epoch);
		assert_int_equal(service_announce(&service, IPC_CONTROL), 0);
		assert_int_equal(
		    ipc_dispatch(net, &net_hears, NULL), IPC_HANDLED);
		assert_true(told_net == service.epoch);
		assert_true(told_net != 0 && told_net != told_control);
		distance = told_net - before;
		assert_true(distance > 1u << 20 && -distance > 1u << 20);
		before = told_net;
	}
}

/* The successor of who is accused has done nothing. */
static void
accusation_is_about_an_epoch(void **state)
{
	struct ipc_net_accuses by_net = { .fd = -1, .what = "x" };
	struct ipc_control_accuses by_control = { .fd = -1, .what = "x" };

	(void)state;
	become_ready();
	assert_int_equal(service_announce(&service, IPC_NET), 0);
	by_net.epoch = by_control.epoch = service.epoch;
	assert_int_equal(service_announce(&service, IPC_NET), 0);
	for (int i = 0; i < 2; i++) {
		bool present = i == 1;

		assert_int_equal(ipc_send_net_accuses(net, &by_net), 0);
		assert_int_equal(
		    ipc_send_control_accuses(control, &by_control), 0);
		assert_int_equal(
		    service_dispatch(&service, &service.net), IPC_HANDLED);
		assert_int_equal(
		    service_dispatch(&service, &service.control), IPC_HANDLED);
		assert_string_equal(
		    service.accused_control, present ? "x" : "");
		assert_string_equal(service.accused_net, present ? "x" : "");
		by_net.epoch = by_control.epoch = service.epoch;
	}
}

static void
nothing_is_left_in_the_pair(void **state)
{
	struct peer_pair pair;
	char byte;

	(void)state;
	assert_int_equal(peer_pair_open(&pair), 0);
	/* As much as it holds, and messages without a byte. */
	while (send(pair.net, "old", 3, MSG_DONTWAIT) == 3 &&
	    send(pair.control, "", 0, MSG_DONTWAIT) == 0)
		continue;
	peer_pair_drain(&pair);
	assert_int_equal(recv(pair.net, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(recv(pair.control, &byte, 1, MSG_DONTWAIT), -1);
	peer_pair_close(&pair);
}

/* All sources together, when it is news, and to whoever comes later. */
static void
troubles_are_told(void **state)
{
	char longest[2 * TROUBLE_TEXT_MAX];

	(void)state;
	service_trouble(&service, TROUBLE_SETTINGS, "first");
	assert_string_equal(story_of(control), "");
	become_ready();
	assert_non_null(strstr(story_of(control), " first. "));
	service_trouble(&service, TROUBLE_SETTINGS, "first");
	assert_string_equal(story_of(control), "");
	service_trouble(&service, TROUBLE_ROUTING, "second");
	assert_string_equal(story_of(control), "second; first. ");
	service_trouble(&service, TROUBLE_SETTINGS, "");
	assert_string_equal(story_of(control), "second. ");
	service_trouble(&service, TROUBLE_ROUTING, "");
	assert_string_equal(story_of(control), "no trouble. ");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (int i = 0; i < TROUBLE_SOURCES; i++)
		service_trouble(&service, (enum trouble_source)i, longest);
	assert_true(strlen(story_of(control)) >
	    (size_t)TROUBLE_SOURCES * (TROUBLE_TEXT_MAX - 1));
}

static void
overlaps_are_told(void **state)
{
	struct overlaps o = { .count = 2 };

	(void)state;
	become_ready();
	(void)story_of(control);
	assert_true(prefix_parse("100.70.1.0/24", &o.network[0]));
	assert_true(prefix_parse("fd00:2021:1111::/112", &o.network[1]));
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control),
	    "overlaps 100.70.1.0/24 fd00:2021:1111::/112 ");
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control), "");
	o.count = 0;
	service_overlaps(&service, &o);
	assert_string_equal(story_of(control), "overlaps ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_are_set),
		TEST(addresses_that_are_none),
		TEST(listeners_follow_the_addresses),
		TEST(listeners_that_cannot_be_bound),
		TEST(the_lock_of_the_packet_filter),
		TEST(egress_is_opened_once),
		TEST(egress_is_too_late),
		TEST(resolvers_come_with_a_file),
		TEST(egress_of_the_dead),
		TEST(packet_filter_refuses),
		TEST(changes_are_held_back),
		TEST(kernel_refuses),
		TEST(control_worker_gives_up),
		TEST(net_worker_may_say_ready_only),
		TEST(what_is_handed_over),
		TEST(processes_are_told),
		TEST(epochs_cannot_be_guessed),
		TEST(accusation_is_about_an_epoch),
		TEST(nothing_is_left_in_the_pair),
		TEST(troubles_are_told),
		TEST(overlaps_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

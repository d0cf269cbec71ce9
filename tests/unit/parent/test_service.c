/* parent/service.c: what it does when a worker asks. */
#include "tests/lib/service.h"

#include "common/drain.h"
#include "common/sandbox.h"

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
	const struct ipc_tun_configure m = { ip(v4), ip(v6) };

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
	const struct ipc_control_ready ready = { 0 };

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

/* net-worker it knows by the sockets that we have made. */
static void
the_lock_on_net_workers_sockets(void **state)
{
	const struct ipc_net_ready ready = { .locks = SANDBOX_SECCOMP };

	(void)state;
	assert_int_equal(ipc_send_net_ready(net, &ready), 0);
	assert_int_equal(service_dispatch(&service, &service.net), IPC_HANDLED);
	assert_int_equal(
	    service.process[IPC_NET].locks, SANDBOX_SECCOMP | SANDBOX_EGRESS);
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
	struct ipc_egress m = { .portal_port = port };

	m.resolvers[0] = ip("192.0.2.53");
	m.resolvers_count = 1;
	assert_int_equal(ipc_send_egress(control, &m), 0);
}

static void
name_resolvers(const char *first)
{
	struct ipc_resolvers m = { .resolvers_count = 1 };

	m.resolvers[0] = ip(first);
	assert_int_equal(ipc_send_resolvers(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
}

static void
name_hosts(const char *first, uint8_t last_bytes)
{
	struct ipc_private_hosts m = { .hosts_count = 1 };

	m.hosts[0] = ip(first);
	m.hosts[0].bytes[3] = last_bytes;
	assert_int_equal(ipc_send_private_hosts(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
}

static enum log_level
want_level(enum log_level level)
{
	struct ipc_log_level m = { .level = (uint8_t)level };

	assert_int_equal(ipc_send_log_level(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	return log_get_level();
}

static void
order_drain(enum drain_order what, uint32_t within)
{
	const struct ipc_drain m = { .order = (uint8_t)what, .within = within };

	assert_int_equal(ipc_send_drain(control, &m), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
}

static void
drains(void **state)
{
	const struct mono now = mono_now();

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	become_ready();
	order_drain(DRAIN_BEGIN, 60);
	assert_string_equal(service.accused_control, "");
	assert_true(mono_before(service_deadline(&service), MONO_NEVER));
	/* It goes on while control-worker is made again. */
	service_forget(&service, &service.control);
	service_turn(&service, mono_add_s(now, 59));
	assert_false(service.drain.over);
	service_turn(&service, mono_add_s(now, 70));
	assert_true(service.drain.over);
	assert_int_equal(service.fatal_status, 0);
}

static void
drains_what_nobody_has_begun(void **state)
{
	(void)state;
	become_ready();
	order_drain(DRAIN_DONE, 0);
	assert_string_not_equal(service.accused_control, "");
	assert_false(service.drain.over);
}

static unsigned told_levels;
static uint8_t told_net, told_control;

static void
on_net_level(void *ctx, struct ipc_net_log_level *m)
{
	(void)ctx;
	told_levels++;
	told_net = m->level;
}

static void
on_control_level(void *ctx, struct ipc_control_log_level *m)
{
	(void)ctx;
	told_control = m->level;
}

static void
hear_levels(void)
{
	static const struct ipc_handlers handlers = {
		.net_log_level = on_net_level,
		.control_log_level = on_control_level,
		.process_status = ignore_process,
	};

	while (ipc_dispatch(net, &handlers, NULL) == IPC_HANDLED)
		continue;
	while (ipc_dispatch(control, &handlers, NULL) == IPC_HANDLED)
		continue;
}

/*
 * More, and less again, but not less than at the start: who has broken in does
 * not silence us. Nor are there many changes at once, but the last one comes.
 */
static void
levels_of_the_log(void **state)
{
	(void)state;
	become_ready();
	log_init_sink("test", LOG_LEVEL_WARN, LOG_FORMAT_HUMAN);
	assert_int_equal(want_level(LOG_LEVEL_INFO), LOG_LEVEL_INFO);
	assert_int_equal(want_level(LOG_LEVEL_INFO), LOG_LEVEL_INFO);
	assert_int_equal(want_level(LOG_LEVEL_ERROR), LOG_LEVEL_WARN);
	hear_levels();
	assert_int_equal(told_levels, 2);
	assert_int_equal(told_net, LOG_LEVEL_WARN);
	assert_int_equal(told_control, LOG_LEVEL_WARN);
	for (int i = 0; i < 21; i++)
		want_level(i % 2 == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARN);
	hear_levels();
	assert_in_range(told_levels, 3, 10);
	service_turn(&service, mono_add_s(mono_now(), 10));
	assert_true(mono_is_never(service_deadline(&service)));
	hear_levels();
	assert_int_equal(log_get_level(), LOG_LEVEL_INFO);
	assert_int_equal(told_net, LOG_LEVEL_INFO);
	assert_int_equal(told_control, LOG_LEVEL_INFO);
}

/* A net-worker that is not ready yet has it as well. */
static void
level_while_a_worker_starts(void **state)
{
	const struct ipc_control_ready ready = { 0 };

	(void)state;
	assert_int_equal(ipc_send_control_ready(control, &ready), 0);
	assert_int_equal(
	    service_dispatch(&service, &service.control), IPC_HANDLED);
	ipc_set_running(control);
	log_init_sink("test", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	told_net = told_control = LOG_LEVEL_ERROR;
	assert_int_equal(want_level(LOG_LEVEL_DEBUG), LOG_LEVEL_DEBUG);
	hear_levels();
	assert_int_equal(told_net, LOG_LEVEL_DEBUG);
	assert_int_equal(told_control, LOG_LEVEL_DEBUG);
}

/* Each is a step into the LAN for whoever has broken in. */
static void
hosts_beside_the_internet_are_few(void **state)
{
	(void)state;
	become_ready();
	for (uint8_t i = 1; i <= PRIVATE_HOSTS_BURST; i++) {
		name_hosts("10.0.0.0", i);
		assert_int_equal(filtered, i);
		assert_int_equal(last_egress.host_count, i);
		assert_int_equal(last_egress.hosts[i - 1].bytes[3], i);
	}
	name_hosts("10.0.0.0", 3); /* known */
	name_hosts("10.0.0.0", 99);
	assert_int_equal(filtered, PRIVATE_HOSTS_BURST);
	/* Time passes. */
	service.hosts_left.full = mono_add_ms(
	    service.hosts_left.full, -PRIVATE_HOSTS_INTERVAL_MS - 1000);
	name_hosts("10.0.0.0", 100);
	assert_int_equal(filtered, PRIVATE_HOSTS_BURST + 1);
	assert_int_equal(last_egress.host_count, PRIVATE_HOSTS_MAX);
	assert_int_equal(last_egress.hosts[0].bytes[3], 2);
	assert_int_equal(
	    last_egress.hosts[PRIVATE_HOSTS_MAX - 1].bytes[3], 100);
	name_hosts("10.0.0.0", 101);
	assert_int_equal(filtered, PRIVATE_HOSTS_BURST + 1);
	assert_int_equal(service.accused_control[0], '\0');
	name_hosts("192.0.2.0", 1);
	assert_int_not_equal(service.accused_control[0], '\0');
	assert_int_equal(filtered, PRIVATE_HOSTS_BURST + 1);
	assert_int_equal(service.fatal_status, 0);
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
	struct watched_file resolv_conf = { .fd = 0 }, hosts = { .fd = 0 };

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
	struct ipc_control_fatal m = { .status = 2 };

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(addresses_are_set),
		TEST(drains),
		TEST(drains_what_nobody_has_begun),
		TEST(levels_of_the_log),
		TEST(level_while_a_worker_starts),
		TEST(addresses_that_are_none),
		TEST(listeners_follow_the_addresses),
		TEST(listeners_that_cannot_be_bound),
		TEST(the_lock_of_the_packet_filter),
		TEST(the_lock_on_net_workers_sockets),
		TEST(egress_is_opened_once),
		TEST(hosts_beside_the_internet_are_few),
		TEST(egress_is_too_late),
		TEST(resolvers_come_with_a_file),
		TEST(egress_of_the_dead),
		TEST(packet_filter_refuses),
		TEST(changes_are_held_back),
		TEST(kernel_refuses),
		TEST(control_worker_gives_up),
		TEST(net_worker_may_say_ready_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

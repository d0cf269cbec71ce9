/*
 * The parent's end of the channels with two workers whose ends the test holds.
 * The kernel's part is replaced by one that records the intents.
 */
#ifndef TESTS_LIB_SERVICE_H
#define TESTS_LIB_SERVICE_H

#include "parent/service.h"

#include <errno.h>
#include <sys/socket.h>

#include "tests/lib/unit.h"

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

static inline void
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

static inline int
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

static inline int
tear_down(void **state)
{
	(void)state;
	worker_close(&service.net);
	worker_close(&service.control);
	ipc_close(net);
	ipc_close(control);
	return 0;
}

static inline void
become_ready(void)
{
	const struct ipc_net_ready n = { 0 };
	const struct ipc_control_ready c = { 0 };

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif /* TESTS_LIB_SERVICE_H */

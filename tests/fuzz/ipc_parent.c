/*
 * The parent's dispatcher with both workers hostile. The kernel is a notebook:
 * nothing but tunnel addresses is ever asked of it, and not more often than
 * the parent's limit; and the packet filter is opened no more often than there
 * was a resolv.conf, and for hosts beside the Internet as often as may be.
 */
#include <errno.h>

#include "common/internet.h"
#include "common/plan.h"
#include "parent/service.h"
#include "tests/fuzz/messages.h"

struct rig {
	struct service service;
	struct hostile net, control;
	struct mono now;
	bool over;
};

static struct {
	struct mono now, last;
	bool called;
	uint8_t outcome;
	unsigned openings; /* of the packet filter that may still come */
	unsigned hosts_left; /* and those for hosts beside the Internet */
	struct firewall_egress egress;
} kernel;

int __wrap_network_configure(struct network *, const struct ip_address *v4,
    const struct ip_address *v6, bool *have_v4, bool *have_v6);

int
__wrap_network_configure(struct network *network, const struct ip_address *v4,
    const struct ip_address *v6, bool *have_v4, bool *have_v6)
{
	must(network == NULL);
	must(v4->family == IP_NONE ||
	    (v4->family == IP_V4 && prefix_contains(&tunnel_range_v4, v4)));
	must(v6->family == IP_NONE ||
	    (v6->family == IP_V6 && prefix_contains(&tunnel_range_v6, v6)));
	must(v4->family != IP_NONE || v6->family != IP_NONE);
	if (kernel.called)
		must(mono_ms_between(kernel.last, kernel.now) >=
		    TUN_CONFIGURE_INTERVAL_MS);
	kernel.called = true;
	kernel.last = kernel.now;
	*have_v4 = kernel.outcome & 1;
	*have_v6 = kernel.outcome & 2;
	errno = EPERM;
	return kernel.outcome & 4 ? -1 : 0;
}

int __wrap_firewall_set_egress(
    struct firewall *, const struct firewall_egress *);
int __wrap_dns_family_bind(
    struct dns_family *, const struct ip_address *, uid_t);

static bool
same_hosts(const struct firewall_egress *e)
{
	if (e->host_count != kernel.egress.host_count)
		return false;
	for (size_t i = 0; i < e->host_count; i++)
		if (!ip_equal(&e->hosts[i], &kernel.egress.hosts[i]))
			return false;
	return true;
}

int
__wrap_firewall_set_egress(
    struct firewall *fw, const struct firewall_egress *e)
{
	must(fw == NULL && e->resolver_count <= FIREWALL_RESOLVERS_MAX);
	must(e->host_count <= PRIVATE_HOSTS_MAX);
	for (size_t i = 0; i < e->host_count; i++)
		must(!ip_is_internet(&e->hosts[i]));
	if (same_hosts(e))
		must(kernel.openings-- > 0);
	else
		must(kernel.hosts_left-- > 0);
	kernel.egress = *e;
	return kernel.outcome & 8 ? -1 : 0;
}

int
__wrap_dns_family_bind(
    struct dns_family *f, const struct ip_address *ip, uid_t owner)
{
	(void)owner;
	must(ip->family == IP_NONE || ip_in_tunnel_range(ip));
	if (ip_equal(&f->address, ip))
		return 0;
	errno = EADDRINUSE;
	f->address = (struct ip_address){ 0 };
	if (kernel.outcome & 16)
		return -1;
	f->address = *ip;
	return 1;
}

static void
renew(struct rig *r)
{
	struct watched_file resolv_conf = { .fd = 0, .changed = true };
	struct watched_file hosts = { .fd = 0, .changed = true };

	service_renew_files(&r->service, &resolv_conf, &hosts);
	kernel.openings += !resolv_conf.changed;
}

static void
message(struct rig *r, struct hostile *h, struct worker *w, struct cursor *in)
{
	hostile_send(h, in);
	(void)service_dispatch(&r->service, w);
	/* The parent kills that worker and ends. */
	r->over = !hostile_check(h) || r->service.fatal_status != 0;
	must(r->service.fatal_status >= 0 && r->service.fatal_status <= 2);
}

static void
look_for_pulse(struct rig *r, struct worker *w)
{
	if (!r->over && ipc_is_running(w->channel))
		(void)service_pulse(&r->service, w, r->now);
}

static void
turn(struct rig *r, int64_t ms, uint8_t outcome)
{
	kernel.now = r->now = mono_add_ms(r->now, ms);
	kernel.outcome = outcome;
	service_turn(&r->service, r->now);
	look_for_pulse(r, &r->service.net);
	look_for_pulse(r, &r->service.control);
	must(mono_before(r->now, service_deadline(&r->service)) ||
	    r->service.fatal_status != 0);
}

static void
step(struct rig *r, struct cursor *in)
{
	int64_t ms;

	switch (pick(in, 5)) {
	case 0:
		message(r, &r->net, &r->service.net, in);
		break;
	case 1:
	case 2:
		message(r, &r->control, &r->service.control, in);
		break;
	case 3:
		renew(r);
		break;
	default:
		ms = cursor_be16(in);
		turn(r, ms, cursor_u8(in));
	}
	hostile_listen(&r->net);
	hostile_listen(&r->control);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { .now = { 1000000000 } };

	descriptors_remember();
	kernel.called = false;
	kernel.outcome = 0;
	kernel.openings = 1;
	kernel.hosts_left = PRIVATE_HOSTS_BURST;
	kernel.egress = (struct firewall_egress){ 0 };
	r.service.listeners = DNS_LISTENERS_CLOSED;
	hostile_open(&r.net, IPC_PARENT, IPC_NET);
	hostile_open(&r.control, IPC_PARENT, IPC_CONTROL);
	r.service.net =
	    (struct worker){ .role = IPC_NET, .channel = r.net.victim };
	r.service.control =
	    (struct worker){ .role = IPC_CONTROL, .channel = r.control.victim };
	while (more(in) && !r.over)
		step(&r, in);
	/* What was asked for last is carried out, or not at all. */
	turn(&r, TUN_CONFIGURE_INTERVAL_MS, 0);
	(void)service_shut_down(&r.service.net);
	(void)service_shut_down(&r.service.control);
	hostile_close(&r.net);
	hostile_close(&r.control);
	descriptors_check(true);
}

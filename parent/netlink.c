/* Addresses, routes and rules of the tunnel: see netlink.h. */
#include "parent/netlink.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/plan.h"
#include "parent/foreign_rules.h"
#include "parent/netlink_request.h"
#include "parent/site_routes.h"
#include "parent/sockets.h"
#include "parent/tun.h"

/* The reference Gateway uses three tables from here on; we need one. */
#define TUNNEL_TABLE      0x2021fd00u
#define TUNNEL_TABLE_LAST 0x2021fd02u

#define RULE_PROTOCOL 0xfd /* not assigned to anybody */

enum rule_priority {
	RULE_OWN_ADDRESS = 100,
	RULE_CONTROL_WORKER = 101,
	RULE_HOST_NETWORKS = 101, /* which of the two is first is the same */
	RULE_UNMARKED = 102,
	RULE_BEHIND = 103, /* does nothing; control-worker's look-up goes on */
};

#define QUEUE_LENGTH  10000
#define ADDR_GEN_NONE 1 /* IN6_ADDR_GEN_MODE_NONE */

struct family {
	uint8_t af;
	const char *name;
	const struct ip_prefix *range;
	struct ip_address address; /* IP_NONE: not set up */
	bool complained;           /* about what still fails */
};

struct network {
	struct netlink netlink;
	unsigned ifindex;
	uid_t control_uid;
	struct family v4, v6;
	unsigned made; /* enum network_part: what was not there */
};

struct network *
network_open(unsigned tun_ifindex, uid_t control_uid)
{
	struct network *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	if (netlink_open(&n->netlink, NETLINK_ROUTE) == -1) {
		free(n);
		return NULL;
	}
	n->ifindex = tun_ifindex;
	n->control_uid = control_uid;
	n->v4 =
	    (struct family){ AF_INET, "IPv4", &tunnel_range_v4, { 0 }, false };
	n->v6 =
	    (struct family){ AF_INET6, "IPv6", &tunnel_range_v6, { 0 }, false };
	return n;
}

static bool
is_tunnel_table(uint32_t table)
{
	return table >= TUNNEL_TABLE && table <= TUNNEL_TABLE_LAST;
}

static bool
is_tunnel_rule(const struct nlmsghdr *h, const void *family)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	const uint8_t *af = family;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*r))
		return false;
	if (r->family != AF_INET && r->family != AF_INET6)
		return false;
	if (af != NULL && r->family != *af)
		return false;
	if (is_tunnel_table(netlink_number(h, sizeof(*r), FRA_TABLE, r->table)))
		return true;
	return netlink_number(h, sizeof(*r), FRA_PROTOCOL, 0) == RULE_PROTOCOL;
}

static bool
is_tunnel_route(const struct nlmsghdr *h, const void *unused)
{
	const struct rtmsg *r = mnl_nlmsg_get_payload(h);

	(void)unused;
	return mnl_nlmsg_get_payload_len(h) >= sizeof(*r) &&
	    is_tunnel_table(netlink_number(h, sizeof(*r), RTA_TABLE, r->rtm_table));
}

static bool
is_on_device(const struct nlmsghdr *h, const void *ifindex)
{
	const struct ifaddrmsg *a = mnl_nlmsg_get_payload(h);
	const unsigned *wanted = ifindex;

	return mnl_nlmsg_get_payload_len(h) >= sizeof(*a) &&
	    a->ifa_index == *wanted;
}

void
network_clean(struct network *n)
{
	if (netlink_purge(&n->netlink, RTM_NEWRULE, AF_UNSPEC, is_tunnel_rule,
		NULL) == -1)
		log_warn("cannot remove old routing rules");
	if (netlink_purge(&n->netlink, RTM_NEWROUTE, AF_UNSPEC, is_tunnel_route,
		NULL) == -1)
		log_warn("cannot remove old routes");
}

/* The kernel would give the device an address that no client may see. */
static int
no_link_local(struct network *n)
{
	struct netlink_request r;
	struct ifinfomsg *i;
	struct nlattr *spec, *inet6;

	i = netlink_begin(&r, RTM_NEWLINK, 0, sizeof(*i));
	i->ifi_index = (int)n->ifindex;
	spec = mnl_attr_nest_start(r.header, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(r.header, AF_INET6);
	mnl_attr_put_u8(r.header, IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE);
	mnl_attr_nest_end(r.header, inet6);
	mnl_attr_nest_end(r.header, spec);
	return netlink_send(&n->netlink, &r);
}

int
network_device_up(struct network *n)
{
	struct netlink_request r;
	struct ifinfomsg *i;

	/* Without IPv6 there is nothing to suppress. */
	if (no_link_local(n) == -1)
		log_debug(TUN_NAME ": no IPv6 address generation mode: %s",
		    strerrordesc_np(errno));
	i = netlink_begin(&r, RTM_NEWLINK, 0, sizeof(*i));
	i->ifi_index = (int)n->ifindex;
	i->ifi_flags = i->ifi_change = IFF_UP;
	mnl_attr_put_u32(r.header, IFLA_MTU, TUN_MTU);
	mnl_attr_put_u32(r.header, IFLA_TXQLEN, QUEUE_LENGTH);
	return netlink_send(&n->netlink, &r);
}

/* Makes what is not there yet. */
static int
make_network_part(
    struct network *n, struct netlink_request *r, enum network_part part)
{
	if (netlink_send(&n->netlink, r) == 0) {
		n->made |= part;
		return 0;
	}
	return errno == EEXIST ? 0 : -1;
}

static int
add_address(
    struct network *n, const struct family *f, const struct ip_address *own)
{
	struct netlink_request r;
	struct ifaddrmsg *a;

	a = netlink_begin(
	    &r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*a));
	a->ifa_family = f->af;
	a->ifa_prefixlen = (uint8_t)(ip_size(own) * 8);
	a->ifa_scope = RT_SCOPE_UNIVERSE;
	a->ifa_index = n->ifindex;
	netlink_put_address(&r, IFA_LOCAL, own);
	netlink_put_address(&r, IFA_ADDRESS, own);
	return make_network_part(n, &r, NETWORK_ADDRESSES);
}

static int
add_route(struct network *n, const struct family *f)
{
	struct netlink_request r;
	struct rtmsg *m;

	m = netlink_begin(
	    &r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m));
	m->rtm_family = f->af;
	m->rtm_dst_len = f->range->length;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	mnl_attr_put_u32(r.header, RTA_TABLE, TUNNEL_TABLE);
	netlink_put_address(&r, RTA_DST, &f->range->ip);
	mnl_attr_put_u32(r.header, RTA_OIF, n->ifindex);
	return make_network_part(n, &r, NETWORK_ROUTES);
}

static struct fib_rule_hdr *
begin_routing_rule(struct netlink_request *r, const struct family *f,
    enum rule_priority priority, uint8_t action, uint32_t table)
{
	struct fib_rule_hdr *h;

	h = netlink_begin(
	    r, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*h));
	h->family = f->af;
	h->action = action;
	mnl_attr_put_u32(r->header, FRA_PRIORITY, priority);
	mnl_attr_put_u8(r->header, FRA_PROTOCOL, RULE_PROTOCOL);
	if (action == FR_ACT_TO_TBL)
		mnl_attr_put_u32(r->header, FRA_TABLE, table);
	return h;
}

static int
add_rule_own_address(
    struct network *n, const struct family *f, const struct ip_address *own)
{
	struct netlink_request r;
	struct fib_rule_hdr *h;

	h = begin_routing_rule(
	    &r, f, RULE_OWN_ADDRESS, FR_ACT_TO_TBL, TUNNEL_TABLE);
	h->src_len = (uint8_t)(ip_size(own) * 8);
	netlink_put_address(&r, FRA_SRC, own);
	return make_network_part(n, &r, NETWORK_RULES);
}

/* The target of a jump comes first, lest the jump lead nowhere for a moment. */
static int
add_rules_control_worker(struct network *n, const struct family *f)
{
	const struct fib_rule_uid_range range = { n->control_uid,
		n->control_uid };
	struct netlink_request r;

	if (n->control_uid == 0 || n->control_uid == (uid_t)-1)
		return 0;
	begin_routing_rule(&r, f, RULE_BEHIND, FR_ACT_NOP, 0);
	if (make_network_part(n, &r, NETWORK_RULES) == -1)
		return -1;
	begin_routing_rule(&r, f, RULE_CONTROL_WORKER, FR_ACT_GOTO, 0);
	mnl_attr_put(r.header, FRA_UID_RANGE, sizeof(range), &range);
	mnl_attr_put_u32(r.header, FRA_GOTO, RULE_BEHIND);
	return make_network_part(n, &r, NETWORK_RULES);
}

/*
 * What the host has within the tunnel range, its own network above all, is no
 * client's. A look-up for a prefix as long as the range's would find an
 * administrator's route into the tunnel.
 */
static int
add_rule_host_networks(struct network *n, const struct family *f)
{
	struct netlink_request r;
	struct fib_rule_hdr *h;

	h = begin_routing_rule(
	    &r, f, RULE_HOST_NETWORKS, FR_ACT_TO_TBL, RT_TABLE_MAIN);
	h->dst_len = f->range->length;
	netlink_put_address(&r, FRA_DST, &f->range->ip);
	mnl_attr_put_u32(r.header, FRA_SUPPRESS_PREFIXLEN, f->range->length);
	return make_network_part(n, &r, NETWORK_RULES);
}

static int
add_rule_unmarked(struct network *n, const struct family *f)
{
	struct netlink_request r;
	struct fib_rule_hdr *h;

	h = begin_routing_rule(
	    &r, f, RULE_UNMARKED, FR_ACT_TO_TBL, TUNNEL_TABLE);
	h->flags = FIB_RULE_INVERT;
	mnl_attr_put_u32(r.header, FRA_FWMARK, FIREZONE_MARK);
	mnl_attr_put_u32(r.header, FRA_FWMASK, UINT32_MAX);
	return make_network_part(n, &r, NETWORK_RULES);
}

/*
 * A kernel without policy routing keeps the family: an administrator can route
 * the tunnel ranges by the main table.
 */
static int
add_rules(
    struct network *n, const struct family *f, const struct ip_address *own)
{
	if (add_rule_own_address(n, f, own) == 0 &&
	    add_rules_control_worker(n, f) == 0 &&
	    add_rule_host_networks(n, f) == 0 && add_rule_unmarked(n, f) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EAFNOSUPPORT)
		return -1;
	log_warn("%s: no routing rules; route the tunnel range to " TUN_NAME
		 " by hand",
	    f->name);
	return 0;
}

/* Routes in the tunnel table are not in the way and go with the device. */
static void
withdraw_family(struct network *n, struct family *f)
{
	f->address = (struct ip_address){ 0 };
	if (netlink_purge(
		&n->netlink, RTM_NEWRULE, f->af, is_tunnel_rule, &f->af) == -1)
		log_warn("%s: cannot remove the routing rules", f->name);
	if (netlink_purge(&n->netlink, RTM_NEWADDR, f->af, is_on_device,
		&n->ifindex) == -1)
		log_warn(
		    "%s: cannot remove the addresses of " TUN_NAME, f->name);
}

static void
complain_of_family(struct family *f, int error)
{
	if (f->complained)
		return;
	f->complained = true;
	if (f->af == AF_INET6 &&
	    (error == EACCES || error == EOPNOTSUPP || error == EAFNOSUPPORT))
		log_info("IPv6 is switched off on " TUN_NAME " (sysctl "
			 "net.ipv6.conf.all.disable_ipv6); the tunnel has IPv4 "
			 "only");
	else
		log_warnx("the tunnel has no %s: %s", f->name,
		    strerrordesc_np(error));
}

/* What of it is not there. In this order: IPv4 routes go with the last address.
 */
static int
complete_family(
    struct network *n, const struct family *f, const struct ip_address *own)
{
	if (add_address(n, f, own) == -1 || add_route(n, f) == -1)
		return -1;
	return add_rules(n, f, own);
}

/* Returns 0 or the errno of what failed. */
static int
configure_family(
    struct network *n, struct family *f, const struct ip_address *own)
{
	int error;

	if (ip_equal(&f->address, own))
		return 0;
	withdraw_family(n, f);
	if (own->family == IP_NONE)
		return 0;
	if (complete_family(n, f, own) == -1) {
		error = errno;
		withdraw_family(n, f);
		complain_of_family(f, error);
		return error;
	}
	f->address = *own;
	f->complained = false;
	return 0;
}

static bool
is_acceptable(const struct ip_address *a, enum ip_family family)
{
	return a->family == IP_NONE ||
	    (a->family == family && ip_in_tunnel_range(a));
}

int
network_configure(struct network *n, const struct ip_address *v4,
    const struct ip_address *v6, bool *have_v4, bool *have_v6)
{
	int error_v4, error_v6;

	*have_v4 = *have_v6 = false;
	if (!is_acceptable(v4, IP_V4) || !is_acceptable(v6, IP_V6) ||
	    (v4->family == IP_NONE && v6->family == IP_NONE)) {
		errno = EINVAL;
		return -1;
	}
	error_v4 = configure_family(n, &n->v4, v4);
	error_v6 = configure_family(n, &n->v6, v6);
	*have_v4 = n->v4.address.family != IP_NONE;
	*have_v6 = n->v6.address.family != IP_NONE;
	if (*have_v4 || *have_v6)
		return 0;
	errno = error_v4 != 0 ? error_v4 : error_v6;
	return -1;
}

/* A route of the family in the tunnel's table that is not as we made it. */
struct route_search {
	const struct network *network;
	const struct family *family;
	bool found;
};

static bool
is_strange_route(const struct nlmsghdr *h, const void *search)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct route_search *s = search;
	struct ip_address to;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->rtm_family != s->family->af ||
	    netlink_number(h, sizeof(*m), RTA_TABLE, m->rtm_table) !=
		TUNNEL_TABLE)
		return false;
	to = netlink_address(
	    netlink_attribute(h, sizeof(*m), RTA_DST), m->rtm_family);
	return m->rtm_type != RTN_UNICAST ||
	    m->rtm_dst_len != s->family->range->length ||
	    !ip_equal(&to, &s->family->range->ip) ||
	    netlink_number(h, sizeof(*m), RTA_OIF, 0) != s->network->ifindex ||
	    netlink_attribute(h, sizeof(*m), RTA_GATEWAY) != NULL;
}

static void
look_for_strange(const struct nlmsghdr *h, void *search)
{
	struct route_search *s = search;

	s->found |= is_strange_route(h, s);
}

/*
 * The kernel takes another route to the same destination for ours. Looking
 * first is cheap; deleting goes through all tables of the host.
 */
static int
remove_strange_routes(struct network *n, const struct family *f)
{
	struct route_search s = { n, f, false };

	if (netlink_list_table(&n->netlink, f->af, TUNNEL_TABLE,
		look_for_strange, &s) == -1 &&
	    errno != EINTR)
		return -1;
	if (!s.found)
		return 0;
	n->made |= NETWORK_ROUTES;
	return netlink_purge(
	    &n->netlink, RTM_NEWROUTE, f->af, is_strange_route, &s);
}

struct link_state {
	bool up;
	uint32_t mtu;
	char name[IF_NAMESIZE];
};

static void
read_link(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	struct link_state *s = data;
	const struct nlattr *name;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*i))
		return;
	s->up = (i->ifi_flags & IFF_UP) != 0;
	s->mtu = netlink_number(h, sizeof(*i), IFLA_MTU, 0);
	name = netlink_attribute(h, sizeof(*i), IFLA_IFNAME);
	if (name != NULL && mnl_attr_validate(name, MNL_TYPE_NUL_STRING) == 0)
		strlcpy(s->name, mnl_attr_get_str(name), sizeof(s->name));
}

static int
put_device_down(struct network *n)
{
	struct netlink_request r;
	struct ifinfomsg *i;

	i = netlink_begin(&r, RTM_NEWLINK, 0, sizeof(*i));
	i->ifi_index = (int)n->ifindex;
	i->ifi_change = IFF_UP;
	return netlink_send(&n->netlink, &r);
}

/* Before Linux 6.2 a device that is up keeps its name. */
static int
rename_device(struct network *n)
{
	struct netlink_request r;
	struct ifinfomsg *i;

	for (int tries = 0;; tries++) {
		i = netlink_begin(&r, RTM_NEWLINK, 0, sizeof(*i));
		i->ifi_index = (int)n->ifindex;
		mnl_attr_put_strz(r.header, IFLA_IFNAME, TUN_NAME);
		if (netlink_send(&n->netlink, &r) == 0)
			return 0;
		if (errno != EBUSY || tries > 0 || put_device_down(n) == -1)
			return -1;
	}
}

static int
restore_device(struct network *n)
{
	struct link_state now = { 0 };
	bool renamed;
	struct netlink_request r;
	struct ifinfomsg *i;

	i = netlink_begin(&r, RTM_GETLINK, 0, sizeof(*i));
	i->ifi_index = (int)n->ifindex;
	if (netlink_list(&n->netlink, &r, read_link, &now) == -1)
		return -1;
	renamed = strcmp(now.name, TUN_NAME) != 0;
	if (now.up && now.mtu == TUN_MTU && !renamed)
		return 0;
	if ((renamed && rename_device(n) == -1) || network_device_up(n) == -1)
		return -1;
	n->made |= NETWORK_DEVICE;
	return 0;
}

int
network_restore(struct network *n, unsigned *made)
{
	struct family *const families[] = { &n->v4, &n->v6 };
	int error = 0;

	n->made = 0;
	if (restore_device(n) == -1)
		error = errno;
	for (size_t i = 0; i < 2 && error != ENODEV; i++) {
		const struct ip_address own = families[i]->address;

		if (own.family != IP_NONE &&
		    (remove_strange_routes(n, families[i]) == -1 ||
			complete_family(n, families[i], &own) == -1))
			error = errno;
	}
	*made = n->made;
	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

struct overlap_search {
	const struct network *network;
	const struct ip_prefix *range;
	struct overlaps *found;
};

static void
read_overlap(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct overlap_search *s = data;
	struct ip_prefix to;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->rtm_type != RTN_UNICAST ||
	    netlink_number(h, sizeof(*m), RTA_TABLE, m->rtm_table) !=
		RT_TABLE_MAIN ||
	    netlink_number(h, sizeof(*m), RTA_OIF, 0) == s->network->ifindex)
		return;
	to.ip = netlink_address(
	    netlink_attribute(h, sizeof(*m), RTA_DST), m->rtm_family);
	to.length = m->rtm_dst_len;
	if (to.length > s->range->length && prefix_contains(s->range, &to.ip))
		overlaps_add(s->found, &to);
}

int
network_overlaps(struct network *n, struct overlaps *o)
{
	const struct family *const families[] = { &n->v4, &n->v6 };

	*o = (struct overlaps){ 0 };
	for (size_t i = 0; i < 2; i++) {
		struct overlap_search s = { n, families[i]->range, o };
		struct netlink_request r;
		struct rtmsg *m;

		m = netlink_begin(&r, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));
		m->rtm_family = families[i]->af;
		if (netlink_list(&n->netlink, &r, read_overlap, &s) == -1)
			return -1;
	}
	return 0;
}

int
network_site(struct network *n, struct site_networks *site)
{
	return site_routes_read(&n->netlink, n->ifindex, site);
}

static int
find_rule_ahead(
    struct network *n, const struct family *f, char *text, size_t size)
{
	const struct tunnel_rules tunnel = {
		.range = f->range,
		.own = f->address,
		.first = RULE_OWN_ADDRESS,
		.last = RULE_UNMARKED,
		.is_ours = is_tunnel_rule,
	};
	struct foreign_rule rule;
	int found = foreign_rule_find(&n->netlink, &tunnel, &rule);

	if (found == 1)
		snprintf(text, size,
		    "packets to clients are led away by the %s routing rule "
		    "with the preference %u; give it one above %d, see "
		    "postern-network(7)",
		    f->name, rule.preference, RULE_BEHIND);
	return found;
}

int
network_rule_ahead(struct network *n, char *text, size_t size)
{
	const struct family *const families[] = { &n->v4, &n->v6 };
	int found = 0;

	text[0] = '\0';
	for (size_t i = 0; i < 2 && found == 0; i++)
		if (families[i]->address.family != IP_NONE)
			found = find_rule_ahead(n, families[i], text, size);
	return found == -1 ? -1 : 0;
}

bool
network_has_v6(const struct network *n)
{
	return n->v6.address.family != IP_NONE;
}

void
network_close(struct network *n)
{
	if (n == NULL)
		return;
	withdraw_family(n, &n->v4);
	withdraw_family(n, &n->v6);
	network_clean(n);
	netlink_close(&n->netlink);
	free(n);
}

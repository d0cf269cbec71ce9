/* The networks of the site: see site_routes.h. */
#include "parent/site_routes.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "common/internet.h"

/* Beyond these, what goes where they go is taken for the site's. */
#define HOPS_MAX 32

/* Where a route leads, first of all. */
struct hop {
	uint32_t device;
	struct ip_address gateway; /* IP_NONE: on-link */
};

/* One of a default route, which others of its kind may go before. */
struct default_hop {
	struct hop hop;
	struct ip_prefix to;
	uint32_t table, metric;
};

struct reading {
	uint8_t af;
	unsigned tun;
	struct default_hop defaults[HOPS_MAX];
	size_t default_count;
	struct site_networks *found;
};

struct route {
	const struct nlmsghdr *header;
	uint8_t type, protocol;
	uint32_t table;
	struct ip_prefix to;
};

static bool
is_default(const struct ip_prefix *p)
{
	return p->length < (p->ip.family == IP_V4 ? SITE_DEFAULT_BELOW_V4
						  : SITE_DEFAULT_BELOW_V6);
}

/* What is behind a translator of the network is judged by its IPv4 address. */
bool
site_routes_matter(const struct ip_prefix *to)
{
	static const struct ip_prefix all_v4 = { { IP_V4, { 0 } }, 0 };
	const struct ip_prefix nat64 = internet_before_nat64(&all_v4);

	for (const struct ip_prefix *p = not_internet; p->ip.family != IP_NONE;
	     p++)
		if (prefix_covers(p, to))
			return false;
	return !prefix_covers(&nat64, to);
}

/* False when it is of no interest. */
static bool
read_route(const struct reading *r, const struct nlmsghdr *h, struct route *to)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *destination;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->rtm_family != r->af || (m->rtm_flags & RTM_F_CLONED) != 0 ||
	    (m->rtm_type != RTN_UNICAST && m->rtm_type != RTN_LOCAL) ||
	    netlink_number(h, sizeof(*m), RTA_OIF, 0) == r->tun)
		return false;
	destination = netlink_attribute(h, sizeof(*m), RTA_DST);
	*to = (struct route){ .header = h,
		.type = m->rtm_type,
		.protocol = m->rtm_protocol,
		.table = netlink_number(h, sizeof(*m), RTA_TABLE, m->rtm_table),
		.to = { { .family = r->af == AF_INET ? IP_V4 : IP_V6 },
		    m->rtm_dst_len } };
	if (destination != NULL)
		to->to.ip = netlink_address(destination, r->af);
	return to->to.ip.family != IP_NONE;
}

/* IPv4 may go by a gateway of IPv6. */
static struct ip_address
gateway_of(const struct nlattr *gateway, const struct nlattr *via, uint8_t af)
{
	struct ip_address none = { 0 };
	const struct rtvia *v;

	if (gateway != NULL)
		return netlink_address(gateway, af);
	if (via == NULL || mnl_attr_get_payload_len(via) < sizeof(*v) + 16)
		return none;
	v = mnl_attr_get_payload(via);
	return v->rtvia_family == AF_INET6 ? ip_from_bytes(IP_V6, v->rtvia_addr)
					   : none;
}

/* NULL when there is none. */
static const struct rtnexthop *
next_hop(const uint8_t *at, size_t left)
{
	const struct rtnexthop *n = (const void *)at;

	return left >= sizeof(*n) && n->rtnh_len >= sizeof(*n) &&
		n->rtnh_len <= left
	    ? n
	    : NULL;
}

static void
read_hop(const struct reading *r, const struct rtnexthop *n, struct hop *hop)
{
	const struct nlattr *gateway = NULL, *via = NULL;
	const struct nlattr *a = (const void *)(n + 1);
	int left = n->rtnh_len - (int)sizeof(*n);

	for (; mnl_attr_ok(a, left);
	     left -= (int)MNL_ALIGN(a->nla_len), a = mnl_attr_next(a)) {
		if (mnl_attr_get_type(a) == RTA_GATEWAY)
			gateway = a;
		if (mnl_attr_get_type(a) == RTA_VIA)
			via = a;
	}
	hop->device = (uint32_t)n->rtnh_ifindex;
	hop->gateway = gateway_of(gateway, via, r->af);
}

/* Hands each hop of the route to it, until one is not liked. */
static bool
each_hop(struct reading *r, const struct route *route,
    bool (*it)(struct reading *, const struct route *, const struct hop *))
{
	const struct nlmsghdr *h = route->header;
	const size_t size = sizeof(struct rtmsg);
	const struct nlattr *several =
	    netlink_attribute(h, size, RTA_MULTIPATH);
	const struct rtnexthop *n;
	struct hop hop;
	size_t left;

	if (several == NULL) {
		hop.device = netlink_number(h, size, RTA_OIF, 0);
		hop.gateway =
		    gateway_of(netlink_attribute(h, size, RTA_GATEWAY),
			netlink_attribute(h, size, RTA_VIA), r->af);
		return it(r, route, &hop);
	}
	left = mnl_attr_get_payload_len(several);
	for (const uint8_t *at = mnl_attr_get_payload(several);
	     (n = next_hop(at, left)) != NULL;) {
		const size_t step = MNL_ALIGN(n->rtnh_len);

		read_hop(r, n, &hop);
		if (!it(r, route, &hop))
			return false;
		if (step >= left)
			break;
		left -= step;
		at += step;
	}
	return true;
}

static bool
keep_hop(struct reading *r, const struct route *route, const struct hop *hop)
{
	if (r->default_count == HOPS_MAX)
		return false;
	r->defaults[r->default_count++] =
	    (struct default_hop){ *hop, route->to, route->table,
		    netlink_number(
			route->header, sizeof(struct rtmsg), RTA_PRIORITY, 0) };
	return true;
}

static void
keep_default(const struct nlmsghdr *h, void *data)
{
	struct reading *r = data;
	struct route route;

	if (read_route(r, h, &route) && route.type == RTN_UNICAST &&
	    is_default(&route.to))
		(void)each_hop(r, &route, keep_hop);
}

/* A second default route may go by a router of the site. */
static bool
is_in_use(const struct reading *r, const struct default_hop *d)
{
	for (size_t i = 0; i < r->default_count; i++) {
		const struct default_hop *other = &r->defaults[i];

		if (other->table == d->table && other->metric < d->metric &&
		    other->to.length == d->to.length &&
		    ip_equal(&other->to.ip, &d->to.ip))
			return false;
	}
	return true;
}

static bool
goes_by_default(
    struct reading *r, const struct route *route, const struct hop *hop)
{
	(void)route;
	for (size_t i = 0; i < r->default_count; i++) {
		const struct default_hop *d = &r->defaults[i];

		if (d->hop.device == hop->device && hop->device != 0 &&
		    ip_equal(&d->hop.gateway, &hop->gateway) && is_in_use(r, d))
			return true;
	}
	return false;
}

/*
 * The kernel makes routes to the networks of addresses: they are on-link, also
 * where the default route has no gateway.
 */
static void
keep_network(const struct nlmsghdr *h, void *data)
{
	struct reading *r = data;
	struct route route;

	if (!read_route(r, h, &route) || !site_routes_matter(&route.to) ||
	    (route.type == RTN_UNICAST && is_default(&route.to)))
		return;
	if (route.type == RTN_LOCAL || route.protocol == RTPROT_KERNEL ||
	    !each_hop(r, &route, goes_by_default))
		site_networks_add(r->found, &route.to);
}

static int
list_routes(struct netlink *netlink, struct reading *r,
    void (*each)(const struct nlmsghdr *, void *))
{
	struct netlink_request request;
	struct rtmsg *m;

	m = netlink_begin(&request, RTM_GETROUTE, NLM_F_DUMP, sizeof(*m));
	m->rtm_family = r->af;
	return netlink_list(netlink, &request, each, r);
}

int
site_routes_read(
    struct netlink *netlink, unsigned tun_ifindex, struct site_networks *found)
{
	const uint8_t families[] = { AF_INET, AF_INET6 };

	*found = site_networks_none;
	for (size_t i = 0; i < 2; i++) {
		struct reading r = {
			.af = families[i], .tun = tun_ifindex, .found = found
		};

		if (list_routes(netlink, &r, keep_default) == -1 ||
		    list_routes(netlink, &r, keep_network) == -1)
			return -1;
	}
	return 0;
}

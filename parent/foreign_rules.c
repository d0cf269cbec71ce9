/* Routing rules before the tunnel's: see foreign_rules.h. */
#include "parent/foreign_rules.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "parent/tun.h"

#define CANDIDATES_MAX 16 /* more than that are not looked at */
#define NO_SUPPRESSION UINT32_MAX

struct candidate_rule {
	struct foreign_rule rule;
	uint32_t suppressed; /* so long a prefix or shorter */
};

struct rule_search {
	const struct tunnel_rules *tunnel;
	struct candidate_rule found[CANDIDATES_MAX];
	size_t count;
};

struct route_search {
	const struct ip_prefix *range;
	struct candidate_rule candidate;
	bool covers;
};

static uint8_t
family_of_range(const struct ip_prefix *range)
{
	return range->ip.family == IP_V4 ? AF_INET : AF_INET6;
}

static uint32_t
number_of_rule(const struct nlmsghdr *h, uint16_t type, uint32_t otherwise)
{
	return netlink_number(h, sizeof(struct fib_rule_hdr), type, otherwise);
}

static const char *
device_name_of(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *a =
	    netlink_attribute(h, sizeof(struct fib_rule_hdr), type);

	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == -1)
		return NULL;
	return mnl_attr_get_str(a);
}

static struct ip_prefix
prefix_of(const struct nlmsghdr *h, uint16_t type, uint8_t length)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);

	return (struct ip_prefix){
		netlink_address(
		    netlink_attribute(h, sizeof(*r), type), r->family),
		length,
	};
}

static bool
covers_range(const struct ip_prefix *p, const struct ip_prefix *range)
{
	return p->length == 0 ||
	    (p->length <= range->length && prefix_contains(p, &range->ip));
}

static bool
lies_in_range(const struct ip_prefix *p, const struct ip_prefix *range)
{
	return p->length >= range->length && prefix_contains(range, &p->ip);
}

/* Other than root, whose uid forwarded packets have. */
static bool
is_for_users(const struct nlmsghdr *h)
{
	const struct nlattr *a = netlink_attribute(
	    h, sizeof(struct fib_rule_hdr), FRA_UID_RANGE);
	struct fib_rule_uid_range range;

	if (a == NULL || mnl_attr_get_payload_len(a) != sizeof(range))
		return false;
	memcpy(&range, mnl_attr_get_payload(a), sizeof(range));
	return range.start > 0;
}

/*
 * Whether the rule is for packets to clients, or for some of them. What the
 * Gateway sends has no mark, and to a client nothing comes from the TUN.
 */
static bool
is_for_tunnel(const struct nlmsghdr *h, const struct tunnel_rules *t)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	const struct ip_prefix to = prefix_of(h, FRA_DST, r->dst_len);
	const struct ip_prefix from = prefix_of(h, FRA_SRC, r->src_len);
	const char *iif = device_name_of(h, FRA_IIFNAME);

	if (number_of_rule(h, FRA_L3MDEV, 0) != 0)
		return false;
	if (r->flags & FIB_RULE_INVERT)
		return to.length == 0 || !covers_range(&to, t->range);
	if ((number_of_rule(h, FRA_FWMARK, 0) &
		number_of_rule(h, FRA_FWMASK, UINT32_MAX)) != 0)
		return false;
	if ((iif != NULL && strcmp(iif, TUN_NAME) == 0) ||
	    device_name_of(h, FRA_OIFNAME) != NULL || is_for_users(h))
		return false;
	if (from.length != 0 && lies_in_range(&from, t->range) &&
	    !prefix_contains(&from, &t->own))
		return false;
	return covers_range(&to, t->range) || lies_in_range(&to, t->range);
}

/* Whether it needs a table to lead packets away, or does so by itself. */
static bool
leads_away(const struct nlmsghdr *h, const struct tunnel_rules *t,
    uint32_t *table)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);

	*table = 0;
	switch (r->action) {
	case FR_ACT_TO_TBL:
		*table = number_of_rule(h, FRA_TABLE, r->table);
		/* It has single addresses only. */
		return *table != RT_TABLE_LOCAL;
	case FR_ACT_GOTO:
		return number_of_rule(h, FRA_GOTO, 0) > t->first;
	case FR_ACT_BLACKHOLE:
	case FR_ACT_UNREACHABLE:
	case FR_ACT_PROHIBIT:
		return true;
	default:
		return false;
	}
}

static void
collect_rule(const struct nlmsghdr *h, void *data)
{
	const struct fib_rule_hdr *r = mnl_nlmsg_get_payload(h);
	struct rule_search *s = data;
	struct candidate_rule c;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*r) ||
	    r->family != family_of_range(s->tunnel->range) ||
	    s->count == CANDIDATES_MAX || s->tunnel->is_ours(h, NULL))
		return;
	c.rule.preference = number_of_rule(h, FRA_PRIORITY, 0);
	c.suppressed =
	    number_of_rule(h, FRA_SUPPRESS_PREFIXLEN, NO_SUPPRESSION);
	if (c.rule.preference <= s->tunnel->last &&
	    is_for_tunnel(h, s->tunnel) &&
	    leads_away(h, s->tunnel, &c.rule.table))
		s->found[s->count++] = c;
}

static void
look_at_route(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct route_search *s = data;
	struct ip_prefix to;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) ||
	    m->rtm_family != family_of_range(s->range) ||
	    m->rtm_type == RTN_THROW ||
	    netlink_number(h, sizeof(*m), RTA_TABLE, m->rtm_table) !=
		s->candidate.rule.table)
		return;
	if (s->candidate.suppressed != NO_SUPPRESSION &&
	    m->rtm_dst_len <= s->candidate.suppressed)
		return;
	to.ip = netlink_address(
	    netlink_attribute(h, sizeof(*m), RTA_DST), m->rtm_family);
	to.length = m->rtm_dst_len;
	s->covers |= covers_range(&to, s->range);
}

static int
has_covering_route(struct netlink *n, const struct ip_prefix *range,
    const struct candidate_rule *c)
{
	struct route_search s = { range, *c, false };

	if (c->rule.table == 0)
		return 1;
	if (netlink_list_table(n, family_of_range(range), c->rule.table,
		look_at_route, &s) == -1 &&
	    errno != EINTR)
		return -1;
	return s.covers;
}

int
foreign_rule_find(struct netlink *n, const struct tunnel_rules *tunnel,
    struct foreign_rule *found)
{
	struct rule_search s = { .tunnel = tunnel };
	struct netlink_request r;
	struct fib_rule_hdr *h;
	int found_one;

	h = netlink_begin(&r, RTM_GETRULE, NLM_F_DUMP, sizeof(*h));
	h->family = family_of_range(tunnel->range);
	if (netlink_list(n, &r, collect_rule, &s) == -1)
		return -1;
	for (size_t i = 0; i < s.count; i++) {
		found_one = has_covering_route(n, tunnel->range, &s.found[i]);
		if (found_one == 0)
			continue;
		*found = s.found[i].rule;
		return found_one;
	}
	return 0;
}

/*
 * Routing rules of other programs that stand before the tunnel's and take its
 * packets elsewhere, which a new rule without a preference does by itself: the
 * kernel puts it first.
 */
#ifndef PARENT_FOREIGN_RULES_H
#define PARENT_FOREIGN_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/address.h"
#include "parent/netlink_request.h"

/* Of the tunnel, in one family. */
struct tunnel_rules {
	const struct ip_prefix *range;
	struct ip_address own;
	uint32_t first, last; /* their preferences */
	bool (*is_ours)(const struct nlmsghdr *, const void *);
};

struct foreign_rule {
	uint32_t preference;
	uint32_t table; /* 0: it leads away without one */
};

/*
 * The first rule before or beside ours that would lead unmarked packets for the
 * range, or a part of them, to a table with a route for all of it, or to
 * nowhere. A table with less is a network of the host, which may go first.
 * 1: found, 0: none, -1: errno.
 */
int foreign_rule_find(
    struct netlink *, const struct tunnel_rules *, struct foreign_rule *);

#endif /* PARENT_FOREIGN_RULES_H */

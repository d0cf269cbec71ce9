/*
 * Which networks are the site's, by the host's routes: what is on-link, what a
 * route leads to that does not go where a default route goes, and the host's
 * own addresses; of all tables, since any of them may be what a packet of a
 * client goes by.
 */
#ifndef PARENT_SITE_ROUTES_H
#define PARENT_SITE_ROUTES_H

#include "common/site_networks.h"
#include "parent/netlink_request.h"

/*
 * A route shorter than this is a default route: nobody's network is so large,
 * but VPNs set 0.0.0.0/1 and 128.0.0.0/1, 2000::/3 or the like.
 */
#define SITE_DEFAULT_BELOW_V4 8
#define SITE_DEFAULT_BELOW_V6 16

/*
 * Reads all routes of the host but those of the TUN; -1 with errno, EINTR when
 * they changed meanwhile. Networks that are not on the Internet by their
 * address are left out.
 */
int site_routes_read(
    struct netlink *, unsigned tun_ifindex, struct site_networks *);
/* Whether a route to there can make a difference to it. */
bool site_routes_matter(const struct ip_prefix *to);

#endif /* PARENT_SITE_ROUTES_H */

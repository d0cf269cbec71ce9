/*
 * Addresses, routes and rules of the tunnel (postern-network(7), Routing and
 * settings). Everything set here is taken back.
 *
 * The tunnel table holds the two tunnel ranges and nothing else, so a look-up
 * for another destination falls through it to the host's own rules. The rules
 * of each family, in this order:
 *
 *	100  from <own tunnel address>   -> tunnel table
 *	101  uidrange <control-worker>   -> on at 103
 *	101  to <tunnel range>           -> main table, more specific only
 *	102  not fwmark 0xfd002021       -> tunnel table
 *	103  nothing
 *
 * The first is for the answers of the DNS listeners, which the second would
 * send elsewhere; the second for the connections of control-worker, which can
 * set no mark; the third for networks of the host within the tunnel range; the
 * fourth for everything else, forwarded packets above all. The second jumps
 * instead of naming the main table, so that control-worker's connections and
 * the marked sockets go by the same rules of the host; and a main table without
 * a route would let them fall through to the fourth.
 * Each rule carries our protocol number, by which the next start knows it.
 */
#ifndef PARENT_NETLINK_H
#define PARENT_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/address.h"
#include "common/overlap.h"
#include "common/site_networks.h"

struct network;

/*
 * uid of control-worker for the uidrange rule; (uid_t)-1 or 0, the uid of
 * forwarded packets, leave it out. NULL with errno.
 */
struct network *network_open(unsigned tun_ifindex, uid_t control_uid);
/*
 * Removes rules and routes that a crashed run left behind, ours or those of the
 * reference Gateway, which uses the same tables. Only once the TUN device is
 * ours: then no other Gateway runs.
 */
void network_clean(struct network *);
/* MTU, queue length, no IPv6 link-local address, up. -1 with errno. */
int network_device_up(struct network *);

/*
 * The tunnel's own addresses become these, with routes and rules per family; a
 * family that fails or is IP_NONE is left out, the former with a log line.
 * Acts on a change only; a family that failed is tried again. The addresses
 * must lie in the tunnel ranges, else -1 with errno EINVAL and nothing done.
 * -1 with another errno when both families fail.
 */
int network_configure(struct network *, const struct ip_address *v4,
    const struct ip_address *v6, bool *have_v4, bool *have_v6);

/* What the tunnel has, by kinds. */
enum network_part {
	NETWORK_DEVICE = 1, /* has its name and MTU, and is up */
	NETWORK_ADDRESSES = 2,
	NETWORK_ROUTES = 4,
	NETWORK_RULES = 8,
};

/*
 * Puts back what is not there any more of what has been set up, or is no longer
 * so, and says of which kinds that was. Other routes in our table go. -1 with errno when not all of it could be; ENODEV: the
 * device is gone, and nothing will help.
 */
int network_restore(struct network *, unsigned *made);
/*
 * What the main table has within the tunnel ranges; it goes before the tunnel.
 * -1 with errno, EINTR when it changed meanwhile. The whole table is read.
 */
int network_overlaps(struct network *, struct overlaps *);
/* See site_routes.h. -1 with errno, EINTR when they changed meanwhile. */
int network_site(struct network *, struct site_networks *);
/*
 * A rule of somebody else that goes before ours and takes packets to clients
 * elsewhere, as a sentence for the operator; empty: there is none. -1 with
 * errno.
 */
int network_rule_ahead(struct network *, char *text, size_t size);
bool network_has_v6(const struct network *);

/* Takes everything back and frees it. */
void network_close(struct network *);

#endif /* PARENT_NETLINK_H */

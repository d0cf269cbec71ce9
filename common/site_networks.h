/*
 * The networks of the host's site beside those that are not on the Internet by
 * their address (internet.h): what no Internet resource opens.
 */
#ifndef COMMON_SITE_NETWORKS_H
#define COMMON_SITE_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"
#include "common/bounds.h"

/* Ascending, and none within another. All zero: there are none. */
struct site_networks {
	struct ip_prefix network[SITE_NETWORKS_MAX];
	size_t count;
};

extern const struct site_networks site_networks_none;

/*
 * One more. Where there is no room it becomes everything, since what cannot be
 * told apart must not be open.
 */
void site_networks_add(struct site_networks *, const struct ip_prefix *);
/* Everything: not one address is on the Internet. */
void site_networks_close(struct site_networks *);
bool site_networks_closed(const struct site_networks *);
bool site_networks_equal(
    const struct site_networks *, const struct site_networks *);
/* Whether one of them, ascending and apart, contains the address. */
bool site_networks_contain(
    const struct ip_prefix *networks, size_t count, const struct ip_address *);

#endif /* COMMON_SITE_NETWORKS_H */

/*
 * Networks of the host within the tunnel ranges: the host's own packets go
 * there and not into the tunnel, so a client with an address in one of them
 * cannot be reached.
 */
#ifndef COMMON_OVERLAP_H
#define COMMON_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>

#include "common/address.h"

#define OVERLAPS_MAX 16 /* beyond that they are not told */

/* Room for "100.70.1.0/24" and the like with its end. */
#define PREFIX_TEXT_MAX (ENDPOINT_TEXT_MAX + 4)

struct overlaps {
	struct ip_prefix network[OVERLAPS_MAX];
	size_t count;
};

/* One more, unless it is there or there is no room. */
void overlaps_add(struct overlaps *, const struct ip_prefix *);
bool overlaps_equal(const struct overlaps *, const struct overlaps *);
/* The network that the address lies in; NULL: none. */
const struct ip_prefix *overlaps_find(
    const struct overlaps *, const struct ip_address *);
/* Returns the text. */
const char *prefix_format(
    const struct ip_prefix *, char to[PREFIX_TEXT_MAX]);

#endif /* COMMON_OVERLAP_H */

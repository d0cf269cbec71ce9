/*
 * Notices when somebody changes what the tunnel stands on: links, addresses,
 * routes, rules and the forwarding switches, as the kernel tells of them, and
 * waits until it is calm again. What has become of it is for others to find
 * out, since the kernel may drop its notes; they look from time to time in any
 * case.
 */
#ifndef PARENT_WATCH_H
#define PARENT_WATCH_H

#include <stdbool.h>

#include "common/time.h"
#include "parent/netlink_request.h"

/* After the last change, but so long after the first one at most. */
#define WATCH_CALM_MS    100
#define WATCH_LONGEST_MS 500
/* Without any. */
#define WATCH_INTERVAL_MS 10000
/* After the site's networks have been read, in times that took. */
#define WATCH_SITE_REST 20

struct watch {
	struct netlink netlink;
	unsigned ifindex;
	struct mono first; /* change that was not looked at; MONO_NEVER: none */
	struct mono due;
	bool routes; /* of the host may have changed */
	/* Likewise for those that make up the site's networks. */
	struct mono site_first, site_due, site_rested;
};

/* For the device of that index. -1 with errno. */
int watch_open(struct watch *, unsigned tun_ifindex, struct mono now);
void watch_close(struct watch *);
int watch_fd(const struct watch *);
/* Takes what the kernel has told. */
void watch_read(struct watch *, struct mono now);
/* When to look next. */
struct mono watch_deadline(const struct watch *);
/* Whether to look now, which is then taken to be done. */
bool watch_is_due(struct watch *, struct mono now);

/*
 * Whether to look for the site's networks now, which is then taken to be done.
 * watch_site_took() says how long that was: a host with many routes, which
 * change all the time, has a rest of many times as long.
 */
bool watch_site_is_due(struct watch *, struct mono now);
void watch_site_took(struct watch *, struct mono from, struct mono to);
/* It could not be done; in a while. */
void watch_site_again(struct watch *, struct mono now);
/*
 * Whether routes of the host within the tunnel ranges may have changed since
 * that was asked last; the first time they have.
 */
bool watch_routes_changed(struct watch *);

#endif /* PARENT_WATCH_H */

/* Notices changes of the network: see watch.h. */
#include "parent/watch.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "parent/site_routes.h"

#include "common/plan.h"

#define NOTE_MAX      (32 << 10)
#define NOTES_AT_ONCE 64

static const int groups[] = {
	RTNLGRP_LINK,
	RTNLGRP_IPV4_IFADDR,
	RTNLGRP_IPV6_IFADDR,
	RTNLGRP_IPV4_ROUTE,
	RTNLGRP_IPV6_ROUTE,
	RTNLGRP_IPV4_RULE,
	RTNLGRP_IPV6_RULE,
	RTNLGRP_IPV4_NETCONF, /* forwarding switches */
	RTNLGRP_IPV6_NETCONF,
};

int
watch_open(struct watch *w, unsigned tun_ifindex, struct mono now)
{
	*w = (struct watch){
		.ifindex = tun_ifindex,
		.first = MONO_NEVER,
		.site_first = MONO_NEVER,
		.site_due = MONO_NEVER,
	};
	w->routes = true;
	if (netlink_open(&w->netlink, NETLINK_ROUTE) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		/* Each family may be missing in the kernel. */
		int group = groups[i];

		(void)mnl_socket_setsockopt(w->netlink.socket,
		    NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
	}
	w->due = now; /* what could not be set up is to be told, too */
	return 0;
}

void
watch_close(struct watch *w)
{
	netlink_close(&w->netlink);
}

int
watch_fd(const struct watch *w)
{
	return w->netlink.socket == NULL
	    ? -1
	    : mnl_socket_get_fd(w->netlink.socket);
}

static void
note_site(struct watch *w, struct mono now)
{
	if (mono_is_never(w->site_first))
		w->site_first = now;
	w->site_due = mono_max(w->site_rested,
	    mono_min(mono_add_ms(now, WATCH_CALM_MS),
		mono_add_ms(w->site_first, WATCH_LONGEST_MS)));
}

/*
 * Ours, or one of the host within the tunnel ranges; or a default route, which
 * may be what a rule before ours leads to.
 */
static bool
concerns_route(struct watch *w, const struct nlmsghdr *h, struct mono now)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct ip_prefix network;
	struct ip_address to;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	to = netlink_address(
	    netlink_attribute(h, sizeof(*m), RTA_DST), m->rtm_family);
	network = (struct ip_prefix){ to, m->rtm_dst_len };
	if (site_routes_matter(&network))
		note_site(w, now);
	if (ip_in_tunnel_range(&to)) {
		w->routes = true;
		return true;
	}
	return m->rtm_dst_len == 0;
}

static bool
concerns_address(const struct watch *w, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);

	return mnl_nlmsg_get_payload_len(h) >= sizeof(*m) &&
	    m->ifa_index == w->ifindex;
}

/* A host with many routes changes them all the time. */
static bool
message_concerns_us(struct watch *w, const struct nlmsghdr *h, struct mono now)
{
	switch (h->nlmsg_type) {
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return concerns_route(w, h, now);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* Routes go with a link, and nothing is said of them. */
		w->routes = true;
		note_site(w, now);
		return true;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return concerns_address(w, h);
	default:
		return true;
	}
}

static void
note_change(struct watch *w, struct mono now)
{
	if (mono_is_never(w->first))
		w->first = now;
	w->due = mono_min(mono_add_ms(now, WATCH_CALM_MS),
	    mono_add_ms(w->first, WATCH_LONGEST_MS));
}

void
watch_read(struct watch *w, struct mono now)
{
	alignas(NLMSG_ALIGNTO) uint8_t notes[NOTE_MAX];

	for (int i = 0; i < NOTES_AT_ONCE; i++) {
		const struct nlmsghdr *h = (const void *)notes;
		ssize_t len =
		    recv(watch_fd(w), notes, sizeof(notes), MSG_DONTWAIT);
		int left;

		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1) {
			/* ENOBUFS: notes have been lost. */
			if (errno == EAGAIN)
				return;
			w->routes = true;
			note_site(w, now);
			note_change(w, now);
			return;
		}
		for (left = (int)len; mnl_nlmsg_ok(h, left);
		     h = mnl_nlmsg_next(h, &left))
			if (message_concerns_us(w, h, now))
				note_change(w, now);
	}
}

struct mono
watch_deadline(const struct watch *w)
{
	return watch_fd(w) == -1 ? MONO_NEVER : mono_min(w->due, w->site_due);
}

bool
watch_is_due(struct watch *w, struct mono now)
{
	if (watch_fd(w) == -1 || !mono_due(w->due, now))
		return false;
	w->first = MONO_NEVER;
	w->due = mono_add_ms(now, WATCH_INTERVAL_MS);
	return true;
}

bool
watch_site_is_due(struct watch *w, struct mono now)
{
	if (!mono_due(w->site_due, now))
		return false;
	w->site_first = w->site_due = MONO_NEVER;
	return true;
}

void
watch_site_took(struct watch *w, struct mono from, struct mono to)
{
	w->site_rested = mono_add_ns(to, (to.ns - from.ns) * WATCH_SITE_REST);
}

void
watch_site_again(struct watch *w, struct mono now)
{
	w->site_due =
	    mono_max(w->site_rested, mono_add_ms(now, WATCH_LONGEST_MS));
}

bool
watch_routes_changed(struct watch *w)
{
	const bool changed = w->routes;

	w->routes = false;
	return changed;
}

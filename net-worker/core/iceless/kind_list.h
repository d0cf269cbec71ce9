/*
 * The candidates of one kind that one side of a connection has, for the path
 * agent.
 */
#ifndef NET_WORKER_CORE_ICELESS_KIND_LIST_H
#define NET_WORKER_CORE_ICELESS_KIND_LIST_H

#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/iceless/agent.h"
#include "net-worker/core/path.h"

/* All zero: empty. */
struct kind_list {
	struct candidate candidate[ICELESS_KIND_MAX]; /* oldest first */
	bool is_at_gone_relay[ICELESS_KIND_MAX];      /* of the peer's */
	struct mono heard[ICELESS_KIND_MAX]; /* the peer, by it; or it is new */
	size_t count;
};

/* Related and base matter where they are given. NULL: there is none. */
struct candidate *kind_list_find(struct kind_list *,
    const struct endpoint *address, const struct endpoint *related,
    const struct endpoint *base);
/* There is room: fewer than ICELESS_KIND_MAX. */
void kind_list_append(
    struct kind_list *, struct mono now, const struct candidate *);
void kind_list_remove(struct kind_list *, size_t i);

/* The peer is heard by that path, and so by all at its ends. */
void kind_list_heard(struct kind_list *, struct mono now, const struct path *);
/*
 * Which one gives way, of two or more: at a relay that is gone, or not heard
 * for longest, or else the oldest. None at an end of that path (or NULL), if
 * there is another.
 */
size_t kind_list_least(const struct kind_list *, const struct path *in_use);

/* No relay is at that address any more: marks the candidates on it. */
void kind_list_relay_gone(struct kind_list *, const struct ip_address *);
/* Whether the address is that of a candidate on a relay that is gone. */
bool kind_list_leads_to_gone_relay(
    const struct kind_list *, const struct endpoint *address);

#endif /* NET_WORKER_CORE_ICELESS_KIND_LIST_H */

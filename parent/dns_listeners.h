/*
 * The sockets of the DNS server on the tunnel (firezone-policy(7), DNS
 * sockets): UDP and TCP on each of our own tunnel addresses. control-worker
 * serves them; they are bound here, since it may bind nothing, and kept, since
 * it may be made again.
 *
 * They are bound to the TUN device, too, so that nobody but a client reaches
 * them. That binding control-worker could undo; they are made in its name
 * (owned_socket.h), so that the packet filter lets them answer and nothing
 * else. They carry no mark, as their answers follow the tunnel table.
 */
#ifndef PARENT_DNS_LISTENERS_H
#define PARENT_DNS_LISTENERS_H

#include <sys/types.h>

#include "common/address.h"

/* The two sockets of a family, by whether they are TCP; -1: not there. */
struct dns_family {
	struct ip_address address; /* IP_NONE: not bound */
	int fds[2];
};

struct dns_listeners {
	struct dns_family v4, v6;
};

/* clang-format off */
#define DNS_LISTENERS_CLOSED \
	((struct dns_listeners){ { .fds = { -1, -1 } }, { .fds = { -1, -1 } } })
/* clang-format on */

/*
 * Binds to the address, in the name of that user; IP_NONE closes. Nothing is
 * done when it is bound to that already. Returns whether there are other
 * sockets than before, or -1 with errno and none of the family.
 */
int dns_family_bind(
    struct dns_family *, const struct ip_address *, uid_t owner);
void dns_listeners_close(struct dns_listeners *);

#endif /* PARENT_DNS_LISTENERS_H */

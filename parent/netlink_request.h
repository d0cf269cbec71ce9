/*
 * Requests to the kernel by netlink: one at a time, each answered before the
 * next is sent.
 */
#ifndef PARENT_NETLINK_REQUEST_H
#define PARENT_NETLINK_REQUEST_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "common/address.h"

struct netlink {
	struct mnl_socket *socket; /* NULL: closed */
	uint32_t sequence;
};

/* A message under construction: a header, then attributes by libmnl. */
struct netlink_request {
	struct nlmsghdr *header;
	alignas(NLMSG_ALIGNTO) uint8_t bytes[1024];
};

/* NETLINK_ROUTE, NETLINK_NETFILTER. -1 with errno. */
int netlink_open(struct netlink *, int protocol);
void netlink_close(struct netlink *);

/*
 * Begins a request that is to be acknowledged; returns its family header,
 * which has that size and is zero.
 */
void *netlink_begin(
    struct netlink_request *, int type, int flags, size_t header_size);
void netlink_put_address(
    struct netlink_request *, uint16_t attribute, const struct ip_address *);

/* Sends it and waits for the kernel's verdict: 0, or -1 with its errno. */
int netlink_send(struct netlink *, struct netlink_request *);

/* Likewise, as a transaction of nftables. */
int netlink_transaction(struct netlink *, struct netlink_request *);

/*
 * Sends it and hands every object of the answer to each. A list that changed
 * while it was read fails with EINTR.
 */
int netlink_list(struct netlink *, struct netlink_request *,
    void (*each)(const struct nlmsghdr *, void *), void *);

/*
 * Hands the routes of a table to each; reads no others where the kernel can
 * choose, but each has to look. -1 with errno, as netlink_list().
 */
int netlink_list_table(struct netlink *, uint8_t family, uint32_t table,
    void (*each)(const struct nlmsghdr *, void *), void *);

/* The attribute of that type in a message or in a nest; NULL for neither. */
const struct nlattr *netlink_attribute(
    const struct nlmsghdr *, size_t header_size, uint16_t type);
const struct nlattr *netlink_nested(const struct nlattr *nest, uint16_t type);
/* The number in it, of 32 or 8 bits, or otherwise. */
uint32_t netlink_number(const struct nlmsghdr *, size_t header_size,
    uint16_t type, uint32_t otherwise);
/* IP_NONE when there is no attribute, or it is no address of the family. */
struct ip_address netlink_address(const struct nlattr *, uint8_t af);
/* The first attribute in a nest, and the one behind another; NULL at the end.
 */
const struct nlattr *netlink_first(const struct nlattr *nest);
const struct nlattr *netlink_next(
    const struct nlattr *nest, const struct nlattr *);

/*
 * Of routing objects of an RTM_NEW* type, deletes those that match. -1 with
 * errno.
 */
int netlink_purge(struct netlink *, int new_type, uint8_t family,
    bool (*match)(const struct nlmsghdr *, const void *), const void *);

#endif /* PARENT_NETLINK_REQUEST_H */

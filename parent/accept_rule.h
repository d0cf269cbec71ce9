/*
 * The rules that we put into other people's chains, each by one transaction of
 * its own. Not by libnftables: that reads the whole ruleset first, and may give
 * up the socket that owns our table (firewall.c).
 */
#ifndef PARENT_ACCEPT_RULE_H
#define PARENT_ACCEPT_RULE_H

#include <stdint.h>

struct netlink;

enum accept_rule {
	ACCEPT_TO_TUN,
	ACCEPT_FROM_TUN,
	ACCEPT_DNS_UDP, /* from the TUN to our DNS server */
	ACCEPT_DNS_TCP,
};

/* A chain by its names, of less than RULESET_NAME_SIZE bytes each. */
struct chain_name {
	uint8_t family; /* NFPROTO_ */
	const char *table, *chain;
};

/* Puts it at the head, marked by a comment. -1 with errno. */
int accept_rule_insert(
    struct netlink *, const struct chain_name *, enum accept_rule);
int accept_rule_delete(
    struct netlink *, const struct chain_name *, uint64_t handle);

#endif /* PARENT_ACCEPT_RULE_H */

/*
 * Reads what the kernel tells of nftables into a struct ruleset. Expressions
 * that are not understood count as conditions that may be met.
 */
#ifndef PARENT_RULESET_NETLINK_H
#define PARENT_RULESET_NETLINK_H

#include <stdint.h>

#include "parent/ruleset.h"
#include "parent/ruleset_sets.h"

/* Our own table, of the family inet, and the comment that marks our rules. */
#define OWN_TABLE    "postern"
#define RULE_COMMENT "postern"
/* Of a rule's user data, the type of a comment. */
#define USERDATA_COMMENT 0

struct nlmsghdr;

struct ruleset_reader {
	struct ruleset *rules;
	struct ruleset_sets *sets; /* of the table whose rules are read */
	uint32_t ifindex; /* of the TUN; 0: unknown */
	/* Read so far. */
	bool own_table; /* our table is there, and has chains */
	int last_chain; /* in rules, -1: none */
};

/*
 * For NFT_MSG_NEWCHAIN and NFT_MSG_NEWRULE; data is a struct ruleset_reader.
 * Base chains that see no packet of ours are left out, and chains that are not
 * base chains are entered when a rule speaks of them.
 */
void ruleset_read_chain(const struct nlmsghdr *, void *data);
void ruleset_read_rule(const struct nlmsghdr *, void *data);

#endif /* PARENT_RULESET_NETLINK_H */

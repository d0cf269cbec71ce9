/*
 * A ruleset, and nftables messages from which it is read: a rule is begun, its
 * expressions follow, and it is read when it ends.
 */
#ifndef TESTS_LIB_RULESET_MESSAGES_H
#define TESTS_LIB_RULESET_MESSAGES_H

/* Does not bear to come after <linux/netfilter.h>. */
#include <netinet/in.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parent/netlink_request.h"
#include "parent/ruleset.h"
#include "parent/ruleset_netlink.h"
#include "parent/ruleset_sets.h"

#define TUN_IFINDEX 7

static struct ruleset *rules;
static struct ruleset_sets *sets;
static unsigned table;

static inline int
begin_rules(void **state)
{
	(void)state;
	rules = calloc(1, sizeof(*rules));
	sets = calloc(1, sizeof(*sets));
	assert_non_null(rules);
	assert_non_null(sets);
	table = (unsigned)ruleset_table(rules, NFPROTO_INET, "fw");
	return 0;
}

static inline int
end_rules(void **state)
{
	(void)state;
	free(rules);
	free(sets);
	return 0;
}

static inline unsigned
chain(const char *name)
{
	return (unsigned)ruleset_chain(rules, table, name);
}

static inline void
rule(const char *of, enum match m, enum action action, const char *target)
{
	struct step s = { .action = (uint8_t)action };

	memset(s.match, (int)m, sizeof(s.match));
	if (target != NULL)
		s.target = (uint16_t)chain(target);
	ruleset_add(rules, chain(of), &s);
}

static inline bool
refuses(const char *base)
{
	return ruleset_refuses(rules, chain(base), PACKET_OUT);
}

static struct netlink_request message;
static struct nlattr *list;

static inline void
begin_rule(const char *of)
{
	struct nfgenmsg *g = netlink_begin(&message, 0, 0, sizeof(*g));

	g->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message.header, NFTA_RULE_TABLE, "fw");
	mnl_attr_put_strz(message.header, NFTA_RULE_CHAIN, of);
	list = mnl_attr_nest_start(message.header, NFTA_RULE_EXPRESSIONS);
}

static struct nlattr *element;

static inline struct nlattr *
begin_expression(const char *name)
{
	element = mnl_attr_nest_start(message.header, NFTA_LIST_ELEM);
	mnl_attr_put_strz(message.header, NFTA_EXPR_NAME, name);
	return mnl_attr_nest_start(message.header, NFTA_EXPR_DATA);
}

static inline void
end_expression(struct nlattr *data)
{
	mnl_attr_nest_end(message.header, data);
	mnl_attr_nest_end(message.header, element);
}

static inline void
put_value(uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(message.header, type);

	mnl_attr_put(message.header, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(message.header, nest);
}

static void
put_u32(uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(message.header, type, htonl(value));
}

static inline void
meta(enum nft_meta_keys key)
{
	struct nlattr *data = begin_expression("meta");

	put_u32(NFTA_META_KEY, key);
	put_u32(NFTA_META_DREG, NFT_REG_1);
	end_expression(data);
}

static inline void
compare(enum nft_cmp_ops op, const void *value, size_t len)
{
	struct nlattr *data = begin_expression("cmp"), *nest;

	put_u32(NFTA_CMP_SREG, NFT_REG_1);
	put_u32(NFTA_CMP_OP, op);
	nest = mnl_attr_nest_start(message.header, NFTA_CMP_DATA);
	mnl_attr_put(message.header, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(message.header, nest);
	end_expression(data);
}

static inline void
device(enum nft_meta_keys key, enum nft_cmp_ops op, const char *name)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strlen(name));
	meta(key);
	compare(op, padded, sizeof(padded));
}

static inline void
plain(const char *name)
{
	end_expression(begin_expression(name));
}

static inline void
protocol(uint8_t value)
{
	meta(NFT_META_L4PROTO);
	compare(NFT_CMP_EQ, &value, sizeof(value));
}

static inline void
payload(enum nft_payload_bases base, uint32_t offset, uint32_t len)
{
	struct nlattr *data = begin_expression("payload");

	put_u32(NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_u32(NFTA_PAYLOAD_BASE, base);
	put_u32(NFTA_PAYLOAD_OFFSET, offset);
	put_u32(NFTA_PAYLOAD_LEN, len);
	end_expression(data);
}

static inline void
dport(uint16_t port)
{
	const uint16_t value = htons(port);

	payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	compare(NFT_CMP_EQ, &value, sizeof(value));
}

static inline void
verdict(int code, const char *target)
{
	struct nlattr *data = begin_expression("immediate"), *value, *v;

	put_u32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	value = mnl_attr_nest_start(message.header, NFTA_IMMEDIATE_DATA);
	v = mnl_attr_nest_start(message.header, NFTA_DATA_VERDICT);
	put_u32(NFTA_VERDICT_CODE, (uint32_t)code);
	if (target != NULL)
		mnl_attr_put_strz(
		    message.header, NFTA_VERDICT_CHAIN, target);
	mnl_attr_nest_end(message.header, v);
	mnl_attr_nest_end(message.header, value);
	end_expression(data);
}

static inline void
end_rule(void)
{
	struct ruleset_reader r = {
		.rules = rules,
		.sets = sets,
		.ifindex = TUN_IFINDEX,
		.last_chain = -1,
	};

	mnl_attr_nest_end(message.header, list);
	ruleset_read_rule(message.header, &r);
}

/* What the rule refuses, one letter a packet: yes, or no (so maybe). */
static inline void
assert_refused_of(const char *wanted, unsigned version)
{
	static const enum test_packet kinds[] = { PACKET_OUT, PACKET_BACK,
		PACKET_DNS_UDP, PACKET_DNS_TCP, PACKET_ANSWER };
	unsigned base = chain("base");

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		assert_int_equal(ruleset_refuses(rules, base,
				     (enum test_packet)(kinds[i] + version)),
		    wanted[i] == 'y');
}

static inline void
assert_refused(const char *wanted)
{
	assert_refused_of(wanted, 0);
	assert_refused_of(wanted, PACKET_V6);
}

/* The order: out, back, DNS by UDP, by TCP, answer. */
#define RULE(wanted, ...)              \
	do {                           \
		end_rules(state);      \
		begin_rules(state);    \
		begin_rule("base");    \
		__VA_ARGS__;           \
		verdict(NF_DROP, NULL); \
		end_rule();            \
		assert_refused(wanted); \
	} while (0)

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_rules, end_rules)

#endif /* TESTS_LIB_RULESET_MESSAGES_H */

/* The judge of other people's rules, and what it reads them from. */
#include "tests/lib/ruleset_messages.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_conntrack.h>

/* --- The judge, on rules of the model ------------------------------------- */

static void
test_policy(void **state)
{
	(void)state;
	assert_false(refuses("base"));
	rules->chain[chain("base")].policy_drops = true;
	assert_true(refuses("base"));
	rule("base", MATCH_MAYBE, ACTION_ACCEPT, NULL);
	rule("base", MATCH_NO, ACTION_ACCEPT, NULL);
	assert_true(refuses("base"));
	rule("base", MATCH_YES, ACTION_ACCEPT, NULL);
	assert_false(refuses("base"));
}

/* Refused on condition is refused to somebody else. */
static void
test_conditional_refusal(void **state)
{
	(void)state;
	rule("base", MATCH_MAYBE, ACTION_REFUSE, NULL);
	rule("base", MATCH_NO, ACTION_REFUSE, NULL);
	assert_false(refuses("base"));
	rule("base", MATCH_YES, ACTION_REFUSE, NULL);
	assert_true(refuses("base"));
}

static void
test_through_jumps(void **state)
{
	(void)state;
	rule("base", MATCH_YES, ACTION_JUMP, "zones");
	rule("zones", MATCH_MAYBE, ACTION_ACCEPT, NULL);
	rule("zones", MATCH_YES, ACTION_GOTO, "public");
	rule("public", MATCH_YES, ACTION_JUMP, "empty");
	rule("public", MATCH_YES, ACTION_REFUSE, NULL);
	assert_true(refuses("base"));
}

static void
test_back_from_a_jump(void **state)
{
	(void)state;
	rule("base", MATCH_YES, ACTION_JUMP, "a");
	rule("base", MATCH_YES, ACTION_REFUSE, NULL);
	rule("a", MATCH_YES, ACTION_RETURN, NULL);
	rule("a", MATCH_YES, ACTION_ACCEPT, NULL);
	assert_true(refuses("base"));
	rule("first", MATCH_YES, ACTION_GOTO, "a");
	rule("first", MATCH_YES, ACTION_REFUSE, NULL);
	assert_false(refuses("first"));
	rules->chain[chain("first")].policy_drops = true;
	assert_true(refuses("first"));
}

/* "tcp jump tcp-rules" with a refusal at its end, but not "x jump logdrop". */
static void
test_conditional_jumps(void **state)
{
	(void)state;
	rule("base", MATCH_MAYBE, ACTION_JUMP, "logdrop");
	rule("logdrop", MATCH_YES, ACTION_REFUSE, NULL);
	assert_false(refuses("base"));
	rule("other", MATCH_MAYBE, ACTION_JUMP, "tcp");
	rule("tcp", MATCH_MAYBE, ACTION_ACCEPT, NULL);
	rule("tcp", MATCH_YES, ACTION_GOTO, "logdrop");
	assert_true(refuses("other"));
	rule("third", MATCH_MAYBE, ACTION_GOTO, "lets_pass");
	rule("third", MATCH_YES, ACTION_REFUSE, NULL);
	rule("lets_pass", MATCH_YES, ACTION_ACCEPT, NULL);
	assert_true(refuses("third"));
}

/* No kernel has it, and it must not hang us. */
static void
test_loop(void **state)
{
	(void)state;
	rule("base", MATCH_YES, ACTION_JUMP, "a");
	rule("a", MATCH_YES, ACTION_JUMP, "b");
	rule("b", MATCH_YES, ACTION_JUMP, "a");
	assert_true(refuses("base"));
}

/* Each chain is walked once, however many ways lead to it. */
static void
test_many_ways(void **state)
{
	char from[16], to[16];

	(void)state;
	for (unsigned i = 0; i < RULESET_DEPTH_MAX - 1; i++) {
		snprintf(from, sizeof(from), "c%u", i);
		snprintf(to, sizeof(to), "c%u", i + 1);
		for (unsigned j = 0; j < 500; j++) {
			rule(from, MATCH_MAYBE, ACTION_JUMP, to);
			rule(from, MATCH_NO, ACTION_ACCEPT, NULL);
		}
	}
	assert_false(rules->overflow);
	assert_false(refuses("c0"));
}

static void
test_full(void **state)
{
	char name[RULESET_NAME_SIZE + 2];

	(void)state;
	(void)chain("base");
	for (unsigned i = 0; i < RULESET_CHAINS_MAX; i++) {
		snprintf(name, sizeof(name), "c%u", i);
		(void)ruleset_chain(rules, table, name);
	}
	assert_true(rules->overflow);
	assert_true(refuses("base"));
	rules->overflow = false;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(ruleset_chain(rules, table, name), -1);
	assert_int_equal(ruleset_table(rules, NFPROTO_INET, name), -1);
	assert_true(rules->overflow);
}

static void
test_full_of_steps(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= RULESET_STEPS_MAX; i++)
		rule("base", i % 2 ? MATCH_NO : MATCH_MAYBE, ACTION_ACCEPT,
		    NULL);
	assert_true(rules->overflow);
	assert_true(refuses("base"));
}

static void
test_scattered(void **state)
{
	(void)state;
	rule("base", MATCH_NO, ACTION_ACCEPT, NULL);
	rule("other", MATCH_NO, ACTION_ACCEPT, NULL);
	rule("base", MATCH_NO, ACTION_RETURN, NULL);
	assert_true(refuses("base"));
	assert_false(refuses("other"));
}

/* --- The reader ----------------------------------------------------------- */

static void
ct_state(uint32_t states)
{
	const uint32_t zero = 0;
	struct nlattr *data = begin_expression("ct"), *nest;

	put_u32(NFTA_CT_KEY, NFT_CT_STATE);
	put_u32(NFTA_CT_DREG, NFT_REG_1);
	end_expression(data);
	data = begin_expression("bitwise");
	put_u32(NFTA_BITWISE_SREG, NFT_REG_1);
	put_u32(NFTA_BITWISE_DREG, NFT_REG_1);
	nest = mnl_attr_nest_start(message.header, NFTA_BITWISE_MASK);
	mnl_attr_put(message.header, NFTA_DATA_VALUE, sizeof(states), &states);
	mnl_attr_nest_end(message.header, nest);
	nest = mnl_attr_nest_start(message.header, NFTA_BITWISE_XOR);
	mnl_attr_put(message.header, NFTA_DATA_VALUE, sizeof(zero), &zero);
	mnl_attr_nest_end(message.header, nest);
	end_expression(data);
	compare(NFT_CMP_NEQ, &zero, sizeof(zero));
}

static void
xt_ct_state(uint16_t states, bool inverted)
{
	const struct xt_conntrack_mtinfo3 info = {
		.match_flags = XT_CONNTRACK_STATE,
		.invert_flags = inverted ? XT_CONNTRACK_STATE : 0,
		.state_mask = states,
	};
	struct nlattr *data = begin_expression("match");

	mnl_attr_put_strz(message.header, NFTA_MATCH_NAME, "conntrack");
	put_u32(NFTA_MATCH_REV, 3);
	mnl_attr_put(
	    message.header, NFTA_MATCH_INFO, sizeof(info), &info);
	end_expression(data);
}

static void
test_devices(void **state)
{
	const uint32_t lo = 1, tun = TUN_IFINDEX, other = 3;

	RULE("yyyyy", (void)0);
	RULE("ynyyn", device(NFT_META_IIFNAME, NFT_CMP_EQ, "tun-firezone"));
	RULE("nynny", device(NFT_META_IIFNAME, NFT_CMP_NEQ, "tun-firezone"));
	RULE("nnnnn", device(NFT_META_IIFNAME, NFT_CMP_EQ, "eth0"));
	RULE("ynyyn", device(NFT_META_IIFNAME, NFT_CMP_NEQ, "eth0"));
	RULE("yyyyy", device(NFT_META_IIFNAME, NFT_CMP_NEQ, "lo"));
	RULE("nynny", device(NFT_META_OIFNAME, NFT_CMP_EQ, "tun-firezone"));
	RULE("ynyyn", meta(NFT_META_IIFNAME), compare(NFT_CMP_EQ, "tun", 3));
	RULE("nnnnn", meta(NFT_META_IIFNAME), compare(NFT_CMP_EQ, "eth", 3));
	RULE("yyyyy", meta(NFT_META_IIF),
	    compare(NFT_CMP_NEQ, &lo, sizeof(lo)));
	RULE("ynyyn", meta(NFT_META_IIF),
	    compare(NFT_CMP_EQ, &tun, sizeof(tun)));
	RULE("ynyyn", meta(NFT_META_IIF),
	    compare(NFT_CMP_NEQ, &other, sizeof(other)));
}

static void
test_states(void **state)
{
	const uint32_t known = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) |
	    NF_CT_STATE_BIT(IP_CT_RELATED);

	RULE("nynny", ct_state(known));
	RULE("ynyyn", ct_state(NF_CT_STATE_BIT(IP_CT_NEW)));
	RULE("nnnnn", ct_state(NF_CT_STATE_INVALID_BIT));
	RULE("nynny", xt_ct_state((uint16_t)known, false));
	RULE("ynyyn", xt_ct_state((uint16_t)known, true));
}

static void
test_ports(void **state)
{
	RULE("nnynn", protocol(IPPROTO_UDP), dport(53535));
	RULE("nnnyn", protocol(IPPROTO_TCP), dport(53535));
	RULE("nnnnn", protocol(IPPROTO_TCP), dport(22));
}

/* What is not understood may match, and a register is of one kind. */
static void
test_conditions(void **state)
{
	const char name[IFNAMSIZ] = "tun-firezone";

	RULE("nnnnn", plain("lookup"));
	RULE("nnnnn", plain("limit"));
	RULE("nnnnn", plain("match"));
	RULE("nnnnn", plain("something new"));
	RULE("yyyyy", plain("counter"), plain("log"));
	RULE("nnnnn", meta(NFT_META_IIFNAME), meta(NFT_META_MARK),
	    compare(NFT_CMP_EQ, name, sizeof(name)));
	RULE("nnnnn", meta(NFT_META_IIFNAME),
	    compare(NFT_CMP_GT, name, sizeof(name)));
	RULE("nnnnn", meta(NFT_META_IIF), compare(NFT_CMP_EQ, name, 2));
}

static void
test_other_verdicts(void **state)
{
	(void)state;
	begin_rule("base");
	plain("counter");
	verdict(NFT_JUMP, "deeper");
	end_rule();
	begin_rule("deeper");
	verdict(NFT_GOTO, "deepest");
	end_rule();
	begin_rule("deepest");
	plain("reject");
	end_rule();
	assert_refused("yyyyy");
	begin_rule("start");
	verdict(NFT_RETURN, NULL);
	end_rule();
	assert_false(refuses("start"));
}

static void
test_targets(void **state)
{
	struct nlattr *data;

	(void)state;
	begin_rule("base");
	data = begin_expression("target");
	mnl_attr_put_strz(message.header, NFTA_TARGET_NAME, "LOG");
	end_expression(data);
	data = begin_expression("target");
	mnl_attr_put_strz(message.header, NFTA_TARGET_NAME, "REJECT");
	end_expression(data);
	end_rule();
	assert_refused("yyyyy");
}

/* --- Base chains ---------------------------------------------------------- */

static bool
takes_chain(uint8_t family, uint32_t hook, const char *dev, const char *type)
{
	struct ruleset_reader r = { .rules = rules, .last_chain = -1 };
	struct nfgenmsg *g = netlink_begin(&message, 0, 0, sizeof(*g));
	struct nlattr *nest;
	const unsigned before = rules->chains;

	g->nfgen_family = family;
	mnl_attr_put_strz(message.header, NFTA_CHAIN_TABLE, "t");
	mnl_attr_put_strz(message.header, NFTA_CHAIN_NAME, type);
	mnl_attr_put_strz(message.header, NFTA_CHAIN_TYPE, type);
	put_u32(NFTA_CHAIN_POLICY, NF_DROP);
	nest = mnl_attr_nest_start(message.header, NFTA_CHAIN_HOOK);
	put_u32(NFTA_HOOK_HOOKNUM, hook);
	if (dev != NULL)
		mnl_attr_put_strz(message.header, NFTA_HOOK_DEV, dev);
	mnl_attr_nest_end(message.header, nest);
	ruleset_read_chain(message.header, &r);
	return rules->chains > before;
}

static void
test_base_chains(void **state)
{
	(void)state;
	assert_true(takes_chain(NFPROTO_INET, NF_INET_FORWARD, NULL, "filter"));
	assert_true(rules->chain[0].base && rules->chain[0].filter &&
	    rules->chain[0].policy_drops);
	assert_true(
	    takes_chain(NFPROTO_IPV4, NF_INET_LOCAL_IN, NULL, "filter"));
	assert_false(
	    takes_chain(NFPROTO_IPV4, NF_INET_PRE_ROUTING, NULL, "nat"));
	assert_false(
	    takes_chain(NFPROTO_BRIDGE, NF_INET_FORWARD, NULL, "filter"));
	assert_true(takes_chain(NFPROTO_NETDEV, NF_NETDEV_INGRESS,
	    "tun-firezone", "filter"));
	assert_false(
	    takes_chain(NFPROTO_NETDEV, NF_NETDEV_INGRESS, "eth0", "x"));
	assert_false(
	    takes_chain(NFPROTO_INET, NF_INET_INGRESS, "eth0", "filter2"));
	assert_false(takes_chain(NFPROTO_INET, UINT32_MAX, NULL, "filter3"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_policy),
		TEST(test_conditional_refusal),
		TEST(test_through_jumps),
		TEST(test_back_from_a_jump),
		TEST(test_conditional_jumps),
		TEST(test_loop),
		TEST(test_many_ways),
		TEST(test_full),
		TEST(test_full_of_steps),
		TEST(test_scattered),
		TEST(test_devices),
		TEST(test_states),
		TEST(test_ports),
		TEST(test_conditions),
		TEST(test_other_verdicts),
		TEST(test_targets),
		TEST(test_base_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

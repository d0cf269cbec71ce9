/* Addresses, protocols, sets and maps in other people's rules. */
#include "tests/lib/ruleset_messages.h"

#include <linux/netfilter/nf_conntrack_common.h>

/* --- Addresses ------------------------------------------------------------ */

static void
ip_header(uint32_t offset, uint32_t len)
{
	payload(NFT_PAYLOAD_NETWORK_HEADER, offset, len);
}

static void
masked(const void *mask, size_t len)
{
	const uint8_t zero[16] = { 0 };
	struct nlattr *data = begin_expression("bitwise");

	put_u32(NFTA_BITWISE_SREG, NFT_REG_1);
	put_u32(NFTA_BITWISE_DREG, NFT_REG_1);
	put_value(NFTA_BITWISE_MASK, mask, len);
	put_value(NFTA_BITWISE_XOR, zero, len);
	end_expression(data);
}

static void
family(uint8_t value)
{
	meta(NFT_META_NFPROTO);
	compare(NFT_CMP_EQ, &value, sizeof(value));
}

#define RULE_OF(version, wanted, ...)               \
	do {                                        \
		end_rules(state);                   \
		begin_rules(state);                 \
		begin_rule("base");                 \
		family(version ? NFPROTO_IPV6       \
			       : NFPROTO_IPV4);     \
		__VA_ARGS__;                        \
		verdict(NF_DROP, NULL);             \
		end_rule();                         \
		assert_refused_of(wanted, version); \
		assert_refused_of("nnnnn",          \
		    PACKET_V6 - (version));         \
	} while (0)

/* A condition that every client meets, and one that some may meet. */
static void
test_addresses(void **state)
{
	const uint8_t mask10[] = { 255, 192, 0, 0 }, odd[] = { 255, 0, 255, 0 };
	const uint8_t mask12[] = { 255, 240, 0, 0 };
	const uint8_t tunnel[] = { 100, 64, 0, 0 }, lan[] = { 192, 168 };
	const uint8_t last[] = { 100, 127, 255, 255 };
	const uint8_t first[] = { 100, 0, 0, 0 };
	const uint8_t private[] = { 0xfd }, mask7[16] = { 0xfe };
	const uint8_t local[16] = { 0xfc };

	RULE_OF(0, "yyyyy", (void)0);
	RULE_OF(PACKET_V6, "yyyyy", (void)0);
	RULE_OF(0, "ynyyy", ip_header(12, 4), masked(mask10, 4),
	    compare(NFT_CMP_EQ, tunnel, 4));
	RULE_OF(0, "nyyyy", ip_header(16, 4), masked(mask10, 4),
	    compare(NFT_CMP_EQ, tunnel, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 4), masked(mask12, 4),
	    compare(NFT_CMP_EQ, tunnel, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 4), masked(odd, 4),
	    compare(NFT_CMP_EQ, first, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 4),
	    compare(NFT_CMP_EQ, tunnel, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 2),
	    compare(NFT_CMP_EQ, lan, 2));
	RULE_OF(0, "ynyyy", ip_header(12, 2),
	    compare(NFT_CMP_NEQ, lan, 2));
	RULE_OF(0, "ynyyy", ip_header(12, 4),
	    compare(NFT_CMP_GTE, tunnel, 4), compare(NFT_CMP_LTE, last, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 4),
	    compare(NFT_CMP_GT, last, 4));
	RULE_OF(0, "nnnnn", ip_header(12, 4),
	    compare(NFT_CMP_LT, tunnel, 4));
	RULE_OF(PACKET_V6, "ynyyy", ip_header(8, 1),
	    compare(NFT_CMP_EQ, private, 1));
	RULE_OF(PACKET_V6, "ynyyy", ip_header(8, 16), masked(mask7, 16),
	    compare(NFT_CMP_EQ, local, 16));
}

/* A protocol that most of what clients send is of. */
static void
test_protocols(void **state)
{
	RULE("nnnyn", protocol(IPPROTO_TCP));
	assert_true(
	    ruleset_refuses(rules, chain("base"), PACKET_OUT_TCP));
	assert_true(
	    ruleset_refuses(rules, chain("base"), PACKET_BACK_TCP));
	assert_false(
	    ruleset_refuses(rules, chain("base"), PACKET_OUT_UDP));
	RULE("nnnnn", protocol(IPPROTO_ICMP));
	RULE("nnnyn", protocol(IPPROTO_TCP), dport(53535));
	assert_false(
	    ruleset_refuses(rules, chain("base"), PACKET_OUT_TCP));
}

/* --- Sets and maps -------------------------------------------------------- */

static struct set_reader set_reader;

static void
begin_set(const char *name, uint32_t flags, uint32_t key_len)
{
	struct nfgenmsg *g = netlink_begin(&message, 0, 0, sizeof(*g));

	g->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message.header, NFTA_SET_TABLE, "fw");
	mnl_attr_put_strz(message.header, NFTA_SET_NAME, name);
	put_u32(NFTA_SET_FLAGS, flags);
	put_u32(NFTA_SET_KEY_LEN, key_len);
	set_reader = (struct set_reader){
		.rules = rules,
		.sets = sets,
		.table = table,
	};
	sets_read_set(message.header, &set_reader);
	(void)sets_begin(&set_reader, sets->sets - 1);
}

/* One element; what is jumped to is a chain of that name. */
static void
put_element(const void *key, const void *end, size_t len, uint32_t flags,
    int code, const char *target)
{
	struct nfgenmsg *g = netlink_begin(&message, 0, 0, sizeof(*g));
	struct nlattr *all, *one, *data, *v;

	g->nfgen_family = NFPROTO_INET;
	all = mnl_attr_nest_start(
	    message.header, NFTA_SET_ELEM_LIST_ELEMENTS);
	one = mnl_attr_nest_start(message.header, NFTA_LIST_ELEM);
	if (key != NULL)
		put_value(NFTA_SET_ELEM_KEY, key, len);
	if (end != NULL)
		put_value(NFTA_SET_ELEM_KEY_END, end, len);
	put_u32(NFTA_SET_ELEM_FLAGS, flags);
	if (code != NFT_CONTINUE) {
		data = mnl_attr_nest_start(
		    message.header, NFTA_SET_ELEM_DATA);
		v = mnl_attr_nest_start(message.header, NFTA_DATA_VERDICT);
		put_u32(NFTA_VERDICT_CODE, (uint32_t)code);
		if (target != NULL)
			mnl_attr_put_strz(
			    message.header, NFTA_VERDICT_CHAIN, target);
		mnl_attr_nest_end(message.header, v);
		mnl_attr_nest_end(message.header, data);
	}
	mnl_attr_nest_end(message.header, one);
	mnl_attr_nest_end(message.header, all);
	sets_read_elements(message.header, &set_reader);
}

static void
put_name(const char *name, uint32_t flags, int code, const char *target)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strlen(name));
	put_element(padded, NULL, sizeof(padded), flags, code, target);
}

static void
put_port(uint16_t port, uint32_t flags, int code)
{
	const uint16_t value = htons(port);

	put_element(&value, NULL, sizeof(value), flags, code, NULL);
}

static void
look_up(const char *set, bool inverted, bool verdicts)
{
	struct nlattr *data = begin_expression("lookup");

	mnl_attr_put_strz(message.header, NFTA_LOOKUP_SET, set);
	put_u32(NFTA_LOOKUP_SREG, NFT_REG_1);
	if (verdicts)
		put_u32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	put_u32(NFTA_LOOKUP_FLAGS, inverted ? NFT_LOOKUP_F_INV : 0);
	end_expression(data);
}

static void
begin_case(void **state)
{
	end_rules(state);
	begin_rules(state);
}

/* A rule that drops what is (not) in the set, by the subject. */
static void
drop_by_set(enum nft_meta_keys key, bool inverted)
{
	sets_end(&set_reader, true);
	begin_rule("base");
	meta(key);
	look_up("s", inverted, false);
	verdict(NF_DROP, NULL);
	end_rule();
}

static void
map_by(enum nft_meta_keys key)
{
	sets_end(&set_reader, true);
	begin_rule("base");
	meta(key);
	look_up("s", false, true);
	end_rule();
}

static void
test_sets(void **state)
{
	begin_set("s", 0, IFNAMSIZ);
	put_name("eth0", 0, NFT_CONTINUE, NULL);
	put_name("lan", 0, NFT_CONTINUE, NULL);
	drop_by_set(NFT_META_IIFNAME, true);
	assert_refused("ynyyn");

	begin_case(state);
	begin_set("s", 0, IFNAMSIZ);
	put_name("eth0", 0, NFT_CONTINUE, NULL);
	put_name("tun-firezone", 0, NFT_CONTINUE, NULL);
	drop_by_set(NFT_META_OIFNAME, false);
	assert_refused("nynny");

	begin_case(state);
	begin_set("s", 0, IFNAMSIZ);
	drop_by_set(NFT_META_IIFNAME, false);
	assert_refused("nnnnn");

	/* What a packet may add to. */
	begin_case(state);
	begin_set("s", NFT_SET_EVAL, IFNAMSIZ);
	drop_by_set(NFT_META_IIFNAME, true);
	assert_refused("nnnnn");
}

static void
test_maps(void **state)
{
	begin_set("s", NFT_SET_MAP, IFNAMSIZ);
	put_name("eth0", 0, NFT_JUMP, "good");
	put_name("tun-firezone", 0, NFT_GOTO, "bad");
	put_name("lan", 0, NF_ACCEPT, NULL);
	map_by(NFT_META_IIFNAME);
	rule("bad", MATCH_YES, ACTION_REFUSE, NULL);
	assert_refused("ynyyn");

	/* What no other matches, though it comes first. */
	begin_case(state);
	begin_set("s", NFT_SET_MAP, IFNAMSIZ);
	put_element(NULL, NULL, 0, NFT_SET_ELEM_CATCHALL, NF_DROP, NULL);
	put_name("tun-firezone", 0, NF_ACCEPT, NULL);
	map_by(NFT_META_IIFNAME);
	assert_refused("nynny");
	begin_case(state);
	begin_set("s", NFT_SET_MAP, IFNAMSIZ);
	put_element(NULL, NULL, 0, NFT_SET_ELEM_CATCHALL, NF_DROP, NULL);
	put_name("lo", 0, NF_ACCEPT, NULL);
	map_by(NFT_META_IIFNAME);
	assert_refused("yyyyy");
}

static void
test_state_maps(void **state)
{
	const uint32_t new = NF_CT_STATE_BIT(IP_CT_NEW);
	const uint32_t known = NF_CT_STATE_BIT(IP_CT_ESTABLISHED);
	struct nlattr *data;

	(void)state;
	begin_set("s", NFT_SET_MAP, sizeof(new));
	put_element(&new, NULL, sizeof(new), 0, NF_DROP, NULL);
	put_element(&known, NULL, sizeof(known), 0, NF_ACCEPT, NULL);
	sets_end(&set_reader, true);
	begin_rule("base");
	data = begin_expression("ct");
	put_u32(NFTA_CT_KEY, NFT_CT_STATE);
	put_u32(NFTA_CT_DREG, NFT_REG_1);
	end_expression(data);
	look_up("s", false, true);
	end_rule();
	assert_refused("ynyyn");
}

/* As the kernel lists them: from the greatest to the least, the ends marked. */
static void
test_intervals(void **state)
{
	const uint32_t end = NFT_SET_ELEM_INTERVAL_END;

	begin_set("s", NFT_SET_INTERVAL, IFNAMSIZ);
	put_name("tuo", end, NFT_CONTINUE, NULL);
	put_name("tun", 0, NFT_CONTINUE, NULL);
	put_name("", end, NFT_CONTINUE, NULL);
	drop_by_set(NFT_META_IIFNAME, false);
	assert_refused("ynyyn");

	/* 53536-65535: accept, 53000-53535: drop, 1-99: accept. */
	begin_case(state);
	begin_set("s", NFT_SET_INTERVAL | NFT_SET_MAP, sizeof(uint16_t));
	put_port(53536, 0, NF_ACCEPT);
	put_port(53536, end, NFT_CONTINUE);
	put_port(53000, 0, NF_DROP);
	put_port(100, end, NFT_CONTINUE);
	put_port(1, 0, NF_ACCEPT);
	sets_end(&set_reader, true);
	begin_rule("base");
	payload(NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
	look_up("s", false, true);
	end_rule();
	assert_refused("nnyyn");

	/* Another order is none that is understood. */
	begin_case(state);
	begin_set("s", NFT_SET_INTERVAL, IFNAMSIZ);
	put_name("tun", 0, NFT_CONTINUE, NULL);
	put_name("tuo", end, NFT_CONTINUE, NULL);
	drop_by_set(NFT_META_IIFNAME, false);
	assert_refused("nnnnn");
}

static void
test_concatenations(void **state)
{
	const char key[2 * IFNAMSIZ] = "lan\0\0\0\0\0\0\0\0\0\0\0\0\0eth0";
	struct nlattr *data;

	(void)state;
	begin_set("s", NFT_SET_CONCAT, sizeof(key));
	put_element(key, NULL, sizeof(key), 0, NFT_CONTINUE, NULL);
	sets_end(&set_reader, true);
	begin_rule("base");
	meta(NFT_META_IIFNAME);
	data = begin_expression("meta");
	put_u32(NFTA_META_KEY, NFT_META_OIFNAME);
	put_u32(NFTA_META_DREG, NFT_REG_2);
	end_expression(data);
	look_up("s", true, false);
	verdict(NF_DROP, NULL);
	end_rule();
	assert_refused("yyyyy");
}

/* A list of millions is not read, and takes no room from others. */
static void
test_large_sets(void **state)
{
	uint32_t address = 0;

	(void)state;
	begin_set("s", 0, sizeof(address));
	for (; address <= SET_ELEMENTS_MAX; address++)
		put_element(&address, NULL, sizeof(address), 0, NFT_CONTINUE,
		    NULL);
	sets_end(&set_reader, true);
	assert_null(sets_use(sets, &rules->table[table], "s"));
	assert_int_equal(sets->elements, 0);
	/* It is not listed again. */
	sets->sets = 0;
	begin_set("s", 0, sizeof(address));
	assert_false(sets_begin(&set_reader, 0));
	sets->sets = 0;
	begin_set("other", 0, sizeof(address));
	assert_true(sets_begin(&set_reader, 0));
}

/* Only elements that a rule depends on are worth another look. */
static void
test_changes_of_elements(void **state)
{
	struct nfgenmsg *g;

	(void)state;
	begin_set("s", 0, IFNAMSIZ);
	sets_end(&set_reader, true);
	g = netlink_begin(&message, 0, 0, sizeof(*g));
	g->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(message.header, NFTA_SET_ELEM_LIST_TABLE, "fw");
	mnl_attr_put_strz(message.header, NFTA_SET_ELEM_LIST_SET, "s");
	assert_false(sets_concern(sets, message.header));
	assert_non_null(sets_use(sets, &rules->table[table], "s"));
	assert_true(sets_concern(sets, message.header));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses),
		TEST(test_protocols),
		TEST(test_sets),
		TEST(test_maps),
		TEST(test_state_maps),
		TEST(test_intervals),
		TEST(test_concatenations),
		TEST(test_large_sets),
		TEST(test_changes_of_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The kernel's nftables messages as a model: see ruleset_netlink.h. */
#include "parent/ruleset_netlink.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_conntrack.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "parent/netlink_request.h"
#include "parent/tun.h"

#define DNS_PORT    53535
#define LO_NAME     "lo"
#define LO_IFINDEX  1
#define IPV4_PROTO  9 /* where a header names its protocol */
#define PORT_OFFSET 2 /* of the destination, in UDP and TCP */

/* What is known of a packet; 0: anything. */
struct packet_facts {
	bool from_tun, to_tun;
	uint32_t ct_state; /* a bit */
	uint8_t protocol;
	uint16_t port;
};

static const struct packet_facts facts[TEST_PACKETS] = {
	[PACKET_OUT] = { .from_tun = true,
	    .ct_state = NF_CT_STATE_BIT(IP_CT_NEW) },
	[PACKET_BACK] = { .to_tun = true,
	    .ct_state = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) },
	[PACKET_DNS_UDP] = { .from_tun = true,
	    .ct_state = NF_CT_STATE_BIT(IP_CT_NEW),
	    .protocol = IPPROTO_UDP,
	    .port = DNS_PORT },
	[PACKET_DNS_TCP] = { .from_tun = true,
	    .ct_state = NF_CT_STATE_BIT(IP_CT_NEW),
	    .protocol = IPPROTO_TCP,
	    .port = DNS_PORT },
	[PACKET_ANSWER] = { .to_tun = true,
	    .ct_state = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) },
};

/* What a register holds. */
enum subject {
	SUBJECT_OTHER,
	SUBJECT_IIFNAME,
	SUBJECT_OIFNAME,
	SUBJECT_IIF,
	SUBJECT_OIF,
	SUBJECT_CT_STATE,
	SUBJECT_PROTOCOL,
	SUBJECT_PORT,
};

/* A rule as far as it has been read; one register at a time. */
struct rule_reader {
	struct ruleset_reader *reader;
	unsigned table;
	uint8_t family;
	enum subject subject;
	uint32_t reg, mask;
	struct step step;
};

static const struct nlattr *
message_attribute(const struct nlmsghdr *h, uint16_t type)
{
	return netlink_attribute(h, sizeof(struct nfgenmsg), type);
}

static uint32_t
get_be32(const struct nlattr *a, uint32_t otherwise)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_U32) == -1)
		return otherwise;
	return ntohl(mnl_attr_get_u32(a));
}

static uint64_t
get_be64(const struct nlattr *a)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_U64) == -1)
		return 0;
	return be64toh(mnl_attr_get_u64(a));
}

static const char *
get_text(const struct nlattr *a)
{
	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == -1)
		return "";
	return mnl_attr_get_str(a);
}

static bool
text_is(const struct nlattr *a, const char *text)
{
	return strcmp(get_text(a), text) == 0;
}

/* A chain of the family netdev, or an ingress chain, names its devices. */
static bool
sees_the_tun(const struct nlattr *hook)
{
	const struct nlattr *devices = netlink_nested(hook, NFTA_HOOK_DEVS), *a;

	if (text_is(netlink_nested(hook, NFTA_HOOK_DEV), TUN_NAME))
		return true;
	for (a = netlink_first(devices); a != NULL;
	     a = netlink_next(devices, a))
		if (text_is(a, TUN_NAME))
			return true;
	return false;
}

/* Whether a base chain there may see a packet of ours. */
static bool
concerns_us(uint8_t family, const struct nlattr *hook, uint32_t number)
{
	switch (family) {
	case NFPROTO_NETDEV:
		return sees_the_tun(hook);
	case NFPROTO_INET:
		return number == NF_INET_INGRESS ? sees_the_tun(hook)
						 : number < NF_INET_NUMHOOKS;
	case NFPROTO_IPV4:
	case NFPROTO_IPV6:
		return number < NF_INET_NUMHOOKS;
	default:
		return false;
	}
}

void
ruleset_read_chain(const struct nlmsghdr *h, void *data)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct ruleset_reader *r = data;
	const struct nlattr *hook = message_attribute(h, NFTA_CHAIN_HOOK);
	const char *table = get_text(message_attribute(h, NFTA_CHAIN_TABLE));
	const char *type = get_text(message_attribute(h, NFTA_CHAIN_TYPE));
	struct ruleset_chain *c;
	uint32_t number;
	int t, i;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
		return;
	if (g->nfgen_family == NFPROTO_INET && strcmp(table, OWN_TABLE) == 0) {
		r->own_table = true;
		return;
	}
	number =
	    get_be32(netlink_nested(hook, NFTA_HOOK_HOOKNUM), UINT32_MAX);
	/* Chains that translate addresses do not filter. */
	if (!concerns_us(g->nfgen_family, hook, number) ||
	    strcmp(type, "nat") == 0 ||
	    (t = ruleset_table(r->rules, g->nfgen_family, table)) == -1 ||
	    (i = ruleset_chain(r->rules, (unsigned)t,
		 get_text(message_attribute(h, NFTA_CHAIN_NAME)))) == -1)
		return;
	c = &r->rules->chain[i];
	c->base = true;
	c->handle = get_be64(message_attribute(h, NFTA_CHAIN_HANDLE));
	c->filter = strcmp(type, "filter") == 0;
	c->hook = (uint8_t)number;
	c->policy_drops = get_be32(message_attribute(h, NFTA_CHAIN_POLICY),
			      NF_ACCEPT) == NF_DROP;
}

static enum match
negated(enum match m)
{
	return m == MATCH_MAYBE ? m : m == MATCH_YES ? MATCH_NO : MATCH_YES;
}

static enum match
certainly(bool yes)
{
	return yes ? MATCH_YES : MATCH_NO;
}

/* Shorter than a name can be: what it begins with. */
static bool
name_fits(const char *name, const void *value, size_t len)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strlen(name));
	return len <= sizeof(padded) && memcmp(padded, value, len) == 0;
}

/* Other devices than ours may have any name, but what is forwarded none of lo.
 */
static enum match
match_name(bool tun, const void *value, size_t len)
{
	if (tun)
		return certainly(name_fits(TUN_NAME, value, len));
	return len >= sizeof(LO_NAME) &&
		(name_fits(LO_NAME, value, len) ||
		    (len >= sizeof(TUN_NAME) &&
			name_fits(TUN_NAME, value, len)))
	    ? MATCH_NO
	    : MATCH_MAYBE;
}

static enum match
match_index(const struct rule_reader *r, bool tun, uint32_t value)
{
	const uint32_t ours = r->reader->ifindex;

	if (value == LO_IFINDEX)
		return MATCH_NO;
	if (ours == 0)
		return MATCH_MAYBE;
	if (tun)
		return certainly(value == ours);
	return value == ours ? MATCH_NO : MATCH_MAYBE;
}

/* Whether the subject of such a packet equals the value. */
static enum match
match_value(const struct rule_reader *r, const struct packet_facts *f,
    const struct nlattr *value)
{
	const void *p = mnl_attr_get_payload(value);
	const size_t len = mnl_attr_get_payload_len(value);
	uint16_t port;
	uint32_t number;

	switch (r->subject) {
	case SUBJECT_IIFNAME:
		return match_name(f->from_tun, p, len);
	case SUBJECT_OIFNAME:
		return match_name(f->to_tun, p, len);
	case SUBJECT_PROTOCOL:
		if (f->protocol == 0 || len != sizeof(uint8_t))
			return MATCH_MAYBE;
		return certainly(*(const uint8_t *)p == f->protocol);
	case SUBJECT_PORT:
		if (f->port == 0 || len != sizeof(port))
			return MATCH_MAYBE;
		memcpy(&port, p, sizeof(port));
		return certainly(ntohs(port) == f->port);
	case SUBJECT_IIF:
	case SUBJECT_OIF:
	case SUBJECT_CT_STATE:
		if (len != sizeof(number))
			return MATCH_MAYBE;
		memcpy(&number, p, sizeof(number));
		if (r->subject == SUBJECT_CT_STATE)
			return certainly((f->ct_state & r->mask) == number);
		return match_index(r,
		    r->subject == SUBJECT_IIF ? f->from_tun : f->to_tun,
		    number);
	default:
		return MATCH_MAYBE;
	}
}

static void
require(struct rule_reader *r, enum test_packet packet, enum match m)
{
	if (m < r->step.match[packet])
		r->step.match[packet] = (uint8_t)m;
}

static void
require_maybe(struct rule_reader *r)
{
	for (unsigned i = 0; i < TEST_PACKETS; i++)
		require(r, (enum test_packet)i, MATCH_MAYBE);
}

static void
read_cmp(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *value = netlink_nested(
	    netlink_nested(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
	const uint32_t op =
	    get_be32(netlink_nested(data, NFTA_CMP_OP), UINT32_MAX);
	enum match m;

	if (value == NULL || r->subject == SUBJECT_OTHER ||
	    (op != NFT_CMP_EQ && op != NFT_CMP_NEQ) ||
	    get_be32(netlink_nested(data, NFTA_CMP_SREG), 0) != r->reg) {
		require_maybe(r);
		return;
	}
	for (unsigned i = 0; i < TEST_PACKETS; i++) {
		m = match_value(r, &facts[i], value);
		require(r, (enum test_packet)i,
		    op == NFT_CMP_EQ ? m : negated(m));
	}
}

static void
load(struct rule_reader *r, enum subject subject, const struct nlattr *reg)
{
	r->subject = subject;
	r->reg = get_be32(reg, 0);
	r->mask = UINT32_MAX;
}

static void
read_meta(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *reg = netlink_nested(data, NFTA_META_DREG);
	static const struct {
		uint32_t key;
		enum subject subject;
	} known[] = {
		{ NFT_META_IIFNAME, SUBJECT_IIFNAME },
		{ NFT_META_OIFNAME, SUBJECT_OIFNAME },
		{ NFT_META_IIF, SUBJECT_IIF },
		{ NFT_META_OIF, SUBJECT_OIF },
		{ NFT_META_L4PROTO, SUBJECT_PROTOCOL },
	};
	const uint32_t key =
	    get_be32(netlink_nested(data, NFTA_META_KEY), UINT32_MAX);

	if (reg == NULL) /* it sets something */
		return;
	load(r, SUBJECT_OTHER, reg);
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].key == key)
			r->subject = known[i].subject;
}

static void
read_ct(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *reg = netlink_nested(data, NFTA_CT_DREG);

	if (reg == NULL)
		return;
	load(r,
	    get_be32(netlink_nested(data, NFTA_CT_KEY), UINT32_MAX) ==
		    NFT_CT_STATE
		? SUBJECT_CT_STATE
		: SUBJECT_OTHER,
	    reg);
}

static void
read_payload(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *reg = netlink_nested(data, NFTA_PAYLOAD_DREG);
	const uint32_t base =
	    get_be32(netlink_nested(data, NFTA_PAYLOAD_BASE), UINT32_MAX);
	const uint32_t offset =
	    get_be32(netlink_nested(data, NFTA_PAYLOAD_OFFSET), UINT32_MAX);

	if (reg == NULL)
		return;
	load(r, SUBJECT_OTHER, reg);
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == PORT_OFFSET)
		r->subject = SUBJECT_PORT;
	else if (base == NFT_PAYLOAD_NETWORK_HEADER && offset == IPV4_PROTO &&
	    r->family == NFPROTO_IPV4)
		r->subject = SUBJECT_PROTOCOL;
}

/* A mask on the state of the connection; others make something else of it. */
static void
read_bitwise(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *mask = netlink_nested(
	    netlink_nested(data, NFTA_BITWISE_MASK), NFTA_DATA_VALUE);
	const struct nlattr *toggled = netlink_nested(
	    netlink_nested(data, NFTA_BITWISE_XOR), NFTA_DATA_VALUE);
	const bool same = r->subject == SUBJECT_CT_STATE &&
	    get_be32(netlink_nested(data, NFTA_BITWISE_SREG), 0) == r->reg;

	load(r, SUBJECT_OTHER, netlink_nested(data, NFTA_BITWISE_DREG));
	if (!same || mask == NULL || toggled == NULL ||
	    mnl_attr_get_payload_len(mask) != sizeof(uint32_t) ||
	    mnl_attr_get_payload_len(toggled) != sizeof(uint32_t) ||
	    mnl_attr_get_u32(toggled) != 0)
		return;
	r->subject = SUBJECT_CT_STATE;
	r->mask = mnl_attr_get_u32(mask);
}

/* A match of iptables: the states of a connection as such, or anything. */
static void
read_match(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *info = netlink_nested(data, NFTA_MATCH_INFO);
	struct xt_conntrack_mtinfo3 ct;
	bool inverted;

	if (!text_is(netlink_nested(data, NFTA_MATCH_NAME), "conntrack") ||
	    get_be32(netlink_nested(data, NFTA_MATCH_REV), 0) != 3 ||
	    info == NULL || mnl_attr_get_payload_len(info) < sizeof(ct)) {
		require_maybe(r);
		return;
	}
	memcpy(&ct, mnl_attr_get_payload(info), sizeof(ct));
	if (ct.match_flags != XT_CONNTRACK_STATE) {
		require_maybe(r);
		return;
	}
	inverted = (ct.invert_flags & XT_CONNTRACK_STATE) != 0;
	for (unsigned i = 0; i < TEST_PACKETS; i++)
		require(r, (enum test_packet)i,
		    certainly(((facts[i].ct_state & ct.state_mask) != 0) !=
			inverted));
}

static enum action
read_target(const struct nlattr *data)
{
	const struct nlattr *name = netlink_nested(data, NFTA_TARGET_NAME);

	if (text_is(name, "REJECT") || text_is(name, "TARPIT"))
		return ACTION_REFUSE;
	/* Another program has its say. */
	return text_is(name, "NFQUEUE") ? ACTION_ACCEPT : ACTION_NONE;
}

static enum action
read_immediate(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *verdict = netlink_nested(
	    netlink_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	const struct nlattr *code = netlink_nested(verdict, NFTA_VERDICT_CODE);
	enum action action;
	int target;

	if (code == NULL) /* it fills a register */
		return ACTION_NONE;
	switch ((int)get_be32(code, NF_ACCEPT)) {
	case NF_ACCEPT:
		return ACTION_ACCEPT;
	case NF_DROP:
		return ACTION_REFUSE;
	case NFT_RETURN:
		return ACTION_RETURN;
	case NFT_JUMP:
		action = ACTION_JUMP;
		break;
	case NFT_GOTO:
		action = ACTION_GOTO;
		break;
	default:
		return ACTION_NONE;
	}
	target = ruleset_chain(r->reader->rules, r->table,
	    get_text(netlink_nested(verdict, NFTA_VERDICT_CHAIN)));
	if (target == -1)
		return ACTION_NONE;
	r->step.target = (uint16_t)target;
	return action;
}

/* A map of verdicts lets some packets off; which is not looked into. */
static enum action
read_lookup(struct rule_reader *r, const struct nlattr *data)
{
	require_maybe(r);
	return get_be32(netlink_nested(data, NFTA_LOOKUP_DREG), UINT32_MAX) ==
		NFT_REG_VERDICT
	    ? ACTION_ACCEPT
	    : ACTION_NONE;
}

static enum action
read_expression(struct rule_reader *r, const struct nlattr *e)
{
	static const char *const harmless[] = { "counter", "log", "notrack",
		"objref", "dup", "last" };
	const char *name = get_text(netlink_nested(e, NFTA_EXPR_NAME));
	const struct nlattr *data = netlink_nested(e, NFTA_EXPR_DATA);

	if (strcmp(name, "immediate") == 0)
		return read_immediate(r, data);
	if (strcmp(name, "reject") == 0)
		return ACTION_REFUSE;
	if (strcmp(name, "queue") == 0)
		return ACTION_ACCEPT;
	if (strcmp(name, "target") == 0)
		return read_target(data);
	if (strcmp(name, "lookup") == 0)
		return read_lookup(r, data);
	if (strcmp(name, "cmp") == 0)
		read_cmp(r, data);
	else if (strcmp(name, "meta") == 0)
		read_meta(r, data);
	else if (strcmp(name, "ct") == 0)
		read_ct(r, data);
	else if (strcmp(name, "payload") == 0)
		read_payload(r, data);
	else if (strcmp(name, "bitwise") == 0)
		read_bitwise(r, data);
	else if (strcmp(name, "match") == 0)
		read_match(r, data);
	else {
		for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless);
		     i++)
			if (strcmp(name, harmless[i]) == 0)
				return ACTION_NONE;
		r->subject = SUBJECT_OTHER;
		require_maybe(r);
	}
	return ACTION_NONE;
}

/* A refusal that is not certain for any packet changes nothing. */
static bool
decides(const struct step *s)
{
	for (unsigned i = 0; i < TEST_PACKETS; i++)
		if (s->match[i] == MATCH_YES ||
		    (s->match[i] == MATCH_MAYBE && s->action != ACTION_REFUSE))
			return s->action != ACTION_NONE;
	return false;
}

static void
note_mark(struct ruleset *all, int chain, const struct nlmsghdr *h)
{
	static const char mark[] = RULE_COMMENT;
	const struct nlattr *a = message_attribute(h, NFTA_RULE_USERDATA);
	const uint8_t *p;

	if (a == NULL)
		return;
	p = mnl_attr_get_payload(a);
	/* Type, length and value, the value with its terminator. */
	if (mnl_attr_get_payload_len(a) != 2 + sizeof(mark) ||
	    p[0] != USERDATA_COMMENT || p[1] != sizeof(mark) ||
	    memcmp(p + 2, mark, sizeof(mark)) != 0)
		return;
	if (all->marks == RULESET_MARKS_MAX) {
		all->overflow = true;
		return;
	}
	all->mark[all->marks++] = (struct ruleset_mark){
		.chain = (uint16_t)chain,
		.handle = get_be64(message_attribute(h, NFTA_RULE_HANDLE)),
	};
}

/* The chain that a rule belongs to; most follow one of the same. */
static int
chain_of_rule(struct ruleset_reader *r, uint8_t family, const char *table,
    const char *chain)
{
	const struct ruleset_chain *last;
	int t;

	if (r->last_chain != -1) {
		last = &r->rules->chain[r->last_chain];
		if (strcmp(last->name, chain) == 0 &&
		    r->rules->table[last->table].family == family &&
		    strcmp(r->rules->table[last->table].name, table) == 0)
			return r->last_chain;
	}
	t = ruleset_table(r->rules, family, table);
	r->last_chain =
	    t == -1 ? -1 : ruleset_chain(r->rules, (unsigned)t, chain);
	return r->last_chain;
}

void
ruleset_read_rule(const struct nlmsghdr *h, void *data)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *list =
	    message_attribute(h, NFTA_RULE_EXPRESSIONS);
	struct ruleset_reader *reader = data;
	struct rule_reader r = { .reader = reader };
	int chain;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
		return;
	chain = chain_of_rule(reader, g->nfgen_family,
	    get_text(message_attribute(h, NFTA_RULE_TABLE)),
	    get_text(message_attribute(h, NFTA_RULE_CHAIN)));
	if (chain == -1)
		return;
	note_mark(reader->rules, chain, h);
	r.family = g->nfgen_family;
	r.table = reader->rules->chain[chain].table;
	memset(r.step.match, MATCH_YES, sizeof(r.step.match));
	for (const struct nlattr *e = netlink_first(list);
	     e != NULL && r.step.action == ACTION_NONE;
	     e = netlink_next(list, e))
		r.step.action = (uint8_t)read_expression(&r, e);
	if (decides(&r.step))
		ruleset_add(reader->rules, (unsigned)chain, &r.step);
}

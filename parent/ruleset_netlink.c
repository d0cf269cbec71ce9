/* The kernel's nftables messages as a model: see ruleset_netlink.h. */
#include "parent/ruleset_netlink.h"

/* Does not bear to come after <linux/netfilter.h>. */
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_conntrack.h>
#include <string.h>

#include "parent/netlink_request.h"
#include "parent/nft_attribute.h"
#include "parent/ruleset_packet.h"
#include "parent/tun.h"

#define PORT_OFFSET 2 /* of the destination, in UDP and TCP */
#define REGISTERS   NFT_REG32_COUNT
#define WORD        NFT_REG32_SIZE

/* The words from one on. */
struct loaded {
	struct packet_field field;
	bool masked;
	uint8_t mask[PACKET_FIELD_MAX];
};

/* A rule as far as it has been read. */
struct rule_reader {
	struct ruleset_reader *reader;
	unsigned chain, table;
	struct loaded loaded[REGISTERS];
	struct step step;
};

/* A chain of the family netdev, or an ingress chain, names its devices. */
static bool
sees_the_tun(const struct nlattr *hook)
{
	const struct nlattr *devices = netlink_nested(hook, NFTA_HOOK_DEVS), *a;

	if (nft_text_is(netlink_nested(hook, NFTA_HOOK_DEV), TUN_NAME))
		return true;
	for (a = netlink_first(devices); a != NULL;
	     a = netlink_next(devices, a))
		if (nft_text_is(a, TUN_NAME))
			return true;
	return false;
}

/* Whether a base chain there may see a packet of ours. */
static bool
hook_concerns_us(uint8_t family, const struct nlattr *hook, uint32_t number)
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
	const struct nlattr *hook = nft_attribute(h, NFTA_CHAIN_HOOK);
	const char *table = nft_text(nft_attribute(h, NFTA_CHAIN_TABLE));
	const char *type = nft_text(nft_attribute(h, NFTA_CHAIN_TYPE));
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
	    nft_number(netlink_nested(hook, NFTA_HOOK_HOOKNUM), UINT32_MAX);
	/* Chains that translate addresses do not filter. */
	if (!hook_concerns_us(g->nfgen_family, hook, number) ||
	    strcmp(type, "nat") == 0 ||
	    (t = ruleset_table(r->rules, g->nfgen_family, table)) == -1 ||
	    (i = ruleset_chain(r->rules, (unsigned)t,
		 nft_text(nft_attribute(h, NFTA_CHAIN_NAME)))) == -1)
		return;
	c = &r->rules->chain[i];
	c->base = true;
	c->handle = nft_number64(nft_attribute(h, NFTA_CHAIN_HANDLE));
	c->filter = strcmp(type, "filter") == 0;
	c->hook = (uint8_t)number;
	c->policy_drops = nft_number(nft_attribute(h, NFTA_CHAIN_POLICY),
			      NF_ACCEPT) == NF_DROP;
}

static enum match
negated_match(enum match m)
{
	return m == MATCH_MAYBE ? m : m == MATCH_YES ? MATCH_NO : MATCH_YES;
}

static enum match
match_of_bool(bool yes)
{
	return yes ? MATCH_YES : MATCH_NO;
}

static void
require_match(struct rule_reader *r, enum test_packet packet, enum match m)
{
	if (m < r->step.match[packet])
		r->step.match[packet] = (uint8_t)m;
}

static void
require_maybe(struct rule_reader *r)
{
	for (unsigned i = 0; i < TEST_PACKETS; i++)
		require_match(r, (enum test_packet)i, MATCH_MAYBE);
}

/* --- Registers ------------------------------------------------------------ */

/* The first word of a register, in either way of counting; -1: none. */
static int
word_of(const struct nlattr *reg)
{
	const uint32_t n = nft_number(reg, NFT_REG_VERDICT);

	if (n >= NFT_REG_1 && n <= NFT_REG_4)
		return (int)(n - NFT_REG_1) * (NFT_REG_SIZE / WORD);
	if (n >= NFT_REG32_00 && n <= NFT_REG32_15)
		return (int)(n - NFT_REG32_00);
	return -1;
}

/* What is behind the first word belongs to it, or to nobody. */
static void
load_field(struct rule_reader *r, const struct nlattr *reg,
    const struct packet_field *field)
{
	const int word = word_of(reg);

	for (int i = 0; word != -1 && i < PACKET_FIELD_MAX / WORD; i++)
		if (word + i < REGISTERS)
			r->loaded[word + i] = (struct loaded){ 0 };
	if (word != -1)
		r->loaded[word].field = *field;
}

static void
load_subject(
    struct rule_reader *r, const struct nlattr *reg, enum subject subject)
{
	load_field(r, reg,
	    &(struct packet_field){
		.subject = subject,
		.len = (uint8_t)subject_length(subject),
	    });
}

/* NULL for what is not understood. */
static const struct loaded *
loaded_word_of(const struct rule_reader *r, const struct nlattr *reg)
{
	const int word = word_of(reg);

	if (word == -1 || r->loaded[word].field.subject == SUBJECT_OTHER)
		return NULL;
	return &r->loaded[word];
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
		{ NFT_META_NFPROTO, SUBJECT_FAMILY },
		{ NFT_META_PROTOCOL, SUBJECT_ETHER_TYPE },
		{ NFT_META_L4PROTO, SUBJECT_PROTOCOL },
	};
	const uint32_t key =
	    nft_number(netlink_nested(data, NFTA_META_KEY), UINT32_MAX);
	enum subject subject = SUBJECT_OTHER;

	if (reg == NULL) /* it sets something */
		return;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].key == key)
			subject = known[i].subject;
	load_subject(r, reg, subject);
}

static void
read_ct(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *reg = netlink_nested(data, NFTA_CT_DREG);
	const uint32_t key =
	    nft_number(netlink_nested(data, NFTA_CT_KEY), UINT32_MAX);

	if (reg != NULL)
		load_subject(r, reg,
		    key == NFT_CT_STATE ? SUBJECT_CT_STATE : SUBJECT_OTHER);
}

static void
read_payload(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *reg = netlink_nested(data, NFTA_PAYLOAD_DREG);
	const uint32_t base =
	    nft_number(netlink_nested(data, NFTA_PAYLOAD_BASE), UINT32_MAX);
	const uint32_t offset =
	    nft_number(netlink_nested(data, NFTA_PAYLOAD_OFFSET), UINT32_MAX);
	const uint32_t len =
	    nft_number(netlink_nested(data, NFTA_PAYLOAD_LEN), UINT32_MAX);
	struct packet_field field = { 0 };

	if (reg == NULL)
		return;
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == PORT_OFFSET &&
	    len == subject_length(SUBJECT_PORT)) {
		field.subject = SUBJECT_PORT;
		field.len = (uint8_t)len;
	} else if (base == NFT_PAYLOAD_NETWORK_HEADER && offset <= UINT8_MAX &&
	    len <= PACKET_FIELD_MAX) {
		field.subject = SUBJECT_NETWORK_HEADER;
		field.offset = (uint8_t)offset;
		field.len = (uint8_t)len;
	}
	load_field(r, reg, &field);
}

/* A mask; what toggles bits makes something else of it. */
static void
read_bitwise(struct rule_reader *r, const struct nlattr *data)
{
	static const uint8_t zero[PACKET_FIELD_MAX];
	const struct nlattr *mask = netlink_nested(
	    netlink_nested(data, NFTA_BITWISE_MASK), NFTA_DATA_VALUE);
	const struct nlattr *toggled = netlink_nested(
	    netlink_nested(data, NFTA_BITWISE_XOR), NFTA_DATA_VALUE);
	const struct nlattr *to = netlink_nested(data, NFTA_BITWISE_DREG);
	const struct loaded *from =
	    loaded_word_of(r, netlink_nested(data, NFTA_BITWISE_SREG));
	struct loaded masked = { 0 };
	const int word = word_of(to);

	if (from != NULL && !from->masked && mask != NULL && toggled != NULL &&
	    mnl_attr_get_payload_len(mask) == from->field.len &&
	    mnl_attr_get_payload_len(toggled) == from->field.len &&
	    memcmp(mnl_attr_get_payload(toggled), zero, from->field.len) == 0) {
		masked = *from;
		masked.masked = true;
		memcpy(masked.mask, mnl_attr_get_payload(mask),
		    from->field.len);
	}
	load_field(r, to, &masked.field);
	if (word != -1)
		r->loaded[word] = masked;
}

/* --- Comparisons ---------------------------------------------------------- */

struct value {
	uint8_t bytes[PACKET_FIELD_MAX];
	size_t len; /* 0: none */
};

static struct value
value_of(const struct nlattr *data)
{
	const struct nlattr *a = netlink_nested(data, NFTA_DATA_VALUE);
	struct value v = { 0 };

	if (a == NULL || mnl_attr_get_payload_len(a) > sizeof(v.bytes))
		return v;
	v.len = mnl_attr_get_payload_len(a);
	memcpy(v.bytes, mnl_attr_get_payload(a), v.len);
	return v;
}

/* Ones, then zeros. */
static bool
is_prefix_mask(const uint8_t *mask, size_t len)
{
	bool ended = false, one;

	for (size_t i = 0; i < 8 * len; i++) {
		one = (mask[i / 8] & 0x80 >> i % 8) != 0;
		if (one && ended)
			return false;
		ended = !one;
	}
	return true;
}

/* Whether what a mask leaves of the field equals the value. */
static enum match
match_masked(const struct rule_reader *r, enum test_packet p,
    const struct loaded *l, const struct value *v)
{
	struct value high = *v;
	uint32_t mask, wanted;

	if (v->len != l->field.len)
		return MATCH_MAYBE;
	if (l->field.subject == SUBJECT_CT_STATE) {
		memcpy(&mask, l->mask, sizeof(mask));
		memcpy(&wanted, v->bytes, sizeof(wanted));
		return match_of_bool((packet_ct_state(p) & mask) == wanted);
	}
	if (!is_prefix_mask(l->mask, v->len))
		return MATCH_MAYBE;
	for (size_t i = 0; i < v->len; i++)
		high.bytes[i] |= (uint8_t)~l->mask[i];
	return packet_match(p, &l->field, r->reader->ifindex, v->bytes,
	    high.bytes, v->len);
}

/* Whether the field lies between the values. */
static enum match
match_field_between(const struct rule_reader *r, enum test_packet p,
    const struct loaded *l, const struct value *low, const struct value *high)
{
	if (l == NULL || low->len == 0 || low->len != high->len)
		return MATCH_MAYBE;
	if (!l->masked)
		return packet_match(p, &l->field, r->reader->ifindex,
		    low->bytes, high->bytes, low->len);
	return memcmp(low->bytes, high->bytes, low->len) == 0
	    ? match_masked(r, p, l, low)
	    : MATCH_MAYBE;
}

static void
require_between(struct rule_reader *r, const struct loaded *l,
    const struct value *low, const struct value *high, bool inverted)
{
	for (unsigned i = 0; i < TEST_PACKETS; i++) {
		enum match m =
		    match_field_between(r, (enum test_packet)i, l, low, high);

		require_match(
		    r, (enum test_packet)i, inverted ? negated_match(m) : m);
	}
}

static void
read_cmp(struct rule_reader *r, const struct nlattr *data)
{
	const struct loaded *l =
	    loaded_word_of(r, netlink_nested(data, NFTA_CMP_SREG));
	const struct value v = value_of(netlink_nested(data, NFTA_CMP_DATA));
	struct value least = { .len = v.len }, greatest = { .len = v.len };

	memset(greatest.bytes, 0xff, sizeof(greatest.bytes));
	switch (nft_number(netlink_nested(data, NFTA_CMP_OP), UINT32_MAX)) {
	case NFT_CMP_EQ:
		require_between(r, l, &v, &v, false);
		break;
	case NFT_CMP_NEQ:
		require_between(r, l, &v, &v, true);
		break;
	case NFT_CMP_GTE:
		require_between(r, l, &v, &greatest, false);
		break;
	case NFT_CMP_LT:
		require_between(r, l, &v, &greatest, true);
		break;
	case NFT_CMP_LTE:
		require_between(r, l, &least, &v, false);
		break;
	case NFT_CMP_GT:
		require_between(r, l, &least, &v, true);
		break;
	default:
		require_maybe(r);
	}
}

static void
read_range(struct rule_reader *r, const struct nlattr *data)
{
	const struct value low =
	    value_of(netlink_nested(data, NFTA_RANGE_FROM_DATA));
	const struct value high =
	    value_of(netlink_nested(data, NFTA_RANGE_TO_DATA));
	const uint32_t op =
	    nft_number(netlink_nested(data, NFTA_RANGE_OP), UINT32_MAX);

	if (op == NFT_RANGE_EQ || op == NFT_RANGE_NEQ)
		require_between(r,
		    loaded_word_of(r, netlink_nested(data, NFTA_RANGE_SREG)),
		    &low, &high, op == NFT_RANGE_NEQ);
	else
		require_maybe(r);
}

/* A refusal that is not certain for any packet changes nothing. */
static bool
decides_anything(const struct step *s)
{
	for (unsigned i = 0; i < TEST_PACKETS; i++)
		if (s->match[i] == MATCH_YES ||
		    (s->match[i] == MATCH_MAYBE && s->action != ACTION_REFUSE))
			return s->action != ACTION_NONE;
	return false;
}

static void
add_step(struct rule_reader *r, const struct step *s)
{
	if (decides_anything(s))
		ruleset_add(r->reader->rules, r->chain, s);
}

/* --- Sets and maps -------------------------------------------------------- */

/* Whether what the words from one on hold is this element, field by field. */
static enum match
match_element(const struct rule_reader *r, enum test_packet p, int word,
    const struct set_element *e, size_t key_len)
{
	enum match all = MATCH_YES, m;
	size_t at = 0, len, take;

	while (at < key_len && all != MATCH_NO) {
		const size_t now = (size_t)word + at / WORD;
		const struct loaded *l =
		    now < REGISTERS ? &r->loaded[now] : NULL;

		len = WORD;
		m = MATCH_MAYBE;
		if (l != NULL && l->field.len > 0 && !l->masked) {
			len = l->field.len;
			take = len < key_len - at ? len : key_len - at;
			m = packet_match(p, &l->field, r->reader->ifindex,
			    e->low + at, e->high + at, take);
		}
		if (m < all)
			all = m;
		at += (len + WORD - 1) / WORD * WORD;
	}
	return all;
}

/* Whether the set holds what the words from one on hold. */
static enum match
match_set(const struct rule_reader *r, enum test_packet p, int word,
    const struct ruleset_set *s)
{
	const struct set_element *e = &r->reader->sets->element[s->first];
	enum match any = MATCH_NO, m;

	for (unsigned i = 0; i < s->elements && any != MATCH_YES; i++) {
		m = e[i].catches_all
		    ? MATCH_YES
		    : match_element(r, p, word, &e[i], s->key_len);
		if (m > any)
			any = m;
	}
	return any;
}

/* The set that a lookup looks into; NULL: it may find anything. */
static const struct ruleset_set *
set_of_lookup(const struct rule_reader *r, const struct nlattr *data)
{
	const int word = word_of(netlink_nested(data, NFTA_LOOKUP_SREG));

	return word == -1 || r->reader->sets == NULL
	    ? NULL
	    : sets_use(r->reader->sets,
		  &r->reader->rules->table[r->table],
		  nft_text(netlink_nested(data, NFTA_LOOKUP_SET)));
}

/*
 * One step for each element of a map of verdicts. At most one of them matches;
 * the one for all else comes last.
 */
static void
add_elements(struct rule_reader *r, int word, const struct ruleset_set *s)
{
	const struct set_element *list = &r->reader->sets->element[s->first];
	uint8_t left[TEST_PACKETS];
	const struct set_element *otherwise = NULL;
	struct step step;
	enum match m;

	memcpy(left, r->step.match, sizeof(left));
	for (const struct set_element *e = list; e < list + s->elements; e++) {
		if (e->catches_all) {
			otherwise = e;
			continue;
		}
		step = (struct step){ .action = e->action,
			.target = e->target };
		for (unsigned i = 0; i < TEST_PACKETS; i++) {
			m = match_element(
			    r, (enum test_packet)i, word, e, s->key_len);
			step.match[i] = m < r->step.match[i]
			    ? (uint8_t)m
			    : r->step.match[i];
			m = negated_match(m);
			if (m < left[i])
				left[i] = (uint8_t)m;
		}
		add_step(r, &step);
	}
	if (otherwise == NULL)
		return;
	step = (struct step){ .action = otherwise->action,
		.target = otherwise->target };
	memcpy(step.match, left, sizeof(left));
	add_step(r, &step);
}

static enum action
read_lookup(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *to = netlink_nested(data, NFTA_LOOKUP_DREG);
	const bool verdicts =
	    nft_number(to, UINT32_MAX) == NFT_REG_VERDICT;
	const bool inverted =
	    (nft_number(netlink_nested(data, NFTA_LOOKUP_FLAGS), 0) &
		NFT_LOOKUP_F_INV) != 0;
	const int word = word_of(netlink_nested(data, NFTA_LOOKUP_SREG));
	const struct ruleset_set *s = set_of_lookup(r, data);

	if (s == NULL) {
		require_maybe(r);
		/* It lets some packets off, nobody knows which. */
		if (verdicts)
			return ACTION_ACCEPT;
	} else if (verdicts)
		add_elements(r, word, s);
	else
		for (unsigned i = 0; i < TEST_PACKETS; i++) {
			enum match m =
			    match_set(r, (enum test_packet)i, word, s);

			require_match(r, (enum test_packet)i,
			    inverted ? negated_match(m) : m);
		}
	if (to != NULL)
		load_subject(r, to, SUBJECT_OTHER);
	return ACTION_NONE;
}

/* --- Other expressions ---------------------------------------------------- */

/* A match of iptables: the states of a connection as such, or anything. */
static void
read_match(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *info = netlink_nested(data, NFTA_MATCH_INFO);
	struct xt_conntrack_mtinfo3 ct;
	bool inverted;

	if (!nft_text_is(netlink_nested(data, NFTA_MATCH_NAME), "conntrack") ||
	    nft_number(netlink_nested(data, NFTA_MATCH_REV), 0) != 3 ||
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
		require_match(r, (enum test_packet)i,
		    match_of_bool(((packet_ct_state((enum test_packet)i) &
				       ct.state_mask) != 0) != inverted));
}

static enum action
read_verdict_target(const struct nlattr *data)
{
	const struct nlattr *name = netlink_nested(data, NFTA_TARGET_NAME);

	if (nft_text_is(name, "REJECT") || nft_text_is(name, "TARPIT"))
		return ACTION_REFUSE;
	/* Another program has its say. */
	return nft_text_is(name, "NFQUEUE") ? ACTION_ACCEPT : ACTION_NONE;
}

static enum action
read_immediate(struct rule_reader *r, const struct nlattr *data)
{
	const struct nlattr *verdict = netlink_nested(
	    netlink_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);

	if (verdict == NULL) { /* it fills a register */
		load_subject(r, netlink_nested(data, NFTA_IMMEDIATE_DREG),
		    SUBJECT_OTHER);
		return ACTION_NONE;
	}
	return sets_read_verdict(
	    r->reader->rules, r->table, verdict, &r->step.target);
}

static enum action
read_expression(struct rule_reader *r, const struct nlattr *e)
{
	static const char *const harmless[] = { "counter", "log", "notrack",
		"objref", "dup", "last" };
	const char *name = nft_text(netlink_nested(e, NFTA_EXPR_NAME));
	const struct nlattr *data = netlink_nested(e, NFTA_EXPR_DATA);

	if (strcmp(name, "immediate") == 0)
		return read_immediate(r, data);
	if (strcmp(name, "reject") == 0)
		return ACTION_REFUSE;
	if (strcmp(name, "queue") == 0)
		return ACTION_ACCEPT;
	if (strcmp(name, "target") == 0)
		return read_verdict_target(data);
	if (strcmp(name, "lookup") == 0)
		return read_lookup(r, data);
	if (strcmp(name, "cmp") == 0)
		read_cmp(r, data);
	else if (strcmp(name, "range") == 0)
		read_range(r, data);
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
		memset(r->loaded, 0, sizeof(r->loaded));
		require_maybe(r);
	}
	return ACTION_NONE;
}

static void
note_mark(struct ruleset *all, int chain, const struct nlmsghdr *h)
{
	static const char mark[] = RULE_COMMENT;
	const struct nlattr *a = nft_attribute(h, NFTA_RULE_USERDATA);
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
		.handle = nft_number64(nft_attribute(h, NFTA_RULE_HANDLE)),
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
	    nft_attribute(h, NFTA_RULE_EXPRESSIONS);
	struct ruleset_reader *reader = data;
	struct rule_reader r = { .reader = reader };
	int chain;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g))
		return;
	chain = chain_of_rule(reader, g->nfgen_family,
	    nft_text(nft_attribute(h, NFTA_RULE_TABLE)),
	    nft_text(nft_attribute(h, NFTA_RULE_CHAIN)));
	if (chain == -1)
		return;
	note_mark(reader->rules, chain, h);
	r.chain = (unsigned)chain;
	r.table = reader->rules->chain[chain].table;
	memset(r.step.match, MATCH_YES, sizeof(r.step.match));
	for (const struct nlattr *e = netlink_first(list);
	     e != NULL && r.step.action == ACTION_NONE;
	     e = netlink_next(list, e))
		r.step.action = (uint8_t)read_expression(&r, e);
	add_step(&r, &r.step);
}

/* Other people's forward chains: see forward_chains.h. */
#include "parent/forward_chains.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "parent/netlink_request.h"
#include "parent/tun.h"

#define RULE_COMMENT "postern"
/* Of a rule's user data, the type of a comment. */
#define USERDATA_COMMENT 0

#define OWN_TABLE   "postern"
#define CHAINS_MAX  32
#define NAME_SIZE   64
#define HANDLES_MAX 16
#define LIST_TRIES  8
#define COMMAND_MAX 1024

struct chain {
	uint8_t family;
	char table[NAME_SIZE], name[NAME_SIZE];
	bool drops;                   /* what reaches its end */
	uint64_t handle[HANDLES_MAX]; /* of our rules */
	unsigned handles;
};

struct chains {
	struct chain chain[CHAINS_MAX];
	unsigned count;
};

static const char *
family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_INET:
		return "inet";
	default:
		return NULL;
	}
}

/* Names go into commands: only what needs no quoting there. */
static bool
copy_name(char to[NAME_SIZE], const struct nlattr *a)
{
	size_t len;

	if (a == NULL || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == -1)
		return false;
	len = strspn(mnl_attr_get_str(a),
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	    ".");
	if (len == 0 || len >= NAME_SIZE || mnl_attr_get_str(a)[len] != '\0')
		return false;
	memcpy(to, mnl_attr_get_str(a), len + 1);
	return true;
}

static const struct nlattr *
find(const struct nlmsghdr *h, uint16_t type)
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

static bool
text_is(const struct nlattr *a, const char *text)
{
	return a != NULL && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 &&
	    strcmp(mnl_attr_get_str(a), text) == 0;
}

static void
add_chain(const struct nlmsghdr *h, void *data)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	struct chains *all = data;
	struct chain c = { 0 };

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*g) ||
	    family_name(g->nfgen_family) == NULL ||
	    get_be32(
		netlink_nested(find(h, NFTA_CHAIN_HOOK), NFTA_HOOK_HOOKNUM),
		UINT32_MAX) != NF_INET_FORWARD ||
	    text_is(find(h, NFTA_CHAIN_TABLE), OWN_TABLE))
		return;
	c.family = g->nfgen_family;
	c.drops = get_be32(find(h, NFTA_CHAIN_POLICY), NF_ACCEPT) == NF_DROP;
	if (!copy_name(c.table, find(h, NFTA_CHAIN_TABLE)) ||
	    !copy_name(c.name, find(h, NFTA_CHAIN_NAME)) ||
	    all->count == CHAINS_MAX) {
		log_warnx("a forward chain of nftables is beyond us; if "
			  "it drops, let it accept iifname and oifname "
			  "\"" TUN_NAME "\"");
		return;
	}
	all->chain[all->count++] = c;
}

static bool
is_ours(const struct nlmsghdr *h)
{
	static const char mark[] = RULE_COMMENT;
	const struct nlattr *a = find(h, NFTA_RULE_USERDATA);
	const uint8_t *p;

	if (a == NULL)
		return false;
	p = mnl_attr_get_payload(a);
	/* Type, length and value, the value with its terminator. */
	return mnl_attr_get_payload_len(a) == 2 + sizeof(mark) &&
	    p[0] == USERDATA_COMMENT && p[1] == sizeof(mark) &&
	    memcmp(p + 2, mark, sizeof(mark)) == 0;
}

enum effect {
	EFFECT_NONE,
	EFFECT_REFUSES,
	EFFECT_OTHER,
};

static enum effect
expression_effect(const struct nlattr *e)
{
	const struct nlattr *name = netlink_nested(e, NFTA_EXPR_NAME);
	const struct nlattr *data = netlink_nested(e, NFTA_EXPR_DATA);
	const struct nlattr *verdict;

	if (text_is(name, "counter") || text_is(name, "log"))
		return EFFECT_NONE;
	if (text_is(name, "reject"))
		return EFFECT_REFUSES;
	if (text_is(name, "target") &&
	    text_is(netlink_nested(data, NFTA_TARGET_NAME), "REJECT"))
		return EFFECT_REFUSES;
	if (!text_is(name, "immediate"))
		return EFFECT_OTHER;
	verdict = netlink_nested(
	    netlink_nested(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	return get_be32(netlink_nested(verdict, NFTA_VERDICT_CODE),
		   NF_ACCEPT) == NF_DROP
	    ? EFFECT_REFUSES
	    : EFFECT_OTHER;
}

/* Whether the rule refuses every packet that reaches it. */
static bool
refuses_all(const struct nlmsghdr *h)
{
	const struct nlattr *list = find(h, NFTA_RULE_EXPRESSIONS), *e;

	for (e = netlink_first(list); e != NULL; e = netlink_next(list, e)) {
		switch (expression_effect(e)) {
		case EFFECT_NONE:
			break;
		case EFFECT_REFUSES:
			return true;
		case EFFECT_OTHER:
			return false;
		}
	}
	return false;
}

/*
 * Notes our rules, and a refusal of everything: firewalld and some
 * distributions end a chain with one instead of a policy.
 */
static void
add_rule(const struct nlmsghdr *h, void *data)
{
	const struct nlattr *a = find(h, NFTA_RULE_HANDLE);
	struct chain *c = data;

	if (refuses_all(h))
		c->drops = true;
	if (!is_ours(h) || c->handles == HANDLES_MAX || a == NULL ||
	    mnl_attr_validate(a, MNL_TYPE_U64) == -1)
		return;
	c->handle[c->handles++] = be64toh(mnl_attr_get_u64(a));
}

static void
begin(struct netlink_request *r, int message, uint8_t family)
{
	struct nfgenmsg *g;

	g = netlink_begin(
	    r, NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_DUMP, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
}

static int
list_rules(struct netlink *n, struct chain *c)
{
	const bool policy_drops = c->drops;
	struct netlink_request r;
	int tries = 0;

	do {
		c->handles = 0;
		c->drops = policy_drops;
		begin(&r, NFT_MSG_GETRULE, c->family);
		mnl_attr_put_strz(r.header, NFTA_RULE_TABLE, c->table);
		mnl_attr_put_strz(r.header, NFTA_RULE_CHAIN, c->name);
		if (netlink_list(n, &r, add_rule, c) == 0)
			return 0;
	} while (errno == EINTR && ++tries < LIST_TRIES);
	return -1;
}

/* All foreign forward chains; to be freed. NULL with errno. */
static struct chains *
list_chains(struct netlink *n)
{
	struct chains *all = calloc(1, sizeof(*all));
	struct netlink_request r;
	int tries = 0;

	if (all == NULL)
		return NULL;
	do {
		all->count = 0;
		begin(&r, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC);
		if (netlink_list(n, &r, add_chain, all) == 0)
			goto rules;
	} while (errno == EINTR && ++tries < LIST_TRIES);
	goto fail;

rules:
	for (unsigned i = 0; i < all->count; i++) {
		/* A chain that has gone meanwhile has no rules. */
		if (list_rules(n, &all->chain[i]) == -1 && errno != ENOENT)
			goto fail;
	}
	return all;

fail:
	free(all);
	return NULL;
}

/* The operator knows the tool that made the chain better than nftables. */
static void
log_missing(const struct chain *c)
{
	const bool xtables = c->family != NFPROTO_INET &&
	    strcmp(c->table, "filter") == 0 && strcmp(c->name, "FORWARD") == 0;
	const char *tool = c->family == NFPROTO_IPV4 ? "iptables" : "ip6tables";

	if (xtables)
		log_warnx("missing: %s -I FORWARD -i " TUN_NAME " -j ACCEPT && "
			  "%s -I FORWARD -o " TUN_NAME " -j ACCEPT",
		    tool, tool);
	else if (strcmp(c->table, "firewalld") == 0)
		log_warnx("missing: firewall-cmd --zone=trusted "
			  "--add-interface=" TUN_NAME);
	else
		log_warnx("missing: nft 'insert rule %s %s %s iifname \"%s\" "
			  "accept; insert rule %s %s %s oifname \"%s\" accept'",
		    family_name(c->family), c->table, c->name, TUN_NAME,
		    family_name(c->family), c->table, c->name, TUN_NAME);
}

static void
open_chain(struct nft_ctx *nft, const struct chain *c)
{
	const char *family = family_name(c->family);
	char command[COMMAND_MAX];

	/* In the form that iptables writes itself, so that it can list it. */
	snprintf(command, sizeof(command),
	    "insert rule %s %s %s oifname \"%s\" counter accept comment "
	    "\"%s\"\n"
	    "insert rule %s %s %s iifname \"%s\" counter accept comment "
	    "\"%s\"\n",
	    family, c->table, c->name, TUN_NAME, RULE_COMMENT, family, c->table,
	    c->name, TUN_NAME, RULE_COMMENT);
	if (nft_run_cmd_from_buffer(nft, command) == 0) {
		log_info("the chain %s %s %s drops; it now accepts " TUN_NAME,
		    family, c->table, c->name);
		return;
	}
	log_warnx("the chain %s %s %s drops what we forward and takes no rule "
		  "from us",
	    family, c->table, c->name);
	log_missing(c);
}

/* The tables of legacy iptables are invisible to nftables. */
static void
mention_legacy_tables(void)
{
	char line[NAME_SIZE];
	FILE *f = fopen("/proc/net/ip_tables_names", "re");

	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strcmp(line, "filter\n") == 0)
			log_info("iptables-legacy filters here; if its FORWARD "
				 "chain drops, run: iptables-legacy -I FORWARD "
				 "-i " TUN_NAME " -j ACCEPT && iptables-legacy "
				 "-I FORWARD -o " TUN_NAME " -j ACCEPT");
	}
	fclose(f);
}

void
forward_chains_open(struct netlink *n, struct nft_ctx *nft)
{
	struct chains *all = list_chains(n);

	mention_legacy_tables();
	if (all == NULL) {
		log_warn("cannot list the forward chains of nftables");
		return;
	}
	for (unsigned i = 0; i < all->count; i++) {
		if (all->chain[i].drops)
			open_chain(nft, &all->chain[i]);
	}
	free(all);
}

static void
restore_chain(struct nft_ctx *nft, const struct chain *c)
{
	char command[COMMAND_MAX];

	for (unsigned i = 0; i < c->handles; i++) {
		snprintf(command, sizeof(command),
		    "delete rule %s %s %s handle %" PRIu64 "\n",
		    family_name(c->family), c->table, c->name, c->handle[i]);
		if (nft_run_cmd_from_buffer(nft, command) != 0)
			log_warnx("cannot remove our rule: nft %.*s",
			    (int)strcspn(command, "\n"), command);
	}
}

void
forward_chains_restore(struct netlink *n, struct nft_ctx *nft)
{
	struct chains *all = list_chains(n);

	if (all == NULL) {
		log_warn("cannot list the forward chains of nftables");
		return;
	}
	for (unsigned i = 0; i < all->count; i++)
		restore_chain(nft, &all->chain[i]);
	free(all);
}

/* Our rules in other people's chains: see accept_rule.h. */
#include "parent/accept_rule.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "common/plan.h"
#include "parent/netlink_request.h"
#include "parent/ruleset_netlink.h"
#include "parent/tun.h"

#define PORT_OFFSET 2 /* of the destination, in UDP and TCP */

/* Nests that are open while an expression is written. */
struct expression {
	struct nlattr *element, *data;
};

static struct expression
begin_expression(struct nlmsghdr *h, const char *name)
{
	struct expression e;

	e.element = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	mnl_attr_put_strz(h, NFTA_EXPR_NAME, name);
	e.data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
	return e;
}

static void
end_expression(struct nlmsghdr *h, const struct expression *e)
{
	mnl_attr_nest_end(h, e->data);
	mnl_attr_nest_end(h, e->element);
}

static void
put_cmp(struct nlmsghdr *h, const void *value, size_t len)
{
	struct expression e = begin_expression(h, "cmp");
	struct nlattr *data;

	mnl_attr_put_u32(h, NFTA_CMP_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(h, NFTA_CMP_OP, htonl(NFT_CMP_EQ));
	data = mnl_attr_nest_start(h, NFTA_CMP_DATA);
	mnl_attr_put(h, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(h, data);
	end_expression(h, &e);
}

static void
put_meta(struct nlmsghdr *h, enum nft_meta_keys key)
{
	struct expression e = begin_expression(h, "meta");

	mnl_attr_put_u32(h, NFTA_META_KEY, htonl(key));
	mnl_attr_put_u32(h, NFTA_META_DREG, htonl(NFT_REG_1));
	end_expression(h, &e);
}

static void
put_device(struct nlmsghdr *h, enum nft_meta_keys key)
{
	static const char name[IFNAMSIZ] = TUN_NAME;

	put_meta(h, key);
	put_cmp(h, name, sizeof(name));
}

static void
put_dns(struct nlmsghdr *h, uint8_t protocol)
{
	const uint16_t port = htons(TUNNEL_DNS_PORT);
	struct expression e;

	put_meta(h, NFT_META_L4PROTO);
	put_cmp(h, &protocol, sizeof(protocol));
	e = begin_expression(h, "payload");
	mnl_attr_put_u32(h, NFTA_PAYLOAD_DREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(
	    h, NFTA_PAYLOAD_BASE, htonl(NFT_PAYLOAD_TRANSPORT_HEADER));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_OFFSET, htonl(PORT_OFFSET));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_LEN, htonl(sizeof(port)));
	end_expression(h, &e);
	put_cmp(h, &port, sizeof(port));
}

static void
put_accept(struct nlmsghdr *h)
{
	struct expression e = begin_expression(h, "immediate");
	struct nlattr *data, *verdict;

	mnl_attr_put_u32(h, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	data = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(NF_ACCEPT));
	mnl_attr_nest_end(h, verdict);
	mnl_attr_nest_end(h, data);
	end_expression(h, &e);
}

/* In the form that iptables writes itself, so that it can list it. */
static void
put_rule(struct nlmsghdr *h, enum accept_rule rule)
{
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);
	struct expression e;

	put_device(h,
	    rule == ACCEPT_TO_TUN ? NFT_META_OIFNAME : NFT_META_IIFNAME);
	if (rule == ACCEPT_DNS_UDP)
		put_dns(h, IPPROTO_UDP);
	else if (rule == ACCEPT_DNS_TCP)
		put_dns(h, IPPROTO_TCP);
	e = begin_expression(h, "counter");
	end_expression(h, &e);
	put_accept(h);
	mnl_attr_nest_end(h, list);
}

static void
begin_accept_rule(struct netlink_request *r, int message, int flags,
    const struct chain_name *c)
{
	struct nfgenmsg *g;

	g = netlink_begin(r, NFNL_SUBSYS_NFTABLES << 8 | message, flags,
	    sizeof(*g));
	g->nfgen_family = c->family;
	g->version = NFNETLINK_V0;
	mnl_attr_put_strz(r->header, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(r->header, NFTA_RULE_CHAIN, c->chain);
}

int
accept_rule_insert(
    struct netlink *n, const struct chain_name *c, enum accept_rule rule)
{
	struct {
		uint8_t type, size;
		char text[sizeof(RULE_COMMENT)];
	} mark = { USERDATA_COMMENT, sizeof(RULE_COMMENT), RULE_COMMENT };
	struct netlink_request r;

	/* Without NLM_F_APPEND it goes to the head. */
	begin_accept_rule(&r, NFT_MSG_NEWRULE, NLM_F_CREATE, c);
	put_rule(r.header, rule);
	mnl_attr_put(r.header, NFTA_RULE_USERDATA, sizeof(mark), &mark);
	return netlink_transaction(n, &r);
}

int
accept_rule_delete(
    struct netlink *n, const struct chain_name *c, uint64_t handle)
{
	struct netlink_request r;

	begin_accept_rule(&r, NFT_MSG_DELRULE, 0, c);
	mnl_attr_put_u64(r.header, NFTA_RULE_HANDLE, htobe64(handle));
	return netlink_transaction(n, &r);
}

/* Other people's chains: see foreign_chains.h. */
#include "parent/foreign_chains.h"

/* Does not bear to come after <linux/netfilter.h>. */
#include <netinet/in.h>

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/plan.h"
#include "parent/accept_rule.h"
#include "parent/netlink_request.h"
#include "parent/quarrel.h"
#include "parent/ruleset.h"
#include "parent/ruleset_netlink.h"
#include "parent/ruleset_sets.h"
#include "parent/tun.h"

#define NOTED_MAX       32
#define LIST_TRIES      8
#define COMMAND_MAX     1024
#define TROUBLE_MAX     250
#define NOTIFICATIONS   256 /* a turn */
#define NOTIFICATION    (32 << 10)
/* A reload comes as many changes: the last counts, but not for ever. */
#define QUIET_MS        100
#define LATEST_MS       1000
#define LIST_AGAIN_MS   500
/* A table that goes with its owner goes without a notification. */
#define TROUBLE_AGAIN_MS 1500
#define LIST_TROUBLE    4 /* failures in a row */

/* A base chain that refuses or has refused something. */
struct noted {
	bool used, seen;
	uint8_t family, hook;
	char table[RULESET_NAME_SIZE], chain[RULESET_NAME_SIZE];
	uint64_t handle; /* of the chain we mended; 0: of none */
	struct quarrel quarrel;
	bool said; /* that it refuses and that we cannot change it */
};

struct foreign_chains {
	struct netlink requests, notifications;
	struct ruleset_sets *sets; /* as they were when looked at */
	struct mono first, due; /* of changes not yet looked at; MONO_NEVER */
	struct noted noted[NOTED_MAX];
	unsigned failures; /* to list, in a row */
	bool own_table, said_overflow;
	char trouble[TROUBLE_MAX];
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
		return "netdev";
	}
}

/* --- Listing -------------------------------------------------------------- */

static void
begin_listing(struct netlink_request *r, int message, uint8_t family)
{
	struct nfgenmsg *g;

	g = netlink_begin(
	    r, NFNL_SUBSYS_NFTABLES << 8 | message, NLM_F_DUMP, sizeof(*g));
	g->nfgen_family = family;
	g->version = NFNETLINK_V0;
}

/* Of one table. */
static int
list_sets(struct netlink *n, struct ruleset_reader *r, unsigned table)
{
	const struct ruleset_table *t = &r->rules->table[table];
	const unsigned first = r->sets->sets;
	struct set_reader reader = {
		.rules = r->rules,
		.sets = r->sets,
		.table = table,
	};
	struct netlink_request q;
	int result;

	begin_listing(&q, NFT_MSG_GETSET, t->family);
	mnl_attr_put_strz(q.header, NFTA_SET_TABLE, t->name);
	if (netlink_list(n, &q, sets_read_set, &reader) == -1)
		return -1;
	for (unsigned i = first; i < r->sets->sets; i++) {
		if (!sets_begin(&reader, i))
			continue;
		begin_listing(&q, NFT_MSG_GETSETELEM, t->family);
		mnl_attr_put_strz(
		    q.header, NFTA_SET_ELEM_LIST_TABLE, t->name);
		mnl_attr_put_strz(q.header, NFTA_SET_ELEM_LIST_SET,
		    r->sets->set[i].name);
		result = netlink_list(n, &q, sets_read_elements, &reader);
		sets_end(&reader, result == 0);
		if (result == -1)
			return -1;
	}
	return 0;
}

static int
list_chains_once(struct netlink *n, struct ruleset_reader *r)
{
	struct netlink_request q;
	unsigned tables;

	memset(r->rules, 0, sizeof(*r->rules));
	r->sets->sets = r->sets->elements = 0;
	r->own_table = false;
	begin_listing(&q, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC);
	if (netlink_list(n, &q, ruleset_read_chain, r) == -1)
		return -1;
	tables = r->rules->tables;
	for (unsigned i = 0; i < tables; i++) {
		/* A table that has gone meanwhile has no sets and rules. */
		if (list_sets(n, r, i) == -1 && errno != ENOENT)
			return -1;
		r->last_chain = -1;
		begin_listing(&q, NFT_MSG_GETRULE, r->rules->table[i].family);
		mnl_attr_put_strz(
		    q.header, NFTA_RULE_TABLE, r->rules->table[i].name);
		if (netlink_list(n, &q, ruleset_read_rule, r) == -1 &&
		    errno != ENOENT)
			return -1;
	}
	return 0;
}

/*
 * The tables that have a base chain which concerns us; to be freed. NULL with
 * errno.
 */
static struct ruleset *
list_rules(struct foreign_chains *f)
{
	struct ruleset_reader r = {
		.rules = malloc(sizeof(*r.rules)),
		.sets = f->sets,
		.ifindex = if_nametoindex(TUN_NAME),
	};

	if (r.rules == NULL)
		return NULL;
	for (unsigned tries = 0; tries < LIST_TRIES; tries++) {
		if (list_chains_once(&f->requests, &r) == 0) {
			f->own_table = r.own_table;
			return r.rules;
		}
		if (errno != EINTR)
			break;
	}
	free(r.rules);
	return NULL;
}

static struct chain_name
name_of_chain(const struct ruleset *all, unsigned chain)
{
	const struct ruleset_chain *c = &all->chain[chain];

	return (struct chain_name){
		.family = all->table[c->table].family,
		.table = all->table[c->table].name,
		.chain = c->name,
	};
}

/* --- Judging -------------------------------------------------------------- */

/* What goes through a hook, and what we can do about it there. */
struct hook {
	unsigned packets; /* bits, of their kinds */
	bool overrule;
	enum accept_rule rule[2]; /* the last one comes first */
	const char *what;
	/* The matches that are missing, one command each. */
	const char *match[2];
};

#define KIND(packet) (1U << (packet))
#define OUT_KINDS                                                  \
	(KIND(PACKET_OUT) | KIND(PACKET_OUT_TCP) | KIND(PACKET_OUT_UDP))
#define BACK_KINDS                                                 \
	(KIND(PACKET_BACK) | KIND(PACKET_BACK_TCP) | KIND(PACKET_BACK_UDP))
#define DNS_KINDS    (KIND(PACKET_DNS_UDP) | KIND(PACKET_DNS_TCP))
#define ANSWER_KINDS KIND(PACKET_ANSWER)

static const struct hook hooks[] = {
	[NF_INET_PRE_ROUTING] = { OUT_KINDS | DNS_KINDS, false, { 0 },
	    "what comes from " TUN_NAME, { "iifname \"" TUN_NAME "\"" } },
	[NF_INET_LOCAL_IN] = { DNS_KINDS, true,
	    { ACCEPT_DNS_TCP, ACCEPT_DNS_UDP },
	    "DNS queries from " TUN_NAME " to port " TUNNEL_DNS_PORT_TEXT,
	    { "iifname \"" TUN_NAME "\" udp dport " TUNNEL_DNS_PORT_TEXT,
		"iifname \"" TUN_NAME "\" tcp dport " TUNNEL_DNS_PORT_TEXT } },
	[NF_INET_FORWARD] = { OUT_KINDS | BACK_KINDS, true,
	    { ACCEPT_TO_TUN, ACCEPT_FROM_TUN },
	    "what is forwarded for " TUN_NAME,
	    { "iifname \"" TUN_NAME "\"", "oifname \"" TUN_NAME "\"" } },
	[NF_INET_LOCAL_OUT] = { ANSWER_KINDS, false, { 0 },
	    "the Gateway's answers into " TUN_NAME,
	    { "oifname \"" TUN_NAME "\"" } },
	[NF_INET_POST_ROUTING] = { BACK_KINDS | ANSWER_KINDS, false, { 0 },
	    "what goes into " TUN_NAME, { "oifname \"" TUN_NAME "\"" } },
};

/* Of the family netdev: they have hooks of their own. */
static const struct hook device_hooks[] = {
	[NF_NETDEV_INGRESS] = { OUT_KINDS | DNS_KINDS, false, { 0 },
	    "what comes from " TUN_NAME, { NULL } },
	[NF_NETDEV_EGRESS] = { BACK_KINDS | ANSWER_KINDS, false, { 0 },
	    "what goes into " TUN_NAME, { NULL } },
};

static const struct hook *
hook_of(uint8_t family, uint8_t number)
{
	if (family == NFPROTO_NETDEV)
		return number <= NF_NETDEV_EGRESS ? &device_hooks[number]
						  : NULL;
	if (number == NF_INET_INGRESS)
		return &device_hooks[NF_NETDEV_INGRESS];
	return number < NF_INET_NUMHOOKS ? &hooks[number] : NULL;
}

/* --- What is known of a chain --------------------------------------------- */

static bool
is_noted(const struct noted *n, const struct chain_name *c)
{
	return n->used && n->family == c->family &&
	    strcmp(n->table, c->table) == 0 && strcmp(n->chain, c->chain) == 0;
}

static struct noted *
noted_chain(struct foreign_chains *f, const struct chain_name *c)
{
	for (unsigned i = 0; i < NOTED_MAX; i++)
		if (is_noted(&f->noted[i], c))
			return &f->noted[i];
	return NULL;
}

/* NULL when too many chains refuse what we need. */
static struct noted *
note_chain(
    struct foreign_chains *f, const struct chain_name *c, uint8_t hook)
{
	struct noted *n = noted_chain(f, c);

	if (n != NULL)
		return n;
	for (n = f->noted; n < f->noted + NOTED_MAX && n->used; n++)
		;
	if (n == f->noted + NOTED_MAX)
		return NULL;
	*n = (struct noted){
		.used = true,
		.family = c->family,
		.hook = hook,
		.quarrel = QUARREL_NONE,
	};
	snprintf(n->table, sizeof(n->table), "%s", c->table);
	snprintf(n->chain, sizeof(n->chain), "%s", c->chain);
	return n;
}

/* The first one is told. */
static void __attribute__((__format__(printf, 2, 3)))
set_trouble(struct foreign_chains *f, const char *fmt, ...)
{
	va_list ap;

	if (f->trouble[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(f->trouble, sizeof(f->trouble), fmt, ap);
	va_end(ap);
	/* Names are any bytes. */
	for (char *c = f->trouble; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* --- Mending -------------------------------------------------------------- */

static bool
is_xtables(const struct chain_name *c, const char *chain)
{
	return (c->family == NFPROTO_IPV4 || c->family == NFPROTO_IPV6) &&
	    strcmp(c->table, "filter") == 0 && strcmp(c->chain, chain) == 0;
}

/* The operator knows the tool that made the chain better than nftables. */
static void
write_missing(char to[COMMAND_MAX], const struct chain_name *c,
    const struct hook *h)
{
	const char *tool =
	    c->family == NFPROTO_IPV4 ? "iptables" : "ip6tables";
	const char *family = family_name(c->family);
	int len;

	if (is_xtables(c, "FORWARD"))
		snprintf(to, COMMAND_MAX,
		    "%s -I FORWARD -i " TUN_NAME " -j ACCEPT && "
		    "%s -I FORWARD -o " TUN_NAME " -j ACCEPT",
		    tool, tool);
	else if (is_xtables(c, "INPUT"))
		snprintf(to, COMMAND_MAX,
		    "%s -I INPUT -i " TUN_NAME
		    " -p udp --dport " TUNNEL_DNS_PORT_TEXT " "
		    "-j ACCEPT && %s -I INPUT -i " TUN_NAME
		    " -p tcp --dport " TUNNEL_DNS_PORT_TEXT " -j ACCEPT",
		    tool, tool);
	else if (strcmp(c->table, "firewalld") == 0)
		snprintf(to, COMMAND_MAX,
		    "firewall-cmd --zone=trusted --add-interface=" TUN_NAME);
	else {
		len = snprintf(to, COMMAND_MAX,
		    "nft 'insert rule %s %s %s %s%saccept", family, c->table,
		    c->chain, h->match[0] != NULL ? h->match[0] : "",
		    h->match[0] != NULL ? " " : "");
		if (h->match[1] != NULL)
			len += snprintf(to + len, COMMAND_MAX - (size_t)len,
			    "; insert rule %s %s %s %s accept", family,
			    c->table, c->chain, h->match[1]);
		snprintf(to + len, COMMAND_MAX - (size_t)len, "'");
	}
}

/* Of the chain: ours do not pile up when only one of them has gone. */
static void
delete_marks(struct foreign_chains *f, const struct ruleset *all, int chain)
{
	struct chain_name c;

	for (unsigned i = 0; i < all->marks; i++) {
		if (chain != -1 && all->mark[i].chain != chain)
			continue;
		c = name_of_chain(all, all->mark[i].chain);
		if (accept_rule_delete(
			&f->requests, &c, all->mark[i].handle) == -1 &&
		    errno != ENOENT)
			log_warn("cannot remove our rule, handle %llu, from "
				 "the chain %s %s %s",
			    (unsigned long long)all->mark[i].handle,
			    family_name(c.family), c.table, c.chain);
	}
}

static int
insert_rules(
    struct foreign_chains *f, const struct chain_name *c, const struct hook *h)
{
	for (unsigned i = 0; i < 2; i++)
		if (accept_rule_insert(&f->requests, c, h->rule[i]) == -1)
			return -1;
	return 0;
}

/* It has to be done by somebody else. */
static void
name_chain(struct foreign_chains *f, struct noted *n,
    const struct chain_name *c, const struct hook *h)
{
	char missing[COMMAND_MAX];

	set_trouble(f,
	    "the chain %s %s %s of nftables drops %s; the log says what is "
	    "missing",
	    family_name(c->family), c->table, c->chain, h->what);
	if (n->said)
		return;
	n->said = true;
	write_missing(missing, c, h);
	log_warnx("the chain %s %s %s drops %s%s", family_name(c->family),
	    c->table, c->chain, h->what,
	    h->overrule ? " and takes no rule from us" : "");
	log_warnx("missing: %s", missing);
}

static void
tell_quarrel(struct foreign_chains *f, const struct noted *n)
{
	set_trouble(f,
	    "the chain %s %s %s of nftables drops what we need, and somebody "
	    "removes our rules from it again and again",
	    family_name(n->family), n->table, n->chain);
}

static void
overrule_chain(struct foreign_chains *f, const struct ruleset *all,
    unsigned chain, struct noted *n, const struct hook *h, struct mono now)
{
	const struct chain_name c = name_of_chain(all, chain);
	const bool before = quarrel_goes_on(&n->quarrel);

	if (!quarrel_undone(&n->quarrel, now)) {
		tell_quarrel(f, n);
		return;
	}
	delete_marks(f, all, (int)chain);
	if (insert_rules(f, &c, h) == -1) {
		/* It has gone, or its next change is on its way. */
		if (errno == ENOENT)
			return;
		name_chain(f, n, &c, h);
		return;
	}
	n->said = false;
	quarrel_mended(&n->quarrel,
	    all->chain[chain].handle == n->handle ? QUARREL_UNDONE
						  : QUARREL_LOST,
	    now);
	n->handle = all->chain[chain].handle;
	if (!quarrel_goes_on(&n->quarrel)) {
		log_info("the chain %s %s %s drops %s; it now accepts that",
		    family_name(c.family), c.table, c.chain, h->what);
		return;
	}
	tell_quarrel(f, n);
	if (!before)
		log_warnx("somebody removes our rules from the chain %s %s %s "
			  "again and again; they are put back less and less "
			  "often",
		    family_name(c.family), c.table, c.chain);
}

/* Whether the base chain refuses one of these kinds; it may see one family. */
static bool
refuses_any_packet(
    const struct ruleset *all, unsigned chain, uint8_t family, unsigned kinds)
{
	const unsigned first = family == NFPROTO_IPV6 ? PACKET_V6 : 0;
	const unsigned end =
	    family == NFPROTO_IPV4 ? (unsigned)PACKET_V6 : TEST_PACKETS;

	for (unsigned i = first; i < end; i++)
		if ((kinds & KIND(i % PACKET_V6)) != 0 &&
		    ruleset_refuses(all, chain, (enum test_packet)i))
			return true;
	return false;
}

static void
judge_chain(struct foreign_chains *f, const struct ruleset *all,
    unsigned chain, struct mono now)
{
	const struct ruleset_chain *b = &all->chain[chain];
	const struct chain_name c = name_of_chain(all, chain);
	const struct hook *h = hook_of(c.family, b->hook);
	struct noted *n;

	if (h == NULL || !refuses_any_packet(all, chain, c.family, h->packets))
		return;
	if ((n = note_chain(f, &c, b->hook)) == NULL) {
		set_trouble(f,
		    "more than %d chains of nftables drop what we need",
		    NOTED_MAX);
		return;
	}
	n->seen = true;
	if (h->overrule && b->filter)
		overrule_chain(f, all, chain, n, h, now);
	else
		name_chain(f, n, &c, h);
}

/* The chain lets our packets pass, or has gone. */
static void
settle_chain(struct foreign_chains *f, struct noted *n, struct mono now)
{
	if (n->said) {
		n->said = false;
		log_info("the chain %s %s %s no longer stands in our way",
		    family_name(n->family), n->table, n->chain);
	}
	if (quarrel_is_over(&n->quarrel, now))
		log_info("our rules have stayed in the chain %s %s %s",
		    family_name(n->family), n->table, n->chain);
	else if (quarrel_goes_on(&n->quarrel))
		tell_quarrel(f, n);
	n->used = n->quarrel.weight > 0;
}

static void
say_listing_fails(struct foreign_chains *f, struct mono now)
{
	if (f->failures == 0)
		log_warn("cannot list the chains of nftables");
	if (++f->failures >= LIST_TROUBLE)
		set_trouble(f, "the chains of nftables cannot be listed");
	f->due = mono_add_ms(now, LIST_AGAIN_MS);
}

static void
look_at_chains(struct foreign_chains *f, struct mono now)
{
	struct ruleset *all = list_rules(f);

	f->first = f->due = MONO_NEVER;
	if (all == NULL) {
		say_listing_fails(f, now);
		return;
	}
	f->failures = 0;
	f->trouble[0] = '\0';
	if (all->overflow && !f->said_overflow) {
		f->said_overflow = true;
		log_warnx("the rules of nftables are more than we can judge; "
			  "chains that we know accept " TUN_NAME);
	}
	for (unsigned i = 0; i < NOTED_MAX; i++)
		f->noted[i].seen = false;
	for (unsigned i = 0; i < all->chains; i++)
		if (all->chain[i].base)
			judge_chain(f, all, i, now);
	for (struct noted *n = f->noted; n < f->noted + NOTED_MAX; n++) {
		if (n->used && !n->seen)
			settle_chain(f, n, now);
		if (n->used)
			f->due =
			    mono_min(f->due, quarrel_deadline(&n->quarrel));
	}
	if (f->trouble[0] != '\0')
		f->due = mono_min(f->due, mono_add_ms(now, TROUBLE_AGAIN_MS));
	free(all);
}

/* --- Watching ------------------------------------------------------------- */

/* Of somebody else, and no element of a set that decides nothing. */
static bool
is_change(const struct foreign_chains *f, const struct nlmsghdr *h)
{
	if (h->nlmsg_pid == mnl_socket_get_portid(f->requests.socket))
		return false;
	switch (NFNL_MSG_TYPE(h->nlmsg_type)) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		return true;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		return sets_concern(f->sets, h);
	default:
		return false;
	}
}

/* Whether there was a change; what overflowed may have been one. */
static bool
read_notifications(struct foreign_chains *f)
{
	alignas(NLMSG_ALIGNTO) uint8_t bytes[NOTIFICATION];
	const int fd = mnl_socket_get_fd(f->notifications.socket);
	bool changed = false;

	for (unsigned i = 0; i < NOTIFICATIONS; i++) {
		const struct nlmsghdr *h = (const void *)bytes;
		ssize_t len = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		int left = (int)len;

		if (len == -1 && errno == ENOBUFS) {
			changed = true;
			continue;
		}
		if (len == -1)
			break;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			changed |= is_change(f, h);
	}
	return changed;
}

bool
foreign_chains_turn(struct foreign_chains *f, struct mono now)
{
	if (read_notifications(f)) {
		if (mono_is_never(f->first))
			f->first = now;
		f->due = mono_min(mono_add_ms(now, QUIET_MS),
		    mono_add_ms(f->first, LATEST_MS));
	}
	if (!mono_due(f->due, now))
		return false;
	look_at_chains(f, now);
	return true;
}

struct mono
foreign_chains_deadline(const struct foreign_chains *f)
{
	return f->due;
}

int
foreign_chains_fd(const struct foreign_chains *f)
{
	return mnl_socket_get_fd(f->notifications.socket);
}

bool
foreign_chains_saw_own_table(const struct foreign_chains *f)
{
	return f->own_table;
}

const char *
foreign_chains_trouble(const struct foreign_chains *f)
{
	return f->trouble;
}

/* --- Beginning and end ---------------------------------------------------- */

/* The tables of legacy iptables are invisible to nftables. */
static void
mention_legacy_tables(void)
{
	char line[64];
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

static void
remove_our_rules(struct foreign_chains *f)
{
	struct ruleset *all = list_rules(f);

	if (all == NULL) {
		log_warn("cannot list the chains of nftables");
		return;
	}
	delete_marks(f, all, -1);
	free(all);
}

struct foreign_chains *
foreign_chains_open(void)
{
	struct foreign_chains *f = calloc(1, sizeof(*f));
	int group = NFNLGRP_NFTABLES;

	if (f == NULL)
		return NULL;
	f->first = f->due = MONO_NEVER;
	f->sets = calloc(1, sizeof(*f->sets));
	if (f->sets == NULL ||
	    netlink_open(&f->requests, NETLINK_NETFILTER) == -1 ||
	    netlink_open(&f->notifications, NETLINK_NETFILTER) == -1 ||
	    mnl_socket_setsockopt(f->notifications.socket,
		NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == -1) {
		netlink_close(&f->requests);
		netlink_close(&f->notifications);
		free(f->sets);
		free(f);
		return NULL;
	}
	remove_our_rules(f);
	mention_legacy_tables();
	look_at_chains(f, mono_now());
	return f;
}

void
foreign_chains_close(struct foreign_chains *f)
{
	if (f == NULL)
		return;
	remove_our_rules(f);
	netlink_close(&f->requests);
	netlink_close(&f->notifications);
	free(f->sets);
	free(f);
}

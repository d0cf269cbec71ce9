/* The nftables table "postern": see firewall.h. */
#include "parent/firewall.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/internet.h"
#include "common/log.h"
#include "common/plan.h"
#include "parent/foreign_chains.h"
#include "parent/tun.h"

#define HTTPS_PORT 443 /* of whatever takes the flow logs */

struct firewall {
	struct firewall_options options;
	struct firewall_egress egress; /* that the table lets pass */
	char *interfaces;	       /* a set: all but the TUN, at first */
	/*
	 * Its socket owns the table. libnftables may replace the socket when a
	 * foreign change disturbs a command, and the table would go with it: so
	 * every command that follows makes the whole table anew, in one
	 * transaction, and it does not matter which socket owned the old one.
	 */
	struct nft_ctx *nft;
	struct foreign_chains *foreign;
	bool lost;         /* the table has gone and is not back */
	struct mono again; /* then it is tried again */
};

#define TRIES    3
#define AGAIN_MS 1000

/*
 * The first line removes a table of that name that nobody owns; one that
 * somebody owns refuses it. Our own is removed by its owner only as such.
 */
static const char rules_first[] =
    "table inet postern; delete table inet postern\n";
static const char rules_again[] =
    "table inet postern { flags owner; }\ndelete table inet postern\n";

static const char rules_begin[] = "table inet postern {\n"
				  "	flags owner\n";

/*
 * From another interface: our own address as a source, one that the routes seek
 * behind the TUN, and one of ours as a destination that is not that
 * interface's.
 */
#define ELSEWHERE(ip, range)                                                  \
	"		" ip " saddr " range " fib saddr type local "         \
	"goto not_by_the_tunnel\n"                                            \
	"		" ip " saddr " range " fib saddr oifname \"" TUN_NAME \
	"\" goto not_by_the_tunnel\n"                                         \
	"		" ip " daddr " range " fib daddr type local "         \
	"fib daddr . iif type != local goto not_by_the_tunnel\n"

/*
 * Before connection tracking: a forged source costs no entry there.
 *
 * Behind other interfaces than the TUN nobody has an address of the tunnel. But
 * providers use the IPv4 range as well (RFC 6598), and nothing keeps a host's
 * own network out of either: such a network is left alone, which is what the
 * routes say.
 */
static const char rules_source[] =
    "	chain prerouting {\n"
    "		type filter hook prerouting priority raw; policy accept\n"
    "		iifname \"lo\" accept\n"
    "		iifname != \"" TUN_NAME "\" goto elsewhere\n"
    "		ip saddr " TUNNEL_RANGE_V4 " accept\n"
    "		ip6 saddr " TUNNEL_RANGE_V6 " accept\n"
    "		counter drop comment \"source not in the tunnel ranges\"\n"
    "	}\n"
    "	chain elsewhere {\n"
    /* clang-format off */
    ELSEWHERE("ip", TUNNEL_RANGE_V4)
    ELSEWHERE("ip6", TUNNEL_RANGE_V6)
    /* clang-format on */
    "	}\n"
    "	chain not_by_the_tunnel {\n"
    "		counter drop comment \"a tunnel address from elsewhere\"\n"
    "	}\n";

/*
 * Nothing from client to client. And only what a client has begun goes back to
 * it; without masquerading as well, where a host of the LAN could begin.
 */
static const char rules_forward[] =
    "	chain forward {\n"
    "		type filter hook forward priority filter; policy accept\n"
    "		iifname \"" TUN_NAME "\" oifname \"" TUN_NAME "\" "
    "counter drop comment \"client to client\"\n"
    "		iifname \"" TUN_NAME "\" counter accept\n"
    "		oifname \"" TUN_NAME "\" ct state established,related "
    "counter accept\n"
    "		oifname \"" TUN_NAME "\" "
    "counter drop comment \"not begun by a client\"\n";

/*
 * firezone-policy(7), Steps outbound (step 7); a resource on this host has
 * another address.
 */
static const char rules_host[] =
    "	chain input {\n"
    "		type filter hook input priority filter; policy accept\n"
    "		iifname != \"" TUN_NAME "\" accept\n"
    "		ip daddr != " TUNNEL_RANGE_V4 " accept\n"
    "		ip6 daddr != " TUNNEL_RANGE_V6 " accept\n"
    "		udp dport " TUNNEL_DNS_PORT_TEXT " accept\n"
    "		tcp dport " TUNNEL_DNS_PORT_TEXT " accept\n"
    "		icmp type { echo-request, echo-reply } accept\n"
    "		icmpv6 type { echo-request, echo-reply } accept\n"
    "		counter drop comment \"the gateway's own address\"\n"
    "	}\n";

/* By where it comes from: a source can be forged. */
static const char rules_masquerade[] =
    "	chain postrouting {\n"
    "		type nat hook postrouting priority srcnat; policy accept\n"
    "		iifname \"" TUN_NAME "\" oifname != \"" TUN_NAME "\" "
    "counter masquerade\n"
    "	}\n";

static const char rules_not_control_worker[] =
    "		goto not_control_worker\n"
    "	}\n"
    "	chain not_control_worker {\n"
    "		counter drop comment \"control-worker\"\n"
    "	}\n";

/*
 * net-worker's sockets, known by their mark: they are made by us, so the user
 * is not net-worker's, and the mark holds where it has no user of its own.
 * Only CAP_NET_ADMIN or CAP_NET_RAW change it. Other sockets it cannot have.
 *
 * Whom it talks to is news of the portal and of the clients, so hosts cannot be
 * named: it is destinations where no relay and no client is, and on any host
 * the ports of services. Below 1024 relays have 80 and 443. A client behind a
 * translator that gave it one of the others is answered once it was heard.
 *
 * On this host there may be a relay, beside services that trust the host.
 */
static const char rules_net_worker[] =
    "	chain net_worker {\n"
    "		ct state established accept\n"
    "		oifname \"" TUN_NAME "\" goto not_net_worker\n"
    "		ip daddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, "
    "224.0.0.0/3 } goto not_net_worker\n"
    "		ip6 daddr { ::/127, ::ffff:0.0.0.0/96, fe80::/10, "
    "ff00::/8 } goto not_net_worker\n"
    "		ip daddr " TUNNEL_RANGE_V4 " fib daddr type local "
    "goto not_net_worker\n"
    "		ip6 daddr " TUNNEL_RANGE_V6 " fib daddr type local "
    "goto not_net_worker\n"
    "		fib daddr type broadcast goto not_net_worker\n"
    "		fib daddr type local udp dport != { 3478, 49152-65535 } "
    "goto not_net_worker\n"
    "		udp dport { 80, 443 } accept\n"
    "		udp dport { 0-1023, 1701, 1812, 1813, 1900, 2049, 2152, "
    "3702, 3799, 4789, 5353, 5683, 6081, 8472, 11211 } "
    "goto not_net_worker\n"
    "		meta l4proto udp accept\n"
    "		goto not_net_worker\n"
    "	}\n"
    "	chain not_net_worker {\n"
    "		counter drop comment \"net-worker\"\n"
    "	}\n";

static const char rules_end[] = "}\n";

static bool
is_own_user(uid_t uid)
{
	return uid != 0 && uid != (uid_t)-1;
}

static void
write_destination(FILE *f, const struct ip_address *to)
{
	char text[ENDPOINT_TEXT_MAX];

	fprintf(f, "		%s daddr %s",
	    to->family == IP_V4 ? "ip" : "ip6", ip_format(to, text));
}

static void
write_not_internet(FILE *f)
{
	for (const struct ip_prefix *p = not_internet; p->ip.family != IP_NONE;
	     p++) {
		struct ip_prefix behind = internet_before_nat64(p);

		write_destination(f, &p->ip);
		fprintf(f, "/%u goto not_control_worker\n", p->length);
		if (p->ip.family != IP_V4)
			continue;
		write_destination(f, &behind.ip);
		fprintf(f, "/%u goto not_control_worker\n", behind.length);
	}
}

/*
 * By name, hosts of the portal and of the flow logs are known only once a
 * resolver has been asked, so TCP is bound to ports of the Internet; on other
 * networks to hosts, too.
 */
static void
write_control_worker(
    FILE *f, const struct firewall_options *o, const struct firewall_egress *e)
{
	fputs("	chain control_worker {\n"
	      "		ct state established accept\n",
	    f);
	for (size_t i = 0; i < e->resolver_count; i++) {
		write_destination(f, &e->resolvers[i]);
		fputs(" meta l4proto { tcp, udp } th dport 53 accept\n", f);
	}
	for (size_t i = 0; i < o->probe_count; i++) {
		write_destination(f, &o->probes[i].ip);
		fprintf(f, " tcp dport %u accept\n", o->probes[i].port);
	}
	if (e->portal_port != 0) {
		fprintf(f,
		    "		tcp dport != { %u, %u } "
		    "goto not_control_worker\n",
		    e->portal_port, HTTPS_PORT);
		for (size_t i = 0; i < e->host_count; i++) {
			write_destination(f, &e->hosts[i]);
			fputs(" meta l4proto tcp accept\n", f);
		}
		write_not_internet(f);
		fputs("		meta l4proto tcp accept\n", f);
	}
	fputs(rules_not_control_worker, f);
}

/*
 * The test for a user is an equality, since a packet without a socket fits
 * neither that nor its opposite.
 *
 * After connection tracking, whose states count, and before the kernel's NAT,
 * which is at dstnat whatever priority its chains have: it is judged whom a
 * worker asks. A host may pass that on to another address and port, as Docker
 * does with its resolver and Kubernetes with every service.
 */
static void
write_output(FILE *f, const struct firewall_options *o)
{
	fprintf(f,
	    "	chain output {\n"
	    "		type filter hook output priority mangle; "
	    "policy accept\n"
	    "		meta mark %#x jump net_worker\n",
	    FIREZONE_MARK);
	if (is_own_user(o->net_uid))
		fprintf(f, "		meta skuid %u goto not_net_worker\n",
		    o->net_uid);
	if (is_own_user(o->control_uid))
		fprintf(f, "		meta skuid %u jump control_worker\n",
		    o->control_uid);
	fputs("	}\n", f);
}

static void
write_drop_between(FILE *f, const char *family, const char *interfaces)
{
	fprintf(f,
	    "		meta nfproto %s iifname %s oifname %s "
	    "counter drop comment \"not by the tunnel\"\n",
	    family, interfaces, interfaces);
}

/* A set of nftables; to be freed, NULL with errno. */
static char *
list_interfaces(void)
{
	struct if_nameindex *all = if_nameindex();
	char *text = NULL;
	size_t size;
	FILE *f;

	if (all == NULL)
		return NULL;
	if ((f = open_memstream(&text, &size)) == NULL) {
		if_freenameindex(all);
		return NULL;
	}
	/* There is always one, which forwards nothing. */
	fputs("{ \"lo\"", f);
	for (size_t i = 0; all[i].if_name != NULL; i++) {
		if (strcmp(all[i].if_name, TUN_NAME) == 0 ||
		    strcmp(all[i].if_name, "lo") == 0)
			continue;
		if (strpbrk(all[i].if_name, "\"*\\$") == NULL)
			fprintf(f, ", \"%s\"", all[i].if_name);
		else
			log_warn("the interface %s has a name that nftables "
				 "cannot be told: packets from there to other "
				 "networks are forwarded",
			    all[i].if_name);
	}
	fputs(" }", f);
	if_freenameindex(all);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

/* The whole table as one transaction; to be freed, NULL with errno. */
static char *
write_rules(const struct firewall *fw, const char *first,
    const struct firewall_egress *e)
{
	const struct firewall_options *o = &fw->options;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	fputs(first, f);
	fputs(rules_begin, f);
	fputs(rules_source, f);
	fputs(rules_forward, f);
	if (o->keep_apart_v4)
		write_drop_between(f, "ipv4", fw->interfaces);
	if (o->keep_apart_v6)
		write_drop_between(f, "ipv6", fw->interfaces);
	fputs("	}\n", f);
	if (!o->expose_host)
		fputs(rules_host, f);
	if (o->masquerade)
		fputs(rules_masquerade, f);
	fputs(rules_net_worker, f);
	if (is_own_user(o->control_uid))
		write_control_worker(f, o, e);
	write_output(f, o);
	fputs(rules_end, f);
	if (fclose(f) == EOF) {
		free(text);
		return NULL;
	}
	return text;
}

/* The first line of what libnftables complains of. */
static void
explain_error(struct nft_ctx *nft, char *why, size_t why_size)
{
	const char *text = nft_ctx_get_error_buffer(nft);

	if (text == NULL || *text == '\0')
		text = "no reason given";
	snprintf(why, why_size,
	    "the nftables table cannot be installed (%.*s); CAP_NET_ADMIN and "
	    "a kernel with nf_tables and nft_masq are needed, and no other "
	    "program may own a table inet postern",
	    (int)strcspn(text, "\n"), text);
}

struct firewall *
firewall_install(const struct firewall_options *o, char *why, size_t why_size)
{
	const struct firewall_egress nobody = { 0 };
	struct firewall *fw = calloc(1, sizeof(*fw));
	char *rules = NULL;

	if (fw == NULL)
		goto unusable;
	fw->options = *o;
	fw->again = MONO_NEVER;
	if ((fw->interfaces = list_interfaces()) == NULL ||
	    (rules = write_rules(fw, rules_first, &nobody)) == NULL ||
	    (fw->nft = nft_ctx_new(NFT_CTX_DEFAULT)) == NULL ||
	    (fw->foreign = foreign_chains_open()) == NULL)
		goto unusable;
	nft_ctx_buffer_output(fw->nft);
	nft_ctx_buffer_error(fw->nft);
	if (nft_run_cmd_from_buffer(fw->nft, rules) != 0) {
		explain_error(fw->nft, why, why_size);
		goto fail;
	}
	free(rules);
	return fw;

unusable:
	snprintf(why, why_size, "nftables cannot be used: %m");
fail:
	free(rules);
	firewall_remove(fw);
	return NULL;
}

/* A change of somebody else's may have come between: so more than once. */
static int
replace_table(struct firewall *fw, const char *rules)
{
	char why[512];

	for (unsigned i = 0; i < TRIES; i++)
		if (nft_run_cmd_from_buffer(fw->nft, rules) == 0)
			return 0;
	explain_error(fw->nft, why, sizeof(why));
	log_error("%s", why);
	return -1;
}

static bool
same_addresses(const struct ip_address *a, size_t a_count,
    const struct ip_address *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (!ip_equal(&a[i], &b[i]))
			return false;
	return true;
}

static bool
same_egress(const struct firewall_egress *a, const struct firewall_egress *b)
{
	return a->portal_port == b->portal_port &&
	    same_addresses(a->resolvers, a->resolver_count, b->resolvers,
		b->resolver_count) &&
	    same_addresses(a->hosts, a->host_count, b->hosts, b->host_count);
}

int
firewall_set_egress(struct firewall *fw, const struct firewall_egress *e)
{
	char *rules;
	int r;

	if (!is_own_user(fw->options.control_uid) ||
	    same_egress(&fw->egress, e))
		return 0;
	if ((rules = write_rules(fw, rules_again, e)) == NULL) {
		log_error("the nftables table cannot be written: %s",
		    strerrordesc_np(errno));
		return -1;
	}
	if ((r = replace_table(fw, rules)) == 0)
		fw->egress = *e;
	else {
		/* The table may have gone, of which nobody tells us. */
		fw->lost = true;
		fw->again = mono_add_ms(mono_now(), AGAIN_MS);
	}
	free(rules);
	return r;
}

int
firewall_fd(const struct firewall *fw)
{
	return foreign_chains_fd(fw->foreign);
}

/* It goes when libnftables takes another socket and then fails. */
static void
put_table_back(struct firewall *fw, struct mono now)
{
	char *rules = write_rules(fw, rules_again, &fw->egress);

	fw->lost = rules == NULL || replace_table(fw, rules) == -1;
	fw->again = fw->lost ? mono_add_ms(now, AGAIN_MS) : MONO_NEVER;
	if (!fw->lost)
		log_warnx("the nftables table was gone and is put back");
	free(rules);
}

void
firewall_turn(struct firewall *fw, struct mono now)
{
	if (foreign_chains_turn(fw->foreign, now))
		fw->lost = !foreign_chains_saw_own_table(fw->foreign);
	else if (!mono_due(fw->again, now))
		return;
	if (fw->lost)
		put_table_back(fw, now);
}

struct mono
firewall_deadline(const struct firewall *fw)
{
	return mono_min(fw->again, foreign_chains_deadline(fw->foreign));
}

const char *
firewall_trouble(const struct firewall *fw)
{
	if (fw->lost)
		return "the nftables table inet postern is gone";
	return foreign_chains_trouble(fw->foreign);
}

void
firewall_remove(struct firewall *fw)
{
	if (fw == NULL)
		return;
	foreign_chains_close(fw->foreign);
	if (fw->nft != NULL)
		nft_ctx_free(fw->nft);
	free(fw->interfaces);
	free(fw);
}

/*
 * Drives the parent's network set-up for network_setup.sh: reads commands, one
 * a line, and answers each by one line that begins with "= ". Everything else
 * on standard output is the log.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/time.h"
#include "parent/dns_listeners.h"
#include "parent/firewall.h"
#include "parent/netlink.h"
#include "parent/sockets.h"
#include "parent/sysctl.h"
#include "parent/tun.h"

#define VNET_HEADER  10
#define PACKET_MAX   2048
#define ARGUMENT_MAX 8
#define ICMP_V4_ECHO 8

struct state {
	unsigned queues;
	int buffer; /* bytes; 0: the default */
	struct firewall_options firewall_options;
	struct tun tun;
	struct udp_sockets sockets;
	struct network *network;
	struct firewall *firewall;
	struct dns_listeners listeners;
};

static void __attribute__((__format__(printf, 1, 2)))
answer(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("= ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	va_end(ap);
	fflush(stdout);
}

static void
shut(struct state *s)
{
	dns_listeners_close(&s->listeners);
	firewall_remove(s->firewall);
	network_close(s->network);
	udp_sockets_close(&s->sockets);
	tun_close(&s->tun);
	sysctls_restore();
	s->firewall = NULL;
	s->network = NULL;
}

static void
open_sockets(struct state *s)
{
	const struct udp_options options = { .count = s->queues + 1,
		.receive_bytes = s->buffer };
	char why[512];

	if (udp_sockets_open(&s->sockets, &options, why, sizeof(why)) == -1)
		answer("fail %s", why);
	else
		answer(
		    "ok v4=%u v6=%u", s->sockets.port_v4, s->sockets.port_v6);
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	(void)getsockopt(fd, level, name, &value, &len);
	return value;
}

/* The options of the last socket of each family. */
static void
show_options(const struct state *s)
{
	int v4 = s->sockets.v4[s->queues], v6 = s->sockets.v6[s->queues];

	answer("pktinfo=%d tos=%d mtu=%d gro=%d err=%d "
	       "pktinfo6=%d tclass=%d mtu6=%d dontfrag=%d only=%d gro6=%d "
	       "err6=%d public=%d",
	    option(v4, IPPROTO_IP, IP_PKTINFO),
	    option(v4, IPPROTO_IP, IP_RECVTOS),
	    option(v4, IPPROTO_IP, IP_MTU_DISCOVER),
	    option(v4, IPPROTO_UDP, UDP_GRO),
	    option(v4, IPPROTO_IP, IP_RECVERR),
	    option(v6, IPPROTO_IPV6, IPV6_RECVPKTINFO),
	    option(v6, IPPROTO_IPV6, IPV6_RECVTCLASS),
	    option(v6, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	    option(v6, IPPROTO_IPV6, IPV6_DONTFRAG),
	    option(v6, IPPROTO_IPV6, IPV6_V6ONLY),
	    option(v6, IPPROTO_UDP, UDP_GRO),
	    option(v6, IPPROTO_IPV6, IPV6_RECVERR),
	    (option(v6, IPPROTO_IPV6, IPV6_ADDR_PREFERENCES) & 2) != 0);
}

static void
open_all(struct state *s)
{
	const struct udp_options options = { .count = s->queues + 1 };
	char why[512];

	if (tun_open(&s->tun, s->queues, why, sizeof(why)) == -1 ||
	    udp_sockets_open(&s->sockets, &options, why, sizeof(why)) == -1)
		goto fail;
	sysctls_raise(&options, true);
	s->network =
	    network_open(s->tun.ifindex, s->firewall_options.control_uid);
	if (s->network == NULL) {
		snprintf(why, sizeof(why), "network: %m");
		goto fail;
	}
	network_clean(s->network);
	if (network_device_up(s->network) == -1) {
		snprintf(why, sizeof(why), "device: %m");
		goto fail;
	}
	s->firewall_options.keep_apart_v4 = sysctls_forwarding_is_ours(IP_V4);
	s->firewall_options.keep_apart_v6 = sysctls_forwarding_is_ours(IP_V6);
	s->firewall = firewall_install(&s->firewall_options, why, sizeof(why));
	if (s->firewall == NULL)
		goto fail;
	answer("ok v4=%u v6=%u queues=%u", s->sockets.port_v4,
	    s->sockets.port_v6, s->tun.queues);
	return;

fail:
	shut(s);
	answer("fail %s", why);
}

static bool
address(const char *text, struct ip_address *a)
{
	*a = (struct ip_address){ 0 };
	return strcmp(text, "none") == 0 || ip_parse(text, a);
}

static void
configure(struct state *s, char *v4, char *v6)
{
	struct ip_address a, b;
	bool have_v4, have_v6;

	if (!address(v4, &a) || !address(v6, &b))
		answer("fail usage");
	else if (network_configure(s->network, &a, &b, &have_v4, &have_v6) ==
	    -1)
		answer("fail %s", strerrorname_np(errno));
	else
		answer("ok v4=%d v6=%d", have_v4, have_v6);
}

static void
listen_on(struct state *s, const char *v4, const char *v6)
{
	struct ip_address a, b;

	if (!address(v4, &a) || !address(v6, &b))
		answer("fail usage");
	else if (dns_family_bind(
		     &s->listeners.v4, &a,
		     s->firewall_options.control_uid) == -1 ||
	    dns_family_bind(
		&s->listeners.v6, &b, s->firewall_options.control_uid) ==
		-1)
		answer("fail %s", strerrorname_np(errno));
	else
		answer("ok");
}

/* As a compromised control-worker could, from the UDP listener. */
static void
send_to(struct state *s, const char *text)
{
	struct sockaddr_storage to;
	struct endpoint e;
	socklen_t len;
	int fd;

	if (!endpoint_parse(text, &e)) {
		answer("fail usage");
		return;
	}
	len = endpoint_to_sockaddr(&e, &to);
	fd = (e.ip.family == IP_V4 ? &s->listeners.v4 : &s->listeners.v6)
		 ->fds[0];
	if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) == 1)
		answer("ok");
	else
		answer("fail %s", strerrorname_np(errno));
}

/* Makes it forget its device, as a compromised control-worker could too. */
static void
set_free(struct state *s)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	answer(connect(s->listeners.v4.fds[0], &nowhere, sizeof(nowhere)) == 0
		? "ok"
		: "fail");
}

/* The portal's port, then resolvers; behind "hosts", others for that port. */
static void
set_egress(struct state *s, char *const argument[], unsigned count)
{
	struct firewall_egress e = {
		.portal_port = (uint16_t)atoi(argument[0]),
	};

	bool hosts = false;

	for (unsigned i = 1; i < count; i++) {
		if (strcmp(argument[i], "hosts") == 0)
			hosts = true;
		else if (!address(argument[i],
			     hosts ? &e.hosts[e.host_count++]
				   : &e.resolvers[e.resolver_count++])) {
			answer("fail usage");
			return;
		}
	}
	answer(firewall_set_egress(s->firewall, &e) == 0 ? "ok" : "fail");
}

static uint32_t
sum(const void *data, size_t len, uint32_t partial)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		partial += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
	return partial;
}

static uint16_t
fold(uint32_t partial)
{
	while (partial >> 16 != 0)
		partial = (partial & 0xffff) + (partial >> 16);
	return htons((uint16_t)~partial);
}

/* An IP header in front of payload with the pseudo header's sum. */
static size_t
put_ip(uint8_t *to, const struct ip_address *from, const struct ip_address *dst,
    uint8_t protocol, size_t len, uint32_t *pseudo)
{
	*pseudo = sum(from->bytes, ip_size(from), 0);
	*pseudo =
	    sum(dst->bytes, ip_size(dst), *pseudo) + protocol + (uint32_t)len;
	if (from->family == IP_V4) {
		struct iphdr h = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = protocol,
			.tot_len = htons((uint16_t)(sizeof(h) + len)) };

		memcpy(&h.saddr, from->bytes, 4);
		memcpy(&h.daddr, dst->bytes, 4);
		h.check = fold(sum(&h, sizeof(h), 0));
		if (protocol == IPPROTO_ICMP)
			*pseudo = 0;
		memcpy(to, &h, sizeof(h));
		return sizeof(h);
	}
	struct ip6_hdr h = { .ip6_nxt = protocol,
		.ip6_hlim = 64,
		.ip6_plen = htons((uint16_t)len) };

	h.ip6_vfc = 6 << 4;
	memcpy(&h.ip6_src, from->bytes, 16);
	memcpy(&h.ip6_dst, dst->bytes, 16);
	memcpy(to, &h, sizeof(h));
	return sizeof(h);
}

static size_t
put_payload(uint8_t *to, uint8_t *protocol, uint16_t sport, uint16_t dport,
    size_t *checksum_at, bool v6)
{
	struct udphdr udp = { .source = htons(sport),
		.dest = htons(dport),
		.len = htons(sizeof(udp)) };
	struct tcphdr tcp = { .source = htons(sport),
		.dest = htons(dport),
		.doff = 5,
		.syn = 1,
		.window = htons(1000) };
	/* Of the same shape in both versions. */
	struct icmp6_hdr echo = { .icmp6_type = ICMP_V4_ECHO };

	switch (*protocol) {
	case IPPROTO_UDP:
		memcpy(to, &udp, sizeof(udp));
		*checksum_at = offsetof(struct udphdr, check);
		return sizeof(udp);
	case IPPROTO_TCP:
		memcpy(to, &tcp, sizeof(tcp));
		*checksum_at = offsetof(struct tcphdr, check);
		return sizeof(tcp);
	default:
		if (v6) {
			*protocol = IPPROTO_ICMPV6;
			echo.icmp6_type = ICMP6_ECHO_REQUEST;
		}
		memcpy(to, &echo, sizeof(echo));
		*checksum_at = offsetof(struct icmp6_hdr, icmp6_cksum);
		return sizeof(echo);
	}
}

/*
 * Takes libnftables' socket away, which owns the table; of our netlink sockets
 * it is the one that would be inherited.
 */
static void
lose_table(void)
{
	struct sockaddr_nl a;
	socklen_t len;

	for (int fd = 3; fd < 64; fd++) {
		const int flags = fcntl(fd, F_GETFD);

		len = sizeof(a);
		if (flags == -1 || flags & FD_CLOEXEC ||
		    getsockname(fd, (struct sockaddr *)&a, &len) == -1 ||
		    a.nl_family != AF_NETLINK)
			continue;
		/* Another of the same kind and address. */
		int other = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK,
		    NETLINK_NETFILTER);
		bool done = dup2(other, fd) == fd &&
		    bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

		close(other);
		answer(done ? "ok" : "fail");
		return;
	}
	answer("fail");
}

/* For so long, what the parent's loop does. */
static void
watch(struct state *s, int ms)
{
	const struct mono end = mono_add_ms(mono_now(), ms);
	struct mono now;

	while (mono_before(now = mono_now(), end)) {
		struct pollfd p = { firewall_fd(s->firewall), POLLIN, 0 };
		int64_t left = mono_ms_between(
		    now, mono_min(end, firewall_deadline(s->firewall)));

		(void)poll(&p, 1, left < 0 ? 0 : (int)left + 1);
		firewall_turn(s->firewall, mono_now());
	}
	answer("trouble=%s", firewall_trouble(s->firewall));
}

/* As net-worker would: a packet of a client comes out of the tunnel. */
static void
inject(struct state *s, uint8_t protocol, char *const argument[])
{
	uint8_t packet[PACKET_MAX] = { 0 }, payload[64];
	struct endpoint from, to;
	size_t len, at, checksum_at;
	uint32_t pseudo;
	uint16_t checksum;

	if (!endpoint_parse(argument[0], &from) ||
	    !endpoint_parse(argument[1], &to)) {
		answer("fail usage");
		return;
	}
	len = put_payload(payload, &protocol, from.port, to.port, &checksum_at,
	    from.ip.family == IP_V6);
	at = VNET_HEADER;
	at += put_ip(packet + at, &from.ip, &to.ip, protocol, len, &pseudo);
	checksum = fold(sum(payload, len, pseudo));
	memcpy(payload + checksum_at, &checksum, sizeof(checksum));
	memcpy(packet + at, payload, len);
	if (write(s->tun.queue[0], packet, at + len) == -1)
		answer("fail %s", strerrorname_np(errno));
	else
		answer("ok");
}

static bool
describe(const uint8_t *p, size_t len)
{
	struct endpoint from = { 0 }, to = { 0 };
	char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];
	uint8_t protocol;
	size_t header;

	if (len >= 28 && p[0] >> 4 == 4) {
		from.ip = ip_from_bytes(IP_V4, p + 12);
		to.ip = ip_from_bytes(IP_V4, p + 16);
		protocol = p[9];
		header = 20;
	} else if (len >= 48) {
		from.ip = ip_from_bytes(IP_V6, p + 8);
		to.ip = ip_from_bytes(IP_V6, p + 24);
		protocol = p[6];
		header = 40;
	} else {
		return false;
	}
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_TCP) {
		from.port = (uint16_t)(p[header] << 8 | p[header + 1]);
		to.port = (uint16_t)(p[header + 2] << 8 | p[header + 3]);
	} else if (protocol != IPPROTO_ICMP &&
	    (protocol != IPPROTO_ICMPV6 || p[header] >= MLD_LISTENER_QUERY) &&
	    (protocol != IPPROTO_ICMPV6 || p[header] != ICMP6_ECHO_REPLY)) {
		return false; /* the kernel's own business */
	}
	answer("%u %s %s", protocol, endpoint_format(&from, a),
	    endpoint_format(&to, b));
	return true;
}

/* The next packet that the kernel routed into the tunnel. */
static void
receive(struct state *s, int timeout_ms)
{
	struct pollfd p[TUN_QUEUES_MAX];
	uint8_t packet[PACKET_MAX];
	ssize_t n;

	for (unsigned i = 0; i < s->tun.queues; i++)
		p[i] = (struct pollfd){ s->tun.queue[i], POLLIN, 0 };
	while (poll(p, s->tun.queues, timeout_ms) > 0) {
		for (unsigned i = 0; i < s->tun.queues; i++) {
			n = read(p[i].fd, packet, sizeof(packet));
			if (n > VNET_HEADER &&
			    describe(
				packet + VNET_HEADER, (size_t)n - VNET_HEADER))
				return;
		}
	}
	answer("nothing");
}

static void
command(struct state *s, char *const argument[], unsigned count)
{
	const char *name = argument[0];

	if (strcmp(name, "open") == 0)
		open_all(s);
	else if (strcmp(name, "sockets") == 0)
		open_sockets(s);
	else if (strcmp(name, "options") == 0)
		show_options(s);
	else if (strcmp(name, "configure") == 0 && count == 3)
		configure(s, argument[1], argument[2]);
	else if (strcmp(name, "egress") == 0 && count >= 2)
		set_egress(s, argument + 1, count - 1);
	else if (strcmp(name, "watch") == 0 && count == 2)
		watch(s, atoi(argument[1]));
	else if (strcmp(name, "lose") == 0 && count == 1)
		lose_table();
	else if (strcmp(name, "listen") == 0 && count == 3)
		listen_on(s, argument[1], argument[2]);
	else if (strcmp(name, "sendto") == 0 && count == 2)
		send_to(s, argument[1]);
	else if (strcmp(name, "free") == 0 && count == 1)
		set_free(s);
	else if (strcmp(name, "udp") == 0 && count == 3)
		inject(s, IPPROTO_UDP, argument + 1);
	else if (strcmp(name, "tcp") == 0 && count == 3)
		inject(s, IPPROTO_TCP, argument + 1);
	else if (strcmp(name, "ping") == 0 && count == 3)
		inject(s, IPPROTO_ICMP, argument + 1);
	else if (strcmp(name, "receive") == 0 && count == 2)
		receive(s, atoi(argument[1]));
	else if (strcmp(name, "offload") == 0 && count == 2) {
		tun_set_offload(&s->tun, strcmp(argument[1], "on") == 0);
		answer("ok offload=%d uso=%d", s->tun.offload, s->tun.uso);
	} else if (strcmp(name, "close") == 0) {
		shut(s);
		answer("ok");
	} else
		answer("fail usage");
}

/* A kernel without IPv6. */
static int
refuse_ipv6(void)
{
	scmp_filter_ctx c = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (c == NULL)
		return -1;
	r = seccomp_rule_add(c, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
	    1, SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	if (r == 0)
		r = seccomp_load(c);
	seccomp_release(c);
	return r;
}

static int
parse_options(struct state *s, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "6b:emq:u:")) != -1) {
		switch (c) {
		case '6':
			if (refuse_ipv6() != 0)
				return -1;
			break;
		case 'b':
			s->buffer = atoi(optarg);
			break;
		case 'e':
			s->firewall_options.expose_host = true;
			break;
		case 'm':
			s->firewall_options.masquerade = false;
			break;
		case 'q':
			s->queues = (unsigned)atoi(optarg);
			break;
		case 'u':
			s->firewall_options.control_uid = (uid_t)atoi(optarg);
			break;
		default:
			return -1;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct state s = { .queues = 1, .listeners = DNS_LISTENERS_CLOSED };
	char line[256], *argument[ARGUMENT_MAX];
	unsigned count;

	s.firewall_options = (struct firewall_options){ .masquerade = true,
		.control_uid = (uid_t)-1 };
	memset(s.sockets.v4, 0xff, sizeof(s.sockets.v4));
	memset(s.sockets.v6, 0xff, sizeof(s.sockets.v6));
	if (parse_options(&s, argc, argv) == -1) {
		fputs("usage: network_setup [-6em] [-b bytes] [-q queues] [-u "
		      "uid]\n",
		    stderr);
		return 2;
	}
	log_init_sink("parent", LOG_LEVEL_DEBUG, LOG_FORMAT_HUMAN);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *rest = line;

		count = 0;
		while (count < ARGUMENT_MAX &&
		    (argument[count] = strsep(&rest, " \n")) != NULL &&
		    *argument[count] != '\0')
			count++;
		if (count > 0)
			command(&s, argument, count);
	}
	shut(&s);
	return 0;
}

/* What is known of the test packets: see ruleset_packet.h. */
#include "parent/ruleset_packet.h"

#include <netinet/in.h>

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <net/if.h>
#include <string.h>

#include "common/address.h"
#include "common/plan.h"
#include "parent/tun.h"

#define LO_NAME    "lo"
#define LO_IFINDEX 1

/* Where the headers have their fields. */
#define HEADER_MAX   40
#define IPV4_PROTO   9
#define IPV4_SOURCE  12
#define IPV4_DEST    16
#define IPV6_PROTO   6
#define IPV6_SOURCE  8
#define IPV6_DEST    24

/* What is known of a packet; 0: anything. */
struct packet_facts {
	bool from_tun, to_tun;
	/* The address is one of the tunnel, but may be any of them. */
	bool from_tunnel, to_tunnel;
	uint32_t ct_state; /* a bit */
	uint8_t protocol;
	uint16_t port;
};

#define OUT                                                        \
	.from_tun = true, .from_tunnel = true,                     \
	.ct_state = NF_CT_STATE_BIT(IP_CT_NEW)
#define BACK                                                       \
	.to_tun = true, .to_tunnel = true,                         \
	.ct_state = NF_CT_STATE_BIT(IP_CT_ESTABLISHED)

static const struct packet_facts facts[PACKET_KINDS] = {
	[PACKET_OUT] = { OUT },
	[PACKET_OUT_TCP] = { OUT, .protocol = IPPROTO_TCP },
	[PACKET_OUT_UDP] = { OUT, .protocol = IPPROTO_UDP },
	[PACKET_BACK] = { BACK },
	[PACKET_BACK_TCP] = { BACK, .protocol = IPPROTO_TCP },
	[PACKET_BACK_UDP] = { BACK, .protocol = IPPROTO_UDP },
	[PACKET_DNS_UDP] = { OUT, .to_tunnel = true, .protocol = IPPROTO_UDP,
	    .port = TUNNEL_DNS_PORT },
	[PACKET_DNS_TCP] = { OUT, .to_tunnel = true, .protocol = IPPROTO_TCP,
	    .port = TUNNEL_DNS_PORT },
	[PACKET_ANSWER] = { BACK, .from_tunnel = true },
};

/* The least and the greatest value that a field may have. */
struct span {
	uint8_t low[HEADER_MAX], high[HEADER_MAX];
};

static const struct packet_facts *
facts_of(enum test_packet p)
{
	return &facts[p % PACKET_V6];
}

uint32_t
packet_ct_state(enum test_packet p)
{
	return facts_of(p)->ct_state;
}

size_t
subject_length(enum subject s)
{
	switch (s) {
	case SUBJECT_IIFNAME:
	case SUBJECT_OIFNAME:
		return IFNAMSIZ;
	case SUBJECT_IIF:
	case SUBJECT_OIF:
	case SUBJECT_CT_STATE:
		return sizeof(uint32_t);
	case SUBJECT_FAMILY:
	case SUBJECT_PROTOCOL:
		return sizeof(uint8_t);
	case SUBJECT_ETHER_TYPE:
	case SUBJECT_PORT:
		return sizeof(uint16_t);
	default:
		return 0;
	}
}

static void
set_span(struct span *s, size_t offset, const void *value, size_t len)
{
	memcpy(s->low + offset, value, len);
	memcpy(s->high + offset, value, len);
}

static void
set_range(struct span *s, size_t offset, const struct ip_prefix *p)
{
	const size_t size = ip_size(&p->ip), whole = p->length / 8;

	set_span(s, offset, p->ip.bytes, size);
	if (whole == size)
		return;
	s->high[offset + whole] =
	    (uint8_t)(p->ip.bytes[whole] | 0xff >> p->length % 8);
	memset(s->high + offset + whole + 1, 0xff, size - whole - 1);
}

static void
set_header(struct span *s, const struct packet_facts *f, bool v6)
{
	const struct ip_prefix *range =
	    v6 ? &tunnel_range_v6 : &tunnel_range_v4;

	if (f->protocol != 0)
		set_span(s, v6 ? IPV6_PROTO : IPV4_PROTO, &f->protocol, 1);
	if (f->from_tunnel)
		set_range(s, v6 ? IPV6_SOURCE : IPV4_SOURCE, range);
	if (f->to_tunnel)
		set_range(s, v6 ? IPV6_DEST : IPV4_DEST, range);
}

static void
set_device(struct span *s, enum subject subject, uint32_t ifindex)
{
	const char name[IFNAMSIZ] = TUN_NAME;

	if (subject == SUBJECT_IIFNAME || subject == SUBJECT_OIFNAME)
		set_span(s, 0, name, sizeof(name));
	else if (ifindex != 0)
		set_span(s, 0, &ifindex, sizeof(ifindex));
}

static void
set_field(struct span *s, enum test_packet p, enum subject subject,
    uint32_t ifindex)
{
	const struct packet_facts *f = facts_of(p);
	const bool v6 = p >= PACKET_V6;
	const uint8_t family = v6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	const uint16_t type = htons(v6 ? ETH_P_IPV6 : ETH_P_IP);
	const uint16_t port = htons(f->port);

	memset(s->low, 0, sizeof(s->low));
	memset(s->high, 0xff, sizeof(s->high));
	if (subject == SUBJECT_NETWORK_HEADER)
		set_header(s, f, v6);
	else if (subject == SUBJECT_CT_STATE)
		set_span(s, 0, &f->ct_state, sizeof(f->ct_state));
	else if (subject == SUBJECT_FAMILY)
		set_span(s, 0, &family, sizeof(family));
	else if (subject == SUBJECT_ETHER_TYPE)
		set_span(s, 0, &type, sizeof(type));
	else if (subject == SUBJECT_PROTOCOL && f->protocol != 0)
		set_span(s, 0, &f->protocol, sizeof(f->protocol));
	else if (subject == SUBJECT_PORT && f->port != 0)
		set_span(s, 0, &port, sizeof(port));
	else if (((subject == SUBJECT_IIFNAME || subject == SUBJECT_IIF) &&
		     f->from_tun) ||
	    ((subject == SUBJECT_OIFNAME || subject == SUBJECT_OIF) &&
		f->to_tun))
		set_device(s, subject, ifindex);
}

/* With its end: it is not what names begin with. */
static bool
is_device_name(const char *name, const uint8_t *value, size_t len)
{
	char padded[IFNAMSIZ] = { 0 };

	memcpy(padded, name, strlen(name));
	return len > strlen(name) && len <= sizeof(padded) &&
	    memcmp(padded, value, len) == 0;
}

/*
 * Other devices than ours may have any name, but what is forwarded comes from
 * none of lo, and goes from ours to another.
 */
static bool
is_wrong_device(enum test_packet p, enum subject s, uint32_t ifindex,
    const uint8_t *value, size_t len)
{
	const struct packet_facts *f = facts_of(p);
	const bool in = s == SUBJECT_IIFNAME || s == SUBJECT_IIF;
	const bool tun = in ? f->from_tun : f->to_tun;
	uint32_t index;

	if (s == SUBJECT_IIFNAME || s == SUBJECT_OIFNAME)
		return is_device_name(LO_NAME, value, len) ||
		    (!tun && is_device_name(TUN_NAME, value, len));
	if (s != SUBJECT_IIF && s != SUBJECT_OIF)
		return false;
	memcpy(&index, value, sizeof(index));
	return index == LO_IFINDEX ||
	    (!tun && ifindex != 0 && index == ifindex);
}

enum match
packet_match(enum test_packet p, const struct packet_field *field,
    uint32_t ifindex, const uint8_t *low, const uint8_t *high, size_t len)
{
	const enum subject s = field->subject;
	const bool one = memcmp(low, high, len) == 0;
	struct span span;
	const uint8_t *least, *greatest;

	if (s == SUBJECT_OTHER || len == 0 || len > field->len ||
	    (size_t)field->offset + len > HEADER_MAX)
		return MATCH_MAYBE;
	/* Of host byte order, so that memcmp(3) knows no order. */
	if ((s == SUBJECT_IIF || s == SUBJECT_OIF || s == SUBJECT_CT_STATE) &&
	    (!one || len != field->len))
		return MATCH_MAYBE;
	if (one && is_wrong_device(p, s, ifindex, low, len))
		return MATCH_NO;
	set_field(&span, p, s, ifindex);
	least = span.low + field->offset;
	greatest = span.high + field->offset;
	if (memcmp(low, least, len) <= 0 && memcmp(greatest, high, len) <= 0)
		return MATCH_YES;
	if (memcmp(high, least, len) < 0 || memcmp(low, greatest, len) > 0)
		return MATCH_NO;
	return MATCH_MAYBE;
}

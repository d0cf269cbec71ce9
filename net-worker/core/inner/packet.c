/*
 * Inner IP packets: see packet.h.
 *
 * A received packet and the packet quoted in an ICMP error go through the same
 * readers of the IP header. A quote is a packet cut short, so its lengths say
 * nothing, and the first fragment will do where a whole packet is wanted of
 * the others.
 */
#include "net-worker/core/inner/packet.h"

#include <endian.h>
#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"

/* RFC 791, 3.1. */
#define OPTION_END          0
#define OPTION_NOP          1
#define OPTION_LOOSE_ROUTE  131
#define OPTION_STRICT_ROUTE 137

#define ECN_ECT_1 1
#define ECN_ECT_0 2
#define ECN_CE    3

enum extent {
	WHOLE,
	QUOTED,
};

static bool
fragment_acceptable(unsigned offset, bool more, enum extent extent)
{
	return offset == 0 && (!more || extent == QUOTED);
}

/* Options that cannot be read are taken for the worst. */
static bool
options_route(struct cursor c)
{
	while (!cursor_done(&c)) {
		uint8_t type = cursor_u8(&c), length;

		if (type == OPTION_END)
			return false;
		if (type == OPTION_NOP)
			continue;
		length = cursor_u8(&c);
		if (length < 2 || cursor_bytes(&c, length - 2u) == NULL)
			return true;
		if (type == OPTION_LOOSE_ROUTE || type == OPTION_STRICT_ROUTE)
			return true;
	}
	return false;
}

static enum packet_result
read_ipv4(struct cursor *c, struct packet *p, enum extent extent)
{
	const uint8_t *h = cursor_bytes(c, IPV4_HEADER_LEN);
	struct cursor options;
	uint16_t fragment;
	size_t header_len;

	if (h == NULL || h[0] >> 4 != 4)
		return PACKET_MALFORMED;
	header_len = (h[0] & 0x0fu) * 4u;
	if (header_len < IPV4_HEADER_LEN)
		return PACKET_MALFORMED;
	options = cursor_sub(c, header_len - IPV4_HEADER_LEN);
	if (cursor_failed(&options))
		return PACKET_MALFORMED;
	if (extent == WHOLE && load_be16(h + IPV4_TOTAL) != p->length)
		return PACKET_MALFORMED;
	fragment = load_be16(h + IPV4_FRAGMENT);
	if (!fragment_acceptable(fragment & 0x1fff, fragment & 0x2000, extent))
		return PACKET_FRAGMENT;

	p->source.family = p->destination.family = IP_V4;
	memcpy(p->source.bytes, h + IPV4_SOURCE, 4);
	memcpy(p->destination.bytes, h + IPV4_DESTINATION, 4);
	p->protocol = h[IPV4_PROTOCOL];
	p->identified = true;
	p->identification = load_be16(h + IPV4_IDENTIFIER);
	p->transport = header_len;
	p->source_route = options_route(options);
	return PACKET_OK;
}

/* Steps over one extension header of the given type; *type becomes the next. */
static enum packet_result
read_extension(
    struct cursor *c, struct packet *p, uint8_t *type, enum extent extent)
{
	const uint8_t *h = cursor_bytes(c, 8);
	uint16_t fragment;

	if (h == NULL)
		return PACKET_MALFORMED;
	switch (*type) {
	case IPPROTO_FRAGMENT:
		fragment = load_be16(h + 2);
		if (!fragment_acceptable(fragment >> 3, fragment & 1, extent))
			return PACKET_FRAGMENT;
		p->identified = true;
		p->identification = load_be16(h + 6);
		break;
	case IPPROTO_ROUTING:
		/* Segments left: RFC 8200, 4.4. */
		if (h[3] != 0)
			p->source_route = true;
		/* FALLTHROUGH */
	default:
		if (cursor_bytes(c, h[1] * 8u) == NULL)
			return PACKET_MALFORMED;
		break;
	}
	*type = h[0];
	return PACKET_OK;
}

/*
 * What a receiver steps over on its way to the transport. Everything else is
 * the transport to it, or ends there: also Mobility, HIP and Shim6, which have
 * the form of an extension, the values for experiments, and AH, behind which
 * only the owner of the key looks.
 */
static bool
is_extension(uint8_t type)
{
	return type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING ||
	    type == IPPROTO_FRAGMENT || type == IPPROTO_DSTOPTS;
}

static enum packet_result
read_ipv6(struct cursor *c, struct packet *p, enum extent extent)
{
	const uint8_t *h = cursor_bytes(c, IPV6_HEADER_LEN);
	enum packet_result result;
	bool first = true;
	uint8_t type;

	if (h == NULL || h[0] >> 4 != 6)
		return PACKET_MALFORMED;
	if (extent == WHOLE &&
	    (size_t)load_be16(h + IPV6_PAYLOAD) + IPV6_HEADER_LEN != p->length)
		return PACKET_MALFORMED;
	p->source.family = p->destination.family = IP_V6;
	memcpy(p->source.bytes, h + IPV6_SOURCE, 16);
	memcpy(p->destination.bytes, h + IPV6_DESTINATION, 16);

	for (type = h[IPV6_NEXT]; is_extension(type); first = false) {
		/* RFC 8200, 4.1: nobody takes it elsewhere. */
		if (type == IPPROTO_HOPOPTS && !first)
			return PACKET_MALFORMED;
		result = read_extension(c, p, &type, extent);
		if (result != PACKET_OK)
			return result;
	}
	p->protocol = type;
	p->transport = p->length - c->left;
	return PACKET_OK;
}

static enum packet_result
read_ip(struct cursor *c, struct packet *p, enum extent extent)
{
	if (p->length == 0)
		return PACKET_MALFORMED;
	switch (p->data[0] >> 4) {
	case 4:
		return read_ipv4(c, p, extent);
	case 6:
		return read_ipv6(c, p, extent);
	default:
		return PACKET_MALFORMED;
	}
}

static void
packet_init(struct packet *p, uint8_t *data, size_t length)
{
	memset(p, 0, sizeof(*p));
	p->kind = PACKET_OTHER;
	p->data = data;
	p->length = length;
}

static void
set_ports(struct packet *p, enum packet_kind kind, const uint8_t *header)
{
	p->kind = kind;
	p->source_port = load_be16(header);
	p->destination_port = load_be16(header + 2);
}

/* Sets kind and id when it is an echo: firezone-policy(7), ICMP kinds. */
static bool
read_echo(struct packet *p, const uint8_t *header)
{
	bool v4 = p->source.family == IP_V4;
	uint8_t request = v4 ? 8 : 128, reply = v4 ? 0 : 129;

	if ((header[0] != request && header[0] != reply) || header[1] != 0)
		return false;
	p->kind = PACKET_ICMP_ECHO;
	p->source_port = load_be16(header + ICMP_ECHO_ID);
	return true;
}

/* firezone-policy(7), ICMP kinds. */
static bool
is_icmp_error(uint8_t family, uint8_t type, uint8_t code)
{
	if (family == IP_V4)
		return type == 3 || type == 11;
	return type == 1 || (type == 2 && code == 0) || type == 3;
}

static bool
is_icmp_of(uint8_t family, uint8_t protocol)
{
	return protocol == (family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* Quoted ICMP must be an echo request: we never answer anything else. */
static bool
read_quoted_icmp(struct cursor *c, struct packet *q)
{
	const uint8_t *h = cursor_bytes(c, ICMP_HEADER_LEN);
	uint8_t request = q->source.family == IP_V4 ? 8 : 128;

	return h != NULL && h[0] == request && read_echo(q, h);
}

static bool
read_quote(uint8_t *data, size_t length, struct packet *q)
{
	const uint8_t *ports;
	struct cursor c;

	packet_init(q, data, length);
	cursor_init(&c, data, length);
	if (read_ip(&c, q, QUOTED) != PACKET_OK)
		return false;
	if (is_icmp_of(q->source.family, q->protocol))
		return read_quoted_icmp(&c, q);
	if (q->protocol != IPPROTO_TCP && q->protocol != IPPROTO_UDP)
		return false;
	if ((ports = cursor_bytes(&c, PORTS_LEN)) == NULL)
		return false;
	set_ports(
	    q, q->protocol == IPPROTO_TCP ? PACKET_TCP : PACKET_UDP, ports);
	return true;
}

static enum packet_result
read_tcp(struct cursor *c, struct packet *p)
{
	const uint8_t *h = cursor_bytes(c, TCP_HEADER_LEN);
	size_t header_len;

	if (h == NULL)
		return PACKET_MALFORMED;
	header_len = (h[TCP_OFFSET] >> 4) * 4u;
	if (header_len < TCP_HEADER_LEN ||
	    cursor_bytes(c, header_len - TCP_HEADER_LEN) == NULL)
		return PACKET_MALFORMED;
	set_ports(p, PACKET_TCP, h);
	return PACKET_OK;
}

static enum packet_result
read_udp(struct cursor *c, struct packet *p)
{
	size_t length = c->left;
	const uint8_t *h = cursor_bytes(c, UDP_HEADER_LEN);

	if (h == NULL || load_be16(h + UDP_LENGTH) != length)
		return PACKET_MALFORMED;
	set_ports(p, PACKET_UDP, h);
	return PACKET_OK;
}

static enum packet_result
read_icmp(struct cursor *c, struct packet *p)
{
	const uint8_t *h = cursor_bytes(c, ICMP_HEADER_LEN);
	struct packet quote;

	if (h == NULL)
		return PACKET_MALFORMED;
	p->kind = PACKET_ICMP_OTHER;
	if (read_echo(p, h))
		return PACKET_OK;
	if (is_icmp_error(p->source.family, h[0], h[1]) &&
	    read_quote(
		p->data + p->transport + ICMP_HEADER_LEN, c->left, &quote))
		p->kind = PACKET_ICMP_ERROR;
	return PACKET_OK;
}

static enum packet_result
read_transport(struct cursor *c, struct packet *p)
{
	switch (p->protocol) {
	case IPPROTO_TCP:
		return read_tcp(c, p);
	case IPPROTO_UDP:
		return read_udp(c, p);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!is_icmp_of(p->source.family, p->protocol))
			return PACKET_MALFORMED;
		return read_icmp(c, p);
	default:
		return PACKET_OK;
	}
}

enum packet_result
packet_parse(uint8_t *data, size_t length, struct packet *p)
{
	enum packet_result result;
	struct cursor c;

	packet_init(p, data, length);
	if (length > INNER_PACKET_MAX)
		return PACKET_TOO_LONG;
	cursor_init(&c, data, length);
	if ((result = read_ip(&c, p, WHOLE)) != PACKET_OK)
		return result;
	return read_transport(&c, p);
}

bool
packet_quote(const struct packet *error, struct packet *quote)
{
	size_t offset = error->transport + ICMP_HEADER_LEN;

	return error->kind == PACKET_ICMP_ERROR &&
	    read_quote(error->data + offset, error->length - offset, quote);
}

bool
packet_forbids_fragments(const struct packet *p)
{
	return p->source.family == IP_V6 ||
	    (load_be16(p->data + IPV4_FRAGMENT) & IPV4_DF) != 0;
}

bool
packet_is_echo_reply(const struct packet *echo)
{
	uint8_t reply = echo->source.family == IP_V4 ? 0 : 129;

	return echo->data[echo->transport] == reply;
}

uint32_t
checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t wide = sum;

	/* Adding 32 bits at a time is the same modulo 2^16 - 1 (RFC 1071). */
	for (; len >= 4; at += 4, len -= 4)
		wide += load_be32(at);
	if (len >= 2)
		wide += load_be16(at);
	if (len % 2 != 0)
		wide += (uint64_t)at[len - 1] << 8;
	while (wide >> 32 != 0)
		wide = (wide & UINT32_MAX) + (wide >> 32);
	return (uint32_t)wide;
}

uint16_t
checksum_finish(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t
checksum_pseudo(const struct ip_address *source,
    const struct ip_address *destination, uint8_t protocol, size_t length)
{
	uint8_t tail[8] = { [7] = protocol };
	uint32_t sum;

	store_be32(tail, (uint32_t)length);
	sum = checksum_add(0, source->bytes, ip_size(source));
	sum = checksum_add(sum, destination->bytes, ip_size(destination));
	return checksum_add(sum, tail, sizeof(tail));
}

uint16_t
checksum_update(uint16_t checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~checksum;

	sum += (uint16_t)~before;
	sum += after;
	checksum = checksum_finish(sum);
	return checksum == 0 ? UINT16_MAX : checksum;
}

uint8_t
packet_ecn(const struct packet *p)
{
	if (p->source.family == IP_V4)
		return p->data[1] & 3;
	return (p->data[1] >> 4) & 3;
}

static void
set_ce_ipv4(uint8_t *h)
{
	uint16_t before = load_be16(h), checksum = load_be16(h + IPV4_CHECKSUM);

	h[1] |= ECN_CE;
	store_be16(
	    h + IPV4_CHECKSUM, checksum_update(checksum, before, load_be16(h)));
}

void
packet_mark_ce(struct packet *p)
{
	uint8_t ecn = packet_ecn(p);

	if (ecn != ECN_ECT_0 && ecn != ECN_ECT_1)
		return;
	if (p->source.family == IP_V4)
		set_ce_ipv4(p->data);
	else
		p->data[1] |= ECN_CE << 4;
}

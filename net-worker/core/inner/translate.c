/*
 * Translation between IPv4 and IPv6: see translate.h.
 *
 * Both families have the same transports, and the pseudo-headers of both sum up
 * alike but for their addresses. So little changes: the IP header, the numbers
 * of ICMP, and of what a checksum covers the addresses and these numbers.
 */
#include "net-worker/core/inner/translate.h"

#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/rewrite.h"

/* What an IP header of both families says, but for its addresses. */
struct header {
	uint8_t traffic_class;
	uint8_t hops;
	uint8_t protocol;
	size_t upper; /* bytes behind the header, and behind its extensions */
};

static size_t
header_length(uint8_t family)
{
	return family == IP_V4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN;
}

/* False when it is shorter than its own header. */
static bool
read_header(const struct packet *p, struct header *h)
{
	bool v4 = p->source.family == IP_V4;
	const uint8_t *at = p->data;
	size_t total = v4 ? load_be16(at + IPV4_TOTAL)
			  : load_be16(at + IPV6_PAYLOAD) + IPV6_HEADER_LEN;

	if (total < p->transport)
		return false;
	h->traffic_class = v4 ? at[1] : (uint8_t)(load_be16(at) >> 4);
	h->hops = v4 ? at[8] : at[7];
	h->protocol = p->protocol;
	h->upper = total - p->transport;
	return true;
}

static uint8_t
other_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_ICMP:
		return IPPROTO_ICMPV6;
	case IPPROTO_ICMPV6:
		return IPPROTO_ICMP;
	default:
		return protocol;
	}
}

static void
write_ipv4(uint8_t *to, const struct header *h, const struct packet *p)
{
	size_t total = IPV4_HEADER_LEN + h->upper;

	to[0] = 0x45;
	to[1] = h->traffic_class;
	store_be16(to + IPV4_TOTAL, (uint16_t)total);
	store_be16(to + IPV4_IDENTIFIER, p->identification);
	store_be16(to + IPV4_FRAGMENT, total > TRANSLATE_V4_MAX ? IPV4_DF : 0);
	to[8] = h->hops;
	to[IPV4_PROTOCOL] = h->protocol;
	store_be16(to + IPV4_CHECKSUM, 0);
	memcpy(to + IPV4_SOURCE, p->source.bytes, 4);
	memcpy(to + IPV4_DESTINATION, p->destination.bytes, 4);
	store_be16(to + IPV4_CHECKSUM,
	    checksum_finish(checksum_add(0, to, IPV4_HEADER_LEN)));
}

static void
write_ipv6(uint8_t *to, const struct header *h, const struct packet *p)
{
	store_be32(to, 0x60000000 | (uint32_t)h->traffic_class << 20);
	store_be16(to + IPV6_PAYLOAD, (uint16_t)h->upper);
	to[IPV6_NEXT] = h->protocol;
	to[7] = h->hops;
	memcpy(to + IPV6_SOURCE, p->source.bytes, 16);
	memcpy(to + IPV6_DESTINATION, p->destination.bytes, 16);
}

static void
write_header(struct packet *p, const struct header *h)
{
	if (p->source.family == IP_V4)
		write_ipv4(p->data, h, p);
	else
		write_ipv6(p->data, h, p);
}

/*
 * The sum of all that the checksum of the transport covers and that is not the
 * same in both families.
 */
static uint16_t
sum_of_difference(const struct packet *p, size_t upper)
{
	uint32_t sum = 0;

	if (p->protocol != IPPROTO_ICMP)
		sum = checksum_pseudo(
		    &p->source, &p->destination, p->protocol, upper);
	/* The type of ICMP; where it is a port, that stays as it is. */
	sum = checksum_add(sum, p->data + p->transport, 2);
	return (uint16_t)~checksum_finish(sum);
}

/* Of an echo: RFC 792 and 4443. */
static void
turn_echo(struct packet *p)
{
	uint8_t *type = p->data + p->transport;

	switch (*type) {
	case 8:
		*type = 128;
		break;
	case 0:
		*type = 129;
		break;
	case 128:
		*type = 8;
		break;
	default:
		*type = 0;
		break;
	}
}

/*
 * The packet's transport stands where it will be, and what is in front of it
 * is no longer needed: the rest of it becomes that of the other family.
 */
static void
turn_packet(struct packet *p, const struct header *from,
    const struct ip_address *source, const struct ip_address *destination,
    uint16_t identification)
{
	bool v4 = source->family == IP_V4;
	struct header h = *from;
	uint16_t before = sum_of_difference(p, h.upper);
	uint8_t *checksum;

	p->protocol = h.protocol = other_protocol(h.protocol);
	p->source = *source;
	p->destination = *destination;
	p->source_route = false;
	/* RFC 7915, 5.1.1: what has one keeps it. */
	if (v4 && !p->identified)
		p->identification = identification;
	p->identified = v4;
	if (p->kind == PACKET_ICMP_ECHO)
		turn_echo(p);
	if ((checksum = transport_checksum(p)) != NULL)
		store_be16(checksum,
		    checksum_update(load_be16(checksum), before,
			sum_of_difference(p, h.upper)));
	write_header(p, &h);
}

/* RFC 8200, 8.1: in IPv6 there has to be one. */
static void
compute_udp_checksum(struct packet *p)
{
	size_t length = p->length - p->transport;
	uint8_t *udp = p->data + p->transport;
	uint16_t sum;

	sum = checksum_finish(checksum_add(
	    checksum_pseudo(&p->source, &p->destination, IPPROTO_UDP, length),
	    udp, length));
	store_be16(udp + UDP_CHECKSUM, sum == 0 ? UINT16_MAX : sum);
}

static bool
has_udp_checksum(const struct packet *p)
{
	return load_be16(p->data + p->transport + UDP_CHECKSUM) != 0;
}

static bool
is_translatable(const struct packet *p)
{
	return p->kind == PACKET_TCP || p->kind == PACKET_UDP ||
	    p->kind == PACKET_ICMP_ECHO;
}

/* Whether there is too much behind the IP header for one packet of IPv6. */
static bool
is_to_be_cut(const struct packet *p)
{
	return p->source.family == IP_V4 &&
	    p->length - p->transport > INNER_PACKET_MAX - IPV6_HEADER_LEN;
}

size_t
translate_growth(const struct packet *p)
{
	size_t header = IPV6_HEADER_LEN;

	if (is_to_be_cut(p))
		header += FRAGMENT_HEADER_LEN;
	/* Of IPv6 all headers together are longer than the one of IPv4. */
	return p->transport < header ? header - p->transport : 0;
}

bool
translate_fits(const struct packet *p)
{
	return !is_to_be_cut(p) || !packet_forbids_fragments(p);
}

/* Makes room for that much header in front of the transport. */
static bool
move_transport(struct packet *p, size_t header)
{
	size_t grow = translate_growth(p);
	size_t upper = p->length - p->transport, move = 0;
	uint8_t *transport = p->data + p->transport;

	if (grow > p->headroom) {
		move = grow - p->headroom;
		if (move > p->tailroom)
			return false;
		memmove(transport + move, transport, upper);
	}
	p->headroom += p->transport + move - header;
	p->tailroom -= move;
	p->data = transport + move - header;
	p->transport = header;
	p->length = header + upper;
	return true;
}

bool
translate_packet(struct packet *p, const struct ip_address *source,
    const struct ip_address *destination, uint16_t identification)
{
	struct header h;

	if (!is_translatable(p) || !translate_fits(p) || !read_header(p, &h) ||
	    !move_transport(p, header_length(source->family)))
		return false;
	turn_packet(p, &h, source, destination, identification);
	if (p->kind == PACKET_UDP && p->source.family == IP_V6 &&
	    !has_udp_checksum(p))
		compute_udp_checksum(p);
	return true;
}

static void
write_fragment(uint8_t *ip, uint8_t protocol, size_t offset, size_t length,
    bool more, uint16_t identification)
{
	uint8_t *header = ip + IPV6_HEADER_LEN;

	store_be16(ip + IPV6_PAYLOAD, (uint16_t)(FRAGMENT_HEADER_LEN + length));
	ip[IPV6_NEXT] = IPPROTO_FRAGMENT;
	header[0] = protocol;
	header[1] = 0;
	store_be16(header + FRAGMENT_OFFSET,
	    (uint16_t)(offset | (more ? FRAGMENT_MORE : 0)));
	store_be32(header + FRAGMENT_IDENTIFICATION, identification);
}

size_t
translate_cut(struct packet *p, uint8_t *rest)
{
	const size_t header = IPV6_HEADER_LEN + FRAGMENT_HEADER_LEN;
	const size_t first = INNER_PACKET_MAX - header;
	size_t left;

	if (p->length <= INNER_PACKET_MAX)
		return 0;
	left = p->length - IPV6_HEADER_LEN - first;
	memcpy(rest, p->data, IPV6_HEADER_LEN);
	write_fragment(
	    rest, p->protocol, first, left, false, p->identification);
	memcpy(rest + header, p->data + IPV6_HEADER_LEN + first, left);

	p->data -= FRAGMENT_HEADER_LEN;
	memmove(p->data, p->data + FRAGMENT_HEADER_LEN, IPV6_HEADER_LEN);
	write_fragment(p->data, p->protocol, 0, first, true, p->identification);
	p->headroom -= FRAGMENT_HEADER_LEN;
	p->tailroom += left;
	p->transport = header;
	p->length = INNER_PACKET_MAX;
	p->cut_off = left;
	return header + left;
}

/* Errors. */

/* Type 0 is no error of either family: there is no such error there. */
struct error_name {
	uint8_t type, code;
};

/* ICMPv4 type 3 by its code, but for 4, whose rest differs. */
static const struct error_name unreachable_v4[] = {
	[0] = { 1, 0 },
	[1] = { 1, 0 },
	[2] = { 4, 1 }, /* of the protocol, which is the next header here */
	[3] = { 1, 4 },
	[5] = { 1, 0 },
	[6] = { 1, 0 },
	[7] = { 1, 0 },
	[8] = { 1, 0 },
	[9] = { 1, 1 },
	[10] = { 1, 1 },
	[11] = { 1, 0 },
	[12] = { 1, 0 },
	[13] = { 1, 1 },
	[15] = { 1, 1 },
};

/* ICMPv6 type 1 by its code. */
static const struct error_name unreachable_v6[] = {
	[0] = { 3, 1 },
	[1] = { 3, 10 },
	[2] = { 3, 1 },
	[3] = { 3, 1 },
	[4] = { 3, 3 },
};

static bool
name_error(struct icmp_error *to, const struct error_name *names, size_t count,
    uint8_t code)
{
	if (code >= count || names[code].type == 0)
		return false;
	to->type = names[code].type;
	to->code = names[code].code;
	if (to->type == 4)
		to->rest = IPV6_NEXT; /* where in the packet the trouble is */
	return true;
}

/* No IPv4 link has less than 68: RFC 791. */
static uint32_t
mtu_in_ipv4(uint32_t mtu)
{
	const uint32_t less = IPV6_HEADER_LEN - IPV4_HEADER_LEN, least = 68;

	if (mtu < least + less)
		return least;
	return mtu - less < TRANSLATE_V4_MAX ? mtu - less : TRANSLATE_V4_MAX;
}

static bool
error_in_ipv6(const uint8_t *h, struct icmp_error *to)
{
	to->rest = 0;
	if (h[0] == 11) {
		to->type = 3;
		to->code = h[1];
		return true;
	}
	if (h[1] == 4) {
		to->type = 2;
		to->code = 0;
		to->rest = INNER_PACKET_MAX;
		return true;
	}
	return name_error(to, unreachable_v4,
	    sizeof(unreachable_v4) / sizeof(unreachable_v4[0]), h[1]);
}

static bool
error_in_ipv4(const uint8_t *h, struct icmp_error *to)
{
	to->rest = 0;
	if (h[0] == 3) {
		to->type = 11;
		to->code = h[1];
		return true;
	}
	if (h[0] == 2) {
		to->type = 3;
		to->code = 4;
		to->rest = mtu_in_ipv4(load_be32(h + 4));
		return true;
	}
	return name_error(to, unreachable_v6,
	    sizeof(unreachable_v6) / sizeof(unreachable_v6[0]), h[1]);
}

bool
translate_error(const struct packet *error, struct icmp_error *to)
{
	const uint8_t *h = error->data + error->transport;

	if (error->kind != PACKET_ICMP_ERROR)
		return false;
	if (error->source.family == IP_V4)
		return error_in_ipv6(h, to);
	return error_in_ipv4(h, to);
}

bool
translate_quote(struct packet *quote, const struct ip_address *source,
    const struct ip_address *destination, uint8_t *to)
{
	size_t header = header_length(source->family);
	size_t rest = quote->length - quote->transport;
	struct header h;

	/* Of IPv6 the length field does not count the header. */
	if (!read_header(quote, &h) ||
	    (source->family == IP_V4 && h.upper > UINT16_MAX - header))
		return false;
	if (rest > INNER_PACKET_MAX - header)
		rest = INNER_PACKET_MAX - header;
	memcpy(to + header, quote->data + quote->transport, rest);
	quote->data = to;
	quote->length = header + rest;
	quote->transport = header;
	quote->headroom = quote->tailroom = 0;
	turn_packet(quote, &h, source, destination, 0);
	return true;
}

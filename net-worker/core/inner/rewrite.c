/*
 * Rewriting of packets: see rewrite.h.
 *
 * A checksum is linear, so that the sum of an address's bytes changes it like
 * a single word of that value would.
 */
#include "net-worker/core/inner/rewrite.h"

#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"

uint8_t *
transport_checksum(const struct packet *p)
{
	size_t at = p->transport;

	switch (p->protocol) {
	case IPPROTO_TCP:
		at += TCP_CHECKSUM;
		break;
	case IPPROTO_UDP:
		at += UDP_CHECKSUM;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		at += ICMP_CHECKSUM;
		break;
	default:
		return NULL;
	}
	if (at + 2 > p->length)
		return NULL;
	/* RFC 768: the sender made none. */
	if (p->protocol == IPPROTO_UDP && load_be16(p->data + at) == 0)
		return NULL;
	return p->data + at;
}

static void
update_checksum(uint8_t *checksum, uint16_t before, uint16_t after)
{
	store_be16(
	    checksum, checksum_update(load_be16(checksum), before, after));
}

static uint16_t
checksum_sum_of(const void *data, size_t len)
{
	return (uint16_t)~checksum_finish(checksum_add(0, data, len));
}

static void
replace_address(struct packet *p, size_t at, const struct ip_address *ip)
{
	uint8_t *field = p->data + at, *checksum;
	size_t size = ip_size(&p->source);
	uint16_t before = checksum_sum_of(field, size),
		 after = checksum_sum_of(ip->bytes, size);

	memcpy(field, ip->bytes, size);
	if (p->source.family == IP_V4)
		update_checksum(p->data + IPV4_CHECKSUM, before, after);
	/* All but ICMPv4 cover a pseudo-header. */
	if (p->protocol != IPPROTO_ICMP &&
	    (checksum = transport_checksum(p)) != NULL)
		update_checksum(checksum, before, after);
}

void
rewrite_source(struct packet *p, const struct ip_address *ip)
{
	replace_address(
	    p, p->source.family == IP_V4 ? IPV4_SOURCE : IPV6_SOURCE, ip);
	p->source = *ip;
}

void
rewrite_destination(struct packet *p, const struct ip_address *ip)
{
	replace_address(p,
	    p->source.family == IP_V4 ? IPV4_DESTINATION : IPV6_DESTINATION,
	    ip);
	p->destination = *ip;
}

static void
replace_word(struct packet *p, size_t offset, uint16_t value)
{
	uint8_t *field = p->data + p->transport + offset;
	uint8_t *checksum = transport_checksum(p);

	if (checksum != NULL)
		update_checksum(checksum, load_be16(field), value);
	store_be16(field, value);
}

void
rewrite_source_port(struct packet *p, uint16_t port)
{
	replace_word(p, 0, port);
	p->source_port = port;
}

void
rewrite_destination_port(struct packet *p, uint16_t port)
{
	replace_word(p, 2, port);
	p->destination_port = port;
}

void
rewrite_echo_id(struct packet *p, uint16_t id)
{
	replace_word(p, ICMP_ECHO_ID, id);
	p->source_port = id;
}

/* All checksums of an inner packet at once, for tests that rewrite packets. */
#ifndef TESTS_LIB_CHECKSUMS_H
#define TESTS_LIB_CHECKSUMS_H

#include "common/buffer.h"
#include "net-worker/core/inner/packet.h"

/* Of the transport: NULL where there is none that we know. */
static inline uint8_t *
checksum_field(const struct packet *p)
{
	uint8_t *transport = p->data + p->transport;

	switch (p->protocol) {
	case IPPROTO_TCP:
		return transport + 16;
	case IPPROTO_UDP:
		return transport + 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return transport + 2;
	default:
		return NULL;
	}
}

static inline uint32_t
transport_sum(const struct packet *p)
{
	size_t length = p->length - p->transport;
	uint32_t sum = 0;

	if (p->protocol != IPPROTO_ICMP)
		sum = checksum_pseudo(
		    &p->source, &p->destination, p->protocol, length);
	return checksum_add(sum, p->data + p->transport, length);
}

static inline size_t
header_length(const struct packet *p)
{
	return (p->data[0] & 0x0fu) * 4u;
}

/* Of the IP header, if it has one. */
static inline void
set_header_checksum(const struct packet *p)
{
	if (p->source.family != IP_V4)
		return;
	store_be16(p->data + 10, 0);
	store_be16(p->data + 10,
	    checksum_finish(checksum_add(0, p->data, header_length(p))));
}

/* Makes them right. */
static inline void
set_checksums(const struct packet *p)
{
	uint8_t *field = checksum_field(p);
	uint16_t sum;

	set_header_checksum(p);
	if (field == NULL)
		return;
	store_be16(field, 0);
	sum = checksum_finish(transport_sum(p));
	store_be16(
	    field, sum == 0 && p->protocol == IPPROTO_UDP ? UINT16_MAX : sum);
}

/* 0 and 0xffff are the same: firezone-policy(7), Checksums. */
static inline bool
sum_right(uint32_t sum)
{
	uint16_t left = checksum_finish(sum);

	return left == 0 || left == UINT16_MAX;
}

static inline bool
checksums_right(const struct packet *p)
{
	const uint8_t *field = checksum_field(p);

	if (p->source.family == IP_V4 &&
	    !sum_right(checksum_add(0, p->data, header_length(p))))
		return false;
	if (field == NULL ||
	    (p->protocol == IPPROTO_UDP && load_be16(field) == 0))
		return true;
	return sum_right(transport_sum(p));
}

#endif /* TESTS_LIB_CHECKSUMS_H */

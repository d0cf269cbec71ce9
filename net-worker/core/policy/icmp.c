/* The two answers: see icmp.h. */
#include "net-worker/core/policy/icmp.h"

#include <netinet/in.h>

#include "common/buffer.h"

#define IPV4_HEADER_LEN 20
#define IPV6_HEADER_LEN 40
#define ICMP_HEADER_LEN 8
#define ICMP_TTL        20
#define QUOTE_V4_LEN    8 /* behind the header */
#define QUOTE_V6_MAX    (INNER_PACKET_MAX - IPV6_HEADER_LEN - ICMP_HEADER_LEN)

struct icmp_verdict {
	uint8_t type;
	uint8_t code;
};

static const struct icmp_verdict verdicts_v4[] = {
	[ICMP_PROHIBITED] = { 3, 13 },
	[ICMP_UNREACHABLE] = { 3, 0 },
};

static const struct icmp_verdict verdicts_v6[] = {
	[ICMP_PROHIBITED] = { 1, 1 },
	[ICMP_UNREACHABLE] = { 1, 3 },
};

static size_t
at_most(size_t length, size_t limit)
{
	return length < limit ? length : limit;
}

/* From header to the end of what was written, on top of sum. */
static void
set_checksum(struct writer *w, size_t header, size_t field, uint32_t sum)
{
	uint8_t *h = w->base + header;

	store_be16(
	    h + field, checksum_finish(checksum_add(sum, h, w->len - header)));
}

static void
write_ipv4(struct writer *w, const struct packet *offending, size_t payload)
{
	size_t total = IPV4_HEADER_LEN + payload;

	writer_be16(w, 0x4500);
	writer_be16(w, (uint16_t)total);
	writer_zero(w, 4); /* identification, flags, offset */
	writer_u8(w, ICMP_TTL);
	writer_u8(w, IPPROTO_ICMP);
	writer_zero(w, 2);
	writer_bytes(w, offending->destination.bytes, 4);
	writer_bytes(w, offending->source.bytes, 4);
	set_checksum(w, 0, 10, 0);
}

static void
write_ipv6(struct writer *w, const struct packet *offending, size_t payload)
{
	writer_be32(w, 0x60000000);
	writer_be16(w, (uint16_t)payload);
	writer_u8(w, IPPROTO_ICMPV6);
	writer_u8(w, ICMP_TTL);
	writer_bytes(w, offending->destination.bytes, 16);
	writer_bytes(w, offending->source.bytes, 16);
}

static void
write_icmp(struct writer *w, struct icmp_verdict verdict, uint32_t pseudo,
    const uint8_t *quote, size_t quote_len)
{
	size_t header = w->len;

	writer_u8(w, verdict.type);
	writer_u8(w, verdict.code);
	writer_zero(w, 6);
	writer_bytes(w, quote, quote_len);
	set_checksum(w, header, 2, pseudo);
}

static void
build_v4(struct writer *w, enum icmp_reply reply, const struct packet *p)
{
	size_t quote = at_most(p->length, p->transport + QUOTE_V4_LEN);

	write_ipv4(w, p, ICMP_HEADER_LEN + quote);
	write_icmp(w, verdicts_v4[reply], 0, p->data, quote);
}

static void
build_v6(struct writer *w, enum icmp_reply reply, const struct packet *p)
{
	size_t quote = at_most(p->length, QUOTE_V6_MAX);
	size_t payload = ICMP_HEADER_LEN + quote;

	write_ipv6(w, p, payload);
	write_icmp(w, verdicts_v6[reply],
	    checksum_pseudo(
		&p->destination, &p->source, IPPROTO_ICMPV6, payload),
	    p->data, quote);
}

size_t
icmp_build(enum icmp_reply reply, const struct packet *offending, uint8_t *to)
{
	struct writer w;

	writer_init(&w, to, INNER_PACKET_MAX);
	if (offending->source.family == IP_V4)
		build_v4(&w, reply, offending);
	else
		build_v6(&w, reply, offending);
	return writer_failed(&w) ? 0 : w.len;
}

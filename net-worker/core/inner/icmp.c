/* ICMP errors: see icmp.h. */
#include "net-worker/core/inner/icmp.h"

#include <netinet/in.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"

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

/* From header to the end of what was written, on top of sum. */
static void
set_checksum(struct writer *w, size_t header, size_t field, uint32_t sum)
{
	uint8_t *h = w->base + header;

	store_be16(
	    h + field, checksum_finish(checksum_add(sum, h, w->len - header)));
}

static void
write_icmp_ipv4(struct writer *w, const struct icmp_error *e)
{
	size_t total = IPV4_HEADER_LEN + ICMP_HEADER_LEN + e->quote_len;

	writer_be16(w, 0x4500);
	writer_be16(w, (uint16_t)total);
	writer_zero(w, 4); /* identification, flags, offset */
	writer_u8(w, ICMP_TTL);
	writer_u8(w, IPPROTO_ICMP);
	writer_zero(w, 2);
	writer_bytes(w, e->source.bytes, 4);
	writer_bytes(w, e->destination.bytes, 4);
	set_checksum(w, 0, IPV4_CHECKSUM, 0);
}

static void
write_icmp_ipv6(struct writer *w, const struct icmp_error *e)
{
	writer_be32(w, 0x60000000);
	writer_be16(w, (uint16_t)(ICMP_HEADER_LEN + e->quote_len));
	writer_u8(w, IPPROTO_ICMPV6);
	writer_u8(w, ICMP_TTL);
	writer_bytes(w, e->source.bytes, 16);
	writer_bytes(w, e->destination.bytes, 16);
}

static void
write_icmp(struct writer *w, const struct icmp_error *e, uint32_t pseudo)
{
	size_t header = w->len;

	writer_u8(w, e->type);
	writer_u8(w, e->code);
	writer_zero(w, 2);
	writer_be32(w, e->rest);
	writer_bytes(w, e->quote, e->quote_len);
	set_checksum(w, header, ICMP_CHECKSUM, pseudo);
}

size_t
icmp_write(const struct icmp_error *e, uint8_t *to)
{
	struct writer w;

	writer_init(&w, to, INNER_PACKET_MAX);
	if (e->source.family == IP_V4) {
		write_icmp_ipv4(&w, e);
		write_icmp(&w, e, 0);
	} else {
		write_icmp_ipv6(&w, e);
		write_icmp(&w, e,
		    checksum_pseudo(&e->source, &e->destination, IPPROTO_ICMPV6,
			ICMP_HEADER_LEN + e->quote_len));
	}
	return writer_failed(&w) ? 0 : w.len;
}

/* To whom the offending packet is from, with as much of it as belongs in. */
static struct icmp_error
error_answering(const struct packet *offending)
{
	size_t quote_max = offending->source.family == IP_V4
	    ? offending->transport + QUOTE_V4_LEN
	    : QUOTE_V6_MAX;

	return (struct icmp_error){
		.source = offending->destination,
		.destination = offending->source,
		.quote = offending->data,
		.quote_len = offending->length < quote_max ? offending->length
							   : quote_max,
	};
}

size_t
icmp_build(enum icmp_reply reply, const struct packet *offending, uint8_t *to)
{
	struct icmp_verdict verdict = offending->source.family == IP_V4
	    ? verdicts_v4[reply]
	    : verdicts_v6[reply];
	struct icmp_error e = error_answering(offending);

	e.type = verdict.type;
	e.code = verdict.code;
	return icmp_write(&e, to);
}

size_t
icmp_build_too_long(const struct packet *offending, uint16_t mtu, uint8_t *to)
{
	struct icmp_error e = error_answering(offending);

	e.type = 3;
	e.code = 4;
	e.rest = mtu;
	return icmp_write(&e, to);
}

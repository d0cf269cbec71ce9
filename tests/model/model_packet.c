/* Inner packets for the model: see model_packet.h. */
#include "tests/model/model_packet.h"

#include <string.h>

#define TCP    6
#define UDP    17
#define ICMP   1
#define ICMPV6 58

unsigned
model_word(const uint8_t *data)
{
	return data[0] * 256u + data[1];
}

void
model_put_word(uint8_t *data, unsigned value)
{
	data[0] = (uint8_t)(value / 256);
	data[1] = (uint8_t)(value % 256);
}

/*
 * LSRR (131) and SSRR (137) send a packet on to where nobody judged it; options
 * that cannot be read might hide one.
 */
static bool
options_route(const uint8_t *options, size_t left)
{
	while (left > 0) {
		size_t size = 1;

		if (options[0] == 0)
			return false;
		if (options[0] == 131 || options[0] == 137)
			return true;
		if (options[0] != 1) {
			if (left < 2 || options[1] < 2 || options[1] > left)
				return true;
			size = options[1];
		}
		options += size;
		left -= size;
	}
	return false;
}

static bool
read_v4(const uint8_t *data, size_t length, bool quoted, struct model_packet *p)
{
	size_t header;
	unsigned offset, more;

	if (length < 20)
		return false;
	header = (data[0] % 16u) * 4;
	if (header < 20 || header > length)
		return false;
	if (!quoted && model_word(data + 2) != length)
		return false;
	more = model_word(data + 6) / 0x2000 % 2;
	offset = model_word(data + 6) % 0x2000;
	/* What is quoted may have become fragments on its way. */
	if (offset != 0 || (more != 0 && !quoted))
		return false;
	p->source = ip_from_bytes(IP_V4, data + 12);
	p->destination = ip_from_bytes(IP_V4, data + 16);
	p->source_route = options_route(data + 20, header - 20);
	p->protocol = data[9];
	p->transport = header;
	return true;
}

/*
 * The headers of 9.2 that receivers step over; all others, those for mobility,
 * HIP and shim6 too, are transports that we do not know.
 */
static bool
is_extension(uint8_t type)
{
	return type == 0 || type == 43 || type == 44 || type == 60;
}

static bool
read_v6(const uint8_t *data, size_t length, bool quoted, struct model_packet *p)
{
	uint8_t next;
	size_t at = 40;

	if (length < 40)
		return false;
	if (!quoted && 40 + model_word(data + 4) != length)
		return false;
	p->source = ip_from_bytes(IP_V6, data + 8);
	p->destination = ip_from_bytes(IP_V6, data + 24);
	p->source_route = false;
	for (next = data[6]; is_extension(next);) {
		const uint8_t *header = data + at;
		size_t size = 8;

		/* Hop-by-hop options come first or not at all. */
		if (length - at < 8 || (next == 0 && at > 40))
			return false;
		if (next == 44) {
			unsigned offset = model_word(header + 2) / 8;
			unsigned more = model_word(header + 2) % 2;

			if (offset != 0 || (more != 0 && !quoted))
				return false;
		} else
			size = (header[1] + 1u) * 8;
		if (size > length - at)
			return false;
		if (next == 43 && header[3] != 0)
			p->source_route = true;
		next = header[0];
		at += size;
	}
	p->protocol = next;
	p->transport = at;
	return true;
}

static bool
read_ip(const uint8_t *data, size_t length, bool quoted, struct model_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->kind = MODEL_OTHER;
	if (length < 1)
		return false;
	if (data[0] / 16 == 4)
		return read_v4(data, length, quoted, p);
	if (data[0] / 16 == 6)
		return read_v6(data, length, quoted, p);
	return false;
}

/* 6.9, first sentence */
static bool
is_error(bool v6, uint8_t type, uint8_t code)
{
	if (v6)
		return type == 1 || (type == 2 && code == 0) || type == 3;
	return type == 3 || type == 11;
}

static bool
is_echo(bool v6, uint8_t type, uint8_t code)
{
	if (v6)
		return (type == 128 || type == 129) && code == 0;
	return (type == 8 || type == 0) && code == 0;
}

static bool
read_icmp(const uint8_t *icmp, size_t length, struct model_packet *p)
{
	bool v6 = p->protocol == ICMPV6;
	struct model_packet quote;

	/* Each in its own family only. */
	if (v6 != (p->source.family == IP_V6) || length < 8)
		return false;
	p->kind = MODEL_ICMP_OTHER;
	if (is_echo(v6, icmp[0], icmp[1])) {
		p->kind = MODEL_ECHO;
		p->source_port = (uint16_t)model_word(icmp + 4);
		p->destination_port = p->source_port;
	} else if (is_error(v6, icmp[0], icmp[1]) &&
	    model_parse_quote(icmp + 8, length - 8, &quote))
		p->kind = MODEL_ICMP_ERROR;
	return true;
}

bool
model_parse(const uint8_t *data, size_t length, struct model_packet *p)
{
	const uint8_t *transport;
	size_t left;

	if (length > MODEL_PACKET_MAX || !read_ip(data, length, false, p))
		return false;
	transport = data + p->transport;
	left = length - p->transport;
	switch (p->protocol) {
	case TCP:
		if (left < 20 || transport[12] / 16 < 5 ||
		    transport[12] / 16 * 4u > left)
			return false;
		p->kind = MODEL_TCP;
		break;
	case UDP:
		if (left < 8 || model_word(transport + 4) != left)
			return false;
		p->kind = MODEL_UDP;
		break;
	case ICMP:
	case ICMPV6:
		return read_icmp(transport, left, p);
	default:
		return true;
	}
	p->source_port = (uint16_t)model_word(transport);
	p->destination_port = (uint16_t)model_word(transport + 2);
	return true;
}

bool
model_parse_quote(const uint8_t *data, size_t length, struct model_packet *p)
{
	const uint8_t *transport;
	size_t left;
	bool v6;

	if (!read_ip(data, length, true, p))
		return false;
	v6 = p->source.family == IP_V6;
	transport = data + p->transport;
	left = length - p->transport;
	if (p->protocol == TCP || p->protocol == UDP) {
		if (left < 4)
			return false;
		p->kind = p->protocol == TCP ? MODEL_TCP : MODEL_UDP;
		p->source_port = (uint16_t)model_word(transport);
		p->destination_port = (uint16_t)model_word(transport + 2);
		return true;
	}
	if (p->protocol != (v6 ? ICMPV6 : ICMP) || left < 8)
		return false;
	if (transport[0] != (v6 ? 128 : 8) || transport[1] != 0)
		return false;
	p->kind = MODEL_ECHO;
	p->source_port = (uint16_t)model_word(transport + 4);
	p->destination_port = p->source_port;
	return true;
}

uint32_t
model_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? data[i] * 256u : data[i];
	return sum;
}

uint16_t
model_finish(uint32_t sum)
{
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	return (uint16_t)(0xffff - sum);
}

uint32_t
model_pseudo_sum(const struct ip_address *from, const struct ip_address *to,
    uint8_t protocol, size_t length)
{
	uint32_t sum = (uint32_t)length + protocol;

	sum = model_sum(sum, from->bytes, 16);
	return model_sum(sum, to->bytes, 16);
}

/* The right checksum of what lies from "from" on, the field itself left out. */
static uint16_t
right_checksum(
    uint32_t sum, const uint8_t *data, size_t from, size_t end, size_t field)
{
	sum = model_sum(sum, data + from, field - from);
	return model_finish(
	    model_sum(sum, data + field + 2, end - (field + 2)));
}

/* right_now + was - right_then, where minus is adding the complement. */
void
model_set_checksum(uint8_t *field, uint16_t right_then, uint16_t right_now)
{
	uint32_t sum = model_word(field);

	sum += right_now + (0xffffu - right_then);
	while (sum > 0xffff)
		sum = sum % 0x10000 + sum / 0x10000;
	model_put_word(field, sum == 0 ? 0xffff : sum);
}

void
model_note(struct model_checksums *c, size_t at, bool udp)
{
	c->at[c->count] = at;
	c->udp[c->count++] = udp;
}

size_t
model_field_of(const struct model_packet *p)
{
	return p->kind == MODEL_TCP ? 16 : p->kind == MODEL_UDP ? 6 : 2;
}

static uint16_t
right_transport(const uint8_t *data, size_t length,
    const struct model_packet *p, const struct ip_address *source,
    const struct ip_address *destination)
{
	uint32_t sum = 0;

	if (p->protocol != ICMP)
		sum = model_pseudo_sum(
		    source, destination, p->protocol, length - p->transport);
	return right_checksum(
	    sum, data, p->transport, length, p->transport + model_field_of(p));
}

void
model_put_address(uint8_t *data, bool destination, const struct ip_address *a)
{
	size_t size = a->family == IP_V4 ? 4 : 16;
	size_t at = a->family == IP_V4 ? 12 : 8;

	memcpy(data + at + (destination ? size : 0), a->bytes, size);
}

void
model_rewrite(uint8_t *data, size_t length, const struct model_packet *p,
    const struct ip_address *source, const struct ip_address *destination,
    uint16_t value, bool first, struct model_checksums *c)
{
	bool v4 = p->source.family == IP_V4;
	size_t header = v4 ? data[0] % 16u * 4 : 0;
	size_t field = p->transport + model_field_of(p);
	bool there = field + 2 <= length;
	bool none =
	    there && p->kind == MODEL_UDP && model_word(data + field) == 0;
	uint16_t header_then = 0, then = 0;

	if (v4)
		header_then = right_checksum(0, data, 0, header, 10);
	if (there)
		then = right_transport(
		    data, length, p, &p->source, &p->destination);
	if (source != NULL)
		model_put_address(data, false, source);
	if (destination != NULL)
		model_put_address(data, true, destination);
	model_put_word(data + p->transport +
		(p->kind == MODEL_ECHO ? 4
			: first        ? 0
				       : 2),
	    value);
	if (v4) {
		model_set_checksum(data + 10, header_then,
		    right_checksum(0, data, 0, header, 10));
		model_note(c, 10, false);
	}
	if (there && !none) {
		model_set_checksum(data + field, then,
		    right_transport(data, length, p,
			source != NULL ? source : &p->source,
			destination != NULL ? destination : &p->destination));
		model_note(c, field, p->kind == MODEL_UDP);
	}
}

size_t
model_icmp(uint8_t to[MODEL_PACKET_MAX], const struct ip_address *from,
    const struct ip_address *destination, uint8_t type, uint8_t code,
    uint32_t rest, const uint8_t *quote, size_t length)
{
	bool v6 = from->family == IP_V6;
	uint8_t *icmp = to + (v6 ? 40 : 20);
	uint32_t sum = 0;

	memset(to, 0, 48);
	to[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		model_put_word(to + 4, (unsigned)(8 + length));
		to[6] = ICMPV6;
		to[7] = 20;
		sum = model_pseudo_sum(from, destination, ICMPV6, 8 + length);
	} else {
		model_put_word(to + 2, (unsigned)(28 + length));
		to[8] = 20;
		to[9] = ICMP;
	}
	model_put_address(to, false, from);
	model_put_address(to, true, destination);
	if (!v6)
		model_put_word(to + 10, model_finish(model_sum(0, to, 20)));
	icmp[0] = type;
	icmp[1] = code;
	model_put_word(icmp + 4, rest / 0x10000);
	model_put_word(icmp + 6, rest % 0x10000);
	memcpy(icmp + 8, quote, length);
	model_put_word(
	    icmp + 2, model_finish(model_sum(sum, icmp, 8 + length)));
	return (v6 ? 40u : 20u) + 8 + length;
}

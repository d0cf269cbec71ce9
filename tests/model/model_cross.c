/* Between the families: see model_cross.h. */
#include "tests/model/model_cross.h"

#include <string.h>

#define ICMP   1
#define ICMPV6 58

/* RFC 7915, 4.1 and 5.1: all that is not options or extension headers. */
static size_t
cross_header(const uint8_t *data, uint8_t protocol, size_t payload,
    const struct ip_address *source, const struct ip_address *destination,
    uint8_t *to)
{
	bool to_v6 = source->family == IP_V6;
	size_t header = to_v6 ? 40 : 20;

	memset(to, 0, header);
	if (to_v6) {
		to[0] = (uint8_t)(0x60 + data[1] / 16);
		to[1] = (uint8_t)(data[1] % 16 * 16);
		model_put_word(to + 4, (unsigned)payload);
		to[6] = protocol;
		to[7] = data[8];
	} else {
		to[0] = 0x45;
		to[1] = (uint8_t)(data[0] % 16 * 16 + data[1] / 16);
		model_put_word(to + 2, (unsigned)(20 + payload));
		/* DF; what is quoted may say anything of its length. */
		if (20 + payload > MODEL_CROSS_V4_MAX)
			to[6] = 0x40;
		to[8] = data[7];
		to[9] = protocol;
	}
	model_put_address(to, false, source);
	model_put_address(to, true, destination);
	if (!to_v6)
		model_put_word(to + 10, model_finish(model_sum(0, to, 20)));
	return header;
}

/* Each kind has its own pseudo-header, and ICMP of IPv4 none. */
static uint16_t
checksum_at(const uint8_t *transport, size_t there, size_t payload,
    uint8_t protocol, size_t field, const struct ip_address *source,
    const struct ip_address *destination)
{
	uint32_t sum = 0;

	if (protocol != ICMP)
		sum = model_pseudo_sum(source, destination, protocol, payload);
	sum = model_sum(sum, transport, field);
	return model_finish(
	    model_sum(sum, transport + field + 2, there - field - 2));
}

bool
model_identification(
    const uint8_t *data, const struct model_packet *p, unsigned *to)
{
	bool found = false;
	unsigned next = data[6];

	if (p->source.family != IP_V6)
		return false;
	for (size_t at = 40, size; at < p->transport; at += size) {
		size = 8;
		if (next == 44) {
			*to = model_word(data + at + 6);
			found = true;
		} else
			size += 8u * data[at + 1];
		next = data[at];
	}
	return found;
}

void
model_identify(uint8_t *ipv4, unsigned identification)
{
	model_put_word(ipv4 + 4, identification);
	model_put_word(ipv4 + 10, 0);
	model_put_word(ipv4 + 10, model_finish(model_sum(0, ipv4, 20)));
}

static void
cross_echo_type(uint8_t *icmp)
{
	static const uint8_t pairs[][2] = { { 8, 128 }, { 0, 129 }, { 128, 8 },
		{ 129, 0 } };

	for (size_t i = 0; i < 4; i++)
		if (icmp[0] == pairs[i][0]) {
			icmp[0] = pairs[i][1];
			return;
		}
}

/*
 * Of the payload bytes that its header promises, "there" are there. whole: what
 * has no checksum gets one.
 */
static size_t
cross_packet(const uint8_t *data, size_t there, size_t payload,
    const struct model_packet *p, const struct ip_address *source,
    const struct ip_address *destination, uint16_t value, bool first,
    bool whole, uint8_t *to, struct model_checksums *c)
{
	bool to_v6 = source->family == IP_V6;
	bool echo = p->kind == MODEL_ECHO;
	uint8_t protocol = !echo ? p->protocol : to_v6 ? ICMPV6 : ICMP;
	size_t at =
	    cross_header(data, protocol, payload, source, destination, to);
	size_t field = model_field_of(p);
	uint8_t *transport = to + at;
	uint16_t then, now;
	bool none;

	if (!to_v6)
		model_note(c, 10, false);
	memcpy(transport, data + p->transport, there);
	none = p->kind == MODEL_UDP && field + 2 <= there &&
	    model_word(transport + field) == 0;
	if (field + 2 <= there)
		then = checksum_at(transport, there, payload, p->protocol,
		    field, &p->source, &p->destination);
	if (echo)
		cross_echo_type(transport);
	model_put_word(transport + (echo ? 4 : first ? 0 : 2), value);
	if (field + 2 > there || (none && !(whole && to_v6)))
		return at + there;
	now = checksum_at(
	    transport, there, payload, protocol, field, source, destination);
	if (none)
		model_put_word(transport + field, now == 0 ? 0xffff : now);
	else
		model_set_checksum(transport + field, then, now);
	model_note(c, at + field, p->kind == MODEL_UDP);
	return at + there;
}

size_t
model_cross(uint8_t data[MODEL_WHOLE_MAX], size_t length,
    const struct model_packet *p, const struct ip_address *source,
    const struct ip_address *destination, uint16_t value, bool first,
    struct model_checksums *c)
{
	uint8_t copy[MODEL_PACKET_MAX];
	size_t payload = length - p->transport;

	if (p->source.family == IP_V4 && data[6] & 0x40 &&
	    payload > (size_t)MODEL_CROSS_V4_MAX - 20)
		return 0;
	memcpy(copy, data, length);
	return cross_packet(copy, payload, payload, p, source, destination,
	    value, first, true, data, c);
}

/* RFC 8200, 4.5: two headers, and behind them what follows each other. */
size_t
model_cut(uint8_t data[MODEL_WHOLE_MAX], size_t *length,
    unsigned identification, uint8_t rest[MODEL_REST_MAX],
    struct model_checksums *c)
{
	uint8_t whole[MODEL_WHOLE_MAX], header[48] = { 0 };
	size_t behind = *length - 1272;

	if (*length <= MODEL_PACKET_MAX)
		return 0;
	memcpy(whole, data, *length);
	memcpy(header, whole, 40);
	header[6] = 44;
	header[40] = whole[6];
	model_put_word(header + 46, identification);

	memcpy(data, header, 48);
	model_put_word(data + 4, 1240);
	data[43] = 1;
	memcpy(data + 48, whole + 40, 1232);
	memcpy(rest, header, 48);
	model_put_word(rest + 4, (unsigned)(8 + behind));
	model_put_word(rest + 42, 1232);
	memcpy(rest + 48, whole + 1272, behind);
	*length = MODEL_PACKET_MAX;
	for (size_t i = 0; i < c->count; i++)
		c->at[i] += 8;
	return 48 + behind;
}

static unsigned
promised_length(const uint8_t *data)
{
	return data[0] / 16 == 4 ? model_word(data + 2)
				 : 40 + model_word(data + 4);
}

size_t
model_cross_quote(const uint8_t *data, size_t length,
    const struct model_packet *p, const struct ip_address *source,
    const struct ip_address *destination, uint16_t value, uint8_t *to,
    struct model_checksums *c)
{
	unsigned promised = promised_length(data), identification;
	size_t n;

	if (promised < p->transport)
		return 0;
	/* IPv4 tells the length with the header, in 16 bits as IPv6. */
	if (source->family == IP_V4 && promised - p->transport + 20 > 0xffff)
		return 0;
	n = cross_packet(data, length - p->transport, promised - p->transport,
	    p, source, destination, value, true, false, to, c);
	if (model_identification(data, p, &identification))
		model_identify(to, identification);
	return n;
}

/* RFC 7915, 4.2 and 5.2. */

static bool
cross_error_to_v6(const uint8_t icmp[8], struct model_crossed_error *e)
{
	/* By the code of unreachable; 0xff: there is none. */
	static const uint8_t codes[16] = { 0, 0, 1, 4, 0, 0, 0, 0, 0, 1, 1, 0,
		0, 1, 0xff, 1 };

	if (icmp[0] == 11) {
		e->type = 3;
		e->code = icmp[1];
		return true;
	}
	if (icmp[0] != 3 || icmp[1] > 15 || codes[icmp[1]] == 0xff)
		return false;
	e->type = 1;
	e->code = codes[icmp[1]];
	if (icmp[1] == 2) {
		e->type = 4;
		e->rest = 6; /* the place of "next header" */
		e->pointer = true;
	} else if (icmp[1] == 4) {
		e->type = 2;
		e->mtu = true;
		/* No less than that is valid, and a tunnel has no more. */
		e->rest = 1280;
	}
	return true;
}

static bool
cross_error_to_v4(const uint8_t icmp[8], struct model_crossed_error *e)
{
	static const uint8_t codes[] = { 1, 10, 1, 1, 3 };
	uint32_t mtu = model_word(icmp + 4) * 0x10000u + model_word(icmp + 6);

	e->type = 3;
	e->code = 4;
	if (icmp[0] == 2) {
		e->mtu = true;
		e->rest = mtu < 88 ? 68 : mtu > 1280 ? 1260 : mtu - 20;
		return true;
	}
	if (icmp[0] == 3) {
		e->type = 11;
		e->code = icmp[1];
		return true;
	}
	if (icmp[0] != 1 || icmp[1] >= sizeof(codes))
		return false;
	e->code = codes[icmp[1]];
	return true;
}

bool
model_cross_error(
    bool from_v6, const uint8_t icmp[8], struct model_crossed_error *e)
{
	memset(e, 0, sizeof(*e));
	return from_v6 ? cross_error_to_v4(icmp, e)
		       : cross_error_to_v6(icmp, e);
}

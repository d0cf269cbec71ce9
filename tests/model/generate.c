/* Random packets: see generate.h. */
#include "tests/model/generate.h"

#include <string.h>

#define TCP    6
#define UDP    17
#define ICMP   1
#define ICMPV6 58

/* What is between the addresses: one transport, not yet in a packet. */
struct shape {
	struct ip_address from, to;
	uint8_t protocol;
	uint8_t bytes[GENERATED_MAX];
	size_t length;
};

static void
put_word(uint8_t *to, unsigned value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void
fill(struct dice *d, uint8_t *to, size_t length)
{
	for (size_t i = 0; i < length; i++)
		to[i] = (uint8_t)roll(d, 256);
}

/* Short mostly; now and then as long as fits, and a little more. */
static size_t
payload_length(struct dice *d)
{
	if (percent(d, 3))
		return 1205 + roll(d, 60);
	return roll(d, percent(d, 10) ? 200 : 20);
}

static bool
is_v6(const struct shape *s)
{
	return s->from.family == IP_V6;
}

/* Transports */

static void
put_payload(struct dice *d, struct shape *s, size_t header)
{
	size_t length = payload_length(d);

	fill(d, s->bytes + header, length);
	s->length = header + length;
}

static void
put_tcp(struct dice *d, struct shape *s, uint16_t from, uint16_t to)
{
	size_t header = percent(d, 20) ? 20 + roll(d, 11) * 4 : 20;

	fill(d, s->bytes, header);
	put_word(s->bytes, from);
	put_word(s->bytes + 2, to);
	s->bytes[12] = (uint8_t)(header / 4 << 4);
	s->bytes[13] = 0x10;
	if (percent(d, 10))
		s->bytes[13] |= 0x01; /* FIN */
	if (percent(d, 4))
		s->bytes[13] |= 0x04; /* RST */
	if (percent(d, 10))
		s->bytes[13] |= (uint8_t)(roll(d, 64) & ~5u);
	s->protocol = TCP;
	put_payload(d, s, header);
}

static void
put_udp(struct dice *d, struct shape *s, uint16_t from, uint16_t to)
{
	put_payload(d, s, 8);
	put_word(s->bytes, from);
	put_word(s->bytes + 2, to);
	put_word(s->bytes + 4, (unsigned)s->length);
	s->protocol = UDP;
}

static void
put_icmp(struct shape *s, unsigned type, unsigned code)
{
	s->protocol = is_v6(s) ? ICMPV6 : ICMP;
	memset(s->bytes, 0, 8);
	s->bytes[0] = (uint8_t)type;
	s->bytes[1] = (uint8_t)code;
}

static void
put_echo(struct dice *d, struct shape *s, bool request, uint16_t id)
{
	put_payload(d, s, 8);
	put_icmp(s, is_v6(s) ? (request ? 128 : 129) : (request ? 8 : 0), 0);
	put_word(s->bytes + 4, id);
	put_word(s->bytes + 6, roll(d, 65536));
}

static void
put_other_icmp(struct dice *d, struct shape *s)
{
	static const uint8_t v4[][2] = { { 13, 0 }, { 5, 1 }, { 8, 1 },
		{ 0, 1 }, { 4, 0 }, { 12, 0 }, { 10, 0 }, { 128, 0 }, { 2, 0 },
		{ 1, 0 } };
	static const uint8_t v6[][2] = { { 135, 0 }, { 128, 1 }, { 129, 1 },
		{ 2, 1 }, { 4, 0 }, { 137, 0 }, { 0, 0 }, { 8, 0 }, { 11, 0 },
		{ 130, 0 } };
	const uint8_t *what = is_v6(s) ? PICK(d, v6) : PICK(d, v4);

	put_payload(d, s, 8);
	put_icmp(s, what[0], what[1]);
}

static void
put_unknown(struct dice *d, struct shape *s)
{
	static const uint8_t protocols[] = { 47, 50, 51, 59, 132, 253, 254, 255,
		2, 4, 41, ICMP, ICMPV6, TCP, UDP, 0, 43, 44 };

	s->protocol = PICK(d, protocols);
	s->length = roll(d, 30);
	fill(d, s->bytes, s->length);
}

static void
put_error_around(
    struct dice *d, struct shape *s, const uint8_t *quote, size_t length)
{
	static const uint8_t v4[][2] = { { 3, 0 }, { 3, 1 }, { 3, 2 }, { 3, 3 },
		{ 3, 4 }, { 3, 4 }, { 3, 13 }, { 11, 0 }, { 11, 1 },
		{ 3, 255 } };
	static const uint8_t v6[][2] = { { 1, 0 }, { 1, 1 }, { 1, 4 }, { 2, 0 },
		{ 2, 0 }, { 3, 0 }, { 3, 1 }, { 1, 255 } };
	const uint8_t *what = is_v6(s) ? PICK(d, v6) : PICK(d, v4);

	put_icmp(s, what[0], what[1]);
	if (percent(d, 30) && s->bytes[0] <= 3)
		s->bytes[1] = (uint8_t)roll(d, 17);
	if (percent(d, 70))
		fill(d, s->bytes + 4, 4);
	if (percent(d, 40))
		put_word(s->bytes + 4, 0);
	if (percent(d, 40))
		put_word(s->bytes + 6, percent(d, 30) ? 0 : roll(d, 1400));
	if (percent(d, 5))
		s->bytes[0] = (uint8_t)roll(d, 16);
	if (length > 0)
		memcpy(s->bytes + 8, quote, length);
	s->length = 8 + length;
	/* What RFC 4884 puts there. */
	if (percent(d, 5)) {
		fill(d, s->bytes + s->length, 12);
		s->length += 12;
	}
}

/* Packets around them */

static size_t
put_extension(struct dice *d, uint8_t *to, uint8_t type)
{
	size_t length = 8;

	fill(d, to, 8);
	to[1] = 0;
	if (type == 44) {
		to[2] = 0;
		to[3] &= 6;
		if (percent(d, 5))
			to[3] |= 1;
		if (percent(d, 5))
			to[2 + roll(d, 2)] |= 8;
		return 8;
	}
	if (percent(d, 30)) {
		to[1] = 1;
		length = 16;
		fill(d, to + 8, 8);
	}
	if (type == 43)
		to[3] = percent(d, 60) ? 0 : (uint8_t)roll(d, 4);
	return length;
}

/* Puts a chain in front of the transport; the type of its first header. */
static size_t
put_extensions(struct dice *d, uint8_t *to, uint8_t *first, uint8_t transport)
{
	static const uint8_t types[] = { 0, 43, 44, 60, 135, 139, 140, 43 };
	uint8_t *next = first;
	size_t length = 0;

	if (percent(d, 12))
		for (uint32_t n = 1 + roll(d, 3); n > 0; n--) {
			uint8_t type = PICK(d, types);
			uint8_t *header = to + length;

			*next = type;
			length += put_extension(d, header, type);
			next = header;
		}
	*next = transport;
	return length;
}

static size_t
put_options(struct dice *d, uint8_t *to)
{
	static const uint8_t kinds[] = { 0, 1, 1, 7, 68, 131, 137, 148, 130,
		136 };
	size_t length = 0, size = 4 * (1 + roll(d, 10));

	if (!percent(d, 8))
		return 0;
	fill(d, to, size);
	while (length < size) {
		uint8_t kind = PICK(d, kinds);

		to[length++] = kind;
		if (kind <= 1 || length == size)
			continue;
		to[length] = (uint8_t)(2 + roll(d, 6));
		if (percent(d, 4))
			to[length] = (uint8_t)roll(d, 4);
		length += to[length] > 1 ? to[length] - 1u : 1u;
	}
	return size;
}

static void
put_checksums(
    struct dice *d, uint8_t *data, size_t at, size_t length, struct shape *s)
{
	static const struct {
		uint8_t protocol, field;
	} where[] = { { TCP, 16 }, { UDP, 6 }, { ICMP, 2 }, { ICMPV6, 2 } };
	uint32_t sum = 0;

	for (size_t i = 0; i < 4; i++) {
		uint8_t *field = data + at + where[i].field;

		if (s->protocol != where[i].protocol ||
		    at + where[i].field + 2u > length)
			continue;
		put_word(field, 0);
		if (s->protocol != ICMP)
			sum = model_pseudo_sum(
			    &s->from, &s->to, s->protocol, length - at);
		put_word(field,
		    model_finish(model_sum(sum, data + at, length - at)));
		if (percent(d, 3))
			put_word(field, roll(d, 65536));
		if (percent(d, 6))
			put_word(field, roll(d, 3) == 0 ? 0xffff : 0);
	}
}

static size_t
put_v6(struct dice *d, uint8_t *to, struct shape *s)
{
	size_t at = 40;

	to[0] = (uint8_t)(0x60 | roll(d, 16));
	fill(d, to + 1, 3);
	to[7] = (uint8_t)roll(d, 256);
	memcpy(to + 8, s->from.bytes, 16);
	memcpy(to + 24, s->to.bytes, 16);
	at += put_extensions(d, to + 40, to + 6, s->protocol);
	return at;
}

static size_t
put_v4(struct dice *d, uint8_t *to, struct shape *s)
{
	size_t at = 20 + put_options(d, to + 20);

	to[0] = (uint8_t)(0x40 | at / 4);
	fill(d, to + 1, 11);
	/* DF and the reserved flag mean nothing to us. */
	to[6] &= 0xc0;
	to[7] = 0;
	if (percent(d, 1))
		to[6] |= 0x20;
	if (percent(d, 1))
		put_word(to + 6, roll(d, 65536));
	to[9] = s->protocol;
	memcpy(to + 12, s->from.bytes, 4);
	memcpy(to + 16, s->to.bytes, 4);
	return at;
}

static size_t
put_packet(struct dice *d, uint8_t to[GENERATED_MAX], struct shape *s)
{
	bool v6 = is_v6(s);
	size_t at = v6 ? put_v6(d, to, s) : put_v4(d, to, s);
	size_t length;

	if (s->length > GENERATED_MAX - at)
		s->length = GENERATED_MAX - at;
	length = at + s->length;
	memcpy(to + at, s->bytes, s->length);
	put_word(to + (v6 ? 4 : 2), (unsigned)(v6 ? length - 40 : length));
	put_checksums(d, to, at, length, s);
	if (!v6 && percent(d, 98)) {
		put_word(to + 10, 0);
		put_word(to + 10, model_finish(model_sum(0, to, at)));
	}
	return length;
}

/* One byte of the headers is not what it should be, or the end is missing. */
static size_t
tamper(struct dice *d, uint8_t *data, size_t length)
{
	if (!percent(d, 3))
		return length;
	switch (roll(d, 4)) {
	case 0:
		return roll(d, (uint32_t)length + 1);
	case 1:
		if (length < GENERATED_MAX)
			data[length++] = (uint8_t)roll(d, 256);
		return length;
	case 2:
		data[roll(d, (uint32_t)length)] = (uint8_t)roll(d, 256);
		return length;
	default:
		data[roll(d, 10)] ^= (uint8_t)(1u << roll(d, 8));
		return length;
	}
}

/* Quotes */

/* Of what was sent lately: a part, as the laws of its family allow or not. */
static size_t
sent_quote(struct world *w, bool v6, uint8_t *to)
{
	struct dice *d = &w->dice;
	const struct seen *s;
	size_t length = 0;

	if (w->sent_count == 0)
		return 0;
	for (int i = 0; i < 4; i++) {
		s = &w->sent[roll(d,
		    (uint32_t)(w->sent_count < WORLD_SEEN ? w->sent_count
							  : WORLD_SEEN))];
		length = s->length;
		memcpy(to, s->data, length);
		if ((s->packet.source.family == IP_V6) == v6)
			break;
	}
	if (percent(d, 40) && length > s->packet.transport + 8)
		length = s->packet.transport + 8;
	else if (percent(d, 30))
		length -= roll(d, (uint32_t)(length - s->packet.transport + 1));
	if (percent(d, 3))
		length = roll(d, (uint32_t)length + 1);
	if (percent(d, 4) && length > 0)
		to[roll(d, (uint32_t)length)] ^= (uint8_t)(1u << roll(d, 8));
	if (percent(d, 3) && length >= 8)
		to[6] ^= 0x20;
	/* A length that it did not have. */
	if (percent(d, 6) && length >= 8)
		put_word(to + (to[0] / 16 == 6 ? 4 : 2),
		    percent(d, 50) ? roll(d, 2200) : roll(d, 65536));
	if (percent(d, 20) && length < 300) {
		size_t more = roll(d, 800);

		fill(d, to + length, more);
		length += more;
	}
	return length;
}

static size_t
made_up_quote(struct world *w, const struct ip_address *from,
    const struct ip_address *to, uint8_t *quote)
{
	struct dice *d = &w->dice;
	struct shape s = { .from = *from, .to = *to };
	size_t length;

	switch (roll(d, 5)) {
	case 0:
		length = roll(d, 60);
		fill(d, quote, length);
		return length;
	case 1:
		put_echo(d, &s, roll(d, 2), world_port(w));
		break;
	case 2:
		put_unknown(d, &s);
		break;
	case 3:
		put_tcp(d, &s, world_port(w), world_port(w));
		break;
	default:
		put_udp(d, &s, world_port(w), world_port(w));
		break;
	}
	length = put_packet(d, quote, &s);
	return length > 300 ? 300 : length;
}

static void
put_error(struct world *w, struct shape *s)
{
	struct dice *d = &w->dice;
	uint8_t quote[GENERATED_MAX];
	bool v6 = is_v6(s);
	size_t length;

	if (percent(d, 70))
		length = sent_quote(w, v6, quote);
	else if (percent(d, 15)) {
		struct ip_address from = world_resource_address(w, !v6);
		struct ip_address to = world_resource_address(w, !v6);

		length = made_up_quote(w, &from, &to, quote);
	} else
		length = made_up_quote(w, &s->to, &s->from, quote);
	put_error_around(d, s, quote, length);
}

static void
any_transport(struct world *w, struct shape *s)
{
	struct dice *d = &w->dice;
	uint32_t n = roll(d, 100);

	if (n < 38)
		put_tcp(d, s, world_port(w), world_port(w));
	else if (n < 72)
		put_udp(d, s, world_port(w), world_port(w));
	else if (n < 88)
		put_echo(d, s, percent(d, 80), world_port(w));
	else if (n < 92)
		put_other_icmp(d, s);
	else if (n < 95)
		put_error(w, s);
	else
		put_unknown(d, s);
}

/* Addresses */

static struct ip_address
neighbour(struct world *w, bool v6)
{
	struct ip_address a = v6 ? (struct ip_address){ IP_V6,
		{ 0xfd, 0, 0x20, 0x21, 0x11, 0x11, [15] = 3 } }
				 : ip_v4(100, 64, 0, 3);

	if (percent(&w->dice, 30)) {
		a.bytes[v6 ? 13 : 1] |= 31;
		a.bytes[v6 ? 14 : 2] = 255;
	}
	return a;
}

static struct ip_address
group(struct world *w, bool v6)
{
	struct ip_address a = v6
	    ? (struct ip_address){ IP_V6, { 0xff, 2, [15] = 0x16 } }
	    : ip_v4(224, 0, 0, 22);

	if (!v6)
		a.bytes[0] = (uint8_t)(224 + roll(&w->dice, 17));
	return a;
}

/* One that stands for something, if any does. */
static struct ip_address
proxy(struct world *w, bool v6)
{
	struct dice *d = &w->dice;
	const struct model *m = w->model;

	for (int i = 0; i < 8 && m->name_count > 0 && !percent(d, 2); i++) {
		const struct model_name *n =
		    &m->names[roll(d, (uint32_t)m->name_count)];

		if (n->proxy.family == (v6 ? IP_V6 : IP_V4))
			return n->proxy;
	}
	return world_proxy(w, roll(d, WORLD_NAMES), v6, roll(d, WORLD_PROXIES));
}

/* The other end. */
static struct ip_address
far_end(struct world *w, bool v6)
{
	uint32_t n = roll(&w->dice, 100);

	if (n < 55)
		return proxy(w, v6);
	if (n < 80)
		return world_resource_address(w, v6);
	if (n < 87)
		return world_public_address(w, v6);
	if (n < 93 && w->gateway[v6].family != IP_NONE)
		return w->gateway[v6];
	if (n < 97)
		return neighbour(w, v6);
	return group(w, v6);
}

/* Ours, mostly. */
static struct ip_address
near_end(struct world *w, bool v6)
{
	struct dice *d = &w->dice;

	if (percent(d, 96) && w->me[v6].family != IP_NONE)
		return w->me[v6];
	if (percent(d, 20))
		return (struct ip_address){ v6 ? IP_V6 : IP_V4, { 0 } };
	return percent(d, 50) ? neighbour(w, v6) : far_end(w, v6);
}

/* IPv6 from nowhere to nowhere: what is for the gateway alone. */
static size_t
control_shape(struct dice *d, uint8_t to[GENERATED_MAX])
{
	size_t length = 40 + roll(d, 40);

	memset(to, 0, 40);
	to[0] = 0x60;
	put_word(to + 4, (unsigned)length - 40);
	to[6] = 255;
	fill(d, to + 40, length - 40);
	return length;
}

/* Of a protocol that NAT knows; for the echo of ICMP, from is the id. */
static void
put_protocol(struct dice *d, struct shape *s, uint8_t protocol, bool request,
    uint16_t from, uint16_t to)
{
	if (protocol == TCP)
		put_tcp(d, s, from, to);
	else if (protocol == UDP)
		put_udp(d, s, from, to);
	else
		put_echo(d, s, request, request ? from : to);
}

/* The next packet of a session of NAT. */
static bool
session_outbound(struct world *w, struct shape *s)
{
	const struct model_nat *nat = &w->model->nat;
	const struct model_session *session;

	if (nat->count == 0)
		return false;
	session = &nat->sessions[roll(&w->dice, (uint32_t)nat->count)];
	s->from = near_end(w, session->proxy.family == IP_V6);
	s->to = session->proxy;
	put_protocol(&w->dice, s, session->protocol, true, session->inside,
	    world_port(w));
	return true;
}

/* An answer to it, or to one that has ended. */
static bool
session_inbound(struct world *w, struct shape *s)
{
	struct dice *d = &w->dice;
	const struct model_nat *nat = &w->model->nat;
	struct model_session session;

	if (nat->ended_count > 0 && percent(d, 15)) {
		const struct model_ended *e =
		    &nat->ended[roll(d, (uint32_t)nat->ended_count)];

		session.protocol = e->protocol;
		session.outside = e->outside;
		session.real = e->real;
	} else if (nat->count > 0)
		session = nat->sessions[roll(d, (uint32_t)nat->count)];
	else
		return false;
	s->from = session.real;
	s->to = near_end(w, session.real.family == IP_V6);
	put_protocol(
	    d, s, session.protocol, false, world_port(w), session.outside);
	return true;
}

size_t
generate_outbound(struct world *w, uint8_t to[GENERATED_MAX])
{
	struct dice *d = &w->dice;
	bool v6 = percent(d, 38);
	struct shape s;

	if (roll(d, 500) == 0)
		return control_shape(d, to);
	if (percent(d, 25) && session_outbound(w, &s))
		return tamper(d, to, put_packet(d, to, &s));
	s.from = near_end(w, v6);
	s.to = far_end(w, v6);
	any_transport(w, &s);
	return tamper(d, to, put_packet(d, to, &s));
}

/* The answer to one that was sent, near enough. */
static bool
reply(struct world *w, struct shape *s)
{
	struct dice *d = &w->dice;
	const struct model_packet *p;
	uint16_t from, to;

	if (w->sent_count == 0)
		return false;
	p = &w->sent[roll(d,
			 (uint32_t)(w->sent_count < WORLD_SEEN ? w->sent_count
							       : WORLD_SEEN))]
		 .packet;
	s->from = p->destination;
	s->to = p->source;
	from = p->destination_port;
	to = p->source_port;
	if (percent(d, 5))
		from = world_port(w);
	if (percent(d, 4))
		to = (uint16_t)(to + 1);
	switch (p->kind) {
	case MODEL_TCP:
		put_tcp(d, s, from, to);
		return true;
	case MODEL_UDP:
		put_udp(d, s, from, to);
		return true;
	case MODEL_ECHO:
		put_echo(d, s, percent(d, 10), to);
		return true;
	default:
		any_transport(w, s);
		return true;
	}
}

size_t
generate_inbound(struct world *w, uint8_t to[GENERATED_MAX])
{
	struct dice *d = &w->dice;
	bool v6 = percent(d, 38);
	uint32_t n = roll(d, 100);
	struct shape s;

	if (roll(d, 500) == 0)
		return control_shape(d, to);
	if (n < 25 && session_inbound(w, &s))
		return tamper(d, to, put_packet(d, to, &s));
	if (n < 45 && reply(w, &s))
		return tamper(d, to, put_packet(d, to, &s));
	s.to = near_end(w, v6);
	s.from = far_end(w, v6);
	if (n < 55 && w->gateway[v6].family != IP_NONE)
		s.from = w->gateway[v6];
	if (n < 75 && percent(d, 75))
		put_error(w, &s);
	else
		any_transport(w, &s);
	return tamper(d, to, put_packet(d, to, &s));
}

static size_t
plain(struct shape *s, uint16_t from, uint16_t to, uint8_t data[GENERATED_MAX])
{
	struct dice none = { 1 };

	memset(s->bytes, 0, 8);
	put_word(s->bytes, from);
	put_word(s->bytes + 2, to);
	put_word(s->bytes + 4, 8);
	s->protocol = UDP;
	s->length = 8;
	memset(data, 0, 20);
	data[0] = 0x45;
	data[9] = UDP;
	put_word(data + 2, 28);
	memcpy(data + 12, s->from.bytes, 4);
	memcpy(data + 16, s->to.bytes, 4);
	memcpy(data + 20, s->bytes, 8);
	put_checksums(&none, data, 20, 28, s);
	return 28;
}

size_t
generate_plain(struct world *w, const struct ip_address *to, uint16_t port,
    uint8_t data[GENERATED_MAX])
{
	struct shape s = { .from = w->me[0], .to = *to };

	return plain(&s, port, 53, data);
}

size_t
generate_plain_reply(struct world *w, const struct ip_address *from,
    uint16_t port, uint8_t data[GENERATED_MAX])
{
	struct shape s = { .from = *from, .to = w->me[0] };

	return plain(&s, 53, port, data);
}

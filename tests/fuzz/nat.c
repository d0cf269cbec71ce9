/*
 * NAT: packets of a client and of resources, well formed or any, over time, in
 * sessions within a family and from one to the other. What comes out is a
 * packet of the right addresses whose checksums are right if they were, and two
 * tables, of which one hears of the time between packets and the other does
 * not, never differ.
 */
#include "net-worker/core/inner/nat.h"
#include "net-worker/core/inner/translate.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/lib/checksums.h"

struct rig {
	struct nat *told, *untold;
	struct mono now;
};

#define ROOM 16 /* on each side of a packet */

static struct nat *tables[2];
/* What the source of a packet that crosses becomes. */
static const struct ip_address client_v4 = { IP_V4, { 100, 64, 0, 9 } },
			       client_v6 = { IP_V6, { 0xfd, [15] = 9 } };

void
fuzz_init(void)
{
	for (size_t i = 0; i < 2; i++) {
		must((tables[i] = nat_new()) != NULL);
		nat_set_client(tables[i], &client_v4, &client_v6);
	}
}

/* Few of each, so that flows meet. */
static struct ip_address
pick_address(struct cursor *in, enum ip_family family, bool proxy)
{
	struct ip_address ip = {
		.family = (uint8_t)family,
		.bytes = { (uint8_t)(proxy ? 100 : 10), 96 },
	};

	ip.bytes[ip_size(&ip) - 1] = (uint8_t)pick(in, 4);
	return ip;
}

static uint16_t
pick_value(struct cursor *in)
{
	return (uint16_t)(65534 + pick(in, 6));
}

static uint8_t
pick_protocol(struct cursor *in, enum ip_family family)
{
	uint8_t icmp = family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	return (uint8_t[]){ IPPROTO_TCP, IPPROTO_UDP, icmp, 132 }[pick(in, 4)];
}

static void
write_ip(struct writer *w, const struct ip_address *from,
    const struct ip_address *to, uint8_t protocol, size_t length)
{
	if (from->family == IP_V4) {
		writer_be16(w, 0x4500);
		writer_be16(w, (uint16_t)(length + 20));
		writer_zero(w, 4);
		writer_u8(w, 64);
		writer_u8(w, protocol);
		writer_zero(w, 2);
	} else {
		writer_be32(w, 0x60000000);
		writer_be16(w, (uint16_t)length);
		writer_u8(w, protocol);
		writer_u8(w, 64);
	}
	writer_bytes(w, from->bytes, ip_size(from));
	writer_bytes(w, to->bytes, ip_size(to));
}

static void
write_flow(struct writer *w, struct cursor *in, bool out,
    const struct ip_address *from, const struct ip_address *to)
{
	uint8_t protocol = pick_protocol(in, from->family);
	uint16_t value = pick_value(in);
	uint8_t flags = cursor_u8(in);

	write_ip(w, from, to, protocol, 24);
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		writer_u8(w, protocol == IPPROTO_ICMP ? 8 : 128);
		writer_zero(w, 3);
		writer_be16(w, value);
		writer_zero(w, 18);
		return;
	}
	writer_be16(w, out ? value : 53);
	writer_be16(w, out ? 53 : value);
	writer_be16(w, protocol == IPPROTO_UDP ? 24 : 0);
	writer_zero(w, 6);
	writer_u8(w, 5 << 4);
	writer_u8(w, flags);
	writer_zero(w, 10);
}

/* About a packet that goes from the client to the resource. */
static void
write_error(struct writer *w, struct cursor *in, const struct ip_address *from,
    const struct ip_address *to)
{
	uint8_t inner[64], protocol;
	struct writer quote;
	size_t len;

	writer_init(&quote, inner, sizeof(inner));
	write_flow(&quote, in, true, to, from);
	len = quote.len - pick(in, 21);
	protocol = from->family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	write_ip(w, from, to, protocol, 8 + len);
	writer_u8(w, from->family == IP_V4 ? 3 : 1 + cursor_u8(in) % 3);
	writer_u8(w, cursor_u8(in) % 5);
	writer_zero(w, 2);
	writer_be32(w, cursor_be32(in));
	writer_bytes(w, inner, len);
}

/* A packet in a block of its size, or NULL when it is none. */
static uint8_t *
pick_packet(struct cursor *in, bool out, struct packet *p)
{
	enum ip_family family = pick_bool(in) ? IP_V4 : IP_V6;
	struct ip_address from = pick_address(in, family, false),
			  to = pick_address(in, family, out);
	struct writer w;
	uint8_t *block;
	size_t len;

	switch (pick(in, 4)) {
	case 0:
		block = pick_block(in, INNER_PACKET_MAX, &len);
		break;
	case 1:
		block = malloc(INNER_PACKET_MAX);
		must(block != NULL);
		writer_init(&w, block, INNER_PACKET_MAX);
		write_error(&w, in, &from, &to);
		len = w.len;
		break;
	default:
		block = malloc(INNER_PACKET_MAX);
		must(block != NULL);
		writer_init(&w, block, INNER_PACKET_MAX);
		write_flow(&w, in, out, &from, &to);
		len = w.len;
	}
	if (packet_parse(block, len, p) == PACKET_OK)
		return block;
	free(block);
	return NULL;
}

/* The packet is what it says it is. A new IP header has a right checksum. */
static void
check_packet(const struct packet *p, bool right, bool crossed)
{
	struct packet again;

	must(checksums_right(p) == right || (crossed && !right));
	if (p->length > INNER_PACKET_MAX) {
		must(crossed && p->headroom >= 8);
		return;
	}
	must(packet_parse(p->data, p->length, &again) == PACKET_OK);
	must(ip_equal(&again.source, &p->source));
	must(ip_equal(&again.destination, &p->destination));
	must(again.kind == p->kind);
	must(again.source_port == p->source_port);
	must(again.destination_port == p->destination_port);
}

struct outcome {
	enum nat_result result;
	struct packet p;
	bool crossed;
	uint8_t data[ROOM + INNER_PACKET_MAX + ROOM];
	uint8_t to[TRANSLATE_WHOLE_MAX];
	size_t length;
};

static void
check_error(
    struct outcome *o, const struct packet *p, const struct ip_address *client)
{
	struct packet error;

	must(packet_parse(o->to, o->length, &error) == PACKET_OK);
	must(checksums_right(&error));
	if (error.source.family == p->source.family) {
		must(o->length <= p->length);
		must(error.kind == PACKET_ICMP_ERROR);
		must(ip_equal(&error.destination, client));
	} else {
		/* That a protocol is unknown is no error to the parser. */
		must(error.kind == PACKET_ICMP_ERROR ||
		    error.data[error.transport] == 4);
		must(ip_equal(&error.destination,
		    error.source.family == IP_V4 ? &client_v4 : &client_v6));
	}
}

static void
go(struct nat *n, struct mono now, const struct packet *p, bool out,
    const struct ip_address *other, struct outcome *o)
{
	bool right = checksums_right(p), error = p->kind == PACKET_ICMP_ERROR;

	o->p = *p;
	o->p.data = memcpy(o->data + ROOM, p->data, p->length);
	o->p.headroom = o->p.tailroom = ROOM;
	o->length = p->length;
	if (out)
		o->result = nat_outbound(n, now, &o->p, other, 0);
	else
		o->result =
		    nat_inbound(n, now, &o->p, other, o->to, &o->length);
	o->crossed = o->p.source.family != p->source.family;
	check_packet(&o->p, right, o->crossed);
	if (o->result != NAT_TRANSLATED || error)
		must(!o->crossed && memcmp(o->p.data, p->data, p->length) == 0);
	if (o->result == NAT_TRANSLATED && error) {
		must(!out);
		check_error(o, p, other);
	} else if (!out) {
		must(o->length == o->p.length);
	}
}

/* Both tables number on their own what becomes IPv4. */
static bool
same_outcome(struct outcome *a, struct outcome *b)
{
	struct outcome *both[2] = { a, b };

	if (a->result != b->result || a->length != b->length ||
	    a->crossed != b->crossed || a->p.length != b->p.length)
		return false;
	for (size_t i = 0; a->crossed && i < 2; i++)
		if (both[i]->p.source.family == IP_V4) {
			store_be16(both[i]->p.data + 4, 0);
			set_header_checksum(&both[i]->p);
		}
	return memcmp(a->p.data, b->p.data, a->p.length) == 0;
}

/* An answer to what has just gone out is translated back. */
static void
check_answer(struct rig *r, const struct outcome *o, const struct packet *sent)
{
	struct packet answer = o->p;
	struct outcome back[2];
	size_t size = ip_size(&o->p.source);

	/* An address sums to the same wherever it stands. */
	memcpy(o->p.data + (size == 4 ? 12 : 8), o->p.destination.bytes, size);
	memcpy(o->p.data + (size == 4 ? 16 : 24), o->p.source.bytes, size);
	answer.source = o->p.destination;
	answer.destination = o->p.source;
	if (answer.kind != PACKET_ICMP_ECHO) {
		store_be16(
		    answer.data + answer.transport, o->p.destination_port);
		store_be16(
		    answer.data + answer.transport + 2, o->p.source_port);
		answer.source_port = o->p.destination_port;
		answer.destination_port = o->p.source_port;
	}
	go(r->told, r->now, &answer, false, &o->p.source, &back[0]);
	go(r->untold, r->now, &answer, false, &o->p.source, &back[1]);
	for (size_t i = 0; i < 2; i++) {
		const struct packet *p = &back[i].p;

		/* The client itself may have sent RST. */
		if (sent->kind == PACKET_TCP && back[i].result == NAT_CLOSED)
			continue;
		must(back[i].result == NAT_TRANSLATED);
		must(ip_equal(&p->source, &sent->destination));
		must(sent->source_port ==
		    (p->kind == PACKET_ICMP_ECHO ? p->source_port
						 : p->destination_port));
	}
}

static void
one_packet(struct rig *r, struct cursor *in)
{
	bool out = pick_bool(in), answered = pick_bool(in);
	struct outcome told, untold;
	struct ip_address other;
	struct packet p;
	uint8_t *block = pick_packet(in, out, &p);

	if (block == NULL)
		return;
	if (!pick_bool(in))
		set_checksums(&p);
	other = pick_address(in,
	    out && pick_bool(in) ? (p.source.family == IP_V4 ? IP_V6 : IP_V4)
				 : p.source.family,
	    false);
	go(r->told, r->now, &p, out, &other, &told);
	go(r->untold, r->now, &p, out, &other, &untold);
	must(same_outcome(&told, &untold));
	if (out && told.result == NAT_TRANSLATED && answered)
		check_answer(r, &told, &p);
	free(block);
}

void
fuzz_one(struct cursor *in)
{
	struct rig r = { tables[0], tables[1], { 0 } };

	nat_forget(r.told);
	nat_forget(r.untold);
	while (more(in)) {
		switch (pick(in, 8)) {
		case 0:
			r.now = mono_add_ms(r.now, cursor_u8(in) * 100);
			break;
		case 1:
			r.now = mono_add_s(r.now, cursor_u8(in) * 60);
			break;
		case 2:
			nat_forget(r.told);
			nat_forget(r.untold);
			break;
		default:
			one_packet(&r, in);
		}
		nat_timeout(r.told, r.now);
		must(mono_before(r.now, nat_deadline(r.told)));
	}
}

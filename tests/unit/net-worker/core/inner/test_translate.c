/*
 * Translation between IPv4 and IPv6: RFC 7915, sections 4 and 5. The vectors
 * were not made by this program, nor with its checksums.
 */
#include "tests/lib/packets.h"

#include "net-worker/core/inner/translate.h"
#include "tests/lib/checksums.h"

#define CLIENT_V4 "100.64.0.9"
#define CLIENT_V6 "fd00:2021:1111::9"
#define REAL_V4   "10.1.2.3"
#define REAL_V6   "2001:db8::77"
#define ID        0x1234 /* of the vectors */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One packet in both families, from client to real. */
static const struct pair {
	const char *v4, *v6;
} pairs[] = {
	/* TCP; ToS 0xb9, TTL 63. */
	{ "45b90039123400003f06f885644000090a0102039c4001bb"
	  "010203040a0b0c0d5018faf0da620000736576656e746565"
	  "6e206f63746574732e",
	    "6b9000000025063ffd002021111100000000000000000009"
	    "20010db80000000000000000000000779c4001bb01020304"
	    "0a0b0c0d5018faf0ee430000736576656e7465656e206f63"
	    "746574732e" },
	/* UDP; ToS 0, TTL 1. */
	{ "4500002d1234000001113740644000090a0102039c400035"
	  "001940f8736576656e7465656e206f63746574732e",
	    "6000000000191101fd002021111100000000000000000009"
	    "20010db80000000000000000000000779c400035001954d9"
	    "736576656e7465656e206f63746574732e" },
	/* Echo request; ToS 3, TTL 255. */
	{ "4503002d12340000ff01394c644000090a0102030800ce85"
	  "77770001736576656e7465656e206f63746574732e",
	    "6030000000193afffd002021111100000000000000000009"
	    "20010db80000000000000000000000778000f9c577770001"
	    "736576656e7465656e206f63746574732e" },
	/* Echo reply; ToS 0xfc, TTL 64. */
	{ "45fc002d123400004001f753644000090a0102030000d685"
	  "77770001736576656e7465656e206f63746574732e",
	    "6fc0000000193a40fd002021111100000000000000000009"
	    "20010db80000000000000000000000778100f8c577770001"
	    "736576656e7465656e206f63746574732e" },
};

/* A packet in a block that ends where its room does. */
struct block {
	uint8_t *start;
	struct packet p;
};

static struct block
block_of(const uint8_t *bytes, size_t len, size_t headroom, size_t tailroom)
{
	struct block b = { .start = malloc(headroom + len + tailroom) };

	assert_non_null(b.start);
	memcpy(b.start + headroom, bytes, len);
	b.p = parsed(b.start + headroom, len);
	b.p.headroom = headroom;
	b.p.tailroom = tailroom;
	return b;
}

static struct block
block_of_hex(const char *text, size_t headroom, size_t tailroom)
{
	uint8_t bytes[2048];

	return block_of(
	    bytes, unhex(text, bytes, sizeof(bytes)), headroom, tailroom);
}

/* To the other family, with the addresses of the vectors. */
static bool
turn(struct packet *p, uint16_t identification)
{
	bool v4 = p->source.family == IP_V4;
	struct ip_address source = ip(v4 ? CLIENT_V6 : CLIENT_V4),
			  destination = ip(v4 ? REAL_V6 : REAL_V4);

	return translate_packet(p, &source, &destination, identification);
}

/* What the fields say is what the bytes say. */
static void
check_fields(const struct block *b, size_t space)
{
	struct packet again = parsed(b->p.data, b->p.length);

	assert_true(ip_equal(&again.source, &b->p.source));
	assert_true(ip_equal(&again.destination, &b->p.destination));
	assert_int_equal(again.kind, b->p.kind);
	assert_int_equal(again.protocol, b->p.protocol);
	assert_int_equal(again.transport, b->p.transport);
	assert_int_equal(again.source_port, b->p.source_port);
	assert_int_equal(again.destination_port, b->p.destination_port);
	assert_false(b->p.source_route);
	assert_ptr_equal(b->p.data, b->start + b->p.headroom);
	assert_int_equal(b->p.headroom + b->p.length + b->p.tailroom, space);
}

static void
matches_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct block b = block_of_hex(pairs[i].v4, 20, 0);
		size_t space = b.p.length + 20;

		assert_true(turn(&b.p, ID));
		assert_hex(b.p.data, b.p.length, pairs[i].v6);
		check_fields(&b, space);
		assert_true(turn(&b.p, ID));
		assert_hex(b.p.data, b.p.length, pairs[i].v4);
		check_fields(&b, space);
		free(b.start);

		b = block_of_hex(pairs[i].v6, 0, 0);
		space = b.p.length;
		assert_true(turn(&b.p, ID));
		assert_hex(b.p.data, b.p.length, pairs[i].v4);
		check_fields(&b, space);
		free(b.start);
	}
}

/* In front or behind: what there is in front is used first. */
static void
takes_the_room_there_is(void **state)
{
	uint8_t before[64];

	(void)state;
	for (size_t headroom = 0; headroom <= 24; headroom++) {
		for (size_t tailroom = 0; tailroom <= 24; tailroom++) {
			struct block b =
			    block_of_hex(pairs[0].v4, headroom, tailroom);
			size_t length = b.p.length;
			bool room = headroom + tailroom >= 20;

			memcpy(before, b.p.data, length);
			assert_int_equal(turn(&b.p, ID), room);
			if (room) {
				assert_hex(b.p.data, b.p.length, pairs[0].v6);
				assert_int_equal(b.p.headroom,
				    headroom < 20 ? 0 : headroom - 20);
			} else {
				assert_int_equal(b.p.length, length);
				assert_memory_equal(b.p.data, before, length);
			}
			check_fields(&b, headroom + length + tailroom);
			free(b.start);
		}
	}
}

/* RFC 7915, 4.1: unless they are a source route, which is for the policy. */
static void
leaves_out_options(void **state)
{
	struct block b =
	    block_of_hex("470000271234400040112040644000090a01020394040000"
			 "0101010000010002000bcb25616263",
		12, 0);

	(void)state;
	assert_true(turn(&b.p, 0));
	assert_hex(b.p.data, b.p.length,
	    "60000000000b1140fd002021111100000000000000000009"
	    "20010db800000000000000000000007700010002000bdf06"
	    "616263");
	check_fields(&b, 51);
	free(b.start);

	/* Of 40 bytes: it becomes shorter, and may be the longest there is. */
	b = block_of_hex("4f000044000000004011000064400009"
			 "0a0102030101010101010101010101010101010101010101"
			 "010101010101010101010101010101010101010100010002"
			 "00080000",
	    0, 0);
	assert_true(turn(&b.p, 0));
	assert_int_equal(b.p.length, 48);
	assert_int_equal(b.p.headroom, 20);
	assert_true(checksums_right(&b.p));
	free(b.start);
}

/* RFC 7915, 5.1: hop-by-hop, destination options and an atomic fragment. */
static void
leaves_out_extension_headers(void **state)
{
	struct block b =
	    block_of_hex("600abcde002b0040fd002021111100000000000000000009"
			 "20010db80000000000000000000000773c00050200000100"
			 "2c01010c0000000000000000000000001100000000"
			 "00beef00010002000bdf06616263",
		0, 0);

	(void)state;
	assert_true(turn(&b.p, ID));
	assert_hex(b.p.data, b.p.length,
	    "4500001f123400004011f84d644000090a01020300010002"
	    "000bcb25616263");
	check_fields(&b, 83);
	free(b.start);
}

/* RFC 7915, 4.5: IPv6 wants a checksum; IPv4 does not. */
static void
makes_the_checksum_that_udp_lacks(void **state)
{
	struct block b =
	    block_of_hex("4500002d123400004011f83f644000090a0102039c400035"
			 "00190000736576656e7465656e206f63746574732e",
		20, 0);

	(void)state;
	assert_true(turn(&b.p, 0));
	assert_hex(b.p.data, b.p.length,
	    "6000000000191140fd002021111100000000000000000009"
	    "20010db80000000000000000000000779c400035001954d9"
	    "736576656e7465656e206f63746574732e");
	store_be16(b.p.data + b.p.transport + 6, 0);
	assert_true(turn(&b.p, ID));
	assert_hex(b.p.data, b.p.length,
	    "4500002d123400004011f83f644000090a0102039c400035"
	    "00190000736576656e7465656e206f63746574732e");
	free(b.start);
}

/* Data of which the sum is 0xffff, so that it would be 0: none at all. */
static void
writes_a_checksum_of_zero_as_ones(void **state)
{
	struct block b = block_of_hex("4500001e00000000401100006440000900000000"
				      "9c400035000a00000000",
	    20, 0);

	(void)state;
	assert_true(turn(&b.p, 0));
	/* Now the two bytes of data are what the sum lacks. */
	store_be16(b.p.data + 48, load_be16(b.p.data + 46));
	store_be16(b.p.data + 46, 0);
	assert_true(turn(&b.p, 0));
	assert_true(turn(&b.p, 0));
	assert_int_equal(load_be16(b.p.data + 46), 0xffff);
	assert_true(checksums_right(&b.p));
	free(b.start);
}

static void
keeps_what_is_wrong_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		for (size_t v6 = 0; v6 < 2; v6++) {
			struct block b =
			    block_of_hex(v6 ? pairs[i].v6 : pairs[i].v4, 20, 0);
			uint8_t *last = b.p.data + b.p.length - 1;

			*last ^= 0x40;
			assert_true(turn(&b.p, ID));
			assert_false(checksums_right(&b.p));
			b.p.data[b.p.length - 1] ^= 0x40;
			assert_true(checksums_right(&b.p));
			free(b.start);
		}
	}
}

static void
keeps_traffic_class_and_hops(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		struct block b = block_of_hex(pairs[1].v4, 20, 0);

		b.p.data[1] = (uint8_t)value;
		b.p.data[8] = (uint8_t)(255 - value);
		assert_true(turn(&b.p, ID));
		assert_int_equal(load_be32(b.p.data), 0x60000000 | value << 20);
		assert_int_equal(b.p.data[7], 255 - value);
		/* The flow label is not for IPv4. */
		b.p.data[1] |= 0x0f;
		b.p.data[2] = b.p.data[3] = 0xff;
		assert_true(turn(&b.p, (uint16_t)(value << 8)));
		assert_int_equal(b.p.data[1], value);
		assert_int_equal(b.p.data[8], 255 - value);
		assert_int_equal(load_be16(b.p.data + 4), value << 8);
		assert_true(checksums_right(&b.p));
		free(b.start);
	}
}

/* Of that many bytes behind the IP header. */
static struct block
datagram(bool v6, size_t upper)
{
	struct ip_address from = ip(v6 ? CLIENT_V6 : CLIENT_V4),
			  to = ip(v6 ? REAL_V6 : REAL_V4);
	uint8_t bytes[2048], payload[2048] = { 0x12, 0x34, 0, 53 };
	struct packet p;
	size_t len;

	memset(payload + 8, 0xa5, sizeof(payload) - 8);
	store_be16(payload + 4, (uint16_t)upper);
	len = build_ip(bytes, &from, &to, IPPROTO_UDP, payload, upper);
	p = parsed(bytes, len);
	set_checksums(&p);
	return block_of(bytes, len, 20, 0);
}

static void
refuses_what_would_be_too_long(void **state)
{
	struct block b;

	(void)state;
	for (size_t upper = 8; upper <= 1260; upper++) {
		b = datagram(false, upper);
		assert_int_equal(translate_fits(&b.p), upper <= 1240);
		assert_int_equal(turn(&b.p, 0), upper <= 1240);
		assert_int_equal(
		    b.p.source.family, upper <= 1240 ? IP_V6 : IP_V4);
		assert_true(checksums_right(&b.p));
		free(b.start);
	}
	b = datagram(true, 1240);
	assert_true(translate_fits(&b.p));
	assert_true(turn(&b.p, 0));
	assert_int_equal(b.p.length, TRANSLATE_V4_MAX);
	assert_int_equal(load_be16(b.p.data + 6), 0); /* DF */
	assert_true(checksums_right(&b.p));
	free(b.start);
}

static void
refuses_other_kinds(void **state)
{
	static const char *const others[] = {
		/* Timestamp; GRE; unreachable about UDP; type 128, code 1. */
		"4500001c0000000040010000644000090a0102030d00000000010000",
		"450000180000000040 2f0000644000090a01020361626364",
		"450000380000000040010000644000090a0102030303000000000000"
		"450000240000000040110000644000090a0102030001000200100000",
		"6000000000083a40fd002021111100000000000000000009"
		"20010db80000000000000000000000778001000000010000",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(others); i++) {
		struct block b = block_of_hex(others[i], 20, 20);

		assert_false(turn(&b.p, 0));
		assert_hex(b.p.data, b.p.length, others[i]);
		free(b.start);
	}
}

static struct ip_address
random_address(struct dice *d, enum ip_family family)
{
	struct ip_address a = { .family = (uint8_t)family };

	for (size_t i = 0; i < ip_size(&a); i++)
		a.bytes[i] = (uint8_t)roll(d, 256);
	return a;
}

static void
random_payload(
    struct dice *d, uint8_t *to, uint8_t *protocol, size_t len, bool v4)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)roll(d, 256);
	switch (roll(d, 3)) {
	case 0:
		*protocol = IPPROTO_TCP;
		to[12] = 0x50;
		break;
	case 1:
		*protocol = IPPROTO_UDP;
		store_be16(to + 4, (uint16_t)len);
		break;
	default:
		*protocol = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
		to[0] = v4 ? 8 : 128;
		to[0] = roll(d, 2) ? to[0] : v4 ? 0 : 129;
		to[1] = 0;
	}
}

/* Whatever it is: with right checksums it goes over and comes back. */
static void
goes_there_and_back(void **state)
{
	struct dice d = dice_new();
	uint8_t bytes[2048], payload[2048], protocol = 0;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		bool v4 = roll(&d, 2);
		enum ip_family here = v4 ? IP_V4 : IP_V6,
			       there = v4 ? IP_V6 : IP_V4;
		struct ip_address a = random_address(&d, here),
				  b = random_address(&d, here),
				  c = random_address(&d, there),
				  e = random_address(&d, there);
		size_t upper = 20 + roll(&d, 1221), len;
		struct block it;
		struct packet p;

		random_payload(&d, payload, &protocol, upper, v4);
		len = build_ip(bytes, &a, &b, protocol, payload, upper);
		p = parsed(bytes, len);
		set_checksums(&p);
		/* What is 0 would come back as 0xffff, which is as right. */
		if (load_be16(checksum_field(&p)) == 0)
			continue;
		it = block_of(bytes, len, 10, 10);
		assert_true(translate_packet(&it.p, &c, &e, 7));
		assert_true(ip_equal(&it.p.source, &c));
		assert_true(ip_equal(&it.p.destination, &e));
		check_fields(&it, len + 20);
		assert_true(checksums_right(&it.p));
		assert_true(translate_packet(&it.p, &a, &b, 0));
		assert_int_equal(it.p.length, len);
		assert_memory_equal(it.p.data, bytes, v4 ? 10 : len);
		assert_memory_equal(it.p.data + 12, bytes + 12, len - 12);
		assert_true(checksums_right(&it.p));
		free(it.start);
	}
}

/* Errors. */

static struct packet
error_of(uint8_t *to, bool v4, uint8_t type, uint8_t code, uint32_t rest)
{
	struct ip_address router = ip(v4 ? "192.0.2.1" : "2001:db8::1"),
			  client = ip(v4 ? CLIENT_V4 : CLIENT_V6);
	uint8_t quote[256];
	size_t len =
	    unhex(v4 ? pairs[1].v4 : pairs[1].v6, quote, sizeof(quote));

	return parsed(
	    to, build_icmp(to, &router, &client, type, code, rest, quote, len));
}

/* RFC 7915, 4.2: of ICMPv4 type 3 by code. */
static const struct {
	uint8_t type, code;
	uint32_t rest;
} in_ipv6[16] = { { 1, 0, 0 }, { 1, 0, 0 }, { 4, 1, 6 }, { 1, 4, 0 },
	{ 2, 0, 596 }, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 },
	{ 1, 1, 0 }, { 1, 1, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 1, 0 },
	{ 0, 0, 0 }, { 1, 1, 0 } };

static void
names_errors_in_ipv6(void **state)
{
	uint8_t bytes[2048];
	struct packet p, quote;

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		struct icmp_error e = {
			.code = 0xee, .rest = 0xdeadbeef, .quote_len = 7
		};
		bool there = code < 16 && code != 14;

		p = error_of(bytes, true, 3, (uint8_t)code, 0xffff0240);
		assert_true(packet_quote(&p, &quote));
		assert_int_equal(translate_error(&p, &quote, &e), there);
		assert_int_equal(e.quote_len, 7);
		if (there) {
			assert_int_equal(e.type, in_ipv6[code].type);
			assert_int_equal(e.code, in_ipv6[code].code);
			assert_int_equal(e.rest, in_ipv6[code].rest);
		}
		e.rest = 1;
		p = error_of(bytes, true, 11, (uint8_t)code, 0xffffffff);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &quote, &e));
		assert_int_equal(e.type, 3);
		assert_int_equal(e.code, code);
		assert_int_equal(e.rest, 0);
	}
}

/* RFC 7915, 5.2. */
static void
names_errors_in_ipv4(void **state)
{
	static const uint8_t codes[5] = { 1, 10, 1, 1, 3 };
	uint8_t bytes[2048];
	struct packet p, quote;

	(void)state;
	for (unsigned code = 0; code < 256; code++) {
		struct icmp_error e = { .code = 0xee, .rest = 0xdeadbeef };

		p = error_of(bytes, false, 1, (uint8_t)code, 0xffffffff);
		assert_true(packet_quote(&p, &quote));
		assert_int_equal(translate_error(&p, &quote, &e), code < 5);
		if (code < 5) {
			assert_int_equal(e.type, 3);
			assert_int_equal(e.code, codes[code]);
			assert_int_equal(e.rest, 0);
		}
		e.rest = 1;
		p = error_of(bytes, false, 3, (uint8_t)code, 0xffffffff);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &quote, &e));
		assert_int_equal(e.type, 11);
		assert_int_equal(e.code, code);
		assert_int_equal(e.rest, 0);
	}
}

static void
tells_the_mtu_of_the_other_family(void **state)
{
	/* ICMPv4: what the router said, how long the packet was. */
	static const struct {
		uint16_t mtu, total;
		uint32_t grown;
	} v4[] = { { 1260, 1300, 1280 }, { 1259, 1300, 1279 },
		{ 1261, 1300, 1280 }, { 65535, 65535, 1280 }, { 68, 1260, 88 },
		{ 1, 1260, 21 }, { 0, 1260, 1026 }, { 0, 1007, 1026 },
		{ 0, 1006, 528 }, { 0, 509, 528 }, { 0, 508, 316 },
		{ 0, 297, 316 }, { 0, 296, 88 }, { 0, 20, 88 },
		{ 0, 65535, 1280 }, { 0, 1493, 1280 } };
	static const struct {
		uint32_t mtu, shrunk;
	} v6[] = { { 1280, 1260 }, { 1279, 1259 }, { 1281, 1260 },
		{ 1500, 1260 }, { UINT32_MAX, 1260 }, { 88, 68 }, { 89, 69 },
		{ 87, 68 }, { 20, 68 }, { 0, 68 } };
	struct packet p, quote;
	uint8_t bytes[2048];
	struct icmp_error e;

	(void)state;
	for (size_t i = 0; i < COUNT(v4); i++) {
		p = error_of(bytes, true, 3, 4, 0xabcd0000 | v4[i].mtu);
		assert_true(packet_quote(&p, &quote));
		store_be16(quote.data + 2, v4[i].total);
		assert_true(translate_error(&p, &quote, &e));
		assert_int_equal(e.type, 2);
		assert_int_equal(e.rest, v4[i].grown);
	}
	for (size_t i = 0; i < COUNT(v6); i++) {
		p = error_of(bytes, false, 2, 0, v6[i].mtu);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &quote, &e));
		assert_int_equal(e.type, 3);
		assert_int_equal(e.code, 4);
		assert_int_equal(e.rest, v6[i].shrunk);
	}
}

static void
names_no_error_that_is_none(void **state)
{
	struct icmp_error e = { 0 };
	uint8_t bytes[2048];
	struct packet p = error_of(bytes, true, 12, 0, 0), quote = p;

	(void)state;
	assert_int_equal(p.kind, PACKET_ICMP_OTHER);
	assert_false(translate_error(&p, &quote, &e));
	p = error_of(bytes, false, 4, 0, 0);
	assert_false(translate_error(&p, &quote, &e));
}

/* As an error quotes the first n bytes of it. */
static bool
turn_quote(const char *text, size_t n, struct packet *quote, uint8_t *to)
{
	uint8_t bytes[2048], inner[256];
	struct ip_address router, client;
	struct packet p;
	bool v4;

	(void)unhex(text, inner, sizeof(inner));
	v4 = inner[0] >> 4 == 4;
	router = ip(v4 ? "192.0.2.1" : "2001:db8::1");
	client = ip(v4 ? CLIENT_V4 : CLIENT_V6);
	p = parsed(bytes,
	    build_icmp(bytes, &router, &client, v4 ? 3 : 1, 1, 0, inner, n));
	if (!packet_quote(&p, quote))
		return false;
	router = ip(v4 ? REAL_V6 : REAL_V4);
	client = ip(v4 ? CLIENT_V6 : CLIENT_V4);
	assert_true(translate_quote(quote, &client, &router, to));
	return true;
}

/*
 * The first bytes of a packet become the first bytes of what the packet
 * becomes, checksums and all, unless one is cut in half.
 */
static void
translates_what_is_quoted(void **state)
{
	static const size_t half[3] = { 17, 7 };
	uint8_t *to = malloc(INNER_PACKET_MAX);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t v4_len = strlen(pairs[i].v4) / 2, quoted = 0;
		uint8_t v4[256], v6[256];
		struct packet quote;

		(void)unhex(pairs[i].v4, v4, sizeof(v4));
		(void)unhex(pairs[i].v6, v6, sizeof(v6));
		for (size_t n = 20; n <= v4_len; n++) {
			if (!turn_quote(pairs[i].v4, n, &quote, to))
				continue;
			quoted++;
			assert_ptr_equal(quote.data, to);
			assert_int_equal(quote.length, n + 20);
			assert_memory_equal(
			    to, v6, n + 20 - (n - 20 == half[i]));
		}
		assert_int_equal(quoted, v4_len - (i == 2 ? 27 : 23));
		/* Which identification it had, nobody knows. */
		store_be16(v4 + 4, 0);
		store_be16(v4 + 10, 0);
		store_be16(v4 + 10, checksum_finish(checksum_add(0, v4, 20)));
		for (size_t n = 40; n <= v4_len + 20; n++) {
			if (!turn_quote(pairs[i].v6, n, &quote, to))
				continue;
			quoted--;
			assert_int_equal(quote.length, n - 20);
			assert_memory_equal(
			    to, v4, n - 20 - (n - 40 == half[i]));
		}
		assert_int_equal(quoted, 0);
	}
	free(to);
}

/* A quote is as long as it says, whatever there is of it. */
static void
tells_the_length_of_what_is_quoted(void **state)
{
	static const struct {
		uint16_t v6, v4, flags;
	} table[] = { { 1241, 1261, 0x4000 }, { 1240, 1260, 0 },
		{ 65495, 65515, 0x4000 } };
	struct ip_address from = ip(CLIENT_V4), to = ip(REAL_V4);
	uint8_t bytes[256], out[INNER_PACKET_MAX];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		p = parsed(bytes, unhex(pairs[1].v6, bytes, sizeof(bytes)));
		store_be16(bytes + 4, table[i].v6);
		assert_true(translate_quote(&p, &from, &to, out));
		assert_int_equal(load_be16(out + 2), table[i].v4);
		assert_int_equal(load_be16(out + 6), table[i].flags);
	}
	p = parsed(bytes, unhex(pairs[1].v6, bytes, sizeof(bytes)));
	store_be16(bytes + 4, 65535);
	assert_false(translate_quote(&p, &from, &to, out));

	from = ip(CLIENT_V6);
	to = ip(REAL_V6);
	p = parsed(bytes, unhex(pairs[1].v4, bytes, sizeof(bytes)));
	store_be16(bytes + 2, 20);
	assert_true(translate_quote(&p, &from, &to, out));
	assert_int_equal(load_be16(out + 4), 0);
	p = parsed(bytes, unhex(pairs[1].v4, bytes, sizeof(bytes)));
	store_be16(bytes + 2, 19);
	assert_false(translate_quote(&p, &from, &to, out));
}

/* As much as has room. */
static void
cuts_a_quote_that_is_too_long(void **state)
{
	uint8_t *to = malloc(INNER_PACKET_MAX);
	struct ip_address from = ip(CLIENT_V6), real = ip(REAL_V6);

	(void)state;
	for (size_t upper = 1239; upper <= 1242; upper++) {
		struct block b = datagram(false, upper);

		assert_true(translate_quote(&b.p, &from, &real, to));
		assert_int_equal(
		    b.p.length, 40 + (upper < 1240 ? upper : 1240));
		assert_int_equal(load_be16(to + 4), upper);
		assert_int_equal(to[b.p.length - 1], 0xa5);
		free(b.start);
	}
	free(to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_vectors),
		cmocka_unit_test(takes_the_room_there_is),
		cmocka_unit_test(leaves_out_options),
		cmocka_unit_test(leaves_out_extension_headers),
		cmocka_unit_test(makes_the_checksum_that_udp_lacks),
		cmocka_unit_test(writes_a_checksum_of_zero_as_ones),
		cmocka_unit_test(keeps_what_is_wrong_wrong),
		cmocka_unit_test(keeps_traffic_class_and_hops),
		cmocka_unit_test(refuses_what_would_be_too_long),
		cmocka_unit_test(refuses_other_kinds),
		cmocka_unit_test(goes_there_and_back),
		cmocka_unit_test(names_errors_in_ipv6),
		cmocka_unit_test(names_errors_in_ipv4),
		cmocka_unit_test(tells_the_mtu_of_the_other_family),
		cmocka_unit_test(names_no_error_that_is_none),
		cmocka_unit_test(translates_what_is_quoted),
		cmocka_unit_test(tells_the_length_of_what_is_quoted),
		cmocka_unit_test(cuts_a_quote_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Packets in both families, and blocks of them with room around, for the tests
 * of translate.h. The vectors were not made by this program, nor with its
 * checksums.
 */
#ifndef TESTS_LIB_TRANSLATE_H
#define TESTS_LIB_TRANSLATE_H

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

static inline struct block
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

static inline struct block
block_of_hex(const char *text, size_t headroom, size_t tailroom)
{
	uint8_t bytes[2048];

	return block_of(
	    bytes, unhex(text, bytes, sizeof(bytes)), headroom, tailroom);
}

/* To the other family, with the addresses of the vectors. */
static inline bool
turn(struct packet *p, uint16_t identification)
{
	bool v4 = p->source.family == IP_V4;
	struct ip_address source = ip(v4 ? CLIENT_V6 : CLIENT_V4),
			  destination = ip(v4 ? REAL_V6 : REAL_V4);

	return translate_packet(p, &source, &destination, identification);
}

/* Of that many bytes behind the IP header. */
static inline struct block
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

#endif /* TESTS_LIB_TRANSLATE_H */

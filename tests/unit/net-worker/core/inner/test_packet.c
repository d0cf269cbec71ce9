/* The parser of inner packets and the arithmetic of checksums. */
#include "tests/lib/packets.h"

#define V4  "0a000001 0a000002" /* 10.0.0.1 to 10.0.0.2 */
#define V6A "20010db8000000000000000000000001"
#define V6B "20010db8000000000000000000000002"
#define V6  V6A V6B
#define TCP "0001 0050 00000000 00000000 5002 0000 0000 0000"
#define UDP "0001 0050 0008 0000"

struct sample {
	const char *what;
	const char *hex;
	enum packet_result result;
	enum packet_kind kind;
	uint8_t protocol;
	size_t transport;
};

/* firezone-policy(7), Validity. */
static const struct sample samples[] = {
	{ "TCP", "45000028 00004000 40060000" V4 TCP, PACKET_OK, PACKET_TCP, 6,
	    20 },
	{ "TCP with options",
	    "4500002c 00000000 40060000" V4
	    "0001 0050 00000000 00000000 6002 0000 0000 0000 01010101",
	    PACKET_OK, PACKET_TCP, 6, 20 },
	{ "TCP, data offset 4",
	    "45000028 00000000 40060000" V4
	    "0001 0050 00000000 00000000 4002 0000 0000 0000",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "TCP, data offset beyond the end",
	    "45000028 00000000 40060000" V4
	    "0001 0050 00000000 00000000 6002 0000 0000 0000",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "TCP, 19 bytes",
	    "45000027 00000000 40060000" V4
	    "0001 0050 00000000 00000000 5002 0000 0000 00",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "UDP", "4500001c 00000000 40110000" V4 UDP, PACKET_OK, PACKET_UDP, 17,
	    20 },
	{ "UDP with data", "4500001d 00000000 40110000" V4 "0001005000090000ff",
	    PACKET_OK, PACKET_UDP, 17, 20 },
	{ "UDP, length too large",
	    "4500001c 00000000 40110000" V4 "0001005000090000",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "UDP, length too small",
	    "4500001d 00000000 40110000" V4 "0001005000080000ff",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "UDP, seven bytes", "4500001b 00000000 40110000" V4 "00010050000700",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "reserved flag and DF", "4500001c 0000c000 40110000" V4 UDP,
	    PACKET_OK, PACKET_UDP, 17, 20 },
	{ "more fragments", "4500001c 00002000 40110000" V4 UDP,
	    PACKET_FRAGMENT, 0, 0, 0 },
	{ "fragment offset 1", "4500001c 00000001 40110000" V4 UDP,
	    PACKET_FRAGMENT, 0, 0, 0 },
	{ "fragment offset 4096", "4500001c 00001000 40110000" V4 UDP,
	    PACKET_FRAGMENT, 0, 0, 0 },
	{ "options", "46000020 00000000 40110000" V4 "01010100" UDP, PACKET_OK,
	    PACKET_UDP, 17, 24 },
	{ "IHL 4", "4400001c 00000000 40110000" V4 UDP, PACKET_MALFORMED, 0, 0,
	    0 },
	{ "IHL beyond the end", "4f00001c 00000000 40110000" V4 UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "total length too large", "4500001d 00000000 40110000" V4 UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "total length too small", "4500001b 00000000 40110000" V4 UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "version 5", "5500001c 00000000 40110000" V4 UDP, PACKET_MALFORMED, 0,
	    0, 0 },
	{ "IPv4 echo", "4500001c 00000000 40010000" V4 "08000000 0001 0002",
	    PACKET_OK, PACKET_ICMP_ECHO, 1, 20 },
	{ "IPv4 ICMP, seven bytes",
	    "4500001b 00000000 40010000" V4 "08000000 0001 00",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "ICMPv6 inside IPv4",
	    "4500001c 00000000 403a0000" V4 "80000000 0001 0002",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "IPv4, no payload", "45000014 00000000 402f0000" V4, PACKET_OK,
	    PACKET_OTHER, 47, 20 },

	{ "IPv6 TCP", "60000000 0014 06 40" V6 TCP, PACKET_OK, PACKET_TCP, 6,
	    40 },
	{ "IPv6 UDP", "60000000 0008 11 40" V6 UDP, PACKET_OK, PACKET_UDP, 17,
	    40 },
	{ "IPv6, payload length too large", "60000000 0009 11 40" V6 UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "IPv6, payload length too small", "60000000 0007 11 40" V6 UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "IPv6 echo", "60000000 0008 3a 40" V6 "80000000 0001 0002", PACKET_OK,
	    PACKET_ICMP_ECHO, 58, 40 },
	{ "ICMP inside IPv6", "60000000 0008 01 40" V6 "08000000 0001 0002",
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "no next header", "60000000 0000 3b 40" V6, PACKET_OK, PACKET_OTHER,
	    59, 40 },
	{ "hop by hop, then destination options",
	    "60000000 0020 00 40" V6 "3c00010400000000"
	    "1101010c000000000000000000000000" UDP,
	    PACKET_OK, PACKET_UDP, 17, 64 },
	{ "hop by hop, not first",
	    "60000000 0018 3c 40" V6 "0000010400000000"
	    "1100010400000000" UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "hop by hop, twice",
	    "60000000 0018 00 40" V6 "0000010400000000"
	    "1100010400000000" UDP,
	    PACKET_MALFORMED, 0, 0, 0 },
	{ "atomic fragment", "60000000 0010 2c 40" V6 "1100 0000 00000007" UDP,
	    PACKET_OK, PACKET_UDP, 17, 48 },
	{ "atomic fragment, reserved bits",
	    "60000000 0010 2c 40" V6 "11ff 0006 00000007" UDP, PACKET_OK,
	    PACKET_UDP, 17, 48 },
	{ "first fragment", "60000000 0010 2c 40" V6 "1100 0001 00000007" UDP,
	    PACKET_FRAGMENT, 0, 0, 0 },
	{ "later fragment", "60000000 0010 2c 40" V6 "1100 0008 00000007" UDP,
	    PACKET_FRAGMENT, 0, 0, 0 },
	{ "extension header beyond the end",
	    "60000000 0010 00 40" V6 "1102010400000000" UDP, PACKET_MALFORMED,
	    0, 0, 0 },
	{ "extension header cut short",
	    "60000000 0007 00 40" V6 "11000104000000", PACKET_MALFORMED, 0, 0,
	    0 },
	{ "nothing behind the extension header",
	    "60000000 0008 00 40" V6 "1100010400000000", PACKET_MALFORMED, 0, 0,
	    0 },
};

/* A copy of exactly this size, so that one byte too far is found. */
static uint8_t *
exact(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return copy;
}

static enum packet_result
parse_exact(const uint8_t *data, size_t len, struct packet *p)
{
	uint8_t *copy = exact(data, len);
	enum packet_result result = packet_parse(copy, len, p);
	struct packet quote;

	if (result == PACKET_OK) {
		packet_quote(p, &quote);
		packet_mark_ce(p);
	}
	free(copy);
	return result;
}

static void
accepts_and_refuses(void **state)
{
	uint8_t data[256];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		size_t len = unhex(s->hex, data, sizeof(data));

		if (parse_exact(data, len, &p) != s->result)
			fail_msg("%s", s->what);
		if (s->result != PACKET_OK)
			continue;
		if (p.kind != s->kind || p.protocol != s->protocol ||
		    p.transport != s->transport || p.length != len)
			fail_msg("%s", s->what);
		assert_false(p.source_route);
	}
}

static void
reads_addresses_and_ports(void **state)
{
	struct ip_address from[] = { ip("10.0.0.1"), ip("2001:db8::1") };
	struct ip_address to[] = { ip("192.0.2.7"), ip("2001:db8::2") };
	uint8_t data[256];
	struct packet p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		p = parsed(
		    data, build_ports(data, &from[i], &to[i], 6, 4660, 443));
		assert_true(ip_equal(&p.source, &from[i]));
		assert_true(ip_equal(&p.destination, &to[i]));
		assert_int_equal(p.source_port, 4660);
		assert_int_equal(p.destination_port, 443);
		p = parsed(data,
		    build_icmp(data, &from[i], &to[i], i == 0 ? 8 : 128, 0,
			0xabcd0001, NULL, 0));
		assert_int_equal(p.source_port, 0xabcd);
		assert_int_equal(p.destination_port, 0);
		p = parsed(
		    data, build_ip(data, &from[i], &to[i], 50, "abcd", 4));
		assert_int_equal(p.source_port, 0);
		assert_int_equal(p.destination_port, 0);
	}
}

static void
refuses_every_truncation(void **state)
{
	uint8_t data[256];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		size_t len = unhex(samples[i].hex, data, sizeof(data));

		for (size_t n = 0; n < len; n++)
			assert_int_not_equal(
			    parse_exact(data, n, &p), PACKET_OK);
	}
}

/* The same, with the length that IP declares moved along. */
static void
needs_whole_headers(void **state)
{
	uint8_t data[256];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];
		size_t len = unhex(s->hex, data, sizeof(data));

		if (s->result != PACKET_OK || s->protocol == 47 ||
		    s->protocol == 59)
			continue;
		for (size_t n = data[0] >> 4 == 4 ? 20 : 40; n < len; n++) {
			if (data[0] >> 4 == 4)
				store_be16(data + 2, (uint16_t)n);
			else
				store_be16(data + 4, (uint16_t)(n - 40));
			assert_int_equal(
			    parse_exact(data, n, &p), PACKET_MALFORMED);
		}
	}
}

static void
bounds_the_length(void **state)
{
	struct ip_address v4 = ip("10.0.0.1"), v6 = ip("2001:db8::1");
	uint8_t data[2048], payload[2000] = { 0 };
	struct packet p;

	(void)state;
	for (size_t n = 1279; n <= 1281; n++) {
		enum packet_result want =
		    n > 1280 ? PACKET_TOO_LONG : PACKET_OK;

		build_ip(data, &v4, &v4, 47, payload, n - 20);
		assert_int_equal(parse_exact(data, n, &p), want);
		build_ip(data, &v6, &v6, 47, payload, n - 40);
		assert_int_equal(parse_exact(data, n, &p), want);
	}
	assert_int_equal(parse_exact(data, 0, &p), PACKET_MALFORMED);
}

/*
 * firezone-policy(7), IPv6 extension headers; each header here is 16 bytes,
 * length 1.
 */
static void
walks_extensions(void **state)
{
	static const uint8_t walked[] = { 0, 43, 60 };
	static const uint8_t ends[] = { 50, 51, 59, 135, 139, 140, 253, 254,
		255 };
	struct ip_address a = ip("2001:db8::1"), b = ip("2001:db8::2");
	uint8_t data[256], payload[24] = { 17, 1 };
	struct packet p;

	(void)state;
	unhex(UDP, payload + 16, 8);
	for (size_t i = 0; i < sizeof(walked); i++) {
		p = parsed(
		    data, build_ip(data, &a, &b, walked[i], payload, 24));
		assert_int_equal(p.kind, PACKET_UDP);
		assert_int_equal(p.transport, 56);
		assert_int_equal(p.destination_port, 80);
	}
	for (size_t i = 0; i < sizeof(ends); i++) {
		p = parsed(data, build_ip(data, &a, &b, ends[i], payload, 24));
		assert_int_equal(p.kind, PACKET_OTHER);
		assert_int_equal(p.protocol, ends[i]);
		assert_int_equal(p.transport, 40);
	}
	/* In IPv4 these values are transports like others. */
	a = ip("10.0.0.1");
	for (size_t i = 0; i < sizeof(walked); i++) {
		p = parsed(
		    data, build_ip(data, &a, &a, walked[i], payload, 24));
		assert_int_equal(p.kind, PACKET_OTHER);
		assert_int_equal(p.protocol, walked[i]);
	}
}

/* As many as fit: 154 headers of 8 bytes, then UDP. */
static void
walks_a_long_chain(void **state)
{
	struct ip_address a = ip("2001:db8::1");
	uint8_t data[2048], payload[1240] = { 0 };
	struct packet p;

	(void)state;
	for (size_t i = 0; i < 154; i++)
		payload[i * 8] = i == 153 ? 17 : 60;
	unhex(UDP, payload + 1232, 8);
	p = parsed(data, build_ip(data, &a, &a, 60, payload, 1240));
	assert_int_equal(p.kind, PACKET_UDP);
	assert_int_equal(p.transport, 1272);
}

static void
sees_source_routes(void **state)
{
	static const struct {
		const char *options; /* 8 bytes */
		bool route;
	} table[] = {
		{ "0101010101010101", false },
		{ "8307040a00000500", true },  /* loose */
		{ "8907040a00000500", true },  /* strict */
		{ "018307040a000005", true },  /* after a NOP */
		{ "0707040000000000", false }, /* record route */
		{ "9404000083030400", true },  /* after router alert */
		{ "0083030401010101", false }, /* behind the end */
		{ "0709040000000000", true },  /* longer than there is */
		{ "0701040000000000", true },  /* length 1 */
		{ "0700040000000000", true },  /* length 0 */
		{ "0101010101010107", true },  /* without a length */
		{ "0101010101010102", true },
	};
	struct ip_address a = ip("2001:db8::1");
	uint8_t data[256], routing[16] = { 59, 0, 4 };
	struct packet p;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		len =
		    unhex("4700001c 00000000 402f0000" V4, data, sizeof(data));
		len += unhex(table[i].options, data + len, 8);
		p = parsed(data, len);
		if (p.source_route != table[i].route)
			fail_msg("%s", table[i].options);
	}
	p = parsed(data, build_ip(data, &a, &a, 43, routing, 8));
	assert_false(p.source_route);
	routing[3] = 1;
	p = parsed(data, build_ip(data, &a, &a, 43, routing, 8));
	assert_true(p.source_route);
	/* The second routing header counts like the first. */
	memcpy(routing + 8, routing, 8);
	routing[0] = 43;
	routing[3] = 0;
	p = parsed(data, build_ip(data, &a, &a, 43, routing, 16));
	assert_true(p.source_route);
	/* A fourth byte that is not the segments left. */
	p = parsed(data, build_ip(data, &a, &a, 60, routing + 8, 8));
	assert_false(p.source_route);
}

/* firezone-policy(7), ICMP kinds; with a quote that parses. */
static void
knows_icmp(void **state)
{
	static const struct {
		uint8_t family, type, code;
		enum packet_kind kind;
	} table[] = {
		{ IP_V4, 8, 0, PACKET_ICMP_ECHO },
		{ IP_V4, 0, 0, PACKET_ICMP_ECHO },
		{ IP_V4, 8, 1, PACKET_ICMP_OTHER },
		{ IP_V4, 0, 1, PACKET_ICMP_OTHER },
		{ IP_V4, 3, 0, PACKET_ICMP_ERROR },
		{ IP_V4, 3, 4, PACKET_ICMP_ERROR },
		{ IP_V4, 3, 255, PACKET_ICMP_ERROR },
		{ IP_V4, 11, 0, PACKET_ICMP_ERROR },
		{ IP_V4, 11, 1, PACKET_ICMP_ERROR },
		{ IP_V4, 4, 0, PACKET_ICMP_OTHER },
		{ IP_V4, 5, 0, PACKET_ICMP_OTHER },
		{ IP_V4, 12, 0, PACKET_ICMP_OTHER },
		{ IP_V4, 13, 0, PACKET_ICMP_OTHER },
		{ IP_V4, 128, 0, PACKET_ICMP_OTHER },
		{ IP_V4, 1, 0, PACKET_ICMP_OTHER },
		{ IP_V6, 128, 0, PACKET_ICMP_ECHO },
		{ IP_V6, 129, 0, PACKET_ICMP_ECHO },
		{ IP_V6, 128, 1, PACKET_ICMP_OTHER },
		{ IP_V6, 1, 0, PACKET_ICMP_ERROR },
		{ IP_V6, 1, 255, PACKET_ICMP_ERROR },
		{ IP_V6, 2, 0, PACKET_ICMP_ERROR },
		{ IP_V6, 2, 1, PACKET_ICMP_OTHER },
		{ IP_V6, 3, 0, PACKET_ICMP_ERROR },
		{ IP_V6, 3, 255, PACKET_ICMP_ERROR },
		{ IP_V6, 4, 0, PACKET_ICMP_OTHER },
		{ IP_V6, 8, 0, PACKET_ICMP_OTHER },
		{ IP_V6, 11, 0, PACKET_ICMP_OTHER },
		{ IP_V6, 135, 0, PACKET_ICMP_OTHER },
	};
	uint8_t data[256], quote[64];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct ip_address a = table[i].family == IP_V4
		    ? ip("10.0.0.1")
		    : ip("2001:db8::1");
		size_t len = build_ports(quote, &a, &a, 17, 1, 2);
		struct packet p, q;

		p = parsed(data,
		    build_icmp(data, &a, &a, table[i].type, table[i].code, 0,
			quote, len));
		if (p.kind != table[i].kind)
			fail_msg("IPv%u %u/%u", table[i].family, table[i].type,
			    table[i].code);
		assert_int_equal(
		    packet_quote(&p, &q), p.kind == PACKET_ICMP_ERROR);
	}
}

#define F4 "4500ffff 00000000"
#define F6 "60000000 ffff"

/* What an error may quote, and how much of it must be there. */
static const struct {
	const char *what;
	const char *hex;
	size_t needed; /* bytes of the quote; 0: unusable */
	enum packet_kind kind;
	uint16_t source_port;
} quotes[] = {
	{ "TCP", F4 "40060000" V4 "00070050 00000000 00", 24, PACKET_TCP, 7 },
	{ "UDP", F4 "40110000" V4 "00070050 0008 0000", 24, PACKET_UDP, 7 },
	{ "UDP behind options",
	    "4600ffff 00000000 40110000" V4 "01010101 00070050", 28, PACKET_UDP,
	    7 },
	{ "echo request", F4 "40010000" V4 "08000000 00070001 ff", 28,
	    PACKET_ICMP_ECHO, 7 },
	{ "echo reply", F4 "40010000" V4 "00000000 00070001 ff", 0, 0, 0 },
	{ "echo request, code 1", F4 "40010000" V4 "08010000 00070001 ff", 0, 0,
	    0 },
	{ "error in error", F4 "40010000" V4 "03000000 00070001 ff", 0, 0, 0 },
	{ "ICMPv6 in IPv4", F4 "403a0000" V4 "80000000 00070001 ff", 0, 0, 0 },
	{ "GRE", F4 "402f0000" V4 "00000000 00070001 ff", 0, 0, 0 },
	{ "IHL 4", "4400ffff 00000000 40110000" V4 "0007005000080000", 0, 0,
	    0 },
	{ "first fragment", "4500ffff 00002000 40110000" V4 "0007005000080000",
	    24, PACKET_UDP, 7 },
	{ "later fragment", "4500ffff 00002001 40110000" V4 "0007005000080000",
	    0, 0, 0 },
	{ "version 0", "0500ffff 00000000 40110000" V4 "0007005000080000", 0, 0,
	    0 },
	{ "IPv6 TCP", F6 "06 40" V6 "00070050 00000000", 44, PACKET_TCP, 7 },
	{ "IPv6 UDP", F6 "11 40" V6 "00070050 00000000", 44, PACKET_UDP, 7 },
	{ "IPv6 UDP behind options",
	    F6 "3c 40" V6 "1100010400000000 00070050 00000000", 52, PACKET_UDP,
	    7 },
	{ "IPv6 first fragment",
	    F6 "2c 40" V6 "1100000100000000 00070050 00000000", 52, PACKET_UDP,
	    7 },
	{ "IPv6 later fragment",
	    F6 "2c 40" V6 "1100000900000000 00070050 00000000", 0, 0, 0 },
	{ "IPv6 echo request", F6 "3a 40" V6 "80000000 00070001", 48,
	    PACKET_ICMP_ECHO, 7 },
	{ "IPv6 echo reply", F6 "3a 40" V6 "81000000 00070001", 0, 0, 0 },
	{ "IPv6 too big", F6 "3a 40" V6 "02000000 00070001", 0, 0, 0 },
};

static void
check_quote(size_t i, size_t len, const uint8_t *quote)
{
	struct ip_address v4 = ip("192.0.2.1"), v6 = ip("2001:db8::9");
	bool is_v6 = quote[0] >> 4 == 6;
	const struct ip_address *a = is_v6 ? &v6 : &v4;
	uint8_t data[256], *copy;
	struct packet p, q;
	size_t n;

	n = build_icmp(data, a, a, 3, 0, 0, quote, len);
	copy = exact(data, n);
	p = parsed(copy, n);
	if (quotes[i].needed == 0 || len < quotes[i].needed) {
		if (p.kind != PACKET_ICMP_OTHER || packet_quote(&p, &q))
			fail_msg("%s, %zu bytes", quotes[i].what, len);
	} else {
		if (p.kind != PACKET_ICMP_ERROR || !packet_quote(&p, &q))
			fail_msg("%s, %zu bytes", quotes[i].what, len);
		assert_int_equal(q.kind, quotes[i].kind);
		assert_int_equal(q.source_port, quotes[i].source_port);
		assert_ptr_equal(q.data, copy + p.transport + 8);
		assert_int_equal(q.length, len);
		assert_int_equal(q.transport,
		    quotes[i].needed - (q.kind == PACKET_ICMP_ECHO ? 8 : 4));
		assert_int_equal(q.source.family, a->family);
		assert_int_equal(q.source.bytes[is_v6 ? 15 : 3], 1);
		assert_int_equal(q.destination.bytes[is_v6 ? 15 : 3], 2);
	}
	free(copy);
}

static void
reads_quotes(void **state)
{
	uint8_t quote[128];

	(void)state;
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		size_t len = unhex(quotes[i].hex, quote, sizeof(quote));

		for (size_t n = 0; n <= len; n++)
			check_quote(i, n, quote);
	}
}

/* RFC 1071, 3, and the odd byte; firezone-policy(7), Packet scenarios (26). */
static void
sums(void **state)
{
	uint8_t data[256];
	size_t len = unhex("0001f203f4f5f6f7", data, sizeof(data));

	(void)state;
	assert_int_equal(
	    checksum_finish(checksum_add(0, data, len)), (uint16_t)~0xddf2u);
	assert_int_equal(
	    checksum_finish(checksum_add(0, "\xab", 1)), (uint16_t)~0xab00u);
	assert_int_equal(checksum_finish(checksum_add(0, data, 0)), 0xffff);
	/* In pieces, the sum stays the same; so it does with carries. */
	memset(data, 0xff, sizeof(data));
	data[77] = 0x12;
	for (size_t n = 0; n < 256; n += 2) {
		uint32_t sum = checksum_add(0, data, n);

		sum = checksum_add(sum, data + n, 255 - n);
		assert_int_equal(checksum_finish(sum),
		    checksum_finish(checksum_add(0, data, 255)));
	}
	assert_int_equal(
	    checksum_finish(checksum_add(UINT32_MAX, "\xff\xff", 2)), 0);
}

/* The UDP checksums of firezone-policy(7), ICMP vectors. */
static void
sums_pseudo_headers(void **state)
{
	struct ip_address a = ip("100.64.0.1"), b = ip("10.0.0.1");
	uint8_t data[16];
	size_t len = unhex("00010050 0010 0000 0000000000000000", data, 16);

	(void)state;
	assert_int_equal(checksum_finish(checksum_add(
			     checksum_pseudo(&a, &b, 17, len), data, len)),
	    0x913b);
	a = ip("fd00:2021:1111::1");
	b = ip("fd00:2021:1111:8000::");
	assert_int_equal(checksum_finish(checksum_add(
			     checksum_pseudo(&a, &b, 17, len), data, len)),
	    0x2316);
	/* The length counts with all its bits in IPv6. */
	assert_int_not_equal(checksum_finish(checksum_pseudo(&a, &b, 17, 8)),
	    checksum_finish(checksum_pseudo(&a, &b, 17, 0x10008)));
}

static void
updates_checksums(void **state)
{
	struct dice d = dice_new();
	uint8_t data[20];

	(void)state;
	assert_int_equal(checksum_update(0xdd2f, 0x5555, 0x3285), 0xffff);
	assert_int_equal(checksum_update(0xffff, 0, 0), 0xffff);
	assert_int_equal(checksum_update(0x1234, 0x5678, 0x5678), 0x1234);
	for (int i = 0; i < 100000; i++) {
		size_t at = roll(&d, 10) * 2;
		uint16_t checksum, before, want;

		for (size_t k = 0; k < sizeof(data); k++)
			data[k] =
			    (uint8_t)(roll(&d, 4) == 0 ? roll(&d, 256)
						       : roll(&d, 2) * 255);
		checksum = checksum_finish(checksum_add(0, data, 20));
		before = load_be16(data + at);
		store_be16(data + at,
		    (uint16_t)(roll(&d, 3) == 0 ? 0xffff : roll(&d, 65536)));
		want = checksum_finish(checksum_add(0, data, 20));
		assert_int_equal(
		    checksum_update(checksum, before, load_be16(data + at)),
		    want == 0 ? 0xffff : want);
	}
}

/* firezone-policy(7), ECN: inner codepoint, what CE outside makes of it. */
static void
marks_ce(void **state)
{
	static const uint8_t after[] = { 0, 3, 3, 3 };
	struct ip_address v4 = ip("10.0.0.1"), v6 = ip("2001:db8::1");
	uint8_t data[256];
	struct packet p;

	(void)state;
	for (uint8_t ecn = 0; ecn < 4; ecn++) {
		build_ports(data, &v4, &v4, 17, 1, 2);
		data[1] = (uint8_t)(0xb8 | ecn);
		store_be16(data + 10, 0);
		store_be16(
		    data + 10, checksum_finish(checksum_add(0, data, 20)));
		p = parsed(data, 28);
		assert_int_equal(packet_ecn(&p), ecn);
		packet_mark_ce(&p);
		assert_int_equal(packet_ecn(&p), after[ecn]);
		assert_int_equal(data[1], 0xb8 | after[ecn]);
		assert_int_equal(checksum_finish(checksum_add(0, data, 20)), 0);

		build_ports(data, &v6, &v6, 17, 1, 2);
		data[0] = 0x6b;
		data[1] = (uint8_t)(0x8f | ecn << 4);
		p = parsed(data, 48);
		assert_int_equal(packet_ecn(&p), ecn);
		packet_mark_ce(&p);
		assert_int_equal(packet_ecn(&p), after[ecn]);
		assert_int_equal(data[0], 0x6b);
		assert_int_equal(data[1], 0x8f | after[ecn] << 4);
	}
}

/* Nothing to check but that every byte that is read exists. */
static void
survives_noise(void **state)
{
	struct dice d = dice_new();
	uint8_t data[256];
	struct packet p;
	int accepted = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		const struct sample *s =
		    &samples[roll(&d, sizeof(samples) / sizeof(samples[0]))];
		size_t len = unhex(s->hex, data, sizeof(data));
		uint32_t changes = roll(&d, 4);

		while (changes-- > 0)
			data[roll(&d, (uint32_t)len)] = (uint8_t)roll(&d, 256);
		len -= roll(&d, 8) == 0 ? roll(&d, (uint32_t)len) : 0;
		accepted += parse_exact(data, len, &p) == PACKET_OK;
	}
	assert_in_range(accepted, 10000, 90000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_and_refuses),
		cmocka_unit_test(reads_addresses_and_ports),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(needs_whole_headers),
		cmocka_unit_test(bounds_the_length),
		cmocka_unit_test(walks_extensions),
		cmocka_unit_test(walks_a_long_chain),
		cmocka_unit_test(sees_source_routes),
		cmocka_unit_test(knows_icmp),
		cmocka_unit_test(reads_quotes),
		cmocka_unit_test(sums),
		cmocka_unit_test(sums_pseudo_headers),
		cmocka_unit_test(updates_checksums),
		cmocka_unit_test(marks_ce),
		cmocka_unit_test(survives_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

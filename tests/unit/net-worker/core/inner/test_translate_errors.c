/* What errors become in the other family: RFC 7915, 4.2, 4.3, 5.2 and 5.3. */
#include "tests/lib/translate.h"

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
	{ 2, 0, 1280 }, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 }, { 1, 0, 0 },
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
		assert_int_equal(translate_error(&p, &e), there);
		assert_int_equal(e.quote_len, 7);
		if (there) {
			assert_int_equal(e.type, in_ipv6[code].type);
			assert_int_equal(e.code, in_ipv6[code].code);
			assert_int_equal(e.rest, in_ipv6[code].rest);
		}
		e.rest = 1;
		p = error_of(bytes, true, 11, (uint8_t)code, 0xffffffff);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &e));
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
		assert_int_equal(translate_error(&p, &e), code < 5);
		if (code < 5) {
			assert_int_equal(e.type, 3);
			assert_int_equal(e.code, codes[code]);
			assert_int_equal(e.rest, 0);
		}
		e.rest = 1;
		p = error_of(bytes, false, 3, (uint8_t)code, 0xffffffff);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &e));
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
	} v4[] = { { 1260, 1300 }, { 1259, 1300 }, { 1261, 1300 },
		{ 65535, 65535 }, { 68, 1260 }, { 1, 1260 }, { 0, 1260 },
		{ 0, 1281 }, { 0, 1493 }, { 0, 65535 }, { 0, 20 } };
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
		assert_true(translate_error(&p, &e));
		assert_int_equal(e.type, 2);
		assert_int_equal(e.rest, 1280);
	}
	for (size_t i = 0; i < COUNT(v6); i++) {
		p = error_of(bytes, false, 2, 0, v6[i].mtu);
		assert_true(packet_quote(&p, &quote));
		assert_true(translate_error(&p, &e));
		assert_int_equal(e.type, 3);
		assert_int_equal(e.code, 4);
		assert_int_equal(e.rest, v6[i].shrunk);
	}
}

/* RFC 7915, 4.2 and 5.2: all other ICMP is dropped. */
static void
translates_no_other_icmp(void **state)
{
	uint8_t bytes[2048];

	(void)state;
	for (unsigned i = 0; i < 512; i++) {
		bool v4 = i < 256;
		uint8_t type = (uint8_t)i;
		struct packet p = error_of(bytes, v4, type, 0, 0);
		struct ip_address from = ip(v4 ? CLIENT_V6 : CLIENT_V4),
				  to = ip(v4 ? REAL_V6 : REAL_V4);
		bool error =
		    v4 ? type == 3 || type == 11 : type >= 1 && type <= 3;
		bool echo =
		    v4 ? type == 8 || type == 0 : type == 128 || type == 129;
		struct icmp_error e;

		p.tailroom = 20;
		assert_int_equal(translate_error(&p, &e), error);
		assert_int_equal(translate_packet(&p, &from, &to, 0), echo);
	}
}

static void
names_no_error_that_is_none(void **state)
{
	struct icmp_error e = { 0 };
	uint8_t bytes[2048];
	struct packet p = error_of(bytes, true, 12, 0, 0);

	(void)state;
	assert_int_equal(p.kind, PACKET_ICMP_OTHER);
	assert_false(translate_error(&p, &e));
	p = error_of(bytes, false, 4, 0, 0);
	assert_false(translate_error(&p, &e));
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
		{ 65495, 65515, 0x4000 }, { 65515, 65535, 0x4000 } };
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
	for (uint16_t length = 65516; length != 0; length++) {
		p = parsed(bytes, unhex(pairs[1].v6, bytes, sizeof(bytes)));
		store_be16(bytes + 4, length);
		assert_false(translate_quote(&p, &from, &to, out));
	}

	from = ip(CLIENT_V6);
	to = ip(REAL_V6);
	p = parsed(bytes, unhex(pairs[1].v4, bytes, sizeof(bytes)));
	store_be16(bytes + 2, 20);
	assert_true(translate_quote(&p, &from, &to, out));
	assert_int_equal(load_be16(out + 4), 0);
	p = parsed(bytes, unhex(pairs[1].v4, bytes, sizeof(bytes)));
	store_be16(bytes + 2, 65535);
	assert_true(translate_quote(&p, &from, &to, out));
	assert_int_equal(load_be16(out + 4), 65515);
	p = parsed(bytes, unhex(pairs[1].v4, bytes, sizeof(bytes)));
	store_be16(bytes + 2, 19);
	assert_false(translate_quote(&p, &from, &to, out));
}

/* What was cut, as it was sent; of later fragments there is no telling. */
static void
takes_a_quoted_fragment_for_the_packet(void **state)
{
	struct ip_address from = ip(CLIENT_V4), to = ip(REAL_V4),
			  router = ip("2001:db8::1"), client = ip(CLIENT_V6);
	uint8_t bytes[2048], out[INNER_PACKET_MAX], quoted[64];
	struct packet p, quote;
	size_t len = unhex("6000000004d82c40fd002021111100000000000000000009"
			   "20010db80000000000000000000000771100000100004711"
			   "0001000204f0bcde",
	    quoted, sizeof(quoted));

	(void)state;
	p = parsed(
	    bytes, build_icmp(bytes, &router, &client, 1, 4, 0, quoted, len));
	assert_true(packet_quote(&p, &quote));
	assert_true(translate_quote(&quote, &from, &to, out));
	assert_int_equal(quote.length, 28);
	assert_int_equal(load_be16(out + 2), 20 + 1240 - 8);
	assert_int_equal(load_be16(out + 4), 0x4711);
	assert_int_equal(load_be16(out + 6), 0);
	assert_int_equal(out[9], IPPROTO_UDP);
	assert_int_equal(load_be16(out + 20), 1);

	store_be16(quoted + 42, 1232);
	p = parsed(
	    bytes, build_icmp(bytes, &router, &client, 1, 4, 0, quoted, len));
	assert_int_equal(p.kind, PACKET_ICMP_OTHER);
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
		cmocka_unit_test(names_errors_in_ipv6),
		cmocka_unit_test(names_errors_in_ipv4),
		cmocka_unit_test(tells_the_mtu_of_the_other_family),
		cmocka_unit_test(translates_no_other_icmp),
		cmocka_unit_test(names_no_error_that_is_none),
		cmocka_unit_test(translates_what_is_quoted),
		cmocka_unit_test(tells_the_length_of_what_is_quoted),
		cmocka_unit_test(takes_a_quoted_fragment_for_the_packet),
		cmocka_unit_test(cuts_a_quote_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Translation between IPv4 and IPv6: RFC 7915, sections 4.1, 4.5, 5.1, 5.5. */
#include "tests/lib/translate.h"

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

/*
 * RFC 7915, 5.1: hop-by-hop, destination options and an atomic fragment, whose
 * identification stays (5.1.1).
 */
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
	    "4500001fbeef000040114b92644000090a01020300010002"
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

static void
refuses_what_is_too_long_and_has_df(void **state)
{
	struct block b;

	(void)state;
	for (size_t upper = 8; upper <= 1260; upper++) {
		b = datagram(false, upper);
		b.p.data[6] |= 0x40;
		assert_int_equal(translate_fits(&b.p), upper <= 1240);
		assert_int_equal(turn(&b.p, 0), upper <= 1240);
		assert_int_equal(
		    b.p.source.family, upper <= 1240 ? IP_V6 : IP_V4);
		free(b.start);
	}
}

/* RFC 7915, 5.1: what becomes IPv4 may always be cut. */
static void
sets_no_df(void **state)
{
	struct block b = datagram(true, 1240);

	(void)state;
	assert_true(translate_fits(&b.p));
	assert_true(turn(&b.p, 0));
	assert_int_equal(b.p.length, TRANSLATE_V4_MAX);
	assert_int_equal(load_be16(b.p.data + 6), 0); /* DF */
	assert_true(checksums_right(&b.p));
	free(b.start);
}

/* Fragments of IPv6: RFC 8200, 4.5 and RFC 7915, 4.1. */
static void
check_fragment(const uint8_t *at, size_t len, uint16_t offset_and_flags)
{
	struct packet again;

	assert_in_range(len, 49, INNER_PACKET_MAX);
	assert_int_equal(at[0] >> 4, 6);
	assert_int_equal(load_be16(at + 4), len - 40);
	assert_int_equal(at[6], IPPROTO_FRAGMENT);
	assert_int_equal(at[40], IPPROTO_UDP);
	assert_int_equal(at[41], 0);
	assert_int_equal(load_be16(at + 42), offset_and_flags);
	assert_int_equal(load_be32(at + 44), 0x0000beef);
	assert_int_equal(packet_parse((uint8_t *)(uintptr_t)at, len, &again),
	    PACKET_FRAGMENT);
}

/* What a receiver makes of both: the whole packet, without fragment header. */
static size_t
put_together(uint8_t *to, const struct packet *first, const uint8_t *rest,
    size_t rest_len)
{
	size_t upper = first->length - 48 + rest_len - 48;

	memcpy(to, first->data, 40);
	store_be16(to + 4, (uint16_t)upper);
	to[6] = first->data[40];
	memcpy(to + 40, first->data + 48, first->length - 48);
	memcpy(to + first->length - 8, rest + 48, rest_len - 48);
	return 40 + upper;
}

/* None shorter gets a fragment header. */
static void
cuts_what_is_too_long_and_has_no_df(void **state)
{
	uint8_t *rest = malloc(TRANSLATE_REST_MAX), whole[2048], before[2048];

	(void)state;
	assert_non_null(rest);
	for (size_t upper = 1230; upper <= 1260; upper++) {
		struct block b = datagram(false, upper);
		size_t len, space = b.p.length + 20 + 12;
		struct packet p;

		free(b.start);
		b = datagram(false, upper);
		memcpy(before, b.p.data, b.p.length);
		store_be16(before + 4, 0xbeef);
		free(b.start);
		b = block_of(before, 20 + upper, 20, 12);
		assert_true(translate_fits(&b.p));
		assert_true(turn(&b.p, ID));
		assert_int_equal(b.p.length, 40 + upper);
		len = translate_cut(&b.p, rest);
		if (upper <= 1240) {
			assert_int_equal(len, 0);
			assert_int_equal(b.p.length, 40 + upper);
			assert_int_equal(b.p.data[6], IPPROTO_UDP);
			free(b.start);
			continue;
		}
		assert_int_equal(b.p.length, INNER_PACKET_MAX);
		assert_int_equal(b.p.transport, 48);
		assert_ptr_equal(b.p.data, b.start + b.p.headroom);
		assert_int_equal(
		    b.p.headroom + b.p.length + b.p.tailroom, space);
		check_fragment(b.p.data, b.p.length, 0x0001);
		check_fragment(rest, len, 1232);
		assert_memory_equal(rest, b.p.data, 4);
		assert_memory_equal(rest + 7, b.p.data + 7, 33);
		p = b.p;
		p.data = whole;
		p.transport = 40;
		p.length = put_together(whole, &b.p, rest, len);
		assert_int_equal(p.length, 40 + upper);
		assert_true(checksums_right(&p));
		assert_memory_equal(whole + 48, before + 28, upper - 8);
		free(b.start);
	}
	free(rest);
}

/* RFC 7915, 4.5: of the whole, as long as it is one. */
static void
makes_the_checksum_that_udp_lacks_before_it_cuts(void **state)
{
	uint8_t rest[TRANSLATE_REST_MAX], whole[2048];
	struct block b = datagram(false, 1260);
	struct packet p;
	size_t len;

	(void)state;
	store_be16(b.p.data + 26, 0);
	b.start = realloc(b.start, 20 + 1280 + 20);
	assert_non_null(b.start);
	b.p.data = b.start + 20;
	b.p.tailroom = 20;
	assert_true(turn(&b.p, 0));
	len = translate_cut(&b.p, rest);
	assert_int_equal(len, TRANSLATE_REST_MAX);
	assert_int_not_equal(load_be16(b.p.data + 54), 0);
	p = b.p;
	p.data = whole;
	p.transport = 40;
	p.length = put_together(whole, &b.p, rest, len);
	assert_true(checksums_right(&p));
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
		cmocka_unit_test(refuses_what_is_too_long_and_has_df),
		cmocka_unit_test(sets_no_df),
		cmocka_unit_test(cuts_what_is_too_long_and_has_no_df),
		cmocka_unit_test(
		    makes_the_checksum_that_udp_lacks_before_it_cuts),
		cmocka_unit_test(refuses_other_kinds),
		cmocka_unit_test(goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

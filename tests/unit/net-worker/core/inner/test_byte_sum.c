/*
 * Sums of whole packets: the same as word by word (RFC 1071), for each length
 * and wherever the bytes lie, as this processor makes them and as any other
 * does; copies are exact, and nothing beside them is touched.
 */
#include "net-worker/core/inner/byte_sum.c"

#include "tests/lib/unit.h"

#define LONGEST 1600
#define GUARD   64

static uint16_t
sum_by_words(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* Reproducible, and no byte is worth more than others. */
static void
fill(uint8_t *p, size_t len, uint32_t state)
{
	for (size_t i = 0; i < len; i++) {
		state = state * 1664525 + 1013904223;
		p[i] = (uint8_t)(state >> 24);
	}
}

/* 0 and 0xffff are the same number, and packets have either. */
static void
expect_sum(uint64_t sum, const uint8_t *p, size_t len)
{
	assert_int_equal(
	    byte_sum_fold(sum) % 0xffff, sum_by_words(p, len) % 0xffff);
}

/* As all can, and as this one can. */
static uint64_t
copy_as_all(uint8_t *to, const uint8_t *from, size_t len)
{
	return add_bytes(to, from, len);
}

static uint64_t (*const copy[])(uint8_t *, const uint8_t *, size_t) = {
	copy_as_all,
	byte_sum_copied,
};
#define WAYS (sizeof(copy) / sizeof(copy[0]))

static void
every_length_anywhere(void **state)
{
	uint8_t bytes[LONGEST + GUARD];

	(void)state;
	for (size_t len = 0; len <= LONGEST; len++)
		for (size_t at = 0; at < GUARD; at += 13) {
			fill(bytes, sizeof(bytes), (uint32_t)(len + at));
			expect_sum(byte_sum(bytes + at, len), bytes + at, len);
			expect_sum(copy_as_all(NULL, bytes + at, len),
			    bytes + at, len);
		}
}

static void
copies(void **state)
{
	uint8_t from[LONGEST], to[GUARD + LONGEST + GUARD];
	uint8_t untouched[GUARD];

	(void)state;
	memset(untouched, 0xa5, sizeof(untouched));
	for (size_t len = 0; len <= LONGEST; len++)
		for (size_t way = 0; way < WAYS; way++) {
			fill(from, sizeof(from), (uint32_t)len);
			memset(to, 0xa5, sizeof(to));
			expect_sum(copy[way](to + GUARD, from, len), from, len);
			assert_memory_equal(to, untouched, GUARD);
			assert_memory_equal(to + GUARD, from, len);
			assert_memory_equal(to + GUARD + len, untouched, GUARD);
		}
}

/* Where sums are largest, and carries most. */
static void
all_ones(void **state)
{
	static uint8_t bytes[UINT16_MAX], to[UINT16_MAX];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	for (size_t len = 0; len <= sizeof(bytes); len += 257)
		for (size_t way = 0; way < WAYS; way++)
			expect_sum(copy[way](to, bytes, len), bytes, len);
}

static void
pieces_are_added(void **state)
{
	uint8_t bytes[LONGEST];

	(void)state;
	fill(bytes, sizeof(bytes), 7);
	for (size_t at = 0; at <= LONGEST; at += 2)
		expect_sum(
		    byte_sum(bytes, at) + byte_sum(bytes + at, LONGEST - at),
		    bytes, LONGEST);
}

/* RFC 1071, section 3. */
static void
vector_of_the_rfc(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5,
		0xf6, 0xf7 };

	(void)state;
	assert_int_equal(byte_sum_fold(byte_sum(bytes, sizeof(bytes))), 0xddf2);
	assert_int_equal(
	    byte_sum_checksum(byte_sum(bytes, sizeof(bytes))), 0x220d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_anywhere),
		cmocka_unit_test(copies),
		cmocka_unit_test(all_ones),
		cmocka_unit_test(pieces_are_added),
		cmocka_unit_test(vector_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

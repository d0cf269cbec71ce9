/* common/buffer.c: bounds at every byte, stickiness, byte orders. */
#include "common/buffer.h"
#include "tests/lib/unit.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void
reads_in_order(void **state)
{
	struct cursor c;

	(void)state;
	cursor_init(&c, bytes, sizeof(bytes));
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_be16(&c), 0x0203);
	assert_int_equal(cursor_le32(&c), 0x07060504);
	assert_false(cursor_done(&c));
	assert_int_equal(cursor_u8(&c), 8);
	assert_true(cursor_done(&c));
}

static void
fails_at_every_truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(bytes); len++) {
		struct cursor c;

		cursor_init(&c, bytes, len);
		assert_int_equal(cursor_be64(&c), 0);
		assert_true(cursor_failed(&c));
		assert_false(cursor_done(&c));
		/* Sticky: what would have fitted is refused too. */
		assert_int_equal(cursor_u8(&c), 0);
		assert_null(cursor_bytes(&c, 0));
	}
}

static void
sub_cursor_is_bounded(void **state)
{
	struct cursor c, sub;

	(void)state;
	cursor_init(&c, bytes, sizeof(bytes));
	sub = cursor_sub(&c, 2);
	assert_int_equal(cursor_be16(&sub), 0x0102);
	assert_true(cursor_done(&sub));
	assert_int_equal(cursor_u8(&c), 3);
	sub = cursor_sub(&c, 6);
	assert_true(cursor_failed(&sub));
	assert_true(cursor_failed(&c));
}

static void
writer_stops_at_its_end(void **state)
{
	uint8_t out[8];
	struct writer w;

	(void)state;
	memset(out, 0xee, sizeof(out));
	writer_init(&w, out, 7);
	writer_be32(&w, 0x01020304);
	writer_be32(&w, 0x05060708);
	assert_true(writer_failed(&w));
	writer_u8(&w, 9);
	assert_int_equal(w.len, 4);
	assert_hex(out, sizeof(out), "01020304 eeeeeeee");
}

static void
writer_byte_orders(void **state)
{
	uint8_t out[26];
	struct writer w;

	(void)state;
	writer_init(&w, out, sizeof(out));
	writer_be16(&w, 0x0102);
	writer_le32(&w, 0x03040506);
	writer_be64(&w, 0x1112131415161718);
	writer_zero(&w, 2);
	writer_bytes(&w, "ab", 2);
	assert_false(writer_failed(&w));
	assert_hex(out, w.len,
	    "0102 06050403 1112131415161718 0000 6162");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_in_order),
		cmocka_unit_test(fails_at_every_truncation),
		cmocka_unit_test(sub_cursor_is_bounded),
		cmocka_unit_test(writer_stops_at_its_end),
		cmocka_unit_test(writer_byte_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

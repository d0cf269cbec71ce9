/* common/utf8.c: characters, and which of them are shown. */
#include "common/utf8.h"

#include "tests/lib/unit.h"

static const struct {
	const char *bytes;
	size_t taken;
	uint32_t character;
	bool shown;
} rows[] = {
	{ "a", 1, 'a', true },
	{ " ", 1, ' ', true },
	{ "\n", 1, '\n', false },
	{ "\x1b", 1, 0x1b, false },
	{ "\x7f", 1, 0x7f, false },
	{ "\xc2\x9b", 2, 0x9b, false },
	{ "\xc2\xa0", 2, 0xa0, true },
	{ "\xc3\xbc", 2, 0xfc, true },
	{ "\xd8\x9c", 2, 0x61c, false },
	{ "\xe2\x80\xa8", 3, 0x2028, false },
	{ "\xe2\x80\xae", 3, 0x202e, false },
	{ "\xe2\x81\xa6", 3, 0x2066, false },
	{ "\xe6\x9d\xb1", 3, 0x6771, true },
	{ "\xee\x80\x80", 3, 0xe000, false },
	{ "\xef\xbf\xbe", 3, 0xfffe, false },
	{ "\xf0\x9f\x9a\xaa", 4, 0x1f6aa, true },
	{ "\xf3\xa0\x81\x81", 4, 0xe0041, false },
	/* Overlong, surrogate, too large, alone, cut off. */
	{ "\xc0\xaf", 1, UTF8_NONE, false },
	{ "\xe0\x80\xaf", 1, UTF8_NONE, false },
	{ "\xf0\x80\x80\xaf", 1, UTF8_NONE, false },
	{ "\xed\xa0\x80", 1, UTF8_NONE, false },
	{ "\xf4\x90\x80\x80", 1, UTF8_NONE, false },
	{ "\xff", 1, UTF8_NONE, false },
	{ "\x80", 1, UTF8_NONE, false },
	{ "\xc3z", 1, UTF8_NONE, false },
	{ "\xe6\x9d", 1, UTF8_NONE, false },
};

static void
characters(void **state)
{
	size_t taken;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
		    utf8_decode(rows[i].bytes, strlen(rows[i].bytes), &taken),
		    rows[i].character);
		assert_int_equal(taken, rows[i].taken);
		assert_int_equal(
		    utf8_is_shown(rows[i].character), rows[i].shown);
	}
}

/* It looks at no byte behind the last. */
static void
ends(void **state)
{
	size_t taken;

	(void)state;
	assert_int_equal(utf8_decode("\xe6\x9d\xb1", 2, &taken), UTF8_NONE);
	assert_int_equal(utf8_decode("\xe6\x9d\xb1", 3, &taken), 0x6771);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters),
		cmocka_unit_test(ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

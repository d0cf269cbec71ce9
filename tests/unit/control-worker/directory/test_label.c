/* control-worker/directory/label.c: names that somebody else has chosen. */
#include "control-worker/directory/label.h"

#include <stdint.h>

#include "tests/lib/dice.h"
#include "tests/lib/unit.h"

struct example {
	const char *from, *want;
};

static const struct example examples[] = {
	{ "", "" },
	{ "Office", "Office" },
	{ "jane@acme.com", "jane@acme.com" },
	{ "J\xc3\xbcrgen \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x9a\xaa",
	    "J\xc3\xbcrgen \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x9a\xaa" },
	/* White space is one blank, and none at an end. */
	{ " \t a \n\r\v b\xc2\xa0\xe3\x80\x80", "a b" },
	{ "a\xe2\x80\xa8"
	  "b\xc2\x85"
	  "c",
	    "a b c" },
	/* Control characters of ASCII and beyond; what is left is text. */
	{ "\x1b[31mred\x07\x7f", "[31mred" },
	{ "\xc2\x9b"
	  "2Jx",
	    "2Jx" },
	/* Direction and what is not seen. */
	{ "\xe2\x80\xae"
	  "fdp.exe\xe2\x80\xac",
	    "fdp.exe" },
	{ "a\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xe2\x81\xa6\xe2\x81\xa9"
	  "b",
	    "ab" },
	{ "a\xe2\x80\x8b\xe2\x80\x8d\xef\xbb\xbf\xc2\xad"
	  "b",
	    "ab" },
	{ "a\xf3\xa0\x81\x81"
	  "b",
	    "ab" },
	{ "a\xee\x80\x80\xef\xbf\xbf"
	  "b",
	    "ab" },
	/* No UTF-8: overlong, surrogate, too large, cut off, alone. */
	{ "a\xc0\xafz", "az" },
	{ "a\xe0\x80\xafz", "az" },
	{ "a\xf0\x80\x80\xafz", "az" },
	{ "a\xed\xa0\x80z", "az" },
	{ "a\xf4\x90\x80\x80z", "az" },
	{ "a\xff\xfe\x80z", "az" },
	{ "a\xc3", "a" },
	{ "a\xf0\x9f\x9a", "a" },
	{ "a\xc3z", "az" },
};

static void
clean_examples(void **state)
{
	char got[256];

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		const struct example *e = &examples[i];
		size_t len =
		    label_clean(got, sizeof(got), e->from, strlen(e->from));

		assert_string_equal(got, e->want);
		assert_int_equal(len, strlen(e->want));
	}
}

static void
a_nul_is_no_end(void **state)
{
	char got[8];

	(void)state;
	assert_int_equal(label_clean(got, sizeof(got), "a\0b", 3), 2);
	assert_string_equal(got, "ab");
	assert_int_equal(label_clean(got, sizeof(got), NULL, 0), 0);
	assert_string_equal(got, "");
}

static void
cut_between_characters(void **state)
{
	static const char text[] = "a \xe6\x9d\xb1"
				   "b";
	static const char *const want[] = { NULL, "", "a", "a", "a", "a",
		"a \xe6\x9d\xb1",
		"a \xe6\x9d\xb1"
		"b" };
	char got[8];

	(void)state;
	for (size_t size = 1; size < sizeof(want) / sizeof(*want); size++) {
		memset(got, 'x', sizeof(got));
		label_clean(got, size, text, sizeof(text) - 1);
		assert_string_equal(got, want[size]);
	}
}

static void
columns(void **state)
{
	(void)state;
	assert_int_equal(label_width(""), 0);
	assert_int_equal(label_width("J\xc3\xbcrgen"), 6);
	assert_int_equal(label_width("e\xcc\x81"), 1);
	assert_int_equal(label_width("\xe6\x9d\xb1\xe4\xba\xac"), 4);
	assert_int_equal(label_fit("abc", 2), 2);
	assert_int_equal(label_fit("abc", 3), 3);
	assert_int_equal(label_fit("\xe6\x9d\xb1\xe4\xba\xac", 3), 3);
	/* What takes no column stays with what it belongs to. */
	assert_int_equal(label_fit("e\xcc\x81x", 1), 3);
}

/* What RFC 3629 calls UTF-8, by its table and not by arithmetic. */
static size_t
utf8_step(const uint8_t *b)
{
	static const struct {
		uint8_t first, last, low, high, more;
	} rows[] = {
		{ 0x20, 0x7e, 0, 0, 0 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 1 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 2 },
		{ 0xe1, 0xec, 0x80, 0xbf, 2 },
		{ 0xed, 0xed, 0x80, 0x9f, 2 },
		{ 0xee, 0xef, 0x80, 0xbf, 2 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 3 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 3 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (b[0] < rows[i].first || b[0] > rows[i].last)
			continue;
		if (rows[i].more > 0 &&
		    (b[1] < rows[i].low || b[1] > rows[i].high))
			return 0;
		for (size_t k = 2; k <= rows[i].more; k++)
			if (b[k] < 0x80 || b[k] > 0xbf)
				return 0;
		return rows[i].more + 1u;
	}
	return 0;
}

/* Bytes of which many begin or go on with something. */
static uint8_t
hostile_octet(struct dice *d)
{
	static const uint8_t often[] = { ' ', 0xc2, 0xe2, 0x80, 0xaa, 0xae,
		0x8f, 0xed, 0xf0, 0xf4, 0x9f, 0x1b, 0, 'a' };
	uint32_t n = roll(d, 2 * sizeof(often));

	return n < sizeof(often) ? often[n] : (uint8_t)roll(d, 256);
}

static void
check_label(const char *got, size_t len, size_t size)
{
	const uint8_t *b = (const uint8_t *)got;
	char again[64];
	size_t step;

	assert_true(len < size && got[len] == '\0' && strlen(got) == len);
	for (size_t i = 0; i < len; i += step)
		assert_true((step = utf8_step(b + i)) > 0);
	assert_false(len > 0 && (got[0] == ' ' || got[len - 1] == ' '));
	assert_null(strstr(got, "  "));
	assert_null(strstr(got, "\xe2\x80\xae"));
	assert_null(strstr(got, "\xc2\x80"));
	/* What has been cleaned is clean. */
	assert_int_equal(label_clean(again, sizeof(again), got, len), len);
	assert_string_equal(again, got);
	for (size_t i = 0; i <= label_width(got); i++)
		assert_true(label_fit(got, i) <= len);
	assert_int_equal(label_fit(got, label_width(got)), len);
}

static void
hostile_names(void **state)
{
	struct dice d = dice_new(16, 0);
	char from[48], got[48];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t len = roll(&d, sizeof(from) + 1);
		size_t size = 1 + roll(&d, 47);

		for (size_t i = 0; i < len; i++)
			from[i] = (char)hostile_octet(&d);
		memset(got, 'x', sizeof(got));
		check_label(got, label_clean(got, size, from, len), size);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_examples),
		cmocka_unit_test(a_nul_is_no_end),
		cmocka_unit_test(cut_between_characters),
		cmocka_unit_test(columns),
		cmocka_unit_test(hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

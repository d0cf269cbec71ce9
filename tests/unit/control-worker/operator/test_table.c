/* control-worker/operator/table.c: cells and figures that keep their width. */
#include "control-worker/operator/table.h"

#include "tests/lib/unit.h"

static const char *
cell(const char *text, size_t columns, bool wide)
{
	static char got[512];
	struct text t = { 0 };

	if (wide)
		table_wide_cell(&t, text, columns);
	else
		table_cell(&t, text, columns);
	assert_false(t.failed);
	memcpy(got, t.bytes, t.len);
	got[t.len] = '\0';
	text_free(&t);
	return got;
}

static void
cells(void **state)
{
	(void)state;
	assert_string_equal(cell("abc", 5, false), "abc   ");
	assert_string_equal(cell("abcde", 5, false), "abcde ");
	assert_string_equal(cell("abcdef", 5, false), "abc.. ");
	assert_string_equal(cell("abcdef", 5, true), "abcdef ");
	assert_string_equal(cell("", 2, false), "   ");
	/* By columns, and between characters. */
	assert_string_equal(cell("J\xc3\xbcrgen", 7, false), "J\xc3\xbcrgen  ");
	assert_string_equal(cell("J\xc3\xbcrgen", 4, false), "J\xc3\xbc.. ");
	assert_string_equal(
	    cell("\xe6\x9d\xb1\xe4\xba\xac\xe6\x9d\xb1", 5, false),
	    "\xe6\x9d\xb1..  ");
}

static void
figures(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *long_form, *short_form;
	} table[] = {
		{ 0, "0 B", "0" },
		{ 1023, "1023 B", "1023" },
		{ 1024, "1.0 KiB", "1.0K" },
		{ 1536 * 1024, "1.5 MiB", "1.5M" },
		{ UINT64_C(1) << 40, "1.0 TiB", "1.0T" },
		{ UINT64_MAX, "16.0 EiB", "16.0E" },
	};
	char to[FIGURE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_string_equal(
		    format_bytes(table[i].bytes, to), table[i].long_form);
		assert_string_equal(
		    format_few_bytes(table[i].bytes, to), table[i].short_form);
	}
	assert_string_equal(format_duration(59, to), "59s");
	assert_string_equal(format_duration(60, to), "1m 0s");
	assert_string_equal(format_duration(3599, to), "59m 59s");
	assert_string_equal(format_duration(3600, to), "1h 0m");
	assert_string_equal(format_duration(86399, to), "23h 59m");
	assert_string_equal(format_duration(86400, to), "1d 0h");
	assert_string_equal(format_few_seconds(0, to), "0s");
	assert_string_equal(format_few_seconds(119, to), "119s");
	assert_string_equal(format_few_seconds(120, to), "2m");
	assert_string_equal(format_few_seconds(7199, to), "119m");
	assert_string_equal(format_few_seconds(7200, to), "2h");
	assert_string_equal(format_few_seconds(172799, to), "47h");
	assert_string_equal(format_few_seconds(172800, to), "2d");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cells),
		cmocka_unit_test(figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

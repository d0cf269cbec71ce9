/* Files of many reports: lines, and whatever else may be in such a file. */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "control-worker/flow/files.h"
#include "control-worker/flow/segment.h"

#define NAME      "1700000000-0123456789abcdef.end.json"
#define FILE_NAME "0000000007.reports"

static char root[64];
static int dir;

static int
set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test_flow_segment.XXXXXX");
	assert_non_null(mkdtemp(root));
	dir = open(root, DIRECTORY);
	assert_true(dir != -1);
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	close(dir);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void
lines(void **state)
{
	char text[SEGMENT_LINE_MAX + 1];
	struct segment_line line;
	size_t len = segment_line_format(NAME, "{\"x\":1}", 7, text);

	(void)state;
	/* CRC-32 of the name and the payload. */
	assert_string_equal(text, NAME " 2498191696 {\"x\":1}\n");
	assert_int_equal(len, strlen(text));
	assert_true(segment_line_parse(text, --len, &line));
	assert_string_equal(line.name, NAME);
	assert_true(line.closed);
	assert_int_equal(line.len, 7);
	assert_memory_equal(line.payload, "{\"x\":1}", 7);
	for (size_t i = 0; i < len; i++) {
		assert_false(segment_line_parse(text, i, &line));
		for (int bit = 1; bit < 256; bit <<= 1) {
			text[i] = (char)(text[i] ^ bit);
			assert_false(segment_line_parse(text, len, &line));
			text[i] = (char)(text[i] ^ bit);
		}
	}
	/* What says that one is done with. */
	len = segment_line_format(NAME, "", 0, text);
	assert_true(segment_line_parse(text, len - 1, &line));
	assert_int_equal(line.len, 0);
}

static void
the_longest_line(void **state)
{
	static char payload[FLOW_PAYLOAD_MAX + 1], text[SEGMENT_LINE_MAX + 2];
	struct segment_line line;
	size_t len;

	(void)state;
	memset(payload, 'x', sizeof(payload));
	len = segment_line_format("1700000000-0123456789abcdef.start.json",
	    payload, FLOW_PAYLOAD_MAX, text);
	assert_true(len <= SEGMENT_LINE_MAX);
	assert_true(segment_line_parse(text, len - 1, &line));
	assert_int_equal(line.len, FLOW_PAYLOAD_MAX);
	assert_false(line.closed);
	/* One octet more, with a checksum that is right. */
	len = (size_t)snprintf(text, sizeof(text), NAME " %u %.*s", 359373888u,
	    (int)sizeof(payload), payload);
	assert_false(segment_line_parse(text, len, &line));
}

static void
names(void **state)
{
	static const char *const bad[] = { "", "7.reports", "0000000007",
		"0000000007.report", "0000000007.reports.new",
		"00000000070.reports", "x000000007.reports",
		"4294967295.reports", "9999999999.reports" };
	char text[SEGMENT_NAME_MAX];
	uint32_t number;

	(void)state;
	assert_string_equal(segment_name_format(7, text), FILE_NAME);
	assert_true(segment_name_parse(text, &number));
	assert_int_equal(number, 7);
	assert_true(segment_name_parse(
	    segment_name_format(UINT32_MAX - 1, text), &number));
	assert_int_equal(number, UINT32_MAX - 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(segment_name_parse(bad[i], &number));
}

static void
append(const char *text, size_t len)
{
	assert_int_equal(segment_append(dir, FILE_NAME, text, len), len);
}

static void
append_report(unsigned n)
{
	char name[FLOW_NAME_MAX], payload[16], text[SEGMENT_LINE_MAX + 1];

	snprintf(name, sizeof(name), "1700000000-%016x.end.json", n);
	snprintf(payload, sizeof(payload), "{\"n\":%u}", n);
	append(text, segment_line_format(name, payload, strlen(payload), text));
}

struct found {
	unsigned count, numbers[16];
};

static void
find_line(void *ctx, const struct segment_line *line, size_t at, size_t len)
{
	char payload[FLOW_PAYLOAD_MAX + 1];
	struct found *f = ctx;
	size_t n;

	assert_int_equal(
	    segment_read(dir, FILE_NAME, at, len, line->name, payload, &n),
	    SEGMENT_READ);
	assert_int_equal(n, line->len);
	assert_memory_equal(payload, line->payload, n);
	assert_int_equal(
	    sscanf(payload, "{\"n\":%u}", &f->numbers[f->count++]), 1);
}

/* Around a piece of rubbish of any length all reports are found. */
static void
rubbish_in_between(void **state)
{
	static const size_t lengths[] = { 0, 1, 2, 4096, SEGMENT_LINE_MAX - 1,
		SEGMENT_LINE_MAX, SEGMENT_LINE_MAX + 1, 2 * SEGMENT_LINE_MAX,
		100000 };
	static const char fills[] = { 0, 'x', ' ', '1' };
	static char rubbish[100001];
	struct segment_scan scan;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t k = 0; k < sizeof(fills); k++) {
			struct found f = { 0 };

			memset(rubbish, fills[k], lengths[i]);
			rubbish[lengths[i]] = '\n';
			append_report(1);
			append_report(2);
			append(rubbish, lengths[i] + 1);
			append_report(3);
			/* Torn: it does not count. */
			append("1700000000-", 11);
			assert_true(
			    segment_scan(dir, FILE_NAME, find_line, &f, &scan));
			assert_int_equal(f.count, 3);
			for (unsigned n = 0; n < 3; n++)
				assert_int_equal(f.numbers[n], n + 1);
			assert_int_equal(scan.damaged, lengths[i] > 0);
			assert_int_equal(unlinkat(dir, FILE_NAME, 0), 0);
		}
}

static void
count_line(void *ctx, const struct segment_line *line, size_t at, size_t len)
{
	(void)line, (void)at, (void)len;
	++*(size_t *)ctx;
}

/* Far more than we write is not read to its end. */
static void
a_file_without_end(void **state)
{
	char payload[FLOW_PAYLOAD_MAX + 1], name[FLOW_NAME_MAX] = NAME;
	struct segment_scan scan;
	size_t n = 0;

	(void)state;
	assert_false(segment_scan(dir, FILE_NAME, count_line, &n, &scan));
	append_report(1);
	assert_int_equal(
	    truncate(strcat(strcpy(payload, root), "/" FILE_NAME), 1L << 40),
	    0);
	assert_true(segment_scan(dir, FILE_NAME, count_line, &n, &scan));
	assert_int_equal(n, 1);
	assert_true(scan.size == UINT64_C(1) << 40);
	/* A place where there is no such report. */
	assert_int_equal(
	    segment_read(dir, FILE_NAME, 5000, 50, name, payload, &n),
	    SEGMENT_DAMAGED);
	assert_int_equal(
	    segment_read(dir, "0000000008.reports", 0, 50, name, payload, &n),
	    SEGMENT_DAMAGED);
	assert_int_equal(
	    symlinkat("/etc/passwd", dir, "0000000009.reports"), 0);
	assert_int_equal(
	    segment_read(dir, "0000000009.reports", 0, 50, name, payload, &n),
	    SEGMENT_UNREADABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines),
		TEST(the_longest_line),
		TEST(names),
		TEST(rubbish_in_between),
		TEST(a_file_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

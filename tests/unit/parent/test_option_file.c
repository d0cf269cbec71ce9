/* parent/config_file.c, options.c, options_print.c: posternd.conf. */
#include "parent/option_table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/unit.h"

static struct options o;
static struct problems problems;
static char directory[] = "/tmp/test_option_file.XXXXXX", path[64];

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/conf", directory);
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(directory);
}

static void
write_file(const char *text, size_t len)
{
	int fd;

	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd != -1);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fchmod(fd, 0644), 0);
	close(fd);
}

/* With one more flag; NULL: none. */
static enum options_result
parse_file_and(const char *flag)
{
	static char program[] = "posternd", config[] = "-f", more[128];
	char *argv[5] = { program, config, path };
	int argc = 3;

	snprintf(more, sizeof(more), "%s", flag == NULL ? "" : flag);
	if (flag != NULL)
		argv[argc++] = more;
	return options_parse(&o, argc, argv, &problems);
}

static enum options_result
parse_text(const char *text)
{
	clearenv();
	write_file(text, strlen(text));
	return parse_file_and(NULL);
}

static void
every_kind_of_line(void **state)
{
	(void)state;
	assert_int_equal(parse_text("# a comment\n"
				    "\n"
				    "  \t \n"
				    "\t # another\n"
				    "firezone-name  Berlin # 2, \"west\" \t\n"
				    "\tthreads\t2\n"
				    "expose-host true\n"
				    "log-denied false\n"
				    "no-check true\n"
				    "log-level warn\n"
				    "udp-recv-buffer-size 1\n"
				    "api-url ws://portal:1/#x"),
	    OPTIONS_RUN);
	assert_string_equal(o.name, "Berlin # 2, \"west\"");
	assert_int_equal(o.threads, 2);
	assert_true(o.expose_host && o.no_check && !o.log_denied);
	assert_int_equal(o.log_level, LOG_LEVEL_WARN);
	assert_int_equal(o.udp_receive_bytes, 1);
	assert_string_equal(o.api_url, "ws://portal:1/#x");
	assert_string_equal(o.config_file, path);
	assert_int_equal(parse_text(""), OPTIONS_RUN);
	assert_int_equal(parse_text("metrics stdout\n"), OPTIONS_RUN);
	assert_string_equal(o.ineffective[0], "metrics");
}

static void
flag_before_variable_before_file(void **state)
{
	(void)state;
	assert_int_equal(parse_text("threads 1\n"
				    "firezone-id file\n"
				    "firezone-name file\n"),
	    OPTIONS_RUN);
	assert_int_equal(setenv("FIREZONE_ID", "variable", 1), 0);
	assert_int_equal(setenv("POSTERN_THREADS", "2", 1), 0);
	assert_int_equal(parse_file_and("--threads=3"), OPTIONS_RUN);
	assert_int_equal(o.threads, 3);
	assert_string_equal(o.id, "variable");
	assert_string_equal(o.name, "file");
	assert_int_equal(o.origin[option_row("threads")].source, OPTION_FLAG);
	assert_int_equal(
	    o.origin[option_row("firezone-id")].source, OPTION_VARIABLE);
	assert_int_equal(
	    o.origin[option_row("firezone-name")].source, OPTION_FILE);
	assert_int_equal(
	    o.origin[option_row("log-format")].source, OPTION_DEFAULT);
}

static void
file_of_a_variable(void **state)
{
	static char program[] = "posternd";
	char *argv[2] = { program };

	(void)state;
	assert_int_equal(parse_text("firezone-name file\n"), OPTIONS_RUN);
	assert_int_equal(setenv("POSTERN_CONFIG", path, 1), 0);
	assert_int_equal(options_parse(&o, 1, argv, &problems), OPTIONS_RUN);
	assert_string_equal(o.name, "file");
	/* An empty name is none; the default one need not be there. */
	assert_int_equal(setenv("POSTERN_CONFIG", "", 1), 0);
	assert_int_equal(options_parse(&o, 1, argv, &problems), OPTIONS_RUN);
	assert_null(o.name);
}

static void
wrong_lines_are_named(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		{ "thread 1", "1: thread: there is no such option" },
		{ "--threads 1", "1: --threads: there is no such option" },
		{ "threads=1", "1: threads=: there is no such option" },
		{ "FIREZONE_TOKEN=.SFMyNTY",
		    "1: FIREZONE_TOKEN=: there is no such option" },
		{ "FIREZONE_NAME x",
		    "1: FIREZONE_NAME: there is no such option" },
		{ "#\n\nthreads 9", "3: threads must be a number from 1 to 8" },
		{ "threads", "1: threads must be a number from 1 to 8" },
		{ "expose-host", "1: expose-host must be true or false" },
		{ "expose-host yes", "1: expose-host must be true or false" },
		{ "check true", "1: check: there is no such option" },
		{ "config /x", "1: config: there is no such option" },
		{ "print-config true",
		    "1: print-config: there is no such option" },
		{ "log-level loud",
		    "1: log-level must be error, warn, info, debug or trace" },
		{ "threads 1\nthreads 1\n", "2: threads is there twice" },
		{ "threads 1\r\n", "1: has a character that is not printable" },
		{ "threads 1\001", "1: has a character that is not printable" },
		{ "firezone-name \x7f",
		    "1: has a character that is not printable" },
	};
	char expected[PROBLEM_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (parse_text(cases[i].text) != OPTIONS_WRONG)
			fail_msg("accepted: %s", cases[i].text);
		snprintf(
		    expected, sizeof(expected), "%s:%s", path, cases[i].told);
		assert_string_equal(problems.text[0], expected);
		assert_int_equal(problems.count, 1);
	}
}

static void
wrong_lines_are_told_all(void **state)
{
	(void)state;
	assert_int_equal(
	    parse_text("a 1\nthreads 0\nexpose-host true\nb"), OPTIONS_WRONG);
	assert_int_equal(problems.count, 3);
}

/* It would be wrong on the day on which the flag is left out. */
static void
line_that_does_not_count_is_checked(void **state)
{
	(void)state;
	assert_int_equal(parse_text("threads 9\n"), OPTIONS_WRONG);
	assert_int_equal(parse_file_and("--threads=3"), OPTIONS_WRONG);
	assert_int_equal(problems.count, 1);
	assert_int_equal(o.threads, 3);
}

static void
bounds_of_a_file(void **state)
{
	static char text[CONFIG_MAX + 2];

	(void)state;
	/* A name of the longest, and what is beyond. */
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "firezone-name ", 14);
	text[14 + 255] = '\0';
	assert_int_equal(parse_text(text), OPTIONS_RUN);
	assert_int_equal(strlen(o.name), 255);
	text[14 + 255] = 'x';
	text[14 + 256] = '\0';
	assert_int_equal(parse_text(text), OPTIONS_WRONG);
	/* A comment as long as a line may be, and longer. */
	memset(text, '#', sizeof(text) - 1);
	text[CONFIG_LINE_MAX] = '\0';
	assert_int_equal(parse_text(text), OPTIONS_RUN);
	text[CONFIG_LINE_MAX] = '#';
	text[CONFIG_LINE_MAX + 1] = '\0';
	assert_int_equal(parse_text(text), OPTIONS_WRONG);
	assert_non_null(strstr(problems.text[0], ":1: longer than"));
	/* Lines that fill a file, and one byte more. */
	memset(text, '\n', sizeof(text) - 1);
	text[CONFIG_MAX] = '\0';
	assert_int_equal(parse_text(text), OPTIONS_RUN);
	text[CONFIG_MAX] = '\n';
	assert_int_equal(parse_text(text), OPTIONS_WRONG);
	assert_non_null(strstr(problems.text[0], "too long"));
}

static void
zero_byte_is_no_end(void **state)
{
	(void)state;
	clearenv();
	write_file("threads 1\0\nbogus\n", 17);
	assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
	assert_int_equal(problems.count, 2);
	assert_non_null(strstr(problems.text[1], ":2: bogus"));
}

static void
file_that_others_may_write(void **state)
{
	(void)state;
	assert_int_equal(parse_text("threads 1\n"), OPTIONS_RUN);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
	assert_non_null(strstr(problems.text[0], "chmod go-w"));
	assert_int_equal(chmod(path, 0646), 0);
	assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
	assert_int_equal(chmod(path, 0644), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
		assert_non_null(strstr(problems.text[0], "chown root"));
	}
}

static void
file_that_is_none(void **state)
{
	(void)state;
	clearenv();
	(void)unlink(path);
	assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
	assert_non_null(strstr(problems.text[0], "No such file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(parse_file_and(NULL), OPTIONS_WRONG);
	assert_non_null(strstr(problems.text[0], "not a regular file"));
}

/* What --print-config writes, up to size. */
static void
print_config(char *to, size_t size)
{
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	assert_true(dup2(fileno(file), STDOUT_FILENO) != -1);
	assert_int_equal(parse_file_and("--print-config"), OPTIONS_DONE);
	fflush(stdout);
	assert_true(dup2(before, STDOUT_FILENO) != -1);
	close(before);
	rewind(file);
	n = fread(to, 1, size - 1, file);
	to[n] = '\0';
	fclose(file);
}

static void
printed_config(void **state)
{
	char text[8192], again[8192], place[PROBLEM_TEXT_MAX];

	(void)state;
	assert_int_equal(
	    parse_text("firezone-name a b\nexpose-host true\n"), OPTIONS_RUN);
	assert_int_equal(setenv("POSTERN_THREADS", "2", 1), 0);
	assert_int_equal(setenv("FIREZONE_TOKEN", "geheim", 1), 0);
	print_config(text, sizeof(text));
	snprintf(place, sizeof(place),
	    "# in %s\nexpose-host true\nfirezone-name a b\n# by default\n",
	    path);
	assert_ptr_equal(
	    strstr(text, "# in the environment\nthreads 2\n"), text);
	assert_non_null(strstr(text, place));
	assert_non_null(strstr(text, "\nlog-format human\n"));
	assert_non_null(strstr(text, "\n# firezone-id: derived\n"));
	assert_non_null(
	    strstr(text, "\n# the token: the variable FIREZONE_TOKEN\n"));
	assert_null(strstr(text, "geheim"));
	/* It is a file itself, which says the same. */
	assert_int_equal(parse_text(text), OPTIONS_RUN);
	assert_string_equal(o.name, "a b");
	assert_int_equal(o.threads, 2);
	assert_true(o.expose_host);
	print_config(again, sizeof(again));
	assert_null(strstr(again, "# by default\nthreads"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_line),
		cmocka_unit_test(flag_before_variable_before_file),
		cmocka_unit_test(file_of_a_variable),
		cmocka_unit_test(wrong_lines_are_named),
		cmocka_unit_test(wrong_lines_are_told_all),
		cmocka_unit_test(line_that_does_not_count_is_checked),
		cmocka_unit_test(bounds_of_a_file),
		cmocka_unit_test(zero_byte_is_no_end),
		cmocka_unit_test(file_that_others_may_write),
		cmocka_unit_test(file_that_is_none),
		cmocka_unit_test(printed_config),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

/* common/log.c: what a record looks like, and what is not let through. */
#include "common/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log_budget.h"
#include "tests/lib/unit.h"

static char output[65536];
static struct log_budget budget; /* not used up here */
static int saved_stdout, capture[2];

static void
begin(void)
{
	fflush(stdout);
	assert_int_equal(pipe2(capture, O_CLOEXEC | O_NONBLOCK), 0);
	saved_stdout = dup(STDOUT_FILENO);
	assert_true(saved_stdout != -1);
	assert_int_equal(dup2(capture[1], STDOUT_FILENO), STDOUT_FILENO);
}

/* What has been printed since begin(). */
static const char *
end(void)
{
	ssize_t n = read(capture[0], output, sizeof(output) - 1);

	assert_int_equal(dup2(saved_stdout, STDOUT_FILENO), STDOUT_FILENO);
	close(saved_stdout);
	close(capture[0]);
	close(capture[1]);
	output[n < 0 ? 0 : n] = '\0';
	return output;
}

/* The text after the time, whose form is checked. */
static const char *
after_time(const char *line)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";

	for (size_t i = 0; i < sizeof(form) - 1; i++) {
		if (form[i] == '0')
			assert_true(isdigit((unsigned char)line[i]));
		else
			assert_int_equal(line[i], form[i]);
	}
	return line + sizeof(form) - 1;
}

static void
level_words(void **state)
{
	enum log_level level = LOG_LEVEL_INFO;

	(void)state;
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_TRACE; i++) {
		assert_true(
		    log_parse_level(log_level_name((enum log_level)i), &level));
		assert_int_equal(level, i);
	}
	assert_false(log_parse_level("", &level));
	assert_false(log_parse_level("INFO", &level));
	assert_false(log_parse_level("infos", &level));
	assert_int_equal(level, LOG_LEVEL_TRACE);
}

static void
human_line(void **state)
{
	const char *second;

	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	log_info("port %d is taken", 52625);
	log_debug("not printed");
	log_warnx("beware");
	second = strchr(end(), '\n') + 1;
	assert_string_equal(after_time(second), "  WARN parent: beware\n");
	output[second - output] = '\0';
	assert_string_equal(
	    after_time(output), "  INFO parent: port 52625 is taken\n");
}

static void
each_level_has_its_label(void **state)
{
	static const char *const labels[] = { "ERROR", " WARN", " INFO",
		"DEBUG", "TRACE" };

	(void)state;
	log_init_sink("x", LOG_LEVEL_TRACE, LOG_FORMAT_HUMAN);
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_TRACE; i++) {
		uint8_t record[] = { (uint8_t)i, 'h', 'i' };
		char want[32];

		snprintf(want, sizeof(want), " %s w: hi\n", labels[i]);
		begin();
		assert_true(log_relay("w", &budget, record, sizeof(record)));
		assert_string_equal(after_time(end()), want);
	}
}

static void
json_line(void **state)
{
	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	begin();
	log_info("a \"b\" \\ \n \x7f \xc3");
	assert_non_null(strstr(end(),
	    "\"level\":\"info\",\"process\":\"parent\",\"message\":"
	    "\"a \\\"b\\\" \\\\ \\u000a \\u007f \\u00c3\"}\n"));
}

static void
unprintable_bytes_are_escaped(void **state)
{
	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	log_info("%s", "\x1b[2J\r\nfake ~");
	assert_non_null(
	    strstr(end(), " INFO parent: \\x1b[2J\\x0d\\x0afake ~\n"));
}

static const char letters[] = "J\xc3\xbcrgen \xe6\x9d\xb1 \xf0\x9f\x9a\xaa";

/* Letters are read; what turns them, is not seen or is none is escaped. */
static void
letters_of_all_kinds(void **state)
{
	char want[256];

	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	log_info("%s", letters);
	snprintf(want, sizeof(want), " INFO parent: %s\n", letters);
	assert_non_null(strstr(end(), want));
	begin();
	log_info("%s", "\xe2\x80\xae|\xc2\x9b|\xc3|\xf3\xa0\x81\x81|\xe2\x80");
	assert_non_null(strstr(end(),
	    " parent: \\xe2\\x80\\xae|\\xc2\\x9b|\\xc3|"
	    "\\xf3\\xa0\\x81\\x81|\\xe2\\x80\n"));
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	begin();
	log_info("%s", letters);
	snprintf(want, sizeof(want), ":\"%s\"}\n", letters);
	assert_non_null(strstr(end(), want));
	begin();
	log_info("%s", "\xe2\x80\xae|\xc2\x9b|\xc3|\xf3\xa0\x81\x81|\xe2\x80");
	assert_non_null(strstr(end(),
	    ":\"\\u202e|\\u009b|\\u00c3|\\udb40\\udc41|\\u00e2\\u0080\"}\n"));
}

static void
errno_is_told_and_kept(void **state)
{
	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	errno = ENOENT;
	log_warn("cannot open %s", "x");
	assert_int_equal(errno, ENOENT);
	assert_non_null(
	    strstr(end(), "cannot open x: No such file or directory\n"));
}

static void
worker_sends_records(void **state)
{
	char record[LOG_TEXT_MAX + 64], longer[LOG_TEXT_MAX + 100];
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
	    0);
	log_init_worker(fds[0], LOG_LEVEL_DEBUG);
	assert_int_equal(log_get_level(), LOG_LEVEL_DEBUG);
	log_debug("n=%d", 7);
	log_trace("below the level");
	assert_int_equal(recv(fds[1], record, sizeof(record), 0), 4);
	assert_int_equal(record[0], LOG_LEVEL_DEBUG);
	assert_memory_equal(record + 1, "n=7", 3);
	assert_int_equal(recv(fds[1], record, sizeof(record), 0), -1);

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	log_info("%s", longer);
	assert_int_equal(recv(fds[1], record, sizeof(record), 0),
	    LOG_TEXT_MAX); /* the level, and the text without terminator */

	/* A reader that is gone or slow does not stop the worker. */
	for (int i = 0; i < 10000; i++)
		log_info("flood %d", i);
	close(fds[1]);
	log_info("nobody listens");
	close(fds[0]);
	errno = ENOENT;
	log_info("nowhere to go");
	assert_int_equal(errno, ENOENT);
}

static void
relay_refuses_what_is_no_record(void **state)
{
	static uint8_t record[LOG_TEXT_MAX + 8];

	(void)state;
	log_init_sink("parent", LOG_LEVEL_TRACE, LOG_FORMAT_HUMAN);
	memset(record, 'x', sizeof(record));
	record[0] = LOG_LEVEL_TRACE;
	begin();
	assert_false(log_relay("w", &budget, record, 0));
	assert_false(log_relay("w", &budget, record, 1));
	assert_true(log_relay("w", &budget, record, 2));
	assert_true(log_relay("w", &budget, record, LOG_TEXT_MAX + 1));
	assert_false(log_relay("w", &budget, record, LOG_TEXT_MAX + 2));
	record[0] = LOG_LEVEL_TRACE + 1;
	assert_false(log_relay("w", &budget, record, 2));
	(void)end();
}

static void
relay_keeps_to_the_level(void **state)
{
	const uint8_t record[] = { LOG_LEVEL_DEBUG, 'x' };

	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	assert_true(log_relay("w", &budget, record, sizeof(record)));
	assert_string_equal(end(), "");
}

/*
 * Whoever wants more to be logged says so through a worker: that gives the
 * worker no more than it had.
 */
static void
a_level_turned_up_is_no_larger_budget(void **state)
{
	static uint8_t record[LOG_TEXT_MAX + 1];
	struct log_budget b = { 0 };

	(void)state;
	memset(record, 'x', sizeof(record));
	record[0] = LOG_LEVEL_INFO;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	assert_int_equal(log_set_level(LOG_LEVEL_TRACE), LOG_LEVEL_TRACE);
	assert_int_equal(log_get_least(), LOG_LEVEL_INFO);
	begin();
	for (int i = 0; i < 1000; i++)
		assert_true(log_relay("w", &b, record, sizeof(record)));
	(void)end();
	assert_true(b.dropped > 800);
	begin();
	log_tell_lost(); /* which the pipe had no room for */
	(void)end();
}

static void
cuts_a_line_that_a_pipe_would_not_take_whole(void **state)
{
	static uint8_t record[LOG_TEXT_MAX + 1];
	size_t len;

	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	record[0] = LOG_LEVEL_ERROR; /* every byte becomes six */
	begin();
	assert_true(log_relay("control-worker", &budget, record, sizeof(record)));
	len = strlen(end());
	assert_in_range(len, PIPE_BUF - 8, PIPE_BUF);
	assert_string_equal(output + len - 12, "\\u0000...\"}\n");
}

static void
fatal_exits_with_one(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	begin();
	if ((pid = fork()) == 0) {
		errno = EPERM;
		fatal("no way");
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_non_null(
	    strstr(end(), "ERROR parent: no way: Operation not permitted\n"));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void
bucket_of_lines(void **state)
{
	const int64_t second = 1000000000, start = 1000 * second;
	struct log_limit l = { 0 };
	unsigned allowed = 0;
	uint32_t held = 99;

	(void)state;
	for (int i = 0; i < 100; i++)
		allowed += log_allow(&l, start, &held);
	assert_in_range(allowed, 5, 6);
	assert_int_equal(held, 0);
	/* One line more per ten seconds, which tells what it stands for. */
	assert_false(log_allow(&l, start + second, &held));
	assert_true(log_allow(&l, start + 10 * second, &held));
	assert_int_equal(held, 101 - allowed);
	assert_false(log_allow(&l, start + 10 * second, &held));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(level_words),
		cmocka_unit_test(human_line),
		cmocka_unit_test(each_level_has_its_label),
		cmocka_unit_test(json_line),
		cmocka_unit_test(unprintable_bytes_are_escaped),
		cmocka_unit_test(letters_of_all_kinds),
		cmocka_unit_test(errno_is_told_and_kept),
		cmocka_unit_test(worker_sends_records),
		cmocka_unit_test(relay_refuses_what_is_no_record),
		cmocka_unit_test(relay_keeps_to_the_level),
		cmocka_unit_test(a_level_turned_up_is_no_larger_budget),
		cmocka_unit_test(cuts_a_line_that_a_pipe_would_not_take_whole),
		cmocka_unit_test(fatal_exits_with_one),
		cmocka_unit_test(bucket_of_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* common/log_output.c: a standard output that nobody reads, and what is told. */
#include "common/log_output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/lib/unit.h"

static char text[1 << 20];
static int saved_stdout;

/* Becomes standard output; the description is shared with the test. */
static void
begin(int fd)
{
	fflush(stdout);
	saved_stdout = dup(STDOUT_FILENO);
	assert_true(saved_stdout != -1);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	log_init_sink("parent", LOG_LEVEL_INFO, LOG_FORMAT_HUMAN);
	log_output_open();
	/* What waits is ended. */
	alarm(5);
}

static void
end(void)
{
	alarm(0);
	assert_int_equal(dup2(saved_stdout, STDOUT_FILENO), STDOUT_FILENO);
	close(saved_stdout);
	log_tell_lost();
}

/* All that can be read now. */
static const char *
drained(int fd)
{
	size_t at = 0;
	ssize_t n;

	assert_true(fcntl(fd, F_SETFL, O_NONBLOCK) != -1);
	while ((n = read(fd, text + at, sizeof(text) - 1 - at)) > 0)
		at += (size_t)n;
	text[at] = '\0';
	return text;
}

static unsigned
lines(const char *of)
{
	unsigned n = 0;

	for (; *of != '\0'; of++)
		n += *of == '\n';
	return n;
}

/* Nobody reads: lines are counted, and the count is told when it goes again. */
static void
goes_on(int reader, int writer)
{
	const int total = 20000;
	unsigned printed, lost;
	const char *told;

	begin(writer);
	for (int i = 0; i < total; i++)
		log_info("line %d of a log that nobody reads", i);
	printed = lines(drained(reader));
	assert_in_range(printed, 1, total - 1);
	/* The lines are whole. */
	assert_int_equal(text[strlen(text) - 1], '\n');
	log_info("it goes again");
	told = strstr(drained(reader), "parent: ");
	assert_non_null(told);
	assert_int_equal(sscanf(told, "parent: %u lines dropped", &lost), 1);
	assert_int_equal(printed + lost, total);
	assert_non_null(strstr(text, "it goes again\n"));
	log_info("as ever");
	assert_int_equal(lines(drained(reader)), 1);
	end();
}

static void
pipe_that_nobody_reads(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	goes_on(fds[0], fds[1]);
	/* Who else writes to it still waits, as it may expect to. */
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
}

static void
socket_that_nobody_reads(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	goes_on(fds[0], fds[1]);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
}

static void
terminal_that_is_stopped(void **state)
{
	int other, terminal = posix_openpt(O_RDWR | O_NOCTTY);

	(void)state;
	assert_true(terminal != -1);
	assert_int_equal(grantpt(terminal), 0);
	assert_int_equal(unlockpt(terminal), 0);
	other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	assert_true(other != -1);
	begin(other);
	for (int i = 0; i < 20000; i++)
		log_info("line %d of a log that nobody reads", i);
	assert_true(lines(drained(terminal)) > 0);
	log_info("it goes again");
	log_tell_lost();
	assert_non_null(strstr(drained(terminal), "lines dropped"));
	end();
	close(other);
	close(terminal);
}

static void
nobody_there(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	signal(SIGPIPE, SIG_IGN);
	begin(fds[1]);
	close(fds[0]);
	for (int i = 0; i < 10; i++)
		log_info("to nobody");
	end();
	close(fds[1]);
}

/* A file goes on where it is, with what others have written. */
static void
file_is_appended_to(void **state)
{
	char name[] = "/tmp/postern-log.XXXXXX";
	int fd = mkstemp(name);

	(void)state;
	assert_true(fd != -1);
	assert_int_equal(write(fd, "before\n", 7), 7);
	begin(fd);
	log_info("after");
	end();
	assert_true(lseek(fd, 0, SEEK_SET) == 0);
	assert_int_equal(lines(drained(fd)), 2);
	assert_memory_equal(text, "before\n", 7);
	close(fd);
	unlink(name);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_appended_to),
		cmocka_unit_test(socket_that_nobody_reads),
		cmocka_unit_test(pipe_that_nobody_reads),
		cmocka_unit_test(terminal_that_is_stopped),
		cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

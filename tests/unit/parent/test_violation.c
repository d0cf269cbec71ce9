/* parent/violation.c: records of the kernel's log. */
#include "parent/violation.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/time.h"
#include "tests/lib/unit.h"

#define RECORD(rest)                                                       \
	"4,1234,6069954314,-;audit: type=1326 audit(1795567609.694:130): " \
	"auid=4294967295 uid=104 gid=111 ses=4294967295 " rest

static void
records(void **state)
{
	static const struct {
		const char *text;
		int number;
	} cases[] = {
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=41 compat=0"), 41 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=0 compat=0"), 0 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=462"), 462 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=4096 x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=-1 x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall="), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 syscall=x"), -1 },
		{ RECORD("pid=97 comm=\"x\" sig=31 "
			 "syscall=99999999999999999999"),
		    -1 },
		{ RECORD("pid=97"), -1 },
		{ RECORD("pid=97 comm=\"x\""), -1 },
		{ RECORD("pid=979 syscall=41 x"), -1 },
		{ RECORD("pid=7 syscall=41 x"), -1 },
		{ RECORD("ppid=97 syscall=41 x"), -1 },
		{ "4,1,1,-;audit: type=1300 pid=97 syscall=41 x", -1 },
		{ "4,1,1,-;br0: port 4 entered blocking state", -1 },
		{ "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(
		    violation_parse(cases[i].text, 97), cases[i].number);
}

static void
without_a_log(void **state)
{
	(void)state;
	assert_int_equal(violation_syscall(-1, 97), -1);
}

/* A log with a record of somebody else's every interval, until it is killed. */
static pid_t
noisy_log(int fds[2], const char *record, useconds_t interval_us)
{
	pid_t pid;

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	if ((pid = fork()) == 0) {
		/* It ends by itself, too. */
		alarm(10);
		for (;;) {
			(void)!write(fds[1], record, strlen(record));
			usleep(interval_us);
		}
	}
	assert_true(pid > 0);
	return pid;
}

static void
search_ends(const char *record, useconds_t interval_us, int number)
{
	struct mono start;
	int fds[2];
	pid_t pid = noisy_log(fds, record, interval_us);

	alarm(5);
	start = mono_now();
	assert_int_equal(violation_syscall(fds[0], 97), number);
	assert_true(mono_ms_between(start, mono_now()) < 2000);
	alarm(0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

/* Others write to the log as often as they like. */
static void
others_do_not_prolong_the_search(void **state)
{
	(void)state;
	search_ends("4,1,1,-;br0: port 4 entered blocking state", 50000, -1);
	search_ends("4,1,1,-;br0: port 4 entered blocking state", 0, -1);
	search_ends(RECORD("pid=97 syscall=41 x"), 50000, 41);
}

/* No record at all is waited for a moment only. */
static void
silence_ends_the_search(void **state)
{
	struct mono start = mono_now();
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(violation_syscall(fds[0], 97), -1);
	assert_true(mono_ms_between(start, mono_now()) < 2000);
	close(fds[0]);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(without_a_log),
		cmocka_unit_test(others_do_not_prolong_the_search),
		cmocka_unit_test(silence_ends_the_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

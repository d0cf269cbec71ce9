/* sandbox_hide_io_uring(): no loop of libuv has a ring. */
#include "common/sandbox.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "tests/lib/unit.h"

static uv_loop_t loop;

/* Of how many of our descriptors the kernel says that they are this. */
static int
count_descriptors(const char *what)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	char target[64];
	int count = 0;

	if (dir == NULL)
		return -1;
	while ((e = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(
		    dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, what) == 0)
			count++;
	}
	closedir(dir);
	return count;
}

/* The number of the check that failed. */
static int
use_a_loop(void)
{
	sandbox_hide_io_uring("test");
	if (syscall(SYS_io_uring_setup, 0L, NULL) != -1 || errno != ENOSYS)
		return 1;
	if (uv_loop_init(&loop) != 0)
		return 2;
	if (count_descriptors("anon_inode:[io_uring]") != 0)
		return 3;
	if (count_descriptors("anon_inode:[eventpoll]") != 1)
		return 4;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1)
		return 5;
	return uv_run(&loop, UV_RUN_DEFAULT) == 0 ? 0 : 6;
}

static void
test_hidden(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(use_a_loop());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

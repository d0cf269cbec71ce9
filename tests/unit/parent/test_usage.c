/* parent/usage.c: a process is seen to take what it takes. */
#include "parent/usage.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/unit.h"

#define MORE_BYTES (32u << 20)
#define MORE_FDS   20

static void
own(void **state)
{
	struct usage before, after;
	unsigned char *bytes;
	int fds[MORE_FDS];

	(void)state;
	usage_measure(getpid(), &before);
	assert_in_range(before.resident_bytes, 100 << 10, 1 << 30);
	assert_in_range(before.descriptors, 3, 1000);
	bytes = malloc(MORE_BYTES);
	assert_non_null(bytes);
	do {
		memset(bytes, 1, MORE_BYTES);
		usage_measure(getpid(), &after);
	} while (after.cpu_us < before.cpu_us + 20000);
	for (size_t i = 0; i < MORE_FDS; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	usage_measure(getpid(), &after);
	assert_in_range(after.resident_bytes - before.resident_bytes,
	    MORE_BYTES / 2, MORE_BYTES * 4);
	assert_int_equal(after.descriptors, before.descriptors + MORE_FDS);
	for (size_t i = 0; i < MORE_FDS; i++)
		close(fds[i]);
	free(bytes);
}

static void
of_another(void **state)
{
	struct usage u;
	pid_t child = fork();

	(void)state;
	assert_int_not_equal(child, -1);
	if (child == 0)
		for (;;)
			pause();
	usage_measure(child, &u);
	assert_in_range(u.resident_bytes, 10 << 10, 1 << 30);
	assert_in_range(u.descriptors, 3, 1000);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, NULL, 0), child);
	usage_measure(child, &u);
	assert_int_equal(u.cpu_us, 0);
	assert_int_equal(u.resident_bytes, 0);
	assert_int_equal(u.descriptors, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own),
		cmocka_unit_test(of_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Linked into posternd for tests, instead of setting the machine's clock: every
 * reading of the wall clock in its processes is off by what the test writes,
 * 8 bytes of nanoseconds, into the file beside the program that is named after
 * it, with ".shift". It is mapped before main(), so that a confined worker sees
 * what is written later.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

static void __attribute__((__constructor__))
map_shift(void)
{
	char program[PATH_MAX], path[PATH_MAX + sizeof(".shift")];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	void *p;
	int fd;

	if (n <= 0)
		return;
	program[n] = '\0';
	snprintf(path, sizeof(path), "%s.shift", program);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		shift = p;
}

static int64_t
wall_ns(void)
{
	struct timespec ts;

	syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec +
	    (shift == NULL ? 0 : *shift);
}

/* In place of the C library's, for the program and its libraries. */

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int64_t ns;

	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, clock, ts);
	ns = wall_ns();
	ts->tv_sec = ns / 1000000000;
	ts->tv_nsec = ns % 1000000000;
	return 0;
}

time_t
time(time_t *t)
{
	time_t now = wall_ns() / 1000000000;

	if (t != NULL)
		*t = now;
	return now;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	int64_t ns = wall_ns();

	(void)zone;
	tv->tv_sec = ns / 1000000000;
	tv->tv_usec = ns % 1000000000 / 1000;
	return 0;
}

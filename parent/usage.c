/* What a process uses, by /proc: see usage.h. */
#include "parent/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* More than "/proc/2147483647/statm" takes. */
#define PATH_SIZE 32

/* The kernel's clock of that process; clock_getcpuclockid(3) would ask first.
 */
static clockid_t
cpu_clock_of(pid_t pid)
{
	return (clockid_t)(~(unsigned)pid << 3 | 2);
}

static uint64_t
measure_cpu_us(pid_t pid)
{
	struct timespec ts;

	if (clock_gettime(cpu_clock_of(pid), &ts) == -1)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* The second of the numbers in statm, in pages. */
static uint64_t
measure_resident(pid_t pid)
{
	char path[PATH_SIZE], text[128], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	n = pread(fd, text, sizeof(text) - 1, 0);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	(void)strtoull(text, &end, 10);
	return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint32_t
count_descriptors(pid_t pid)
{
	const struct dirent *entry;
	char path[PATH_SIZE];
	uint32_t count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	if ((dir = opendir(path)) == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	/* One of our own is that of the directory we read. */
	return pid == getpid() && count > 0 ? count - 1 : count;
}

void
usage_measure(pid_t pid, struct usage *u)
{
	*u = (struct usage){
		.cpu_us = measure_cpu_us(pid),
		.resident_bytes = measure_resident(pid),
		.descriptors = count_descriptors(pid),
	};
}

/* The kernel's records of forbidden system calls: see violation.h. */
#include "parent/violation.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/time.h"

#define KERNEL_LOG  "/dev/kmsg"
#define RECORD_MAX  8192 /* as the kernel bounds them */
#define QUIET_MS    100  /* a thread of the kernel's writes it */
#define SYSCALL_MAX 4095
/*
 * What others write meanwhile must not keep us from our work: a search is over
 * after this time, and after so many records, more than the kernel keeps.
 */
#define SEARCH_MS   500
#define RECORDS_MAX 65536

int
violation_open(void)
{
	int fd = open(KERNEL_LOG, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	if (fd != -1)
		(void)lseek(fd, 0, SEEK_END);
	return fd;
}

int
violation_parse(const char *record, pid_t pid)
{
	static const char key[] = " syscall=";
	char process[32], *end;
	const char *at;
	long number;

	snprintf(process, sizeof(process), " pid=%d ", (int)pid);
	if (strstr(record, "audit: type=1326 ") == NULL ||
	    strstr(record, process) == NULL ||
	    (at = strstr(record, key)) == NULL)
		return -1;
	at += strlen(key);
	number = strtol(at, &end, 10);
	if (end == at || number < 0 || number > SYSCALL_MAX)
		return -1;
	return (int)number;
}

static int
patience_ms(struct mono until)
{
	int64_t left = mono_ms_between(mono_now(), until);

	if (left <= 0)
		return 0;
	return left < QUIET_MS ? (int)left : QUIET_MS;
}

/*
 * One record, empty where one was overwritten before it was read. False when
 * there is none now, nor within a while.
 */
static bool
next_kernel_record(
    int kernel_log, struct mono until, char record[RECORD_MAX + 1])
{
	struct pollfd pfd = { .fd = kernel_log, .events = POLLIN };
	ssize_t n = read(kernel_log, record, RECORD_MAX);

	if (n == -1 && errno == EAGAIN) {
		if (poll(&pfd, 1, patience_ms(until)) != 1)
			return false;
		n = read(kernel_log, record, RECORD_MAX);
	}
	if (n == -1 && errno != EPIPE && errno != EINTR && errno != EAGAIN)
		return false;
	record[n < 0 ? 0 : n] = '\0';
	return n != 0;
}

int
violation_syscall(int kernel_log, pid_t pid)
{
	struct mono until = mono_add_ms(mono_now(), SEARCH_MS);
	char record[RECORD_MAX + 1];
	int number;

	if (kernel_log == -1)
		return -1;
	for (unsigned i = 0; i < RECORDS_MAX; i++) {
		if (!next_kernel_record(kernel_log, until, record))
			return -1;
		if ((number = violation_parse(record, pid)) != -1)
			return number;
		if (mono_due(until, mono_now()))
			return -1;
	}
	return -1;
}

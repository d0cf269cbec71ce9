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

#define KERNEL_LOG  "/dev/kmsg"
#define RECORD_MAX  8192 /* as the kernel bounds them */
#define WAIT_MS     100  /* a thread of the kernel's writes it */
#define SYSCALL_MAX 4095

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

/* A record a call. False when there is none now. */
static bool
next(int kernel_log, char record[RECORD_MAX + 1])
{
	struct pollfd pfd = { .fd = kernel_log, .events = POLLIN };
	ssize_t n;

	for (;;) {
		n = read(kernel_log, record, RECORD_MAX);
		/* Overwritten before it was read: the next one is there. */
		if (n == -1 && (errno == EPIPE || errno == EINTR))
			continue;
		if (n >= 0) {
			record[n] = '\0';
			return n > 0;
		}
		if (errno != EAGAIN || poll(&pfd, 1, WAIT_MS) != 1)
			return false;
	}
}

int
violation_syscall(int kernel_log, pid_t pid)
{
	char record[RECORD_MAX + 1];
	int number;

	if (kernel_log == -1)
		return -1;
	while (next(kernel_log, record))
		if ((number = violation_parse(record, pid)) != -1)
			return number;
	return -1;
}

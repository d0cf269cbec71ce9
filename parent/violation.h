/*
 * Which system call a worker made that its filter forbids. The kernel tells it
 * nobody but its log, as a record of audit; where a daemon takes those away, or
 * the log may not be read, the number stays unknown.
 */
#ifndef PARENT_VIOLATION_H
#define PARENT_VIOLATION_H

#include <sys/types.h>

/* The kernel's log from now on; -1 where it may not be read. */
int violation_open(void);
/*
 * The number, for a process that has just been ended; -1: not known. Takes half
 * a second at most, however much others write to the log.
 */
int violation_syscall(int kernel_log, pid_t);
/* The number in one record, if that is about this process; else -1. */
int violation_parse(const char *record, pid_t);

#endif /* PARENT_VIOLATION_H */

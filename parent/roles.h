/*
 * The workers as processes: made by fork and exec of this very program, so
 * that each has an address space of its own, and seen to their end. What is
 * said to them is service.h's.
 */
#ifndef PARENT_ROLES_H
#define PARENT_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/ipc.h"
#include "common/log.h"
#include "parent/pulse.h"

struct worker {
	enum ipc_process role;
	pid_t pid;                   /* 0: there is none */
	struct ipc_channel *channel; /* NULL: closed */
	int log_fd;                  /* -1: closed */
	bool killed;                 /* by us: its end needs no explanation */
	struct pulse pulse;          /* while it is ready */
};

/* Room for the text of an end. */
#define WORKER_END_MAX 96

/* Makes the process with its channel and its log. -1 with errno. */
int worker_start(struct worker *, enum ipc_process role);
const char *worker_name(const struct worker *);
/* SIGKILL, if it lives. */
void worker_kill(struct worker *);
/* True, once, when it has ended; with wait set, waits for that. */
bool worker_reap(struct worker *, bool wait, int *status);
/* "exited with status 1", "was killed by signal 11 (Segmentation fault)". */
const char *worker_describe_end(int status, char to[WORKER_END_MAX]);
/* Whether it ended by a system call that its filter does not allow. */
bool worker_violated_sandbox(int status);
/* Prints up to max of its log records; false when one of them is none. */
bool worker_relay_log(struct worker *, unsigned max);
/* Says how many were dropped since it was last said (log_budget.h). */
void worker_tell_dropped(const struct worker *);
/* Closes what belongs to it; the process is not touched. */
void worker_close(struct worker *);

/* In the new process: whether main() is to be a worker, and which. */
bool worker_is_requested(
    int argc, char **argv, enum ipc_process *role, enum log_level *);

#endif /* PARENT_ROLES_H */

/* A child that confines itself as a role does, and what came of its attempt. */
#ifndef TESTS_SANDBOX_ESCAPE_H
#define TESTS_SANDBOX_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/sandbox.h"

enum role {
	NOBODY, /* unconfined */
	NET,
	CONTROL,
	PARENT,
	/* All locks of the worker but its filter. */
	NET_UNFILTERED,
	CONTROL_UNFILTERED,
};

/* What came of an attempt; a positive number is the errno of its refusal. */
enum outcome {
	NOT_ASKED = 0,
	DONE = -1,
	KILLED = -2, /* by the filter */
	ODD = -3,    /* not confined at all, or ended in another way */
};

/* What an attempt may use; made before it is confined. */
struct outside {
	pid_t test;      /* a process that nobody may touch */
	int log[2];      /* 1 is the role's, 0 what arrives */
	int handed[2];   /* a descriptor waits at 0 to be received */
	int udp;         /* bound to itself on loopback */
	int program;     /* an executable file */
	char device[64]; /* a path that does not exist */
	char spool[64];  /* the directory that is control-worker's root */
	char file[64];   /* the path of a file in any root */
};
extern struct outside outside;

/*
 * Runs confine and then make in a child. make returns 0, or -1 with errno.
 * What the child logged before make is printed when the outcome is ODD.
 */
int in_child(
    void (*confine)(const void *), int (*make)(const void *), const void *ctx);

/* An "ok" or "not ok" line; returns how many were bad. */
int report(bool good, const char *role, const char *what, const char *how);

extern const struct sandbox_profile *const workers[2];

/* The lists of system calls (lists.c). */
int lists_print(const char *role);
int lists_try(void);
/* A profile's rules replaced by ones that allow every system call. */
void lists_open(struct sandbox_profile *);

/* Which files control-worker can open, with a spool and without (spool.c). */
int spool_try(void);

/* Whom control-worker reaches (egress.c); leaves the network namespace. */
int egress_try(void);

/* What threads do that were there before the filter (threads.c). */
int threads_try(void);

#endif /* TESTS_SANDBOX_ESCAPE_H */

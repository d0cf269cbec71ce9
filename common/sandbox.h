/*
 * How a process gives its privileges away, in the one order that works
 * (house rules: "Order of calls"), and the allow-list of system calls it keeps.
 *
 * What must hold where the process was started as root is fatal when it fails;
 * where it was started with less, the same steps are checked and named.
 */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One allowed system call. Arguments are compared with AND within one line. */
struct sandbox_argument {
	uint8_t index; /* 0..5, plus one; 0: no comparison */
	uint8_t op;    /* enum scmp_compare of libseccomp */
	uint64_t a, b; /* b: the value under mask a for SCMP_CMP_MASKED_EQ */
};

#define SANDBOX_ARGUMENTS_MAX 3

struct sandbox_rule {
	int syscall; /* SCMP_SYS(name) */
	const char *reason;
	/* Those with index 0 compare nothing. */
	struct sandbox_argument argument[SANDBOX_ARGUMENTS_MAX];
	int error; /* 0: allowed; else refused softly with this errno */
};

#define SANDBOX_PORTS_MAX 24

struct sandbox_profile {
	const char *process;  /* for messages: "net-worker" */
	const char *user;     /* "_posternnet"; NULL keeps the uid */
	const char *root;     /* directory to be the root; NULL: an empty one */
	bool new_network;     /* leave the network namespace for an empty one */
	unsigned descriptors; /* RLIMIT_NOFILE after it; 0: no new ones */
	/*
	 * Bytes of its address space: as many as the machine has memory, but
	 * within these two. No limit where the second is 0.
	 */
	uint64_t memory_min, memory_max;
	/* TCP ports Landlock lets it connect to; none: no connection at all. */
	uint16_t connect_ports[SANDBOX_PORTS_MAX];
	size_t connect_port_count;
	bool any_connect_port; /* the port is not known beforehand */
	bool landlock_files;   /* files below its root stay reachable */
	const struct sandbox_rule *rules;
	size_t rule_count;
};

/* The locks that hold afterwards. */
enum sandbox_lock {
	SANDBOX_USER = 1 << 0,
	SANDBOX_ROOT = 1 << 1,   /* mount namespace and own root */
	SANDBOX_CHROOT = 1 << 2, /* only chroot */
	SANDBOX_CAPABILITIES = 1 << 3,
	SANDBOX_NO_NEW_PRIVS = 1 << 4,
	SANDBOX_LANDLOCK = 1 << 5,
	SANDBOX_SECCOMP = 1 << 6,
	SANDBOX_NETWORK = 1 << 7, /* own, empty network namespace */
	SANDBOX_NOT_DUMPABLE = 1 << 8,
	SANDBOX_EGRESS = 1 << 9, /* the packet filter; the parent says so */
};

/*
 * Confines the calling, single-threaded process. Logs one line that names the
 * locks, and returns them. fatal() on what must hold. The line is written under
 * the filter, so the rules must allow what log.h does: sendto(2) in a worker.
 */
unsigned sandbox_enter(const struct sandbox_profile *);
/*
 * The same in two steps, for a process with threads: it confines itself while
 * it has one, starts the others, which inherit all that, and closes the door by
 * the filter, for all of them, and the limits of the process. After that there
 * can be no more threads. sandbox_close() is told the locks and adds to them.
 */
unsigned sandbox_confine(const struct sandbox_profile *);
unsigned sandbox_close(const struct sandbox_profile *, unsigned locks);
/* Which version of Landlock the kernel knows; less than 1: none. */
long sandbox_landlock_version(void);
/* The locks as text: "user, root, capabilities, ...". */
const char *sandbox_describe(unsigned locks, char *to, size_t size);

/*
 * Before libuv makes a loop: from 1.45 on the loop has a ring of io_uring, by
 * which calls reach the kernel past every filter, and which outlives the lock
 * that would forbid to make it. Afterwards the kernel seems to have none. Takes
 * new privileges away already. fatal() when that cannot be done.
 */
void sandbox_hide_io_uring(const char *process);

/*
 * The filter alone, for all threads, on top of those in force; for a process
 * that gives up the rest by itself or narrows itself once more. Needs
 * no-new-privileges. fatal() when it cannot be loaded.
 */
void sandbox_filter(const struct sandbox_profile *);

/*
 * The filter as libseccomp's text, for the golden lists of the tests. -1 with
 * errno on failure.
 */
int sandbox_export(const struct sandbox_profile *, int fd);

#endif /* COMMON_SANDBOX_H */

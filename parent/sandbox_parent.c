/*
 * The parent's own confinement. It stays root with the capabilities that the
 * network and new workers take, which makes it equal to root; so what is cut
 * here bounds accidents and the reach of a bug more than a break-in, and the
 * real lock is that no byte from outside comes here.
 */
#include "parent/sandbox_parent.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/log.h"

#define ALLOW(name, why)                                    \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
	}
#define ALLOW_IF(name, why, argument_, op_, value)          \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
		.argument = { { .index = (argument_) + 1,   \
		    .op = SCMP_CMP_##op_,                   \
		    .a = (value) } },                       \
	}
#define ALLOW_WITHOUT(name, why, argument_, mask)           \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
		.argument = { { .index = (argument_) + 1,   \
		    .op = SCMP_CMP_MASKED_EQ,               \
		    .a = (mask),                            \
		    .b = 0 } },                             \
	}
#define REFUSE(name, why, error_)                                              \
	{                                                                      \
		.syscall = SCMP_SYS(name), .reason = (why), .error = (error_), \
	}

static const struct sandbox_rule rules[] = {
	/* The loop. */
	ALLOW(poll, "waits for workers and signals"),
	ALLOW(ppoll, "poll(2) where the machine has no other"),
	ALLOW(read, "signalfd"),
	ALLOW(recvfrom, "log records of workers"),
	ALLOW(recvmsg, "messages of workers, answers of netlink"),
	ALLOW(sendmsg, "messages to workers, requests to netlink"),
	ALLOW(sendto, "requests to netlink"),
	ALLOW_IF(fcntl, "a queued message keeps its descriptor", 1, EQ,
	    F_DUPFD_CLOEXEC),
	ALLOW(write, "the log; kernel settings taken back"),
	ALLOW(pread64, "kernel settings taken back"),
	ALLOW(pwrite64, "kernel settings taken back"),
	ALLOW(close, "workers that are gone; the end"),
	ALLOW(wait4, "the end of a worker"),
	ALLOW(kill, "a worker that does not end by itself"),
	/*
	 * Netlink and nftables, on sockets opened before: addresses, routes,
	 * rules, and their removal.
	 */
	ALLOW(setsockopt, "room for a large request of libnftables"),
	ALLOW(getsockopt, "room for a large request of libnftables"),
	ALLOW(pselect6, "libnftables waits for answers"),
	REFUSE(openat, "look-ups of names by libraries", EACCES),
	/* The C library. */
	ALLOW(brk, "memory"),
	ALLOW_WITHOUT(mmap, "memory, never executable", 2, PROT_EXEC),
	ALLOW_WITHOUT(mprotect, "memory, never executable", 2, PROT_EXEC),
	ALLOW(munmap, "memory"),
	ALLOW(mremap, "memory"),
	ALLOW(madvise, "memory"),
	ALLOW(getrandom, "key of the memory allocator"),
	ALLOW(futex, "locks of libraries"),
	ALLOW(clock_gettime, "where the vDSO has none"),
	ALLOW(getpid, "abort(3)"),
	ALLOW(gettid, "abort(3)"),
	ALLOW(tgkill, "abort(3)"),
	ALLOW(rt_sigprocmask, "abort(3)"),
	ALLOW(rt_sigaction, "abort(3)"),
	ALLOW(rt_sigreturn, "signals"),
	ALLOW(restart_syscall, "after a stop and continue"),
	ALLOW(exit_group, "the end"),
};

const struct sandbox_profile parent_profile = {
	.process = "parent",
	.rules = rules,
	.rule_count = sizeof(rules) / sizeof(*rules),
};

static const cap_value_t kept[] = {
	CAP_NET_ADMIN, /* addresses, routes, rules, nftables */
	CAP_SETUID,    /* the rest: to make a worker again */
	CAP_SETGID,
	CAP_SETPCAP,
	CAP_SYS_CHROOT,
	CAP_SYS_ADMIN,
	CAP_KILL,
};

#define KEPT (sizeof(kept) / sizeof(*kept))

static bool
is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < KEPT; i++)
		if (kept[i] == cap)
			return true;
	return false;
}

/* Only a process with CAP_SETPCAP can; others have nothing to gain by exec. */
static void
cut_bounding_set(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (!is_kept(cap) && cap_get_bound(cap) == 1 &&
		    cap_drop_bound(cap) == -1 && errno != EPERM)
			fatal("cannot cut the bounding set");
}

static void
cut_capabilities(void)
{
	cap_t now = cap_get_proc(), then = cap_init();
	cap_flag_value_t held;

	if (now == NULL || then == NULL)
		fatal("cannot read the capabilities");
	for (size_t i = 0; i < KEPT; i++) {
		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &held) == -1)
			fatal("cannot read the capabilities");
		if (held == CAP_SET &&
		    (cap_set_flag(then, CAP_PERMITTED, 1, &kept[i], CAP_SET) ==
			    -1 ||
			cap_set_flag(
			    then, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) == -1))
			fatal("cannot choose the capabilities");
	}
	if (cap_set_proc(then) == -1)
		fatal("cannot cut the capabilities");
	cap_free(now);
	cap_free(then);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) == -1)
		fatal("cannot clear the ambient capabilities");
}

void
parent_confine(void)
{
	char text[160];

	cut_bounding_set();
	cut_capabilities();
	if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		fatal("cannot refuse new privileges");
	sandbox_filter(&parent_profile);
	log_info("confined: %s",
	    sandbox_describe(SANDBOX_CAPABILITIES | SANDBOX_NOT_DUMPABLE |
		    SANDBOX_NO_NEW_PRIVS | SANDBOX_SECCOMP,
		text, sizeof(text)));
}

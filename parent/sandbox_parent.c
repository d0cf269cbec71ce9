/*
 * The parent's own confinement. It stays root with the capabilities that the
 * network and new workers take, which makes it equal to root; so what is cut
 * here bounds accidents and the reach of a bug more than a break-in, and the
 * real lock is that no byte from outside comes here.
 */
#include "parent/sandbox_parent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/log.h"

#define ALLOW(name, why)                                    \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
	}
#define ALLOW_WITHOUT(name, why, argument_, mask)           \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
		.argument = { { .index = (argument_) + 1,   \
		    .op = SCMP_CMP_MASKED_EQ,               \
		    .a = (mask),                            \
		    .b = 0 } },                             \
	}
#define ALLOW_IOCTL(request, why)                                             \
	{                                                                     \
		.syscall = SCMP_SYS(ioctl), .reason = (why),                  \
		.argument = {                                                 \
			{ .index = 1 + 1, .op = SCMP_CMP_EQ, .a = (request) } \
		},                                                            \
	}
/* As the C library makes a thread, and nothing less. */
#define THREAD_FLAGS                                              \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM |      \
	    CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |         \
	    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
/* What is executable comes from a file and is not writable. */
#define ALLOW_CODE(name, why)                                  \
	{                                                      \
		.syscall = SCMP_SYS(name), .reason = (why),    \
		.argument = { { .index = 2 + 1,                \
				  .op = SCMP_CMP_MASKED_EQ,    \
				  .a = PROT_EXEC | PROT_WRITE, \
				  .b = PROT_EXEC },            \
			{ .index = 3 + 1,                      \
			    .op = SCMP_CMP_MASKED_EQ,          \
			    .a = MAP_ANONYMOUS,                \
			    .b = 0 } },                        \
	}

static const struct sandbox_rule rules[] = {
	/* The loop. */
	ALLOW(poll, "waits for workers and signals"),
	ALLOW(ppoll, "poll(2) where the machine has no other"),
	ALLOW(read, "signalfd; the kernel's log"),
	ALLOW(recvfrom, "log records and lines of flows of workers"),
	ALLOW(recvmsg, "messages of workers, answers of netlink"),
	ALLOW(sendmsg, "messages to workers, requests to netlink"),
	ALLOW(sendto, "requests to netlink; lines of flows to syslog"),
	ALLOW(write, "the logs; kernel settings taken back"),
	ALLOW(pread64, "kernel settings taken back; memory of a process"),
	ALLOW(pwrite64, "kernel settings taken back"),
	ALLOW(close, "workers that are gone; the end"),
	ALLOW(wait4, "the end of a worker"),
	ALLOW(kill, "a worker that does not end by itself"),
	/*
	 * Netlink and nftables, on sockets opened before: addresses, routes,
	 * rules, and their removal; and the listeners on those addresses.
	 */
	ALLOW(setsockopt, "large requests of libnftables; new sockets"),
	ALLOW(getsockopt, "room for a large request of libnftables"),
	ALLOW(pselect6, "libnftables waits for answers"),
	ALLOW(getsockname, "libnftables, when it takes another socket"),
	ALLOW_IOCTL(SIOCGIFINDEX, "the TUN device, in rules of others"),
	/* The C library. */
	ALLOW(brk, "memory"),
	ALLOW_WITHOUT(mmap, "memory", 2, PROT_EXEC),
	ALLOW_WITHOUT(mprotect, "memory, never executable", 2, PROT_EXEC),
	ALLOW(munmap, "memory"),
	ALLOW(munlock, "the token's memory, at the end"),
	ALLOW(mremap, "memory"),
	ALLOW(madvise, "memory"),
	ALLOW(getrandom, "epochs; key of the memory allocator"),
	ALLOW(futex, "locks of libraries"),
	ALLOW(clock_gettime, "processor time of a process; no vDSO"),
	ALLOW(getpid, "whose child, and whose descriptors; abort(3)"),
	ALLOW(gettid, "abort(3)"),
	ALLOW(tgkill, "abort(3)"),
	ALLOW(rt_sigprocmask, "abort(3)"),
	ALLOW(rt_sigaction, "abort(3)"),
	ALLOW(rt_sigreturn, "signals"),
	ALLOW(restart_syscall, "after a stop and continue"),
	ALLOW(exit_group, "the end"),
	/*
	 * To make a worker again. Filters are inherited: all that a worker
	 * calls until it loads its own has to be here as well. Paths cannot be
	 * compared by a filter; what bounds them is that the parent takes none
	 * from anybody.
	 */
	ALLOW(openat, "files handed on, the flow log, /proc; loader, users"),
	ALLOW(socketpair, "channel and logs of a worker"),
	ALLOW_WITHOUT(clone, "fork: neither thread nor namespace", 0,
	    CLONE_VM | CLONE_FILES | CLONE_NEWUSER | CLONE_NEWPID),
	{ .syscall = SCMP_SYS(clone),
	    .reason = "threads of net-worker, before its own filter",
	    .argument = { { .index = 0 + 1,
		.op = SCMP_CMP_EQ,
		.a = THREAD_FLAGS } } },
	{ .syscall = SCMP_SYS(clone3),
	    .reason = "its flags cannot be looked at; clone(2) is taken then",
	    .error = ENOSYS },
	ALLOW(prctl, "death signal, name, dumpable, no new privileges"),
	ALLOW(getppid, "whether the parent is still there"),
	ALLOW(fcntl, "descriptors in their places, queued descriptors"),
	ALLOW(dup2, "descriptors in their places"),
	ALLOW(dup3, "dup2(2) where the machine has no other"),
	ALLOW(close_range, "no other descriptor for a worker"),
	ALLOW(execve, "this very program"),
	/* The loader and the libraries as they start. */
	ALLOW_CODE(mmap, "libraries"),
	ALLOW(access, "loader"),
	ALLOW(faccessat, "loader"),
	ALLOW(fstat, "loader, files of users; the flow log"),
	ALLOW(newfstatat, "resolv.conf, hosts, the flow log; as fstat"),
	ALLOW(statx, "loader, files of users; the flow log's age"),
	ALLOW(renameat, "the flow log when it is large or old"),
	ALLOW(statfs, "libraries look what there is"),
	ALLOW(lseek, "files of users; the flow log's end"),
	ALLOW(readlink, "where the program lies"),
	ALLOW(readlinkat, "where the program lies"),
	ALLOW(getcwd, "where the program was started"),
	ALLOW(uname, "libraries look for the kernel"),
	ALLOW(sysinfo, "qsort(3) looks for memory"),
	ALLOW(sched_getaffinity, "libraries count processors"),
	ALLOW(arch_prctl, "C library"),
	ALLOW(set_tid_address, "C library"),
	ALLOW(set_robust_list, "C library"),
	ALLOW(rseq, "C library"),
	ALLOW(sigaltstack, "C library"),
	ALLOW(prlimit64, "C library; limits of a worker"),
	ALLOW(getrlimit, "C library"),
	ALLOW(setrlimit, "limits of a worker"),
	ALLOW(eventfd2, "libuv's loop"),
	ALLOW(epoll_create1, "libuv's loop"),
	ALLOW(pipe2, "libuv's loop"),
	{ .syscall = SCMP_SYS(io_uring_setup),
	    .reason = "libuv's loop, from libuv 1.45 on: there is none",
	    .error = ENOSYS },
	ALLOW_IOCTL(FIONBIO, "libuv makes a socket non-blocking"),
	ALLOW(socket, "DNS listeners; syslog; users; Landlock's test"),
	ALLOW(connect, "syslog and the journal; users by nscd or systemd"),
	ALLOW(bind, "DNS listeners; users by systemd"),
	ALLOW(listen, "DNS listeners"),
	ALLOW(setfsuid, "DNS listeners in control-worker's name"),
	ALLOW(getdents64, "users by systemd; descriptors of a process"),
	/* What a worker gives away, in the order of common/sandbox.c. */
	ALLOW(getuid, "who it is"),
	ALLOW(geteuid, "who it is"),
	ALLOW(getgid, "who it is"),
	ALLOW(getegid, "who it is"),
	ALLOW_WITHOUT(
	    unshare, "namespaces, but no user namespace", 0, CLONE_NEWUSER),
	ALLOW(mount, "a worker's root"),
	ALLOW(pivot_root, "a worker's root"),
	ALLOW(umount2, "a worker's root"),
	ALLOW(chdir, "a worker's root"),
	ALLOW(chroot, "a worker's root where mounts are refused"),
	ALLOW(mkdir, "a worker's root where mounts are refused"),
	ALLOW(mkdirat, "a worker's root where mounts are refused"),
	ALLOW(rmdir, "a worker's root where mounts are refused"),
	ALLOW(unlinkat, "the same; posternctl's socket at the end"),
	ALLOW(setgroups, "user"),
	ALLOW(setresgid, "user"),
	ALLOW(setresuid, "user"),
	ALLOW(capget, "capabilities"),
	ALLOW(capset, "capabilities"),
	ALLOW(landlock_create_ruleset, "Landlock"),
	ALLOW(landlock_add_rule, "Landlock"),
	ALLOW(landlock_restrict_self, "Landlock"),
	ALLOW(seccomp, "its own filter"),
#ifdef POSTERN_SANITIZE
	ALLOW(open, "run-time library of a sanitizer, as it starts"),
	ALLOW(personality, "run-time library of a sanitizer, as it starts"),
#endif
};

static bool
same_arguments(const struct sandbox_rule *a, const struct sandbox_rule *b)
{
	for (size_t i = 0; i < SANDBOX_ARGUMENTS_MAX; i++)
		if (a->argument[i].index != b->argument[i].index ||
		    a->argument[i].op != b->argument[i].op ||
		    a->argument[i].a != b->argument[i].a ||
		    a->argument[i].b != b->argument[i].b)
			return false;
	return true;
}

/* Whether the list says already what the rule does, or more. */
static bool
list_covers(const struct sandbox_rule *list, size_t count,
    const struct sandbox_rule *rule)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].syscall == rule->syscall &&
		    (list[i].argument[0].index == 0 || rule->error != 0 ||
			same_arguments(&list[i], rule)))
			return true;
	return false;
}

size_t
parent_rules(const struct sandbox_profile *const workers[], size_t count,
    struct sandbox_rule to[PARENT_RULES_MAX])
{
	size_t n = sizeof(rules) / sizeof(*rules);

	memcpy(to, rules, sizeof(rules));
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < workers[i]->rule_count; j++) {
			const struct sandbox_rule *rule = &workers[i]->rules[j];

			if (list_covers(to, n, rule))
				continue;
			if (n == PARENT_RULES_MAX)
				fatalx("internal error: too many rules");
			to[n++] = *rule;
		}
	return n;
}

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
is_kept_capability(cap_value_t cap)
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
		if (!is_kept_capability(cap) && cap_get_bound(cap) == 1 &&
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

unsigned
parent_confine(const struct sandbox_profile *const workers[], size_t count)
{
	struct sandbox_rule all[PARENT_RULES_MAX];
	const struct sandbox_profile profile = {
		.process = "parent",
		.rules = all,
		.rule_count = parent_rules(workers, count, all),
	};
	const unsigned locks = SANDBOX_CAPABILITIES | SANDBOX_NOT_DUMPABLE |
	    SANDBOX_NO_NEW_PRIVS | SANDBOX_SECCOMP;
	char text[160];

	cut_bounding_set();
	cut_capabilities();
	if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) == -1 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1)
		fatal("cannot refuse new privileges");
	sandbox_filter(&profile);
	log_info("confined: %s", sandbox_describe(locks, text, sizeof(text)));
	return locks;
}

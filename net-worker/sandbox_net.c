/*
 * What the net-worker keeps: the system calls of its loops, on descriptors it
 * already has, for each of its threads alike. The table is the whole list; a
 * call that is not in it ends the process.
 */
#include <seccomp.h>
#include <sys/mman.h>

#include "common/sandbox.h"
#include "net-worker/net_worker.h"
#include "net-worker/sandbox_net.h"

/* mmap and mprotect only without PROT_EXEC (argument 2). */
#define NOT_EXECUTABLE                                          \
	{                                                       \
		{                                               \
			2 + 1, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 \
		}                                               \
	}

static const struct sandbox_rule rules[] = {
	{ SCMP_SYS(recvmmsg), "datagrams in", { { 0 } }, 0 },
	{ SCMP_SYS(sendmsg), "datagrams and messages out", { { 0 } }, 0 },
	{ SCMP_SYS(recvmsg), "messages in", { { 0 } }, 0 },
	{ SCMP_SYS(sendto), "log records", { { 0 } }, 0 },
	{ SCMP_SYS(read), "TUN, eventfds", { { 0 } }, 0 },
	{ SCMP_SYS(writev), "TUN", { { 0 } }, 0 },
	{ SCMP_SYS(write), "eventfds", { { 0 } }, 0 },
	{ SCMP_SYS(clock_nanosleep), "a lane that gathers", { { 0 } }, 0 },
	{ SCMP_SYS(sched_yield), "a lane that lags", { { 0 } }, 0 },
	{ SCMP_SYS(epoll_pwait), "libuv's loop", { { 0 } }, 0 },
	{ SCMP_SYS(epoll_wait), "libuv's loop, those of lanes", { { 0 } }, 0 },
	{ SCMP_SYS(epoll_ctl), "libuv's loop", { { 0 } }, 0 },
	{ SCMP_SYS(clock_gettime), "where the vDSO cannot", { { 0 } }, 0 },
	{ SCMP_SYS(gettimeofday), "where the vDSO cannot", { { 0 } }, 0 },
	{ SCMP_SYS(getrandom), "keys, transactions, malloc", { { 0 } }, 0 },
	{ SCMP_SYS(getpid), "libsodium, OpenSSL: fork check", { { 0 } }, 0 },
	{ SCMP_SYS(brk), "malloc", { { 0 } }, 0 },
	{ SCMP_SYS(mmap), "malloc", NOT_EXECUTABLE, 0 },
	{ SCMP_SYS(mprotect), "malloc", NOT_EXECUTABLE, 0 },
	{ SCMP_SYS(mremap), "malloc", { { 0 } }, 0 },
	{ SCMP_SYS(munmap), "malloc", { { 0 } }, 0 },
	{ SCMP_SYS(madvise), "malloc", { { 0 } }, 0 },
	{ SCMP_SYS(futex), "locks of the libraries, end of a lane", { { 0 } },
	    0 },
	{ SCMP_SYS(rt_sigprocmask), "abort, libuv", { { 0 } }, 0 },
	{ SCMP_SYS(rt_sigreturn), "return from a signal", { { 0 } }, 0 },
	{ SCMP_SYS(restart_syscall), "after a stop", { { 0 } }, 0 },
	{ SCMP_SYS(close), "descriptors of refused messages", { { 0 } }, 0 },
	{ SCMP_SYS(exit_group), "the end", { { 0 } }, 0 },
	{ SCMP_SYS(exit), "the end of a lane", { { 0 } }, 0 },
};

const struct sandbox_profile net_worker_profile = {
	.process = "net-worker",
	.user = "_posternnet",
	.root = NULL,
	.new_network = true,
	.descriptors = 0,
	/*
	 * The tables of NAT are the most of it: 1.4 MiB for each client that
	 * uses names, most of which is never touched, and there may be 16 384
	 * clients. All grants there may be are less than 200 MiB.
	 */
	.memory_min = UINT64_C(2) << 30,
	.memory_max = UINT64_C(32) << 30,
	.rules = rules,
	.rule_count = sizeof(rules) / sizeof(rules[0]),
};

unsigned
sandbox_net_confine(void)
{
	return sandbox_confine(&net_worker_profile);
}

unsigned
sandbox_net_close(unsigned locks)
{
	return sandbox_close(&net_worker_profile, locks);
}

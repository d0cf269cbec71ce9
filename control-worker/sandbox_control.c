/*
 * What control-worker keeps: the system calls of its loop, and sockets of the
 * two Internet families. The table is the whole list; a call that is not in it
 * ends the process.
 */
#include <fcntl.h>
#include <errno.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "common/sandbox.h"
#include "control-worker/control_worker.h"
#include "control-worker/worker.h"

#define ALLOW(name, why)                                    \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
	}
#define ALLOW_IF(name, why, argument_, value)               \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
		.argument = { { .index = (argument_) + 1,   \
		    .op = SCMP_CMP_EQ,                      \
		    .a = (value) } },                       \
	}
/* Memory that is never executable: argument 2 without PROT_EXEC. */
#define ALLOW_DATA(name, why)                               \
	{                                                   \
		.syscall = SCMP_SYS(name), .reason = (why), \
		.argument = { { .index = 2 + 1,             \
		    .op = SCMP_CMP_MASKED_EQ,               \
		    .a = PROT_EXEC,                         \
		    .b = 0 } },                             \
	}
#define REFUSE(name, why, error_)                                              \
	{                                                                      \
		.syscall = SCMP_SYS(name), .reason = (why), .error = (error_), \
	}
/*
 * Argument 0 is the family, argument 1 the type with its flags, argument 2 the
 * protocol: 0, which is TCP or UDP. The kernel has others, and loads more.
 */
#define ALLOW_SOCKET(family, type, why)                                       \
	{                                                                     \
		.syscall = SCMP_SYS(socket), .reason = (why),                 \
		.argument = {                                                 \
			{ .index = 0 + 1, .op = SCMP_CMP_EQ, .a = (family) }, \
			{ .index = 1 + 1,                                     \
			    .op = SCMP_CMP_MASKED_EQ,                         \
			    .a = ~(uint64_t)(SOCK_NONBLOCK | SOCK_CLOEXEC),   \
			    .b = (type) },                                    \
			{ .index = 2 + 1, .op = SCMP_CMP_EQ, .a = 0 },        \
		},                                                            \
	}

/* Channels, log, loop, the portal, and a DNS question or two at a time. */
#define DESCRIPTORS 256

static const struct sandbox_rule rules[] = {
	/* The loop. */
	ALLOW(epoll_wait, "libuv's loop"),
	ALLOW(epoll_pwait, "libuv's loop"),
	ALLOW(epoll_ctl, "libuv's loop"),
	ALLOW(read, "libuv's eventfd"),
	ALLOW(close, "connections and descriptors that were handed over"),
	/* The channels and the log. */
	ALLOW(recvmsg, "messages in"),
	ALLOW(sendmsg, "messages out"),
	ALLOW(pread64, "resolv.conf and hosts when they change"),
	/* The portal and DNS. */
	ALLOW_SOCKET(AF_INET, SOCK_STREAM, "the portal, DNS over TCP"),
	ALLOW_SOCKET(AF_INET6, SOCK_STREAM, "the portal, DNS over TCP"),
	ALLOW_SOCKET(AF_INET, SOCK_DGRAM, "DNS, fresh port per question"),
	ALLOW_SOCKET(AF_INET6, SOCK_DGRAM, "DNS, fresh port per question"),
	ALLOW(connect, "the portal and DNS"),
	ALLOW(sendto, "the portal, DNS, log records"),
	ALLOW(recvfrom, "the portal and DNS"),
	ALLOW(getpeername, "libcurl looks at its connection"),
	ALLOW(getsockname, "libcurl looks at its connection"),
	ALLOW(getsockopt, "whether a connection came about"),
	ALLOW_IF(setsockopt, "TCP_NODELAY", 1, IPPROTO_TCP),
	ALLOW_IF(ioctl, "libuv makes a socket non-blocking", 1, FIONBIO),
	ALLOW_IF(fcntl, "libcurl makes a socket non-blocking", 1, F_GETFL),
	ALLOW_IF(fcntl, "libcurl makes a socket non-blocking", 1, F_SETFL),
	ALLOW_IF(fcntl, "a message in waiting keeps its descriptor", 1,
	    F_DUPFD_CLOEXEC),
	ALLOW(poll, "libcurl asks whether its connection lives"),
	/* Health checks and posternctl, on listeners made by the parent. */
	ALLOW(accept4, "who wants to look in"),
	ALLOW(shutdown, "the end of an answer, in order"),
	/* The C library and the others. */
	ALLOW(brk, "memory"),
	ALLOW_DATA(mmap, "memory, never executable"),
	ALLOW_DATA(mprotect, "memory, never executable"),
	ALLOW(munmap, "memory"),
	ALLOW(mremap, "memory"),
	ALLOW(madvise, "memory"),
	ALLOW(getrandom, "keys of TLS, masks, ids"),
	ALLOW(futex, "locks of libraries"),
	ALLOW(clock_gettime, "where the vDSO has none"),
	ALLOW(gettimeofday, "where the vDSO has none"),
	ALLOW(time, "where the vDSO has none"),
	ALLOW(getpid, "libraries look for a fork"),
	ALLOW(gettid, "abort(3)"),
	ALLOW(tgkill, "abort(3)"),
	ALLOW(rt_sigprocmask, "abort(3)"),
	ALLOW(rt_sigreturn, "return from a signal"),
	ALLOW(restart_syscall, "after a stop"),
	ALLOW(exit_group, "the end"),
	ALLOW(exit, "the end"),
	REFUSE(openat, "look-ups of files by libraries", EACCES),
};

const struct sandbox_profile control_worker_profile = {
	.process = "control-worker",
	.user = "_posternctl",
	.root = NULL,
	.descriptors = DESCRIPTORS,
	.rules = rules,
	.rule_count = sizeof(rules) / sizeof(rules[0]),
};

unsigned
sandbox_control_enter(uint16_t port)
{
	struct sandbox_profile profile = control_worker_profile;

	profile.connect_ports[0] = port;
	profile.connect_ports[1] = 53;
	profile.connect_port_count = 2;
	return sandbox_enter(&profile);
}

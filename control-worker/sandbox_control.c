/*
 * What control-worker keeps: the system calls of its loop, and sockets of the
 * two Internet families. The table is the whole list; a call that is not in it
 * ends the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "control-worker/control_worker.h"
#include "control-worker/dns/question.h"
#include "control-worker/dns/server.h"
#include "control-worker/dns_resources/assignments.h"
#include "control-worker/net/dial.h"
#include "control-worker/operator/ctl.h"
#include "control-worker/operator/http.h"
#include "control-worker/sandbox_control.h"

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
/* A socket option: level and name are arguments 1 and 2. */
#define ALLOW_OPTION(level, name)                                            \
	{                                                                    \
		.syscall = SCMP_SYS(setsockopt), .reason = #name,            \
		.argument = {                                                \
			{ .index = 1 + 1, .op = SCMP_CMP_EQ, .a = (level) }, \
			{ .index = 2 + 1, .op = SCMP_CMP_EQ, .a = (name) },  \
		},                                                           \
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
/*
 * What our own code opens is told from what libraries look for by the flag that
 * it never leaves out: O_NOFOLLOW, in argument 2. So theirs are refused at
 * once, wherever they would lead; what ours may reach is not the filter's.
 */
#define OPENAT(value, why, error_)                            \
	{                                                     \
		.syscall = SCMP_SYS(openat), .reason = (why), \
		.argument = { { .index = 2 + 1,               \
		    .op = SCMP_CMP_MASKED_EQ,                 \
		    .a = O_NOFOLLOW,                          \
		    .b = (value) } },                         \
		.error = (error_),                            \
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

/* Of a question (dns/question.h), for both families. */
#define QUESTION_DESCRIPTORS (2 * QUESTION_TRIES_MAX)
/* A server of an operator's that finds no socket here would pass for silent. */
#define OPERATOR_DESCRIPTORS             \
	(PROBES_MAX + HTTP_CONNECTIONS + \
	    CTL_CONNECTIONS * (1 + RESOLVERS_MAX + QUESTION_DESCRIPTORS))
/*
 * Queries of the DNS server on the tunnel (dns/server.h), each put to two
 * resolvers at a time, and its connections; our own questions; the portal and
 * uploads, each while it is looked up and dialled; what operators have and want
 * to know; and channels, log, loop and listeners.
 */
#define DESCRIPTORS                                           \
	(DNS_QUERIES_MAX * 2 + DNS_CONNECTIONS_MAX +          \
	    ASSIGNMENTS_LOOKUPS_MAX * QUESTION_DESCRIPTORS +  \
	    2 * (DIAL_ADDRESSES_MAX + QUESTION_DESCRIPTORS) + \
	    OPERATOR_DESCRIPTORS + 64)

/* Without a spool there is no file to open, and these are left out. */
#define SPOOL_RULES 8

static const struct sandbox_rule rules[] = {
	/* The loop. */
	ALLOW(epoll_wait, "libuv's loop"),
	ALLOW(epoll_pwait, "libuv's loop"),
	ALLOW(epoll_ctl, "libuv's loop"),
	ALLOW(read, "libuv's eventfd, the spool"),
	ALLOW(close, "connections and descriptors that were handed over"),
	/* The channels and the log. */
	ALLOW(recvmsg, "messages in"),
	ALLOW(sendmsg, "messages out"),
	ALLOW(pread64, "resolv.conf and hosts when they change"),
	/* The portal, DNS and servers that are probed. */
	ALLOW_SOCKET(AF_INET, SOCK_STREAM, "the portal, DNS, probes"),
	ALLOW_SOCKET(AF_INET6, SOCK_STREAM, "the portal, DNS, probes"),
	ALLOW_SOCKET(AF_INET, SOCK_DGRAM, "DNS; routes (net/route.h)"),
	ALLOW_SOCKET(AF_INET6, SOCK_DGRAM, "DNS; routes (net/route.h)"),
	ALLOW(connect, "the portal, DNS, probes; routes"),
	ALLOW(sendto, "the portal, DNS, answers, log and flow lines"),
	ALLOW(recvfrom, "the portal, DNS, requests"),
	ALLOW(getpeername, "libcurl looks at its connection"),
	ALLOW(getsockname, "libcurl looks at its connection; routes"),
	ALLOW(getsockopt, "connections that came about, who asks, routes"),
	ALLOW_OPTION(IPPROTO_TCP, TCP_NODELAY),
	ALLOW_IF(ioctl, "libuv makes a socket non-blocking", 1, FIONBIO),
	ALLOW_IF(fcntl, "libcurl makes a socket non-blocking", 1, F_GETFL),
	ALLOW_IF(fcntl, "libcurl makes a socket non-blocking", 1, F_SETFL),
	ALLOW(poll, "libcurl asks whether its connection lives"),
	/* Health checks and posternctl, on listeners made by the parent. */
	ALLOW(accept4, "who wants to look in; clients of the DNS server"),
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
	OPENAT(0, "look-ups of files by libraries", EACCES),
	/* The spool: SPOOL_RULES, which are the last ones. */
	OPENAT(O_NOFOLLOW, "reports, tokens and their directories", 0),
	ALLOW(fstat, "whether a file of the spool is one; its age"),
	ALLOW_IF(newfstatat, "fstat(3) where it is this", 3, AT_EMPTY_PATH),
	ALLOW(write, "what goes into the spool"),
	ALLOW(getdents64, "what is in the spool"),
	ALLOW(mkdirat, "an authorization has a directory"),
	ALLOW(renameat, "a file of the spool appears whole"),
	ALLOW(unlinkat, "what has been uploaded"),
};

const struct sandbox_profile control_worker_profile = {
	.process = "control-worker",
	.user = "_posternctl",
	.root = NULL,
	.descriptors = DESCRIPTORS,
	/* The largest message of the portal takes 180 MiB while it is read. */
	.memory_min = UINT64_C(1) << 30,
	.memory_max = UINT64_C(1) << 30,
	.rules = rules,
	.rule_count = sizeof(rules) / sizeof(rules[0]),
};

/* It may have been taken away since the parent made it. */
static bool
is_directory(const char *path)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

/* The filter cannot tell one path from another, so something else has to. */
static bool
is_usable_spool(const char *spool)
{
	if (!is_directory(spool)) {
		log_warn("the spool %s cannot be used", spool);
		return false;
	}
	if (geteuid() != 0 && sandbox_landlock_version() < 1) {
		log_warnx("the spool %s is not used: neither a root directory "
			  "nor Landlock can keep us in it",
		    spool);
		return false;
	}
	return true;
}

_Static_assert(PROBES_MAX + 3 <= SANDBOX_PORTS_MAX,
    "a profile has room for all ports that it may be told");

unsigned
sandbox_control_enter(const uint16_t *ports, size_t count, char *spool)
{
	struct sandbox_profile profile = control_worker_profile;

	if (spool[0] != '\0' && !is_usable_spool(spool))
		spool[0] = '\0';
	if (spool[0] != '\0') {
		profile.root = spool;
		profile.landlock_files = true;
	} else
		profile.rule_count -= SPOOL_RULES;

	/* What takes the flow logs, resolvers; the portal, probes. */
	profile.connect_ports[0] = 443;
	profile.connect_ports[1] = 53;
	profile.connect_port_count = 2;
	for (size_t i = 0; i < count; i++)
		profile.connect_ports[profile.connect_port_count++] = ports[i];
	return sandbox_enter(&profile);
}

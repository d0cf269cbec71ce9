/*
 * common/sandbox*.c: children confine themselves and try what they must not be
 * able to do. The filters here allow nearly everything that is tried, so that
 * it is the other locks that have to hold; the filter has tests of its own.
 * Beside each attempt stands one like it that must succeed.
 */
#include "common/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/lib/unit.h"

#define USER "nobody"

#define ALLOW(name)                        \
	{                                  \
		.syscall = SCMP_SYS(name), \
	}

/* All that the attempts do, and what the C library does for them. */
static const int allowed[] = { SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(exit_group), SCMP_SYS(write),
	SCMP_SYS(read), SCMP_SYS(close), SCMP_SYS(dup), SCMP_SYS(openat),
	SCMP_SYS(mkdir), SCMP_SYS(chdir), SCMP_SYS(chroot), SCMP_SYS(socket),
	SCMP_SYS(connect), SCMP_SYS(kill), SCMP_SYS(clone), SCMP_SYS(clone3),
	SCMP_SYS(set_robust_list), SCMP_SYS(wait4), SCMP_SYS(getpid),
	SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(getgroups),
	SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups),
	SCMP_SYS(capget), SCMP_SYS(capset), SCMP_SYS(prctl),
	SCMP_SYS(prlimit64), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(brk),
	SCMP_SYS(seccomp), SCMP_SYS(pause), SCMP_SYS(gettid), SCMP_SYS(futex),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(getrandom) };

static struct sandbox_rule wide[sizeof(allowed) / sizeof(*allowed)];

static const struct sandbox_profile plain = {
	.process = "test",
	.user = USER,
	.descriptors = 64,
	.rules = wide,
	.rule_count = sizeof(wide) / sizeof(*wide),
};

/* What the attempts get from outside. */
static int report[2]; /* socket pair; end 1 is the child's */
static struct sockaddr_in allowed_port, other_port;
static struct sockaddr_un abstract;
static socklen_t abstract_len;
static char spool[] = "/tmp/test_sandbox.XXXXXX";
static pid_t test_pid;
static unsigned locks;

#define SURVIVED(code) ((code) << 8) /* as a wait status */
#define KILLED         SIGSYS

/*
 * Runs attempt in a child under the profile, after before, and returns its
 * wait status. An attempt returns 0, or the line where it went wrong.
 */
static int
confined(
    const struct sandbox_profile *p, int (*before)(void), int (*attempt)(void))
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		log_init_worker(report[1], LOG_LEVEL_DEBUG);
		if (before != NULL && before() != 0)
			_exit(254);
		locks = sandbox_enter(p);
		_exit(attempt());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status & ~0x80; /* whether core was dumped does not matter */
}

/* The line number, as far as it fits into an exit status. */
#define CHECK(condition)                           \
	do {                                       \
		if (!(condition))                  \
			return 1 + __LINE__ % 250; \
	} while (0)

static bool
opens(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

static int
landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

static int
nothing(void)
{
	return 0;
}

static int
has_all_locks(void)
{
	const unsigned want = SANDBOX_USER | SANDBOX_ROOT |
	    SANDBOX_CAPABILITIES | SANDBOX_NO_NEW_PRIVS | SANDBOX_SECCOMP |
	    SANDBOX_NOT_DUMPABLE;

	CHECK((locks & want) == want);
	CHECK((locks & SANDBOX_CHROOT) == 0);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1);
	CHECK(prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L) == 0);
	return 0;
}

static int
join_groups(void)
{
	const gid_t groups[] = { 4, 5 };

	CHECK(setgroups(2, groups) == 0);
	CHECK(getgroups(0, NULL) == 2);
	return 0;
}

static int
ids_are_gone(void)
{
	CHECK(getuid() != 0);
	CHECK(getgroups(0, NULL) == 0);
	CHECK(setresuid(getuid(), getuid(), getuid()) == 0);
	CHECK(setresuid(0, 0, 0) == -1);
	CHECK(setresgid(0, 0, 0) == -1);
	CHECK(setgroups(0, NULL) == -1);
	return 0;
}

static int
capabilities_are_gone(void)
{
	const cap_value_t admin = CAP_NET_ADMIN;
	cap_t none = cap_init(), held = cap_get_proc();

	CHECK(none != NULL && held != NULL);
	CHECK(cap_compare(none, held) == 0);
	for (int cap = 0; cap < cap_max_bits(); cap++)
		CHECK(prctl(PR_CAPBSET_READ, (long)cap, 0L, 0L, 0L) == 0);
	CHECK(cap_set_flag(held, CAP_PERMITTED, 1, &admin, CAP_SET) == 0);
	CHECK(cap_set_proc(held) == -1);
	CHECK(cap_set_proc(none) == 0);
	CHECK(chroot("/") == -1);
	return 0;
}

static int
sees_files(void)
{
	CHECK(opens("/etc/passwd", O_RDONLY));
	CHECK(opens("/proc/self/status", O_RDONLY));
	return 0;
}

static int
root_is_empty(void)
{
	CHECK(!opens("/etc/passwd", O_RDONLY));
	CHECK(!opens("../../../../../etc/passwd", O_RDONLY));
	CHECK(!opens("/proc/self/status", O_RDONLY));
	CHECK(!opens("/x", O_WRONLY | O_CREAT));
	CHECK(mkdir("/x", 0700) == -1);
	/* It may not even be allowed to search a root of its own. */
	(void)!chdir("..");
	CHECK(!opens("etc/passwd", O_RDONLY));
	/* What is open stays usable. */
	CHECK(write(report[1], "x", 1) == 1);
	return 0;
}

static int
spool_is_all_there_is(void)
{
	CHECK(opens("/kept", O_WRONLY | O_CREAT | O_EXCL));
	CHECK(mkdir("/d", 0700) == 0);
	CHECK(opens("/d/f", O_RDWR | O_CREAT | O_TRUNC));
	CHECK(!opens("/etc/passwd", O_RDONLY));
	CHECK(!opens("/../../../etc/passwd", O_RDONLY));
	return 0;
}

static int
no_new_descriptors(void)
{
	CHECK(write(report[1], "x", 1) == 1);
	CHECK(dup(report[1]) == -1 && errno == EMFILE);
	CHECK(socket(AF_INET, SOCK_DGRAM, 0) == -1 && errno == EMFILE);
	return 0;
}

static int
new_descriptors(void)
{
	int fd = dup(report[1]);

	CHECK(fd != -1);
	CHECK(close(fd) == 0);
	return 0;
}

static int
can_fork(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK(pid != -1);
	CHECK(waitpid(pid, &status, 0) == pid);
	return 0;
}

static int
cannot_fork(void)
{
	struct rlimit l;

	CHECK(fork() == -1 && errno == EAGAIN);
	CHECK(getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_max == 0);
	return 0;
}

static int
connects(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd == -1)
		return errno;
	r = connect(fd, (const struct sockaddr *)to, sizeof(*to)) == -1 ? errno
									: 0;
	close(fd);
	return r;
}

static int
connects_to_both(void)
{
	CHECK(connects(&allowed_port) == 0);
	CHECK(connects(&other_port) == 0);
	return 0;
}

static int
connects_to_the_port_only(void)
{
	CHECK(connects(&allowed_port) == 0);
	CHECK(connects(&other_port) == EACCES);
	return 0;
}

static int
has_no_network(void)
{
	CHECK((locks & SANDBOX_NETWORK) != 0);
	CHECK(connects(&allowed_port) == ENETUNREACH);
	return 0;
}

static int
connects_to_abstract(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), r;

	if (fd == -1)
		return errno;
	r = connect(fd, (struct sockaddr *)&abstract, abstract_len) == -1
	    ? errno
	    : 0;
	close(fd);
	return r;
}

static int
reaches_processes(void)
{
	CHECK(kill(test_pid, 0) == 0);
	CHECK(connects_to_abstract() == 0);
	return 0;
}

static int
reaches_itself_only(void)
{
	CHECK(kill(getpid(), 0) == 0);
	CHECK(kill(test_pid, 0) == -1 && errno == EPERM);
	CHECK(connects_to_abstract() == EPERM);
	return 0;
}

static int
lose_sys_admin(void)
{
	const cap_value_t admin = CAP_SYS_ADMIN;
	cap_t caps = cap_get_proc();

	CHECK(caps != NULL);
	CHECK(cap_set_flag(caps, CAP_EFFECTIVE, 1, &admin, CAP_CLEAR) == 0);
	CHECK(cap_set_flag(caps, CAP_PERMITTED, 1, &admin, CAP_CLEAR) == 0);
	CHECK(cap_set_proc(caps) == 0);
	return 0;
}

static int
chroot_is_empty(void)
{
	CHECK((locks & SANDBOX_CHROOT) != 0);
	CHECK((locks & (SANDBOX_ROOT | SANDBOX_NETWORK)) == 0);
	return root_is_empty();
}

static int
chroot_is_spool(void)
{
	CHECK((locks & SANDBOX_CHROOT) != 0);
	CHECK(opens("/in-chroot", O_WRONLY | O_CREAT | O_EXCL));
	CHECK(!opens("/etc/passwd", O_RDONLY));
	CHECK(!opens("/../../../etc/passwd", O_RDONLY));
	return 0;
}

static int
be_nobody(void)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(65534, 65534, 65534) == 0);
	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK(opens("/etc/passwd", O_RDONLY));
	return 0;
}

static int
unprivileged_is_confined(void)
{
	const unsigned never =
	    SANDBOX_USER | SANDBOX_ROOT | SANDBOX_CHROOT | SANDBOX_NETWORK;

	CHECK((locks & never) == 0);
	CHECK((locks & SANDBOX_SECCOMP) != 0);
	CHECK((locks & SANDBOX_NOT_DUMPABLE) != 0);
	if (locks & SANDBOX_LANDLOCK)
		CHECK(!opens("/etc/passwd", O_RDONLY) && errno == EACCES);
	return 0;
}

/* The filter itself. */

static const struct sandbox_rule strict[] = {
	ALLOW(sendto),
	ALLOW(exit_group),
	ALLOW(getuid),
	ALLOW(seccomp),
	ALLOW(brk),
	ALLOW(munmap),
	{ .syscall = SCMP_SYS(mmap),
	    .argument = { { 3, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 },
		{ 4, SCMP_CMP_MASKED_EQ, MAP_SHARED, 0 } } },
	{ .syscall = SCMP_SYS(openat), .error = ENOTTY },
};

static const struct sandbox_profile filtered = {
	.process = "test",
	.user = USER,
	.descriptors = 64,
	.rules = strict,
	.rule_count = sizeof(strict) / sizeof(*strict),
};

static int
call_allowed(void)
{
	CHECK(syscall(SYS_getuid) > 0);
	return 0;
}

static int
call_forbidden(void)
{
	(void)syscall(SYS_getsid, 0);
	return 0;
}

static int
call_refused(void)
{
	CHECK(syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY) == -1);
	CHECK(errno == ENOTTY);
	return 0;
}

static int
map(int protection, int flags)
{
	CHECK(mmap(NULL, 4096, protection, flags | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED);
	return 0;
}

static int
map_plain(void)
{
	return map(PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static int
map_executable(void)
{
	return map(PROT_READ | PROT_EXEC, MAP_PRIVATE);
}

static int
map_shared(void)
{
	return map(PROT_READ, MAP_SHARED);
}

#ifdef __x86_64__
static int
call_of_x32(void)
{
	(void)syscall(0x40000000 | SYS_getuid);
	return 0;
}
#endif

static int
narrowed_once_more(void)
{
	struct sandbox_profile stricter = filtered;

	stricter.rule_count = 2;
	CHECK(syscall(SYS_getuid) > 0);
	sandbox_filter(&stricter);
	(void)syscall(SYS_getuid);
	return 0;
}

static void
require_root(void)
{
	if (geteuid() != 0)
		skip();
}

#define ASSERT_SURVIVES(profile, before, attempt) \
	assert_int_equal(confined(profile, before, attempt), SURVIVED(0))

static void
all_locks(void **state)
{
	(void)state;
	require_root();
	ASSERT_SURVIVES(&plain, NULL, has_all_locks);
}

static void
identity_and_capabilities(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	ASSERT_SURVIVES(&p, join_groups, ids_are_gone);
	ASSERT_SURVIVES(&p, NULL, capabilities_are_gone);
	p.user = NULL; /* a change of ids alone would drop them */
	ASSERT_SURVIVES(&p, NULL, capabilities_are_gone);
}

static void
empty_root(void **state)
{
	(void)state;
	require_root();
	ASSERT_SURVIVES(&plain, sees_files, root_is_empty);
}

static void
spool_root(void **state)
{
	struct sandbox_profile p = plain;
	struct stat st;
	char path[64];

	(void)state;
	require_root();
	p.root = spool;
	p.landlock_files = true;
	ASSERT_SURVIVES(&p, sees_files, spool_is_all_there_is);
	/* It was the real directory, and the user's own file. */
	snprintf(path, sizeof(path), "%s/kept", spool);
	assert_int_equal(stat(path, &st), 0);
	assert_int_not_equal(st.st_uid, 0);
}

static void
limits(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	ASSERT_SURVIVES(&p, new_descriptors, new_descriptors);
	p.descriptors = 0;
	ASSERT_SURVIVES(&p, new_descriptors, no_new_descriptors);
	ASSERT_SURVIVES(&p, can_fork, cannot_fork);
}

static void
ports(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	if (landlock_version() < 4)
		skip();
	p.any_connect_port = true;
	ASSERT_SURVIVES(&p, connects_to_both, connects_to_both);
	p.any_connect_port = false;
	p.connect_ports[0] = ntohs(allowed_port.sin_port);
	p.connect_port_count = 1;
	ASSERT_SURVIVES(&p, connects_to_both, connects_to_the_port_only);
}

static void
network(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	p.any_connect_port = true;
	p.new_network = true;
	ASSERT_SURVIVES(&p, connects_to_both, has_no_network);
}

static void
other_processes(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	if (landlock_version() < 6)
		skip();
	/* With the uid of the others, so that it is not that which holds. */
	p.user = NULL;
	ASSERT_SURVIVES(&p, reaches_processes, reaches_itself_only);
}

static void
without_mounts(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	p.new_network = true;
	ASSERT_SURVIVES(&p, lose_sys_admin, chroot_is_empty);
	p.root = spool;
	p.landlock_files = true;
	ASSERT_SURVIVES(&p, lose_sys_admin, chroot_is_spool);
}

static void
without_root(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	p.new_network = true;
	ASSERT_SURVIVES(
	    &p, geteuid() == 0 ? be_nobody : nothing, unprivileged_is_confined);
}

static void
unknown_user(void **state)
{
	struct sandbox_profile p = plain;

	(void)state;
	require_root();
	p.user = "_no_such_user";
	assert_int_equal(confined(&p, NULL, nothing), SURVIVED(1));
	p.user = "root";
	assert_int_equal(confined(&p, NULL, nothing), SURVIVED(1));
}

static void
filter(void **state)
{
	(void)state;
	require_root();
	ASSERT_SURVIVES(&filtered, NULL, call_allowed);
	assert_int_equal(confined(&filtered, NULL, call_forbidden), KILLED);
	ASSERT_SURVIVES(&filtered, call_forbidden, nothing);
#ifdef __x86_64__
	assert_int_equal(confined(&filtered, NULL, call_of_x32), KILLED);
	ASSERT_SURVIVES(&filtered, call_of_x32, nothing);
#endif
	assert_int_equal(confined(&filtered, NULL, narrowed_once_more), KILLED);
}

static void
filter_arguments(void **state)
{
	(void)state;
	require_root();
#ifdef POSTERN_SANITIZE
	skip(); /* they need these calls for themselves, however made */
#endif
	ASSERT_SURVIVES(&filtered, map_executable, map_plain);
	assert_int_equal(confined(&filtered, NULL, map_executable), KILLED);
	assert_int_equal(confined(&filtered, map_shared, map_shared), KILLED);
	ASSERT_SURVIVES(&filtered, NULL, call_refused);
}

/* A confined process ends with its parent, which here is one in between. */
static void
ends_with_its_parent(void **state)
{
	int alive[2], go[2], status;
	char byte;
	pid_t pid;

	(void)state;
	require_root();
	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	if ((pid = fork()) == 0) {
		if (fork() == 0) {
			log_init_worker(report[1], LOG_LEVEL_INFO);
			(void)sandbox_enter(&plain);
			(void)!write(alive[1], "a", 1);
			pause();
			_exit(1);
		}
		(void)!read(go[0], &byte, 1);
		_exit(0);
	}
	close(alive[1]);
	assert_int_equal(read(alive[0], &byte, 1), 1);
	assert_int_equal(write(go[1], "g", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(alive[0], &byte, 1), 0);
	close(alive[0]);
	close(go[0]);
	close(go[1]);
}

static void
text_of_locks(void **state)
{
	char text[160], little[8];

	(void)state;
	assert_string_equal(sandbox_describe(0, text, sizeof(text)), "");
	assert_string_equal(sandbox_describe(SANDBOX_USER | SANDBOX_SECCOMP,
				text, sizeof(text)),
	    "user, seccomp");
	(void)sandbox_describe(~0u, text, sizeof(text));
	assert_non_null(strstr(text, "seccomp"));
	(void)sandbox_describe(~0u, little, sizeof(little));
	assert_true(strlen(little) < sizeof(little));
}

static void
text_of_the_filter(void **state)
{
	static char text[65536];
	FILE *f = tmpfile();

	(void)state;
	assert_non_null(f);
	assert_int_equal(sandbox_export(&filtered, fileno(f)), 0);
	rewind(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	assert_non_null(strstr(text, "KILL_PROCESS"));
	assert_non_null(strstr(text, "getuid"));
	assert_null(strstr(text, "getsid"));
}

static int
listen_on_loopback(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd == -1 || bind(fd, (struct sockaddr *)at, sizeof(*at)) == -1 ||
	    listen(fd, 64) == -1 ||
	    getsockname(fd, (struct sockaddr *)at, &len) == -1)
		return -1;
	return fd;
}

static int
set_up(void **state)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
		wide[i].syscall = allowed[i];
	test_pid = getpid();
	abstract.sun_family = AF_UNIX;
	abstract_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
	    (size_t)snprintf(abstract.sun_path + 1,
		sizeof(abstract.sun_path) - 1, "test_sandbox.%ld",
		(long)test_pid));
	if (fd == -1 ||
	    bind(fd, (struct sockaddr *)&abstract, abstract_len) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, report) == -1 ||
	    listen_on_loopback(&allowed_port) == -1 ||
	    listen_on_loopback(&other_port) == -1 || mkdtemp(spool) == NULL)
		return -1;
	return chmod(spool, 0777);
}

static int
tear_down(void **state)
{
	static const char *const names[] = { "kept", "d/f", "d", "in-chroot" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", spool, names[i]);
		if (unlink(path) == -1)
			(void)rmdir(path);
	}
	return rmdir(spool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_locks),
		cmocka_unit_test(identity_and_capabilities),
		cmocka_unit_test(empty_root),
		cmocka_unit_test(spool_root),
		cmocka_unit_test(limits),
		cmocka_unit_test(ports),
		cmocka_unit_test(network),
		cmocka_unit_test(other_processes),
		cmocka_unit_test(without_mounts),
		cmocka_unit_test(without_root),
		cmocka_unit_test(unknown_user),
		cmocka_unit_test(filter),
		cmocka_unit_test(filter_arguments),
		cmocka_unit_test(ends_with_its_parent),
		cmocka_unit_test(text_of_locks),
		cmocka_unit_test(text_of_the_filter),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * What a compromised role would try, tried under the role's real confinement:
 * its own table of system calls, user, root, capabilities, limits and Landlock
 * rules, entered as the role enters them.
 *
 * Every attempt is made three times: unconfined, where it has to succeed (or
 * it would prove nothing), and in each role that must not get away with it.
 * What the roles need for their work is tried as well, and has to succeed.
 *
 *	escape			tries everything; "ok" and "not ok" lines
 *	escape --list ROLE	prints the role's allowed system calls
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/control_worker.h"
#include "net-worker/net_worker.h"
#include "parent/sandbox_parent.h"

enum role {
	NOBODY = 0, /* unconfined */
	NET = 1 << 0,
	CONTROL = 1 << 1,
	PARENT = 1 << 2,
	WORKERS = NET | CONTROL,
	ALL = NET | CONTROL | PARENT,
};

static const struct sandbox_profile *const workers[] = {
	&net_worker_profile,
	&control_worker_profile,
};

static pid_t test_pid; /* the program's own, which nobody may touch */
static int log_pair[2];

/* What a role must not do; each returns 0 when it was done. */

static int
open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) == -1 ? -1 : 0;
}

static int
leave_the_root(void)
{
	return openat(AT_FDCWD, "../../../../../../etc/passwd", O_RDONLY) == -1
	    ? -1
	    : 0;
}

static int
make_a_file(void)
{
	return memfd_create("x", 0) == -1 ? -1 : 0;
}

static int
unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) == -1 ? -1 : 0;
}

static int
netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) == -1 ? -1 : 0;
}

static int
raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) == -1 ? -1 : 0;
}

static int
packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) == -1 ? -1 : 0;
}

static int
internet_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) == -1 ? -1 : 0;
}

static int
execute(void)
{
	char *argv[] = { (char *)(uintptr_t) "true", NULL };

	/* Succeeding looks like exit status 0. */
	return execv("/bin/true", argv);
}

static int
fork_a_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
trace_the_parent(void)
{
	return ptrace(PTRACE_SEIZE, test_pid, NULL, NULL) == -1 ? -1 : 0;
}

static int
read_the_parent(void)
{
	char byte;
	struct iovec to = { &byte, 1 };
	struct iovec from = { (void *)(uintptr_t)&test_pid, 1 };

	return process_vm_readv(test_pid, &to, 1, &from, 1, 0) == 1 ? 0 : -1;
}

static int
signal_the_parent(void)
{
	return kill(test_pid, 0);
}

static int
become_root(void)
{
	return setresuid(0, 0, 0);
}

static int
unshare_namespaces(void)
{
	return unshare(CLONE_NEWNS);
}

static int
enter_a_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int
mount_something(void)
{
	if (unshare(CLONE_NEWNS) == -1)
		return -1;
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static int
change_the_root(void)
{
	return chroot("/");
}

static int
io_uring(void)
{
	struct io_uring_params p = { 0 };

	return syscall(SYS_io_uring_setup, 1, &p) == -1 ? -1 : 0;
}

static int
bpf_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 4,
		.max_entries = 1,
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)) == -1 ? -1
									   : 0;
}

static int
use_keys(void)
{
	return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID,
		   KEY_SPEC_PROCESS_KEYRING, 1) == -1
	    ? -1
	    : 0;
}

static int
map_executable(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
	    ? -1
	    : 0;
}

static int
make_executable(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -1;
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int
set_the_host_name(void)
{
	char name[64];

	if (sethostname("escape", 6) == 0 && gethostname(name, 64) == 0)
		return 0;
	return -1;
}

static int
make_a_device(void)
{
	char path[] = "/tmp/escape-device-XXXXXX";
	int r;

	if (mkdtemp(path) == NULL)
		return -1;
	r = chdir(path) == 0 ? mknod("null", S_IFCHR | 0600, 0x103) : -1;
	unlink("null");
	rmdir(path);
	return r;
}

/* What the roles need; has to succeed. */

static int
random_bytes(void)
{
	char bytes[16];

	return getrandom(bytes, sizeof(bytes), 0) == 16 ? 0 : -1;
}

static int
allocate_memory(void)
{
	void *p = malloc(1 << 20);

	if (p == NULL)
		return -1;
	memset(p, 1, 1 << 20);
	free(p);
	return 0;
}

static int
write_a_log_record(void)
{
	log_info("a record");
	return 0;
}

static int
datagram_and_stream(void)
{
	int u = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int t = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return u == -1 || t == -1 ? -1 : 0;
}

static const struct attempt {
	const char *what;
	int (*make)(void);
	unsigned forbidden; /* to these roles */
	unsigned needed;    /* by these */
} attempts[] = {
	{ "open a file", open_a_file, WORKERS, PARENT },
	{ "openat out of the root", leave_the_root, WORKERS, 0 },
	{ "make a file in memory", make_a_file, WORKERS, 0 },
	{ "unix socket", unix_socket, WORKERS, 0 },
	{ "netlink socket", netlink_socket, WORKERS, 0 },
	{ "raw socket", raw_socket, ALL, 0 },
	{ "packet socket", packet_socket, ALL, 0 },
	{ "internet socket", internet_socket, NET, CONTROL },
	{ "execute a program", execute, WORKERS, 0 },
	{ "fork", fork_a_child, WORKERS, PARENT },
	{ "trace another process", trace_the_parent, ALL, 0 },
	{ "read another's memory", read_the_parent, ALL, 0 },
	{ "signal another process", signal_the_parent, WORKERS, 0 },
	{ "become root", become_root, WORKERS, 0 },
	{ "new mount namespace", unshare_namespaces, WORKERS, 0 },
	{ "new user namespace", enter_a_user_namespace, ALL, 0 },
	{ "mount", mount_something, WORKERS, 0 },
	{ "chroot", change_the_root, WORKERS, 0 },
	{ "io_uring", io_uring, ALL, 0 },
	{ "bpf", bpf_map, ALL, 0 },
	{ "kernel keyrings", use_keys, ALL, 0 },
	{ "map executable memory", map_executable, ALL, 0 },
	{ "make memory executable", make_executable, ALL, 0 },
	{ "set the host name", set_the_host_name, ALL, 0 },
	{ "make a device", make_a_device, ALL, 0 },
	{ "random bytes", random_bytes, 0, ALL },
	{ "allocate memory", allocate_memory, 0, ALL },
	{ "write a log record", write_a_log_record, 0, ALL },
	{ "UDP and TCP sockets", datagram_and_stream, NET, CONTROL },
};

static const char *
role_name(enum role role)
{
	switch (role) {
	case NET:
		return "net-worker";
	case CONTROL:
		return "control-worker";
	case PARENT:
		return "parent";
	default:
		return "unconfined";
	}
}

static void
confine(enum role role)
{
	struct sandbox_profile control = control_worker_profile;

	log_init_worker(log_pair[1], LOG_LEVEL_ERROR);
	switch (role) {
	case NET:
		sandbox_enter(&net_worker_profile);
		break;
	case CONTROL:
		control.connect_ports[0] = 443;
		control.connect_port_count = 1;
		sandbox_enter(&control);
		break;
	case PARENT:
		parent_confine(workers, 2);
		break;
	default:
		break;
	}
}

/* 0: done, 1: refused, 2: ended by the filter, 3: something else. */
static int
outcome(enum role role, const struct attempt *a)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		/* Namespaces of its own, so that what succeeds hurts nobody. */
		if (role == NOBODY && unshare(CLONE_NEWUTS) == -1)
			_exit(3);
		confine(role);
		_exit(a->make() == 0 ? 0 : 1);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return 3;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) <= 1 ? WEXITSTATUS(status) : 3;
	return WTERMSIG(status) == SIGSYS ? 2 : 3;
}

static int
report(bool good, enum role role, const struct attempt *a, const char *text)
{
	printf("%s - %s: %s%s\n", good ? "ok" : "not ok", role_name(role),
	    a->what, text);
	return good ? 0 : 1;
}

static int
try_everywhere(const struct attempt *a)
{
	static const char *const how[] = { " is done", " is refused",
		" is ended by the filter", " ends in another way" };
	static const enum role roles[] = { NET, CONTROL, PARENT };
	int bad = 0, r = outcome(NOBODY, a);

	/* An attempt that fails anyway shows nothing about the locks. */
	bad += report(r == 0, NOBODY, a, how[r]);
	for (size_t i = 0; i < 3; i++) {
		if ((a->forbidden & roles[i]) == 0 &&
		    (a->needed & roles[i]) == 0)
			continue;
		r = outcome(roles[i], a);
		bad += report(
		    (a->needed & roles[i]) != 0 ? r == 0 : r == 1 || r == 2,
		    roles[i], a, how[r]);
	}
	return bad;
}

/* The list of a role, to be compared with the golden one. */

static void
print_rule(const struct sandbox_rule *rule)
{
	char *name =
	    seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, rule->syscall);

	printf("%s", name == NULL ? "?" : name);
	free(name);
	for (size_t i = 0; i < 2; i++) {
		const struct sandbox_argument *a = &rule->argument[i];

		if (a->index != 0)
			printf(" arg%d op%d %#llx %#llx", a->index - 1, a->op,
			    (unsigned long long)a->a, (unsigned long long)a->b);
	}
	if (rule->error != 0)
		printf(" -> %s", strerrorname_np(rule->error));
	printf("\n");
}

static int
list(const char *role)
{
	struct sandbox_rule all[PARENT_RULES_MAX];
	const struct sandbox_rule *rules = all;
	size_t count;

	if (strcmp(role, "net-worker") == 0) {
		rules = net_worker_profile.rules;
		count = net_worker_profile.rule_count;
	} else if (strcmp(role, "control-worker") == 0) {
		rules = control_worker_profile.rules;
		count = control_worker_profile.rule_count;
	} else if (strcmp(role, "parent") == 0) {
		count = parent_rules(workers, 2, all);
	} else {
		fprintf(stderr, "no such role: %s\n", role);
		return 2;
	}
	for (size_t i = 0; i < count; i++)
		print_rule(&rules[i]);
	return 0;
}

int
main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 3 && strcmp(argv[1], "--list") == 0)
		return list(argv[2]);
	if (geteuid() != 0) {
		printf("must be run as root\n");
		return 77;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	test_pid = getpid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, log_pair) ==
	    -1) {
		perror("socketpair");
		return 1;
	}
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		bad += try_everywhere(&attempts[i]);
	return bad == 0 ? 0 : 1;
}

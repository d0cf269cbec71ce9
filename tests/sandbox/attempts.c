/* The attempts, and the table of what has to come of each. */
#include "tests/sandbox/attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"

#define PAGE 4096

static int
succeeds(long result)
{
	return result == -1 ? -1 : 0;
}

/* Files. */

static int
open_a_file(void)
{
	return succeeds(open("/etc/passwd", O_RDONLY));
}

/* Landlock does not mind, so it is the root that has to hold. */
static int
see_a_file(void)
{
	struct stat st;

	return stat("/etc/passwd", &st);
}

static int
leave_the_root(void)
{
	return succeeds(
	    openat(AT_FDCWD, "../../../../../../etc/passwd", O_RDONLY));
}

/* In the one way that control-worker's filter lets pass. */
static int
open_a_plain_file(void)
{
	return succeeds(open("/etc/passwd", O_RDONLY | O_NOFOLLOW));
}

static int
leave_the_root_plainly(void)
{
	return succeeds(openat(
	    AT_FDCWD, "../../../../../../etc/passwd", O_RDONLY | O_NOFOLLOW));
}

static int
open_a_process(void)
{
	return succeeds(open("/proc/self/status", O_RDONLY | O_NOFOLLOW));
}

static int
link_a_file(void)
{
	if (symlink("/etc/passwd", outside.file) == -1)
		return -1;
	return unlink(outside.file);
}

/* What the spool is for. */
static int
keep_a_file(void)
{
	char other[sizeof(outside.file) + 2], byte = 'x';
	int fd =
	    open(outside.file, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
	struct stat st;

	if (fd == -1 || write(fd, &byte, 1) != 1 || fstat(fd, &st) == -1)
		return -1;
	close(fd);
	snprintf(other, sizeof(other), "%s.1", outside.file);
	if (renameat(AT_FDCWD, outside.file, AT_FDCWD, other) == -1 ||
	    (fd = open(other, O_RDONLY | O_NOFOLLOW)) == -1 ||
	    read(fd, &byte, 1) != 1)
		return -1;
	close(fd);
	return unlinkat(AT_FDCWD, other, 0);
}

static int
keep_a_directory(void)
{
	char entries[512];
	int fd;

	if (mkdirat(AT_FDCWD, outside.file, 0700) == -1 ||
	    (fd = open(outside.file, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) ==
		-1 ||
	    syscall(SYS_getdents64, fd, entries, sizeof(entries)) == -1)
		return -1;
	close(fd);
	return unlinkat(AT_FDCWD, outside.file, AT_REMOVEDIR);
}

static int
make_a_file(void)
{
	return succeeds(memfd_create("x", 0));
}

static int
make_a_device(void)
{
	if (mknod(outside.device, S_IFCHR | 0600, 0x103) == -1)
		return -1;
	return unlink(outside.device);
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

/* Sockets. */

static int
unix_socket(void)
{
	return succeeds(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int
netlink_socket(void)
{
	return succeeds(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
raw_socket(void)
{
	return succeeds(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
packet_socket(void)
{
	return succeeds(socket(AF_PACKET, SOCK_RAW, 0));
}

/* Of the families and types that control-worker may use. */
static int
other_stream_protocol(void)
{
	return succeeds(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
}

static int
other_datagram_protocol(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6);

	/* Whether the group may send pings is not the question. */
	return fd == -1 && errno != EACCES ? -1 : 0;
}

static int
udp_and_tcp(void)
{
	int u = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int t = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return u == -1 || t == -1 ? -1 : 0;
}

static int
listen_for_others(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1 ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) == -1)
		return -1;
	return listen(fd, 1);
}

/* Done when the packet got as far as the port, where nobody is. */
static int
connect_to(uint16_t port)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == -1 &&
	    errno != ECONNREFUSED)
		return -1;
	return 0;
}

static int
connect_to_the_portal(void)
{
	return connect_to(443);
}

static int
connect_elsewhere(void)
{
	return connect_to(1);
}

static int
take_a_device(void)
{
	return setsockopt(outside.udp, SOL_SOCKET, SO_BINDTODEVICE, "", 0);
}

static int
own_signals(void)
{
	return fcntl(outside.udp, F_SETOWN, outside.test);
}

static int
ask_the_device(void)
{
	int queued;

	return ioctl(outside.udp, FIONREAD, &queued);
}

static int
exchange_datagrams(void)
{
	char out = 'x', in = 0;
	struct iovec iov = { &out, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (sendmsg(outside.udp, &m, 0) != 1)
		return -1;
	iov.iov_base = &in;
	return recvmsg(outside.udp, &m, 0) == 1 && in == out ? 0 : -1;
}

/* A descriptor that cannot be given arrives as a mark of its absence. */
static int
receive_a_descriptor(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};

	if (recvmsg(outside.handed[0], &m, 0) != 1)
		return -1;
	if (CMSG_FIRSTHDR(&m) != NULL)
		return 0;
	errno = EMFILE;
	return -1;
}

/* Programs and processes. */

static char *const nothing[] = { (char *)(uintptr_t) "true", NULL };

/* When these succeed, the program says so with its exit status. */
static int
execute(void)
{
	return execv("/bin/true", nothing);
}

static int
execute_an_open_file(void)
{
	return (int)syscall(
	    SYS_execveat, outside.program, "", nothing, NULL, AT_EMPTY_PATH);
}

static int
fork_a_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return succeeds(pid);
}

static int
fork_into_a_user_namespace(void)
{
	long pid =
	    syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, NULL, NULL, 0L);

	if (pid == 0)
		_exit(0);
	return succeeds(pid);
}

/* As long as the process: how a thread ends is none of the question. */
static void *
idle(void *ctx)
{
	sem_t never;

	if (sem_init(&never, 0, 0) == -1)
		return ctx;
	for (;;)
		(void)sem_wait(&never);
}

static int
start_a_thread(void)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, idle, NULL);
	return errno == 0 ? 0 : -1;
}

/* What pthread_create() does, by the older call and by the newer one. */

static int
idle_clone(void *ctx)
{
	(void)ctx;
	return 0;
}

static int
clone_a_thread(void)
{
	static char stack[16 * PAGE] __attribute__((aligned(16)));

	return succeeds(clone(idle_clone, stack + sizeof(stack),
	    CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL));
}

static int
clone_anew(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return succeeds(pid);
}

static int
trace_another(void)
{
	return succeeds(ptrace(PTRACE_SEIZE, outside.test, NULL, NULL));
}

static int
read_another(void)
{
	char byte;
	struct iovec to = { &byte, 1 };
	struct iovec from = { &outside, 1 };

	return succeeds(process_vm_readv(outside.test, &to, 1, &from, 1, 0));
}

static int
take_a_descriptor(void)
{
	long process = syscall(SYS_pidfd_open, outside.test, 0);

	if (process == -1)
		return -1;
	return succeeds(syscall(SYS_pidfd_getfd, process, 1, 0));
}

static int
signal_another(void)
{
	return kill(outside.test, 0);
}

static int
signal_the_first(void)
{
	return kill(1, 0);
}

/* Identity and limits. */

static int
become_root(void)
{
	return setresuid(0, 0, 0);
}

static int
set_the_user(void)
{
	return setuid(0);
}

static int
become_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
}

static int
raise_a_limit(void)
{
	const struct rlimit more = { 4096, 4096 };

	return setrlimit(RLIMIT_NOFILE, &more);
}

static int
new_mount_namespace(void)
{
	return unshare(CLONE_NEWNS);
}

static int
new_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int
set_the_host_name(void)
{
	return sethostname("escape", 6);
}

/* The kernel's wide doors. */

static int
io_uring(void)
{
	struct io_uring_params p = { 0 };

	return succeeds(syscall(SYS_io_uring_setup, 1, &p));
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

	return succeeds(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int
use_keys(void)
{
	return succeeds(syscall(
	    SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 1));
}

static int
add_a_key(void)
{
	return succeeds(syscall(
	    SYS_add_key, "user", "escape", "x", 1, KEY_SPEC_PROCESS_KEYRING));
}

static int
share_memory(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0600);

	return id == -1 ? -1 : shmctl(id, IPC_RMID, NULL);
}

#ifdef __x86_64__
/* getpid(2) by the gate of 32 bits, whose numbers are others. */
static int
call_of_32_bits(void)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(20L)
			 : "memory", "r8", "r9", "r10", "r11");
	return r > 0 ? 0 : -1;
}
#endif

/* Memory that can be executed. */

static void *
map_pages(int protection)
{
	return mmap(NULL, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int
map_executable(void)
{
	return map_pages(PROT_READ | PROT_WRITE | PROT_EXEC) == MAP_FAILED ? -1
									   : 0;
}

static int
make_executable(void)
{
	void *page = map_pages(PROT_READ | PROT_WRITE);

	if (page == MAP_FAILED)
		return -1;
	return mprotect(page, PAGE, PROT_READ | PROT_EXEC);
}

static int
make_executable_by_key(void)
{
	void *page = map_pages(PROT_READ | PROT_WRITE);

	if (page == MAP_FAILED)
		return -1;
	return succeeds(syscall(
	    SYS_pkey_mprotect, page, (long)PAGE, PROT_READ | PROT_EXEC, -1L));
}

static int
read_means_execute(void)
{
	return succeeds(personality(READ_IMPLIES_EXEC));
}

/* Through the file of its memory no protection counts. */
static int
rewrite_own_code(void)
{
	int fd = open("/proc/self/mem", O_RDWR);
	off_t at = (off_t)(uintptr_t)&rewrite_own_code;
	char byte;

	if (fd == -1 || pread(fd, &byte, 1, at) != 1)
		return -1;
	return pwrite(fd, &byte, 1, at) == 1 ? 0 : -1;
}

/* What all roles need. */

static int
random_bytes(void)
{
	char bytes[16];

	return getrandom(bytes, sizeof(bytes), 0) == 16 ? 0 : -1;
}

/* Not by the vDSO. */
static int
tell_the_time(void)
{
	struct timespec now;

	return succeeds(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now));
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

/* More than a worker may have, and more than most machines do. */
static int
take_all_memory(void)
{
	const size_t len = (size_t)40 << 30;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, len);
	return 0;
}

/* Shared memory is no way around it. */
static int
take_all_shared_memory(void)
{
	const size_t len = (size_t)40 << 30;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, len);
	return 0;
}

static int
write_a_log_record(void)
{
	static const char text[] = "\0a record"; /* the level comes first */
	char record[LOG_TEXT_MAX];
	struct iovec iov = { record, sizeof(record) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	/* The confined parent prints its own, so as a worker would. */
	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	log_error("a record");
	if (recvmsg(outside.log[0], &m, MSG_DONTWAIT) !=
	    (ssize_t)sizeof(text) - 1)
		return -1;
	return memcmp(record, text, sizeof(text) - 1) == 0 ? 0 : -1;
}

#define FORBIDDEN            .net = KILLED, .control = KILLED, .parent = KILLED
#define FORBIDDEN_TO_WORKERS .net = KILLED, .control = KILLED
#define NEEDED               .net = DONE, .control = DONE, .parent = DONE
#define FILE_OF_WORKERS \
	.net = KILLED, .control = EACCES, .unfiltered = IN_WORKERS

const struct attempt attempts[] = {
	{ "open a file", open_a_file, FILE_OF_WORKERS, .parent = DONE },
	{ "see a file", see_a_file, FORBIDDEN_TO_WORKERS, .parent = DONE,
	    .unfiltered = IN_WORKERS },
	{ "openat out of the root", leave_the_root, FILE_OF_WORKERS },
	{ "open a file like one of the spool", open_a_plain_file, .net = KILLED,
	    .control = ENOENT, .parent = DONE, .unfiltered = IN_WORKERS },
	{ "openat out of the root likewise", leave_the_root_plainly,
	    .net = KILLED, .control = ENOENT, .unfiltered = IN_WORKERS },
	{ "look into processes likewise", open_a_process, .net = KILLED,
	    .control = ENOENT, .parent = DONE, .unfiltered = IN_WORKERS },
	{ "make a link", link_a_file, FORBIDDEN, .unfiltered = IN_WORKERS },
	{ "keep a file in the spool", keep_a_file, .net = KILLED,
	    .control = DONE, .unfiltered = IN_NET },
	{ "keep a directory in the spool", keep_a_directory, .net = KILLED,
	    .control = DONE, .unfiltered = IN_NET },
	{ "rewrite its own code", rewrite_own_code, FILE_OF_WORKERS },
	{ "make a file in memory", make_a_file, FORBIDDEN,
	    .unfiltered = IN_NET },
	{ "make a device", make_a_device, FORBIDDEN, .unfiltered = IN_WORKERS },
	{ "mount", mount_something, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },
	{ "chroot", change_the_root, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },

	{ "unix socket", unix_socket, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_NET },
	{ "netlink socket", netlink_socket, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_NET },
	{ "raw socket", raw_socket, FORBIDDEN_TO_WORKERS, .parent = EPERM,
	    .unfiltered = IN_WORKERS },
	{ "packet socket", packet_socket, FORBIDDEN_TO_WORKERS, .parent = EPERM,
	    .unfiltered = IN_WORKERS },
	{ "another stream protocol than TCP", other_stream_protocol,
	    FORBIDDEN_TO_WORKERS, .unfiltered = IN_NET },
	{ "another datagram protocol than UDP", other_datagram_protocol,
	    FORBIDDEN_TO_WORKERS },
	{ "UDP and TCP sockets", udp_and_tcp, .net = KILLED, .control = DONE,
	    .unfiltered = IN_NET },
	{ "listen for connections", listen_for_others, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_NET },
	{ "connect to the portal's port", connect_to_the_portal, .net = KILLED,
	    .control = DONE, .unfiltered = IN_NET },
	{ "connect to another port", connect_elsewhere, .control = EACCES,
	    .unfiltered = IN_NET, .landlock = 4 },
	{ "bind a socket to a device", take_a_device, FORBIDDEN_TO_WORKERS },
	{ "signals of a socket for another", own_signals,
	    FORBIDDEN_TO_WORKERS },
	{ "ioctl of another kind", ask_the_device, FORBIDDEN },
	{ "receive a descriptor", receive_a_descriptor, .net = EMFILE,
	    .control = DONE, .parent = DONE, .unfiltered = IN_NET },

	{ "execute a program", execute, FORBIDDEN_TO_WORKERS, .parent = DONE,
	    .unfiltered = IN_WORKERS },
	{ "execute an open file", execute_an_open_file, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "fork", fork_a_child, FORBIDDEN_TO_WORKERS, .parent = DONE,
	    .unfiltered = IN_WORKERS },
	{ "fork into a user namespace", fork_into_a_user_namespace, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "thread", start_a_thread, FORBIDDEN_TO_WORKERS, .parent = DONE,
	    .unfiltered = IN_WORKERS },
	{ "thread of other flags", clone_a_thread, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "clone3", clone_anew, FORBIDDEN_TO_WORKERS, .parent = ENOSYS,
	    .unfiltered = IN_WORKERS },
	{ "trace another process", trace_another, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "read another's memory", read_another, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "take another's descriptor", take_a_descriptor, FORBIDDEN,
	    .unfiltered = IN_WORKERS },
	{ "signal another process", signal_another, FORBIDDEN_TO_WORKERS,
	    .parent = DONE, .unfiltered = IN_WORKERS },
	{ "signal the first process", signal_the_first, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },
	{ "become root", become_root, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },
	{ "set the user", set_the_user, FORBIDDEN, .unfiltered = IN_WORKERS },
	{ "become dumpable", become_dumpable, FORBIDDEN_TO_WORKERS },
	{ "raise a limit", raise_a_limit, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },
	{ "new mount namespace", new_mount_namespace, FORBIDDEN_TO_WORKERS,
	    .unfiltered = IN_WORKERS },
	{ "new user namespace", new_user_namespace, FORBIDDEN },
	{ "set the host name", set_the_host_name, FORBIDDEN,
	    .unfiltered = IN_WORKERS },

	/* The parent's new workers ask for it before they are confined. */
	{ "io_uring", io_uring, FORBIDDEN_TO_WORKERS, .parent = ENOSYS,
	    .unfiltered = IN_NET },
	{ "bpf", bpf_map, FORBIDDEN, .unfiltered = IN_NET },
	{ "kernel keyrings", use_keys, FORBIDDEN },
	{ "add a key", add_a_key, FORBIDDEN },
	{ "shared memory", share_memory, FORBIDDEN },
#ifdef __x86_64__
	{ "system call of 32 bits", call_of_32_bits, FORBIDDEN },
#endif

	{ "map executable memory", map_executable, FORBIDDEN },
	{ "make memory executable", make_executable, FORBIDDEN },
	{ "make memory executable by a key", make_executable_by_key,
	    FORBIDDEN },
	{ "all that is read is executable", read_means_execute, FORBIDDEN },

	{ "random bytes", random_bytes, NEEDED },
	{ "tell the time", tell_the_time, NEEDED },
	{ "allocate memory", allocate_memory, NEEDED },
	{ "take all memory", take_all_memory, .net = ENOMEM, .control = ENOMEM,
	    .parent = DONE, .unfiltered = IN_WORKERS },
	{ "take all memory, shared", take_all_shared_memory, .net = ENOMEM,
	    .control = ENOMEM, .parent = DONE, .unfiltered = IN_WORKERS },
	{ "write a log record", write_a_log_record, NEEDED },
	{ "exchange datagrams", exchange_datagrams, NEEDED },
};

const size_t attempt_count = sizeof(attempts) / sizeof(attempts[0]);

/*
 * What a compromised role would try, tried under the role's real confinement:
 * its own table of system calls, user, root, capabilities, limits and Landlock
 * rules, entered as the role enters them.
 *
 * Every attempt is made unconfined, where it has to succeed (or it would prove
 * nothing), in each role, where exactly the expected has to happen, and in the
 * workers once more without their filter, since no lock may be the only one.
 * What the roles need for their work is tried as well, and has to succeed.
 *
 *	escape			tries everything; "ok" and "not ok" lines
 *	escape --list ROLE	prints the role's allowed system calls
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "control-worker/control_worker.h"
#include "net-worker/net_worker.h"
#include "parent/sandbox_parent.h"
#include "tests/sandbox/attempts.h"

#define CHILD_SECONDS 10

/* What a child has come to, in memory that it shares with us. */
enum progress { STARTED, CONFINED, MADE };

struct shared {
	enum progress progress;
	int error; /* 0: it was done */
};

struct outside outside;

const struct sandbox_profile *const workers[2] = {
	&net_worker_profile,
	&control_worker_profile,
};

static const char *const role_names[] = {
	[NOBODY] = "unconfined",
	[NET] = "net-worker",
	[CONTROL] = "control-worker",
	[PARENT] = "parent",
	[NET_UNFILTERED] = "net-worker without its filter",
	[CONTROL_UNFILTERED] = "control-worker without its filter",
};

static struct shared *shared;

int
report(bool good, const char *role, const char *what, const char *how)
{
	printf("%s - %s: %s%s\n", good ? "ok" : "not ok", role, what, how);
	return good ? 0 : 1;
}

static void
hand_over(int to, int fd)
{
	char byte = 'x';
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
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(to, &m, 0) != 1)
		err(1, "sendmsg");
}

/* Anew for each child, so that nothing of an earlier one is in the way. */
static void
make_pairs(void)
{
	if (socketpair(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, outside.log) == -1 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
		outside.handed) == -1)
		err(1, "socketpair");
	hand_over(outside.handed[1], outside.program);
}

static void
close_pairs(void)
{
	for (int i = 0; i < 2; i++) {
		close(outside.log[i]);
		close(outside.handed[i]);
	}
}

static void
print_log(void)
{
	char text[LOG_TEXT_MAX + 1];
	ssize_t n;

	while ((n = recv(outside.log[0], text, sizeof(text), MSG_DONTWAIT)) > 1)
		printf("# %.*s\n", (int)n - 1, text + 1);
}

static int
outcome_of(int status)
{
	if (shared->progress == MADE)
		return shared->error == 0 ? DONE : shared->error;
	if (shared->progress == CONFINED && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGSYS)
		return KILLED;
	/* Another program has taken the place of the attempt. */
	if (shared->progress == CONFINED && WIFEXITED(status) &&
	    WEXITSTATUS(status) == 0)
		return DONE;
	print_log();
	return ODD;
}

int
in_child(
    void (*confine)(const void *), int (*make)(const void *), const void *ctx)
{
	int status, r;
	pid_t pid;

	*shared = (struct shared){ .progress = STARTED };
	make_pairs();
	if ((pid = fork()) == 0) {
		alarm(CHILD_SECONDS);
		confine(ctx);
		shared->progress = CONFINED;
		errno = 0;
		r = make(ctx);
		shared->error = r == 0 ? 0 : errno;
		shared->progress = MADE;
		_exit(0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		err(1, "fork");
	r = outcome_of(status);
	close_pairs();
	return r;
}

struct trial {
	enum role role;
	const struct attempt *attempt;
};

static void
confine(const void *ctx)
{
	const struct trial *t = ctx;
	struct sandbox_profile p = *workers[0];

	log_init_worker(outside.log[1], LOG_LEVEL_ERROR);
	switch (t->role) {
	case NOBODY:
		/* Of its own, so that what succeeds hurts nobody. */
		if (unshare(CLONE_NEWUTS | CLONE_NEWIPC) == -1)
			fatal("unshare");
		return;
	case PARENT:
		parent_confine(workers, 2);
		return;
	case CONTROL:
	case CONTROL_UNFILTERED:
		p = *workers[1];
		p.root = outside.spool;
		p.landlock_files = true;
		p.connect_ports[0] = 443;
		p.connect_port_count = 1;
		break;
	case NET:
	case NET_UNFILTERED:
		break;
	}
	if (t->role == NET_UNFILTERED || t->role == CONTROL_UNFILTERED)
		lists_open(&p);
	sandbox_enter(&p);
}

static int
make(const void *ctx)
{
	return ((const struct trial *)ctx)->attempt->make();
}

static const char *
outcome_text(int outcome, char *to, size_t size)
{
	if (outcome > 0)
		snprintf(
		    to, size, " is refused (%s)", strerrorname_np(outcome));
	else
		snprintf(to, size, "%s",
		    outcome == DONE         ? " is done"
			: outcome == KILLED ? " is ended by the filter"
					    : " ends in another way");
	return to;
}

static int
landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
}

/* What has to come of an attempt in a role. */
static int
wanted(const struct attempt *a, enum role role)
{
	switch (role) {
	case NOBODY:
		return DONE;
	case NET:
		return a->net;
	case CONTROL:
		return a->landlock > landlock_version() ? NOT_ASKED
							: a->control;
	case PARENT:
		return a->parent;
	default:
		return NOT_ASKED;
	}
}

static int
try(const struct attempt *a, enum role role)
{
	const struct trial t = { role, a };
	bool unfiltered = role == NET_UNFILTERED || role == CONTROL_UNFILTERED;
	char text[64];
	int got;

	if (unfiltered ? (a->unfiltered & 1u << role) == 0
		       : wanted(a, role) == NOT_ASKED)
		return 0;
	got = in_child(confine, make, &t);
	return report(unfiltered ? got > 0 : got == wanted(a, role),
	    role_names[role], a->what, outcome_text(got, text, sizeof(text)));
}

/* As the parent does. */
static void
make_spool(void)
{
	const struct passwd *pw = getpwnam(control_worker_profile.user);

	strcpy(outside.spool, "/tmp/escape-spool.XXXXXX");
	if (pw == NULL || mkdtemp(outside.spool) == NULL ||
	    chown(outside.spool, pw->pw_uid, getegid()) == -1 ||
	    chmod(outside.spool, 0710) == -1)
		err(1, "cannot make a spool");
}

static void
make_outside(void)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(at);

	outside.test = getpid();
	outside.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	outside.program = open("/bin/true", O_RDONLY | O_CLOEXEC);
	if (outside.udp == -1 || outside.program == -1 ||
	    bind(outside.udp, (struct sockaddr *)&at, len) == -1 ||
	    getsockname(outside.udp, (struct sockaddr *)&at, &len) == -1 ||
	    connect(outside.udp, (struct sockaddr *)&at, len) == -1)
		err(1, "cannot prepare the attempts");
	snprintf(outside.device, sizeof(outside.device),
	    "/tmp/escape-device.%ld", (long)outside.test);
	snprintf(outside.file, sizeof(outside.file), "/escape-file.%ld",
	    (long)outside.test);
	make_spool();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
}

int
main(int argc, char **argv)
{
	int bad = 0;

	if (argc == 3 && strcmp(argv[1], "--list") == 0)
		return lists_print(argv[2]);
	if (geteuid() != 0) {
		printf("must be run as root\n");
		return 77;
	}
#ifdef POSTERN_SANITIZE
	printf("a sanitizer needs system calls that are forbidden here\n");
	return 77;
#endif
	setvbuf(stdout, NULL, _IOLBF, 0);
	make_outside();
	for (size_t i = 0; i < attempt_count; i++)
		for (enum role r = NOBODY; r <= CONTROL_UNFILTERED; r++)
			bad += try(&attempts[i], r);
	bad += threads_try();
	bad += lists_try();
	bad += spool_try();
	if (rmdir(outside.spool) == -1)
		bad += report(false, "control-worker", "its spool",
		    " is not left as it was");
	bad += egress_try();
	return bad == 0 ? 0 : 1;
}

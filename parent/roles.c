/*
 * Makes workers and sees to their end: see roles.h.
 *
 * A worker starts as root with everything the parent has and gives it away by
 * itself, when it has been handed what it works with. What it finds after exec:
 * descriptors 0-2 on /dev/null, 3 its channel, 4 its log, nothing else; an
 * empty environment; SIGINT and SIGTERM ignored, because they reach the whole
 * process group or service while the end is the parent's to arrange.
 */
#include "parent/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_budget.h"
#include "parent/oom.h"

#define ROLE_FLAG  "--role="
#define LEVEL_FLAG "--log-level="
/* The title is written over the arguments, and there is no environment. */
#define TITLE_ROOM                         \
	"................................" \
	"................................" \
	"................................" \
	"................................"

/* A successor has what its predecessor left. */
static struct log_budget budgets[IPC_CONTROL + 1];

const char *
worker_name(const struct worker *w)
{
	return ipc_process_name(w->role);
}

/* Of the standard ones, which a worker has no use for; sanitizers report. */
#ifdef POSTERN_SANITIZE
#define NULL_DESCRIPTORS 2
#else
#define NULL_DESCRIPTORS 3
#endif

/* Out of the way of the descriptors that are to be replaced. */
static int
move_descriptor_up(int fd)
{
	return fcntl(fd, F_DUPFD, 10);
}

static int
place_descriptors(int channel, int log)
{
	int null = open("/dev/null", O_RDWR);

	null = move_descriptor_up(null);
	channel = move_descriptor_up(channel);
	log = move_descriptor_up(log);
	if (null == -1 || channel == -1 || log == -1)
		return -1;
	for (int fd = 0; fd < NULL_DESCRIPTORS; fd++)
		if (dup2(null, fd) == -1)
			return -1;
	if (dup2(channel, IPC_FD_PARENT) == -1 || dup2(log, IPC_FD_LOG) == -1)
		return -1;
	return close_range(IPC_FD_LOG + 1, ~0U, 0);
}

static void
reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
}

/* In the child: the exit status is all that it can tell before exec. */
static void __attribute__((__noreturn__))
become_role(enum ipc_process role, int channel, int log, pid_t parent)
{
	char name[32], role_flag[48], level_flag[32], room[] = TITLE_ROOM;
	char *argv[] = { name, role_flag, level_flag, room, NULL };
	char *environment[] = { NULL };
	const char *path = (const char *)getauxval(AT_EXECFN);

	snprintf(name, sizeof(name), "posternd");
	snprintf(role_flag, sizeof(role_flag), ROLE_FLAG "%s",
	    ipc_process_name(role));
	snprintf(level_flag, sizeof(level_flag), LEVEL_FLAG "%s",
	    log_level_name(log_get_least()));
	/* It survives exec; until then a parent may already have died. */
	if (prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L) == -1 ||
	    getppid() != parent)
		_exit(1);
	reset_signals();
	if (oom_do_not_spare() == -1 || place_descriptors(channel, log) == -1)
		_exit(1);
	/* What runs now, even when a newer one has been installed since. */
	execve("/proc/self/exe", argv, environment);
	if (path != NULL)
		execve(path, argv, environment);
	_exit(127);
}

int
worker_start(struct worker *w, enum ipc_process role)
{
	const int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int channel[2] = { -1, -1 }, log[2] = { -1, -1 }, saved;
	pid_t parent = getpid();

	*w = (struct worker){ .role = role, .log_fd = -1 };
	if (socketpair(AF_UNIX, type, 0, channel) == -1 ||
	    socketpair(AF_UNIX, type, 0, log) == -1 ||
	    (w->channel = ipc_open(channel[0], IPC_PARENT, role)) == NULL)
		goto fail;
	channel[0] = -1;
	if ((w->pid = fork()) == -1)
		goto fail;
	if (w->pid == 0)
		become_role(role, channel[1], log[1], parent);
	close(channel[1]);
	close(log[1]);
	w->log_fd = log[0];
	return 0;
fail:
	saved = errno;
	w->pid = 0;
	worker_close(w);
	for (size_t i = 0; i < 2; i++) {
		if (channel[i] != -1)
			close(channel[i]);
		if (log[i] != -1)
			close(log[i]);
	}
	errno = saved;
	return -1;
}

void
worker_kill(struct worker *w)
{
	if (w->pid == 0)
		return;
	w->killed = true;
	(void)kill(w->pid, SIGKILL);
}

bool
worker_reap(struct worker *w, bool wait, int *status)
{
	pid_t r;

	if (w->pid == 0)
		return false;
	do
		r = waitpid(w->pid, status, wait ? 0 : WNOHANG);
	while (r == -1 && errno == EINTR);
	if (r != w->pid)
		return false;
	w->pid = 0;
	return true;
}

bool
worker_violated_sandbox(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

const char *
worker_describe_end(int status, char to[WORKER_END_MAX])
{
	const char *name;

	if (!WIFSIGNALED(status)) {
		snprintf(to, WORKER_END_MAX, "exited with status %d",
		    WEXITSTATUS(status));
		return to;
	}
	name = sigdescr_np(WTERMSIG(status));
	snprintf(to, WORKER_END_MAX, "was killed by signal %d (%s)",
	    WTERMSIG(status), name == NULL ? "unknown" : name);
	return to;
}

void
worker_tell_dropped(const struct worker *w)
{
	log_tell_dropped(worker_name(w), &budgets[w->role]);
}

bool
worker_relay_log(struct worker *w, unsigned max)
{
	char record[LOG_TEXT_MAX + 2]; /* one more: too long is seen */
	ssize_t n;

	while (max-- > 0 && w->log_fd != -1) {
		n = recv(w->log_fd, record, sizeof(record), MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			close(w->log_fd);
			w->log_fd = -1;
			break;
		}
		if (!log_relay(worker_name(w), &budgets[w->role], record,
			(size_t)n))
			return false;
	}
	return true;
}

void
worker_close(struct worker *w)
{
	ipc_close(w->channel);
	w->channel = NULL;
	if (w->log_fd != -1)
		close(w->log_fd);
	w->log_fd = -1;
}

bool
worker_is_requested(
    int argc, char **argv, enum ipc_process *role, enum log_level *level)
{
	if (argc < 3 || strncmp(argv[1], ROLE_FLAG, strlen(ROLE_FLAG)) != 0 ||
	    strncmp(argv[2], LEVEL_FLAG, strlen(LEVEL_FLAG)) != 0 ||
	    !log_parse_level(argv[2] + strlen(LEVEL_FLAG), level))
		return false;
	for (*role = IPC_NET; *role <= IPC_CONTROL; ++*role)
		if (strcmp(argv[1] + strlen(ROLE_FLAG),
			ipc_process_name(*role)) == 0)
			return true;
	return false;
}

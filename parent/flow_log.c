/* Where lines about flows end up: see flow_log.h. */
#include "parent/flow_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_output.h"

#define SYSLOG_SOCKET  "/dev/log"
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

const char *
flow_log_path(const struct flow_log *f)
{
	if (f->options->kind == FLOW_SINK_SYSLOG && f->options->path == NULL)
		return SYSLOG_SOCKET;
	if (f->options->kind == FLOW_SINK_JOURNAL && f->options->path == NULL)
		return JOURNAL_SOCKET;
	return f->options->path;
}

/* It says who did what: nobody else's business. create: O_CREAT, or 0. */
static int
open_log_file(const char *path, int create)
{
	struct stat st;
	int fd = open(path,
	    O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY |
		O_NONBLOCK | create,
	    0600);

	/* Who clears O_APPEND finds itself at the end all the same. */
	if (fd == -1 ||
	    (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		lseek(fd, 0, SEEK_END) != -1))
		return fd;
	close(fd);
	errno = EINVAL; /* no file */
	return -1;
}

static int
connect_log_socket(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int saved;

	strlcpy(to.sun_path, path, sizeof(to.sun_path));
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
open_target(const struct flow_log *f, int create)
{
	return f->options->kind == FLOW_SINK_FILE
	    ? open_log_file(f->options->path, create)
	    : connect_log_socket(flow_log_path(f));
}

static bool
has_target(const struct flow_log_options *o)
{
	return o->kind != FLOW_SINK_NONE && o->kind != FLOW_SINK_STREAM;
}

/* -1 with errno, and all is as it was. */
static int
open_flow_log(struct flow_log *f)
{
	struct stat seen = { 0 };
	int fd = open_target(f, O_CREAT);

	if (fd == -1)
		return -1;
	(void)stat(flow_log_path(f), &seen);
	if (f->fd != -1)
		close(f->fd);
	f->fd = fd;
	f->seen = seen;
	f->complained = false;
	return 0;
}

/* Why it cannot be opened, by errno. */
static void
describe_failure(const struct flow_log *f, char *why, size_t why_size)
{
	const char *path = flow_log_path(f);

	snprintf(why, why_size, "cannot open the flow log %s: %s",
	    path == NULL ? "stdout" : path,
	    errno == EINVAL ? "it is no file" : strerror(errno));
}

int
flow_log_open(struct flow_log *f, const struct flow_log_options *o, char *why,
    size_t why_size)
{
	*f = (struct flow_log){ .options = o, .fd = -1 };
	if (!has_target(o) || open_flow_log(f) == 0)
		return 0;
	describe_failure(f, why, why_size);
	return -1;
}

/* Whether it could be made, which it is not. */
static bool
may_make_log_file(const char *path)
{
	char folder[FLOW_LOG_PATH_MAX + 1];

	strlcpy(folder, path, sizeof(folder));
	strrchr(folder, '/')[1] = '\0';
	return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

int
flow_log_check(const struct flow_log_options *o, char *why, size_t why_size)
{
	const struct flow_log f = { .options = o, .fd = -1 };
	int fd;

	if (!has_target(o))
		return 0;
	if ((fd = open_target(&f, 0)) == -1) {
		if (o->kind == FLOW_SINK_FILE && errno == ENOENT &&
		    may_make_log_file(o->path))
			return 0;
		describe_failure(&f, why, why_size);
		return -1;
	}
	close(fd);
	return 0;
}

int
flow_log_fd(const struct flow_log *f)
{
	return f->fd;
}

ssize_t
flow_log_write(struct flow_log *f, const char *text, size_t len)
{
	ssize_t n;

	switch (f->options->kind) {
	case FLOW_SINK_FILE:
		return write(f->fd, text, len);
	case FLOW_SINK_STREAM:
		return log_output_line(text, len) ? (ssize_t)len : 0;
	default:
		n = send(f->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		/* There is never room for it. */
		return n == -1 && errno == EMSGSIZE ? (ssize_t)len : n;
	}
}

static void
open_flow_log_again(struct flow_log *f)
{
	if (open_flow_log(f) == 0)
		return;
	if (!f->complained)
		log_warn("cannot open the flow log %s again; what was open "
			 "there is used",
		    flow_log_path(f));
	f->complained = true;
}

/* path, or path.1, path.2 and so on. */
static void
numbered_path(const char *path, unsigned number, char *to, size_t size)
{
	if (number == 0)
		strlcpy(to, path, size);
	else
		snprintf(to, size, "%s.%u", path, number);
}

static void
rotate_flow_log(struct flow_log *f)
{
	char from[FLOW_LOG_PATH_MAX + 8], to[sizeof(from)];

	for (unsigned i = f->options->keep; i > 0; i--) {
		numbered_path(f->options->path, i - 1, from, sizeof(from));
		numbered_path(f->options->path, i, to, sizeof(to));
		if (renameat(AT_FDCWD, from, AT_FDCWD, to) == 0 ||
		    (errno == ENOENT && i > 1))
			continue;
		if (!f->complained)
			log_warn("cannot rename %s", from);
		f->complained = true;
		return;
	}
	open_flow_log_again(f);
}

static bool
is_log_old(const struct flow_log *f)
{
	const uint64_t now = (uint64_t)time(NULL);
	struct statx st;

	return f->options->every_s != 0 &&
	    statx(f->fd, "", AT_EMPTY_PATH, STATX_BTIME, &st) == 0 &&
	    (st.stx_mask & STATX_BTIME) != 0 &&
	    (uint64_t)st.stx_btime.tv_sec + f->options->every_s <= now;
}

static bool
is_log_large(const struct stat *st, const struct flow_log_options *o)
{
	return o->bytes_max != 0 && (uint64_t)st->st_size >= o->bytes_max;
}

void
flow_log_look(struct flow_log *f)
{
	struct stat at_path;

	if (f->fd == -1)
		return;
	if (stat(flow_log_path(f), &at_path) == -1 ||
	    at_path.st_dev != f->seen.st_dev ||
	    at_path.st_ino != f->seen.st_ino) {
		open_flow_log_again(f);
		return;
	}
	/* An empty one is as good as a new one. */
	if (f->options->kind == FLOW_SINK_FILE && at_path.st_size > 0 &&
	    (is_log_large(&at_path, f->options) || is_log_old(f)))
		rotate_flow_log(f);
}

void
flow_log_again(struct flow_log *f)
{
	if (f->fd != -1)
		open_flow_log_again(f);
}

void
flow_log_close(struct flow_log *f)
{
	if (f->fd != -1)
		close(f->fd);
	f->fd = -1;
}

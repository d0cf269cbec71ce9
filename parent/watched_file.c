/* Files that control-worker reads: see watched_file.h. */
#include "parent/watched_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	    a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
	    same_time(&a->st_ctim, &b->st_ctim);
}

static int
open_path(const struct watched_file *f, struct stat *seen)
{
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	memset(seen, 0, sizeof(*seen));
	if (fd == -1 && f->optional && errno == ENOENT)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd != -1 && fstat(fd, seen) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
watched_file_open(struct watched_file *f)
{
	struct stat seen;
	int fd = open_path(f, &seen);

	if (fd == -1)
		return -1;
	if (f->fd != -1)
		close(f->fd);
	f->fd = fd;
	f->seen = seen;
	f->changed = true;
	return 0;
}

static void
complain_of_file(struct watched_file *f)
{
	if (!f->complained)
		log_warn("cannot open %s again; it is used as it was", f->path);
	f->complained = true;
}

void
watched_file_look(struct watched_file *f)
{
	struct stat now = { 0 };
	bool same;

	if (stat(f->path, &now) == -1 && !(f->optional && errno == ENOENT)) {
		complain_of_file(f);
		return;
	}
	same = same_file(&now, &f->seen);
	if (!same && watched_file_open(f) == -1) {
		complain_of_file(f);
		return;
	}
	f->complained = false;
	if (!same)
		log_info("%s has changed", f->path);
}

void
watched_file_close(struct watched_file *f)
{
	if (f->fd != -1)
		close(f->fd);
	f->fd = -1;
}

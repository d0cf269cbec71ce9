/* Small files: see files.h. */
#include "control-worker/flow/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_NAME "new" /* what is being written */

#define ENTRIES_SIZE 8192 /* of a directory at a time */

int
open_at(int dir, const char *name, int flags)
{
	return openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* readdir(3) wants more of the system than the call that it is made of. */
void
each_entry(int at, entry_fn entry, void *ctx)
{
	_Alignas(struct dirent64) char entries[ENTRIES_SIZE];
	/* Its offset would be shared with that of the caller's. */
	int fd = openat(at, ".", DIRECTORY);
	ssize_t n;

	if (fd == -1)
		return;
	while ((n = getdents64(fd, entries, sizeof(entries))) > 0) {
		for (ssize_t i = 0; i < n;) {
			const struct dirent64 *e = (const void *)(entries + i);

			if (e->d_name[0] != '.')
				entry(ctx, at, e->d_name);
			i += e->d_reclen;
		}
	}
	close(fd);
}

int
open_file(int dir, const char *name, uint64_t *size)
{
	int fd = open_at(dir, name, O_RDONLY | O_NONBLOCK);
	struct stat st;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		close(fd);
		errno = EINVAL;
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

ssize_t
read_file(int dir, const char *name, char *to, size_t size)
{
	ssize_t n = -1, more = 0;
	uint64_t unused;
	size_t len = 0;
	int fd = open_file(dir, name, &unused);

	if (fd == -1)
		return -1;
	while (len < size && (more = read(fd, to + len, size - len)) > 0)
		len += (size_t)more;
	if (more == 0 && len < size)
		n = (ssize_t)len;
	close(fd);
	return n;
}

bool
is_there(int dir, const char *name)
{
	int fd = open_at(dir, name, O_RDONLY | O_NONBLOCK);

	if (fd == -1)
		return false;
	close(fd);
	return true;
}

size_t
write_all(int fd, const char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

bool
write_file(int dir, const char *name, const char *text, size_t len)
{
	int fd = open_at(dir, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC);
	bool good;
	int saved;

	if (fd == -1)
		return false;
	good = write_all(fd, text, len) == len;
	saved = errno;
	/* Some file systems tell only now that there is no room. */
	if (close(fd) == -1) {
		good = false;
		saved = errno;
	}
	if (good && renameat(dir, NEW_NAME, dir, name) == 0)
		return true;
	if (good)
		saved = errno;
	(void)unlinkat(dir, NEW_NAME, 0);
	errno = saved;
	return false;
}

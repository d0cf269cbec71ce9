/* Files that only root can have written: see trusted_file.h. */
#include "parent/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
may_be_trusted(
    const char *path, int fd, bool secret, char *why, size_t why_size)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		snprintf(why, why_size, "cannot look at %s: %s", path,
		    strerror(errno));
	else if (!S_ISREG(st.st_mode))
		snprintf(why, why_size, "%s is not a regular file", path);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		snprintf(why, why_size,
		    "%s belongs to another user, who could change it; use "
		    "\"chown root %s\"",
		    path, path);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		snprintf(why, why_size,
		    "%s can be written by others; use \"chmod go-w %s\"", path,
		    path);
	else if (secret && (st.st_mode & S_IRWXO) != 0)
		snprintf(why, why_size,
		    "%s can be read by everybody on this host; use \"chmod "
		    "400 %s\"",
		    path, path);
	else
		return true;
	return false;
}

/* Up to size bytes; -1 with errno. */
static ssize_t
read_whole_file(int fd, char *to, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < size && n > 0) {
		n = read(fd, to + len, size - len);
		if (n > 0)
			len += (size_t)n;
		else if (n == -1 && errno == EINTR)
			n = 1;
	}
	return n == -1 ? -1 : (ssize_t)len;
}

ssize_t
trusted_file_read(const char *path, bool secret, char *to, size_t size,
    char *why, size_t why_size)
{
	/* A FIFO must not hold us up before it is seen to be one. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t len = -1;

	if (fd == -1) {
		int error = errno;

		snprintf(
		    why, why_size, "cannot read %s: %s", path, strerror(error));
		errno = error;
		return -1;
	}
	if (may_be_trusted(path, fd, secret, why, why_size)) {
		len = read_whole_file(fd, to, size);
		if (len == -1)
			snprintf(why, why_size, "cannot read %s: %s", path,
			    strerror(errno));
		else if ((size_t)len == size) {
			snprintf(why, why_size,
			    "%s is too long: at most %zu bytes", path,
			    size - 1);
			len = -1;
		} else
			to[len] = '\0';
	}
	close(fd);
	if (len == -1) {
		explicit_bzero(to, size);
		errno = EPERM;
	}
	return len;
}

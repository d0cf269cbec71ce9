/*
 * Standard output without waiting: see log_output.h.
 *
 * O_NONBLOCK belongs to the open file description, which a shell, a terminal's
 * other programs or a whole pipeline may share, and they would fail with
 * EAGAIN. So it is not set on ours: a pipe or terminal is opened once more, and
 * that description is ours alone; a socket, as the journal's, has a flag for
 * each call. A file is written as it is, since another description would have a
 * position of its own.
 *
 * Where a pipe may not be opened again, it is asked for room before each line.
 * That is enough as long as nobody else writes to it: room means a page, and a
 * line is none longer.
 */
#include "common/log_output.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	int fd;
	bool socket;
	char rest[LOG_LINE_MAX]; /* of a line that a terminal took half */
	size_t rest_len;
} output = { .fd = STDOUT_FILENO };

void
log_output_open(void)
{
	struct stat st;
	int fd;

	output.fd = STDOUT_FILENO;
	if (fstat(STDOUT_FILENO, &st) == -1)
		return;
	output.socket = S_ISSOCK(st.st_mode);
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	fd = open("/proc/self/fd/1",
	    O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);
	if (fd != -1)
		output.fd = fd;
}

static bool
output_has_room(void)
{
	struct pollfd pfd = { .fd = output.fd, .events = POLLOUT };

	/* An error shows in the write. */
	return poll(&pfd, 1, 0) == 1;
}

static size_t
put_bytes(const char *bytes, size_t len)
{
	ssize_t n;

	if (!output_has_room())
		return 0;
	if (output.socket)
		n = send(output.fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write(output.fd, bytes, len);
	return n > 0 ? (size_t)n : 0;
}

/* Lines do not mix: the rest of one comes before the next. */
static bool
put_rest_of_line(void)
{
	size_t n;

	if (output.rest_len == 0)
		return true;
	n = put_bytes(output.rest, output.rest_len);
	output.rest_len -= n;
	memmove(output.rest, output.rest + n, output.rest_len);
	return output.rest_len == 0;
}

bool
log_output_line(const char *line, size_t len)
{
	size_t n;

	if (!put_rest_of_line() || (n = put_bytes(line, len)) == 0)
		return false;
	output.rest_len = len - n;
	memcpy(output.rest, line + n, output.rest_len);
	return true;
}

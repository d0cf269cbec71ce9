/* Asking a posternd: see ctl_client.h. */
#include "parent/ctl_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* By errno. */
static void
explain_connect(const char *path, char *why, size_t size)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		snprintf(why, size,
		    "%s: nobody listens there; is posternd running? If it has "
		    "ended, its log says why",
		    path);
		break;
	case EAGAIN:
		snprintf(why, size,
		    "%s: posternd does not answer; is it starting, or stuck?",
		    path);
		break;
	case EACCES:
	case EPERM:
		snprintf(why, size,
		    "%s: permission denied; it takes root, or the group "
		    "postern where there is one",
		    path);
		break;
	default:
		snprintf(why, size, "%s: %s", path, strerror(errno));
	}
}

int
ctl_ask(const char *path, const char *request, char *why, size_t size)
{
	const struct timeval patience = { .tv_sec = CTL_PATIENCE_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(request);
	int fd;

	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path)) {
		snprintf(why, size, "%s: too long for a socket's name", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Who takes no connection keeps connect(2) waiting as well. */
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		sizeof(patience)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
		sizeof(patience)) == -1 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		explain_connect(path, why, size);
	else if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
		snprintf(why, size, "posternd does not take the request: %s",
		    strerror(errno));
	else
		return fd;
	if (fd != -1)
		close(fd);
	return -1;
}

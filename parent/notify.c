/* Datagrams to a service manager: see notify.h. */
#include "parent/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

/* What is not taken is lost: the next one says it again, or it is too late. */
static void
send_note(const struct notifier *n, const char *text)
{
	if (n->fd != -1)
		(void)send(
		    n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A path, or with '@' in front a name of the abstract kind; its length or 0. */
static socklen_t
make_address(const char *name, struct sockaddr_un *to)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(to->sun_path)) {
		errno = EAFNOSUPPORT;
		return 0;
	}
	*to = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(to->sun_path, name, len);
	if (name[0] == '@')
		to->sun_path[0] = '\0';
	else
		len++;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void
notify_open(struct notifier *n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t len;

	*n = (struct notifier){
		.fd = -1,
		.watchdog = getenv("WATCHDOG_USEC") != NULL,
	};
	if (name == NULL)
		return;
	len = make_address(name, &address);
	if (len > 0)
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd == -1 ||
	    connect(n->fd, (const struct sockaddr *)&address, len) == -1) {
		log_warn("cannot tell the service manager at NOTIFY_SOCKET");
		notify_close(n);
	}
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
}

void
notify_close(struct notifier *n)
{
	if (n->fd != -1)
		close(n->fd);
	n->fd = -1;
}

void
notify_ready(struct notifier *n)
{
	send_note(n, "READY=1\n");
}

void
notify_stopping(struct notifier *n)
{
	send_note(n, "STOPPING=1\nSTATUS=ending\n");
}

void
notify_status(struct notifier *n, const char *status)
{
	char text[NOTIFY_STATUS_MAX + 16];

	if (strcmp(n->status, status) == 0)
		return;
	strlcpy(n->status, status, sizeof(n->status));
	snprintf(text, sizeof(text), "STATUS=%s\n", n->status);
	send_note(n, text);
}

void
notify_alive(struct notifier *n)
{
	if (n->watchdog)
		send_note(n, "WATCHDOG=1\n");
}

/* The counter page, names and the listeners: see operator_sockets.h. */
#include "parent/operator_sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"
#include "common/bounds.h"
#include "common/counters.h"
#include "common/log.h"
#include "parent/owned_socket.h"

#define BACKLOG 16

/*
 * A mapping for writing has to stay possible, because a later net-worker will
 * want one; so it is not the seals that keep control-worker from writing, but a
 * descriptor opened to read, and a mode that lets nobody but us open another.
 */
static int
open_counters(struct operator_sockets *w)
{
	char path[32];
	int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	w->counters = fd;
	if (fd == -1 || ftruncate(fd, sizeof(struct counter_page)) == -1 ||
	    fchmod(fd, 0600) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
		-1)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	w->counters_to_read = open(path, O_RDONLY | O_CLOEXEC);
	return w->counters_to_read == -1 ? -1 : 0;
}

/*
 * Names are lost when the daemon ends, since they lie on no disk, and not
 * before: we keep the memory for the next control-worker, and never look at it.
 */
static int
open_names(struct operator_sockets *w)
{
	w->names = memfd_create("names", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->names == -1 || ftruncate(w->names, NAMES_MEMORY) == -1)
		return -1;
	return fcntl(
	    w->names, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static int
listen_for_health(const struct endpoint *e, uid_t owner)
{
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(e, &address);
	char text[ENDPOINT_TEXT_MAX];
	int on = 1;
	int fd = owned_socket(owner, address.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&address, len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	log_warn("no health checks and metrics, unless another address is "
		 "given by --health-check-addr: cannot listen on %s",
	    endpoint_format(e, text));
	if (fd != -1)
		close(fd);
	return -1;
}

static bool
somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool found = fd != -1 &&
	    (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
		    0 ||
		errno == EAGAIN);

	if (fd != -1)
		close(fd);
	return found;
}

/* Takes away the socket of a daemon that is gone, and nothing else. */
static int
clear_place(const struct sockaddr_un *address)
{
	struct stat st;

	if (lstat(address->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode) || somebody_listens(address)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(address->sun_path);
}

/* The folder is made where it is missing, and stays. */
static int
open_folder(struct operator_sockets *w, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(folder, path, len);
	folder[len] = '\0';
	if (len == 0)
		strlcpy(folder, slash == NULL ? "." : "/", sizeof(folder));
	if (mkdir(folder, 0700) == 0)
		(void)chmod(folder, 0755);
	w->ctl_name = slash == NULL ? path : slash + 1;
	w->ctl_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return w->ctl_folder == -1 ? -1 : 0;
}

/* Who gets in is up to the socket's mode, and to control-worker once more. */
static int
bind_ctl(struct operator_sockets *w, int fd, const char *path)
{
	const struct group *group = getgrnam(CTL_GROUP);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	w->ctl_uid = geteuid();
	w->ctl_gid = group == NULL ? getegid() : group->gr_gid;
	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (open_folder(w, path) == -1 || clear_place(&address) == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		return -1;
	if (chown(path, (uid_t)-1, w->ctl_gid) == 0 && chmod(path, 0660) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return 0;
	(void)unlink(path);
	return -1;
}

static void
listen_for_ctl(struct operator_sockets *w, const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd != -1 && bind_ctl(w, fd, path) == 0) {
		w->ctl = fd;
		return;
	}
	log_warn("posternctl cannot be used: cannot listen on %s", path);
	if (fd != -1)
		close(fd);
}

int
operator_sockets_open(struct operator_sockets *w, const struct options *o,
    uid_t control_uid, char *why, size_t why_size)
{
	*w = OPERATOR_SOCKETS_CLOSED;
	if (open_counters(w) == -1) {
		snprintf(why, why_size, "cannot make the counter page: %s",
		    strerror(errno));
		return -1;
	}
	if (!o->no_names && open_names(w) == -1) {
		snprintf(why, why_size, "cannot make the memory for names: %s",
		    strerror(errno));
		return -1;
	}
	w->health = listen_for_health(&o->health, control_uid);
	listen_for_ctl(w, o->ctl_socket);
	return 0;
}

void
operator_sockets_close(struct operator_sockets *w)
{
	const int fds[] = { w->counters, w->counters_to_read, w->names,
		w->health, w->ctl, w->ctl_folder };

	if (w->ctl != -1)
		(void)unlinkat(w->ctl_folder, w->ctl_name, 0);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] != -1)
			close(fds[i]);
	*w = OPERATOR_SOCKETS_CLOSED;
}

/* Sockets in another user's name: see owned_socket.h. */
#include "parent/owned_socket.h"

#include <errno.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

/* The call itself does not tell of its failure; a user that is none does. */
static int
make_socket_as(uid_t owner, int family, int type)
{
	(void)setfsuid(owner);
	if ((uid_t)setfsuid((uid_t)-1) == owner)
		return socket(family, type, 0);
	errno = EPERM;
	return -1;
}

int
owned_socket(uid_t owner, int family, int type)
{
	int fd = make_socket_as(owner, family, type), saved = errno;

	(void)setfsuid(geteuid());
	errno = saved;
	return fd;
}

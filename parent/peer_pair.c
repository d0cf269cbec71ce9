/* The socket pair between the workers: see peer_pair.h. */
#include "parent/peer_pair.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* More messages than the sockets of a pair can hold. */
#define DRAINED_MAX 65536

int
peer_pair_open(struct peer_pair *p)
{
	int ends[2];

	*p = (struct peer_pair){ -1, -1 };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, ends) == -1)
		return -1;
	*p = (struct peer_pair){ ends[0], ends[1] };
	return 0;
}

void
peer_pair_close(struct peer_pair *p)
{
	if (p->net != -1)
		close(p->net);
	if (p->control != -1)
		close(p->control);
	*p = (struct peer_pair){ -1, -1 };
}

static void
drain_end(int fd)
{
	char byte;

	/* A live sender must not keep us; its epoch is over soon. */
	for (int i = 0; i < DRAINED_MAX; i++)
		if (recv(fd, &byte, sizeof(byte), MSG_DONTWAIT) == -1 &&
		    errno != EINTR)
			return;
}

void
peer_pair_drain(const struct peer_pair *p)
{
	drain_end(p->net);
	drain_end(p->control);
}

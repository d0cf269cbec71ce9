/*
 * Linked into posternd for tests, as a kernel that refuses what it is to cut,
 * at the TUN or with EIO, which not every kernel can be made to do at will.
 * What it refuses is one character of the file beside the program that is named
 * after it, with ".refuse". It is mapped before main(), so that a confined
 * worker sees what is written later.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define REFUSE_TUN	'1' /* with EINVAL */
#define REFUSE_ALL	'2' /* and datagrams, with EIO */
#define REFUSE_NOTHING	'0'

#define VNET_HEADER_GSO_TYPE 1 /* offset in struct virtio_net_hdr */

static const volatile char *refused;

static void __attribute__((__constructor__))
map_refused(void)
{
	char program[PATH_MAX], path[PATH_MAX + sizeof(".refuse")];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
	void *p;
	int fd;

	if (n <= 0)
		return;
	program[n] = '\0';
	snprintf(path, sizeof(path), "%s.refuse", program);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		refused = p;
}

static char
what_is_refused(void)
{
	return refused == NULL ? REFUSE_NOTHING : *refused;
}

static bool
is_segmented(const struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

/* In place of the C library's. */

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	if (what_is_refused() == REFUSE_ALL && is_segmented(msg)) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_sendmsg, fd, msg, flags);
}

/* Only packets for the TUN are written so. */
ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	char what = what_is_refused();

	if (what != REFUSE_NOTHING && count > 1 &&
	    ((const uint8_t *)iov[0].iov_base)[VNET_HEADER_GSO_TYPE] != 0) {
		errno = what == REFUSE_ALL ? EIO : EINVAL;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, count);
}

/*
 * Linked into posternd for tests, as a kernel that refuses what it is to cut,
 * at the TUN or with EIO, or the programs that choose sockets and queues, which
 * not every kernel can be made to do at will.
 * What it refuses is one character of the file beside the program that is named
 * after it, with ".refuse". It is mapped before main(), so that a confined
 * worker sees what is written later.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define REFUSE_NOTHING '0'
#define REFUSE_TUN     '1' /* with EINVAL */
#define REFUSE_ALL     '2' /* and datagrams, with EIO */
#define REFUSE_TUN_UDP '3' /* with EINVAL */
#define REFUSE_USO     '4' /* and says so beforehand, as before Linux 6.2 */

#define REFUSE_STEERING '5' /* of datagrams and of packets */

#define USO_FLAGS 0x60 /* TUN_F_USO4, TUN_F_USO6 */

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

static bool
is_refused_type(char what, uint8_t gso_type)
{
	switch (what) {
	case REFUSE_TUN:
	case REFUSE_ALL:
		return gso_type != VIRTIO_NET_HDR_GSO_NONE;
	case REFUSE_TUN_UDP:
	case REFUSE_USO:
		return gso_type == VIRTIO_NET_HDR_GSO_UDP_L4;
	default:
		return false;
	}
}

/* Only packets for the TUN are written so. */
ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	char what = what_is_refused();

	if (count > 1 &&
	    is_refused_type(what,
		((const uint8_t *)iov[0].iov_base)[VNET_HEADER_GSO_TYPE])) {
		errno = what == REFUSE_ALL ? EIO : EINVAL;
		return -1;
	}
	return syscall(SYS_writev, fd, iov, count);
}

int
ioctl(int fd, unsigned long request, ...)
{
	unsigned long argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, unsigned long);
	va_end(ap);
	if (what_is_refused() == REFUSE_USO && request == TUNSETOFFLOAD &&
	    (argument & USO_FLAGS) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (what_is_refused() == REFUSE_STEERING &&
	    request == TUNSETSTEERINGEBPF) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	if (what_is_refused() == REFUSE_STEERING && level == SOL_SOCKET &&
	    option == SO_ATTACH_REUSEPORT_CBPF) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, length);
}

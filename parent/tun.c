/* The TUN device: see tun.h. */
#include "parent/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "common/log.h"
#include "parent/steering.h"

/* Kernels know these since 6.2; their headers may be older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define DEVICE_DIRECTORY "/dev/net"
#define DEVICE_PATH      DEVICE_DIRECTORY "/tun"
#define DEVICE_MAJOR     10
#define DEVICE_MINOR     200

#define VNET_HEADER_SIZE 10 /* struct virtio_net_hdr */

#define WAIT_TRIES   40 /* 2 s for a dying predecessor */
#define WAIT_STEP_NS 50000000

static int
make_device_node(void)
{
	if (mkdir(DEVICE_DIRECTORY, 0751) == -1 && errno != EEXIST)
		return -1;
	return mknod(
	    DEVICE_PATH, S_IFCHR | 0600, makedev(DEVICE_MAJOR, DEVICE_MINOR));
}

static void
tell_why_no_clone(int error, char *why, size_t why_size)
{
	switch (error) {
	case ENODEV:
	case ENXIO:
	case ENOENT:
		snprintf(why, why_size,
		    "the kernel has no TUN driver; load it with "
		    "\"modprobe tun\"");
		break;
	case EPERM:
	case EACCES:
		snprintf(why, why_size,
		    "%s cannot be opened (%s); in a container, start it with "
		    "--device %s",
		    DEVICE_PATH, strerrordesc_np(error), DEVICE_PATH);
		break;
	default:
		snprintf(why, why_size, "%s cannot be opened: %s", DEVICE_PATH,
		    strerrordesc_np(error));
	}
}

/* One descriptor of the clone device, not yet a queue. */
static int
open_clone(char *why, size_t why_size)
{
	int fd;

	fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 && errno == ENOENT) {
		if (make_device_node() == -1 && errno != EEXIST) {
			snprintf(why, why_size,
			    "%s is missing and cannot be made (%s); in a "
			    "container, start it with --device %s",
			    DEVICE_PATH, strerrordesc_np(errno), DEVICE_PATH);
			return -1;
		}
		fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	}
	if (fd == -1)
		tell_why_no_clone(errno, why, why_size);
	return fd;
}

bool
tun_is_there(char *why, size_t why_size)
{
	int fd = open(DEVICE_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd != -1)
		close(fd);
	else if (errno != ENOENT || geteuid() != 0) {
		tell_why_no_clone(errno, why, why_size);
		return false;
	}
	return true;
}

/*
 * Makes fd a queue of the device. Only the first asks for exclusiveness: with
 * IFF_TUN_EXCL the kernel refuses a device that exists, our own included.
 */
static int
attach_queue(int fd, bool first, unsigned queues)
{
	struct ifreq ifr = { 0 };
	int flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;

	if (first)
		flags |= IFF_TUN_EXCL;
	if (queues > 1)
		flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, TUN_NAME, sizeof(TUN_NAME));
	ifr.ifr_flags = (short)flags;
	return ioctl(fd, TUNSETIFF, &ifr);
}

static int
attach_first_queue(int fd, unsigned queues)
{
	const struct timespec step = { .tv_nsec = WAIT_STEP_NS };

	for (int i = 0; attach_queue(fd, true, queues) == -1; i++) {
		if (errno != EBUSY || i == WAIT_TRIES)
			return -1;
		if (i == 0)
			log_info(TUN_NAME " exists; waiting for its owner "
					  "to end");
		nanosleep(&step, NULL);
	}
	return 0;
}

static void
explain_attach(int error, char *why, size_t why_size)
{
	switch (error) {
	case EBUSY:
		snprintf(why, why_size,
		    TUN_NAME " is in use: another Gateway or Client runs on "
			     "this host. If none does, remove the device with "
			     "\"ip link delete " TUN_NAME "\"");
		break;
	case EPERM:
		snprintf(why, why_size,
		    TUN_NAME " cannot be made without CAP_NET_ADMIN; run as "
			     "root, or in a container with "
			     "--cap-add NET_ADMIN");
		break;
	default:
		snprintf(why, why_size, TUN_NAME " cannot be made: %s",
		    strerrordesc_np(error));
	}
}

static int
open_queue(struct tun *t, unsigned queues, char *why, size_t why_size)
{
	int fd, r, size = VNET_HEADER_SIZE;
	bool first = t->queues == 0;

	fd = open_clone(why, why_size);
	if (fd == -1)
		return -1;
	t->queue[t->queues++] = fd;
	r = first ? attach_first_queue(fd, queues)
		  : attach_queue(fd, false, queues);
	if (r == -1) {
		explain_attach(errno, why, why_size);
		return -1;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) == -1) {
		snprintf(why, why_size,
		    "the TUN driver refuses the packet header: %s",
		    strerrordesc_np(errno));
		return -1;
	}
	return 0;
}

int
tun_open(struct tun *t, unsigned queues, char *why, size_t why_size)
{
	*t = (struct tun){ .homes = -1 };
	for (unsigned i = 0; i < TUN_QUEUES_MAX; i++)
		t->queue[i] = -1;
	if (queues < 1 || queues > TUN_QUEUES_MAX) {
		snprintf(
		    why, why_size, "%u TUN queues are not possible", queues);
		return -1;
	}
	while (t->queues < queues) {
		if (open_queue(t, queues, why, why_size) == -1)
			goto fail;
	}
	t->ifindex = if_nametoindex(TUN_NAME);
	if (t->ifindex == 0) {
		snprintf(why, why_size, TUN_NAME " has vanished: %s",
		    strerrordesc_np(errno));
		goto fail;
	}
	tun_set_offload(t, false);
	if (queues > 1 && (t->homes = steer_packets(t->queue[0])) == -1)
		log_info(TUN_NAME
		    ": the kernel takes no program for its queues "
		    "(%s): packets are passed on between "
		    "threads, which costs more",
		    strerrordesc_np(errno));
	return 0;

fail:
	tun_close(t);
	return -1;
}

void
tun_set_offload(struct tun *t, bool wanted)
{
	const unsigned long tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	const unsigned long uso = TUN_F_USO4 | TUN_F_USO6;
	int fd = t->queue[0];

	t->uso = wanted && ioctl(fd, TUNSETOFFLOAD, tso | uso) == 0;
	t->offload = t->uso || (wanted && ioctl(fd, TUNSETOFFLOAD, tso) == 0);
	if (!t->offload && ioctl(fd, TUNSETOFFLOAD, 0ul) == -1)
		log_warn("cannot turn off the offloads of " TUN_NAME);
	if (wanted && !t->offload)
		log_info(TUN_NAME ": no segmentation offload, plain packets");
	else if (wanted && !t->uso)
		log_info(TUN_NAME ": segmentation offload for TCP only (UDP "
				  "needs Linux 6.2)");
}

void
tun_close(struct tun *t)
{
	for (unsigned i = 0; i < t->queues; i++) {
		if (t->queue[i] != -1)
			close(t->queue[i]);
		t->queue[i] = -1;
	}
	t->queues = 0;
	if (t->homes != -1)
		close(t->homes);
	t->homes = -1;
}

/* The sockets and the device: see io.h. */
#include "tests/client/io.h"

#include <err.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/client/client.h"

#define SOCKET_BUFFER (4 << 20)

#define RECEIVES 8   /* a turn, so that nothing starves */
#define PACKETS  256 /* likewise, from the device */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

void
io_init(struct client *c, bool udp)
{
	c->io.segmentation = true;
	c->io.kinds = COALESCE_TCP | (udp ? COALESCE_UDP : 0);
}

void
io_open(struct client *c, size_t family, const struct ip_address *ip)
{
	struct endpoint wanted = { .ip = *ip };
	struct sockaddr_storage address;
	socklen_t size = endpoint_to_sockaddr(&wanted, &address);
	int fd, buffer = SOCKET_BUFFER, on = 1;

	c->udp[family] = -1;
	c->local[family] = (struct endpoint){ 0 };
	if (size == 0)
		return;
	fd = socket(
	    address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, c->outside,
		(socklen_t)strlen(c->outside)) == -1 ||
	    bind(fd, (struct sockaddr *)&address, size) == -1 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) == -1 ||
	    !endpoint_from_sockaddr(
		(struct sockaddr *)&address, &c->local[family]))
		err(1, "UDP socket");
	/* Best effort: without privilege the system's limit holds. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	/* Likewise: without it they come one by one. */
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	c->udp[family] = fd;
}

/* Sending. */

/* Sends part of the batch: datagrams of a size each, the last may be short. */
static bool
send_part(struct client *c, const uint8_t *data, size_t len, bool segmented)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(uint16_t))];
	} control = { 0 };
	struct io *io = &c->io;
	struct sockaddr_storage name;
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = endpoint_to_sockaddr(&io->to, &name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	uint16_t segment = (uint16_t)io->segment;

	if (segmented) {
		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		control.header.cmsg_level = IPPROTO_UDP;
		control.header.cmsg_type = UDP_SEGMENT;
		control.header.cmsg_len = CMSG_LEN(sizeof(segment));
		memcpy(CMSG_DATA(&control.header), &segment, sizeof(segment));
	}
	return sendmsg(c->udp[family_index(&io->to.ip)], &msg, 0) != -1;
}

static void
send_one_by_one(struct client *c)
{
	struct io *io = &c->io;

	for (size_t at = 0; at < io->length; at += io->segment) {
		size_t left = io->length - at;

		/* Unreachable candidates are normal, full buffers losses. */
		if (!send_part(c, io->send + at,
			left < io->segment ? left : io->segment, false))
			debug(c, "send: %s", strerror(errno));
	}
}

static void
flush_udp(struct client *c)
{
	struct io *io = &c->io;

	if (io->count > 1 && io->segmentation) {
		if (!send_part(c, io->send, io->length, true)) {
			debug(c, "send: %s", strerror(errno));
			if (errno == EIO || errno == EINVAL) {
				io->segmentation = false;
				send_one_by_one(c);
			}
		}
	} else {
		send_one_by_one(c);
	}
	io->length = io->count = 0;
}

static bool
may_join(const struct io *io, const struct endpoint *to, size_t len)
{
	return io->count == 0 ||
	    (!io->sealed && len <= io->segment && io->count < IO_SEGMENTS &&
		io->length + len <= IO_SEND && endpoint_equal(&io->to, to));
}

void
io_send(
    struct client *c, const struct endpoint *to, const void *data, size_t len)
{
	struct io *io = &c->io;

	if (to->ip.family == IP_NONE || c->udp[family_index(&to->ip)] == -1 ||
	    len == 0 || len > IO_DATAGRAM_MAX)
		return;
	if (!may_join(io, to, len))
		flush_udp(c);
	if (io->count == 0) {
		io->to = *to;
		io->segment = len;
	}
	memcpy(io->send + io->length, data, len);
	io->length += len;
	io->count++;
	io->sealed = len < io->segment;
}

/* To the device. */

static void
write_vector(struct client *c, const struct iovec *iov, int count)
{
	if (writev(c->tun, iov, count) == -1)
		debug(c, "%s: %s", c->device, strerror(errno));
}

static void
write_flow(struct client *c)
{
	const struct iovec *iov;
	int count;

	if (c->io.flow.count == 0)
		return;
	iov = coalesce_finish(&c->io.flow, &count);
	write_vector(c, iov, count);
}

uint8_t *
io_room(struct client *c)
{
	if (c->io.rooms_used == IO_PACKETS) {
		write_flow(c);
		c->io.rooms_used = 0;
	}
	return c->io.room[c->io.rooms_used];
}

void
io_write(struct client *c, uint8_t *packet, size_t len)
{
	static uint8_t none[VNET_HEADER_LEN];
	struct iovec iov[2] = { { none, sizeof(none) }, { packet, len } };

	c->io.rooms_used++;
	if (coalesce_add(&c->io.flow, packet, len) == COALESCE_JOINED)
		return;
	write_flow(c);
	if (!coalesce_start(&c->io.flow, packet, len, c->io.kinds))
		write_vector(c, iov, 2);
}

void
io_flush(struct client *c)
{
	flush_udp(c);
	write_flow(c);
	c->io.rooms_used = 0;
}

/* Receiving. */

static size_t
stride_of(struct msghdr *msg, size_t len)
{
	int stride;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h != NULL;
	     h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != IPPROTO_UDP || h->cmsg_type != UDP_GRO)
			continue;
		memcpy(&stride, CMSG_DATA(h), sizeof(stride));
		if (stride > 0)
			return (size_t)stride;
	}
	return len;
}

void
io_read_udp(struct client *c, int fd)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control;
	struct io *io = &c->io;
	struct sockaddr_storage name;
	struct endpoint from;

	for (int i = 0; i < RECEIVES; i++) {
		struct iovec iov = { io->receive, sizeof(io->receive) };
		struct msghdr msg = {
			.msg_name = &name,
			.msg_namelen = sizeof(name),
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.space,
			.msg_controllen = sizeof(control.space),
		};
		ssize_t n = recvmsg(fd, &msg, 0);
		size_t len = (size_t)n, stride;

		if (n == -1)
			return;
		if (!endpoint_from_sockaddr((struct sockaddr *)&name, &from))
			continue;
		stride = stride_of(&msg, len);
		for (size_t at = 0; at < len; at += stride)
			client_udp_input(c, &from, io->receive + at,
			    len - at < stride ? len - at : stride);
	}
}

/* Reads a packet or super-packet; false when there is none. */
static bool
fill(struct client *c)
{
	struct io *io = &c->io;
	ssize_t n;

	while (
	    (n = read(c->tun, io->super, sizeof(io->super))) > VNET_HEADER_LEN)
		if (segmenter_init(&io->segments, io->super,
			io->super + VNET_HEADER_LEN,
			(size_t)n - VNET_HEADER_LEN))
			return true;
	return false;
}

void
io_read_tun(struct client *c)
{
	struct io *io = &c->io;
	uint8_t *packet;
	size_t len;

	for (int i = 0; i < PACKETS && fill(c);)
		for (; (packet = segmenter_next(
			    &io->segments, io->segment_room, &len)) != NULL;
		     i++)
			client_tun_input(c, packet, len);
}

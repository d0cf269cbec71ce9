/* UDP in and out: see udp.h. */
#include "net-worker/io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net-worker/core/inner/offload_pause.h"

/*
 * In a call: as many merged datagrams as the processor's cache holds, but of
 * single ones, such as a relay sends, enough to be glued at the TUN.
 */
#define RECEIVE_MERGED 8
#define RECEIVE_SINGLE 64
#define RECEIVE_SIZE   65536 /* what GRO merges at most */
/*
 * An odd number of cache lines, lest single datagrams share a few places of a
 * processor's caches.
 */
#define RECEIVE_STRIDE (RECEIVE_SIZE + 25 * 64)
#define SEND_BATCHES  16
#define SEND_SIZE     65000 /* less than 65535 by any headers */
#define SEND_SEGMENTS 64    /* UDP_MAX_SEGMENTS of older kernels */
#define REFUSALS      64    /* paths that are remembered as refusing */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Room for packet info of either family, TOS and a segment size. */
#define CONTROL_SIZE                              \
	(CMSG_SPACE(sizeof(struct in6_pktinfo)) + \
	    2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)))

union control {
	struct cmsghdr align;
	uint8_t space[CONTROL_SIZE];
};

/* Datagrams of one size to one destination, sent by one call. */
struct batch {
	struct endpoint to;
	struct ip_address from;
	uint8_t ecn;
	bool joined;    /* may be sent by one call */
	bool sealed;    /* its last segment is a short one */
	size_t segment; /* bytes of each but the last */
	size_t count;
	size_t len;
	uint8_t bytes[SEND_SIZE];
};

/* A path on which the kernel does not cut. */
struct refusal {
	struct ip_address to;
	struct offload_pause pause;
};

struct udp_io {
	int fd[2]; /* IPv4, IPv6 */
	uint16_t port[2];
	const struct mono *now;
	struct io_counters *counters;
	struct offload_pause pause[2];   /* of a whole family */
	struct refusal refusal[REFUSALS]; /* where a hash of to points */
	size_t batches;
	struct batch batch[SEND_BATCHES];
	unsigned receive_count; /* in the next call */
	struct mmsghdr receive_message[RECEIVE_SINGLE];
	struct iovec receive_iov[RECEIVE_SINGLE];
	union control receive_control[RECEIVE_SINGLE];
	struct sockaddr_storage receive_name[RECEIVE_SINGLE];
	uint8_t receive[RECEIVE_SINGLE][RECEIVE_STRIDE];
};

/* What the kernel writes over. */
static void
reset_message(struct udp_io *io, size_t i)
{
	struct msghdr *m = &io->receive_message[i].msg_hdr;

	m->msg_namelen = sizeof(io->receive_name[i]);
	m->msg_controllen = CONTROL_SIZE;
}

static void
init_messages(struct udp_io *io)
{
	for (size_t i = 0; i < RECEIVE_SINGLE; i++) {
		struct msghdr *m = &io->receive_message[i].msg_hdr;

		io->receive_iov[i] =
		    (struct iovec){ io->receive[i], RECEIVE_SIZE };
		m->msg_name = &io->receive_name[i];
		m->msg_iov = &io->receive_iov[i];
		m->msg_iovlen = 1;
		m->msg_control = io->receive_control[i].space;
		reset_message(io, i);
	}
	io->receive_count = RECEIVE_MERGED;
}

struct udp_io *
udp_io_new(int v4, uint16_t port_v4, int v6, uint16_t port_v6,
    const struct mono *now, struct io_counters *counters)
{
	struct udp_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->fd[0] = v4;
	io->fd[1] = v6;
	io->port[0] = port_v4;
	io->port[1] = port_v6;
	io->now = now;
	io->counters = counters;
	init_messages(io);
	return io;
}

void
udp_io_free(struct udp_io *io)
{
	free(io);
}

/* Receiving. */

/* The destination address, the ECN bits and the stride of merged datagrams. */
static void
read_control(struct msghdr *msg, struct arrival *a, size_t *stride)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		const void *data = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, data, sizeof(info));
			a->local.ip = ip_from_bytes(
			    IP_V4, (const uint8_t *)&info.ipi_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, data, sizeof(info));
			a->local.ip =
			    ip_from_bytes(IP_V6, info.ipi6_addr.s6_addr);
		} else if (c->cmsg_level == IPPROTO_IP &&
		    c->cmsg_type == IP_TOS) {
			a->ecn = *(const uint8_t *)data & 3;
		} else if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_TCLASS) {
			int tclass;

			memcpy(&tclass, data, sizeof(tclass));
			a->ecn = (uint8_t)(tclass & 3);
		} else if (c->cmsg_level == IPPROTO_UDP &&
		    c->cmsg_type == UDP_GRO) {
			int size;

			memcpy(&size, data, sizeof(size));
			*stride = size > 0 ? (size_t)size : 0;
		}
	}
}

static void
hand_out_datagrams(struct udp_io *io, size_t i, struct mmsghdr *m,
    uint16_t port, udp_handler handler, void *ctx)
{
	struct arrival a = { .local.port = port };
	size_t len = m->msg_len, stride = len;

	read_control(&m->msg_hdr, &a, &stride);
	if (!endpoint_from_sockaddr(
		(struct sockaddr *)&io->receive_name[i], &a.from) ||
	    a.local.ip.family == IP_NONE || stride == 0 || stride > len ||
	    stride > DATAGRAM_MAX || (m->msg_hdr.msg_flags & MSG_TRUNC)) {
		io->counters->udp_oversized++;
		return;
	}
	for (size_t at = 0; at < len; at += stride) {
		size_t n = len - at < stride ? len - at : stride;

		io->counters->udp_received++;
		handler(ctx, &a, io->receive[i] + at, n);
	}
}

bool
udp_io_receive(
    struct udp_io *io, enum ip_family family, udp_handler handler, void *ctx)
{
	size_t f = family == IP_V6, bytes = 0;
	unsigned asked = io->receive_count;
	int n =
	    recvmmsg(io->fd[f], io->receive_message, asked, MSG_DONTWAIT, NULL);

	for (int i = 0; i < n; i++) {
		bytes += io->receive_message[i].msg_len;
		hand_out_datagrams(io, (size_t)i, &io->receive_message[i],
		    io->port[f], handler, ctx);
		reset_message(io, (size_t)i);
	}
	if (n > 0 && bytes > (size_t)n * DATAGRAM_MAX)
		io->receive_count = RECEIVE_MERGED;
	else if (n == (int)asked)
		io->receive_count = RECEIVE_SINGLE;
	return n == (int)asked;
}

/*
 * Segmentation by the kernel. A device or a transform that cannot do it refuses
 * with EIO, and most likely does so for all of a family. EINVAL (in newer
 * kernels EMSGSIZE) is about this path: segments longer than it can carry, or a
 * source address that is not ours any more, with which no datagram can leave.
 */

static struct refusal *
refusal_slot(struct udp_io *io, const struct ip_address *to)
{
	unsigned hash = 0;

	for (size_t i = 0; i < ip_size(to); i++)
		hash = hash * 31 + to->bytes[i];
	return &io->refusal[hash % REFUSALS];
}

static bool
may_segment(struct udp_io *io, const struct ip_address *to)
{
	const struct refusal *r = refusal_slot(io, to);

	return !offload_paused(&io->pause[to->family == IP_V6], *io->now) &&
	    !(offload_paused(&r->pause, *io->now) && ip_equal(&r->to, to));
}

static void
note_segmentation_refused(
    struct udp_io *io, const struct ip_address *to, int error)
{
	struct refusal *r = refusal_slot(io, to);

	io->counters->udp_segmentation_refused++;
	if (error == EIO) {
		offload_refused(&io->pause[to->family == IP_V6], *io->now);
		return;
	}
	if (!ip_equal(&r->to, to))
		*r = (struct refusal){ .to = *to };
	offload_refused(&r->pause, *io->now);
}

static void
note_segmentation_taken(struct udp_io *io, const struct ip_address *to)
{
	struct refusal *r = refusal_slot(io, to);

	offload_taken(&io->pause[to->family == IP_V6]);
	if (ip_equal(&r->to, to))
		offload_taken(&r->pause);
}

static enum offload_state
segmentation_state(const struct udp_io *io, size_t family)
{
	if (io->fd[family] == -1)
		return OFFLOAD_NONE;
	return offload_paused(&io->pause[family], *io->now) ? OFFLOAD_REFUSED
							    : OFFLOAD_IN_USE;
}

void
udp_io_describe(const struct udp_io *io)
{
	uint64_t paths = 0;

	for (size_t i = 0; i < REFUSALS; i++)
		paths += offload_paused(&io->refusal[i].pause, *io->now);
	io->counters->udp_paths_refusing = paths;
	io->counters->udp_segmentation_v4 = segmentation_state(io, 0);
	io->counters->udp_segmentation_v6 = segmentation_state(io, 1);
}

/* Sending. */

static bool
may_join_batch(const struct batch *b, uint8_t ecn, size_t len)
{
	return b->joined && !b->sealed && b->ecn == ecn && len <= b->segment &&
	    b->count < SEND_SEGMENTS && b->len + len <= SEND_SIZE;
}

/*
 * The newest batch of the destination, if it may grow: order is kept, also
 * where the datagrams of a flow differ in ECN.
 */
static struct batch *
find_batch(struct udp_io *io, const struct endpoint *to,
    const struct ip_address *from, uint8_t ecn, size_t len)
{
	for (size_t i = io->batches; i-- > 0;) {
		struct batch *b = &io->batch[i];

		if (endpoint_equal(&b->to, to) && ip_equal(&b->from, from))
			return may_join_batch(b, ecn, len) ? b : NULL;
	}
	return NULL;
}

uint8_t *
udp_io_reserve(struct udp_io *io, const struct endpoint *to,
    const struct ip_address *from, uint8_t ecn, size_t len)
{
	struct batch *b = find_batch(io, to, from, ecn, len);
	uint8_t *room;

	if (len > DATAGRAM_MAX || len == 0)
		return NULL;
	if (b == NULL) {
		if (io->batches == SEND_BATCHES)
			udp_io_flush(io);
		b = &io->batch[io->batches++];
		b->to = *to;
		b->from = *from;
		b->ecn = ecn;
		b->joined = may_segment(io, &to->ip);
		b->sealed = false;
		b->segment = len;
		b->count = 0;
		b->len = 0;
	}
	room = b->bytes + b->len;
	b->len += len;
	b->count++;
	b->sealed = len < b->segment;
	return room;
}

static void
add_control_message(struct msghdr *msg, size_t *used, int level, int type,
    const void *data, size_t len)
{
	struct cmsghdr *c =
	    (struct cmsghdr *)((uint8_t *)msg->msg_control + *used);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	*used += CMSG_SPACE(len);
}

static void
add_source(struct msghdr *msg, size_t *used, const struct ip_address *from)
{
	struct in_pktinfo v4 = { 0 };
	struct in6_pktinfo v6 = { 0 };

	if (from->family == IP_V4) {
		memcpy(&v4.ipi_spec_dst, from->bytes, 4);
		add_control_message(
		    msg, used, IPPROTO_IP, IP_PKTINFO, &v4, sizeof(v4));
	} else if (from->family == IP_V6) {
		memcpy(&v6.ipi6_addr, from->bytes, 16);
		add_control_message(
		    msg, used, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof(v6));
	}
}

/* Sends len bytes of a batch; with a segment size where they are several. */
static int
send_part(const struct udp_io *io, const struct batch *b, const uint8_t *bytes,
    size_t len, bool segmented)
{
	union control control = { 0 };
	struct sockaddr_storage name;
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = {
		.msg_name = &name,
		.msg_namelen = endpoint_to_sockaddr(&b->to, &name),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
	};
	bool v6 = b->to.ip.family == IP_V6;
	int tos = b->ecn;
	size_t used = 0;
	ssize_t n;

	add_source(&msg, &used, &b->from);
	if (tos != 0)
		add_control_message(&msg, &used, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
		    v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
	if (segmented) {
		uint16_t segment = (uint16_t)b->segment;

		add_control_message(&msg, &used, IPPROTO_UDP, UDP_SEGMENT,
		    &segment, sizeof(segment));
	}
	msg.msg_controllen = used;
	if (used == 0)
		msg.msg_control = NULL;
	do
		n = sendmsg(io->fd[v6], &msg, MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == -1 ? errno : 0;
}

static void
count_failed_datagrams(struct udp_io *io, size_t datagrams)
{
	io->counters->udp_send_failed += datagrams;
}

/*
 * What is too long, or has a source that is none, stays so: of the datagrams
 * of that length only one is tried. Returns the error of the first one, which
 * has the length of a segment.
 */
static int
send_datagrams_singly(struct udp_io *io, const struct batch *b)
{
	size_t refused = SIZE_MAX;
	int first = 0;

	for (size_t at = 0; at < b->len; at += b->segment) {
		size_t left = b->len - at;
		size_t len = left < b->segment ? left : b->segment;
		int error = 0;

		if (len >= refused) {
			count_failed_datagrams(io, 1);
			continue;
		}
		if ((error = send_part(io, b, b->bytes + at, len, false)) == 0)
			io->counters->udp_sent++;
		else
			count_failed_datagrams(io, 1);
		if (error == EINVAL || error == EMSGSIZE)
			refused = len;
		if (at == 0)
			first = error;
	}
	return first;
}

static void
send_batch(struct udp_io *io, const struct batch *b)
{
	int error;

	if (io->fd[b->to.ip.family == IP_V6] == -1) {
		count_failed_datagrams(io, b->count);
		return;
	}
	if (b->count == 1 || !may_segment(io, &b->to.ip)) {
		(void)send_datagrams_singly(io, b);
		return;
	}
	error = send_part(io, b, b->bytes, b->len, true);
	if (error == EIO || error == EINVAL || error == EMSGSIZE) {
		if (send_datagrams_singly(io, b) == 0)
			note_segmentation_refused(io, &b->to.ip, error);
	} else if (error != 0) {
		count_failed_datagrams(io, b->count);
	} else {
		note_segmentation_taken(io, &b->to.ip);
		io->counters->udp_sent += b->count;
	}
}

void
udp_io_flush(struct udp_io *io)
{
	for (size_t i = 0; i < io->batches; i++)
		send_batch(io, &io->batch[i]);
	io->batches = 0;
}

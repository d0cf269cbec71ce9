/* One TUN queue: see tun.h. */
#include "net-worker/io/tun.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

struct tun_io *
tun_io_new(int fd, unsigned kinds, const struct mono *now,
    struct io_counters *counters)
{
	struct tun_io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return NULL;
	io->fd = fd;
	io->kinds = kinds;
	io->now = now;
	io->counters = counters;
	return io;
}

void
tun_io_free(struct tun_io *io)
{
	free(io);
}

/* Reads one packet or super-packet; false when there is none. */
static bool
read_super_packet(struct tun_io *io)
{
	ssize_t n;

	for (;;) {
		n = read(io->fd, io->buffer, sizeof(io->buffer));
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= VNET_HEADER_LEN)
			return false;
		if (segmenter_init(&io->segments, io->buffer,
			io->buffer + VNET_HEADER_LEN,
			(size_t)n - VNET_HEADER_LEN))
			return true;
		io->counters->tun_malformed++;
	}
}

uint8_t *
tun_io_read(struct tun_io *io, size_t *len)
{
	uint8_t *packet = segmenter_next(&io->segments, io->room, len);

	if (packet == NULL) {
		if (!read_super_packet(io))
			return NULL;
		packet = segmenter_next(&io->segments, io->room, len);
	}
	io->counters->tun_read++;
	return packet;
}

/* Returns what errno says, or 0. */
static int
write_vector(struct tun_io *io, const struct iovec *iov, int count)
{
	ssize_t n;

	do
		n = writev(io->fd, iov, count);
	while (n == -1 && errno == EINTR);
	return n == -1 ? errno : 0;
}

static int
write_packet(struct tun_io *io, uint8_t *packet, size_t len)
{
	static const uint8_t none[VNET_HEADER_LEN];
	struct iovec iov[2] = {
		{ (void *)(uintptr_t)none, sizeof(none) },
		{ packet, len },
	};
	int error = write_vector(io, iov, 2);

	if (error != 0)
		io->counters->tun_write_failed++;
	else
		io->counters->tun_written++;
	return error;
}

/* What was glued, as it came; returns the error of the first packet. */
static int
write_packets_apart(struct tun_io *io, const struct coalescer *c, int count)
{
	uint8_t *packet;
	size_t len;
	int first = 0, error;

	for (size_t i = 0;
	     (packet = coalesce_packet(c, count, i, &len)) != NULL; i++) {
		error = write_packet(io, packet, len);
		if (i == 0)
			first = error;
	}
	return first;
}

static struct offload_pause *
pause_of(struct tun_io *io, unsigned kind)
{
	return kind == COALESCE_TCP ? &io->pause_tcp : &io->pause_udp;
}

/* It was the gluing's fault if a packet is taken: a TUN that is down is not. */
static void
write_glued(struct tun_io *io, const struct coalescer *c,
    const struct iovec *iov, int count, size_t packets)
{
	struct offload_pause *pause = pause_of(io, c->kind);
	int error = write_vector(io, iov, count);

	if (error == 0) {
		offload_taken(pause);
		io->counters->tun_written += packets;
	} else if (error != EINVAL && error != EIO) {
		io->counters->tun_write_failed += packets;
	} else if (write_packets_apart(io, c, count) == 0) {
		io->counters->tun_segmentation_refused++;
		offload_refused(pause, *io->now);
	}
}

static void
write_flow(struct tun_io *io, struct coalescer *c)
{
	const struct iovec *iov;
	size_t packets = c->count;
	int count;

	if (packets == 0)
		return;
	io->flows_open--;
	iov = coalesce_finish(c, &count);
	if (packets > 1 && !offload_paused(pause_of(io, c->kind), *io->now))
		write_glued(io, c, iov, count, packets);
	else
		(void)write_packets_apart(io, c, count);
}

/* Kinds of flows that the TUN would take glued, but has refused lately. */
static unsigned
paused_kinds(const struct tun_io *io)
{
	unsigned paused = 0;

	if (offload_paused(&io->pause_tcp, *io->now))
		paused |= COALESCE_TCP;
	if (offload_paused(&io->pause_udp, *io->now))
		paused |= COALESCE_UDP;
	return paused & io->kinds;
}

void
tun_io_describe(const struct tun_io *io)
{
	io->counters->tun_segmentation = io->kinds == 0 ? OFFLOAD_NONE
	    : paused_kinds(io) != 0                     ? OFFLOAD_REFUSED
							: OFFLOAD_IN_USE;
}

/*
 * With the flow that it continues; the one before it was of the same, mostly.
 * False: it is for itself, and what there was of its flow is written.
 */
static bool
join_flow(struct tun_io *io, uint8_t *packet, size_t len)
{
	for (unsigned i = 0; io->flows_open > 0 && i < TUN_FLOWS; i++) {
		unsigned number = (io->last_flow + i) % TUN_FLOWS;

		switch (coalesce_add(&io->flow[number], packet, len)) {
		case COALESCE_JOINED:
			io->last_flow = number;
			return true;
		case COALESCE_SAME_FLOW:
			write_flow(io, &io->flow[number]);
			return false;
		case COALESCE_OTHER:
			break;
		}
	}
	return false;
}

/* A free flow; all are in use: the one that has waited longest makes room. */
static unsigned
vacant_flow(struct tun_io *io)
{
	unsigned victim;

	for (unsigned i = 0; i < TUN_FLOWS; i++)
		if (io->flow[i].count == 0)
			return i;
	victim = io->next_victim++ % TUN_FLOWS;
	write_flow(io, &io->flow[victim]);
	return victim;
}

static bool
start_flow(struct tun_io *io, uint8_t *packet, size_t len)
{
	unsigned kinds = io->kinds & ~paused_kinds(io);
	unsigned number;

	if (kinds == 0)
		return false;
	number = vacant_flow(io);
	if (!coalesce_start(&io->flow[number], packet, len, kinds))
		return false;
	io->flows_open++;
	io->last_flow = number;
	return true;
}

void
tun_io_write(struct tun_io *io, uint8_t *packet, size_t len)
{
	if (!join_flow(io, packet, len) && !start_flow(io, packet, len))
		(void)write_packet(io, packet, len);
}

void
tun_io_flush(struct tun_io *io)
{
	for (size_t i = 0; io->flows_open > 0 && i < TUN_FLOWS; i++)
		write_flow(io, &io->flow[i]);
}

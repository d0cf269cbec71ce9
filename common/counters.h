/*
 * The counter page: what net-worker counts, in memory that it shares with
 * control-worker. The parent makes it, net-worker writes it and control-worker
 * can only read it; it outlives both, so that what is counted is not lost with
 * a worker.
 *
 * A block has one writer, and every word is written by a plain store of eight
 * aligned bytes; readers take one word at a time with counter_read(). Words of
 * one block need not belong to the same instant.
 */
#ifndef COMMON_COUNTERS_H
#define COMMON_COUNTERS_H

#include <stdint.h>

#include "common/reason.h"

#define COUNTER_SHARDS     8
#define COUNTER_BLOCK_SIZE 4096

/* Of a shard: inner packets; outbound is from a client to a resource. */
struct shard_counters {
	uint64_t udp_packets, udp_bytes; /* data accepted from clients */
	uint64_t tun_packets, tun_bytes; /* data sent to clients */
	uint64_t forged;                 /* data that did not authenticate */
	uint64_t unknown_index;          /* data for no session of ours */
	uint64_t expired_session;
	uint64_t malformed_outbound; /* inner packets, per direction */
	uint64_t malformed_inbound;
	uint64_t not_a_peer;    /* inbound, nobody's address */
	uint64_t not_connected; /* no path or no session to send on */
	uint64_t icmp_sent;
	uint64_t icmp_limited; /* answers that a client did not get */
	uint64_t control_lost; /* control packets: too many at once */
	uint64_t control_unknown;
	uint64_t flows_untracked; /* no room in the table */
	uint64_t refused_outbound[REASON_COUNT];
	uint64_t refused_inbound[REASON_COUNT];
	uint64_t events_lost;
};

enum offload_state {
	OFFLOAD_NONE, /* not offered */
	OFFLOAD_IN_USE,
	OFFLOAD_REFUSED, /* by the kernel, and to be tried again */
};

/*
 * Of the sockets and the TUN queue. What is in use of segmentation is how it is
 * now, brought up each second.
 */
struct io_counters {
	uint64_t udp_received, udp_sent; /* datagrams */
	uint64_t udp_oversized;          /* received: too long, or no address */
	uint64_t udp_send_failed;        /* datagrams the kernel did not take */
	uint64_t tun_read, tun_written;  /* packets */
	uint64_t tun_malformed;
	uint64_t tun_write_failed;
	uint64_t udp_segmentation[2]; /* offload_state of IPv4, IPv6 */
	uint64_t udp_paths_refusing;  /* it, though their family does not */
	uint64_t tun_segmentation;    /* offload_state */
	uint64_t udp_segmentation_refused, tun_segmentation_refused; /* calls */
};

/* Of the engine. The first four are how it is now, brought up each second. */
struct engine_counters {
	uint64_t clients; /* with at least one grant */
	uint64_t direct;  /* connections with a path, by its kind */
	uint64_t relayed;
	uint64_t relays;     /* with an allocation */
	uint64_t handshakes; /* that made a session */
	uint64_t cookies;    /* demanded of senders of handshakes */
	uint64_t failed;     /* connections that came to a bad end */
	uint64_t expired;    /* grants whose time was over */
	uint64_t names_set;  /* assignments of names that were installed */
	uint64_t names_refused;
	uint64_t flows; /* reports about flows */
	uint64_t flows_suppressed; /* without one: their client has too many */
	uint64_t channels_refused; /* candidates beyond a client's share */
};

struct counter_page {
	_Alignas(COUNTER_BLOCK_SIZE) struct engine_counters engine;
	_Alignas(COUNTER_BLOCK_SIZE) struct io_counters io;
	struct {
		_Alignas(COUNTER_BLOCK_SIZE) struct shard_counters counters;
	} shard[COUNTER_SHARDS];
};

_Static_assert(
    sizeof(struct counter_page) == (2 + COUNTER_SHARDS) * COUNTER_BLOCK_SIZE,
    "a block is a page");

static inline uint64_t
counter_read(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

#endif /* COMMON_COUNTERS_H */

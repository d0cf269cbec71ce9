/*
 * Probes of paths without ICE (firezone-tunnel(7), Probes): ICMPv6 echoes
 * between two addresses that are nobody's. A reply goes from the first to the
 * second as its request does.
 */
#ifndef NET_WORKER_CORE_INNER_PROBE_H
#define NET_WORKER_CORE_INNER_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_PACKET_LEN 48

struct probe {
	bool is_reply;
	uint16_t id;       /* of the pair, by whoever asks */
	uint16_t sequence; /* of that pair */
};

/* False when it is another kind of packet. */
bool probe_packet_read(const uint8_t *packet, size_t len, struct probe *);
void probe_packet_write(const struct probe *, uint8_t to[PROBE_PACKET_LEN]);

#endif /* NET_WORKER_CORE_INNER_PROBE_H */

/*
 * Probes of the ICE-less mode: ICMPv6 echoes inside the tunnel between two
 * addresses that nobody has (firezone-tunnel(7), Probes).
 */
#ifndef TESTS_CLIENT_PROBE_H
#define TESTS_CLIENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROBE_LEN 48

struct probe {
	bool reply;
	uint16_t id; /* of the requester's pair, also in the reply */
	uint16_t sequence;
};

void probe_write(const struct probe *, uint8_t to[PROBE_LEN]);
/* False when the inner packet is anything else. */
bool probe_read(const uint8_t *, size_t, struct probe *);

#endif /* TESTS_CLIENT_PROBE_H */

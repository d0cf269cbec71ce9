/*
 * Control packets (firezone-policy(7), Control packet format): IPv6 from "::"
 * to "::" with next header 255, then an event and seven bytes of zero, then
 * what the event carries.
 */
#ifndef NET_WORKER_CORE_INNER_CONTROL_PACKET_H
#define NET_WORKER_CORE_INNER_CONTROL_PACKET_H

#include "common/bounds.h"
#include "common/control_event.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/packet.h"

#define CONTROL_PROTOCOL   255
#define CONTROL_HEADER_LEN 8 /* behind that of IPv6 */
#define CONTROL_PACKET_LEN (IPV6_HEADER_LEN + CONTROL_HEADER_LEN)
_Static_assert(CONTROL_PAYLOAD_MAX == INNER_PACKET_MAX - CONTROL_PACKET_LEN,
    "the longest packet has the longest payload");

struct control_packet {
	uint8_t event; /* enum control_event, or what we do not know */
	const uint8_t *payload;
	size_t length;
};

/* False when it is another kind of packet. */
bool control_packet_read(const struct packet *, struct control_packet *);
/* The first CONTROL_PACKET_LEN bytes of one with so much payload. */
void control_packet_begin(uint8_t *to, enum control_event, size_t payload_len);

#endif /* NET_WORKER_CORE_INNER_CONTROL_PACKET_H */

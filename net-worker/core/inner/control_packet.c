/* Control packets: see control_packet.h. */
#include "net-worker/core/inner/control_packet.h"

#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"

bool
control_packet_read(const struct packet *p, struct control_packet *c)
{
	if (p->protocol != CONTROL_PROTOCOL || p->source.family != IP_V6 ||
	    !ip_is_unspecified(&p->source) ||
	    !ip_is_unspecified(&p->destination) ||
	    p->length - p->transport < CONTROL_HEADER_LEN)
		return false;
	c->event = p->data[p->transport];
	c->payload = p->data + p->transport + CONTROL_HEADER_LEN;
	c->length = p->length - p->transport - CONTROL_HEADER_LEN;
	return true;
}

void
control_packet_begin(uint8_t *to, enum control_event event, size_t payload_len)
{
	/* Everything that is not set is zero. */
	memset(to, 0, CONTROL_PACKET_LEN);
	to[0] = 6 << 4;
	store_be16(
	    to + IPV6_PAYLOAD, (uint16_t)(CONTROL_HEADER_LEN + payload_len));
	to[IPV6_NEXT] = CONTROL_PROTOCOL;
	to[IPV6_HEADER_LEN] = (uint8_t)event;
}

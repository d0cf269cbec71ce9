/* Packets of a client: what is a probe, and that it is one to all. */
#include "net-worker/core/inner/probe.h"

#include <stdlib.h>

#include "net-worker/core/inner/packet.h"
#include "tests/fuzz/fuzz.h"

void
fuzz_one(struct cursor *in)
{
	uint8_t again[PROBE_PACKET_LEN];
	struct probe probe = { 0 }, same;
	struct packet p;
	size_t len;
	uint8_t *packet = pick_block(in, 2 * PROBE_PACKET_LEN, &len);

	if (len > 0 && probe_packet_read(packet, len, &probe)) {
		must(packet_parse(packet, len, &p) == PACKET_OK);
		must(p.kind == PACKET_ICMP_ECHO);
		must(packet_is_echo_reply(&p) == probe.is_reply);
	}
	free(packet);
	probe.sequence = (uint16_t)(probe.sequence + cursor_be16(in));
	probe_packet_write(&probe, again);
	must(probe_packet_read(again, sizeof(again), &same));
	must(same.id == probe.id && same.sequence == probe.sequence &&
	    same.is_reply == probe.is_reply);
}

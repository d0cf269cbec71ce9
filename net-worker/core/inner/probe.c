/* Probes of paths without ICE: see probe.h. */
#include "net-worker/core/inner/probe.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/packet.h"

#define ICMP_ECHO_SEQUENCE 6
#define ADDRESSES_LEN      (IPV6_HEADER_LEN - IPV6_SOURCE)

static const uint8_t probe_header[IPV6_HEADER_LEN] = {
	0x60,
	0,
	0,
	0,
	0,
	ICMP_HEADER_LEN,
	IPPROTO_ICMPV6,
	64,
	/* 100::dead:1ce:1 */
	0x01,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0xde,
	0xad,
	0x01,
	0xce,
	0,
	1,
	/* 100::dead:1ce:2 */
	0x01,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0xde,
	0xad,
	0x01,
	0xce,
	0,
	2,
};

/* With the checksum in place it is 0. */
static uint16_t
probe_checksum(const uint8_t *packet)
{
	/* The pseudo-header: addresses, length, next header. */
	uint32_t sum = ICMP_HEADER_LEN + IPPROTO_ICMPV6;

	return checksum_finish(checksum_add(
	    sum, packet + IPV6_SOURCE, ADDRESSES_LEN + ICMP_HEADER_LEN));
}

bool
probe_packet_read(const uint8_t *packet, size_t len, struct probe *probe)
{
	const uint8_t *icmp = packet + IPV6_HEADER_LEN;

	if (len != PROBE_PACKET_LEN ||
	    memcmp(packet + IPV6_SOURCE, probe_header + IPV6_SOURCE,
		ADDRESSES_LEN) != 0)
		return false;
	if (packet[0] >> 4 != 6 || packet[IPV6_NEXT] != IPPROTO_ICMPV6 ||
	    load_be16(packet + IPV6_PAYLOAD) != ICMP_HEADER_LEN ||
	    (icmp[0] != ICMP6_ECHO_REQUEST && icmp[0] != ICMP6_ECHO_REPLY) ||
	    icmp[1] != 0 || probe_checksum(packet) != 0)
		return false;
	probe->is_reply = icmp[0] == ICMP6_ECHO_REPLY;
	probe->id = load_be16(icmp + ICMP_ECHO_ID);
	probe->sequence = load_be16(icmp + ICMP_ECHO_SEQUENCE);
	return true;
}

void
probe_packet_write(const struct probe *probe, uint8_t to[PROBE_PACKET_LEN])
{
	uint8_t *icmp = to + IPV6_HEADER_LEN;

	memcpy(to, probe_header, IPV6_HEADER_LEN);
	memset(icmp, 0, ICMP_HEADER_LEN);
	icmp[0] = probe->is_reply ? ICMP6_ECHO_REPLY : ICMP6_ECHO_REQUEST;
	store_be16(icmp + ICMP_ECHO_ID, probe->id);
	store_be16(icmp + ICMP_ECHO_SEQUENCE, probe->sequence);
	store_be16(icmp + ICMP_CHECKSUM, probe_checksum(to));
}

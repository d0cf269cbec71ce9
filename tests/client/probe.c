/* Probe packets: see probe.h. */
#include "tests/client/probe.h"

#include <string.h>

#include "common/buffer.h"

#define ECHO_AT      40
#define CODE_AT      41
#define CHECKSUM_AT  42
#define ID_AT        44
#define SEQUENCE_AT  46
#define ECHO_REQUEST 128
#define ECHO_REPLY   129
#define ECHO_LEN     8
#define ICMPV6       58
#define ADDRESSES_AT 8

/* All that does not differ: the header up to the echo. */
static const uint8_t header[ECHO_AT] = {
	/* clang-format off */
	0x60, 0, 0, 0, 0, ECHO_LEN, ICMPV6, 64,
	0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xde, 0xad, 0x01, 0xce, 0, 1,
	0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xde, 0xad, 0x01, 0xce, 0, 2,
	/* clang-format on */
};

/* RFC 4443 2.3, over the pseudo-header and an echo without data. */
static uint16_t
echo_checksum(const uint8_t *packet)
{
	uint32_t sum = ECHO_LEN + ICMPV6;

	for (size_t i = ADDRESSES_AT; i < PROBE_LEN; i += 2)
		if (i != CHECKSUM_AT)
			sum += load_be16(packet + i);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void
probe_write(const struct probe *p, uint8_t to[PROBE_LEN])
{
	memcpy(to, header, sizeof(header));
	to[ECHO_AT] = p->reply ? ECHO_REPLY : ECHO_REQUEST;
	to[CODE_AT] = 0;
	store_be16(to + ID_AT, p->id);
	store_be16(to + SEQUENCE_AT, p->sequence);
	store_be16(to + CHECKSUM_AT, echo_checksum(to));
}

bool
probe_read(const uint8_t *packet, size_t len, struct probe *p)
{
	if (len != PROBE_LEN || memcmp(packet, header, sizeof(header)) != 0 ||
	    (packet[ECHO_AT] != ECHO_REQUEST &&
		packet[ECHO_AT] != ECHO_REPLY) ||
	    packet[CODE_AT] != 0 ||
	    load_be16(packet + CHECKSUM_AT) != echo_checksum(packet))
		return false;
	*p = (struct probe){
		.reply = packet[ECHO_AT] == ECHO_REPLY,
		.id = load_be16(packet + ID_AT),
		.sequence = load_be16(packet + SEQUENCE_AT),
	};
	return true;
}

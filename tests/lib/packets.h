/* Inner packets made from their parts, for the tests of packet and policy. */
#ifndef TESTS_LIB_PACKETS_H
#define TESTS_LIB_PACKETS_H

#include <stdlib.h>
#include <time.h>

#include "common/buffer.h"
#include "net-worker/core/inner/packet.h"
#include "tests/lib/addresses.h"

/* An IP packet around the payload; the IPv4 checksum is right. */
static inline size_t
build_ip(uint8_t *to, const struct ip_address *from,
    const struct ip_address *destination, uint8_t protocol, const void *payload,
    size_t len)
{
	struct writer w;

	writer_init(&w, to, 2048);
	if (from->family == IP_V4) {
		writer_be16(&w, 0x4500);
		writer_be16(&w, (uint16_t)(20 + len));
		writer_be32(&w, 0);
		writer_u8(&w, 64);
		writer_u8(&w, protocol);
		writer_be16(&w, 0);
	} else {
		writer_be32(&w, 0x60000000);
		writer_be16(&w, (uint16_t)len);
		writer_u8(&w, protocol);
		writer_u8(&w, 64);
	}
	writer_bytes(&w, from->bytes, ip_size(from));
	writer_bytes(&w, destination->bytes, ip_size(destination));
	if (from->family == IP_V4)
		store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	writer_bytes(&w, payload, len);
	assert_false(writer_failed(&w));
	return w.len;
}

/* A TCP segment or UDP datagram without data. */
static inline size_t
build_ports(uint8_t *to, const struct ip_address *from,
    const struct ip_address *destination, uint8_t protocol, uint16_t source,
    uint16_t port)
{
	uint8_t header[20] = { 0 };
	bool tcp = protocol == IPPROTO_TCP;

	store_be16(header, source);
	store_be16(header + 2, port);
	if (tcp)
		header[12] = 5 << 4;
	else
		store_be16(header + 4, 8);
	return build_ip(to, from, destination, protocol, header, tcp ? 20 : 8);
}

/* An ICMP message of the family of from, with data after its eight bytes. */
static inline size_t
build_icmp(uint8_t *to, const struct ip_address *from,
    const struct ip_address *destination, uint8_t type, uint8_t code,
    uint32_t rest, const void *data, size_t len)
{
	uint8_t message[2048] = { type, code };

	assert_true(len <= sizeof(message) - 8);
	store_be32(message + 4, rest);
	if (len > 0)
		memcpy(message + 8, data, len);
	return build_ip(to, from, destination,
	    from->family == IP_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, message,
	    8 + len);
}

static inline struct packet
parsed(uint8_t *data, size_t len)
{
	struct packet p;

	assert_int_equal(packet_parse(data, len, &p), PACKET_OK);
	return p;
}

/* xorshift64*: reproducible, which is all that is wanted. */
struct dice {
	uint64_t state;
};

/* A new seed at each run, or the one in TEST_SEED; printed to be repeated. */
static inline struct dice
dice_new(void)
{
	const char *given = getenv("TEST_SEED");
	struct dice d = { (uint64_t)time(NULL) };

	if (given != NULL)
		d.state = strtoull(given, NULL, 10);
	print_message("TEST_SEED=%llu\n", (unsigned long long)d.state);
	d.state = d.state * 0x9e3779b97f4a7c15u | 1;
	return d;
}

/* Below n, which is not 0. */
static inline uint32_t
roll(struct dice *d, uint32_t n)
{
	d->state ^= d->state >> 12;
	d->state ^= d->state << 25;
	d->state ^= d->state >> 27;
	return (uint32_t)((d->state * 0x2545f4914f6cdd1du) >> 33) % n;
}

#endif /* TESTS_LIB_PACKETS_H */

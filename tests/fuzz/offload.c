/*
 * Segmentation: whatever vnet header comes with whatever packet, what is cut
 * stays within bounds; and what is glued and cut again is what it was.
 */
#include "net-worker/core/inner/offload.h"

#include <stdlib.h>
#include <string.h>

#include "net-worker/core/inner/packet.h"
#include "tests/fuzz/fuzz.h"

#define PACKETS 64

/* Packets as a client sends them: each has passed the parser. */
struct batch {
	uint8_t *packet[PACKETS];
	size_t len[PACKETS], count;
};

static void
cut(struct cursor *in)
{
	uint8_t vnet[VNET_HEADER_LEN], room[INNER_PACKET_MAX], *packet, *p;
	size_t len, n, total = 0;
	struct segmenter s;

	cursor_copy(in, vnet, sizeof(vnet));
	packet = pick_block(in, SUPER_PACKET_MAX, &len);
	if (segmenter_init(&s, vnet, packet, len)) {
		while ((p = segmenter_next(&s, room, &n)) != NULL) {
			must(p == packet ? n == len : n <= sizeof(room));
			total += n - (s.cut ? s.header : 0);
			must(total <= len);
		}
		must(total == len - (s.cut ? s.header : 0));
	}
	free(packet);
}

static void
fix_checksums(uint8_t *packet, size_t len, struct packet *p)
{
	size_t transport_len = len - p->transport, field;
	uint8_t *transport = packet + p->transport;

	if (packet[0] >> 4 == 4) {
		store_be16(packet + 10, 0);
		store_be16(packet + 10,
		    checksum_finish(
			checksum_add(0, packet, (packet[0] & 0x0fu) * 4u)));
	}
	if (p->kind != PACKET_TCP && p->kind != PACKET_UDP)
		return;
	field = p->kind == PACKET_TCP ? 16 : 6;
	store_be16(transport + field, 0);
	store_be16(transport + field,
	    checksum_finish(
		checksum_add(checksum_pseudo(&p->source, &p->destination,
				 p->protocol, transport_len),
		    transport, transport_len)));
}

/* Bytes before the data, where something may follow; else 0. */
static size_t
header_length(uint8_t *packet, size_t len)
{
	struct packet p;

	if (packet_parse(packet, len, &p) != PACKET_OK ||
	    p.transport != (p.source.family == IP_V6 ? 40 : 20))
		return 0;
	if (p.kind == PACKET_TCP)
		return p.transport +
		    (size_t)(packet[p.transport + 12] >> 4) * 4;
	return p.kind == PACKET_UDP ? p.transport + 8 : 0;
}

/* A packet that follows the one before, but for what the input changes. */
static uint8_t *
next_packet(
    struct cursor *in, const struct batch *b, size_t header, size_t *len)
{
	const uint8_t *before = b->packet[b->count - 1];
	size_t ip = before[0] >> 4 == 6 ? 40 : 20;
	size_t payload = pick(in, 65), at = cursor_u8(in);
	uint8_t *packet;

	*len = header + payload;
	packet = calloc(1, *len);
	must(packet != NULL);
	memcpy(packet, before, header);
	cursor_copy(in, packet + header, payload);
	if (ip == 40) {
		store_be16(packet + 4, (uint16_t)(*len - ip));
	} else {
		store_be16(packet + 2, (uint16_t)*len);
		store_be16(packet + 4, (uint16_t)(load_be16(before + 4) + 1));
	}
	if (header == ip + 8)
		store_be16(packet + ip + 4, (uint16_t)(*len - ip));
	else
		store_be32(packet + ip + 4,
		    load_be32(before + ip + 4) +
			(uint32_t)(b->len[b->count - 1] - header));
	if (at < header)
		packet[at] ^= cursor_u8(in);
	return packet;
}

static void
take(struct cursor *in, struct batch *b)
{
	struct packet p;
	uint8_t *packet;
	size_t len, header = 0;

	if (b->count > 0 && pick_bool(in))
		header = header_length(
		    b->packet[b->count - 1], b->len[b->count - 1]);
	if (header > 0)
		packet = next_packet(in, b, header, &len);
	else
		packet = pick_block(in, INNER_PACKET_MAX, &len);
	if (packet_parse(packet, len, &p) != PACKET_OK) {
		free(packet);
		return;
	}
	if (!pick_bool(in))
		fix_checksums(packet, len, &p);
	b->packet[b->count] = packet;
	b->len[b->count++] = len;
}

/* What the kernel would make of the vectors, which are count packets. */
static void
check_glued(const struct iovec *iov, int vectors, const struct batch *b,
    size_t first, size_t count)
{
	static uint8_t super[SUPER_PACKET_MAX];
	uint8_t vnet[VNET_HEADER_LEN], room[INNER_PACKET_MAX], *p;
	size_t total = 0, n;
	struct segmenter s;

	must(iov[0].iov_len == VNET_HEADER_LEN);
	memcpy(vnet, iov[0].iov_base, VNET_HEADER_LEN);
	for (int i = 1; i < vectors; i++) {
		must(total + iov[i].iov_len <= sizeof(super));
		memcpy(super + total, iov[i].iov_base, iov[i].iov_len);
		total += iov[i].iov_len;
	}
	must(segmenter_init(&s, vnet, super, total));
	for (size_t i = first; i < first + count; i++) {
		const uint8_t *was = b->packet[i];
		size_t ip = was[0] >> 4 == 6 ? 40 : 20;

		must((p = segmenter_next(&s, room, &n)) != NULL);
		must(n == b->len[i]);
		must(memcmp(p + ip, was + ip, n - ip) == 0);
		must(memcmp(p, was, 4) == 0);
		/* Header checksum, and what DF makes meaningless, are new. */
		must(ip == 40 || (was[6] & 0x40) != 0 ||
		    memcmp(p + 4, was + 4, 2) == 0);
	}
	must(segmenter_next(&s, room, &n) == NULL);
}

static void
glue(const struct batch *b)
{
	struct coalescer c = { .count = 0 };
	const struct iovec *iov;
	size_t first = 0, i;
	int vectors;

	for (i = 0; i < b->count; i++) {
		if (c.count > 0) {
			if (coalesce_add(&c, b->packet[i], b->len[i]) ==
			    COALESCE_JOINED)
				continue;
			iov = coalesce_finish(&c, &vectors);
			check_glued(iov, vectors, b, first, i - first);
		}
		first = i;
		(void)coalesce_start(
		    &c, b->packet[i], b->len[i], COALESCE_TCP | COALESCE_UDP);
	}
	if (c.count > 0) {
		iov = coalesce_finish(&c, &vectors);
		check_glued(iov, vectors, b, first, i - first);
	}
}

void
fuzz_one(struct cursor *in)
{
	struct batch b = { .count = 0 };

	if (pick_bool(in)) {
		cut(in);
		return;
	}
	while (more(in) && b.count < PACKETS)
		take(in, &b);
	glue(&b);
	for (size_t i = 0; i < b.count; i++)
		free(b.packet[i]);
}

/*
 * net-worker/core/inner/offload.c: cutting and gluing are each other's inverse
 * on any flow of TCP and UDP; and what of UDP is not glued.
 */
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "net-worker/core/inner/headers.h"
#include "net-worker/core/inner/offload.h"
#include "net-worker/core/inner/packet.h"
#include "tests/lib/unit.h"

#define ROUNDS  3000
#define PIECES  64
#define KINDS   (COALESCE_TCP | COALESCE_UDP)
#define UDP_L4  5 /* VIRTIO_NET_HDR_GSO_UDP_L4, of newer headers */
#define PAYLOAD 101

/* A super-packet as the kernel hands it over and wants it. */
struct super {
	uint8_t vnet[VNET_HEADER_LEN];
	uint8_t packet[SUPER_PACKET_MAX];
	size_t length, pieces;
	bool v6, udp;
};

static struct super made;
static uint8_t rooms[PIECES][INNER_PACKET_MAX];
static size_t lengths[PIECES];

static size_t
random_below(size_t bound)
{
	return (size_t)rand() % bound;
}

static void
fill_randomly(uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)rand();
}

static uint32_t
sum_of_pseudo(const uint8_t *packet, size_t transport, size_t len)
{
	struct ip_address from = { 0 }, to = { 0 };
	bool v6 = packet[0] >> 4 == 6;

	from.family = to.family = v6 ? IP_V6 : IP_V4;
	memcpy(
	    from.bytes, packet + (v6 ? IPV6_SOURCE : IPV4_SOURCE), v6 ? 16 : 4);
	memcpy(to.bytes, packet + (v6 ? IPV6_DESTINATION : IPV4_DESTINATION),
	    v6 ? 16 : 4);
	return checksum_pseudo(&from, &to,
	    packet[v6 ? IPV6_NEXT : IPV4_PROTOCOL], len - transport);
}

/* Any traffic class, flow label, hop limit and addresses; DF or not. */
static size_t
make_ip_header(uint8_t *ip, bool v6, uint8_t protocol, size_t payload)
{
	if (v6) {
		fill_randomly(ip, IPV6_HEADER_LEN);
		ip[0] = (uint8_t)(0x60 | (ip[0] & 0x0f));
		store_be16(ip + IPV6_PAYLOAD, (uint16_t)payload);
		ip[IPV6_NEXT] = protocol;
		return IPV6_HEADER_LEN;
	}
	fill_randomly(ip, IPV4_HEADER_LEN);
	ip[0] = 0x45;
	store_be16(ip + IPV4_TOTAL, (uint16_t)(IPV4_HEADER_LEN + payload));
	store_be16(ip + IPV4_FRAGMENT, rand() % 2 ? 0x4000 : 0);
	ip[IPV4_PROTOCOL] = protocol;
	store_be16(ip + IPV4_CHECKSUM, 0);
	store_be16(ip + IPV4_CHECKSUM,
	    checksum_finish(checksum_add(0, ip, IPV4_HEADER_LEN)));
	return IPV4_HEADER_LEN;
}

static void
make_transport_header(uint8_t *to, bool udp, size_t header, size_t payload)
{
	fill_randomly(to, header);
	if (udp) {
		store_be16(to + UDP_LENGTH, (uint16_t)(header + payload));
		return;
	}
	to[TCP_OFFSET] = (uint8_t)(header << 2);
	to[TCP_FLAGS] = TCP_ACK | (rand() % 2 ? TCP_PSH : 0);
}

static void
make_super(struct super *s)
{
	size_t header, ip, payload, segment, field;
	struct virtio_net_hdr vnet = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	s->v6 = rand() % 2;
	s->udp = rand() % 2;
	header = s->udp ? UDP_HEADER_LEN : 20 + 4 * random_below(11);
	field = s->udp ? UDP_CHECKSUM : TCP_CHECKSUM;
	segment = 1 + random_below(INNER_PACKET_MAX - 40 - header);
	do
		s->pieces = 2 + random_below(PIECES - 1);
	while (s->pieces * segment > SUPER_PACKET_MAX - 200);
	payload = (s->pieces - 1) * segment + 1 + random_below(segment);
	ip =
	    make_ip_header(s->packet, s->v6, s->udp ? 17 : 6, header + payload);
	make_transport_header(s->packet + ip, s->udp, header, payload);
	fill_randomly(s->packet + ip + header, payload);
	s->length = ip + header + payload;
	store_be16(s->packet + ip + field,
	    (uint16_t)~checksum_finish(
		sum_of_pseudo(s->packet, ip, s->length)));
	vnet.gso_type = s->udp ? UDP_L4
	    : s->v6            ? VIRTIO_NET_HDR_GSO_TCPV6
			       : VIRTIO_NET_HDR_GSO_TCPV4;
	vnet.hdr_len = (uint16_t)(ip + header);
	vnet.gso_size = (uint16_t)segment;
	vnet.csum_start = (uint16_t)ip;
	vnet.csum_offset = (uint16_t)field;
	memcpy(s->vnet, &vnet, sizeof(vnet));
}

static bool
is_valid(uint8_t *packet, size_t len)
{
	struct packet p;

	return packet_parse(packet, len, &p) == PACKET_OK &&
	    (packet[0] != 0x45 ||
		checksum_finish(checksum_add(0, packet, 20)) == 0) &&
	    checksum_finish(
		checksum_add(sum_of_pseudo(packet, p.transport, len),
		    packet + p.transport, len - p.transport)) == 0;
}

static void
cut_super(const struct super *s)
{
	static uint8_t packet[SUPER_PACKET_MAX];
	struct segmenter cut;
	size_t n = 0;

	memcpy(packet, s->packet, s->length);
	assert_true(segmenter_init(&cut, s->vnet, packet, s->length));
	while (
	    n < PIECES && segmenter_next(&cut, rooms[n], &lengths[n]) != NULL) {
		assert_true(is_valid(rooms[n], lengths[n]));
		n++;
	}
	assert_int_equal(n, s->pieces);
	assert_null(segmenter_next(&cut, rooms[0], &lengths[0]));
}

static void
cut_and_glued_again(void **state)
{
	static uint8_t flat[VNET_HEADER_LEN + SUPER_PACKET_MAX];
	const struct iovec *iov;
	struct coalescer c;
	size_t len;
	int count;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		make_super(&made);
		cut_super(&made);
		assert_true(coalesce_start(&c, rooms[0], lengths[0], KINDS));
		for (size_t i = 1; i < made.pieces; i++)
			assert_int_equal(coalesce_add(&c, rooms[i], lengths[i]),
			    COALESCE_JOINED);
		iov = coalesce_finish(&c, &count);
		len = 0;
		for (int i = 0; i < count; i++) {
			memcpy(flat + len, iov[i].iov_base, iov[i].iov_len);
			len += iov[i].iov_len;
		}
		assert_int_equal(len, VNET_HEADER_LEN + made.length);
		assert_memory_equal(flat, made.vnet, VNET_HEADER_LEN);
		assert_memory_equal(
		    flat + VNET_HEADER_LEN, made.packet, made.length);
		for (size_t i = 0; i < made.pieces; i++)
			assert_ptr_equal(
			    coalesce_packet(&c, count, i, &len), rooms[i]);
	}
}

/* What of UDP is not glued. */

static struct sample {
	uint8_t packet[INNER_PACKET_MAX];
	size_t length;
} first, second;

static void
fix_checksums(struct sample *d)
{
	size_t ip = d->packet[0] >> 4 == 6 ? 40 : (d->packet[0] & 0x0fu) * 4u;

	if (ip != 40) {
		store_be16(d->packet + IPV4_CHECKSUM, 0);
		store_be16(d->packet + IPV4_CHECKSUM,
		    checksum_finish(checksum_add(0, d->packet, ip)));
	}
	store_be16(d->packet + ip + UDP_CHECKSUM, 0);
	store_be16(d->packet + ip + UDP_CHECKSUM,
	    checksum_finish(
		checksum_add(sum_of_pseudo(d->packet, ip, d->length),
		    d->packet + ip, d->length - ip)));
}

static void
set_payload(struct sample *d, size_t payload)
{
	size_t ip = d->packet[0] >> 4 == 6 ? 40 : 20;

	d->length = ip + UDP_HEADER_LEN + payload;
	if (ip == 40)
		store_be16(d->packet + IPV6_PAYLOAD, (uint16_t)(8 + payload));
	else
		store_be16(d->packet + IPV4_TOTAL, (uint16_t)d->length);
	store_be16(d->packet + ip + UDP_LENGTH, (uint16_t)(8 + payload));
	fix_checksums(d);
}

static void
make_datagram(struct sample *d, bool v6, size_t payload)
{
	memset(d->packet, 0x5a, sizeof(d->packet));
	if (v6)
		unhex("6a054321 0000 1140 "
		      "20010db8000000000000000000000001"
		      "20010db8000000000000000000000002",
		    d->packet, 40);
	else
		unhex("45020000 1234 4000 4011 0000 0a000001 0a000002",
		    d->packet, 20);
	unhex("0035 c350 0000 0000", d->packet + (v6 ? 40 : 20), 8);
	set_payload(d, payload);
}

enum change {
	NONE,
	SHORTER,
	LONGER,
	EMPTY,
	NO_CHECKSUM,
	WRONG_CHECKSUM,
	WRONG_LENGTH,
	FLIP, /* a bit of an octet; checksums made right */
	FLIP_BOTH,
};

static void
change_second(enum change change, size_t at, uint8_t bits)
{
	size_t ip = second.packet[0] >> 4 == 6 ? 40 : 20;

	switch (change) {
	case NONE:
		break;
	case SHORTER:
		set_payload(&second, PAYLOAD - 1);
		break;
	case LONGER:
		set_payload(&second, PAYLOAD + 1);
		break;
	case EMPTY:
		set_payload(&second, 0);
		break;
	case NO_CHECKSUM:
		store_be16(second.packet + ip + UDP_CHECKSUM, 0);
		break;
	case WRONG_CHECKSUM:
		second.packet[second.length - 1] ^= 1;
		break;
	case WRONG_LENGTH:
		second.packet[ip + UDP_LENGTH + 1] ^= 1;
		fix_checksums(&second);
		break;
	case FLIP_BOTH:
		first.packet[at] ^= bits;
		fix_checksums(&first);
		/* FALLTHROUGH */
	case FLIP:
		second.packet[at] ^= bits;
		fix_checksums(&second);
		break;
	}
}

static const struct {
	const char *what;
	bool v6;
	enum change change;
	size_t at;
	uint8_t bits;
	enum coalesce_result want;
	bool starts; /* one of its own */
} cases[] = {
	{ "the next", false, NONE, 0, 0, COALESCE_JOINED, true },
	{ "the next", true, NONE, 0, 0, COALESCE_JOINED, true },
	{ "short", false, SHORTER, 0, 0, COALESCE_JOINED, true },
	{ "long", false, LONGER, 0, 0, COALESCE_SAME_FLOW, true },
	{ "empty", false, EMPTY, 0, 0, COALESCE_SAME_FLOW, false },
	{ "empty", true, EMPTY, 0, 0, COALESCE_SAME_FLOW, false },
	{ "no checksum", false, NO_CHECKSUM, 0, 0, COALESCE_SAME_FLOW, false },
	{ "no checksum", true, NO_CHECKSUM, 0, 0, COALESCE_SAME_FLOW, false },
	{ "wrong checksum", false, WRONG_CHECKSUM, 0, 0, COALESCE_SAME_FLOW,
	    false },
	{ "wrong checksum", true, WRONG_CHECKSUM, 0, 0, COALESCE_SAME_FLOW,
	    false },
	{ "wrong length", false, WRONG_LENGTH, 0, 0, COALESCE_SAME_FLOW,
	    false },
	{ "ECN", false, FLIP, 1, 1, COALESCE_SAME_FLOW, true },
	{ "DSCP", false, FLIP, 1, 0x80, COALESCE_SAME_FLOW, true },
	{ "TTL", false, FLIP, 8, 1, COALESCE_SAME_FLOW, true },
	{ "DF", false, FLIP, 6, 0x40, COALESCE_SAME_FLOW, true },
	{ "identification, DF", false, FLIP, 5, 0xff, COALESCE_JOINED, true },
	{ "same identification, no DF", false, FLIP_BOTH, 6, 0x40,
	    COALESCE_SAME_FLOW, true },
	{ "source", false, FLIP, 15, 1, COALESCE_OTHER, true },
	{ "destination", false, FLIP, 16, 1, COALESCE_OTHER, true },
	{ "source port", false, FLIP, 21, 1, COALESCE_OTHER, true },
	{ "destination port", false, FLIP, 22, 1, COALESCE_OTHER, true },
	{ "protocol", false, FLIP, 9, 1, COALESCE_OTHER, false },
	{ "ECN", true, FLIP, 1, 0x10, COALESCE_SAME_FLOW, true },
	{ "DSCP", true, FLIP, 0, 1, COALESCE_SAME_FLOW, true },
	{ "flow label", true, FLIP, 3, 1, COALESCE_SAME_FLOW, true },
	{ "hop limit", true, FLIP, 7, 1, COALESCE_SAME_FLOW, true },
	{ "source", true, FLIP, 8, 1, COALESCE_OTHER, true },
	{ "destination", true, FLIP, 39, 1, COALESCE_OTHER, true },
	{ "source port", true, FLIP, 40, 1, COALESCE_OTHER, true },
	{ "destination port", true, FLIP, 43, 1, COALESCE_OTHER, true },
	{ "next header", true, FLIP, 6, 17 ^ 6, COALESCE_OTHER, false },
};

static void
only_what_belongs_together(void **state)
{
	struct coalescer c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_datagram(&first, cases[i].v6, PAYLOAD);
		make_datagram(&second, cases[i].v6, PAYLOAD);
		change_second(cases[i].change, cases[i].at, cases[i].bits);
		print_message("%s\n", cases[i].what);
		assert_true(
		    coalesce_start(&c, first.packet, first.length, KINDS));
		assert_int_equal(coalesce_add(&c, second.packet, second.length),
		    cases[i].want);
		assert_int_equal(
		    coalesce_start(&c, second.packet, second.length, KINDS),
		    cases[i].starts);
	}
}

/* Behind options or extension headers nobody looks for its ports. */
static void
keeps_order_with_options(void **state)
{
	static const uint8_t nops[4] = { 1, 1, 1, 1 };
	static const uint8_t padding[8] = { IPPROTO_UDP, 0, 1, 4 };
	struct packet p;
	struct coalescer c;

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		size_t ip = v6 ? 40 : 20, more = v6 ? 8 : 4;

		make_datagram(&first, v6 == 1, PAYLOAD);
		make_datagram(&second, v6 == 1, PAYLOAD);
		memmove(second.packet + ip + more, second.packet + ip,
		    second.length - ip);
		memcpy(second.packet + ip, v6 ? padding : nops, more);
		second.length += more;
		if (v6) {
			store_be16(second.packet + IPV6_PAYLOAD,
			    (uint16_t)(second.length - ip));
			second.packet[IPV6_NEXT] = IPPROTO_DSTOPTS;
		} else {
			store_be16(second.packet + IPV4_TOTAL,
			    (uint16_t)second.length);
			second.packet[0] = 0x46;
		}
		assert_int_equal(
		    packet_parse(second.packet, second.length, &p), PACKET_OK);
		assert_int_equal(p.kind, PACKET_UDP);
		assert_true(
		    coalesce_start(&c, first.packet, first.length, KINDS));
		assert_int_equal(coalesce_add(&c, second.packet, second.length),
		    COALESCE_SAME_FLOW);
		second.packet[ip - 1] ^= 1; /* to another host */
		assert_int_equal(coalesce_add(&c, second.packet, second.length),
		    COALESCE_OTHER);
		assert_false(
		    coalesce_start(&c, second.packet, second.length, KINDS));
	}
}

/* Counted up, and over the end. */
static void
identification_follows(void **state)
{
	struct coalescer c;

	(void)state;
	make_datagram(&first, false, PAYLOAD);
	make_datagram(&second, false, PAYLOAD);
	first.packet[6] = second.packet[6] = 0;
	store_be16(first.packet + 4, 0xffff);
	store_be16(second.packet + 4, 0);
	fix_checksums(&first);
	fix_checksums(&second);
	assert_true(coalesce_start(&c, first.packet, first.length, KINDS));
	assert_int_equal(
	    coalesce_add(&c, second.packet, second.length), COALESCE_JOINED);
	assert_int_equal(
	    coalesce_add(&c, second.packet, second.length), COALESCE_SAME_FLOW);
}

static void
no_more_than_the_kernel_takes(void **state)
{
	struct coalescer c;
	size_t n;
	int count;

	(void)state;
	for (size_t payload = 1; payload <= 1200; payload += 1199) {
		make_datagram(&first, true, payload);
		assert_true(
		    coalesce_start(&c, first.packet, first.length, KINDS));
		for (n = 1; coalesce_add(&c, first.packet, first.length) ==
		     COALESCE_JOINED;
		     n++)
			;
		assert_int_equal(n, payload == 1 ? 64 : 54);
		coalesce_finish(&c, &count);
		assert_int_equal(count, n + 2);
		assert_true(48 + n * payload <= SUPER_PACKET_MAX);
	}
}

static void
nothing_after_a_shorter_one(void **state)
{
	struct coalescer c;

	(void)state;
	make_datagram(&first, true, PAYLOAD);
	make_datagram(&second, true, PAYLOAD - 1);
	assert_true(coalesce_start(&c, first.packet, first.length, KINDS));
	assert_int_equal(
	    coalesce_add(&c, second.packet, second.length), COALESCE_JOINED);
	assert_int_equal(
	    coalesce_add(&c, second.packet, second.length), COALESCE_SAME_FLOW);
}

static void
only_kinds_asked_for(void **state)
{
	struct coalescer c;

	(void)state;
	make_datagram(&first, false, PAYLOAD);
	assert_false(
	    coalesce_start(&c, first.packet, first.length, COALESCE_TCP));
	assert_int_equal(
	    coalesce_add(&c, first.packet, first.length), COALESCE_OTHER);
	assert_true(
	    coalesce_start(&c, first.packet, first.length, COALESCE_UDP));
}

/* A sum of zero is sent as all ones, and so it comes back. */
static void
checksum_of_all_ones(void **state)
{
	uint8_t vnet[VNET_HEADER_LEN], flat[2 * INNER_PACKET_MAX];
	const struct iovec *iov;
	struct segmenter cut;
	struct coalescer c;
	size_t len = 0, n;
	int count;

	(void)state;
	make_datagram(&first, false, PAYLOAD);
	store_be16(first.packet + 28,
	    (uint16_t)(load_be16(first.packet + 28) +
		load_be16(first.packet + 26)));
	fix_checksums(&first);
	if (load_be16(first.packet + 26) != 0) {
		store_be16(first.packet + 28,
		    (uint16_t)(load_be16(first.packet + 28) + 1));
		fix_checksums(&first);
	}
	assert_int_equal(load_be16(first.packet + 26), 0);
	store_be16(first.packet + 26, 0xffff);
	assert_true(is_valid(first.packet, first.length));
	assert_true(coalesce_start(&c, first.packet, first.length, KINDS));
	assert_int_equal(
	    coalesce_add(&c, first.packet, first.length), COALESCE_JOINED);
	iov = coalesce_finish(&c, &count);
	memcpy(vnet, iov[0].iov_base, sizeof(vnet));
	for (int i = 1; i < count; i++) {
		memcpy(flat + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	assert_true(segmenter_init(&cut, vnet, flat, len));
	assert_non_null(segmenter_next(&cut, rooms[0], &n));
	assert_int_equal(n, first.length);
	assert_memory_equal(rooms[0], first.packet, n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_and_glued_again),
		cmocka_unit_test(only_what_belongs_together),
		cmocka_unit_test(keeps_order_with_options),
		cmocka_unit_test(identification_follows),
		cmocka_unit_test(no_more_than_the_kernel_takes),
		cmocka_unit_test(nothing_after_a_shorter_one),
		cmocka_unit_test(only_kinds_asked_for),
		cmocka_unit_test(checksum_of_all_ones),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

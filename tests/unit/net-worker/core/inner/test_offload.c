/*
 * net-worker/core/inner/offload.c: what is cut can be glued again byte for byte, and
 * nothing is glued that does not belong together.
 */
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "net-worker/core/inner/offload.h"
#include "net-worker/core/inner/packet.h"
#include "tests/lib/unit.h"

#define SEGMENT 1200

static uint8_t super[SUPER_PACKET_MAX];

/* A TCP super-packet with the given payload, as the kernel hands it over. */
static size_t
make_super(bool v6, size_t payload, uint8_t flags, uint8_t vnet[10])
{
	size_t ip = v6 ? 40 : 20, total = ip + 32 + payload;
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type =
		    v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = SEGMENT,
		.csum_start = (uint16_t)ip,
		.csum_offset = 16,
	};

	memset(super, 0, ip + 32);
	if (v6) {
		unhex("60000000 0000 0640 "
		      "20010db8000000000000000000000001"
		      "20010db8000000000000000000000002",
		    super, 40);
		store_be16(super + 4, (uint16_t)(total - 40));
	} else {
		unhex("45000000 1234 4000 4006 0000 0a000001 0a000002", super,
		    20);
		store_be16(super + 2, (uint16_t)total);
	}
	unhex("0050 c350 fffffc00 00000007", super + ip, 12);
	super[ip + 12] = 0x80;
	super[ip + 13] = flags;
	super[ip + 14] = 1;
	for (size_t i = 0; i < 12; i++)
		super[ip + 20 + i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < payload; i++)
		super[ip + 32 + i] = (uint8_t)rand();
	memcpy(vnet, &h, sizeof(h));
	return total;
}

static bool
checksum_right(const uint8_t *packet, size_t len)
{
	struct packet p;

	assert_int_equal(
	    packet_parse((uint8_t *)(uintptr_t)packet, len, &p), PACKET_OK);
	if (packet[0] >> 4 == 4)
		assert_int_equal(
		    checksum_finish(checksum_add(0, packet, 20)), 0);
	return checksum_finish(
		   checksum_add(checksum_pseudo(&p.source, &p.destination,
				    p.protocol, len - p.transport),
		       packet + p.transport, len - p.transport)) == 0;
}

static void
cuts_and_glues(void **state)
{
	static const size_t payloads[] = { 1201, 2400, 2401, 24000, 48001 };
	static uint8_t rooms[64][INNER_PACKET_MAX];

	(void)state;
	for (int v6 = 0; v6 <= 1; v6++)
		for (size_t i = 0; i < 5; i++) {
			uint8_t vnet[10], *p;
			size_t total =
			    make_super(v6 == 1, payloads[i], 0x18, vnet);
			size_t n = 0, len, at = 0;
			struct segmenter s;
			struct coalescer c;
			const struct iovec *v;
			int count;

			assert_true(segmenter_init(&s, vnet, super, total));
			while (
			    (p = segmenter_next(&s, rooms[n], &len)) != NULL) {
				assert_true(checksum_right(p, len));
				if (n == 0)
					assert_true(coalesce_start(
					    &c, p, len, COALESCE_TCP));
				else
					assert_int_equal(
					    coalesce_add(&c, p, len),
					    COALESCE_JOINED);
				n++;
			}
			assert_int_equal(
			    n, (payloads[i] + SEGMENT - 1) / SEGMENT);
			v = coalesce_finish(&c, &count);
			assert_int_equal(count, n + 2);
			/* Headers but for checksums, then every payload. */
			assert_memory_equal(v[1].iov_base, super, 10);
			for (int k = 2; k < count; k++) {
				assert_memory_equal(v[k].iov_base,
				    super + s.header + at, v[k].iov_len);
				at += v[k].iov_len;
			}
			assert_int_equal(at, payloads[i]);
		}
}

static void
flags_go_where_they_belong(void **state)
{
	uint8_t vnet[10], room[INNER_PACKET_MAX], *p;
	size_t total = make_super(false, 3000, 0x99, vnet), len;
	uint8_t flags[3];
	struct segmenter s;

	(void)state;
	assert_true(segmenter_init(&s, vnet, super, total));
	for (size_t i = 0; i < 3; i++) {
		assert_non_null(p = segmenter_next(&s, room, &len));
		flags[i] = p[33];
		assert_int_equal(load_be16(p + 4), 0x1234 + i);
		assert_int_equal(
		    load_be32(p + 24), (uint32_t)(0xfffffc00 + i * SEGMENT));
	}
	assert_null(segmenter_next(&s, room, &len));
	assert_int_equal(flags[0], 0x90); /* CWR, ACK */
	assert_int_equal(flags[1], 0x10);
	assert_int_equal(flags[2], 0x19); /* FIN, PSH, ACK */
}

static void
cuts_datagrams(void **state)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = 5, /* UDP_L4 */
		.gso_size = 1000,
		.csum_start = 40,
		.csum_offset = 6,
	};
	static const size_t want[] = { 1048, 1048, 548 };
	uint8_t vnet[10], room[INNER_PACKET_MAX], *p;
	struct segmenter s;
	size_t len;

	(void)state;
	make_super(true, 2500, 0, vnet);
	memcpy(vnet, &h, sizeof(h));
	super[6] = 17;
	store_be16(super + 4, 2508);
	unhex("0035 c350 09cc 0000", super + 40, 8);
	assert_true(segmenter_init(&s, vnet, super, 2548));
	for (size_t i = 0; i < 3; i++) {
		assert_non_null(p = segmenter_next(&s, room, &len));
		assert_int_equal(len, want[i]);
		assert_int_equal(load_be16(p + 44), len - 40);
		assert_true(checksum_right(p, len));
		assert_memory_equal(p + 48, super + 48 + i * 1000, len - 48);
	}
	assert_null(segmenter_next(&s, room, &len));
}

/* Together they are shorter than a TCP header. */
static void
cuts_tiny_datagrams(void **state)
{
	struct virtio_net_hdr h = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = 5, /* UDP_L4 */
		.gso_size = 1,
		.csum_start = 20,
		.csum_offset = 6,
	};
	uint8_t vnet[10], room[INNER_PACKET_MAX], *p;
	struct segmenter s;
	size_t len;

	(void)state;
	memcpy(vnet, &h, sizeof(h));
	unhex("4500001e 1234 4000 4011 0000 0a000001 0a000002"
	      "0035 c350 000a 0000 6162",
	    super, 30);
	assert_true(segmenter_init(&s, vnet, super, 30));
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(p = segmenter_next(&s, room, &len));
		assert_int_equal(len, 29);
		assert_int_equal(p[28], 'a' + i);
		assert_true(checksum_right(p, len));
	}
	assert_null(segmenter_next(&s, room, &len));
	/* No header, or nothing behind it. */
	assert_false(segmenter_init(&s, vnet, super, 27));
	assert_false(segmenter_init(&s, vnet, super, 28));
}

static void
refuses_headers_that_do_not_fit(void **state)
{
	uint8_t vnet[10];
	struct segmenter s;
	size_t total = make_super(false, 3000, 0x10, vnet);

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint8_t bad[10], room[INNER_PACKET_MAX];
		size_t cut = (size_t)rand() % total + 1, len;

		memcpy(bad, vnet, sizeof(bad));
		bad[rand() % 10] = (uint8_t)rand();
		bad[rand() % 10] = (uint8_t)rand();
		if (!segmenter_init(&s, bad, super, i % 2 ? total : cut))
			continue;
		while (segmenter_next(&s, room, &len) != NULL)
			assert_true(len > 0);
	}
}

static size_t
one_segment(uint8_t *to, unsigned number, size_t payload)
{
	uint8_t vnet[10];
	size_t total = make_super(false, payload, 0x10, vnet), len;
	struct segmenter s;

	store_be32(super + 24, 1000 + number * SEGMENT);
	memset(vnet, 0, sizeof(vnet));
	vnet[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	vnet[6] = 20;
	vnet[8] = 16;
	/* The kernel leaves the pseudo-header's sum in the field. */
	store_be16(super + 36,
	    (uint16_t)~checksum_finish(
		checksum_pseudo(&(struct ip_address){ IP_V4, { 10, 0, 0, 1 } },
		    &(struct ip_address){ IP_V4, { 10, 0, 0, 2 } }, 6,
		    total - 20)));
	store_be16(super + 10, checksum_finish(checksum_add(0, super, 20)));
	assert_true(segmenter_init(&s, vnet, super, total));
	assert_ptr_equal(segmenter_next(&s, to, &len), super);
	memcpy(to, super, len);
	assert_true(checksum_right(to, len));
	return len;
}

static void
glues_only_what_belongs_together(void **state)
{
	uint8_t a[INNER_PACKET_MAX], b[INNER_PACKET_MAX];
	size_t la = one_segment(a, 0, SEGMENT), lb;
	struct coalescer c;
	int count;

	(void)state;
	lb = one_segment(b, 2, SEGMENT); /* a gap */
	assert_true(coalesce_start(&c, a, la, COALESCE_TCP));
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_SAME_FLOW);

	lb = one_segment(b, 1, SEGMENT);
	b[60] ^= 1; /* bad checksum */
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_SAME_FLOW);
	b[60] ^= 1;
	b[20] ^= 1; /* another port */
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_OTHER);
	b[20] ^= 1;
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_JOINED);

	lb = one_segment(b, 2, 100); /* a short one seals */
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_JOINED);
	lb = one_segment(b, 3, 100);
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_SAME_FLOW);
	coalesce_finish(&c, &count);
	assert_int_equal(count, 2 + 3);
	assert_int_equal(coalesce_add(&c, b, lb), COALESCE_OTHER);

	a[33] = 0x11; /* FIN */
	assert_false(coalesce_start(&c, a, la, COALESCE_TCP));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_and_glues),
		cmocka_unit_test(flags_go_where_they_belong),
		cmocka_unit_test(cuts_datagrams),
		cmocka_unit_test(cuts_tiny_datagrams),
		cmocka_unit_test(refuses_headers_that_do_not_fit),
		cmocka_unit_test(glues_only_what_belongs_together),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * net-worker/io/tun.c: what the kernel refuses as one is written packet by
 * packet, and gluing is tried again later. A writev(2) of the test stands in
 * for the TUN.
 */
#include "net-worker/io/tun.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>

#include "common/buffer.h"
#include "net-worker/core/inner/packet.h"
#include "tests/lib/unit.h"

#define COUNT   5
#define PAYLOAD 700
#define LENGTH  (40 + PAYLOAD) /* of a TCP segment */
#define SHORT   (28 + PAYLOAD) /* of a datagram */

static int refuse;      /* what is glued, with this error; 0: nothing */
static uint8_t only;    /* of this vnet type; 0: whatever it is */
static int refuse_all;  /* everything, likewise */
static unsigned glued;  /* writes of several packets at once */
static unsigned plain;  /* packets that were taken as they are */
static uint8_t written[16][LENGTH];
static uint8_t packets[COUNT][LENGTH];
static size_t lengths[COUNT];

static struct mono now;
static struct io_counters counters;
static struct tun_io *io;

ssize_t __wrap_writev(int, const struct iovec *, int);

ssize_t
__wrap_writev(int fd, const struct iovec *iov, int count)
{
	struct virtio_net_hdr vnet;
	size_t len = 0, at = 0;
	uint8_t all[SUPER_PACKET_MAX];

	(void)fd;
	for (int i = 0; i < count; i++) {
		memcpy(all + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	memcpy(&vnet, all, sizeof(vnet));
	at = sizeof(vnet);
	glued += vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE;
	errno = refuse_all != 0 ? refuse_all : refuse;
	if (refuse_all != 0 ||
	    (refuse != 0 && vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE &&
		(only == 0 || vnet.gso_type == only)))
		return -1;
	if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_true(plain < 16);
		assert_in_range(len - at, SHORT, LENGTH);
		memcpy(written[plain++], all + at, len - at);
	}
	return (ssize_t)len;
}

static void
make_checksum(uint8_t *p, size_t len, size_t field)
{
	struct packet parsed;

	store_be16(p + 2, (uint16_t)len);
	store_be16(p + 10, checksum_finish(checksum_add(0, p, 20)));
	assert_int_equal(packet_parse(p, len, &parsed), PACKET_OK);
	store_be16(p + field,
	    checksum_finish(checksum_add(
		checksum_pseudo(&parsed.source, &parsed.destination,
		    parsed.protocol, len - 20),
		p + 20, len - 20)));
}

/* The i-th of segments of one TCP flow. */
static void
make_segment(size_t i)
{
	uint8_t *p = packets[i];

	memset(p, (int)i, LENGTH);
	unhex("45000000 1234 4000 4006 0000 0a000001 0a000002", p, 20);
	unhex("0050 c350 00000000 00000007 5010 0100 0000 0000", p + 20, 20);
	store_be32(p + 24, (uint32_t)(1000 + i * PAYLOAD));
	make_checksum(p, LENGTH, 36);
	lengths[i] = LENGTH;
}

/* And of datagrams of one of UDP. */
static void
make_datagram(size_t i)
{
	uint8_t *p = packets[i];

	memset(p, (int)i, LENGTH);
	unhex("45000000 1234 4000 4011 0000 0a000001 0a000002", p, 20);
	unhex("0050 c350 0000 0000", p + 20, 8);
	store_be16(p + 24, SHORT - 20);
	make_checksum(p, SHORT, 26);
	lengths[i] = SHORT;
}

static void
make_packets(unsigned kind)
{
	for (size_t i = 0; i < COUNT; i++)
		if (kind == COALESCE_TCP)
			make_segment(i);
		else
			make_datagram(i);
}

static int
set_up(void **state)
{
	(void)state;
	refuse = refuse_all = only = 0;
	glued = plain = 0;
	memset(&counters, 0, sizeof(counters));
	now = (struct mono){ 5 };
	io = tun_io_new(-1, COALESCE_TCP | COALESCE_UDP, &now, &counters);
	assert_non_null(io);
	make_packets(COALESCE_TCP);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tun_io_free(io);
	return 0;
}

static void
write_some(void)
{
	plain = 0;
	for (size_t i = 0; i < COUNT; i++)
		tun_io_write(io, packets[i], lengths[i]);
	tun_io_flush(io);
}

static void
check_plain(void)
{
	assert_int_equal(plain, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_memory_equal(written[i], packets[i], lengths[i]);
}

static void
check_state(enum offload_state state, uint64_t refused)
{
	tun_io_describe(io);
	assert_int_equal(counters.tun_segmentation, state);
	assert_int_equal(counters.tun_segmentation_refused, refused);
}

static void
glued_where_taken(void **state)
{
	(void)state;
	write_some();
	assert_int_equal(glued, 1);
	assert_int_equal(plain, 0);
	assert_int_equal(counters.tun_written, COUNT);
	check_state(OFFLOAD_IN_USE, 0);
}

static void
datagrams_glued_where_taken(void **state)
{
	make_packets(COALESCE_UDP);
	glued_where_taken(state);
}

/* A TUN that takes only TCP so is not bothered with the other. */
static void
datagrams_not_glued(void **state)
{
	(void)state;
	tun_io_free(io);
	io = tun_io_new(-1, COALESCE_TCP, &now, &counters);
	assert_non_null(io);
	make_packets(COALESCE_UDP);
	write_some();
	check_plain();
	assert_int_equal(glued, 0);
	make_packets(COALESCE_TCP);
	write_some();
	assert_int_equal(glued, 1);
	check_state(OFFLOAD_IN_USE, 0);
}

/* An old kernel may refuse one of the kinds: the other goes on. */
static void
refused_by_kind(uint8_t type, unsigned refused, unsigned other)
{
	refuse = EINVAL;
	only = type;
	make_packets(refused);
	write_some();
	check_plain();
	assert_int_equal(glued, 1);
	make_packets(other);
	write_some();
	assert_int_equal(glued, 2);
	assert_int_equal(plain, 0);
	make_packets(refused);
	write_some();
	check_plain();
	assert_int_equal(glued, 2);
	check_state(OFFLOAD_REFUSED, 1);
	assert_int_equal(counters.tun_written, 3 * COUNT);
}

static void
datagrams_alone_refused(void **state)
{
	(void)state;
	refused_by_kind(5, COALESCE_UDP, COALESCE_TCP); /* UDP_L4 */
}

static void
segments_alone_refused(void **state)
{
	(void)state;
	refused_by_kind(VIRTIO_NET_HDR_GSO_TCPV4, COALESCE_TCP, COALESCE_UDP);
}

static void
refused_and_tried_again(int error)
{
	refuse = error;
	write_some();
	check_plain();
	assert_int_equal(glued, 1);
	check_state(OFFLOAD_REFUSED, 1);
	now = mono_add_ns(mono_add_s(now, OFFLOAD_PAUSE_FIRST_S), -1);
	write_some();
	check_plain();
	assert_int_equal(glued, 1);
	now = mono_add_ns(now, 1);
	write_some();
	check_plain();
	assert_int_equal(glued, 2);
	check_state(OFFLOAD_REFUSED, 2);
	now = mono_add_s(now, 2 * OFFLOAD_PAUSE_FIRST_S);
	refuse = 0;
	write_some();
	assert_int_equal(plain, 0);
	assert_int_equal(glued, 3);
	check_state(OFFLOAD_IN_USE, 2);
	assert_int_equal(counters.tun_written, 4 * COUNT);
	assert_int_equal(counters.tun_write_failed, 0);
}

static void
refused_as_invalid(void **state)
{
	(void)state;
	refused_and_tried_again(EINVAL);
}

static void
refused_by_device(void **state)
{
	(void)state;
	refused_and_tried_again(EIO);
}

static void
datagrams_refused_as_invalid(void **state)
{
	make_packets(COALESCE_UDP);
	refused_as_invalid(state);
}

/* A TUN that is down takes nothing: that says nothing of gluing. */
static void
down(void **state)
{
	(void)state;
	refuse_all = EIO;
	write_some();
	assert_int_equal(counters.tun_write_failed, COUNT);
	check_state(OFFLOAD_IN_USE, 0);
	refuse_all = 0;
	glued = 0;
	write_some();
	assert_int_equal(glued, 1);
	assert_int_equal(plain, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(glued_where_taken),
		TEST(datagrams_glued_where_taken),
		TEST(datagrams_not_glued),
		TEST(datagrams_alone_refused),
		TEST(segments_alone_refused),
		TEST(refused_as_invalid),
		TEST(datagrams_refused_as_invalid),
		TEST(refused_by_device),
		TEST(down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
#define LENGTH  (40 + PAYLOAD)

static int refuse;      /* what is glued, with this error; 0: nothing */
static int refuse_all;  /* everything, likewise */
static unsigned glued;  /* writes of several packets at once */
static unsigned plain;  /* packets that were taken as they are */
static uint8_t written[16][LENGTH];
static uint8_t packets[COUNT][LENGTH];

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
	    (refuse != 0 && vnet.gso_type != VIRTIO_NET_HDR_GSO_NONE))
		return -1;
	if (vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_int_equal(len - at, LENGTH);
		assert_true(plain < 16);
		memcpy(written[plain++], all + at, LENGTH);
	}
	return (ssize_t)len;
}

/* The i-th of segments of one TCP flow. */
static void
make_packet(size_t i)
{
	uint8_t *p = packets[i];
	struct packet parsed;

	memset(p, (int)i, LENGTH);
	unhex("45000000 1234 4000 4006 0000 0a000001 0a000002", p, 20);
	store_be16(p + 2, LENGTH);
	store_be16(p + 10, checksum_finish(checksum_add(0, p, 20)));
	unhex("0050 c350 00000000 00000007 5010 0100 0000 0000", p + 20, 20);
	store_be32(p + 24, (uint32_t)(1000 + i * PAYLOAD));
	assert_int_equal(packet_parse(p, LENGTH, &parsed), PACKET_OK);
	store_be16(p + 36,
	    checksum_finish(
		checksum_add(checksum_pseudo(&parsed.source,
				 &parsed.destination, 6, LENGTH - 20),
		    p + 20, LENGTH - 20)));
}

static int
set_up(void **state)
{
	(void)state;
	refuse = refuse_all = 0;
	glued = plain = 0;
	memset(&counters, 0, sizeof(counters));
	now = (struct mono){ 5 };
	io = tun_io_new(-1, true, &now, &counters);
	assert_non_null(io);
	for (size_t i = 0; i < COUNT; i++)
		make_packet(i);
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
		tun_io_write(io, packets[i], LENGTH);
	tun_io_flush(io);
}

static void
check_plain(void)
{
	assert_int_equal(plain, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_memory_equal(written[i], packets[i], LENGTH);
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
		TEST(refused_as_invalid),
		TEST(refused_by_device),
		TEST(down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

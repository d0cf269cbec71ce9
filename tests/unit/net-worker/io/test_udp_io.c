/*
 * net-worker/io/udp.c: what the kernel refuses to cut leaves one by one, and it
 * is asked again later. Datagrams go over loopback; the refusals are the
 * kernel's own where it can be made to refuse, and else those of a sendmsg(2)
 * in front of it.
 */
#include "net-worker/io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net-worker/core/inner/offload_pause.h"
#include "tests/lib/unit.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define SIZE  1000 /* of a datagram; the last one is shorter */
#define COUNT 8

static struct {
	int from, to;
	bool v6;
	struct endpoint peer;
	struct mono now;
	struct io_counters counters;
	struct udp_io *io;
} t;

static int refuse;         /* segmented sends, with this error; 0: none */
static int refuse_plain;   /* likewise */
static unsigned segmented; /* sends that were */

ssize_t __real_sendmsg(int, const struct msghdr *, int);
ssize_t __wrap_sendmsg(int, const struct msghdr *, int);

static bool
is_segmented(const struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c))
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
			return true;
	return false;
}

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	int error = is_segmented(msg) ? refuse : refuse_plain;

	segmented += is_segmented(msg);
	if (error == 0)
		return __real_sendmsg(fd, msg, flags);
	errno = error;
	return -1;
}

/* A socket of loopback; -1: the machine has none of that family. */
static int
bound(bool v6, struct endpoint *at)
{
	struct sockaddr_storage name;
	struct endpoint loopback;
	socklen_t len;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(
	    endpoint_parse(v6 ? "[::1]:0" : "127.0.0.1:0", &loopback));
	len = endpoint_to_sockaddr(&loopback, &name);
	if (fd == -1 || bind(fd, (struct sockaddr *)&name, len) == -1)
		return -1;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&name, at));
	return fd;
}

static void
open_sockets(bool v6)
{
	t.v6 = v6;
	t.to = bound(v6, &t.peer);
	t.from = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	t.io = udp_io_new(v6 ? -1 : t.from, 0, v6 ? t.from : -1, 0, &t.now,
	    &t.counters);
	assert_non_null(t.io);
}

static void
close_sockets(void)
{
	udp_io_free(t.io);
	close(t.from);
	close(t.to);
}

static int
set_up(void **state)
{
	(void)state;
	refuse = refuse_plain = 0;
	segmented = 0;
	memset(&t.counters, 0, sizeof(t.counters));
	t.now = (struct mono){ 1000000000 };
	open_sockets(false);
	assert_int_not_equal(t.to, -1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close_sockets();
	return 0;
}

static size_t
length_of(size_t i)
{
	return i == COUNT - 1 ? SIZE / 2 : SIZE;
}

static void
send_batch_from(const struct ip_address *from)
{
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t *room = udp_io_reserve(
		    t.io, &t.peer, from, 0, length_of(i));

		assert_non_null(room);
		memset(room, (int)(i + 1), length_of(i));
	}
	udp_io_flush(t.io);
}

static void
send_some(void)
{
	const struct ip_address any = { 0 };

	send_batch_from(&any);
}

/* All of a batch, in order, and nothing else. */
static void
check_received(void)
{
	uint8_t got[2 * SIZE], want[SIZE];

	for (size_t i = 0; i < COUNT; i++) {
		ssize_t n = recv(t.to, got, sizeof(got), MSG_DONTWAIT);

		assert_int_equal(n, length_of(i));
		memset(want, (int)(i + 1), length_of(i));
		assert_memory_equal(got, want, length_of(i));
	}
	assert_int_equal(recv(t.to, got, sizeof(got), MSG_DONTWAIT), -1);
}

static void
check_state(enum offload_state family, uint64_t paths, uint64_t refused)
{
	udp_io_describe(t.io);
	assert_int_equal(
	    t.counters.udp_segmentation_v4, t.v6 ? OFFLOAD_NONE : family);
	assert_int_equal(
	    t.counters.udp_segmentation_v6, t.v6 ? family : OFFLOAD_NONE);
	assert_int_equal(t.counters.udp_paths_refusing, paths);
	assert_int_equal(t.counters.udp_segmentation_refused, refused);
}

static void
one_call_for_all(void **state)
{
	(void)state;
	send_some();
	check_received();
	assert_int_equal(segmented, 1);
	check_state(OFFLOAD_IN_USE, 0, 0);
}

/* Nothing is lost; asked again after 10 s, 20 s, ..., and used from then on. */
static void
refused_and_asked_again(int error, bool is_family)
{
	int64_t pause = OFFLOAD_PAUSE_FIRST_S;

	for (unsigned times = 1; times <= 8; times++) {
		refuse = error;
		segmented = 0;
		for (int i = 0; i < 3; i++) {
			send_some();
			check_received();
		}
		assert_int_equal(segmented, 1);
		check_state(is_family ? OFFLOAD_REFUSED : OFFLOAD_IN_USE,
		    !is_family, times);
		t.now = mono_add_ns(mono_add_s(t.now, pause), -1);
		send_some();
		check_received();
		assert_int_equal(segmented, 1);
		t.now = mono_add_ns(t.now, 1);
		pause = pause * 2 > OFFLOAD_PAUSE_LAST_S ? OFFLOAD_PAUSE_LAST_S
							 : pause * 2;
	}
	refuse = 0;
	segmented = 0;
	send_some();
	check_received();
	assert_int_equal(segmented, 1);
	check_state(OFFLOAD_IN_USE, 0, 8);
	assert_int_equal(t.counters.udp_send_failed, 0);
	assert_int_equal(t.counters.udp_sent, (8 * 4 + 1) * COUNT);
}

static void
device_refuses(void **state)
{
	(void)state;
	refused_and_asked_again(EIO, true);
}

static void
path_refuses(void **state)
{
	(void)state;
	refused_and_asked_again(EINVAL, false);
}

static void
path_is_narrower(void **state)
{
	(void)state;
	refused_and_asked_again(EMSGSIZE, false);
}

/* One that refuses does not turn it off for the others. */
static void
other_paths_go_on(void **state)
{
	struct endpoint first = t.peer;

	(void)state;
	refuse = EINVAL;
	send_some();
	check_received();
	refuse = 0;
	segmented = 0;
	t.peer.ip = ip_from_bytes(IP_V4, (const uint8_t[]){ 127, 0, 0, 2 });
	send_some();
	assert_int_equal(segmented, 1);
	t.peer = first;
	send_some();
	assert_int_equal(segmented, 1);
	check_received();
}

/* The kernel itself: it does not cut where it is to leave checksums out. */
static void
kernel_refuses(void **state)
{
	int on = 1, off = 0;

	(void)state;
	assert_int_equal(
	    setsockopt(t.from, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	send_some();
	check_received();
	check_state(OFFLOAD_IN_USE, 1, 1);
	assert_int_equal(
	    setsockopt(t.from, SOL_SOCKET, SO_NO_CHECK, &off, sizeof(off)), 0);
	t.now = mono_add_s(t.now, OFFLOAD_PAUSE_FIRST_S);
	send_some();
	check_received();
	check_state(OFFLOAD_IN_USE, 0, 1);
	assert_int_equal(segmented, 2);
}

/*
 * The kernel itself: no datagram leaves from an address that is not ours. (Over
 * IPv4 the error has become another one.)
 */
static void
source_not_ours(void **state)
{
	struct ip_address foreign;

	(void)state;
	close_sockets();
	open_sockets(true);
	if (t.to == -1)
		skip();
	assert_true(ip_parse("2001:db8::77", &foreign));
	send_batch_from(&foreign);
	assert_int_equal(segmented, 1);
	assert_int_equal(t.counters.udp_send_failed, COUNT);
	check_state(OFFLOAD_IN_USE, 0, 0);
	send_some();
	assert_int_equal(segmented, 2);
	check_received();
}

/* Neither way: a device too narrow for the datagrams themselves. */
static void
plain_refused_too(void **state)
{
	(void)state;
	refuse = EINVAL;
	refuse_plain = EMSGSIZE;
	send_some();
	assert_int_equal(t.counters.udp_send_failed, COUNT);
	check_state(OFFLOAD_IN_USE, 0, 0);
	refuse = refuse_plain = 0;
	send_some();
	check_received();
	assert_int_equal(segmented, 2);
}

/* Receiving. */

static struct {
	size_t count;
	uint8_t next; /* of what is sent, too */
} got;

static void
note_datagram(void *ctx, const struct arrival *a, uint8_t *data, size_t len)
{
	(void)ctx;
	assert_int_equal(a->local.ip.bytes[0], 127);
	assert_int_equal(len, SIZE);
	assert_int_equal(data[0], got.next++);
	got.count++;
}

static void
send_numbered(size_t count)
{
	static uint8_t number;
	const struct ip_address any = { 0 };

	got.next = number;
	for (size_t i = 0; i < count; i++) {
		uint8_t *room = udp_io_reserve(t.io, &t.peer, &any, 0, SIZE);

		assert_non_null(room);
		memset(room, number++, SIZE);
	}
	udp_io_flush(t.io);
}

/* How many datagrams a call of the kernel yields, and whether it says more. */
static void
expect_call(struct udp_io *io, size_t count, bool more)
{
	got.count = 0;
	assert_int_equal(udp_io_receive(io, IP_V4, note_datagram, NULL), more);
	assert_int_equal(got.count, count);
}

/* Of single ones more in a call than of merged ones. */
static void
receives_many_single_ones(void **state)
{
	struct udp_io *io = udp_io_new(t.to, 0, -1, 0, &t.now, &t.counters);
	int on = 1;

	(void)state;
	assert_non_null(io);
	assert_int_equal(
	    setsockopt(t.to, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	refuse = EINVAL; /* so that each is sent for itself */
	for (int i = 0; i < 2; i++)
		send_numbered(40);
	got.next = (uint8_t)(got.next - 40);
	expect_call(io, 8, true);
	expect_call(io, 64, true);
	expect_call(io, 8, false);
	send_numbered(48);
	expect_call(io, 48, false);
	/* Merged ones are several each. */
	assert_int_equal(
	    setsockopt(t.to, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)), 0);
	refuse = 0;
	t.now = mono_add_s(t.now, OFFLOAD_PAUSE_FIRST_S);
	send_numbered(48);
	expect_call(io, 48, false);
	for (int i = 0; i < 12; i++)
		send_numbered(4);
	got.next = (uint8_t)(got.next - 44);
	expect_call(io, 32, true);
	expect_call(io, 16, false);
	udp_io_free(io);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_call_for_all),
		TEST(device_refuses),
		TEST(path_refuses),
		TEST(path_is_narrower),
		TEST(other_paths_go_on),
		TEST(kernel_refuses),
		TEST(source_not_ours),
		TEST(plain_refused_too),
		TEST(receives_many_single_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

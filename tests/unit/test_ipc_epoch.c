/*
 * Epochs of a channel (ipc.h): control-worker's end, with net-workers of any
 * epoch at the other.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/ipc.h"
#include "tests/unit/unit.h"

#define KEY IPC_TYPE_PUBLIC_KEY

static unsigned keys, no_relays; /* that were handled */
static uint64_t expected_serial;

static void
on_key(void *ctx, struct ipc_public_key *m)
{
	(void)ctx;
	(void)m;
	keys++;
}

static void
on_no_relays(void *ctx, struct ipc_no_relays *m)
{
	(void)ctx;
	(void)m;
	no_relays++;
}

static void
on_serial(void *ctx, struct ipc_acknowledged *m)
{
	(void)ctx;
	assert_int_equal(m->serial, expected_serial++);
}

static const struct ipc_handlers handlers = {
	.public_key = on_key,
	.no_relays = on_no_relays,
	.acknowledged = on_serial,
};

/* The channel and the bare other end. */
struct pair {
	struct ipc_channel *channel;
	int other;
};

static struct pair
pair_open(enum ipc_process self, enum ipc_process peer)
{
	struct pair p;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	p.channel = ipc_open(fds[0], self, peer);
	assert_non_null(p.channel);
	ipc_set_running(p.channel);
	p.other = fds[1];
	return p;
}

static struct pair
pair_with_epoch(uint32_t epoch)
{
	struct pair p = pair_open(IPC_CONTROL, IPC_NET);

	ipc_set_epoch(p.channel, epoch);
	keys = no_relays = 0;
	return p;
}

static void
pair_close(struct pair *p)
{
	ipc_close(p->channel);
	close(p->other);
}

static void
send_raw(int to, const void *bytes, size_t len, int descriptors)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[2] = { to, to };

	if (descriptors > 0) {
		size_t size = (size_t)descriptors * sizeof(int);
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(size);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(size);
		memcpy(CMSG_DATA(c), fds, size);
	}
	assert_int_equal(sendmsg(to, &msg, 0), (ssize_t)len);
}

static void
send_of_epoch(struct pair *p, uint32_t epoch, unsigned type, int descriptors)
{
	uint8_t bytes[64] = { 0 };

	store_be32(bytes, epoch);
	store_be16(bytes + IPC_EPOCH_LEN, (uint16_t)type);
	send_raw(
	    p->other, bytes, IPC_EPOCH_LEN + ipc_row(type)->min, descriptors);
}

static enum ipc_result
dispatch(struct pair *p)
{
	return ipc_dispatch(p->channel, &handlers, NULL);
}

static unsigned
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
older_epochs_are_discarded(void **state)
{
	unsigned open = open_descriptors();
	struct pair p = pair_with_epoch(7);

	(void)state;
	/* Nothing about them is looked at, be it against every rule. */
	send_of_epoch(&p, 6, KEY, 0);
	send_of_epoch(&p, 6, KEY, 2);
	send_of_epoch(&p, 0, IPC_TYPE_NET_START, 0);
	send_raw(p.other, "\0\0\0\6\xff\xff garbage", 14, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(dispatch(&p), IPC_EMPTY);
	assert_int_equal(keys, 0);
	send_of_epoch(&p, 7, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(keys, 1);
	pair_close(&p);
	assert_int_equal(open_descriptors(), open);
}

static void
later_epochs_wait_to_be_announced(void **state)
{
	struct pair p = pair_with_epoch(1);

	(void)state;
	send_of_epoch(&p, 1, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	send_of_epoch(&p, 3, KEY, 0);
	send_of_epoch(&p, 3, IPC_TYPE_NO_RELAYS, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(dispatch(&p), IPC_EARLY);
	assert_non_null(strstr(ipc_violation(p.channel), "epoch 3"));
	ipc_set_epoch(p.channel, 2);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	assert_int_equal(keys, 1);
	/* ONCE is once in each epoch. */
	ipc_set_epoch(p.channel, 3);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(keys, 2);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(dispatch(&p), IPC_EMPTY);
	send_of_epoch(&p, 3, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_VIOLATION);
	pair_close(&p);
}

/* Held when the channel is closed, or with a later one announced. */
static void
early_message_is_forgotten(void **state)
{
	unsigned open = open_descriptors();
	struct pair p = pair_with_epoch(1);

	(void)state;
	send_of_epoch(&p, 2, IPC_TYPE_NO_RELAYS, 1);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	pair_close(&p);
	assert_int_equal(open_descriptors(), open);
	p = pair_with_epoch(1);
	send_of_epoch(&p, 2, IPC_TYPE_NO_RELAYS, 0);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	ipc_set_epoch(p.channel, 3);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(no_relays, 0);
	pair_close(&p);
}

static void
without_epoch_it_is_a_violation(void **state)
{
	(void)state;
	for (size_t len = 1; len < IPC_EPOCH_LEN + 2; len++) {
		struct pair p = pair_with_epoch(1);

		send_raw(p.other, "\0\0\0\1\0", len, 0);
		assert_int_equal(dispatch(&p), IPC_VIOLATION);
		pair_close(&p);
	}
}

static void
what_waited_for_the_old_one_is_dropped(void **state)
{
	struct pair p = pair_open(IPC_NET, IPC_CONTROL);
	struct ipc_channel *to = ipc_open(p.other, IPC_CONTROL, IPC_NET);
	struct ipc_acknowledged m = { .fd = -1 };

	(void)state;
	assert_non_null(to);
	ipc_set_running(to);
	ipc_set_epoch(p.channel, 4);
	while (ipc_backlog(p.channel) < 10)
		assert_int_equal(ipc_send_acknowledged(p.channel, &m), 0);
	ipc_set_epoch(p.channel, 5);
	assert_int_equal(ipc_backlog(p.channel), 0);
	ipc_set_epoch(to, 5);
	while (ipc_dispatch(to, &handlers, NULL) == IPC_HANDLED)
		continue;
	m.serial = expected_serial = 1000;
	assert_int_equal(ipc_send_acknowledged(p.channel, &m), 0);
	assert_int_equal(ipc_dispatch(to, &handlers, NULL), IPC_HANDLED);
	assert_int_equal(expected_serial, 1001);
	ipc_close(to);
	ipc_close(p.channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_epochs_are_discarded),
		cmocka_unit_test(later_epochs_wait_to_be_announced),
		cmocka_unit_test(early_message_is_forgotten),
		cmocka_unit_test(without_epoch_it_is_a_violation),
		cmocka_unit_test(what_waited_for_the_old_one_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

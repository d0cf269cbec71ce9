/*
 * Epochs of a channel (ipc.h): control-worker's end, with net-workers of any
 * epoch at the other.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/ipc.h"
#include "tests/lib/ipc_pair.h"
#include "tests/lib/unit.h"

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

static struct pair
pair_with_epoch(uint64_t epoch)
{
	struct pair p = pair_open(IPC_CONTROL, IPC_NET, true);

	ipc_set_epoch(p.channel, epoch);
	keys = no_relays = 0;
	return p;
}

static void
send_of_epoch(struct pair *p, uint64_t epoch, unsigned type, int descriptors)
{
	uint8_t bytes[64] = { 0 };

	store_be64(bytes, epoch);
	store_be16(bytes + IPC_EPOCH_LEN, (uint16_t)type);
	send_raw(
	    p->other, bytes, IPC_EPOCH_LEN + ipc_row(type)->min, descriptors);
}

static enum ipc_result
dispatch(struct pair *p)
{
	return ipc_dispatch(p->channel, &handlers, NULL);
}

/* Neither the next number nor any part of it makes an epoch. */
#define NOW UINT64_C(0x0123456789abcdef)

/* What is of another epoch is shown once, for the parent to be heard first. */
static void
expect_unseen(struct pair *p, unsigned messages)
{
	while (messages-- > 0) {
		assert_int_equal(dispatch(p), IPC_EARLY);
		assert_int_equal(dispatch(p), IPC_HANDLED);
	}
	assert_int_equal(dispatch(p), IPC_EMPTY);
	assert_int_equal(keys, 0);
	assert_int_equal(no_relays, 0);
}

static void
other_epochs_are_discarded(void **state)
{
	static const uint64_t others[] = { NOW - 1, NOW + 1, NOW & 0xffffffff,
		NOW << 32, 0, 1, UINT64_MAX };
	unsigned open = open_descriptors();
	struct pair p = pair_with_epoch(NOW);

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		send_of_epoch(&p, others[i], KEY, 0);
	/* Nothing about them is looked at, be it against every rule. */
	send_of_epoch(&p, NOW - 1, KEY, 2);
	send_of_epoch(&p, NOW - 1, IPC_TYPE_NET_START, 0);
	send_raw(p.other, "\0\0\0\0\0\0\0\6\xff\xff garbage", 18, 1);
	expect_unseen(&p, 10);
	send_of_epoch(&p, NOW, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(keys, 1);
	pair_close(&p);
	assert_int_equal(open_descriptors(), open);
}

static void
new_epoch_may_be_heard_before_its_announcement(void **state)
{
	struct pair p = pair_with_epoch(NOW);

	(void)state;
	send_of_epoch(&p, NOW, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	send_of_epoch(&p, 3, KEY, 0);
	send_of_epoch(&p, 3, IPC_TYPE_NO_RELAYS, 0);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	assert_int_equal(keys, 1);
	/* ONCE is once in each epoch. */
	ipc_set_epoch(p.channel, 3);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(keys, 2);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(no_relays, 1);
	assert_int_equal(dispatch(&p), IPC_EMPTY);
	send_of_epoch(&p, 3, KEY, 0);
	assert_int_equal(dispatch(&p), IPC_VIOLATION);
	pair_close(&p);
}

/* Held when the channel is closed, or when another one is announced. */
static void
held_message_is_forgotten(void **state)
{
	unsigned open = open_descriptors();
	struct pair p = pair_with_epoch(NOW);

	(void)state;
	send_of_epoch(&p, 2, IPC_TYPE_NO_RELAYS, 1);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	pair_close(&p);
	assert_int_equal(open_descriptors(), open);
	p = pair_with_epoch(NOW);
	send_of_epoch(&p, 2, IPC_TYPE_NO_RELAYS, 0);
	assert_int_equal(dispatch(&p), IPC_EARLY);
	ipc_set_epoch(p.channel, 3);
	assert_int_equal(dispatch(&p), IPC_HANDLED);
	assert_int_equal(no_relays, 0);
	pair_close(&p);
}

/* Left by a dead process, it must not be held against its successor. */
static void
without_whole_epoch_it_is_discarded(void **state)
{
	uint8_t bytes[IPC_EPOCH_LEN];
	struct pair p = pair_with_epoch(NOW);

	(void)state;
	store_be64(bytes, NOW);
	for (size_t len = 1; len < IPC_EPOCH_LEN; len++)
		send_raw(p.other, bytes, len, 0);
	expect_unseen(&p, IPC_EPOCH_LEN - 1);
	/* With one, and without a type, it is the present one's doing. */
	send_raw(p.other, bytes, IPC_EPOCH_LEN, 0);
	assert_int_equal(dispatch(&p), IPC_VIOLATION);
	pair_close(&p);
}

static void
what_waited_for_the_old_one_is_dropped(void **state)
{
	struct pair p = pair_open(IPC_NET, IPC_CONTROL, true);
	struct ipc_channel *to = ipc_open(p.other, IPC_CONTROL, IPC_NET);
	struct ipc_acknowledged m = { 0 };

	(void)state;
	assert_non_null(to);
	ipc_set_running(to);
	ipc_set_epoch(p.channel, 4);
	while (ipc_backlog(p.channel) < 10)
		assert_int_equal(ipc_send_acknowledged(p.channel, &m), 0);
	ipc_set_epoch(p.channel, 5);
	assert_int_equal(ipc_backlog(p.channel), 0);
	ipc_set_epoch(to, 5);
	while (ipc_dispatch(to, &handlers, NULL) != IPC_EMPTY)
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
		cmocka_unit_test(other_epochs_are_discarded),
		cmocka_unit_test(
		    new_epoch_may_be_heard_before_its_announcement),
		cmocka_unit_test(held_message_is_forgotten),
		cmocka_unit_test(without_whole_epoch_it_is_discarded),
		cmocka_unit_test(what_waited_for_the_old_one_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

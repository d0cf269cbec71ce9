/*
 * parent/service.c: each start of a worker is an epoch, and nothing of the
 * one before counts in the next.
 */
#include "tests/lib/service.h"

/* What the workers were told last of their epoch. */
static uint64_t told_net, told_control;

static void
on_control_started(void *ctx, struct ipc_control_started *m)
{
	(void)ctx;
	told_net = m->epoch;
}

static void
on_net_started(void *ctx, struct ipc_net_started *m)
{
	(void)ctx;
	told_control = m->epoch;
}

static void
epochs_cannot_be_guessed(void **state)
{
	static const struct ipc_handlers net_hears = {
		.control_started = on_control_started,
	};
	static const struct ipc_handlers control_hears = {
		.net_started = on_net_started,
	};
	uint64_t distance, before = 0;

	(void)state;
	for (int i = 0; i < 32; i++) {
		assert_int_equal(service_announce(&service, IPC_NET), 0);
		assert_int_equal(
		    ipc_dispatch(control, &control_hears, NULL), IPC_HANDLED);
		assert_true(told_control == service.epoch);
		assert_int_equal(service_announce(&service, IPC_CONTROL), 0);
		assert_int_equal(
		    ipc_dispatch(net, &net_hears, NULL), IPC_HANDLED);
		assert_true(told_net == service.epoch);
		assert_true(told_net != 0 && told_net != told_control);
		distance = told_net - before;
		assert_true(distance > 1u << 20 && -distance > 1u << 20);
		before = told_net;
	}
}

/* The successor of who is accused has done nothing. */
static void
accusation_is_about_an_epoch(void **state)
{
	struct ipc_net_accuses by_net = { .what = "x" };
	struct ipc_control_accuses by_control = { .what = "x" };

	(void)state;
	become_ready();
	assert_int_equal(service_announce(&service, IPC_NET), 0);
	by_net.epoch = by_control.epoch = service.epoch;
	assert_int_equal(service_announce(&service, IPC_NET), 0);
	for (int i = 0; i < 2; i++) {
		bool present = i == 1;

		assert_int_equal(ipc_send_net_accuses(net, &by_net), 0);
		assert_int_equal(
		    ipc_send_control_accuses(control, &by_control), 0);
		assert_int_equal(
		    service_dispatch(&service, &service.net), IPC_HANDLED);
		assert_int_equal(
		    service_dispatch(&service, &service.control), IPC_HANDLED);
		assert_string_equal(
		    service.accused_control, present ? "x" : "");
		assert_string_equal(service.accused_net, present ? "x" : "");
		by_net.epoch = by_control.epoch = service.epoch;
	}
}

static void
nothing_is_left_in_the_pair(void **state)
{
	struct peer_pair pair;
	char byte;

	(void)state;
	assert_int_equal(peer_pair_open(&pair), 0);
	/* As much as it holds, and messages without a byte. */
	while (send(pair.net, "old", 3, MSG_DONTWAIT) == 3 &&
	    send(pair.control, "", 0, MSG_DONTWAIT) == 0)
		continue;
	peer_pair_drain(&pair);
	assert_int_equal(recv(pair.net, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(recv(pair.control, &byte, 1, MSG_DONTWAIT), -1);
	peer_pair_close(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(epochs_cannot_be_guessed),
		TEST(accusation_is_about_an_epoch),
		TEST(nothing_is_left_in_the_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

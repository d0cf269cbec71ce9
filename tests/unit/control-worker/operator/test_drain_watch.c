/*
 * control-worker/operator/drain.c: when a daemon that drains may end, and what
 * is said of it.
 */
#include "control-worker/operator/drain.h"

#include <stdlib.h>

#include "tests/lib/unit.h"

static struct counter_page page;
static struct situation s;
static struct drain_watch w;

static int
set_up(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	w = (struct drain_watch){ 0 };
	s = (struct situation){
		.url = "wss://portal",
		.online = true,
		.has_v4 = true,
		.counters = &page,
		.process = { [IPC_PARENT].running = true,
		    [IPC_NET].running = true },
		.draining = true,
		.drain_ends_at = 4600,
	};
	page.engine.relays = 1;
	return 0;
}

static bool
is_done(int64_t ms)
{
	return drain_is_done(&w, &s, mono_add_ms((struct mono){ 1 }, ms));
}

static void
nobody_for_a_while(void **state)
{
	(void)state;
	page.engine.connections_relayed = 1;
	assert_false(is_done(0));
	assert_false(is_done(60000));
	page.engine.connections_relayed = 0;
	page.engine.connections_direct = 1;
	assert_false(is_done(61000));
	page.engine.connections_direct = 0;
	assert_false(is_done(62000));
	assert_false(is_done(62000 + DRAIN_QUIET_MS - 1));
	assert_true(is_done(62000 + DRAIN_QUIET_MS));
}

/* Who comes back in between has all the time again. */
static void
somebody_in_between(void **state)
{
	(void)state;
	assert_false(is_done(0));
	page.engine.connections_direct = 1;
	assert_false(is_done(DRAIN_QUIET_MS - 1));
	page.engine.connections_direct = 0;
	assert_false(is_done(DRAIN_QUIET_MS));
	assert_false(is_done(2 * DRAIN_QUIET_MS - 1));
	assert_true(is_done(2 * DRAIN_QUIET_MS));
}

/* Nobody knows who is connected while net-worker is made again. */
static void
without_net_worker(void **state)
{
	(void)state;
	s.process[IPC_NET].running = false;
	assert_false(is_done(0));
	assert_false(is_done(DRAIN_QUIET_MS));
	s.process[IPC_NET].running = true;
	assert_false(is_done(DRAIN_QUIET_MS));
	assert_true(is_done(2 * DRAIN_QUIET_MS));
}

static void
not_draining(void **state)
{
	(void)state;
	s.draining = false;
	assert_false(is_done(0));
	assert_false(is_done(2 * DRAIN_QUIET_MS));
}

static void
not_ready(void **state)
{
	(void)state;
	assert_string_equal(situation_lacks(&s), "draining");
	s.online = false; /* which is part of it */
	assert_string_equal(situation_lacks(&s), "draining");
	s.online = true;
	s.draining = false;
	assert_null(situation_lacks(&s));
}

static void
says(enum ctl_form form, const char *wanted)
{
	struct text t = { 0 };

	drain_write(&t, &s, form, 1000);
	assert_false(t.failed);
	assert_int_equal(t.len, strlen(wanted));
	assert_memory_equal(t.bytes, wanted, t.len);
	text_free(&t);
}

static void
answers(void **state)
{
	(void)state;
	page.engine.connections_direct = 2;
	page.engine.connections_relayed = 1;
	says(CTL_TEXT,
	    "draining: 3 clients are connected; posternd ends when none is, in "
	    "1h 0m at the latest\n");
	says(CTL_JSON,
	    "{\"draining\":true,\"connections\":3,\"ends_at\":4600}\n");
	page.engine.connections_direct = 0;
	s.drain_ends_at = 900;
	says(CTL_WIDE,
	    "draining: 1 client is connected; posternd ends when none is, in "
	    "0s "
	    "at the latest\n");
	s.draining = false;
	says(CTL_TEXT, "not draining: clients are taken\n");
	says(CTL_JSON,
	    "{\"draining\":false,\"connections\":1,\"ends_at\":null}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, set_up)
		T(nobody_for_a_while),
		T(somebody_in_between),
		T(without_net_worker),
		T(not_draining),
		T(not_ready),
		T(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

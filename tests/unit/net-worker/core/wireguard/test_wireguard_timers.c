/*
 * net-worker/core/wireguard/timers.c beside a clock of our own:
 * firezone-tunnel(7), WireGuard timers and WireGuard cases (6 to 8).
 */
#include "net-worker/core/wireguard/timers.h"
#include "tests/lib/wireguard_vectors.h"

static const struct mono start = { INT64_C(1000000000000) };

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms(start, ms);
}

/* Nothing is due at the last instant before ms, and at ms this is. */
static void
expect(struct tunnel_timers *t, int64_t ms, unsigned due)
{
	assert_int_equal(mono_ms_between(start, tunnel_deadline(t)), ms);
	assert_int_equal(tunnel_timeout(t, mono_add_ns(at_ms(ms), -1)), 0);
	assert_int_equal(tunnel_timeout(t, at_ms(ms)), due);
	assert_int_equal(tunnel_timeout(t, at_ms(ms)), 0);
}

static void
expect_rest(const struct tunnel_timers *t)
{
	assert_true(mono_is_never(tunnel_deadline(t)));
}

static void
nothing_by_itself(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	expect_rest(&t);
	assert_int_equal(tunnel_timeout(&t, at_ms(1000000000)), 0);
	tunnel_session_started(&t, start, false);
	expect_rest(&t);
	tunnel_any_received(&t);
	tunnel_any_sent(&t);
	expect_rest(&t);
}

static void
one_keepalive_for_one_way_traffic(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_session_started(&t, start, false);
	/* From the first packet, whatever follows. */
	for (int64_t ms = 0; ms < 10000; ms += 100)
		tunnel_data_received(&t, at_ms(ms));
	expect(&t, 10000, TUNNEL_KEEPALIVE);
	tunnel_any_sent(&t);
	expect_rest(&t);
	/* The next packet begins anew. */
	tunnel_data_received(&t, at_ms(10001));
	expect(&t, 20001, TUNNEL_KEEPALIVE);
}

static void
an_answer_is_a_keepalive(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_data_received(&t, at_ms(0));
	tunnel_data_sent(&t, at_ms(9999));
	tunnel_any_received(&t);
	expect_rest(&t);
	tunnel_data_received(&t, at_ms(10000));
	tunnel_any_sent(&t);
	expect_rest(&t);
}

static void
a_keepalive_ends_silence_and_asks_for_none(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_data_sent(&t, at_ms(0));
	tunnel_any_received(&t);
	expect_rest(&t);
}

static void
a_persistent_keepalive_counts_from_what_was_sent(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_keep_alive(&t, 25);
	expect_rest(&t); /* there is no session */
	tunnel_session_started(&t, start, false);
	tunnel_any_received(&t); /* of the peer's alone, it is silence */
	expect(&t, 25000, TUNNEL_KEEPALIVE);
	expect(&t, 50000, TUNNEL_KEEPALIVE);
	tunnel_data_sent(&t, at_ms(60000));
	tunnel_any_received(&t);
	expect(&t, 85000, TUNNEL_KEEPALIVE);
	/* One for an answer is as good as another. */
	tunnel_data_received(&t, at_ms(86000));
	expect(&t, 96000, TUNNEL_KEEPALIVE);
	/* The next session changes nothing. */
	tunnel_session_started(&t, at_ms(100000), false);
	expect(&t, 121000, TUNNEL_KEEPALIVE);
	tunnel_session_ended(&t);
	expect_rest(&t);
	tunnel_session_started(&t, at_ms(200000), false);
	expect(&t, 225000, TUNNEL_KEEPALIVE);
}

static void
silence_counts_from_the_first_unanswered(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_session_started(&t, start, false);
	for (int64_t ms = 0; ms < 15000; ms += 1000)
		tunnel_data_sent(&t, at_ms(ms));
	expect(&t, 15000, TUNNEL_HANDSHAKE);
	expect_rest(&t);
	tunnel_data_sent(&t, at_ms(15001));
	tunnel_data_received(&t, at_ms(16000));
	tunnel_data_sent(&t, at_ms(17000));
	expect(&t, 32000, TUNNEL_HANDSHAKE);
}

static void
a_new_session_ends_silence(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_data_sent(&t, at_ms(0));
	tunnel_session_started(&t, at_ms(5), false);
	expect_rest(&t);
}

static void
a_responder_never_rekeys_by_age(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_session_started(&t, start, false);
	for (int64_t s = 0; s < 1000; s++) {
		tunnel_data_sent(&t, at_ms(s * 1000));
		tunnel_data_received(&t, at_ms(s * 1000));
		assert_int_equal(
		    tunnel_timeout(&t, at_ms(s * 1000)) & TUNNEL_HANDSHAKE, 0);
	}
}

/* What an initiator has done, and when it re-keys for its session's age. */
static void
an_initiator_rekeys_by_age(void **state)
{
	static const struct {
		int64_t sent_s, received_s; /* -1: not */
		int64_t want_s;
	} table[] = {
		{ -1, -1, 180 },
		{ 1, -1, 120 },
		{ -1, 1, 165 },
		{ 1, 2, 120 },
		{ 119, -1, 120 },
		{ 130, -1, 130 },
		{ -1, 164, 165 },
		{ -1, 170, 170 },
		{ 140, 1, 140 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct tunnel_timers t;
		int64_t s;

		tunnel_timers_init(&t, &pace_classic);
		tunnel_session_started(&t, start, true);
		for (s = 0; s <= 200; s++) {
			if (s == table[i].sent_s)
				tunnel_data_sent(&t, at_ms(s * 1000));
			if (s == table[i].received_s)
				tunnel_data_received(&t, at_ms(s * 1000));
			/* Only the age is wanted here. */
			tunnel_any_sent(&t);
			tunnel_any_received(&t);
			if (tunnel_timeout(&t, at_ms(s * 1000)) != 0)
				break;
		}
		if (s != table[i].want_s)
			fail_msg("row %zu: after %d s", i, (int)s);
		/* Once; further data does not ask again. */
		tunnel_data_sent(&t, at_ms(s * 1000));
		tunnel_any_received(&t);
		expect_rest(&t);
		tunnel_session_started(&t, at_ms(s * 1000), true);
		expect(&t, (s + 180) * 1000, TUNNEL_HANDSHAKE);
	}
}

static void
both_at_once(void **state)
{
	struct tunnel_timers t;

	(void)state;
	tunnel_timers_init(&t, &pace_classic);
	tunnel_data_received(&t, at_ms(5000));
	tunnel_session_started(&t, at_ms(-105000), true);
	tunnel_data_sent(&t, at_ms(0));
	tunnel_data_received(&t, at_ms(5000));
	expect(&t, 15000, TUNNEL_KEEPALIVE | TUNNEL_HANDSHAKE);
}

/* The engine's half. The time of the next SEND or EXPIRED, in ms. */
static int64_t
run(struct handshake_timers *t, unsigned *due)
{
	struct mono deadline = handshake_deadline(t);

	assert_false(mono_is_never(deadline));
	assert_int_equal(handshake_timeout(t, mono_add_ns(deadline, -1)), 0);
	*due = handshake_timeout(t, deadline);
	return mono_ms_between(start, deadline);
}

static void
retries_then_expired(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct handshake_timers t;
		int64_t first, before, now;
		unsigned due, sent = 1;

		handshake_timers_init(&t, &pace_classic, start);
		handshake_want(&t, start);
		first = before = run(&t, &due);
		assert_int_equal(due, HANDSHAKE_SEND);
		assert_in_range(first, 0, 333);
		while (now = run(&t, &due), due == HANDSHAKE_SEND) {
			assert_in_range(now - before, 5000, 5333);
			before = now;
			sent++;
		}
		assert_int_equal(due, HANDSHAKE_EXPIRED);
		assert_int_equal(now - first, 20000);
		assert_int_equal(sent, 4);
		assert_true(mono_is_never(handshake_deadline(&t)));

		/* Recovers when asked to. */
		handshake_want(&t, at_ms(now));
		assert_in_range(run(&t, &due), now, now + 333);
		assert_int_equal(due, HANDSHAKE_SEND);
	}
}

static void
the_jitter_is_libsodium_s(void **state)
{
	struct handshake_timers t;
	unsigned due;

	(void)state;
	random_counts_from(100);
	handshake_timers_init(&t, &pace_classic, start);
	handshake_want(&t, start);
	assert_int_equal(run(&t, &due), 100);
	assert_int_equal(run(&t, &due), 5200);
	random_counts_from(0);
	handshake_timers_init(&t, &pace_classic, start);
	handshake_want(&t, start);
	for (int64_t ms = 0; ms < 20000; ms += 5000) {
		assert_int_equal(run(&t, &due), ms);
		assert_int_equal(due, HANDSHAKE_SEND);
		/* REKEY_TIMEOUT later, but at 20 s there is no fifth. */
	}
	assert_int_equal(run(&t, &due), 20000);
	assert_int_equal(due, HANDSHAKE_EXPIRED);
	random_is_random();
}

static void
wanting_again_changes_nothing(void **state)
{
	struct handshake_timers t;
	struct mono deadline;
	unsigned due;

	(void)state;
	handshake_timers_init(&t, &pace_classic, start);
	handshake_want(&t, start);
	deadline = handshake_deadline(&t);
	for (int64_t ms = 0; ms < 5; ms++)
		handshake_want(&t, at_ms(ms));
	assert_int_equal(handshake_deadline(&t).ns, deadline.ns);
	run(&t, &due);
	deadline = handshake_deadline(&t);
	handshake_want(&t, at_ms(400));
	assert_int_equal(handshake_deadline(&t).ns, deadline.ns);
}

static void
a_session_ends_the_attempt(void **state)
{
	struct handshake_timers t;
	unsigned due;

	(void)state;
	handshake_timers_init(&t, &pace_classic, start);
	handshake_want(&t, start);
	run(&t, &due);
	handshake_done(&t, at_ms(500));
	assert_int_equal(run(&t, &due), 540500);
	assert_int_equal(due, HANDSHAKE_EXPIRED);

	/* The next attempt has its own 20 s. */
	handshake_done(&t, at_ms(500));
	handshake_want(&t, at_ms(60000));
	assert_in_range(run(&t, &due), 60000, 60333);
	assert_in_range(mono_ms_between(start, t.give_up_at), 80000, 80333);
}

static void
dead_after_540_s(void **state)
{
	struct handshake_timers t;

	(void)state;
	handshake_timers_init(&t, &pace_classic, start);
	assert_int_equal(handshake_timeout(&t, at_ms(539999)), 0);
	assert_int_equal(
	    handshake_timeout(&t, at_ms(540000)), HANDSHAKE_EXPIRED);
	assert_int_equal(handshake_timeout(&t, at_ms(540000)), 0);
	/* Even while one is under way. */
	handshake_timers_init(&t, &pace_classic, start);
	handshake_want(&t, at_ms(539000));
	assert_int_equal(handshake_timeout(&t, at_ms(539400)), HANDSHAKE_SEND);
	assert_int_equal(
	    handshake_timeout(&t, at_ms(540000)), HANDSHAKE_EXPIRED);
}

/* Without ICE: 5 s, 7 s, 173 s; every 2 s for 90 s. */
static void
without_ice(void **state)
{
	struct tunnel_timers t;
	struct handshake_timers h;
	int64_t sent_at = 0;
	unsigned sent = 0, due = 0;

	(void)state;
	tunnel_timers_init(&t, &pace_iceless);
	tunnel_session_started(&t, start, true);
	tunnel_data_received(&t, at_ms(0));
	expect(&t, 5000, TUNNEL_KEEPALIVE);
	tunnel_data_sent(&t, at_ms(6000));
	expect(&t, 13000, TUNNEL_HANDSHAKE);

	tunnel_timers_init(&t, &pace_iceless);
	tunnel_session_started(&t, start, true);
	tunnel_data_received(&t, at_ms(0));
	tunnel_any_sent(&t);
	expect(&t, 173000, TUNNEL_HANDSHAKE);

	handshake_timers_init(&h, &pace_iceless, start);
	handshake_want(&h, start);
	while (due != HANDSHAKE_EXPIRED) {
		struct mono at = handshake_deadline(&h);

		due = handshake_timeout(&h, at);
		if (due != HANDSHAKE_SEND)
			continue;
		if (sent++ > 0)
			assert_in_range(
			    mono_ms_between(start, at) - sent_at, 2000, 2333);
		sent_at = mono_ms_between(start, at);
	}
	assert_in_range(sent, 90000 / 2333, 46);
	assert_in_range(mono_ms_between(start, at_ms(sent_at)), 87000, 90400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_ice),
		cmocka_unit_test(nothing_by_itself),
		cmocka_unit_test(one_keepalive_for_one_way_traffic),
		cmocka_unit_test(an_answer_is_a_keepalive),
		cmocka_unit_test(a_keepalive_ends_silence_and_asks_for_none),
		cmocka_unit_test(
		    a_persistent_keepalive_counts_from_what_was_sent),
		cmocka_unit_test(silence_counts_from_the_first_unanswered),
		cmocka_unit_test(a_new_session_ends_silence),
		cmocka_unit_test(a_responder_never_rekeys_by_age),
		cmocka_unit_test(an_initiator_rekeys_by_age),
		cmocka_unit_test(both_at_once),
		cmocka_unit_test(retries_then_expired),
		cmocka_unit_test(the_jitter_is_libsodium_s),
		cmocka_unit_test(wanting_again_changes_nothing),
		cmocka_unit_test(a_session_ends_the_attempt),
		cmocka_unit_test(dead_after_540_s),
	};

	if (sodium_init() == -1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * net-worker/core/turn/allocation.c: channels, from asking for one to its end.
 */
#include "net-worker/core/turn/channel.h"
#include "tests/lib/allocation.h"

/* --- channels --- */

static void
bind_before_the_allocation(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	bind_to(PEER_1);
	bind_to(PEER_2);
	bind_to(PEER_1);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	expect_silence();
	answer(s, allocate_ok);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, 0x4000);
	assert_int_equal(s->m.peer.ip.bytes[3], 7);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, 0x4001);
	assert_int_equal(s->m.peer.ip.bytes[3], 8);
	expect_silence();
}

static void
one_peer_waits_once(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 200; i++)
		bind_to(PEER_1);
	bind_to(PEER_2);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(
	    expect(STUN_CHANNEL_BIND_REQUEST)->m.peer.ip.bytes[3], 8);
}

static void
bind_once(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	bind_to(PEER_1);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_signed(s, NONCE_1);
	bind_to(PEER_1);
	expect_silence();
	bind_to(PEER_2);
	expect(STUN_CHANNEL_BIND_REQUEST);
	answer(s, bind_ok);
	expect_event(ALLOCATION_CHANNEL_CHANGED, PEER_1);
	bind_to(PEER_1);
	expect_silence();
}

static void
sending(void **state)
{
	(void)state;
	allocate();
	assert_int_equal(channel_of(PEER_1), 0);
	expect(STUN_CHANNEL_BIND_REQUEST);
	/* In flight is good enough to send, but not to receive. */
	assert_int_equal(channel_of(PEER_1), 0x4000);
	assert_false(receive_on(0x4000, PEER_1));
	expect_silence();
	answer(&seen[seen_count - 1], bind_ok);
	assert_int_equal(channel_of(PEER_1), 0x4000);
	assert_true(receive_on(0x4000, PEER_1));
	assert_false(receive_on(0x4001, PEER_1));
	assert_false(receive_on(0x7fff, PEER_1));
}

static void
refused_bind(void **state)
{
	struct allocation_event e;

	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 400);
	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, ALLOCATION_CHANNEL_CHANGED);
	assert_int_equal(e.channel, 0);
	expect_no_event();
	assert_false(receive_on(0x4000, PEER_1));
	assert_int_equal(channel_of(PEER_1), 0);
	assert_int_equal(expect(STUN_CHANNEL_BIND_REQUEST)->m.channel, 0x4001);
}

/* A channel in use that the relay does not want to refresh. */
static void
refused_refresh(uint16_t error)
{
	uint16_t channel;

	allocate();
	channel = bound_channel(PEER_1);
	assert_true(receive_on(channel, PEER_1));
	answer_error(
	    until(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, error);
	expect_event(ALLOCATION_CHANNEL_CHANGED, PEER_1);
	expect_no_event();
	assert_false(receive_on(channel, PEER_1));
	assert_int_equal(channel_of(PEER_1), 0);
}

/* The relay keeps it for that peer, and the peer for it: it is asked again. */
static void
refused_refresh_keeps_the_number(void **state)
{
	static const uint16_t errors[] = { 403, 486, 500, 508 };
	const struct seen *s;
	struct endpoint e;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		refused_refresh(errors[i]);
		s = expect(STUN_CHANNEL_BIND_REQUEST);
		assert_int_equal(s->m.channel, 0x4000);
		/* Again and again; others need not wait for that. */
		answer_error(s, STUN_CHANNEL_BIND_ERROR, errors[i]);
		forget_events();
		bind_to(PEER_2);
		s = expect(STUN_CHANNEL_BIND_REQUEST);
		assert_int_equal(s->m.channel, 0x4001);
		answer(s, bind_ok);
		forget_events();
		assert_int_equal(channel_of(PEER_1), 0);
		expect_silence();
		now = mono_add_ms(now, 1000);
		timeout();
		s = expect(STUN_CHANNEL_BIND_REQUEST);
		assert_int_equal(s->m.channel, 0x4000);
		answer(s, bind_ok);
		assert_int_equal(channel_of(PEER_1), 0x4000);
		assert_true(allocation_received(a, 0x4000, &e));
		allocation_free(a);
		set_up(NULL);
	}
}

static unsigned
binds_within(int64_t ms, uint16_t error)
{
	struct mono end = mono_add_ms(now, ms);
	unsigned count = 0;

	for (; mono_before(now, end); now = mono_add_ms(now, 20)) {
		struct seen *s = &seen[0];

		timeout();
		/* Whoever hears that there is none wants one at once. */
		(void)channel_of(PEER_1);
		while (allocation_transmit(a, &s->d)) {
			assert_true(stun_parse(s->d.data, s->d.length, &s->m));
			assert_true(count < 1000);
			if (s->m.type == STUN_BINDING_REQUEST)
				answer(s, binding_ok);
			else if (s->m.type == STUN_REFRESH_REQUEST)
				answer(s, refresh_ok);
			else if (s->m.type == STUN_ALLOCATE_REQUEST)
				answer(s, allocate_ok);
			else if (count++, error == 0)
				answer(s, bind_ok);
			else
				answer_error(s, STUN_CHANNEL_BIND_ERROR, error);
			forget_events();
			(void)channel_of(PEER_1);
		}
	}
	return count;
}

/* However fast it answers. */
static void
refusals_without_end(void **state)
{
	static const uint16_t errors[] = { 400, 403, 437, 441, 486, 500, 508 };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		allocate();
		assert_in_range(binds_within(100000, errors[i]), 4, 12);
		/* And is asked again when nobody else asks. */
		if (errors[i] != 437) {
			assert_in_range(binds_within(32100, 0), 1, 1);
			assert_int_not_equal(channel_of(PEER_1), 0);
		}
		allocation_free(a);
		set_up(NULL);
	}
}

/* It says that number and peer are not one another's. */
static void
refused_refresh_with_400(void **state)
{
	(void)state;
	refused_refresh(400);
	assert_int_equal(expect(STUN_CHANNEL_BIND_REQUEST)->m.channel, 0x4001);
}

static void
families_not_allocated(void **state)
{
	struct reply v4 = allocate_ok, v6 = allocate_ok;

	(void)state;
	v4.relayed_v6 = NULL;
	v6.relayed_v4 = NULL;
	begin();
	bind_to(PEER_V6);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), v4);
	bind_to(PEER_V6);
	assert_int_equal(channel_of(PEER_V6), 0);
	expect_silence();
	allocation_free(a);

	begin();
	bind_to(PEER_1);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), v6);
	bind_to(PEER_1);
	expect_silence();
	bind_to(PEER_V6);
	expect(STUN_CHANNEL_BIND_REQUEST);
}

/* A thousand clients that are there at once. */
static void
more_binds_than_requests(void **state)
{
	struct endpoint e = endpoint_of(PEER_1);
	size_t sent = 0;
	struct datagram d;

	(void)state;
	allocate();
	for (uint16_t i = 0; i < 1000; i++) {
		e.port = (uint16_t)(1000 + i);
		store_be16(owner.client.bytes, i);
		assert_true(allocation_bind(a, now, &e, &owner));
	}
	while (sent < 2000 && allocation_transmit(a, &d)) {
		struct seen *s = &seen[0];

		s->d = d;
		assert_true(stun_parse(s->d.data, s->d.length, &s->m));
		answer(s, bind_ok);
		sent++;
	}
	assert_int_equal(sent, 1000);
	for (uint16_t i = 0; i < 1000; i++) {
		e.port = (uint16_t)(1000 + i);
		assert_int_equal(allocation_channel(a, now, &e), 0x4000 + i);
	}
}

static void
waiting_peers_are_bounded(void **state)
{
	struct endpoint e = endpoint_of(PEER_1);
	size_t taken = 0;

	(void)state;
	begin();
	for (uint16_t i = 0; i < 10000; i++) {
		e.port = (uint16_t)(1000 + i);
		store_be16(owner.client.bytes, i / 8);
		taken += allocation_bind(a, now, &e, &owner);
	}
	assert_int_equal(taken, CHANNELS_MAX);
	/* One client alone does not get them all. */
	allocation_free(a);
	begin();
	taken = 0;
	for (uint16_t i = 0; i < 10000; i++) {
		e.port = (uint16_t)(1000 + i);
		taken += allocation_bind(a, now, &e, &owner);
	}
	assert_in_range(taken, 1, CHANNELS_MAX / 4);
}

static void
channel_expires(void **state)
{
	struct reply r = allocate_ok;
	struct allocation_event e;
	uint16_t channel;

	(void)state;
	r.lifetime = 3600;
	allocate_with(r);
	channel = bound_channel(PEER_1);
	for (int i = 0; i < 30; i++) {
		pass_ms(20000);
		if (i == 29)
			pass_ms(-1);
		if (i < 29 || channel_of(PEER_1) == channel)
			continue;
		fail();
	}
	pass_ms(1);
	assert_true(mono_due(allocation_deadline(a), now));
	timeout();
	assert_true(allocation_event(a, &e));
	assert_int_equal(e.type, ALLOCATION_CHANNEL_CHANGED);
	assert_int_equal(e.channel, 0);
	expect(STUN_BINDING_REQUEST); /* 50 s of silence */
	assert_int_equal(channel_of(PEER_1), 0);
	assert_int_equal(expect(STUN_CHANNEL_BIND_REQUEST)->m.channel, channel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bind_before_the_allocation),
		TEST(one_peer_waits_once),
		TEST(bind_once),
		TEST(sending),
		TEST(refused_bind),
		TEST(refused_refresh_keeps_the_number),
		TEST(refused_refresh_with_400),
		TEST(refusals_without_end),
		TEST(families_not_allocated),
		TEST(more_binds_than_requests),
		TEST(waiting_peers_are_bounded),
		TEST(channel_expires),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

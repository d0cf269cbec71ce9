/*
 * net-worker/core/turn: what an allocation does where there is more to do than
 * it may, or a relay makes it begin again and again.
 */
#include "tests/lib/allocation.h"

#define CHANNELS 126 /* more than there may be requests for channels */

static struct endpoint
numbered(uint16_t i)
{
	struct endpoint e = endpoint_of(PEER_1);

	e.port = (uint16_t)(1000 + i);
	return e;
}

/* Takes what is to be sent, and answers it; how many there were of the type. */
static size_t
serve(uint16_t type, struct reply with)
{
	struct datagram d;
	size_t count = 0;

	while (allocation_transmit(a, &d)) {
		struct seen *s = &seen[seen_count++ % SEEN];

		s->d = d;
		assert_true(stun_parse(s->d.data, s->d.length, &s->m));
		if (s->m.type == type) {
			count++;
			answer(s, with);
		} else if (s->m.type == STUN_BINDING_REQUEST)
			answer(s, binding_ok);
		else if (s->m.type == STUN_REFRESH_REQUEST)
			answer(s, refresh_ok);
	}
	return count;
}

static void
use_all_channels(void)
{
	struct endpoint peer;

	for (uint16_t i = 0; i < CHANNELS; i++) {
		peer = numbered(i);
		owner.client.bytes[0] = (uint8_t)(i / 8);
		allocation_bind(a, now, &peer, &owner);
	}
	assert_int_equal(serve(STUN_CHANNEL_BIND_REQUEST, bind_ok), CHANNELS);
	for (uint16_t i = 0; i < CHANNELS; i++)
		assert_true(
		    allocation_received(a, (uint16_t)(0x4000 + i), &peer));
}

/* All fall due in one moment; those that find no room come a second later. */
static void
more_channels_due_than_requests(void **state)
{
	size_t refreshed;
	struct mono start;

	(void)state;
	allocate();
	use_all_channels();
	start = now;
	do {
		now = allocation_deadline(a);
		timeout();
		refreshed = serve(STUN_CHANNEL_BIND_REQUEST, bind_ok);
	} while (refreshed == 0);
	assert_int_equal(mono_ms_between(start, now), 300000);
	assert_true(refreshed < CHANNELS);
	next_deadline(1000);
	refreshed += serve(STUN_CHANNEL_BIND_REQUEST, bind_ok);
	assert_int_equal(refreshed, CHANNELS);
}

static void
mismatch(uint16_t request, uint16_t error)
{
	answer_error(expect(request), error, 437);
}

/* After a success it takes as many disagreements as at first to give up. */
static void
mismatches_count_from_the_last_success(void **state)
{
	(void)state;
	allocate();
	allocation_refresh(a, now);
	mismatch(STUN_REFRESH_REQUEST, STUN_REFRESH_ERROR);
	mismatch(STUN_ALLOCATE_REQUEST, STUN_ALLOCATE_ERROR);
	mismatch(STUN_REFRESH_REQUEST, STUN_REFRESH_ERROR);
	assert_false(allocation_suspended(a));
	mismatch(STUN_ALLOCATE_REQUEST, STUN_ALLOCATE_ERROR);
	expect_silence();
	assert_true(allocation_suspended(a));
}

/* Who waited for an allocation that was given up waits no longer. */
static void
nobody_waits_for_what_was_given_up(void **state)
{
	(void)state;
	begin();
	bind_to(PEER_1);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	mismatch(STUN_ALLOCATE_REQUEST, STUN_ALLOCATE_ERROR);
	mismatch(STUN_REFRESH_REQUEST, STUN_REFRESH_ERROR);
	mismatch(STUN_ALLOCATE_REQUEST, STUN_ALLOCATE_ERROR);
	mismatch(STUN_REFRESH_REQUEST, STUN_REFRESH_ERROR);
	assert_true(allocation_suspended(a));
	allocation_refresh(a, now);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_silence();
}

/* When the next Refresh is sent, after an Allocate with that LIFETIME. */
static int64_t
refreshes_after_ms(uint32_t lifetime)
{
	struct reply r = allocate_ok;
	struct mono start;
	int64_t ms;

	r.lifetime = lifetime;
	allocate_with(r);
	start = now;
	until(STUN_REFRESH_REQUEST);
	ms = mono_ms_between(start, now);
	allocation_free(a);
	return ms;
}

static void
long_lifetimes_are_not_believed(void **state)
{
	(void)state;
	assert_int_equal(refreshes_after_ms(3600), 1800000);
	assert_int_equal(refreshes_after_ms(3601), 1800000);
	assert_int_equal(refreshes_after_ms(UINT32_MAX), 1800000);
	assert_int_equal(refreshes_after_ms(30), 15000);
	a = NULL;
}

/* Not allocated for so little: it is asked again when relays.c says so. */
static void
short_lifetimes_are_refused(void **state)
{
	static const uint32_t lifetimes[] = { 0, 1, 29 };
	struct reply r = allocate_ok;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		r.lifetime = lifetimes[i];
		allocate_with(r);
		expect_silence();
		assert_true(allocation_suspended(a));
		assert_true(mono_is_never(allocation_deadline(a)));
		assert_int_equal(
		    allocation_relayed(a, IP_V4).ip.family, IP_NONE);
		allocation_free(a);
	}
	a = NULL;
}

/* The same of a Refresh, which is as good as none. */
static void
short_refreshes_are_losses(void **state)
{
	struct reply r = refresh_ok;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	r.lifetime = 1;
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_withdrawal();
	r = allocate_ok;
	r.lifetime = 1;
	answer(expect(STUN_ALLOCATE_REQUEST), r);
	expect_silence();
	expect_no_event();
	assert_true(allocation_suspended(a));
}

/*
 * A relay that says each time what makes us come back soonest, for an hour.
 * It hears little of us, and clients less.
 */
static void
a_relay_that_lies(void **state)
{
	struct reply grant = allocate_ok, refuse = refresh_ok;
	struct mono end = mono_add_s(now, 3600);
	size_t requests = 0, withdrawals = 0;
	struct allocation_event e;
	struct seen *s = &seen[0];

	(void)state;
	grant.lifetime = 30;
	refuse.lifetime = 29;
	begin();
	while (mono_before(now, end)) {
		while (allocation_transmit(a, &s->d)) {
			requests++;
			assert_true(stun_parse(s->d.data, s->d.length, &s->m));
			if (s->m.type == STUN_BINDING_REQUEST)
				answer(s, binding_ok);
			else if (s->m.type == STUN_REFRESH_REQUEST)
				answer(s, refuse);
			else
				answer(s,
				    s->m.have & STUN_HAVE_NONCE
					? grant
					: allocate_challenge);
		}
		while (allocation_event(a, &e))
			withdrawals += e.type == ALLOCATION_WITHDRAWN;
		assert_false(mono_is_never(allocation_deadline(a)));
		now = allocation_deadline(a);
		timeout();
	}
	assert_true(withdrawals <= 2 * 3600 / 15);
	assert_true(requests <= 3 * 3600 / 15);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_channels_due_than_requests),
		TEST(mismatches_count_from_the_last_success),
		TEST(nobody_waits_for_what_was_given_up),
		TEST(long_lifetimes_are_not_believed),
		TEST(short_lifetimes_are_refused),
		TEST(short_refreshes_are_losses),
		TEST(a_relay_that_lies),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

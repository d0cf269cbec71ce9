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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(more_channels_due_than_requests),
		TEST(mismatches_count_from_the_last_success),
		TEST(nobody_waits_for_what_was_given_up),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

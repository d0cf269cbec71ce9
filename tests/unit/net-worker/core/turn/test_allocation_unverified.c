/*
 * net-worker/core/turn: a relay whose answers are signed with another key, or not
 * at all.
 */
#include "tests/lib/allocation.h"

/* A relay that was restarted signs with its new secret. */
static void
two_wrong_signatures_start_over(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone",
		.signature = FORGED };

	(void)state;
	allocate();
	pass_ms(25000);
	timeout();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	now = mono_add_s(now, 275);
	timeout();
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect(STUN_BINDING_REQUEST);
	expect_no_event();
	answer(&seen[seen_count - 2], r);
	expect_withdrawal();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect(STUN_ALLOCATE_REQUEST);
}

static void
wrong_signatures_without_allocation(void **state)
{
	struct reply r = allocate_challenge;
	const struct seen *s;

	(void)state;
	r.signature = FORGED;
	s = reach();
	for (int i = 0; i < 5; i++)
		answer(s, r);
	expect_silence();
	next_deadline(1000);
	expect(STUN_ALLOCATE_REQUEST);
	now = mono_add_s(now, 8);
	timeout();
	assert_int_equal(allocation_end(a), ALLOCATION_UNVERIFIED);
}

/* Both addresses answer Binding, the IPv4 one first; the Allocate to it. */
static const struct seen *
reach_by_both(void)
{
	const struct seen *v4, *v6;

	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	v6 = expect(STUN_BINDING_REQUEST);
	answer(v4, binding_ok);
	answer(v6, binding_ok_v6);
	return expect(STUN_ALLOCATE_REQUEST);
}

/* coturn, with what another gateway has left there by IPv4. */
static void
unsigned_refusals_lead_to_the_other_address(void **state)
{
	struct reply r = {
		.type = STUN_ALLOCATE_ERROR, .error = 441, .signature = FORGED
	};
	struct endpoint server;
	const struct seen *s;

	(void)state;
	s = reach_by_both();
	answer(s, r);
	expect_silence();
	answer(s, r);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
	answer(s, allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	assert_true(allocation_server(a, &server));
	assert_true(endpoint_equal(&server, &config.address[1]));
	assert_int_equal(allocation_base(a).ip.family, IP_V6);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

/* What was in the way has gone; of a relay that dies later it says nothing. */
static void
refusals_are_forgotten_with_a_success(void **state)
{
	struct reply r = {
		.type = STUN_ALLOCATE_ERROR, .error = 441, .signature = BARE
	};
	const struct seen *s;

	(void)state;
	s = reach();
	answer(s, allocate_challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	answer(s, r);
	answer(s, r);
	answer(s, allocate_ok);
	while (allocation_end(a) == ALLOCATION_ALIVE) {
		struct datagram d;

		now = allocation_deadline(a);
		timeout();
		while (allocation_transmit(a, &d))
			continue;
	}
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

/* Each once, however they do not want us. */
static void
neither_address_gives_any(void **state)
{
	struct reply r = {
		.type = STUN_ALLOCATE_ERROR, .error = 441, .signature = FORGED
	};
	const struct seen *s;

	(void)state;
	reach_by_both();
	for (int i = 0; i < 3; i++) {
		now = allocation_deadline(a);
		timeout();
		s = expect(STUN_ALLOCATE_REQUEST);
		assert_true(endpoint_equal(&s->d.to, &config.address[0]));
	}
	now = allocation_deadline(a);
	timeout();
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
	assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	answer(s, r);
	answer(s, r);
	expect_silence();
	now = mono_add_s(now, 9);
	timeout();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_UNVERIFIED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(two_wrong_signatures_start_over),
		TEST(wrong_signatures_without_allocation),
		TEST(unsigned_refusals_lead_to_the_other_address),
		TEST(refusals_are_forgotten_with_a_success),
		TEST(neither_address_gives_any),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

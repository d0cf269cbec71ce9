/*
 * net-worker/core/turn/answer.c: nonces, forgeries, errors, and servers that do
 * as RFC 8656 says.
 */
#include "tests/lib/allocation.h"

/* --- nonces and credentials --- */

static void
stale_nonce(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_1);
	answer(s,
	    (struct reply){ .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone" });
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_2);
	answer(s, refresh_ok);
	expect_silence();
	expect_no_event();
}

static void
unauthorized_with_nonce(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_AUTHENTICATION);
}

static void
unauthorized_later(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 401,
		.nonce = NONCE_2,
		.realm = "firezone" };

	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_withdrawal();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_AUTHENTICATION);
	bind_to(PEER_1);
	allocation_refresh(a, now);
	expect_silence();
}

static void
foreign_realm(void **state)
{
	struct reply r = allocate_challenge;

	(void)state;
	r.realm = "elsewhere";
	answer(reach(), r);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
nonces_without_end(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "firezone" };
	int asked = 0;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	for (int i = 0; i < 3; i++) {
		answer(expect(STUN_REFRESH_REQUEST), r);
		asked++;
	}
	/* From here on only at the times of the retransmission. */
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_silence();
	next_deadline(1000);
	answer(expect(STUN_REFRESH_REQUEST), r);
	expect_silence();
	assert_int_equal(asked, 3);
}

/* --- forgeries --- */

static void
forged_answers_change_nothing(void **state)
{
	static const enum signature bad[] = { BARE, FORGED };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct reply r = allocate_ok;
		const struct seen *s;

		r.signature = bad[i];
		s = reach();
		answer(s, allocate_challenge);
		s = expect(STUN_ALLOCATE_REQUEST);
		answer(s, r);
		assert_int_equal(
		    allocation_relayed(a, IP_V4).ip.family, IP_NONE);
		/* It is still outstanding. */
		answer(s, allocate_ok);
		assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
		allocation_free(a);
	}
	a = NULL;
}

static void
unsigned_errors_change_nothing(void **state)
{
	static const uint16_t errors[] = { 400, 401, 403, 420, 437, 440, 441,
		443, 486, 500, 508 };

	(void)state;
	allocate();
	bind_to(PEER_1);
	allocation_refresh(a, now);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct reply r = { .type = STUN_REFRESH_ERROR,
			.error = errors[i],
			.nonce = NONCE_2,
			.realm = "firezone",
			.signature = BARE };

		if (i == 0)
			expect(STUN_CHANNEL_BIND_REQUEST);
		answer(i == 0 ? expect(STUN_REFRESH_REQUEST)
			      : &seen[seen_count - 1],
		    r);
		r.type = STUN_CHANNEL_BIND_ERROR;
		answer(&seen[seen_count - 2], r);
		expect_silence();
		expect_no_event();
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	}
	answer(&seen[seen_count - 2], bind_ok);
	assert_int_equal(channel_of(PEER_1), 0x4000);
	answer(&seen[seen_count - 1], refresh_ok);
}

static void
unsigned_stale_nonce(void **state)
{
	struct reply r = { .type = STUN_REFRESH_ERROR,
		.error = 438,
		.nonce = NONCE_2,
		.realm = "other",
		.signature = BARE };

	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), r);
	/* The nonce is taken, the realm is not. */
	assert_signed(expect(STUN_REFRESH_REQUEST), NONCE_2);
}

static void
not_our_answer(void **state)
{
	struct endpoint other = endpoint_of("192.0.2.9:3478");
	struct reply wrong_method = { .type = STUN_REFRESH_SUCCESS };
	struct reply request = { .type = STUN_ALLOCATE_REQUEST };
	struct reply no_code = { .type = STUN_ALLOCATE_ERROR };
	const struct seen *s;

	(void)state;
	s = reach();
	assert_false(answer_from(s, allocate_challenge, &other));
	assert_false(answer_from(s, wrong_method, &s->d.to));
	assert_false(answer_from(s, request, &s->d.to));
	assert_false(answer_from(s, no_code, &s->d.to));
	assert_false(answer_from(s, binding_ok, &s->d.to));
	answer(s, allocate_challenge);
	assert_false(answer_from(s, allocate_challenge, &s->d.to));
}

static void
expect_not_ours(const struct seen *s, struct reply r)
{
	assert_false(answer_from(s, r, &s->d.to));
}

/* To what was asked before the allocation was lost; and twice. */
static void
late_answers(void **state)
{
	const struct seen *bind, *refresh, *first;

	(void)state;
	allocate();
	bind_to(PEER_1);
	bind = expect(STUN_CHANNEL_BIND_REQUEST);
	allocation_refresh(a, now);
	refresh = expect(STUN_REFRESH_REQUEST);
	next_deadline(1000);
	expect_withdrawal();
	expect_not_ours(bind, bind_ok);
	expect_not_ours(refresh, refresh_ok);
	assert_false(receive_on(0x4000, PEER_1));
	assert_int_equal(allocation_relayed(a, IP_V4).ip.family, IP_NONE);
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
	allocation_free(a);

	first = reach();
	for (int i = 0; i < 4; i++) {
		now = allocation_deadline(a);
		timeout();
		if (i < 3)
			first = expect(STUN_ALLOCATE_REQUEST);
	}
	expect_not_ours(first, allocate_ok);
	expect_not_ours(first, allocate_challenge);
	assert_int_equal(allocation_relayed(a, IP_V4).ip.family, IP_NONE);
	allocation_free(a);

	allocate();
	bind_to(PEER_1);
	bind = expect(STUN_CHANNEL_BIND_REQUEST);
	answer(bind, bind_ok);
	expect_not_ours(bind,
	    (struct reply){ .type = STUN_CHANNEL_BIND_ERROR, .error = 400 });
	assert_true(receive_on(0x4000, PEER_1));
}

static void
binding_error_is_no_answer(void **state)
{
	struct reply r = {
		.type = STUN_BINDING_ERROR, .error = 401, .signature = BARE
	};

	(void)state;
	begin();
	answer(expect(STUN_BINDING_REQUEST), r);
	expect_silence();
	assert_int_equal(allocation_rtt_us(a), -1);
	next_deadline(1000);
	expect(STUN_BINDING_REQUEST);
}

/* --- standard servers --- */

static void
standard_server_with(uint16_t error, const char *realm)
{
	struct reply first = {
		.type = STUN_ALLOCATE_ERROR, .error = error, .signature = BARE
	};
	struct reply challenge = allocate_challenge;
	const struct seen *s;

	answer(reach(), first);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_int_equal(s->m.have &
		(STUN_HAVE_USERNAME | STUN_HAVE_REALM | STUN_HAVE_NONCE |
		    STUN_HAVE_INTEGRITY),
	    0);
	relay_realm = realm;
	challenge.realm = realm;
	challenge.signature = BARE;
	answer(s, challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_signed(s, NONCE_1);
	answer(s, allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
	forget_events();
}

static void
standard_servers(void **state)
{
	(void)state;
	standard_server_with(400, "firezone");
	allocation_free(a);
	set_up(NULL);
	standard_server_with(401, "firezone");
	allocation_free(a);
	set_up(NULL);
	standard_server_with(437, "example.org");
}

static void
standard_server_refreshes(void **state)
{
	const struct seen *s;
	uint16_t channel;

	(void)state;
	standard_server_with(400, "firezone");
	channel = bound_channel(PEER_1);
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_false(asks_for_both_families(s));
	answer(s, refresh_ok);
	/* The channel carries its permission, which lasts 300 s. */
	assert_int_equal(channel_of(PEER_1), channel);
	for (int i = 0; i < 10; i++) {
		pass_ms(23900);
		assert_true(receive_on(channel, PEER_1));
	}
	expect_silence();
	pass_ms(1000);
	timeout();
	expect(STUN_BINDING_REQUEST);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(s->m.channel, channel);
}

static void
bare_request_is_not_granted(void **state)
{
	struct reply first = {
		.type = STUN_ALLOCATE_ERROR, .error = 400, .signature = BARE
	};
	struct reply open = allocate_ok;

	(void)state;
	answer(reach(), first);
	open.signature = BARE;
	answer(expect(STUN_ALLOCATE_REQUEST), open);
	assert_int_equal(allocation_relayed(a, IP_V4).ip.family, IP_NONE);
}

static void
standard_server_that_still_knows_us(void **state)
{
	struct reply mismatch = {
		.type = STUN_ALLOCATE_ERROR, .error = 437, .signature = BARE
	};
	struct reply challenge = { .type = STUN_REFRESH_ERROR,
		.error = 401,
		.nonce = NONCE_1,
		.realm = "firezone",
		.signature = BARE };
	const struct seen *s;

	(void)state;
	answer(reach(), mismatch);
	answer(expect(STUN_ALLOCATE_REQUEST), mismatch);
	s = expect(STUN_REFRESH_REQUEST);
	assert_int_equal(s->m.have & STUN_HAVE_INTEGRITY, 0);
	answer(s, challenge);
	s = expect(STUN_REFRESH_REQUEST);
	assert_signed(s, NONCE_1);
	assert_true(s->m.have & STUN_HAVE_LIFETIME);
	assert_int_equal(s->m.lifetime, 0);
	answer(s, delete_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

/*
 * The success was lost: a copy of the request gets it again, where another one
 * would be refused with 437. So does an answer that is only late.
 */
static void
standard_server_whose_success_was_lost(void **state)
{
	struct reply first = {
		.type = STUN_ALLOCATE_ERROR, .error = 400, .signature = BARE
	};
	struct reply challenge = allocate_challenge;
	const struct seen *lost, *copy;

	(void)state;
	answer(reach(), first);
	challenge.signature = BARE;
	answer(expect(STUN_ALLOCATE_REQUEST), challenge);
	lost = expect(STUN_ALLOCATE_REQUEST);
	next_deadline(1000);
	copy = expect(STUN_ALLOCATE_REQUEST);
	assert_int_equal(copy->d.length, lost->d.length);
	assert_memory_equal(copy->d.data, lost->d.data, lost->d.length);
	answer(lost, allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
	assert_false(answer_from(copy, allocate_ok, &copy->d.to));
	expect_silence();
}

/* --- errors --- */

static void
no_ipv6_at_the_relay(void **state)
{
	const struct seen *s;

	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 440);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_false(asks_for_both_families(s));
	answer_error(s, STUN_ALLOCATE_ERROR, 440);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
unknown_attribute_is_final(void **state)
{
	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 420);
	expect_withdrawal();
	assert_int_equal(allocation_end(a), ALLOCATION_PROTOCOL);
	allocation_refresh(a, now);
	expect_silence();
}

static void
other_error_on_allocate(void **state)
{
	static const uint16_t errors[] = { 300, 400, 403, 441, 486, 500, 508 };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		begin();
		bind_to(PEER_1);
		answer(expect(STUN_BINDING_REQUEST), binding_ok);
		answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR,
		    errors[i]);
		expect_silence();
		assert_true(allocation_suspended(a));
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
		assert_true(mono_is_never(allocation_deadline(a)));
		/* Suspended: a channel is not even buffered. */
		bind_to(PEER_2);
		allocation_refresh(a, now);
		answer(expect(STUN_BINDING_REQUEST), binding_ok);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
		expect_silence();
		allocation_free(a);
	}
	a = NULL;
}

/* What it says of one channel is no matter of others, nor of the allocation. */
static void
other_error_on_channel_bind(void **state)
{
	static const uint16_t errors[] = { 300, 400, 403, 440, 441, 443, 486,
		500, 508, 699 };
	uint16_t other;

	(void)state;
	allocate();
	other = bound_channel(PEER_2);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		bind_to(PEER_1);
		answer_error(expect(STUN_CHANNEL_BIND_REQUEST),
		    STUN_CHANNEL_BIND_ERROR, errors[i]);
		expect_event(ALLOCATION_CHANNEL_CHANGED, PEER_1);
		expect_no_event();
		expect_silence();
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
		assert_true(receive_on(other, PEER_2));
		now = mono_add_s(now, 60);
	}
}

static void
other_error_on_refresh(void **state)
{
	static const uint16_t errors[] = { 300, 400, 403, 440, 441, 443, 486,
		500, 508, 699 };

	(void)state;
	allocate();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		allocation_refresh(a, now);
		answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR,
		    errors[i]);
		expect_silence();
		expect_no_event();
		assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
		assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
	}
}

static void
success_without_what_it_needs(void **state)
{
	struct reply no_lifetime = allocate_ok, zero = allocate_ok,
		     no_address = allocate_ok;

	(void)state;
	no_lifetime.has_lifetime = false;
	zero.lifetime = 0;
	no_address.relayed_v4 = no_address.relayed_v6 = NULL;
	allocate_with(no_lifetime);
	assert_true(allocation_suspended(a));
	allocation_free(a);
	allocate_with(zero);
	assert_true(allocation_suspended(a));
	allocation_free(a);
	allocate_with(no_address);
	assert_true(allocation_suspended(a));
}

static void
mismatch_on_allocate(void **state)
{
	const struct seen *s;

	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	s = expect(STUN_REFRESH_REQUEST);
	assert_true(s->m.have & STUN_HAVE_LIFETIME);
	answer(s, delete_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_silence();
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

/* It takes its time over it, and says that all is done. */
static void
mismatch_after_the_deletion(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer(expect(STUN_REFRESH_REQUEST), delete_ok);
	for (int i = 0; i < 2; i++) {
		answer_error(
		    expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
		expect_silence();
		assert_false(allocation_suspended(a));
		next_deadline(1200);
	}
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
	/* The next one is a first one. */
	allocation_refresh(a, now);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer(expect(STUN_REFRESH_REQUEST), delete_ok);
	for (int i = 0; i < 2; i++) {
		answer_error(
		    expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
		if (i == 0)
			next_deadline(1200);
	}
	assert_true(allocation_suspended(a));
	/* And all of it is tried again when it is the time. */
	allocation_refresh(a, now);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer(expect(STUN_REFRESH_REQUEST), delete_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
}

/* Each success makes the next disagreement a first one. */
static void
mismatch_now_and_then(void **state)
{
	(void)state;
	allocate();
	for (int i = 0; i < 6; i++) {
		allocation_refresh(a, now);
		answer_error(
		    expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
		answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	}
}

/* What nobody was told of is not withdrawn. */
static void
withdrawal_before_the_announcement(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	allocation_refresh(a, now);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_no_event();
}

static void
mismatch_for_ever(void **state)
{
	(void)state;
	answer(reach(), allocate_challenge);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	answer_error(expect(STUN_ALLOCATE_REQUEST), STUN_ALLOCATE_ERROR, 437);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_silence();
	assert_true(allocation_suspended(a));
}

static void
mismatch_on_refresh(void **state)
{
	uint16_t channel;

	(void)state;
	allocate();
	channel = bound_channel(PEER_1);
	allocation_refresh(a, now);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 437);
	expect_withdrawal();
	expect_no_event();
	assert_false(receive_on(channel, PEER_1));
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_silence();
	expect_event(ALLOCATION_RELAYED, "198.51.100.9:50001");
}

static void
mismatch_on_channel_bind(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	bind_to(PEER_1);
	answer_error(
	    expect(STUN_CHANNEL_BIND_REQUEST), STUN_CHANNEL_BIND_ERROR, 437);
	expect_withdrawal();
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	s = expect(STUN_CHANNEL_BIND_REQUEST);
	assert_true(s->m.peer.port == 40000 && s->m.peer.ip.bytes[3] == 7);
	expect_silence();
}

static void
refused_refresh_backs_off(void **state)
{
	struct mono start;

	(void)state;
	allocate();
	start = now;
	for (int i = 0; i < 4; i++) {
		answer_error(
		    until(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
		assert_int_equal(
		    mono_ms_between(start, now), 300000 + i * 75000);
	}
	expect_no_event();
}

static void
refresh_without_lifetime(void **state)
{
	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST),
	    (struct reply){ .type = STUN_REFRESH_SUCCESS });
	expect_no_event();
	expect_silence();
	/* An eighth of the lifetime later, as after one that was refused. */
	pass_ms(75000 - 1);
	timeout();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	next_deadline(1);
	expect(STUN_REFRESH_REQUEST);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stale_nonce),
		TEST(unauthorized_with_nonce),
		TEST(unauthorized_later),
		TEST(foreign_realm),
		TEST(nonces_without_end),
		TEST(forged_answers_change_nothing),
		TEST(unsigned_errors_change_nothing),
		TEST(unsigned_stale_nonce),
		TEST(not_our_answer),
		TEST(late_answers),
		TEST(binding_error_is_no_answer),
		TEST(standard_servers),
		TEST(standard_server_refreshes),
		TEST(bare_request_is_not_granted),
		TEST(standard_server_that_still_knows_us),
		TEST(standard_server_whose_success_was_lost),
		TEST(no_ipv6_at_the_relay),
		TEST(unknown_attribute_is_final),
		TEST(other_error_on_allocate),
		TEST(other_error_on_channel_bind),
		TEST(other_error_on_refresh),
		TEST(success_without_what_it_needs),
		TEST(mismatch_on_allocate),
		TEST(mismatch_after_the_deletion),
		TEST(mismatch_now_and_then),
		TEST(withdrawal_before_the_announcement),
		TEST(mismatch_for_ever),
		TEST(mismatch_on_refresh),
		TEST(mismatch_on_channel_bind),
		TEST(refused_refresh_backs_off),
		TEST(refresh_without_lifetime),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

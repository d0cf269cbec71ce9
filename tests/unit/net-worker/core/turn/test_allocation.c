/*
 * net-worker/core/turn/allocation.c: how an allocation comes to be, is kept and
 * ends.
 */
#include "tests/lib/allocation.h"

/* --- start --- */

static void
first_allocate_has_no_nonce(void **state)
{
	const struct seen *s;

	(void)state;
	s = reach();
	assert_signed(s, NULL);
	assert_true(asks_for_both_families(s));
	answer(s, allocate_challenge);
	assert_signed(expect(STUN_ALLOCATE_REQUEST), NONCE_1);
}

static void
events_of_a_start(void **state)
{
	struct endpoint server, base;

	(void)state;
	begin();
	assert_false(allocation_server(a, &server));
	assert_int_equal(allocation_base(a).ip.family, IP_NONE);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	assert_true(allocation_server(a, &server));
	assert_true(endpoint_equal(&server, &config.address[0]));
	base = allocation_base(a);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_event(ALLOCATION_RELAYED, "198.51.100.9:50001");
	expect_event(ALLOCATION_RELAYED, "[2001:db8::9]:50001");
	expect_no_event();
	base = allocation_relayed(a, IP_V4);
	assert_int_equal(base.port, 50001);
	base = allocation_host(a, IP_V4);
	assert_int_equal(base.ip.bytes[0], 10);
	base = allocation_reflexive(a, IP_V4);
	assert_int_equal(base.ip.bytes[0], 203);
	assert_int_equal(allocation_reflexive(a, IP_V6).ip.family, IP_NONE);
}

static void
two_families(void **state)
{
	const struct seen *v4, *v6, *s;

	(void)state;
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	v6 = expect(STUN_BINDING_REQUEST);
	expect_silence();
	answer(v6, binding_ok_v6);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
	answer(v4, binding_ok);
	expect_silence();
	expect_event(ALLOCATION_HOST, "10.0.0.4:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:52625");
	expect_event(ALLOCATION_HOST, "[2001:db8::4]:52625");
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "[2001:db8::7]:52625");
	expect_no_event();
	answer(s, allocate_challenge);
	s = expect(STUN_ALLOCATE_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[1]));
}

static void
one_silent_family_does_no_harm(void **state)
{
	const struct seen *v4;

	(void)state;
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	expect(STUN_BINDING_REQUEST);
	answer(v4, binding_ok);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_challenge);
	answer(expect(STUN_ALLOCATE_REQUEST), allocate_ok);
	for (int i = 0; i < 3; i++) {
		now = allocation_deadline(a);
		timeout();
		expect(STUN_BINDING_REQUEST);
	}
	now = allocation_deadline(a);
	timeout();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	assert_int_equal(allocation_relayed(a, IP_V4).port, 50001);
}

static void
retransmission_times(void **state)
{
	const struct seen *first, *again;

	(void)state;
	begin();
	first = expect(STUN_BINDING_REQUEST);
	expect_silence();
	pass_ms(999);
	timeout();
	expect_silence();
	pass_ms(1);
	timeout();
	again = expect(STUN_BINDING_REQUEST);
	assert_int_equal(again->d.length, first->d.length);
	assert_memory_equal(again->d.data, first->d.data, first->d.length);
	expect_silence();
	next_deadline(1500);
	expect(STUN_BINDING_REQUEST);
	next_deadline(2250);
	expect(STUN_BINDING_REQUEST);
	assert_int_equal(allocation_end(a), ALLOCATION_ALIVE);
	next_deadline(3375);
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
	assert_true(mono_is_never(allocation_deadline(a)));
}

static void
late_answer_to_an_earlier_copy(void **state)
{
	const struct seen *first, *second;

	(void)state;
	first = reach();
	next_deadline(1000);
	second = expect(STUN_ALLOCATE_REQUEST);
	assert_false(answer_from(first, allocate_challenge, &first->d.to));
	answer(second, allocate_challenge);
	expect(STUN_ALLOCATE_REQUEST);
}

static void
round_trip(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	assert_int_equal(allocation_rtt_us(a), -1);
	s = expect(STUN_BINDING_REQUEST);
	pass_ms(40);
	answer(s, binding_ok);
	assert_int_equal(allocation_rtt_us(a), 40000);
	s = expect(STUN_ALLOCATE_REQUEST);
	pass_ms(200);
	answer(s, allocate_challenge);
	assert_int_equal(allocation_rtt_us(a), 60000);
}

static void
round_trip_by_family(void **state)
{
	const struct seen *v4, *v6;

	(void)state;
	config.address[1] = endpoint_of("[2001:db8::1]:3478");
	begin();
	v4 = expect(STUN_BINDING_REQUEST);
	v6 = expect(STUN_BINDING_REQUEST);
	assert_int_equal(allocation_family_rtt_us(a, IP_V4), -1);
	pass_ms(40);
	answer(v4, binding_ok);
	assert_int_equal(allocation_family_rtt_us(a, IP_V4), 40000);
	assert_int_equal(allocation_family_rtt_us(a, IP_V6), -1);
	pass_ms(40);
	answer(v6, binding_ok_v6);
	assert_int_equal(allocation_family_rtt_us(a, IP_V4), 40000);
	assert_int_equal(allocation_family_rtt_us(a, IP_V6), 80000);
}

static void
round_trip_counts_from_the_first_copy(void **state)
{
	const struct seen *s;

	(void)state;
	begin();
	expect(STUN_BINDING_REQUEST);
	next_deadline(1000);
	s = expect(STUN_BINDING_REQUEST);
	pass_ms(40);
	answer(s, binding_ok);
	assert_int_equal(allocation_rtt_us(a), 1040000);
}

static void
addresses(void **state)
{
	struct endpoint v4 = endpoint_of("192.0.2.1:3478");
	struct endpoint v6 = endpoint_of("[2001:db8::1]:3478");
	struct endpoint port = endpoint_of("192.0.2.1:3479");
	struct endpoint none = { .port = 0 };

	(void)state;
	begin();
	assert_true(allocation_has_address(a, &v4));
	assert_false(allocation_has_address(a, &v6));
	assert_false(allocation_has_address(a, &port));
	assert_false(allocation_has_address(a, &none));
	allocation_free(a);
	config.address[1] = v6;
	begin();
	assert_true(allocation_has_address(a, &v4));
	assert_true(allocation_has_address(a, &v6));
	allocation_free(a);
	config.address[0] = none;
	begin();
	assert_false(allocation_has_address(a, &v4));
	assert_true(allocation_has_address(a, &v6));
	assert_true(endpoint_equal(&allocation_config(a)->address[1], &v6));
}

/* --- time --- */

static void
proactive_refresh(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	allocation_refresh(a, now);
	allocation_refresh(a, now);
	s = expect(STUN_REFRESH_REQUEST);
	assert_int_equal(s->m.have & STUN_HAVE_LIFETIME, 0);
	expect_silence();
	next_deadline(1000);
	expect_withdrawal();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
refresh_while_allocating(void **state)
{
	(void)state;
	reach();
	allocation_refresh(a, now);
	expect_silence();
}

static void
refresh_at_half_of_the_lifetime(void **state)
{
	const struct seen *s;
	struct mono start;

	(void)state;
	allocate();
	start = now;
	s = until(STUN_REFRESH_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 300000);
	timeout();
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect_silence();
	answer(s, refresh_ok);
	timeout();
	expect_silence();
	s = until(STUN_REFRESH_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 600000);
}

static void
channel_refresh(void **state)
{
	const struct seen *s;
	struct mono start;
	uint16_t used;

	(void)state;
	allocate();
	bound_channel(PEER_2);
	used = bound_channel(PEER_1);
	start = now;
	assert_true(receive_on(used, PEER_1));
	s = until(STUN_CHANNEL_BIND_REQUEST);
	assert_int_equal(mono_ms_between(start, now), 300000);
	assert_int_equal(s->m.channel, used);
	answer(s, bind_ok);
	expect_no_event();
}

static void
lifetime_zero_in_a_refresh(void **state)
{
	(void)state;
	allocate();
	allocation_refresh(a, now);
	answer(expect(STUN_REFRESH_REQUEST), delete_ok);
	expect_withdrawal();
	expect(STUN_ALLOCATE_REQUEST);
}

static void
lifetime_over(void **state)
{
	struct reply r = allocate_ok;

	(void)state;
	r.lifetime = 32;
	allocate_with(r);
	next_deadline(16000);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
	next_deadline(4000);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
	next_deadline(4000);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
	next_deadline(1000);
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	next_deadline(3000);
	answer_error(expect(STUN_REFRESH_REQUEST), STUN_REFRESH_ERROR, 500);
	expect_no_event();
	next_deadline(4000);
	expect_withdrawal();
	expect_no_event();
	/* And it is tried again from the beginning. */
	answer(expect(STUN_BINDING_REQUEST), binding_ok);
	expect(STUN_ALLOCATE_REQUEST);
	expect_no_event();
}

static void
keepalive(void **state)
{
	const struct seen *s;

	(void)state;
	allocate();
	next_deadline(25000);
	s = expect(STUN_BINDING_REQUEST);
	assert_true(endpoint_equal(&s->d.to, &config.address[0]));
	expect_silence();
	answer(s, binding_ok);
	expect_silence();
	expect_no_event();
	next_deadline(25000);
	expect(STUN_BINDING_REQUEST);
}

static void
no_keepalive_without_allocation(void **state)
{
	(void)state;
	answer_error(reach(), STUN_ALLOCATE_ERROR, 500);
	pass_ms(60000);
	timeout();
	expect_silence();
}

static void
unanswered_keepalive(void **state)
{
	(void)state;
	allocate();
	next_deadline(25000);
	expect(STUN_BINDING_REQUEST);
	next_deadline(1000);
	next_deadline(1500);
	next_deadline(2250);
	expect_no_event();
	next_deadline(3375);
	expect_withdrawal();
	expect_no_event();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
unanswered_allocate(void **state)
{
	(void)state;
	reach();
	for (int i = 0; i < 3; i++) {
		now = allocation_deadline(a);
		timeout();
		expect(STUN_ALLOCATE_REQUEST);
	}
	now = allocation_deadline(a);
	timeout();
	expect_silence();
	assert_int_equal(allocation_end(a), ALLOCATION_NO_RESPONSE);
}

static void
changed_mapping(void **state)
{
	struct reply r = binding_ok;

	(void)state;
	allocate();
	next_deadline(25000);
	r.mapped = "203.0.113.1:1024";
	answer(expect(STUN_BINDING_REQUEST), r);
	expect_event(ALLOCATION_SERVER_REFLEXIVE, "203.0.113.1:1024");
	expect_no_event();
}

static void
an_orderly_exit(void **state)
{
	struct stun_message m;
	struct datagram d;

	(void)state;
	reach();
	assert_false(allocation_release(a, &d));
	allocation_free(a);
	allocate();
	assert_true(allocation_release(a, &d));
	assert_true(stun_parse(d.data, d.length, &m));
	assert_int_equal(m.type, STUN_REFRESH_REQUEST);
	assert_true(m.have & STUN_HAVE_LIFETIME);
	assert_int_equal(m.lifetime, 0);
	assert_true(m.have & STUN_HAVE_NONCE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_allocate_has_no_nonce),
		TEST(events_of_a_start),
		TEST(two_families),
		TEST(one_silent_family_does_no_harm),
		TEST(retransmission_times),
		TEST(late_answer_to_an_earlier_copy),
		TEST(round_trip),
		TEST(round_trip_by_family),
		TEST(round_trip_counts_from_the_first_copy),
		TEST(addresses),
		TEST(proactive_refresh),
		TEST(refresh_while_allocating),
		TEST(refresh_at_half_of_the_lifetime),
		TEST(channel_refresh),
		TEST(lifetime_zero_in_a_refresh),
		TEST(lifetime_over),
		TEST(keepalive),
		TEST(no_keepalive_without_allocation),
		TEST(unanswered_keepalive),
		TEST(unanswered_allocate),
		TEST(changed_mapping),
		TEST(an_orderly_exit),
	};

	if (sodium_init() == -1 || !stun_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

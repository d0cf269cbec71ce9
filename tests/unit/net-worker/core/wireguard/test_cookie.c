/*
 * net-worker/core/wireguard/cookie.c: the vector of firezone-tunnel(7),
 * WireGuard vectors; and the behaviour under load of firezone-tunnel(7), Rate
 * limit and WireGuard cases (3).
 */
#include "net-worker/core/wireguard/cookie.h"
#include "tests/lib/wireguard_vectors.h"

/* At once, of one address with a cookie. */
#define PROVEN_BURST (SOURCE_LIMIT_BURST + COOKIE_SHARED_BURST)
#define LIMIT        100

static const struct mono start = { INT64_C(1000000000000) };

static struct mono
after_ms(int64_t ms)
{
	return mono_add_ms(start, ms);
}

static void
initiation(
    struct ends *e, struct mono now, uint8_t message[MESSAGE_INITIATION_LEN])
{
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(1790000000, 123456789, timestamp);
	assert_true(noise_create_initiation(&e->initiator, &e->to_responder,
	    INITIATOR_INDEX, timestamp, now, message));
}

/* Takes every place of the window that now is in, each from another address. */
static void
load_with(struct cookie_guard *guard, struct mono now, const uint8_t *message,
    size_t len)
{
	for (unsigned i = 0; i < LIMIT; i++) {
		struct ip_address source = ip_v4(198, 18, 0, (uint8_t)i);

		assert_int_equal(
		    cookie_judge(guard, now, &source, message, len),
		    COOKIE_ADMIT);
	}
}

static void
load(struct cookie_guard *guard, struct mono now, const uint8_t *message)
{
	load_with(guard, now, message, MESSAGE_INITIATION_LEN);
}

static void
vector(void **state)
{
	struct ip_address source = ip_v4(0xcb, 0, 0x71, 7);
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	random_counts_from(0xa0);
	cookie_guard_init(&guard, start);
	unhex(vector_initiation, first, sizeof(first));
	random_counts_from(0x00);
	assert_true(cookie_create_reply(&guard, &e.responder, after_ms(127999),
	    &source, first, sizeof(first), reply));
	assert_hex(reply, sizeof(reply), vector_cookie_reply);
	random_is_random();

	unhex(vector_initiation_mac2, first, sizeof(first));
	load(&guard, start, first);
	assert_int_equal(
	    cookie_judge(&guard, start, &source, first, sizeof(first)),
	    COOKIE_ADMIT);
}

static void
a_hundred_in_a_second(void **state)
{
	struct ip_address source = ip_v4(192, 0, 2, 1);
	uint8_t first[MESSAGE_INITIATION_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, first);
	cookie_guard_init(&guard, start);
	load(&guard, start, first);
	assert_int_equal(
	    cookie_judge(&guard, after_ms(999), &source, first, sizeof(first)),
	    COOKIE_DEMAND);
	load(&guard, after_ms(1000), first);
	assert_int_equal(
	    cookie_judge(&guard, after_ms(1000), &source, first, sizeof(first)),
	    COOKIE_DEMAND);
	/* The window begins with the message that opens it. */
	load(&guard, after_ms(2500), first);
	assert_int_equal(
	    cookie_judge(&guard, after_ms(3499), &source, first, sizeof(first)),
	    COOKIE_DEMAND);
	load(&guard, after_ms(3500), first);
}

static void
responses_count_too(void **state)
{
	struct ip_address source = ip_v4(192, 0, 2, 1);
	uint8_t first[MESSAGE_INITIATION_LEN];
	uint8_t second[MESSAGE_RESPONSE_LEN], reply[MESSAGE_COOKIE_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, first);
	unhex(vector_response, second, sizeof(second));
	cookie_guard_init(&guard, start);
	load_with(&guard, start, second, sizeof(second));
	assert_int_equal(
	    cookie_judge(&guard, start, &source, second, sizeof(second)),
	    COOKIE_DEMAND);
	/* The reply goes to the response's sender. */
	assert_true(cookie_create_reply(&guard, &e.initiator, start, &source,
	    second, sizeof(second), reply));
	assert_int_equal(
	    message_receiver(MESSAGE_COOKIE, reply), RESPONDER_INDEX);
	memcpy(e.to_initiator.last_mac1, second + 60, NOISE_COOKIE_LEN);
	e.to_initiator.mac1_sent = true;
	assert_true(noise_consume_cookie_reply(&e.to_initiator, start, reply));
}

static void
without_a_source(void **state)
{
	struct ip_address none = { .family = IP_NONE };
	uint8_t first[MESSAGE_INITIATION_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, first);
	cookie_guard_init(&guard, start);
	for (unsigned i = 0; i < LIMIT; i++)
		assert_int_equal(
		    cookie_judge(&guard, start, &none, first, sizeof(first)),
		    COOKIE_ADMIT);
	assert_int_equal(
	    cookie_judge(&guard, start, &none, first, sizeof(first)),
	    COOKIE_REFUSE);
}

static void
the_cookie_opens_the_door(void **state)
{
	struct ip_address source = ip_from_bytes(
	    IP_V6, (const uint8_t[16]){ 0x20, 1, 0xd, 0xb8, [15] = 1 });
	struct ip_address other = source;
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	struct cookie_guard guard, restarted;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, first);
	cookie_guard_init(&guard, start);
	load(&guard, start, first);
	assert_true(cookie_create_reply(
	    &guard, &e.responder, start, &source, first, sizeof(first), reply));
	assert_int_equal(
	    message_receiver(MESSAGE_COOKIE, reply), INITIATOR_INDEX);
	assert_true(noise_consume_cookie_reply(&e.to_responder, start, reply));
	initiation(&e, start, first);
	for (unsigned i = 0; i < 2 * PROVEN_BURST; i++)
		assert_int_equal(
		    cookie_judge(&guard, start, &source, first, sizeof(first)),
		    i < PROVEN_BURST ? COOKIE_ADMIT : COOKIE_REFUSE);

	/* For this address, with every bit of MAC2, in this period. */
	other.bytes[15] ^= 1;
	assert_int_equal(
	    cookie_judge(&guard, start, &other, first, sizeof(first)),
	    COOKIE_DEMAND);
	for (size_t bit = 132 * 8; bit < 148 * 8; bit++) {
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(
		    cookie_judge(&guard, start, &source, first, sizeof(first)),
		    COOKIE_DEMAND);
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	load(&guard, after_ms(127999), first);
	assert_int_equal(cookie_judge(&guard, after_ms(127999), &source, first,
			     sizeof(first)),
	    COOKIE_ADMIT);
	load(&guard, after_ms(128999), first);
	assert_int_equal(cookie_judge(&guard, after_ms(128999), &source, first,
			     sizeof(first)),
	    COOKIE_DEMAND);

	/* Nor does it outlive the process. */
	cookie_guard_init(&restarted, start);
	load(&restarted, start, first);
	assert_int_equal(
	    cookie_judge(&restarted, start, &source, first, sizeof(first)),
	    COOKIE_DEMAND);
}

/* One address is asked for its cookie long before there is any load. */
static void
one_source_among_many(void **state)
{
	struct ip_address source = ip_v4(192, 0, 2, 1);
	uint8_t first[MESSAGE_INITIATION_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, first);
	cookie_guard_init(&guard, start);
	for (unsigned i = 0; i < LIMIT; i++)
		assert_int_equal(
		    cookie_judge(&guard, start, &source, first, sizeof(first)),
		    i < SOURCE_LIMIT_BURST ? COOKIE_ADMIT : COOKIE_DEMAND);
	/* The others' places are not used up by what was not let through. */
	for (unsigned i = SOURCE_LIMIT_BURST; i < LIMIT; i++) {
		struct ip_address other = ip_v4(198, 18, 1, (uint8_t)i);

		assert_int_equal(
		    cookie_judge(&guard, start, &other, first, sizeof(first)),
		    COOKIE_ADMIT);
	}
}

/* Whoever forges an address takes nothing from who can be heard there. */
static void
a_forger_does_not_lock_out(void **state)
{
	struct ip_address source = ip_v4(192, 0, 2, 1);
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	uint8_t forged[MESSAGE_INITIATION_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, start, forged);
	cookie_guard_init(&guard, start);
	assert_true(cookie_create_reply(&guard, &e.responder, start, &source,
	    forged, sizeof(forged), reply));
	assert_true(noise_consume_cookie_reply(&e.to_responder, start, reply));
	initiation(&e, start, first);
	for (uint32_t i = 0; i < 100000; i++) {
		struct ip_address other = ip_v4(
		    10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i);

		(void)cookie_judge(
		    &guard, start, &source, forged, sizeof(forged));
		(void)cookie_judge(
		    &guard, start, &other, forged, sizeof(forged));
	}
	assert_int_equal(
	    cookie_judge(&guard, start, &source, forged, sizeof(forged)),
	    COOKIE_DEMAND);
	for (unsigned i = 0; i < SOURCE_LIMIT_BURST; i++)
		assert_int_equal(
		    cookie_judge(&guard, start, &source, first, sizeof(first)),
		    COOKIE_ADMIT);
}

/* A client's next initiation from that address, with a cookie. */
static void
proven_initiation(struct cookie_guard *guard, const struct ip_address *source,
    uint8_t message[MESSAGE_INITIATION_LEN])
{
	uint8_t reply[MESSAGE_COOKIE_LEN];
	struct ends e;

	ends_init(&e);
	initiation(&e, start, message);
	assert_true(cookie_create_reply(guard, &e.responder, start, source,
	    message, MESSAGE_INITIATION_LEN, reply));
	assert_true(noise_consume_cookie_reply(&e.to_responder, start, reply));
	initiation(&e, start, message);
}

/* Of a thousand clients behind one, each asks every 5 s: all are let in. */
static void
many_behind_one_address(void **state)
{
	struct ip_address router = ip_v4(192, 0, 2, 1);
	struct ip_address other = ip_v4(192, 0, 2, 2);
	uint8_t theirs[MESSAGE_INITIATION_LEN], its[MESSAGE_INITIATION_LEN];
	struct cookie_guard guard;
	unsigned waiting = 1000, seconds = 0;

	(void)state;
	cookie_guard_init(&guard, start);
	proven_initiation(&guard, &router, theirs);
	proven_initiation(&guard, &other, its);
	for (; waiting > 0; seconds += 5) {
		unsigned asking = waiting;

		while (asking-- > 0)
			waiting -= cookie_judge(&guard,
				       after_ms(seconds * 1000), &router,
				       theirs, sizeof(theirs)) == COOKIE_ADMIT;
		/* What all share is used up, and not what is another's. */
		if (waiting > 0)
			for (unsigned i = 0; i <= SOURCE_LIMIT_BURST; i++)
				assert_int_equal(cookie_judge(&guard,
						     after_ms(seconds * 1000),
						     &other, its, sizeof(its)),
				    i < SOURCE_LIMIT_BURST ? COOKIE_ADMIT
							   : COOKIE_REFUSE);
	}
	assert_in_range(seconds, 5, 20);
}

static void
only_handshakes(void **state)
{
	struct ip_address source = ip_v4(192, 0, 2, 1);
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	struct cookie_guard guard;
	struct ends e;

	(void)state;
	ends_init(&e);
	unhex(vector_initiation, first, sizeof(first));
	cookie_guard_init(&guard, start);
	for (size_t len = 0; len < sizeof(first); len++) {
		assert_int_equal(
		    cookie_judge(&guard, start, &source, first, len),
		    COOKIE_REFUSE);
		assert_false(cookie_create_reply(
		    &guard, &e.responder, start, &source, first, len, reply));
	}
	unhex(vector_keepalive_to_initiator, first, 32);
	assert_int_equal(
	    cookie_judge(&guard, start, &source, first, 32), COOKIE_REFUSE);
	cookie_guard_wipe(&guard);
	assert_int_equal(sodium_is_zero(guard.secret, sizeof(guard.secret)), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(a_hundred_in_a_second),
		cmocka_unit_test(responses_count_too),
		cmocka_unit_test(without_a_source),
		cmocka_unit_test(the_cookie_opens_the_door),
		cmocka_unit_test(one_source_among_many),
		cmocka_unit_test(a_forger_does_not_lock_out),
		cmocka_unit_test(many_behind_one_address),
		cmocka_unit_test(only_handshakes),
	};

	if (!noise_crypto_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Whoever floods the gateway with handshakes costs it a bounded part of its
 * time: a client that was authorized and has every key, from its own address,
 * without a cookie and with one. Counted are the answers, each of which takes
 * the X25519 of a new session.
 */
#include "tests/lib/dataplane.h"

#define FLOOD 6100 /* as many a second as fill a thread */

static struct noise_peer gateway;

struct answers {
	unsigned responses, cookies;
};

/* The client's next initiation, newer than all before. */
static void
initiate(struct rig *r, struct answers *sum)
{
	static uint32_t nanoseconds;
	uint8_t message[MESSAGE_INITIATION_LEN];
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	size_t before = r->udp_count;

	noise_timestamp(UNIX_NOW + 1, ++nanoseconds, timestamp);
	assert_true(noise_create_initiation(
	    &r->identity, &gateway, 77, timestamp, r->now, message));
	receive(
	    r, "192.0.2.7:50000", "10.0.0.4:52625", message, sizeof(message));
	for (; before < r->udp_count; before++) {
		const struct note *n = &r->udp[before % NOTES];

		switch (message_classify(n->data, n->len)) {
		case MESSAGE_RESPONSE:
			sum->responses++;
			break;
		case MESSAGE_COOKIE:
			if (sum->cookies++ == 0)
				(void)noise_consume_cookie_reply(
				    &gateway, r->now, n->data);
			break;
		default:
			break;
		}
	}
}

static void
flood_is_bounded(void **state)
{
	struct answers at_once = { 0 }, in_a_second = { 0 };
	struct rig *r = *state;
	uint8_t psk[32];

	connected(r);
	memset(psk, 0x55, sizeof(psk));
	assert_true(noise_peer_init(
	    &gateway, &r->identity, dataplane_public_key(r->dp), psk));
	r->now = mono_add_s(r->now, 1);
	for (int i = 0; i < 3000; i++)
		initiate(r, &at_once);
	printf("3000 at once: %u handshakes, %u cookies\n", at_once.responses,
	    at_once.cookies);
	/* The peer's interval has room for one at a time. */
	assert_int_equal(at_once.responses, 1);
	assert_true(at_once.cookies > 0);

	r->now = mono_add_s(r->now, 1);
	for (int i = 0; i < FLOOD; i++) {
		r->now = mono_add_ns(r->now, 1000000000 / FLOOD);
		initiate(r, &in_a_second);
	}
	printf("%u in a second, with a cookie: %u handshakes\n", FLOOD,
	    in_a_second.responses);
	/* One in 20 ms, whatever else all share. */
	assert_in_range(in_a_second.responses, 40, 55);
}

/* 20 ms after the one before, the client itself has its session. */
static void
honest_client_is_served(void **state)
{
	struct answers sum = { 0 };
	struct rig *r = *state;

	connected(r);
	gateway = r->gateway;
	for (unsigned i = 1; i <= 10; i++) {
		r->now = mono_add_ms(r->now, 50);
		initiate(r, &sum);
		assert_int_equal(sum.responses, i);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    flood_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    honest_client_is_served, set_up, tear_down),
	};

	if (!noise_crypto_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

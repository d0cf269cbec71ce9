/*
 * net-worker/core/wireguard/noise.c: the handshake of firezone-tunnel(7),
 * WireGuard vectors; byte for byte in both roles, and everything that must not
 * become a session.
 */
#include "net-worker/core/wireguard/blake2s.h"
#include "tests/lib/wireguard_vectors.h"

#define MAC1_OF_INITIATION 116
#define MAC1_OF_RESPONSE   60

static const struct mono start = { INT64_C(1000000000000) };

static void
initiation(struct ends *e, uint32_t index, uint64_t seconds, struct mono now,
    uint8_t message[MESSAGE_INITIATION_LEN])
{
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];

	noise_timestamp(seconds, 123456789, timestamp);
	assert_true(noise_create_initiation(
	    &e->initiator, &e->to_responder, index, timestamp, now, message));
}

/* The responder's whole way; false where it would drop the message. */
static bool
answer(struct ends *e, const uint8_t message[MESSAGE_INITIATION_LEN],
    uint8_t response[MESSAGE_RESPONSE_LEN], struct noise_keys *keys)
{
	struct noise_initiation in;

	return noise_mac1_valid(
		   &e->responder, message, MESSAGE_INITIATION_LEN) &&
	    noise_open_initiation(&e->responder, message, &in) &&
	    noise_accept_initiation(&e->to_initiator, &in) &&
	    noise_create_response(
		&e->to_initiator, &in, RESPONDER_INDEX, start, response, keys);
}

static bool
finished(struct ends *e, const uint8_t response[MESSAGE_RESPONSE_LEN],
    struct noise_keys *keys)
{
	return noise_mac1_valid(
		   &e->initiator, response, MESSAGE_RESPONSE_LEN) &&
	    noise_consume_response(
		&e->initiator, &e->to_responder, response, keys);
}

/* As somebody can who knows the receiver's public key, which is no secret. */
static void
renew_mac1(const struct noise_identity *receiver, uint8_t *message, size_t at)
{
	assert_true(blake2s_mac(
	    message + at, receiver->mac1_key, NOISE_KEY_LEN, message, at));
}

static bool
is_zero(const void *data, size_t len)
{
	return sodium_is_zero(data, len) == 1;
}

static void
vectors(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_keys ours, theirs;
	struct ends e;

	(void)state;
	ends_init(&e);
	random_counts_from(0x40);
	initiation(&e, INITIATOR_INDEX, 1790000000, start, first);
	assert_hex(first, sizeof(first), vector_initiation);
	random_counts_from(0x60);
	assert_true(answer(&e, first, second, &theirs));
	assert_hex(second, sizeof(second), vector_response);
	random_is_random();
	assert_true(finished(&e, second, &ours));

	assert_true(ours.initiator);
	assert_false(theirs.initiator);
	assert_int_equal(ours.local_index, INITIATOR_INDEX);
	assert_int_equal(ours.remote_index, RESPONDER_INDEX);
	assert_int_equal(theirs.local_index, RESPONDER_INDEX);
	assert_int_equal(theirs.remote_index, INITIATOR_INDEX);
	assert_hex(ours.send, NOISE_KEY_LEN, vector_key_to_responder);
	assert_hex(theirs.receive, NOISE_KEY_LEN, vector_key_to_responder);
	assert_hex(ours.receive, NOISE_KEY_LEN, vector_key_to_initiator);
	assert_hex(theirs.send, NOISE_KEY_LEN, vector_key_to_initiator);
}

static void
cookie_vector(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	struct ends e;

	(void)state;
	ends_init(&e);
	random_counts_from(0x40);
	initiation(&e, INITIATOR_INDEX, 1790000000, start, first);
	unhex(vector_cookie_reply, reply, sizeof(reply));
	assert_true(noise_consume_cookie_reply(&e.to_responder, start, reply));
	assert_hex(e.to_responder.cookie, NOISE_COOKIE_LEN, vector_cookie);
	/* One reply for one message. */
	assert_false(noise_consume_cookie_reply(&e.to_responder, start, reply));

	initiation(&e, INITIATOR_INDEX, 1790000000, start, first);
	assert_hex(first, sizeof(first), vector_initiation_mac2);
	initiation(&e, INITIATOR_INDEX, 1790000000,
	    mono_add_ns(mono_add_s(start, 120), -1), first);
	assert_hex(first, sizeof(first), vector_initiation_mac2);
	initiation(
	    &e, INITIATOR_INDEX, 1790000000, mono_add_s(start, 120), first);
	assert_hex(first, sizeof(first), vector_initiation);
	random_is_random();
}

static void
a_cookie_also_serves_the_responder(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	uint8_t mac2[BLAKE2S_MAC_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	counting(0xc0, e.to_initiator.cookie, NOISE_COOKIE_LEN);
	e.to_initiator.cookie_until = mono_add_s(start, 1);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_true(answer(&e, first, second, &keys));
	assert_true(blake2s_mac(
	    mac2, e.to_initiator.cookie, NOISE_COOKIE_LEN, second, 76));
	assert_memory_equal(second + 76, mac2, sizeof(mac2));
}

static void
changed_cookie_reply_is_refused(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], reply[MESSAGE_COOKIE_LEN];
	struct noise_peer before;
	struct ends e;

	(void)state;
	ends_init(&e);
	unhex(vector_cookie_reply, reply, sizeof(reply));
	/* Nothing was sent that it could answer. */
	assert_false(noise_consume_cookie_reply(&e.to_responder, start, reply));
	random_counts_from(0x40);
	initiation(&e, INITIATOR_INDEX, 1790000000, start, first);
	random_is_random();
	memcpy(&before, &e.to_responder, sizeof(before));
	for (size_t bit = 8 * 8; bit < 8 * sizeof(reply); bit++) {
		reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(
		    noise_consume_cookie_reply(&e.to_responder, start, reply));
		reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_memory_equal(&e.to_responder, &before, sizeof(before));
	/* A reply to another message than the last one. */
	initiation(&e, INITIATOR_INDEX + 1, 1790000001, start, first);
	assert_false(noise_consume_cookie_reply(&e.to_responder, start, reply));
}

static void
identities(void **state)
{
	static const uint8_t low_order[NOISE_KEY_LEN] = { 1 };
	struct noise_identity a, b;
	struct noise_peer peer;

	(void)state;
	assert_true(noise_identity_generate(&a));
	assert_true(noise_identity_generate(&b));
	assert_memory_not_equal(a.private_key, b.private_key, NOISE_KEY_LEN);
	assert_true(noise_identity_from_private(&b, a.private_key));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_false(noise_peer_init(&peer, &a, low_order, a.public_key));
	assert_true(is_zero(&peer, sizeof(peer)));
	assert_true(noise_peer_init(&peer, &a, b.public_key, low_order));
	noise_peer_wipe(&peer);
	assert_true(is_zero(&peer, sizeof(peer)));
	noise_identity_wipe(&a);
	assert_true(is_zero(&a, sizeof(a)));
}

static void
timestamps(void **state)
{
	static const struct {
		uint64_t seconds;
		uint32_t nanoseconds;
		const char *want;
	} table[] = {
		{ 0, 0, "4000000000000025 00000000" },
		{ 1790000000, 123456789, "400000006ab13ba5 075bcd15" },
	};
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		noise_timestamp(
		    table[i].seconds, table[i].nanoseconds, timestamp);
		assert_hex(timestamp, sizeof(timestamp), table[i].want);
	}
}

static void
wrong_preshared_key(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	e.to_initiator.preshared_key[0] ^= 1;
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_true(answer(&e, first, second, &keys));
	assert_false(finished(&e, second, &keys));
	assert_true(is_zero(&keys, sizeof(keys)));
	/* The right one can still come. */
	assert_true(e.to_responder.pending[0].valid);
}

static void
wrong_static_keys(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_initiation in;
	struct noise_identity stranger;
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	assert_true(noise_identity_generate(&stranger));
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	/* To somebody else. */
	assert_false(noise_mac1_valid(&stranger, first, sizeof(first)));
	assert_false(noise_open_initiation(&stranger, first, &in));
	assert_true(is_zero(&in, sizeof(in)));
	/* From somebody else: opened, but not this peer's. */
	e.initiator = stranger;
	assert_true(noise_peer_init(&e.to_responder, &stranger,
	    e.responder.public_key, e.to_responder.preshared_key));
	initiation(&e, INITIATOR_INDEX, 2, start, first);
	assert_true(noise_open_initiation(&e.responder, first, &in));
	assert_memory_equal(
	    in.remote_static, stranger.public_key, NOISE_KEY_LEN);
	assert_false(noise_accept_initiation(&e.to_initiator, &in));
	assert_true(is_zero(&in, sizeof(in)));
	assert_false(answer(&e, first, second, &keys));
}

/* Says it is the peer, whose private key it does not have. */
static void
impersonation(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	e.to_responder.static_static[0] ^= 1;
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_false(answer(&e, first, second, &keys));
	assert_true(
	    is_zero(e.to_initiator.last_timestamp, NOISE_TIMESTAMP_LEN));
}

static void
timestamps_only_grow(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], older[MESSAGE_INITIATION_LEN];
	uint8_t second[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 255, start, older);
	initiation(&e, INITIATOR_INDEX, 256, start, first);
	assert_true(answer(&e, first, second, &keys));
	assert_false(answer(&e, first, second, &keys));
	assert_false(answer(&e, older, second, &keys));
	initiation(&e, INITIATOR_INDEX, 256, start, first);
	assert_false(answer(&e, first, second, &keys));
	initiation(&e, INITIATOR_INDEX, 257, start, first);
	assert_true(answer(&e, first, second, &keys));
}

static void
every_truncation_is_refused(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_true(answer(&e, first, second, &keys));
	for (size_t len = 0; len < sizeof(first); len++)
		assert_false(noise_mac1_valid(&e.responder, first, len));
	for (size_t len = 0; len < sizeof(second); len++)
		assert_false(noise_mac1_valid(&e.initiator, second, len));
	assert_true(noise_mac1_valid(&e.responder, first, sizeof(first)));
	assert_true(noise_mac1_valid(&e.initiator, second, sizeof(second)));
}

/* By a key that was made ready, time and again. */
static void
mac1_by_one_that_is_ready(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN];
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_true(noise_identity_make_ready(&e.responder));
	for (size_t i = 0; i < MAC1_OF_INITIATION + BLAKE2S_MAC_LEN; i++) {
		assert_true(
		    noise_mac1_valid(&e.responder, first, sizeof(first)));
		first[i] ^= 1;
		assert_false(
		    noise_mac1_valid(&e.responder, first, sizeof(first)));
		first[i] ^= 1;
	}
	assert_false(noise_mac1_valid(&e.initiator, first, sizeof(first)));
	noise_identity_wipe(&e.responder);
}

static void
every_changed_bit_is_refused(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	/* MAC2 does not matter while there is no load. */
	for (size_t bit = 0; bit < 8 * (MESSAGE_INITIATION_LEN - 16); bit++) {
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(answer(&e, first, response, &keys));
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(answer(&e, first, second, &keys));
	for (size_t bit = 0; bit < 8 * (MESSAGE_RESPONSE_LEN - 16); bit++) {
		second[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(finished(&e, second, &keys));
		second[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(finished(&e, second, &keys));
}

/* As above, by somebody who makes MAC1 anew: Noise itself has to refuse. */
static void
every_changed_bit_is_refused_without_mac1(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	/* The sender's index is no part of the transcript. */
	for (size_t bit = 8 * 8; bit < 8 * MAC1_OF_INITIATION; bit++) {
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
		renew_mac1(&e.responder, first, MAC1_OF_INITIATION);
		assert_false(answer(&e, first, response, &keys));
		first[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	renew_mac1(&e.responder, first, MAC1_OF_INITIATION);
	assert_true(answer(&e, first, second, &keys));
	for (size_t bit = 8 * 8; bit < 8 * MAC1_OF_RESPONSE; bit++) {
		second[bit / 8] ^= (uint8_t)(1 << bit % 8);
		renew_mac1(&e.initiator, second, MAC1_OF_RESPONSE);
		assert_false(finished(&e, second, &keys));
		second[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	renew_mac1(&e.initiator, second, MAC1_OF_RESPONSE);
	assert_true(finished(&e, second, &keys));
	assert_false(finished(&e, second, &keys));
}

static void
low_order_ephemerals_are_refused(void **state)
{
	uint8_t first[MESSAGE_INITIATION_LEN], second[MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	initiation(&e, INITIATOR_INDEX, 1, start, first);
	assert_true(answer(&e, first, second, &keys));
	memset(second + 12, 0, NOISE_KEY_LEN);
	renew_mac1(&e.initiator, second, MAC1_OF_RESPONSE);
	assert_false(finished(&e, second, &keys));
	memset(first + 8, 0, NOISE_KEY_LEN);
	renew_mac1(&e.responder, first, MAC1_OF_INITIATION);
	assert_false(answer(&e, first, second, &keys));
}

static void
two_initiations_are_remembered(void **state)
{
	uint8_t first[3][MESSAGE_INITIATION_LEN];
	uint8_t second[3][MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint32_t i = 0; i < 3; i++) {
		initiation(&e, INITIATOR_INDEX + i, 1 + i, start, first[i]);
		assert_true(answer(&e, first[i], second[i], &keys));
	}
	assert_false(finished(&e, second[0], &keys));
	/* The late one, then the newest one. */
	assert_true(finished(&e, second[1], &keys));
	assert_int_equal(keys.local_index, INITIATOR_INDEX + 1);
	assert_false(finished(&e, second[1], &keys));
	assert_true(finished(&e, second[2], &keys));
	assert_int_equal(keys.local_index, INITIATOR_INDEX + 2);
	assert_true(
	    is_zero(e.to_responder.pending, sizeof(e.to_responder.pending)));
}

static void
the_newest_response_settles_it(void **state)
{
	uint8_t first[2][MESSAGE_INITIATION_LEN];
	uint8_t second[2][MESSAGE_RESPONSE_LEN];
	struct noise_keys keys;
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint32_t i = 0; i < 2; i++) {
		initiation(&e, INITIATOR_INDEX + i, 1 + i, start, first[i]);
		assert_true(answer(&e, first[i], second[i], &keys));
	}
	assert_true(finished(&e, second[1], &keys));
	assert_false(finished(&e, second[0], &keys));
}

/*
 * An initiation of the peer's takes the place of ours (firezone-tunnel(7),
 * WireGuard timers).
 */
static void
crossing_initiations(void **state)
{
	uint8_t theirs[MESSAGE_INITIATION_LEN], ours[MESSAGE_INITIATION_LEN];
	uint8_t response[MESSAGE_RESPONSE_LEN], other[MESSAGE_RESPONSE_LEN];
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	struct noise_initiation in;
	struct noise_keys keys;
	struct noise_peer client;
	struct ends e;

	(void)state;
	ends_init(&e);
	noise_timestamp(5, 0, timestamp);
	assert_true(noise_create_initiation(
	    &e.responder, &e.to_initiator, 77, timestamp, start, ours));
	initiation(&e, INITIATOR_INDEX, 5, start, theirs);
	/* The reference keeps its own one, as this copy does. */
	client = e.to_responder;
	assert_true(noise_open_initiation(&e.initiator, ours, &in));
	assert_true(noise_accept_initiation(&e.to_responder, &in));
	assert_true(noise_create_response(
	    &e.to_responder, &in, 88, start, other, &keys));
	assert_true(answer(&e, theirs, response, &keys));
	assert_false(noise_consume_response(
	    &e.responder, &e.to_initiator, other, &keys));
	assert_true(
	    noise_consume_response(&e.initiator, &client, response, &keys));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(cookie_vector),
		cmocka_unit_test(a_cookie_also_serves_the_responder),
		cmocka_unit_test(changed_cookie_reply_is_refused),
		cmocka_unit_test(identities),
		cmocka_unit_test(timestamps),
		cmocka_unit_test(wrong_preshared_key),
		cmocka_unit_test(wrong_static_keys),
		cmocka_unit_test(impersonation),
		cmocka_unit_test(timestamps_only_grow),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(mac1_by_one_that_is_ready),
		cmocka_unit_test(every_changed_bit_is_refused),
		cmocka_unit_test(every_changed_bit_is_refused_without_mac1),
		cmocka_unit_test(low_order_ephemerals_are_refused),
		cmocka_unit_test(two_initiations_are_remembered),
		cmocka_unit_test(the_newest_response_settles_it),
		cmocka_unit_test(crossing_initiations),
	};

	if (!noise_crypto_warm_up())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

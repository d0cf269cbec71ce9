/*
 * The client's handshake against the bytes of firezone-tunnel(7), WireGuard
 * vectors.
 */
#include "tests/client/noise.h"

#include "tests/lib/unit.h"

static const char initiation[] =
    "0100000001cdab0079a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89"
    "af85a51af0225eb421886af8f54fb31289d49dcd82b0f6f3279d40d7cff913fece0c64ad"
    "226eef3320755b393b72f16842c8d7ee78a74e9371dde02d88af21d44077a9d98340ad01"
    "c8a7c1b8dc906d363f420c73f91343fc6117092da0c9b1d6000000000000000000000000"
    "00000000";
static const char response[] =
    "0200000001baf9b901cdab00675dd574ed7789310b3d2e7681f3790b466c773b1521fecf"
    "36577958371ea52fbd3aa8941394643bfd1d5336300c2e1810b7a4c31d3067048837359a"
    "3a96b0f100000000000000000000000000000000";
static const char key_to_responder[] =
    "f26d13be8f8fe7fe36805b47503285e73bcb2fc6fe3ef37834e5f6128ad8cf50";
static const char key_to_initiator[] =
    "083bdab92ffb8da7ab5063bb2d96de2b7e09008d8e07bcf96ac25c340a778665";
static const char cookie_reply[] =
    "0300000001cdab00000102030405060708090a0b0c0d0e0f1011121314151617a8959af3"
    "f914ca33554a31625977cfd2ea9455d877de131a79924210059bc8f7";
static const char cookie_text[] = "4d9112f99e78df1f536cb4687756790f";
static const char mac2_with_cookie[] = "5468832f6d60babf1b807893667e65ff";
static const char timestamp_text[] = "400000006ab13ba5075bcd15";

static void
counting(uint8_t first, uint8_t to[NOISE_KEY_LEN])
{
	for (size_t i = 0; i < NOISE_KEY_LEN; i++)
		to[i] = (uint8_t)(first + i);
}

/* Both ends as the vectors have them. */
static void
set_up(struct noise_peer *at_initiator, struct noise_peer *at_responder)
{
	struct noise_identity initiator, responder;
	uint8_t key[NOISE_KEY_LEN], psk[NOISE_KEY_LEN];

	counting(0x00, key);
	assert_true(noise_identity(&initiator, key));
	counting(0x20, key);
	assert_true(noise_identity(&responder, key));
	counting(0x80, psk);
	assert_true(
	    noise_peer(at_initiator, &initiator, responder.public_key, psk));
	assert_true(
	    noise_peer(at_responder, &responder, initiator.public_key, psk));
}

static void
write_initiation(struct noise *n, const struct noise_peer *peer,
    const uint8_t *cookie, uint8_t to[NOISE_INITIATION_LEN])
{
	uint8_t ephemeral[NOISE_KEY_LEN], timestamp[NOISE_TIMESTAMP_LEN];

	counting(0x40, ephemeral);
	unhex(timestamp_text, timestamp, sizeof(timestamp));
	n->our_index = 0x00abcd01;
	assert_true(
	    noise_write_initiation(n, peer, ephemeral, timestamp, cookie, to));
}

static void
test_initiator(void **state __attribute__((unused)))
{
	struct noise_peer us, them;
	struct noise n;
	struct noise_keys keys;
	uint8_t message[NOISE_INITIATION_LEN];

	set_up(&us, &them);
	write_initiation(&n, &us, NULL, message);
	assert_hex(message, NOISE_INITIATION_LEN, initiation);
	unhex(response, message, sizeof(message));
	for (size_t i = 0; i < NOISE_RESPONSE_LEN - NOISE_MAC_LEN; i++) {
		message[i] ^= 0x40;
		assert_false(noise_read_response(&n, &us, message, &keys));
		message[i] ^= 0x40;
	}
	assert_true(noise_read_response(&n, &us, message, &keys));
	assert_int_equal(n.their_index, 0xb9f9ba01);
	assert_hex(keys.sending, NOISE_KEY_LEN, key_to_responder);
	assert_hex(keys.receiving, NOISE_KEY_LEN, key_to_initiator);
}

static void
test_responder(void **state __attribute__((unused)))
{
	struct noise_peer us, them;
	struct noise n = { .our_index = 0xb9f9ba01 };
	struct noise_keys keys;
	uint8_t message[NOISE_INITIATION_LEN], ephemeral[NOISE_KEY_LEN];

	set_up(&them, &us);
	counting(0x60, ephemeral);
	unhex(initiation, message, sizeof(message));
	for (size_t i = 0; i < NOISE_INITIATION_LEN - NOISE_MAC_LEN; i++) {
		message[i] ^= 0x40;
		assert_false(noise_read_initiation(&n, &us, message));
		message[i] ^= 0x40;
	}
	assert_true(noise_read_initiation(&n, &us, message));
	assert_int_equal(n.their_index, 0x00abcd01);
	assert_true(
	    noise_write_response(&n, &us, ephemeral, NULL, message, &keys));
	assert_hex(message, NOISE_RESPONSE_LEN, response);
	assert_hex(keys.sending, NOISE_KEY_LEN, key_to_initiator);
	assert_hex(keys.receiving, NOISE_KEY_LEN, key_to_responder);
	unhex(initiation, message, sizeof(message));
	assert_false(noise_read_initiation(&n, &us, message)); /* a replay */
}

static void
test_cookie(void **state __attribute__((unused)))
{
	struct noise_peer us, them;
	struct noise n;
	uint8_t message[NOISE_INITIATION_LEN], reply[NOISE_COOKIE_LEN];
	uint8_t cookie[NOISE_MAC_LEN];

	set_up(&us, &them);
	write_initiation(&n, &us, NULL, message);
	unhex(cookie_reply, reply, sizeof(reply));
	for (size_t i = 0; i < NOISE_COOKIE_LEN; i++) {
		reply[i] ^= 1;
		assert_false(noise_read_cookie(&n, &us, reply, cookie));
		reply[i] ^= 1;
	}
	assert_true(noise_read_cookie(&n, &us, reply, cookie));
	assert_hex(cookie, sizeof(cookie), cookie_text);
	write_initiation(&n, &us, cookie, message);
	assert_hex(message + NOISE_INITIATION_LEN - NOISE_MAC_LEN,
	    NOISE_MAC_LEN, mac2_with_cookie);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_initiator),
		cmocka_unit_test(test_responder),
		cmocka_unit_test(test_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

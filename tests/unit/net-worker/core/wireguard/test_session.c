/*
 * net-worker/core/wireguard/session.c: data packets of firezone-tunnel(7),
 * WireGuard vectors; and what firezone-tunnel(7), WireGuard cases (4, 5 and 7),
 * ask of a session.
 */
#include <stdlib.h>

#include "common/buffer.h"
#include "net-worker/core/wireguard/session.h"
#include "tests/lib/wireguard_vectors.h"

static const struct mono start = { INT64_C(1000000000000) };

struct fixture {
	struct aead *aead;
	struct session initiator, responder;
};

static int
set_up(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct noise_keys keys = {
		.local_index = INITIATOR_INDEX,
		.remote_index = RESPONDER_INDEX,
		.initiator = true,
	};

	unhex(vector_key_to_responder, keys.send, sizeof(keys.send));
	unhex(vector_key_to_initiator, keys.receive, sizeof(keys.receive));
	session_init(&f->initiator, &keys, start);
	keys = (struct noise_keys){
		.local_index = RESPONDER_INDEX,
		.remote_index = INITIATOR_INDEX,
	};
	unhex(vector_key_to_initiator, keys.send, sizeof(keys.send));
	unhex(vector_key_to_responder, keys.receive, sizeof(keys.receive));
	session_init(&f->responder, &keys, start);
	f->aead = aead_new();
	*state = f;
	return f->aead == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	aead_free(f->aead);
	test_free(f);
	return 0;
}

static void
vectors(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[80], goodbye[48], *plain;

	session_seal(&f->initiator, f->aead, NULL, 0, packet);
	assert_hex(packet, 32, vector_keepalive_to_responder);
	assert_int_equal(
	    session_open(&f->responder, f->aead, packet, 32, &plain), 0);
	session_seal(&f->responder, f->aead, NULL, 0, packet);
	assert_hex(packet, 32, vector_keepalive_to_initiator);
	assert_int_equal(
	    session_open(&f->initiator, f->aead, packet, 32, &plain), 0);

	unhex(vector_goodbye, goodbye, sizeof(goodbye));
	session_seal(&f->responder, f->aead, goodbye, sizeof(goodbye), packet);
	assert_hex(packet, sizeof(packet), vector_goodbye_sealed);
	assert_int_equal(session_open(&f->initiator, f->aead, packet,
			     sizeof(packet), &plain),
	    48);
	assert_ptr_equal(plain, packet + MESSAGE_DATA_HEADER_LEN);
	assert_memory_equal(plain, goodbye, sizeof(goodbye));
	assert_int_equal(f->responder.send_counter, 2);
}

static void
in_place_and_back(void **state)
{
	static const size_t lengths[] = { 1, 20, 576, 1279, 1280 };
	struct fixture *f = *state;
	uint8_t packet[1280 + MESSAGE_DATA_MIN], *plain;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t len = lengths[i];
		uint8_t want[1280];

		counting((uint8_t)i, want, len);
		memcpy(packet + MESSAGE_DATA_HEADER_LEN, want, len);
		session_seal(&f->initiator, f->aead,
		    packet + MESSAGE_DATA_HEADER_LEN, len, packet);
		assert_int_equal(
		    message_classify(packet, len + MESSAGE_DATA_MIN),
		    MESSAGE_DATA);
		assert_int_equal(session_open(&f->responder, f->aead, packet,
				     len + MESSAGE_DATA_MIN, &plain),
		    (int)len);
		assert_memory_equal(plain, want, len);
	}
}

static void
changed_packets_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t sealed[80], packet[80], *plain;

	counting(1, packet, 48);
	session_seal(&f->initiator, f->aead, packet, 48, sealed);
	/* The type and its reserved bytes are message_classify()'s. */
	for (size_t bit = 4 * 8; bit < 8 * sizeof(sealed); bit++) {
		memcpy(packet, sealed, sizeof(packet));
		packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(session_open(&f->responder, f->aead, packet,
				     sizeof(packet), &plain),
		    -1);
	}
	for (size_t len = 0; len < sizeof(sealed); len++) {
		memcpy(packet, sealed, sizeof(packet));
		assert_int_equal(
		    session_open(&f->responder, f->aead, packet, len, &plain),
		    -1);
	}
	/* None of them has moved the window. */
	assert_int_equal(f->responder.replay.next, 0);
	assert_int_equal(session_open(&f->responder, f->aead, sealed,
			     sizeof(sealed), &plain),
	    48);
}

static void
of_another_session(void **state)
{
	struct fixture *f = *state;
	uint8_t packet[32], *plain;

	session_seal(&f->responder, f->aead, NULL, 0, packet);
	assert_int_equal(session_open(&f->responder, f->aead, packet,
			     sizeof(packet), &plain),
	    -1);
	store_le32(packet + 4, RESPONDER_INDEX);
	assert_int_equal(session_open(&f->responder, f->aead, packet,
			     sizeof(packet), &plain),
	    -1);
}

static void
replays_are_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t sealed[4][33], packet[33], *plain;
	static const struct {
		size_t packet;
		int want;
	} steps[] = { { 1, 1 }, { 1, -1 }, { 0, 1 }, { 0, -1 }, { 3, 1 },
		{ 1, -1 }, { 2, 1 }, { 2, -1 }, { 3, -1 } };

	for (size_t i = 0; i < 4; i++)
		session_seal(
		    &f->initiator, f->aead, (const uint8_t *)"x", 1, sealed[i]);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		memcpy(packet, sealed[steps[i].packet], sizeof(packet));
		assert_int_equal(session_open(&f->responder, f->aead, packet,
				     sizeof(packet), &plain),
		    steps[i].want);
	}
}

static void
behind_the_window(void **state)
{
	struct fixture *f = *state;
	uint8_t first[2][32], packet[32], *plain;

	session_seal(&f->initiator, f->aead, NULL, 0, first[0]);
	session_seal(&f->initiator, f->aead, NULL, 0, first[1]);
	f->initiator.send_counter = REPLAY_WINDOW;
	session_seal(&f->initiator, f->aead, NULL, 0, packet);
	assert_int_equal(
	    session_open(&f->responder, f->aead, packet, 32, &plain), 0);
	assert_int_equal(
	    session_open(&f->responder, f->aead, first[0], 32, &plain), -1);
	assert_int_equal(
	    session_open(&f->responder, f->aead, first[1], 32, &plain), 0);
}

static void
ages(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int64_t ms;
		bool initiator_sends, responder_sends, expired;
	} table[] = {
		{ 0, true, true, false },
		{ 169999, true, true, false },
		{ 170000, false, true, false },
		{ 179999, false, true, false },
		{ 180000, false, false, true },
		{ 999999999, false, false, true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct mono now = mono_add_ms(start, table[i].ms);

		assert_int_equal(session_may_send(&f->initiator, now),
		    table[i].initiator_sends);
		assert_int_equal(session_may_send(&f->responder, now),
		    table[i].responder_sends);
		assert_int_equal(
		    session_expired(&f->initiator, now), table[i].expired);
		assert_int_equal(
		    session_expired(&f->responder, now), table[i].expired);
	}
}

static void
no_counter_is_used_twice(void **state)
{
	struct fixture *f = *state;

	f->initiator.send_counter = UINT64_MAX - REPLAY_WINDOW - 1;
	assert_true(session_may_send(&f->initiator, start));
	f->initiator.send_counter++;
	assert_false(session_may_send(&f->initiator, start));
}

static void
nothing_is_left(void **state)
{
	struct fixture *f = *state;

	session_wipe(&f->initiator);
	assert_int_equal(sodium_is_zero((const uint8_t *)&f->initiator,
			     sizeof(f->initiator)),
	    1);
}

static void
inner_lengths(void **state)
{
	static const struct {
		const char *start;
		size_t len;
		int want;
	} table[] = {
		{ "", 0, 0 },
		{ "45 00 0014", 20, 20 },
		{ "45 00 0014", 32, 20 },
		{ "45 00 0014", 19, -1 },
		{ "45 00 0015", 20, -1 },
		{ "45 00 0015", 21, 21 },
		{ "45 00 0013", 20, -1 },
		{ "45 00 0000", 20, -1 },
		{ "45 00 ffff", 1280, -1 },
		{ "45", 1, -1 },
		{ "60000000 0000", 40, 40 },
		{ "60000000 0000", 48, 40 },
		{ "60000000 0000", 39, -1 },
		{ "60000000 0001", 40, -1 },
		{ "60000000 0001", 41, 41 },
		{ "60000000 ffff", 1280, -1 },
		{ "60", 1, -1 },
		{ "00", 40, -1 },
		{ "30", 40, -1 },
		{ "50", 40, -1 },
		{ "70", 40, -1 },
		{ "f0", 40, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		/* Nothing behind its end, so that ASan sees who looks there. */
		uint8_t *plain = calloc(1, table[i].len);

		assert_non_null(plain);
		unhex(table[i].start, plain, table[i].len);
		if (session_inner_length(plain, table[i].len) != table[i].want)
			fail_msg("row %zu", i);
		free(plain);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(vectors),
		T(in_place_and_back),
		T(changed_packets_are_refused),
		T(of_another_session),
		T(replays_are_refused),
		T(behind_the_window),
		T(ages),
		T(no_counter_is_used_twice),
		T(nothing_is_left),
		T(inner_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

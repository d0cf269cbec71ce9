/* net-worker/core/wireguard/message.c: types against lengths. */
#include "net-worker/core/wireguard/message.h"
#include "tests/lib/unit.h"

static void
types_and_lengths(void **state)
{
	static const struct {
		uint8_t type;
		size_t least, most;
	} table[] = {
		{ 1, 148, 148 },
		{ 2, 92, 92 },
		{ 3, 64, 64 },
		{ 4, 32, SIZE_MAX },
	};
	uint8_t message[2048] = { 0 };

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		message[0] = (uint8_t)type;
		for (size_t len = 0; len <= sizeof(message); len++) {
			unsigned want = MESSAGE_INVALID;

			for (size_t i = 0; i < 4; i++)
				if (table[i].type == type &&
				    len >= table[i].least &&
				    len <= table[i].most)
					want = type;
			assert_int_equal(message_classify(message, len), want);
		}
	}
}

static void
reserved_bytes_are_zero(void **state)
{
	static const size_t lengths[] = { 148, 92, 64, 32 };
	uint8_t message[148] = { 0 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		message[0] = (uint8_t)(i + 1);
		assert_int_equal(message_classify(message, lengths[i]), i + 1);
		for (size_t bit = 8; bit < 32; bit++) {
			message[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(message_classify(message, lengths[i]),
			    MESSAGE_INVALID);
			message[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void
receivers(void **state)
{
	uint8_t message[12];

	(void)state;
	unhex("04000000 01cdab00 01baf9b9", message, sizeof(message));
	assert_int_equal(
	    message_receiver(MESSAGE_RESPONSE, message), 0xb9f9ba01);
	assert_int_equal(message_receiver(MESSAGE_COOKIE, message), 0x00abcd01);
	assert_int_equal(message_receiver(MESSAGE_DATA, message), 0x00abcd01);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_and_lengths),
		cmocka_unit_test(reserved_bytes_are_zero),
		cmocka_unit_test(receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

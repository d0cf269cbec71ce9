/* inner/probe.c: the vectors of the page, and what is no probe. */
#include "net-worker/core/inner/probe.h"

#include "net-worker/core/inner/packet.h"
#include "tests/lib/unit.h"

static const char vector_request[] =
    "6000000000083a4001000000000000000000dead01ce0001"
    "01000000000000000000dead01ce00028000541612345678";
static const char vector_reply[] =
    "6000000000083a4001000000000000000000dead01ce0001"
    "01000000000000000000dead01ce00028100531612345678";

static void
bytes_of_the_page(void **state)
{
	struct probe probe = { .id = 0x1234, .sequence = 0x5678 };
	uint8_t packet[PROBE_PACKET_LEN];

	(void)state;
	probe_packet_write(&probe, packet);
	assert_hex(packet, sizeof(packet), vector_request);
	probe.is_reply = true;
	probe_packet_write(&probe, packet);
	assert_hex(packet, sizeof(packet), vector_reply);
}

static void
every_id_and_sequence(void **state)
{
	uint8_t packet[PROBE_PACKET_LEN];
	struct packet p;

	(void)state;
	for (unsigned i = 0; i <= UINT16_MAX; i++) {
		struct probe probe = {
			.is_reply = i % 3 == 0,
			.id = (uint16_t)i,
			.sequence = (uint16_t)(i * 40503),
		};
		struct probe read = { 0 };

		probe_packet_write(&probe, packet);
		assert_true(probe_packet_read(packet, sizeof(packet), &read));
		assert_int_equal(read.is_reply, probe.is_reply);
		assert_int_equal(read.id, probe.id);
		assert_int_equal(read.sequence, probe.sequence);
	}
	/* The common parser agrees that it is an echo. */
	assert_int_equal(packet_parse(packet, sizeof(packet), &p), PACKET_OK);
	assert_int_equal(p.kind, PACKET_ICMP_ECHO);
}

static void
others_are_none(void **state)
{
	uint8_t packet[PROBE_PACKET_LEN + 1] = { 0 };
	struct probe probe;

	(void)state;
	unhex(vector_request, packet, sizeof(packet));
	assert_true(probe_packet_read(packet, PROBE_PACKET_LEN, &probe));
	assert_false(probe_packet_read(packet, PROBE_PACKET_LEN + 1, &probe));
	assert_false(probe_packet_read(packet, PROBE_PACKET_LEN - 1, &probe));
	/* No bit of it is of no account, but for those that routers own. */
	for (size_t i = 0; i < PROBE_PACKET_LEN * 8; i++) {
		size_t byte = i / 8;
		bool free_bits = (byte == 0 && i % 8 < 4) ||
		    (byte > 0 && byte < 4) || byte == 7;

		packet[byte] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(
		    probe_packet_read(packet, PROBE_PACKET_LEN, &probe),
		    free_bits);
		packet[byte] ^= (uint8_t)(1u << i % 8);
	}
	/* Swapped addresses, with the same checksum, are not a reply. */
	packet[23] = 2;
	packet[39] = 1;
	assert_false(probe_packet_read(packet, PROBE_PACKET_LEN, &probe));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_the_page),
		cmocka_unit_test(every_id_and_sequence),
		cmocka_unit_test(others_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

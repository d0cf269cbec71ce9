/*
 * Probes and candidate lines of the ICE-less mode against the bytes of
 * firezone-tunnel(7), Probe vectors and Candidate vectors.
 */
#include "tests/client/iceless_line.h"
#include "tests/client/probe.h"

#include "tests/lib/unit.h"

static const char request[] =
    "6000000000083a4001000000000000000000dead01ce0001"
    "01000000000000000000dead01ce00028000541612345678";
static const char reply[] = "6000000000083a4001000000000000000000dead01ce0001"
			    "01000000000000000000dead01ce00028100531612345678";

static const char *const lines[] = {
	"candidate:12999419422781993015 1 udp 2130706431 10.0.0.4 52625 typ "
	"host",
	"candidate:17965137633003889963 1 udp 1694498815 203.0.113.7 40000 typ "
	"srflx raddr 10.0.0.4 rport 52625",
	"candidate:6636001685155583157 1 udp 16777215 198.51.100.9 50001 typ "
	"relay raddr 10.0.0.4 rport 52625",
};

static void
test_probe_vectors(void **state __attribute__((unused)))
{
	struct probe p = { .id = 0x1234, .sequence = 0x5678 };
	uint8_t packet[PROBE_LEN];

	probe_write(&p, packet);
	assert_hex(packet, PROBE_LEN, request);
	p.reply = true;
	probe_write(&p, packet);
	assert_hex(packet, PROBE_LEN, reply);
}

static void
test_probe_numbers(void **state __attribute__((unused)))
{
	struct probe p = { 0 }, got;
	uint8_t packet[PROBE_LEN];

	for (uint32_t i = 0; i <= UINT16_MAX; i++) {
		p.id = (uint16_t)i;
		p.sequence = (uint16_t)~i;
		p.reply = i % 3 == 0;
		probe_write(&p, packet);
		assert_true(probe_read(packet, PROBE_LEN, &got));
		assert_int_equal(got.id, p.id);
		assert_int_equal(got.sequence, p.sequence);
		assert_int_equal(got.reply, p.reply);
	}
}

/* Each byte counts: what is not a probe goes to the device. */
static void
test_other_packets(void **state __attribute__((unused)))
{
	uint8_t packet[PROBE_LEN + 1] = { 0 };
	struct probe p;

	unhex(request, packet, sizeof(packet));
	for (size_t i = 0; i < PROBE_LEN; i++) {
		packet[i] ^= 0x40;
		assert_false(probe_read(packet, PROBE_LEN, &p));
		packet[i] ^= 0x40;
	}
	assert_false(probe_read(packet, PROBE_LEN - 1, &p));
	assert_false(probe_read(packet, PROBE_LEN + 1, &p));
	assert_true(probe_read(packet, PROBE_LEN, &p));
}

static void
test_line_vectors(void **state __attribute__((unused)))
{
	struct iceless_candidate c;
	char text[ICELESS_LINE_SIZE];

	for (size_t i = 0; i < 3; i++) {
		assert_true(iceless_line_parse(lines[i], &c));
		assert_int_equal(c.kind, i);
		assert_int_equal(c.base.port, 52625);
		iceless_line_format(&c, text);
		assert_string_equal(text, lines[i]);
	}
}

static void
test_ipv6_lines(void **state __attribute__((unused)))
{
	struct iceless_candidate c, again;
	char text[ICELESS_LINE_SIZE];

	for (unsigned kind = 0; kind < 3; kind++) {
		c = (struct iceless_candidate){ .kind =
						    (enum iceless_kind)kind };
		assert_true(endpoint_parse("[2001:db8::1]:4001", &c.address));
		c.base = c.address;
		/* A relay may be reached by the other family. */
		if (kind == ICELESS_SRFLX)
			assert_true(endpoint_parse("[2001:db8::7]:7", &c.base));
		if (kind == ICELESS_RELAY)
			assert_true(endpoint_parse("10.0.0.7:7", &c.base));
		iceless_line_format(&c, text);
		assert_true(iceless_line_parse(text, &again));
		assert_true(iceless_candidate_equal(&c, &again));
	}
}

static void
test_bad_lines(void **state __attribute__((unused)))
{
	static const char *const bad[] = {
		"",
		"garbage",
		"candidate:1 1 udp 5 10.0.0.4 52625 typ host ufrag ejqt",
		"candidate:1 2 udp 5 10.0.0.4 52625 typ host",
		"candidate:1 1 tcp 5 10.0.0.4 52625 typ host",
		"candidate:1 1 udp 5 10.0.0.400 52625 typ host",
		"candidate:1 1 udp 5 10.0.0.4 0 typ host",
		"candidate:1 1 udp 5 10.0.0.4 65536 typ host",
		"candidate:1 1 udp 5 0.0.0.0 1 typ host",
		"candidate:1 1 udp 5 169.254.1.1 1 typ host",
		"candidate:1 1 udp 5 224.0.0.1 1 typ host",
		"candidate:1 1 udp 5 255.255.255.255 1 typ host",
		"candidate:1 1 udp 5 ff02::1 1 typ host",
		"candidate:1 1 udp 5 :: 1 typ host",
		"candidate:1 1 udp 5 203.0.113.7 1 typ prflx raddr 10.0.0.4 "
		"rport 1",
		"candidate:1 1 udp 5 203.0.113.7 1 typ srflx",
		"candidate:1 1 udp 5 203.0.113.7 1 typ relay",
		"candidate:1 1 udp 5 203.0.113.7 1 typ srflx raddr 0.0.0.0 "
		"rport 0",
		"candidate:1 1 udp 5 203.0.113.7 1 typ srflx raddr ::1 "
		"rport 1",
		"candidate:1 1 udp 5 203.0.113.7 1 typ srflx raddr 10.0.0.4",
		"candidate:1 1 udp 5 203.0.113.7 1 typ srflx raddr 10.0.0.4 "
		"rport 1 ufrag ejqt",
	};
	struct iceless_candidate c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (iceless_line_parse(bad[i], &c))
			fail_msg("taken: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probe_vectors),
		cmocka_unit_test(test_probe_numbers),
		cmocka_unit_test(test_other_packets),
		cmocka_unit_test(test_line_vectors),
		cmocka_unit_test(test_ipv6_lines),
		cmocka_unit_test(test_bad_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

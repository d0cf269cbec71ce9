/* The two ICMP answers: firezone-policy(7), ICMP replies. */
#include "tests/lib/packets.h"

#include "net-worker/core/inner/icmp.h"

static void
matches_the_vectors(void **state)
{
	static const struct {
		const char *offending;
		enum icmp_reply reply;
		const char *answer;
	} table[] = {
		{ "450000240000000040110c88644000010a00000100010050"
		  "0010913b0000000000000000",
		    ICMP_PROHIBITED,
		    "4500003800000000140138840a00000164400001030d6b56"
		    "00000000450000240000000040110c88644000010a000001"
		    "000100500010913b" },
		{ "450000240000000040110c88644000010a00000100010050"
		  "0010913b0000000000000000",
		    ICMP_UNREACHABLE,
		    "4500003800000000140138840a0000016440000103006b63"
		    "00000000450000240000000040110c88644000010a000001"
		    "000100500010913b" },
		{ "6000000000101140fd002021111100000000000000000001"
		  "fd0020211111800000000000000000000001005000102316"
		  "0000000000000000",
		    ICMP_PROHIBITED,
		    "6000000000403a14fd002021111180000000000000000000"
		    "fd0020211111000000000000000000010101b0ed00000000"
		    "6000000000101140fd002021111100000000000000000001"
		    "fd0020211111800000000000000000000001005000102316"
		    "0000000000000000" },
		{ "6000000000101140fd002021111100000000000000000001"
		  "fd0020211111800000000000000000000001005000102316"
		  "0000000000000000",
		    ICMP_UNREACHABLE,
		    "6000000000403a14fd002021111180000000000000000000"
		    "fd0020211111000000000000000000010103b0eb00000000"
		    "6000000000101140fd002021111100000000000000000001"
		    "fd0020211111800000000000000000000001005000102316"
		    "0000000000000000" },
	};
	uint8_t data[128], answer[INNER_PACKET_MAX];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		size_t len = unhex(table[i].offending, data, sizeof(data));

		p = parsed(data, len);
		len = icmp_build(table[i].reply, &p, answer);
		assert_hex(answer, len, table[i].answer);
	}
}

/* Whether it is well formed and answers the offending packet. */
static void
check_answer(const struct packet *offending, size_t quoted)
{
	uint8_t *answer = malloc(INNER_PACKET_MAX);
	size_t len = icmp_build(ICMP_PROHIBITED, offending, answer);
	struct packet p = parsed(answer, len);
	bool v4 = p.source.family == IP_V4;
	size_t header = v4 ? 20 : 40;
	uint32_t pseudo =
	    v4 ? 0 : checksum_pseudo(&p.source, &p.destination, 58, len - 40);

	assert_int_equal(len, header + 8 + quoted);
	assert_true(ip_equal(&p.source, &offending->destination));
	assert_true(ip_equal(&p.destination, &offending->source));
	assert_memory_equal(answer + header + 8, offending->data, quoted);
	assert_int_equal(checksum_finish(checksum_add(
			     pseudo, answer + header, len - header)),
	    0);
	if (v4)
		assert_int_equal(
		    checksum_finish(checksum_add(0, answer, 20)), 0);
	free(answer);
}

static void
quotes_every_length(void **state)
{
	struct ip_address v4 = ip("100.64.0.1"), v6 = ip("fd00:2021:1111::1");
	uint8_t data[2048], payload[INNER_PACKET_MAX];
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	for (size_t n = 0; n <= INNER_PACKET_MAX - 20; n++) {
		p = parsed(data, build_ip(data, &v4, &v4, 47, payload, n));
		check_answer(&p, n < 8 ? 20 + n : 28);
	}
	for (size_t n = 0; n <= INNER_PACKET_MAX - 40; n++) {
		p = parsed(data, build_ip(data, &v6, &v6, 47, payload, n));
		check_answer(&p, 40 + n < 1232 ? 40 + n : 1232);
	}
}

static void
quotes_options(void **state)
{
	uint8_t data[256];
	struct packet p;
	size_t len;

	(void)state;
	len = unhex("4f00004c 00000000 40060000 64400001 0a000001", data, 256);
	memset(data + len, 1, 40);
	data[len + 40 + 12] = 0x50;
	memset(data + len + 40, 0, 12);
	data[3] = 80;
	memset(data + len + 53, 0, 7);
	p = parsed(data, 80);
	check_answer(&p, 68);
}

/* The client finds its flow again in what we quote. */
static void
quote_names_the_flow(void **state)
{
	static const char *const pairs[][2] = {
		{ "100.64.0.1", "10.0.0.1" },
		{ "fd00:2021:1111::1", "2001:db8::1" },
	};
	uint8_t data[256], answer[INNER_PACKET_MAX];
	struct packet p, a, q;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct ip_address from = ip(pairs[i][0]), to = ip(pairs[i][1]);

		p = parsed(data, build_ports(data, &from, &to, 6, 4711, 443));
		a = parsed(answer, icmp_build(ICMP_UNREACHABLE, &p, answer));
		assert_int_equal(a.kind, PACKET_ICMP_ERROR);
		assert_true(packet_quote(&a, &q));
		assert_int_equal(q.kind, PACKET_TCP);
		assert_int_equal(q.source_port, 4711);
		assert_int_equal(q.destination_port, 443);
		assert_true(ip_equal(&q.destination, &to));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_the_vectors),
		cmocka_unit_test(quotes_every_length),
		cmocka_unit_test(quotes_options),
		cmocka_unit_test(quote_names_the_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

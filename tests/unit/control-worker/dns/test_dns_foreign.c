/*
 * DNS messages that are passed on: RFC 1035 4.1, firezone-policy(7), Accepted
 * queries and DNS answers.
 */
#include "tests/lib/unit.h"

#include "common/buffer.h"
#include "control-worker/dns/foreign.h"

#define QUESTION              "01 61 04 74657374 00 0010 0001 " /* a.test TXT IN */
#define HEAD_LEN              (12 + 12)
#define HEADER(flags, counts) "abcd " flags " " counts " "
#define TXT(name)             name " 0010 0001 0000003c 0002 01 61 "

static const struct {
	const char *hex;
	bool query, answer;
} cases[] = {
	{ HEADER("0100", "0001 0000 0000 0000") QUESTION, true, false },
	{ HEADER("8180", "0001 0000 0000 0000") QUESTION, false, true },
	/* Any opcode, any type and class, whatever stands in the rest. */
	{ HEADER("7fff", "0001 0000 ffff ffff") QUESTION "ff", true, false },
	{ HEADER("0000", "0001 0000 0000 0000") "00 ffff ffff", true, false },
	/* With EDNS. */
	{ HEADER("0120", "0001 0000 0000 0001") QUESTION
	    "00 0029 04d0 00000000 0000",
	    true, false },
	/* Questions: none, two, none at all. */
	{ HEADER("0100", "0000 0000 0000 0000"), false, false },
	{ HEADER("0100", "0002 0000 0000 0000") QUESTION QUESTION, false,
	    false },
	{ HEADER("0100", "0001 0000 0000 0000"), false, false },
	/* The name of the question: of other label types, by a pointer. */
	{ HEADER("0100", "0001 0000 0000 0000") "40 00 0010 0001", false,
	    false },
	{ HEADER("0100", "0001 0000 0000 0000") "c00c 0010 0001", false,
	    false },
	/* Answers that can be read, and not. */
	{ HEADER("8180", "0001 0001 0000 0000") QUESTION TXT("c00c"), false,
	    true },
	{ HEADER("8180", "0001 0002 0000 0000") QUESTION TXT("c00c")
		TXT("01 62 c00e"),
	    false, true },
	{ HEADER("8180", "0001 0002 0000 0000") QUESTION TXT("c00c"), false,
	    false },
	{ HEADER("0100", "0001 0001 0000 0000") QUESTION TXT("c00c"), true,
	    false },
	/* A pointer to itself, forward, into the header. */
	{ HEADER("8180", "0001 0001 0000 0000") QUESTION TXT("c018"), false,
	    false },
	{ HEADER("8180", "0001 0001 0000 0000") QUESTION TXT("01 61 c018"),
	    false, false },
	{ HEADER("8180", "0001 0001 0000 0000") QUESTION TXT("c040"), false,
	    false },
	{ HEADER("8180", "0001 0001 0000 0000") QUESTION TXT("c00b"), false,
	    false },
};

static void
messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t bytes[256];
		size_t len = unhex(cases[i].hex, bytes, sizeof(bytes));

		assert_int_equal(
		    dns_query_head(bytes, len) != 0, cases[i].query);
		assert_int_equal(
		    dns_answer_head(bytes, len) != 0, cases[i].answer);
	}
}

static void
truncated_at_each_byte(void **state)
{
	uint8_t bytes[256];
	size_t len = unhex(HEADER("8180", "0001 0001 0000 0000")
			       QUESTION TXT("01 62 c00e"),
	    bytes, sizeof(bytes));

	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(dns_answer_head(bytes, n), 0);
	assert_int_equal(dns_answer_head(bytes, len), HEAD_LEN);
	bytes[2] &= 0x7f;
	store_be16(bytes + 6, 0);
	for (size_t n = 0; n < HEAD_LEN; n++)
		assert_int_equal(dns_query_head(bytes, n), 0);
	assert_int_equal(dns_query_head(bytes, HEAD_LEN), HEAD_LEN);
}

/* Labels of 63 bytes, and a name of 255 with its end; one more is too long. */
static void
longest_name(void **state)
{
	uint8_t bytes[DNS_HEAD_MAX + 8] = { 0xab, 0xcd, 1, 0, 0, 1 };
	size_t at = DNS_HEADER_LEN;

	(void)state;
	for (int i = 0; i < 3; i++, at += 64)
		bytes[at] = 63;
	bytes[at] = 61;
	assert_int_equal(dns_query_head(bytes, sizeof(bytes)), DNS_HEAD_MAX);
	assert_int_equal(dns_query_head(bytes, DNS_HEAD_MAX), DNS_HEAD_MAX);
	assert_int_equal(dns_query_head(bytes, DNS_HEAD_MAX - 1), 0);
	bytes[at] = 62;
	assert_int_equal(dns_query_head(bytes, sizeof(bytes)), 0);
}

/* Id, opcode, RD and question stay; all else is as for nothing at all. */
static void
servfail(void **state)
{
	uint8_t bytes[64];
	size_t len = unhex(HEADER("7fff", "0001 0000 0007 0008") QUESTION,
	    bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(dns_query_head(bytes, len), HEAD_LEN);
	dns_make_servfail(bytes);
	assert_hex(bytes, len, HEADER("f902", "0001 0000 0000 0000") QUESTION);
	len = unhex(HEADER("0000", "0001 0000 0000 0001") QUESTION, bytes,
	    sizeof(bytes));
	dns_make_servfail(bytes);
	assert_hex(bytes, len, HEADER("8002", "0001 0000 0000 0000") QUESTION);
}

/* TC is added; RCODE and the other flags stay. */
static void
cut_short(void **state)
{
	uint8_t bytes[64];
	size_t len = unhex(HEADER("85a3", "0001 0007 0008 0009") QUESTION,
	    bytes, sizeof(bytes));

	(void)state;
	dns_make_truncated(bytes);
	assert_hex(bytes, len, HEADER("87a3", "0001 0000 0000 0000") QUESTION);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages),
		cmocka_unit_test(truncated_at_each_byte),
		cmocka_unit_test(longest_name),
		cmocka_unit_test(servfail),
		cmocka_unit_test(cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* DNS questions and answers: RFC 1035, spec/policy.md 7.5. */
#include "tests/unit/unit.h"

#include "control-worker/dns/message.h"

#define ID 0xabcd

/* The question for a.test, and the start of an answer to it. */
#define QUESTION               "01 61 04 74 65 73 74 00 0001 0001 "
#define HEADER(flags, answers) "abcd " flags " 0001 " answers " 0000 0000 "
#define A(address)             "c00c 0001 0001 0000003c 0004 " address " "

static uint8_t query[DNS_QUERY_MAX];
static size_t query_len;

static enum dns_result
parse(const char *hex, enum ip_family family, struct dns_answer *answer)
{
	uint8_t bytes[1024];
	size_t len = unhex(hex, bytes, sizeof(bytes));

	return dns_answer_parse(query, query_len, bytes, len, family, answer);
}

static int
set_up(void **state)
{
	(void)state;
	query_len = dns_query_build("a.test", IP_V4, ID, query);
	return 0;
}

static void
test_query(void **state)
{
	uint8_t other[DNS_QUERY_MAX];
	char name[300];

	(void)state;
	assert_hex(query, query_len, "abcd 0100 0001 0000 0000 0000 " QUESTION);
	assert_int_equal(
	    dns_query_build("a.test.", IP_V6, 1, other), query_len);
	assert_hex(other, query_len,
	    "0001 0100 0001 0000 0000 0000 01 61 04 74657374 00 001c 0001");
	assert_int_equal(dns_query_build("a..test", IP_V4, 1, other), 0);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_int_equal(dns_query_build(name, IP_V4, 1, other), 0);
	for (size_t i = 0; i < 299; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[299] = '\0';
	assert_int_equal(dns_query_build(name, IP_V4, 1, other), 0);
}

static const struct {
	const char *hex;
	enum dns_result result;
	size_t count;
} answers[] = {
	{ HEADER("8180", "0001") QUESTION A("c0000201"), DNS_ANSWERED, 1 },
	{ HEADER("8180", "0002") QUESTION A("c0000201") A("c0000202"),
	    DNS_ANSWERED, 2 },
	/* The server may change the case of the question. */
	{ HEADER("8180", "0001") "01 41 04 54455354 00 0001 0001 " A(
	      "c0000201"),
	    DNS_ANSWERED, 1 },
	/* a.test is an alias of b.test. */
	{ HEADER("8180", "0002") QUESTION
	    "c00c 0005 0001 0000003c 0004 0162 c00e "
	    "0162 c00e 0001 0001 0000003c 0004 c0000203",
	    DNS_ANSWERED, 1 },
	{ HEADER("8180", "0000") QUESTION, DNS_ANSWERED, 0 },
	{ HEADER("8183", "0000") QUESTION, DNS_ANSWERED, 0 },
	{ HEADER("8182", "0000") QUESTION, DNS_FAILED, 0 },
	{ HEADER("8185", "0000") QUESTION, DNS_FAILED, 0 },
	{ "abcd 8181 0000 0000 0000 0000", DNS_FAILED, 0 },
	{ HEADER("8380", "0000") QUESTION, DNS_TRUNCATED, 0 },
	/* Another id, a question instead of an answer, another opcode. */
	{ "abce 8180 0001 0001 0000 0000 " QUESTION A("c0000201"), DNS_MISMATCH,
	    0 },
	{ HEADER("0180", "0001") QUESTION A("c0000201"), DNS_MISMATCH, 0 },
	{ HEADER("a180", "0001") QUESTION A("c0000201"), DNS_MISMATCH, 0 },
	/* Another name, type, class; two questions; none. */
	{ HEADER("8180", "0001") "01 62 04 74657374 00 0001 0001 " A(
	      "c0000201"),
	    DNS_MISMATCH, 0 },
	{ HEADER("8180", "0001") "01 61 04 74657374 00 001c 0001 " A(
	      "c0000201"),
	    DNS_MISMATCH, 0 },
	{ HEADER("8180", "0001") "01 61 04 74657374 00 0001 0003 " A(
	      "c0000201"),
	    DNS_MISMATCH, 0 },
	{ "abcd 8180 0002 0001 0000 0000 " QUESTION QUESTION A("c0000201"),
	    DNS_MISMATCH, 0 },
	{ "abcd 8180 0000 0001 0000 0000 " A("c0000201"), DNS_MISMATCH, 0 },
	{ "", DNS_MISMATCH, 0 },
};

static void
test_answers(void **state)
{
	struct dns_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		assert_int_equal(
		    parse(answers[i].hex, IP_V4, &answer), answers[i].result);
		assert_int_equal(answer.count, answers[i].count);
	}
	parse(answers[3].hex, IP_V4, &answer);
	assert_hex(answer.addresses[0].bytes, 4, "c0000203");
}

static void
test_v6(void **state)
{
	struct dns_answer answer;

	(void)state;
	query_len = dns_query_build("a.test", IP_V6, ID, query);
	assert_int_equal(
	    parse(HEADER("8180", "0001") "01 61 04 74657374 00 001c 0001 c00c "
					 "001c 0001 0000003c 0010 "
					 "20010db8000000000000000000000001",
		IP_V6, &answer),
	    DNS_ANSWERED);
	assert_int_equal(answer.count, 1);
	assert_int_equal(answer.addresses[0].family, IP_V6);
	assert_hex(
	    answer.addresses[0].bytes, 16, "20010db8000000000000000000000001");
	set_up(NULL);
}

static void
test_truncations(void **state)
{
	struct dns_answer answer;
	uint8_t bytes[256];

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		size_t len = unhex(answers[i].hex, bytes, sizeof(bytes));

		for (size_t cut = 0; cut < len; cut++) {
			uint8_t *exact = test_malloc(cut + 1);

			memcpy(exact, bytes, cut);
			dns_answer_parse(
			    query, query_len, exact, cut, IP_V4, &answer);
			assert_true(answer.count <= answers[i].count);
			test_free(exact);
		}
	}
}

static void
test_many_addresses_are_cut(void **state)
{
	char hex[8192] = HEADER("8180", "0028") QUESTION;
	struct dns_answer answer;

	(void)state;
	for (int i = 0; i < 40; i++)
		strcat(hex, A("c0000201"));
	assert_int_equal(parse(hex, IP_V4, &answer), DNS_ANSWERED);
	assert_int_equal(answer.count, DNS_ADDRESSES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_many_addresses_are_cut),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

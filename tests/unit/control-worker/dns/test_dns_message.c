/*
 * DNS questions and answers: RFC 1035, firezone-policy(7), Forwarding and DNS
 * answers.
 */
#include "tests/lib/unit.h"

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

/* The length of the query; 0 when it is no name. */
static size_t
build(const char *text, enum ip_family family, uint16_t id, uint8_t *to)
{
	struct dns_name name;

	return dns_name_parse(text, &name) && !dns_name_is_onion(&name)
	    ? dns_query_build(&name, family, id, to)
	    : 0;
}

static int
set_up(void **state)
{
	(void)state;
	query_len = build("a.test", IP_V4, ID, query);
	return 0;
}

static void
test_query(void **state)
{
	uint8_t other[DNS_QUERY_MAX];
	char name[300];

	(void)state;
	assert_hex(query, query_len, "abcd 0100 0001 0000 0000 0000 " QUESTION);
	assert_int_equal(build("a.test.", IP_V6, 1, other), query_len);
	assert_hex(other, query_len,
	    "0001 0100 0001 0000 0000 0000 01 61 04 74657374 00 001c 0001");
	assert_int_equal(build("a..test", IP_V4, 1, other), 0);
	memset(name, 'a', sizeof(name));
	name[64] = '\0';
	assert_int_equal(build(name, IP_V4, 1, other), 0);
	for (size_t i = 0; i < 299; i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	name[299] = '\0';
	assert_int_equal(build(name, IP_V4, 1, other), 0);
}

/* Labels hold any octet; what the text of a name cannot say it escapes. */
static void
test_query_octets(void **state)
{
	static const struct {
		const char *name, *labels; /* NULL: it is none */
	} names[] = {
		{ "a b.test", "03 612062 04 74657374 00" },
		{ "*.test", "01 2a 04 74657374 00" },
		{ "\xc3\xbc.test", "02 c3bc 04 74657374 00" },
		{ "a\\.b.test", "03 612e62 04 74657374 00" },
		{ "a\\\\b.test", "03 615c62 04 74657374 00" },
		{ "a\\000b.\\255", "03 610062 01 ff 00" },
		{ ".", "00" },
		{ "a\\256.test", NULL },
		{ "a\\9.test", NULL },
		{ "a\\", NULL },
		{ ".a", NULL },
		{ "a.test..", NULL },
		/* RFC 7686 */
		{ "a.onion", NULL },
		{ "a.b.OniOn.", NULL },
		{ "onion", NULL },
		{ "onion.test", "05 6f6e696f6e 04 74657374 00" },
		{ "a.xonion", "01 61 06 786f6e696f6e 00" },
	};
	uint8_t other[DNS_QUERY_MAX];
	char hex[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t len = build(names[i].name, IP_V4, 1, other);

		if (names[i].labels == NULL) {
			assert_int_equal(len, 0);
			continue;
		}
		snprintf(hex, sizeof(hex), "0001 0100 0001 000000000000 %s 00010001",
		    names[i].labels);
		assert_hex(other, len, hex);
	}
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
	query_len = build("a.test", IP_V6, ID, query);
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

/* An alias of a name that is spelled out, and an address of such a name. */
#define CNAME(of, length, name) of " 0005 0001 00000e10 " length " " name " "
#define ADDRESS(of, address)    of " 0001 0001 00000e10 0004 " address " "
#define B_TEST                  "0162 04 74657374 00"
#define C_TEST                  "0163 04 74657374 00"
#define ODD                     "05 2e20ff005c 04 74657374 00"

static const struct {
	const char *hex;
	size_t count;
} aliases[] = {
	/* The address first, and a chain from its end. */
	{ HEADER("8180", "0002") QUESTION ADDRESS(B_TEST, "c0000203")
		CNAME("c00c", "0008", B_TEST),
	    1 },
	{ HEADER("8180", "0003") QUESTION ADDRESS(C_TEST, "c0000203")
		CNAME(B_TEST, "0008", C_TEST) CNAME("c00c", "0008", B_TEST),
	    1 },
	/* Any octet may stand in a name; letters are alike. */
	{ HEADER("8180", "0002") QUESTION CNAME("c00c", "000c", ODD)
		ADDRESS(ODD, "c0000203"),
	    1 },
	{ HEADER("8180", "0002") QUESTION CNAME("c00c", "0008", B_TEST)
		ADDRESS("0142 04 54455354 00", "c0000203"),
	    1 },
	/* Addresses of names that nobody asked for. */
	{ HEADER("8180", "0001") QUESTION ADDRESS(B_TEST, "c0000203"), 0 },
	{ HEADER("8180", "0002") QUESTION CNAME(C_TEST, "0008", B_TEST)
		ADDRESS(B_TEST, "c0000203"),
	    0 },
	/* An alias alone; of itself; two of each other. */
	{ HEADER("8180", "0001") QUESTION CNAME("c00c", "0008", B_TEST), 0 },
	{ HEADER("8180", "0002") QUESTION CNAME("c00c", "0002", "c00c")
		ADDRESS("c00c", "c0000203"),
	    0 },
	{ HEADER("8180", "0003") QUESTION CNAME("c00c", "0008", B_TEST)
		CNAME(B_TEST, "0002", "c00c") ADDRESS("c00c", "c0000203"),
	    0 },
	/* Pointers to themselves, to behind, into the dark; no label type. */
	{ HEADER("8180", "0001") QUESTION ADDRESS("c018", "c0000203"), 0 },
	{ HEADER("8180", "0001") QUESTION ADDRESS("c01a", "c0000203"), 0 },
	{ HEADER("8180", "0001") QUESTION ADDRESS("ffff", "c0000203"), 0 },
	{ HEADER("8180", "0001") QUESTION ADDRESS("4161 00", "c0000203"), 0 },
	/* A target that does not end within its record. */
	{ HEADER("8180", "0002") QUESTION CNAME("c00c", "0007", "0162 04 74657374")
		ADDRESS("c00c", "c0000203"),
	    0 },
	/* Addresses of another length, another class. */
	{ HEADER("8180", "0001") QUESTION
	    "c00c 0001 0001 00000e10 0005 c000020300",
	    0 },
	{ HEADER("8180", "0001") QUESTION
	    "c00c 0001 0003 00000e10 0004 c0000203",
	    0 },
	/* One record less than the header says. */
	{ HEADER("8180", "0002") QUESTION ADDRESS("c00c", "c0000203"), 0 },
	/* Nobody asked for what follows the answer. */
	{ "abcd 8180 0001 0001 0001 0001" QUESTION ADDRESS("c00c", "c0000203")
	  "ffffffff",
	    1 },
	/* Records of other types, whatever is in them. */
	{ HEADER("8180", "0002") QUESTION "c00c 000f 0001 00000e10 0001 ff "
		ADDRESS("c00c", "c0000203"),
	    1 },
};

static void
test_aliases(void **state)
{
	struct dns_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++) {
		assert_int_equal(
		    parse(aliases[i].hex, IP_V4, &answer), DNS_ANSWERED);
		if (answer.count != aliases[i].count)
			fail_msg("%s: %zu", aliases[i].hex, answer.count);
		if (answer.count == 1)
			assert_hex(answer.addresses[0].bytes, 4, "c0000203");
	}
}

/* Of the address and of each alias on the way to it. */
static void
test_shortest_ttl(void **state)
{
	struct dns_answer answer;

	(void)state;
	parse(HEADER("8180", "0002") QUESTION
	    "c00c 0005 0001 0000001e 0008 " B_TEST ADDRESS(B_TEST, "c0000203"),
	    IP_V4, &answer);
	assert_int_equal(answer.ttl_s, 30);
	parse(HEADER("8180", "0001") QUESTION
	    "c00c 0001 0001 80000001 0004 c0000203",
	    IP_V4, &answer);
	assert_int_equal(answer.ttl_s, 0);
}

/* Each pointer leads back to another one. */
static void
test_many_pointers(void **state)
{
	char hex[8192] = HEADER("8180", "0002") QUESTION
	    "c00c 0010 0001 0000003c 0200 c00c";
	struct dns_answer answer;
	size_t at = 0x18 + 12;

	(void)state;
	for (; at < 0x18 + 12 + 510; at += 2)
		snprintf(hex + strlen(hex), 5, "%04zx", 0xc000 | at);
	snprintf(hex + strlen(hex), 100, "%04zx 0001 0001 0000003c 0004 c0000203",
	    0xc000 | at);
	assert_int_equal(parse(hex, IP_V4, &answer), DNS_ANSWERED);
	assert_int_equal(answer.count, 0);
}

static void
cut_at_each_octet(const char *hex, size_t count)
{
	struct dns_answer answer;
	uint8_t bytes[256];
	size_t len = unhex(hex, bytes, sizeof(bytes));

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = test_malloc(cut + 1);

		memcpy(exact, bytes, cut);
		dns_answer_parse(query, query_len, exact, cut, IP_V4, &answer);
		assert_true(answer.count <= count);
		test_free(exact);
	}
}

#define A_OF(owner, address) owner "0001 0001 0000001e 0004 " address " "
#define NAME_B               "01 62 04 74657374 00 " /* b.test */
#define NAME_C               "01 43 04 54657374 00 " /* C.Test */

/* Which records there are counts, and not their order: RFC 1034 5.3.3. */
static const struct {
	const char *hex;
	size_t count;
	unsigned aliases;
	const char *end;
} ends[] = {
	{ HEADER("8180", "0002") QUESTION A_OF(NAME_B, "c0000201")
		CNAME("c00c ", "0008 ", NAME_B),
	    1, 1, "b.test" },
	{ HEADER("8180", "0003") QUESTION CNAME(NAME_B, "0008 ", NAME_C)
		A_OF(NAME_C, "c0000201") CNAME("c00c ", "0008 ", NAME_B),
	    1, 2, "c.test" },
	{ HEADER("8180", "0003") QUESTION A_OF(NAME_C, "c0000201")
		CNAME(NAME_B, "0008 ", NAME_C) CNAME("c00c ", "0008 ", NAME_B),
	    1, 2, "c.test" },
	/* The end of it is not there. */
	{ HEADER("8180", "0001") QUESTION CNAME("c00c ", "0008 ", NAME_B), 0, 1,
	    "b.test" },
	/* What belongs to another name, class, type, or has no such size. */
	{ HEADER("8180", "0002") QUESTION A_OF(NAME_C, "c0000201")
		CNAME("c00c ", "0008 ", NAME_B),
	    0, 1, "b.test" },
	{ HEADER("8180", "0001") QUESTION "c00c 0001 0003 0000001e 0004 01020304",
	    0, 0, "a.test" },
	{ HEADER("8180", "0001") QUESTION "c00c 0001 0001 0000001e 0003 010203",
	    0, 0, "a.test" },
	/* In circles. */
	{ HEADER("8180", "0002") QUESTION CNAME("c00c ", "0008 ", NAME_B)
		CNAME(NAME_B, "0002 ", "c00c"),
	    0, DNS_ALIASES_MAX, "a.test" },
	{ HEADER("8180", "0001") QUESTION CNAME("c00c ", "0002 ", "c00c"), 0,
	    DNS_ALIASES_MAX, "a.test" },
	/* Targets of other octets, one of them a dot within a label. */
	{ HEADER("8180", "0002") QUESTION A_OF("04 00ff2e41 00 ", "c0000201")
		CNAME("c00c ", "0006 ", "04 00ff2e61 00"),
	    1, 1, "\\000\\255\\.a" },
	{ HEADER("8180", "0002") QUESTION A_OF("03 612e62 00 ", "c0000201")
		CNAME("c00c ", "0005 ", "01 61 01 62 00"),
	    0, 1, "a.b" },
};

static void
test_ends(void **state)
{
	struct dns_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		struct dns_name end;

		assert_true(dns_name_parse(ends[i].end, &end));
		assert_int_equal(
		    parse(ends[i].hex, IP_V4, &answer), DNS_ANSWERED);
		assert_int_equal(answer.count, ends[i].count);
		assert_int_equal(answer.aliases, ends[i].aliases);
		assert_true(dns_name_same(&answer.end, &end));
	}
	parse(ends[0].hex, IP_V4, &answer);
	assert_int_equal(answer.ttl_s, 30);
}

static void
test_truncations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
		cut_at_each_octet(answers[i].hex, answers[i].count);
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		cut_at_each_octet(aliases[i].hex, aliases[i].count);
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
		cmocka_unit_test(test_query_octets),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_shortest_ttl),
		cmocka_unit_test(test_many_pointers),
		cmocka_unit_test(test_truncations),
		cmocka_unit_test(test_many_addresses_are_cut),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}

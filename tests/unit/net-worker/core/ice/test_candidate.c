/* ice/candidate.c: priorities, the text both ways, addresses refused. */
#include "net-worker/core/ice/candidate.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

static struct endpoint
at(const char *text)
{
	struct endpoint endpoint = { 0 };

	if (*text != '\0')
		assert_true(endpoint_parse(text, &endpoint));
	return endpoint;
}

static void
first_priorities(void **state)
{
	static const struct {
		enum candidate_kind kind;
		enum ip_family address, via;
		uint32_t want;
	} rows[] = {
		{ CANDIDATE_HOST, IP_V4, IP_NONE, 2130706175 },
		{ CANDIDATE_HOST, IP_V6, IP_NONE, 2130706431 },
		{ CANDIDATE_SERVER_REFLEXIVE, IP_V4, IP_NONE, 1686109951 },
		{ CANDIDATE_SERVER_REFLEXIVE, IP_V6, IP_NONE, 1686110207 },
		{ CANDIDATE_RELAYED, IP_V4, IP_V4, 37748479 },
		{ CANDIDATE_RELAYED, IP_V6, IP_V6, 37748735 },
		{ CANDIDATE_RELAYED, IP_V6, IP_V4, 37492735 },
		{ CANDIDATE_RELAYED, IP_V4, IP_V6, 37492479 },
		{ CANDIDATE_PEER_REFLEXIVE, IP_V6, IP_NONE, 1858076671 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(candidate_priority(rows[i].kind,
				     candidate_local_preference(rows[i].kind,
					 rows[i].address, rows[i].via, 0)),
		    rows[i].want);
}

static void
local_preferences_descend(void **state)
{
	static const enum candidate_kind order[] = { CANDIDATE_HOST,
		CANDIDATE_PEER_REFLEXIVE, CANDIDATE_SERVER_REFLEXIVE,
		CANDIDATE_RELAYED };

	(void)state;
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_HOST, IP_V4, IP_NONE, 0),
	    65534);
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_HOST, IP_V6, IP_NONE, 0),
	    65535);
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_HOST, IP_V6, IP_NONE, 1),
	    65533);
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_HOST, IP_V4, IP_NONE, 1),
	    65532);
	for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++)
		assert_true(candidate_local_preference(order[i], IP_V6, IP_V6,
				0) < candidate_local_preference(order[i - 1],
					 IP_V4, IP_V4, 1000));
	/* However many there were, it never wraps round to the best. */
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_RELAYED, IP_V4, IP_V6, 7691),
	    0);
	assert_int_equal(
	    candidate_local_preference(CANDIDATE_RELAYED, IP_V4, IP_V6, 7692),
	    0);
	assert_int_equal(candidate_local_preference(
			     CANDIDATE_HOST, IP_V4, IP_NONE, UINT32_MAX),
	    0);
}

static void
addresses_refused(void **state)
{
	static const char *const good[] = { "10.0.0.4:52625", "127.0.0.1:1",
		"203.0.113.7:65535", "[2001:db8::1]:52625", "[::1]:5",
		"[fd00::1]:5", "[fe80::1]:5" };
	static const char *const bad[] = { "0.0.0.0:5", "224.0.0.1:5",
		"239.255.255.255:5", "255.255.255.255:5", "169.254.1.1:5",
		"[::]:5", "[ff02::1]:5", "10.0.0.4:0" };
	struct endpoint none = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct endpoint endpoint = at(good[i]);

		assert_true(candidate_address_ok(&endpoint));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct endpoint endpoint = at(bad[i]);

		assert_false(candidate_address_ok(&endpoint));
	}
	none.port = 5;
	assert_false(candidate_address_ok(&none));
}

/* The text after the foundation, which is free to choose. */
static const char *
after_foundation(const char *line)
{
	assert_memory_equal(line, "candidate:", 10);
	assert_true(line[10] != ' ');
	line = strchr(line, ' ');
	assert_non_null(line);
	return line;
}

static void
formats_as_the_wire_wants(void **state)
{
	static const struct {
		enum candidate_kind kind;
		const char *address;
		uint32_t priority;
		const char *ufrag;
		const char *want;
	} rows[] = {
		/* firezone-tunnel(7), Candidate vectors */
		{ CANDIDATE_HOST, "10.0.0.4:52625", 2130706175, "ejqt",
		    " 1 udp 2130706175 10.0.0.4 52625 typ host ufrag ejqt" },
		{ CANDIDATE_SERVER_REFLEXIVE, "203.0.113.7:40000", 1686109951,
		    "ejqt",
		    " 1 udp 1686109951 203.0.113.7 40000 typ srflx"
		    " raddr 0.0.0.0 rport 0 ufrag ejqt" },
		{ CANDIDATE_RELAYED, "198.51.100.9:50001", 37748479, "ejqt",
		    " 1 udp 37748479 198.51.100.9 50001 typ relay"
		    " raddr 0.0.0.0 rport 0 ufrag ejqt" },
		/* A withdrawal, IPv6, and what an upsert may repeat. */
		{ CANDIDATE_RELAYED, "[2001:DB8:0:0::9]:50001", 37748735, NULL,
		    " 1 udp 37748735 2001:db8::9 50001 typ relay"
		    " raddr :: rport 0" },
		{ CANDIDATE_PEER_REFLEXIVE, "203.0.113.7:40001", 1862270719,
		    "ejqt",
		    " 1 udp 1862270719 203.0.113.7 40001 typ prflx"
		    " ufrag ejqt" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct candidate candidate = {
			.kind = rows[i].kind,
			.address = at(rows[i].address),
			.base = at("10.0.0.4:52625"),
			.priority = rows[i].priority,
		};
		char line[CANDIDATE_LINE_MAX];

		assert_ptr_equal(
		    candidate_format(&candidate, rows[i].ufrag, line), line);
		assert_string_equal(after_foundation(line), rows[i].want);
	}
}

static void
longest_line_fits(void **state)
{
	struct candidate candidate = {
		.kind = CANDIDATE_SERVER_REFLEXIVE,
		.address =
		    at("[2001:1db8:1111:2222:3333:4444:5555:6666]:65535"),
		.priority = UINT32_MAX,
	};
	struct candidate again;
	char ufrag[129], line[CANDIDATE_LINE_MAX];

	(void)state;
	memset(ufrag, 'u', 128);
	ufrag[128] = '\0';
	candidate_format(&candidate, ufrag, line);
	assert_int_equal(candidate_parse(line, ufrag, &again), CANDIDATE_OK);
	assert_true(endpoint_equal(&again.address, &candidate.address));
}

static void
parses_what_clients_send(void **state)
{
	static const struct {
		const char *line;
		enum candidate_kind kind;
		uint32_t priority;
		const char *address, *related;
	} rows[] = {
		{ "candidate:1 1 udp 2130706175 10.0.0.4 52625 typ host"
		  " ufrag hgwh",
		    CANDIDATE_HOST, 2130706175, "10.0.0.4:52625", "" },
		{ "candidate:2 1 udp 1686109951 203.0.113.7 40000 typ srflx"
		  " raddr 0.0.0.0 rport 0 ufrag hgwh",
		    CANDIDATE_SERVER_REFLEXIVE, 1686109951, "203.0.113.7:40000",
		    "0.0.0.0:0" },
		{ "candidate:3 1 udp 37748479 2001:db8::9 50001 typ relay"
		  " raddr :: rport 0 ufrag hgwh",
		    CANDIDATE_RELAYED, 37748479, "[2001:db8::9]:50001",
		    "[::]:0" },
		/* Older: no ufrag; still older: no raddr either. */
		{ "candidate:fffeff6e1d6b2f2a7c9c3e2b 1 udp 1694498559"
		  " 203.0.113.7 40000 typ srflx raddr 0.0.0.0 rport 0",
		    CANDIDATE_SERVER_REFLEXIVE, 1694498559, "203.0.113.7:40000",
		    "0.0.0.0:0" },
		{ "candidate:x 1 udp 50331391 198.51.100.9 50001 typ relay",
		    CANDIDATE_RELAYED, 50331391, "198.51.100.9:50001", "" },
		{ "candidate:x 1 udp 1862270719 203.0.113.7 40001 typ prflx"
		  " ufrag hgwh",
		    CANDIDATE_PEER_REFLEXIVE, 1862270719, "203.0.113.7:40001",
		    "" },
		/* Any order, keys that we do not know, space, letter case. */
		{ "candidate:x  1\tUDP 0 10.0.0.4 1 typ host generation 0"
		  " ufrag hgwh rport 7 tcptype active raddr 10.0.0.5 ",
		    CANDIDATE_HOST, 0, "10.0.0.4:1", "10.0.0.5:7" },
		{ "candidate:x 1 udp 4294967295 10.0.0.4 65535 typ host"
		  " rport 7",
		    CANDIDATE_HOST, UINT32_MAX, "10.0.0.4:65535", "" },
		/* Decodes; that it cannot be used is for the agent to say. */
		{ "candidate:x 1 udp 5 224.0.0.1 5 typ host", CANDIDATE_HOST, 5,
		    "224.0.0.1:5", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct endpoint address = at(rows[i].address);
		struct endpoint related = at(rows[i].related);
		struct candidate got;

		assert_int_equal(
		    candidate_parse(rows[i].line, "hgwh", &got), CANDIDATE_OK);
		assert_int_equal(got.kind, rows[i].kind);
		assert_int_equal(got.priority, rows[i].priority);
		assert_true(endpoint_equal(&got.address, &address));
		assert_true(endpoint_equal(&got.related, &related));
		assert_int_equal(got.base.ip.family, IP_NONE);
	}
}

static void
refuses_what_is_not_ours(void **state)
{
	static const char *const lines[] = {
		"candidate:1 2 udp 5 10.0.0.4 5 typ host",
		"candidate:1 65535 udp 5 10.0.0.4 5 typ host",
		"candidate:1 1 tcp 5 10.0.0.4 5 typ host tcptype passive",
		"candidate:1 1 ssltcp 5 10.0.0.4 5 typ host",
		"candidate:1 1 TLS 5 10.0.0.4 5 typ host",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host ufrag hgw",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host ufrag hgwhx",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host ufrag HGWH",
	};
	struct candidate got;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(candidate_parse(lines[i], "hgwh", &got),
		    CANDIDATE_NOT_FOR_US);
}

static void
refuses_garbage(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"candidate",
		"candidate:",
		"candidate: 1 udp 5 10.0.0.4 5 typ host",
		"a=candidate:1 1 udp 5 10.0.0.4 5 typ host",
		" candidate:1 1 udp 5 10.0.0.4 5 typ host",
		"candidate:1 65536 udp 5 10.0.0.4 5 typ host",
		"candidate:1 -1 udp 5 10.0.0.4 5 typ host",
		"candidate:1 1 sctp 5 10.0.0.4 5 typ host",
		"candidate:1 1 udp 4294967296 10.0.0.4 5 typ host",
		"candidate:1 1 udp 99999999999999999999 10.0.0.4 5 typ host",
		"candidate:1 1 udp five 10.0.0.4 5 typ host",
		"candidate:1 1 udp 5x 10.0.0.4 5 typ host",
		"candidate:1 1 udp 5 10.0.0 5 typ host",
		"candidate:1 1 udp 5 abcd.local 5 typ host",
		"candidate:1 1 udp 5 [2001:db8::1] 5 typ host",
		"candidate:1 1 udp 5 fe80::1%eth0 5 typ host",
		"candidate:1 1 udp 5 10.0.0.4 65536 typ host",
		"candidate:1 1 udp 5 10.0.0.4 5 type host",
		"candidate:1 1 udp 5 10.0.0.4 5 host",
		"candidate:1 1 udp 5 10.0.0.4 5 typ tmp",
		"candidate:1 1 udp 5 10.0.0.4 5 typ HOST",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host raddr",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host raddr x rport 0",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host raddr :: rport 65536",
		"candidate:1 1 udp 5 10.0.0.4 5 typ host generation",
	};
	char longest[CANDIDATE_LINE_MAX + 1];
	struct candidate got;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(candidate_parse(lines[i], "hgwh", &got),
		    CANDIDATE_MALFORMED);
	/* One too long, and the same one byte shorter. */
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, "candidate:1 1 udp 5 10.0.0.4 5 typ host", 39);
	longest[CANDIDATE_LINE_MAX] = '\0';
	assert_int_equal(
	    candidate_parse(longest, "hgwh", &got), CANDIDATE_MALFORMED);
	longest[CANDIDATE_LINE_MAX - 1] = '\0';
	assert_int_equal(candidate_parse(longest, "hgwh", &got), CANDIDATE_OK);
}

static void
truncated_at_each_byte(void **state)
{
	static const char line[] =
	    "candidate:2 1 udp 1686109951 203.0.113.7 40000 typ srflx"
	    " raddr 0.0.0.0 rport 0 ufrag hgwh";
	size_t kind_end = (size_t)(strstr(line, " raddr") - line);
	size_t related_end = (size_t)(strstr(line, " ufrag") - line);
	size_t rport = (size_t)(strstr(line, " rport") - line);
	size_t ufrag = related_end + strlen(" ufrag ");

	(void)state;
	for (size_t len = 0; len < strlen(line); len++) {
		enum candidate_parse_result want = CANDIDATE_MALFORMED;
		/* Of exactly this size, for the sanitizer's sake. */
		char *cut = strndup(line, len);
		struct candidate got;

		if (len == kind_end || len == kind_end + 1 || len == rport ||
		    len == rport + 1 || len == related_end ||
		    len == related_end + 1)
			want = CANDIDATE_OK;
		else if (len > ufrag)
			want = CANDIDATE_NOT_FOR_US;
		assert_non_null(cut);
		assert_int_equal(candidate_parse(cut, "hgwh", &got), want);
		free(cut);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_priorities),
		cmocka_unit_test(local_preferences_descend),
		cmocka_unit_test(addresses_refused),
		cmocka_unit_test(formats_as_the_wire_wants),
		cmocka_unit_test(longest_line_fits),
		cmocka_unit_test(parses_what_clients_send),
		cmocka_unit_test(refuses_what_is_not_ours),
		cmocka_unit_test(refuses_garbage),
		cmocka_unit_test(truncated_at_each_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* iceless/candidate_line.c: the lines of the page, and what is refused. */
#include "net-worker/core/iceless/candidate_line.h"

#include "tests/lib/addresses.h"

static const struct {
	enum candidate_kind kind;
	const char *address, *base, *via, *line;
} rows[] = {
	{ CANDIDATE_HOST, "10.0.0.4:52625", "10.0.0.4:52625", NULL,
	    "candidate:12999419422781993015 1 udp 2130706431 10.0.0.4 52625 "
	    "typ host" },
	{ CANDIDATE_SERVER_REFLEXIVE, "203.0.113.7:40000", "10.0.0.4:52625",
	    NULL,
	    "candidate:17965137633003889963 1 udp 1694498815 203.0.113.7 40000 "
	    "typ srflx raddr 10.0.0.4 rport 52625" },
	{ CANDIDATE_RELAYED, "198.51.100.9:50001", "198.51.100.9:50001",
	    "10.0.0.4:52625",
	    "candidate:6636001685155583157 1 udp 16777215 198.51.100.9 50001 "
	    "typ relay raddr 10.0.0.4 rport 52625" },
	/* Over a relay that is reached by the other family. */
	{ CANDIDATE_RELAYED, "[2001:db8::9]:50001", "[2001:db8::9]:50001",
	    "10.0.0.4:52625", NULL },
	{ CANDIDATE_HOST, "[2001:db8::4]:52625", "[2001:db8::4]:52625", NULL,
	    NULL },
	{ CANDIDATE_SERVER_REFLEXIVE, "[2001:db8::7]:1", "[fd00::4]:52625",
	    NULL, NULL },
};

static void
lines_both_ways(void **state)
{
	char line[CANDIDATE_LINE_MAX], again[CANDIDATE_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct candidate local = {
			.kind = rows[i].kind,
			.address = at(rows[i].address),
			.base = at(rows[i].base),
			.via = at(rows[i].via),
		};
		struct endpoint related = rows[i].kind == CANDIDATE_HOST
		    ? (struct endpoint){ 0 }
		    : at(rows[i].via == NULL ? rows[i].base : rows[i].via);
		struct candidate remote;

		iceless_candidate_format(&local, line);
		if (rows[i].line != NULL)
			assert_string_equal(line, rows[i].line);
		assert_string_equal(
		    iceless_candidate_format(&local, again), line);
		assert_true(iceless_candidate_parse(line, &remote));
		assert_int_equal(remote.kind, local.kind);
		assert_true(endpoint_equal(&remote.address, &local.address));
		assert_true(endpoint_equal(&remote.related, &related));
	}
}

/* The peer sees it from outside: it makes no difference how we know of it. */
static void
found_ones_read_like_signalled_ones(void **state)
{
	const struct candidate found = {
		.kind = CANDIDATE_PEER_REFLEXIVE,
		.address = at("203.0.113.7:40000"),
		.base = at("10.0.0.4:52625"),
	};
	char line[CANDIDATE_LINE_MAX];

	(void)state;
	assert_string_equal(iceless_candidate_format(&found, line),
	    "candidate:17965137633003889963 1 udp 1694498815 203.0.113.7 40000 "
	    "typ srflx raddr 10.0.0.4 rport 52625");
}

static void
refused_lines(void **state)
{
	static const char *const lines[] = {
		"",
		"garbage",
		"candidate:1 1 udp 1 10.0.0.4 1 typ srflx",
		"candidate:1 1 udp 1 10.0.0.4 1 typ relay",
		"candidate:1 1 udp 1 10.0.0.4 1 typ srflx raddr 10.0.0.5",
		"candidate:1 1 udp 1 10.0.0.4 1 typ srflx raddr :: rport 1",
		"candidate:1 1 udp 1 10.0.0.4 1 typ prflx raddr 10.0.0.5 "
		"rport 1",
		"candidate:1 1 tcp 1 10.0.0.4 1 typ host",
		"candidate:1 2 udp 1 10.0.0.4 1 typ host",
		"candidate:1 1 udp 1 10.0.0.256 1 typ host",
		"candidate:1 1 udp 1 224.0.0.1 1 typ host",
		"candidate:1 1 udp 1 169.254.0.1 1 typ host",
		"candidate:1 1 udp 1 0.0.0.0 1 typ host",
		"candidate:1 1 udp 1 255.255.255.255 1 typ host",
		"candidate:1 1 udp 1 ff02::1 1 typ host",
		"candidate:1 1 udp 1 10.0.0.4 0 typ host",
	};
	struct candidate c;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_false(iceless_candidate_parse(lines[i], &c));
	assert_true(iceless_candidate_parse(
	    "candidate:1 1 udp 1 10.0.0.4 1 typ host", &c));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_both_ways),
		cmocka_unit_test(found_ones_read_like_signalled_ones),
		cmocka_unit_test(refused_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

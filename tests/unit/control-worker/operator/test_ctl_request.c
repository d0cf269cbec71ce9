/* control-worker/operator/ctl_request.c: lines of posternctl, and others. */
#include "control-worker/operator/ctl_request.h"

#include "tests/lib/unit.h"

static struct ctl_request r;

static const char *
parse(const char *line)
{
	return ctl_request_parse(line, strlen(line), &r);
}

static void
known(void **state)
{
	(void)state;
	assert_null(parse("status text\n"));
	assert_true(r.command == CTL_STATUS && r.form == CTL_TEXT);
	assert_null(parse("clients wide\n"));
	assert_true(r.command == CTL_CLIENTS && r.form == CTL_WIDE);
	assert_string_equal(r.client, "");
	assert_null(parse("clients text Jane Doe\n"));
	assert_string_equal(r.client, "Jane Doe");
	assert_null(parse("relays json\n"));
	assert_true(r.command == CTL_RELAYS && r.form == CTL_JSON);
	assert_null(parse("log text debug\n"));
	assert_true(r.command == CTL_LOG && r.level == LOG_LEVEL_DEBUG);
	assert_string_equal(parse("log text loud\n"), parse("log text\n"));
	assert_non_null(parse("log text debug x\n"));
	assert_null(parse("drain json 604800\n"));
	assert_true(r.command == CTL_DRAIN && r.within == 604800);
	assert_null(parse("drain text cancel\n"));
	assert_true(r.command == CTL_DRAIN && r.within == 0);
	assert_non_null(parse("drain text\n"));
	assert_non_null(parse("drain text 0\n"));
	assert_non_null(parse("drain text 604801\n"));
	assert_non_null(parse("drain text 1 2\n"));
	assert_non_null(parse("drain text cancel 2\n"));
	assert_null(parse("flows text\n"));
	assert_int_equal(r.command, CTL_FLOWS);
	assert_null(parse("flows json Jane Doe\n"));
	assert_string_equal(r.client, "Jane Doe");
	assert_null(parse("follow wide 100.64.0.2\n"));
	assert_true(r.command == CTL_FOLLOW && r.form == CTL_WIDE);
	assert_string_equal(r.client, "100.64.0.2");
	assert_null(parse("top wide\n"));
	assert_int_equal(r.command, CTL_TOP);
	assert_null(parse("netcheck wide\n"));
	assert_true(r.command == CTL_NETCHECK && r.form == CTL_WIDE);
	assert_non_null(parse("netcheck text x\n"));
	assert_null(parse("config text\n"));
	assert_int_equal(r.command, CTL_CONFIG);
	assert_null(parse("metrics text\n"));
	assert_int_equal(r.command, CTL_METRICS);
	assert_null(parse("resources text\n"));
	assert_int_equal(r.command, CTL_RESOURCES);
}

static void
packets(void **state)
{
	static const struct {
		const char *what;
		uint8_t protocol;
		const char *address, *domain;
		uint16_t port;
	} table[] = {
		{ "tcp 10.0.0.1:443", 6, "10.0.0.1", "", 443 },
		{ "udp [fd20::1]:53", 17, "fd20::1", "", 53 },
		{ "icmp 10.0.0.1", 1, "10.0.0.1", "", 0 },
		{ "icmp fd20::1", 1, "fd20::1", "", 0 },
		{ "47 10.0.0.1", 47, "10.0.0.1", "", 0 },
		{ "0 10.0.0.1", 0, "10.0.0.1", "", 0 },
		{ "tcp files.corp.test:80", 6, NULL, "files.corp.test", 80 },
		{ "icmp a_b.corp.test.", 1, NULL, "a_b.corp.test", 0 },
	};
	char line[128], text[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		snprintf(line, sizeof(line), "explain json %s jane@acme.com\n",
		    table[i].what);
		assert_null(parse(line));
		assert_int_equal(r.command, CTL_EXPLAIN);
		assert_string_equal(r.client, "jane@acme.com");
		assert_int_equal(r.packet.protocol, table[i].protocol);
		assert_string_equal(r.packet.domain, table[i].domain);
		assert_int_equal(r.packet.destination.port, table[i].port);
		if (table[i].address != NULL)
			assert_string_equal(
			    ip_format(&r.packet.destination.ip, text),
			    table[i].address);
		else
			assert_int_equal(
			    r.packet.destination.ip.family, IP_NONE);
	}
}

static void
wrong_packets(void **state)
{
	static const struct {
		const char *what, *why;
	} table[] = {
		{ "sctp 10.0.0.1:1", "the protocol is" },
		{ "256 10.0.0.1", "the protocol is" },
		{ "-1 10.0.0.1", "the protocol is" },
		{ " 10.0.0.1", "the protocol is" },
		{ "tcp 10.0.0.1", "tcp and udp need" },
		{ "udp fd20::1", "tcp and udp need" },
		{ "tcp files.corp.test", "tcp and udp need" },
		{ "tcp 10.0.0.1:0", "tcp and udp need" },
		{ "icmp 10.0.0.1:80", "only tcp and udp" },
		{ "icmp files.corp.test:80", "only tcp and udp" },
		{ "tcp files.corp.test:65536", "a port is" },
		{ "tcp files.corp.test:", "a port is" },
		{ "tcp 10.0.0.1:99999", "a port is" },
		{ "tcp localhost:80", "the destination is" },
		{ "tcp f*.test:80", "the destination is" },
	};
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const char *why;

		snprintf(
		    line, sizeof(line), "explain text %s x\n", table[i].what);
		why = parse(line);
		if (why == NULL ||
		    strncmp(why, table[i].why, strlen(table[i].why)) != 0)
			fail_msg("%s: %s", table[i].what, why);
	}
}

static void
unknown(void **state)
{
	static const char *const lines[] = { "", "\n", " \n", "status\n",
		"status \n", "status text", "status text\nx", "status xml\n",
		"STATUS text\n", "status text \n", "status  text\n",
		"status text x\n", "relays text x\n", "resources text x\n",
		"top json\n", "top text x\n", "explain text\n",
		"explain text tcp\n", "explain text tcp 10.0.0.1:80\n",
		"quit text\n" };
	char many[CTL_REQUEST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_string_equal(parse(lines[i]), "unknown request");
	assert_non_null(parse("clients text \n"));
	assert_non_null(ctl_request_parse("status\0text\n", 12, &r));
	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = '\n';
	assert_non_null(ctl_request_parse(many, sizeof(many), &r));
	assert_non_null(ctl_request_parse(many + 1, sizeof(many) - 1, &r));
	memcpy(many, "clients text ", 13);
	assert_non_null(ctl_request_parse(many + 1, sizeof(many) - 1, &r));
}

static void
protocol_names(void **state)
{
	char to[8];

	(void)state;
	assert_string_equal(ctl_protocol_name(6, to), "tcp");
	assert_string_equal(ctl_protocol_name(58, to), "icmp");
	assert_string_equal(ctl_protocol_name(47, to), "47");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known),
		cmocka_unit_test(packets),
		cmocka_unit_test(wrong_packets),
		cmocka_unit_test(unknown),
		cmocka_unit_test(protocol_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reports as text: firezone-policy(7), Flow reports and Spool. */
#include "tests/lib/unit.h"

#include "control-worker/flow/attribution.h"
#include "control-worker/flow/log.h"
#include "control-worker/flow/record.h"
#include "control-worker/flow/settings.h"
#include "control-worker/json/json.h"
#include "tests/lib/flow.h"

static char payload[FLOW_PAYLOAD_MAX + 1];

static const char *
format(const struct ipc_flow *f)
{
	size_t len = flow_payload_format(f, payload);

	assert_int_equal(len, strlen(payload));
	return payload;
}

static void
times(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} table[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ UINT64_C(1700000000000000000), "2023-11-14T22:13:20Z" },
		{ UINT64_C(1700000000500000000), "2023-11-14T22:13:20.500Z" },
		{ UINT64_C(1700000000001000000), "2023-11-14T22:13:20.001Z" },
		{ UINT64_C(1700000000000001000),
		    "2023-11-14T22:13:20.000001Z" },
		{ UINT64_C(1700000000120000000), "2023-11-14T22:13:20.120Z" },
		{ UINT64_C(1700000000123456000),
		    "2023-11-14T22:13:20.123456Z" },
		{ UINT64_C(1700000000123456789),
		    "2023-11-14T22:13:20.123456789Z" },
		{ UINT64_C(1700000000999999999),
		    "2023-11-14T22:13:20.999999999Z" },
		{ UINT64_MAX, "2554-07-21T23:34:33.709551615Z" },
	};
	char text[FLOW_TIME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert_string_equal(
		    flow_time_format(table[i].ns, text), table[i].text);
}

static void
start_of_a_flow(void **state)
{
	struct ipc_flow f = flow_report(false);

	(void)state;
	assert_string_equal(format(&f),
	    "{\"flow_start\":\"2023-11-14T22:13:20Z\","
	    "\"inner_dst_ip\":\"10.0.0.5\",\"inner_dst_port\":443,"
	    "\"inner_src_ip\":\"100.64.0.1\",\"inner_src_port\":1234,"
	    "\"outers\":[{\"dst_ip\":\"192.0.2.1\",\"dst_port\":52625,"
	    "\"path_activated_at\":\"2023-11-14T22:13:20.000000001Z\","
	    "\"src_ip\":\"198.51.100.7\",\"src_port\":40000}],"
	    "\"protocol\":\"tcp\"}");
	f.paths_count = 0;
	assert_non_null(strstr(format(&f), "\"outers\":[],"));
}

static void
end_of_a_flow(void **state)
{
	struct ipc_flow f = flow_report(true);

	(void)state;
	f.protocol = IPPROTO_UDP;
	f.source = flow_endpoint("[fd00:2021:1111::1]:1");
	f.destination = flow_endpoint("[2001:db8::5]:65535");
	strcpy(f.domain, "a\"b\\.example");
	f.paths[0].from = (struct endpoint){ 0 };
	f.paths[1] = f.paths[0];
	f.paths_count = 2;
	f.rx_bytes = UINT64_MAX;
	assert_string_equal(format(&f),
	    "{\"domain\":\"a\\\"b\\\\.example\","
	    "\"flow_end\":\"2023-11-14T22:13:21.500Z\","
	    "\"flow_start\":\"2023-11-14T22:13:20Z\","
	    "\"inner_dst_ip\":\"2001:db8::5\",\"inner_dst_port\":65535,"
	    "\"inner_src_ip\":\"fd00:2021:1111::1\",\"inner_src_port\":1,"
	    "\"last_packet\":\"2023-11-14T22:13:21.000250Z\","
	    "\"outers\":[{\"dst_ip\":\"192.0.2.1\",\"dst_port\":52625,"
	    "\"path_activated_at\":\"2023-11-14T22:13:20.000000001Z\"},"
	    "{\"dst_ip\":\"192.0.2.1\",\"dst_port\":52625,"
	    "\"path_activated_at\":\"2023-11-14T22:13:20.000000001Z\"}],"
	    "\"protocol\":\"udp\",\"rx_bytes\":9223372036854775807,"
	    "\"rx_packets\":3,\"tx_bytes\":2,\"tx_packets\":1}");
}

/* A server would refuse them, each time anew. */
static void
reports_that_are_none(void **state)
{
	struct ipc_flow f = flow_report(true);

	(void)state;
	f.protocol = 7;
	assert_string_equal(format(&f), "");
	f = flow_report(true);
	f.paths_count = 0;
	assert_string_equal(format(&f), "");
	f = flow_report(true);
	f.source = (struct endpoint){ 0 };
	assert_string_equal(format(&f), "");
	f = flow_report(true);
	f.destination = flow_endpoint("[2001:db8::5]:1");
	assert_string_equal(format(&f), "");
	f = flow_report(true);
	f.paths[0].local = (struct endpoint){ 0 };
	assert_string_equal(format(&f), "");
}

/* Other names than those of the DNS are not passed on. */
static void
domains(void **state)
{
	static const char *const bad[] = { "a b", "\xc3\xa4.example",
		"\xff.example", "\x7f" };
	struct ipc_flow f = flow_report(false);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		strcpy(f.domain, bad[i]);
		assert_null(strstr(format(&f), "domain"));
	}
	memset(f.domain, 'x', sizeof(f.domain) - 1);
	assert_non_null(strstr(format(&f), "{\"domain\":\"xxx"));
}

static void
the_longest_one(void **state)
{
	struct ipc_flow f = flow_report(true);
	struct json_document *d;

	(void)state;
	memset(f.domain, '\\', sizeof(f.domain) - 1);
	f.source = f.destination =
	    flow_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
	for (f.paths_count = 0; f.paths_count < FLOW_PATHS_MAX; f.paths_count++)
		f.paths[f.paths_count] =
		    (struct flow_path){ f.source, f.source, UINT64_MAX };
	f.tx_bytes = f.rx_bytes = f.tx_packets = f.rx_packets = UINT64_MAX;
	assert_int_equal(
	    json_parse(&d, format(&f), strlen(format(&f))), JSON_OK);
	json_free(d);
}

/* firezone-policy(7), Flow vectors. */
static const char vector[] =
    "{\"flow_start\":\"2023-11-14T22:13:20Z\",\"inner_dst_ip\":\"10.0.0.5\","
    "\"inner_dst_port\":443,\"inner_src_ip\":\"100.64.0.1\","
    "\"inner_src_port\":1234,\"protocol\":\"tcp\"}";

static void
files(void **state)
{
	char file[FLOW_FILE_MAX + 1], wanted[512];
	size_t len = flow_file_format(vector, strlen(vector), file), got;
	const char *at;

	(void)state;
	snprintf(wanted, sizeof(wanted),
	    "{\"checksum\":3755809084,\"payload\":%s}", vector);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(file, wanted, len);
	assert_true(flow_file_parse(file, len, &at, &got));
	assert_int_equal(got, strlen(vector));
	assert_memory_equal(at, vector, got);
	for (size_t i = 0; i < len; i++) {
		assert_false(flow_file_parse(file, i, &at, &got));
		file[i] ^= 1;
		assert_false(flow_file_parse(file, len, &at, &got));
		file[i] ^= 1;
	}
	strcpy(file + len, "\n");
	assert_false(flow_file_parse(file, len + 1, &at, &got));
}

static void
files_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"{\"checksum\":,\"payload\":{}}",
		"{\"checksum\":4294967296,\"payload\":{}}",
		"{\"checksum\":99999999999,\"payload\":{}}",
		"{\"payload\":{},\"checksum\":2745614147}",
		/* Right, but no report. */
		"{\"checksum\":223132457,\"payload\":[]}",
		"{\"checksum\":0,\"payload\":}",
	};
	const char *at;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(
		    flow_file_parse(bad[i], strlen(bad[i]), &at, &len));
	assert_true(flow_file_parse(
	    "{\"checksum\":2745614147,\"payload\":{}}", 36, &at, &len));
}

static void
names(void **state)
{
	struct ipc_flow start = flow_report(false), end = flow_report(true);
	char a[FLOW_NAME_MAX], b[FLOW_NAME_MAX], c[FLOW_NAME_MAX];
	bool closed;

	(void)state;
	flow_name_format(&start, a);
	assert_int_equal(strlen(a), 10 + 1 + 16 + strlen(".start.json"));
	assert_memory_equal(a, "1700000000-", 11);
	assert_true(flow_name_parse(a, &closed));
	assert_false(closed);
	flow_name_format(&end, b);
	assert_true(flow_name_parse(b, &closed));
	assert_true(closed);
	assert_memory_equal(a, b, 27);
	assert_string_equal(flow_name_of_start(b, c), a);
	/* What does not make another flow does not make another name. */
	end = flow_report(false);
	end.serial = 9;
	end.paths_count = 0;
	assert_string_equal(flow_name_format(&end, b), a);
	end.source.port++;
	assert_string_not_equal(flow_name_format(&end, b), a);
	end = flow_report(false);
	end.started_at++;
	assert_string_not_equal(flow_name_format(&end, b), a);
	assert_memory_equal(a, b, 11);
	end.started_at = 1;
	assert_memory_equal(flow_name_format(&end, b), "0000000000-", 11);
}

static void
names_that_are_none(void **state)
{
	static const char *const bad[] = { "", "token", "new", ".",
		"1700000000-0123456789abcdef", "1700000000-0123456789abcdef.",
		"1700000000-0123456789abcdef.start.jso",
		"1700000000-0123456789abcdef.start.jsonx",
		"1700000000-0123456789abcdeF.end.json",
		"170000000-0123456789abcdef.end.json",
		"17000000000-0123456789abcdef.end.json",
		"1700000000-0123456789abcdef0.end.json",
		"1700000000/0123456789abcdef.end.json" };
	bool closed;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(flow_name_parse(bad[i], &closed));
}

static void
log_lines(void **state)
{
	struct ipc_flow f = flow_report(false);
	char text[LOG_TEXT_MAX];

	(void)state;
	flow_log_format(&f, "role=responder", text);
	assert_string_equal(text,
	    "TCP flow started: protocol=tcp inner_src_ip=100.64.0.1 "
	    "inner_src_port=1234 inner_dst_ip=10.0.0.5 inner_dst_port=443 "
	    "flow_start=2023-11-14T22:13:20Z role=responder "
	    "outers=198.51.100.7:40000->192.0.2.1:52625");
	f = flow_report(true);
	f.protocol = IPPROTO_UDP;
	f.paths[0].from = (struct endpoint){ 0 };
	strcpy(f.domain, "a.example");
	flow_log_format(&f, "", text);
	assert_string_equal(text,
	    "UDP flow completed: protocol=udp inner_src_ip=100.64.0.1 "
	    "inner_src_port=1234 inner_dst_ip=10.0.0.5 inner_dst_port=443 "
	    "domain=a.example flow_start=2023-11-14T22:13:20Z "
	    "flow_end=2023-11-14T22:13:21.500Z "
	    "last_packet=2023-11-14T22:13:21.000250Z rx_packets=3 "
	    "tx_packets=1 rx_bytes=4 tx_bytes=2 "
	    "outers=unknown->192.0.2.1:52625");
	f.protocol = IPPROTO_TCP;
	flow_log_format(&f, "", text);
	assert_memory_equal(text, "TCP flow completed: ", 20);
	f.closed = false;
	f.protocol = IPPROTO_UDP;
	flow_log_format(&f, "", text);
	assert_memory_equal(text, "UDP flow started: ", 18);
}

/* What is too long for a record is cut. */
static void
long_log_lines(void **state)
{
	struct ipc_flow f = flow_report(true);
	char attribution[FLOW_ATTRIBUTION_MAX], text[LOG_TEXT_MAX];

	(void)state;
	memset(attribution, 'x', sizeof(attribution) - 1);
	attribution[sizeof(attribution) - 1] = '\0';
	memset(f.domain, 'd', sizeof(f.domain) - 1);
	for (f.paths_count = 0; f.paths_count < FLOW_PATHS_MAX;)
		f.paths[f.paths_count++] = f.paths[0];
	flow_log_format(&f, attribution, text);
	assert_int_equal(strlen(text), LOG_TEXT_MAX - 1);
}

static void
attributions(void **state)
{
	struct attributions *all = attributions_new();
	struct flow_token t = { .attribution = "first" };
	struct uuid first = t.authorization;

	(void)state;
	assert_null(attributions_get(all, &first));
	attributions_put(all, &t);
	assert_string_equal(attributions_get(all, &first), "first");
	strcpy(t.attribution, "again");
	attributions_put(all, &t);
	assert_string_equal(attributions_get(all, &first), "again");
	for (unsigned i = 1; i < ATTRIBUTIONS_MAX; i++) {
		t.authorization.bytes[0] = (uint8_t)(i >> 8);
		t.authorization.bytes[1] = (uint8_t)i;
		attributions_put(all, &t);
	}
	assert_non_null(attributions_get(all, &first));
	t.authorization.bytes[2] = 1;
	attributions_put(all, &t);
	assert_null(attributions_get(all, &first));
	assert_non_null(attributions_get(all, &t.authorization));
	attributions_free(all);
}

static struct flow_settings
settings_of(const char *text)
{
	struct flow_settings s;
	struct json_document *d = NULL;

	(void)json_parse(&d, text, strlen(text));
	flow_settings_parse(json_root(d), &s);
	json_free(d);
	return s;
}

static void
settings(void **state)
{
	static const char *const none[] = { "{}", "[]", "null",
		"{\"api_url\":\"https://x/\",\"upload_interval_secs\":0}",
		"{\"api_url\":\"https://x/\",\"upload_interval_secs\":-1}",
		"{\"api_url\":\"https://x/\",\"upload_interval_secs\":\"5\"}",
		"{\"api_url\":\"\",\"upload_interval_secs\":5}",
		"{\"api_url\":7,\"upload_interval_secs\":5}",
		"{\"api_url\":\"https://x/\",\"upload_interval_secs\":5,"
		"\"upload_batch_size\":\"1\"}" };
	char text[FLOW_SETTINGS_TEXT_MAX];
	struct flow_settings s, again;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		s = settings_of(none[i]);
		assert_int_equal(s.interval_s, 0);
		assert_string_equal(s.api_url, "");
	}
	s = settings_of("{\"api_url\":\"https://x/\",\"upload_interval_secs\":"
			"60,\"upload_batch_size\":0,\"new\":1}");
	assert_int_equal(s.interval_s, 60);
	assert_int_equal(s.batch_size, 1000);
	s = settings_of("{\"api_url\":\"https://x/\",\"upload_interval_secs\":"
			"18446744073709551615,\"upload_batch_size\":10001}");
	assert_int_equal(s.interval_s, FLOW_INTERVAL_MAX);
	assert_int_equal(s.batch_size, 10000);
	len = flow_settings_format(&s, text);
	assert_true(flow_settings_read(text, len, &again));
	assert_memory_equal(&s, &again, sizeof(s));
	for (size_t i = 0; i < len; i++)
		assert_false(flow_settings_read(text, i, &again));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(start_of_a_flow),
		cmocka_unit_test(end_of_a_flow),
		cmocka_unit_test(reports_that_are_none),
		cmocka_unit_test(domains),
		cmocka_unit_test(the_longest_one),
		cmocka_unit_test(files),
		cmocka_unit_test(files_that_are_none),
		cmocka_unit_test(names),
		cmocka_unit_test(names_that_are_none),
		cmocka_unit_test(log_lines),
		cmocka_unit_test(long_log_lines),
		cmocka_unit_test(attributions),
		cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* control-worker/operator/flows_text.c and the same as JSON: whole answers. */
#include "control-worker/operator/status.h"

#include <stdlib.h>

#include "tests/lib/addresses.h"

static struct directory *names;

static int
set_up(void **state)
{
	const struct client_description c = {
		.client = { { 0xcc } },
		.actor = { "Jane", 4 },
		.email = { "jane@acme.com", 13 },
		.system = { "macOS", 5 },
		.system_version = { "15.5", 4 },
	};
	const struct client_description long_name = {
		.client = { { 0xcd } },
		.actor = { "Wolfeschlegelsteinhausen", 24 },
	};
	const struct resource_description r = {
		.resource = { { 0x42 } },
		.name = { "The whole office", 16 },
	};

	(void)state;
	names = directory_new();
	assert_non_null(names);
	directory_learn_client(names, &c);
	directory_learn_client(names, &long_name);
	directory_learn_resource(names, &r);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	directory_free(names);
	return 0;
}

static struct ipc_query_flow
some_flow(size_t i)
{
	static const struct ipc_query_flow three[] = {
		{ .client = { { 0xcc } },
		    .resource = { { 0x42 } },
		    .protocol = 6,
		    .domain = "files.corp.test",
		    .age = 125,
		    .idle = 3,
		    .tx_packets = 12,
		    .tx_bytes = 1830,
		    .rx_packets = 40,
		    .rx_bytes = 48213 },
		{ .client = { { 0xcd } },
		    .resource = { { 0x43 } },
		    .protocol = 17,
		    .domain = "\xffx\x1b\"",
		    .age = 800000,
		    .idle = 119,
		    .tx_bytes = UINT64_MAX,
		    .rx_bytes = UINT64_MAX / 1000 },
		{ .client = { { 0xce } }, .protocol = 6 },
	};
	struct ipc_query_flow f = three[i];

	f.source = at("100.64.0.2:51724");
	f.destination = at(i == 0 ? "10.20.0.2:443"
		: i == 1          ? "[2001:db8:1111:2222:3333::1]:65535"
				  : "203.0.113.255:65535");
	return f;
}

/* To be freed. */
static char *
render(const struct status_format *f, bool wide, uint64_t more)
{
	static const struct situation nothing;
	struct text t = { 0 };
	struct status status = {
		.out = &t,
		.situation = &nothing,
		.names = names,
		.wide = wide,
		.more = more,
	};

	f->begin(&status);
	f->list(&status, LIST_FLOWS);
	for (size_t i = 0; i < 3; i++) {
		const struct ipc_query_flow flow = some_flow(i);

		f->flow(&status, i, &flow);
	}
	f->list_end(&status, LIST_FLOWS, 3, true);
	f->end(&status, NULL);
	json_write_free(&status.json);
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

/* 80 columns, whatever is in them. */
static void
narrow_text(void **state)
{
	static const char want[] =
	    "client        source    destination           resource    from"
	    "      to  age last\n"
	    "jane@acme.com tcp 51724 10.20.0.2:443         The wh..    1.8K"
	    "   47.1K   2m   3s\n"
	    "Wolfeschleg.. udp 51724 [2001:db8:1111:2222.. 43000000   16.0E"
	    "   16.4P   9d 119s\n"
	    "ce000000      tcp 51724 203.0.113.255:65535   00000000       0"
	    "       0   0s   0s\n"
	    "and 7 more\n";
	char *got = render(&status_text, false, 7);

	(void)state;
	assert_string_equal(got, want);
	assert_true(strchr(got, '\n') - got <= 80);
	free(got);
}

static void
wide_text(void **state)
{
	char *got = render(&status_text, true, 0);

	(void)state;
	assert_memory_equal(
	    got, "client                               who  ", 42);
	assert_non_null(strstr(got,
	    "\ncc000000-0000-0000-0000-000000000000 "
	    "jane@acme.com, macOS 15.5        tcp   100.64.0.2:51724       "
	    "10.20.0.2:443          The whole office          1.8 KiB   "
	    "47.1 KiB     2m 5s        3s  files.corp.test\n"));
	assert_non_null(strstr(got, " [2001:db8:1111:2222:3333::1]:65535 "));
	assert_non_null(strstr(got, "  ?x?\"\n"));
	assert_null(strstr(got, "more"));
	free(got);
}

/* Other programs read it: names, order and form stay. */
static void
json(void **state)
{
	char *got = render(&status_json, false, 7);

	(void)state;
	assert_string_equal(got,
	    "{\"flows\":[{\"client\":\"cc000000-0000-0000-0000-000000000000\","
	    "\"actor\":\"Jane\",\"email\":\"jane@acme.com\","
	    "\"resource\":\"42000000-0000-0000-0000-000000000000\","
	    "\"name\":\"The whole office\",\"protocol\":\"tcp\","
	    "\"source\":\"100.64.0.2:51724\","
	    "\"destination\":\"10.20.0.2:443\","
	    "\"domain\":\"files.corp.test\",\"age\":125,\"idle\":3,"
	    "\"received_packets\":12,\"received_bytes\":1830,"
	    "\"sent_packets\":40,\"sent_bytes\":48213},"
	    "{\"client\":\"cd000000-0000-0000-0000-000000000000\","
	    "\"actor\":\"Wolfeschlegelsteinhausen\",\"email\":null,"
	    "\"resource\":\"43000000-0000-0000-0000-000000000000\","
	    "\"name\":null,\"protocol\":\"udp\","
	    "\"source\":\"100.64.0.2:51724\","
	    "\"destination\":\"[2001:db8:1111:2222:3333::1]:65535\","
	    "\"domain\":\"?x?\\\"\",\"age\":800000,\"idle\":119,"
	    "\"received_packets\":0,\"received_bytes\":18446744073709551615,"
	    "\"sent_packets\":0,\"sent_bytes\":18446744073709551},"
	    "{\"client\":\"ce000000-0000-0000-0000-000000000000\","
	    "\"actor\":null,\"email\":null,"
	    "\"resource\":\"00000000-0000-0000-0000-000000000000\","
	    "\"name\":null,\"protocol\":\"tcp\","
	    "\"source\":\"100.64.0.2:51724\","
	    "\"destination\":\"203.0.113.255:65535\",\"domain\":null,"
	    "\"age\":0,\"idle\":0,\"received_packets\":0,"
	    "\"received_bytes\":0,\"sent_packets\":0,\"sent_bytes\":0}],"
	    "\"more\":7,\"problem\":null}\n");
	free(got);
}

static void
events(void **state)
{
	struct text t = { 0 };
	struct status status = { .out = &t, .names = names, .wide = true };
	struct flow_event e = {
		.kind = FLOW_EVENT_CLOSED,
		.at = 1800000000,
		.flow = some_flow(0),
	};

	(void)state;
	status_text.flow_events(&status);
	status_text.flow_event(&status, &e);
	e.kind = FLOW_EVENT_OPENED;
	status_text.flow_event(&status, &e);
	e = (struct flow_event){ .kind = FLOW_EVENT_LEFT_OUT, .lines = 12 };
	status_text.flow_event(&status, &e);
	status_json.flow_events(&status);
	status_json.flow_event(&status, &e);
	text_write(&t, "", 1);
	assert_false(t.failed);
	assert_memory_equal(t.bytes, "time (UTC)               client ", 32);
	assert_non_null(strstr(t.bytes,
	    " age  name\n2027-01-15 08:00:00 end  "
	    "cc000000-0000-0000-0000-000000000000 jane@acme.com, "));
	assert_non_null(strstr(t.bytes,
	    "  1.8 KiB   47.1 KiB     2m 5s  files.corp.test\n"
	    "2027-01-15 08:00:00 open "));
	assert_non_null(strstr(t.bytes,
	    "         -          -         -  files.corp.test\n"
	    "(12 lines are left out: they were not read in time)\n"
	    "{\"event\":\"left out\",\"lines\":12}\n"));
	text_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(narrow_text),
		TEST(wide_text),
		TEST(json),
		TEST(events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

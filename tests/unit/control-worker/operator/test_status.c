/* control-worker/operator/status_text.c and status_json.c: whole answers. */
#include "control-worker/operator/status.h"

#include <stdlib.h>

#include "common/sandbox.h"
#include "control-worker/json/json.h"
#include "tests/lib/unit.h"

#define NOW 1800000000

static struct counter_page page;

static struct endpoint
at(const char *text)
{
	struct endpoint e;

	assert_true(endpoint_parse(text, &e));
	return e;
}

static struct ip_address
ip(const char *text)
{
	struct ip_address a;

	assert_true(ip_parse(text, &a));
	return a;
}

static struct situation
working(void)
{
	struct situation s = {
		.url = "wss://portal",
		.online = true,
		.generation = 3,
		.since = NOW - 3 * 86400 - 2 * 3600 - 59,
		.v4 = ip("100.64.0.1"),
		.v6 = ip("fd00:2021:1111::1"),
		.has_v4 = true,
		.counters = &page,
		.process = {
			{ .running = true, .pid = 10, .started_at = NOW - 7384,
			    .locks = SANDBOX_SECCOMP },
			{ .running = true, .pid = 11, .uid = 995,
			    .started_at = NOW - 3599, .restarts = 1,
			    .locks = SANDBOX_USER | SANDBOX_SECCOMP },
			{ .restarts = 3 },
		},
	};

	page.engine.relays = 1;
	page.io[0].counters.udp_segmentation_v4 = OFFLOAD_IN_USE;
	page.io[0].counters.udp_segmentation_v6 = OFFLOAD_REFUSED;
	page.io[0].counters.tun_segmentation = OFFLOAD_NONE;
	page.io[0].counters.udp_paths_refusing = 2;
	page.io[0].counters.udp_received = 60;
	page.io[1].counters.tun_read = 40;
	page.io[1].counters.strays_udp = 4;
	page.io[2].counters.strays_tun = 3;
	page.io[2].counters.strays_lost = 1;
	return s;
}

static struct ipc_query_relay
some_relay(void)
{
	return (struct ipc_query_relay){
		.relay = { { 0xaa } },
		.v4 = at("192.0.2.1:3478"),
		.relayed_v4 = at("192.0.2.1:50000"),
		.answers = true,
		.rtt_us = 12345,
	};
}

static struct ipc_query_client
some_client(void)
{
	return (struct ipc_query_client){
		.client = { { 0xcc } },
		.v4 = ip("100.64.0.2"),
		.resources = 2,
		.shard = 3,
		.state = QUERY_STATE_CONNECTED,
		.relayed = true,
		.local = at("192.0.2.1:50000"),
		.remote = at("198.51.100.7:1234"),
		.handshaken = true,
		.handshake_age = 125,
		.received_bytes = 1023,
		.received_packets = 1,
		.sent_bytes = 1536 * 1024,
		.sent_packets = 2000,
	};
}

/* All of an answer with the first few relays and clients, to be freed. */
static char *
render(const struct status_format *f, const struct situation *s, size_t relays,
    size_t clients, const char *problem)
{
	const struct ipc_query_relay two_relays[] = { some_relay(), { 0 } };
	const struct ipc_query_client two_clients[] = { some_client(), { 0 } };
	struct text t = { 0 };
	struct status status = { .out = &t };

	f->situation(&status, s, NOW);
	for (size_t i = 0; i < relays; i++)
		f->relay(&status, i, &two_relays[i]);
	f->relays_end(&status, relays);
	for (size_t i = 0; i < clients; i++)
		f->client(&status, s, i, &two_clients[i]);
	f->end(&status, clients, problem);
	json_write_free(&status.json);
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

static void
text_of_all(void **state)
{
	static const char want[] =
	    "posternd " POSTERN_VERSION ": ready\n"
	    "portal: online for 3d 2h, wss://portal, generation 3\n"
	    "tunnel: tun-firezone, IPv4 100.64.0.1, IPv6 none\n"
	    "segmentation: UDP IPv4 in use, IPv6 refused, TUN none; refused "
	    "for 2 destinations\n"
	    "strays: 7 of 100 packets came to another thread than their own, "
	    "1 were lost\n"
	    "\n"
	    "process             pid    uid       up restarts  locks\n"
	    "parent               10      0    2h 3m        0  seccomp\n"
	    "net-worker           11    995  59m 59s        1  user, seccomp\n"
	    "control-worker        -      -        -        3  is starting\n"
	    "\n"
	    "relay                                state             rtt "
	    "address                allocated\n"
	    "aa000000-0000-0000-0000-000000000000 allocated     12.3 ms "
	    "192.0.2.1:3478         192.0.2.1:50000\n"
	    "00000000-0000-0000-0000-000000000000 silent              - "
	    "-                      -\n"
	    "\n"
	    "client                               address         shard "
	    "state     "
	    "   received       sent handshake  path\n"
	    "cc000000-0000-0000-0000-000000000000 100.64.0.2          3 "
	    "connected "
	    "     1023 B    1.5 MiB     2m 5s  relayed 192.0.2.1:50000 - "
	    "198.51.100.7:1234\n"
	    "00000000-0000-0000-0000-000000000000 none                0 "
	    "none      "
	    "        0 B        0 B     never  -\n";
	struct situation s = working();
	char *got = render(&status_text, &s, 2, 2, NULL);

	(void)state;
	assert_string_equal(got, want);
	free(got);
}

static void
text_of_what_is_missing(void **state)
{
	struct situation s = working();
	char *got;

	(void)state;
	s.online = s.has_v4 = false;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got,
	    ": not ready: not connected to the portal\n"
	    "portal: not connected for 3d 2h, wss://portal\n"));
	assert_non_null(strstr(got, "\ntunnel: not configured\n"));
	assert_null(strstr(got, "trouble"));
	assert_non_null(strstr(got, "\nno relays\n\nno clients\n"));
	free(got);
	s = working();
	strcpy(s.trouble.text, "no way");
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got, ": not ready: no way\n"));
	assert_non_null(strstr(got, "\ntrouble: no way\n"));
	free(got);
	got = render(&status_text, &s, 0, 0, "net-worker does not answer");
	assert_null(strstr(got, "no clients"));
	assert_non_null(strstr(got, "\nnet-worker does not answer\n"));
	free(got);
}

static void
add_overlap(struct situation *s, const char *text)
{
	struct ip_prefix p;

	assert_true(prefix_parse(text, &p));
	overlaps_add(&s->overlaps, &p);
}

static void
text_of_overlaps(void **state)
{
	struct situation s = working();
	char *got;

	(void)state;
	add_overlap(&s, "100.70.1.0/24");
	add_overlap(&s, "100.64.0.0/30");
	add_overlap(&s, "100.70.1.0/24");
	got = render(&status_text, &s, 0, 2, NULL);
	assert_non_null(strstr(
	    got, "\noverlap: the host's 100.70.1.0/24, 100.64.0.0/30\n"));
	assert_non_null(strstr(got,
	    "198.51.100.7:1234, its address is the host's 100.64.0.0/30\n"));
	assert_non_null(strstr(got, "never  -\n"));
	assert_non_null(strstr(got, ": ready\n"));
	free(got);
}

static const struct json_value *
member(const struct json_value *v, const char *key)
{
	const struct json_value *m = json_get(v, key);

	if (m == NULL)
		fail_msg("no %s", key);
	return m;
}

static const struct json_value *
element(const struct json_value *array, size_t i)
{
	const struct json_value *v = json_first(array);

	assert_true(json_is(array, JSON_ARRAY));
	while (i-- > 0)
		v = json_next(array, v);
	assert_non_null(v);
	return v;
}

static struct json_document *
parse(const struct situation *s, size_t relays, size_t clients,
    const char *problem)
{
	char *got = render(&status_json, s, relays, clients, problem);
	struct json_document *doc;

	assert_int_equal(json_parse(&doc, got, strlen(got)), JSON_OK);
	free(got);
	return doc;
}

static void
check_client(const struct json_value *c)
{
	const struct json_value *path = member(c, "path");

	assert_true(json_is_text(
	    member(c, "client"), "cc000000-0000-0000-0000-000000000000"));
	assert_true(json_is_text(member(c, "ipv4"), "100.64.0.2"));
	assert_true(json_is(member(c, "ipv6"), JSON_NULL));
	assert_true(json_is(member(c, "overlap"), JSON_NULL));
	assert_true(json_is_text(member(c, "state"), "connected"));
	assert_true(json_is_text(member(path, "kind"), "relayed"));
	assert_true(json_is_text(member(path, "remote"), "198.51.100.7:1234"));
	assert_int_equal(member(c, "handshake_age")->number, 125);
	assert_int_equal(member(c, "sent_bytes")->number, 1536 * 1024);
}

static void
json_of_all(void **state)
{
	struct situation s = working();
	struct json_document *doc = parse(&s, 2, 2, NULL);
	const struct json_value *root = json_root(doc), *v;

	(void)state;
	assert_true(member(root, "ready")->truth);
	assert_true(json_is(member(root, "lacks"), JSON_NULL));
	assert_true(json_is(member(root, "trouble"), JSON_NULL));
	assert_true(json_is(member(root, "problem"), JSON_NULL));
	assert_true(json_is_text(
	    member(member(root, "portal"), "url"), "wss://portal"));
	v = member(root, "segmentation");
	assert_true(json_is_text(member(v, "udp_ipv4"), "in use"));
	assert_true(json_is_text(member(v, "udp_ipv6"), "refused"));
	assert_true(json_is_text(member(v, "tun"), "none"));
	assert_int_equal(member(v, "refusing_paths")->number, 2);
	v = element(member(root, "processes"), 1);
	assert_true(json_is_text(member(v, "process"), "net-worker"));
	assert_int_equal(json_count(member(v, "locks")), 2);
	assert_true(json_is_text(element(member(v, "locks"), 1), "seccomp"));
	v = element(member(root, "processes"), 2);
	assert_false(member(v, "running")->truth);
	assert_int_equal(json_count(member(v, "locks")), 0);
	assert_int_equal(json_count(member(root, "relays")), 2);
	v = element(member(root, "relays"), 0);
	assert_int_equal(member(v, "rtt_us")->number, 12345);
	v = element(member(root, "relays"), 1);
	assert_true(json_is(member(v, "rtt_us"), JSON_NULL));
	assert_true(json_is(member(v, "allocated_ipv4"), JSON_NULL));
	assert_int_equal(json_count(member(root, "clients")), 2);
	check_client(element(member(root, "clients"), 0));
	v = element(member(root, "clients"), 1);
	assert_true(json_is(member(v, "path"), JSON_NULL));
	assert_true(json_is(member(v, "handshake_age"), JSON_NULL));
	json_free(doc);
}

static void
json_of_what_is_missing(void **state)
{
	struct situation s = working();
	struct json_document *doc;

	(void)state;
	s.online = false;
	s.url = "wss://\"quoted\\";
	strcpy(s.trouble.text, "no way");
	add_overlap(&s, "100.64.0.0/30");
	doc = parse(&s, 0, 1, "why");
	assert_true(json_is_text(
	    element(member(json_root(doc), "overlaps"), 0), "100.64.0.0/30"));
	assert_true(json_is_text(
	    member(element(member(json_root(doc), "clients"), 0), "overlap"),
	    "100.64.0.0/30"));
	assert_false(member(json_root(doc), "ready")->truth);
	assert_true(json_is_text(member(json_root(doc), "problem"), "why"));
	assert_true(json_is_text(member(json_root(doc), "trouble"), "no way"));
	assert_true(json_is_text(
	    member(member(json_root(doc), "portal"), "url"), s.url));
	json_free(doc);
}

/* Other programs read it: names, order and form stay. */
static void
json_in_every_byte(void **state)
{
	struct situation s = working();
	char *got = render(&status_json, &s, 2, 2, NULL);

	(void)state;
	assert_string_equal(got,
	    "{\"version\":\"" POSTERN_VERSION "\",\"now\":1800000000,"
	    "\"ready\":true,\"lacks\":null,\"trouble\":null,"
	    "\"portal\":{\"url\":\"wss://portal\",\"online\":true,"
	    "\"generation\":3,\"since\":1799733541,"
	    "\"clock_ahead_ms\":null},"
	    "\"tunnel\":{\"device\":\"tun-firezone\",\"ipv4\":\"100.64.0.1\","
	    "\"ipv6\":null},\"segmentation\":{\"udp_ipv4\":\"in use\","
	    "\"udp_ipv6\":\"refused\",\"tun\":\"none\",\"refusing_paths\":2},"
	    "\"strays\":{\"datagrams\":4,\"packets\":3,\"lost\":1},"
	    "\"overlaps\":[],\"processes\":[{\"process\":\"parent\","
	    "\"running\":true,\"pid\":10,\"uid\":0,\"restarts\":0,"
	    "\"started_at\":1799992616,\"locks\":[\"seccomp\"]},"
	    "{\"process\":\"net-worker\",\"running\":true,\"pid\":11,"
	    "\"uid\":995,\"restarts\":1,\"started_at\":1799996401,"
	    "\"locks\":[\"user\",\"seccomp\"]},{\"process\":\"control-worker\","
	    "\"running\":false,\"pid\":0,\"uid\":0,\"restarts\":3,"
	    "\"started_at\":0,\"locks\":[]}],"
	    "\"relays\":[{\"relay\":\"aa000000-0000-0000-0000-000000000000\","
	    "\"ipv4\":\"192.0.2.1:3478\",\"ipv6\":null,"
	    "\"allocated_ipv4\":\"192.0.2.1:50000\",\"allocated_ipv6\":null,"
	    "\"rtt_us\":12345},"
	    "{\"relay\":\"00000000-0000-0000-0000-000000000000\",\"ipv4\":null,"
	    "\"ipv6\":null,\"allocated_ipv4\":null,\"allocated_ipv6\":null,"
	    "\"rtt_us\":null}],"
	    "\"clients\":[{\"client\":\"cc000000-0000-0000-0000-000000000000\","
	    "\"ipv4\":\"100.64.0.2\",\"ipv6\":null,\"resources\":2,\"shard\":3,"
	    "\"state\":\"connected\",\"relay\":null,"
	    "\"path\":{\"kind\":\"relayed\",\"local\":\"192.0.2.1:50000\","
	    "\"remote\":\"198.51.100.7:1234\"},\"handshake_age\":125,"
	    "\"received_packets\":1,\"received_bytes\":1023,"
	    "\"sent_packets\":2000,\"sent_bytes\":1572864,\"overlap\":null},"
	    "{\"client\":\"00000000-0000-0000-0000-000000000000\","
	    "\"ipv4\":null,\"ipv6\":null,\"resources\":0,\"shard\":0,\"state\":"
	    "\"none\","
	    "\"relay\":null,\"path\":null,\"handshake_age\":null,"
	    "\"received_packets\":0,\"received_bytes\":0,\"sent_packets\":0,"
	    "\"sent_bytes\":0,\"overlap\":null}],\"problem\":null}\n");
	free(got);
	s.counters = NULL;
	s.clock = (struct portal_clock){ .known = true, .ahead_ms = -1500 };
	add_overlap(&s, "100.64.0.0/30");
	add_overlap(&s, "100.64.0.8/30");
	got = render(&status_json, &s, 0, 0, "why");
	assert_string_equal(got,
	    "{\"version\":\"" POSTERN_VERSION "\",\"now\":1800000000,"
	    "\"ready\":false,\"lacks\":\"net-worker is not running\","
	    "\"trouble\":null,\"portal\":{\"url\":\"wss://portal\","
	    "\"online\":true,\"generation\":3,\"since\":1799733541,"
	    "\"clock_ahead_ms\":-1500},"
	    "\"tunnel\":{\"device\":\"tun-firezone\",\"ipv4\":\"100.64.0.1\","
	    "\"ipv6\":null},\"segmentation\":null,\"strays\":null,"
	    "\"overlaps\":[\"100.64.0.0/30\",\"100.64.0.8/30\"],"
	    "\"processes\":[{\"process\":\"parent\",\"running\":true,"
	    "\"pid\":10,\"uid\":0,\"restarts\":0,\"started_at\":1799992616,"
	    "\"locks\":[\"seccomp\"]},{\"process\":\"net-worker\","
	    "\"running\":true,\"pid\":11,\"uid\":995,\"restarts\":1,"
	    "\"started_at\":1799996401,\"locks\":[\"user\",\"seccomp\"]},"
	    "{\"process\":\"control-worker\",\"running\":false,\"pid\":0,"
	    "\"uid\":0,\"restarts\":3,\"started_at\":0,\"locks\":[]}],"
	    "\"relays\":[],\"clients\":[],\"problem\":\"why\"}\n");
	free(got);
}

/* The host's clock against the portal's, where that is known. */
static void
clock_that_is_off(void **state)
{
	struct situation s = working();
	struct json_document *doc = parse(&s, 0, 0, NULL);
	char *got;

	(void)state;
	assert_true(json_is_nothing(json_get(
	    member(json_root(doc), "portal"), "clock_ahead_ms")));
	json_free(doc);
	s.clock = (struct portal_clock){ .known = true, .ahead_ms = 7200100 };
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got,
	    "\nclock: 7200.1 s ahead of the portal's; grants end too early\n"));
	free(got);
	s.clock.ahead_ms = 1500;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got, "\nclock: as the portal's\n"));
	free(got);
	doc = parse(&s, 0, 0, NULL);
	assert_int_equal(
	    member(member(json_root(doc), "portal"), "clock_ahead_ms")->number,
	    1500);
	json_free(doc);
	s.clock.ahead_ms = -3500;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got,
	    "\nclock: 3.5 s behind the portal's; grants end too late\n"));
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_all),
		cmocka_unit_test(text_of_what_is_missing),
		cmocka_unit_test(text_of_overlaps),
		cmocka_unit_test(json_of_all),
		cmocka_unit_test(json_of_what_is_missing),
		cmocka_unit_test(json_in_every_byte),
		cmocka_unit_test(clock_that_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

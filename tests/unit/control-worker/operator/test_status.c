/* control-worker/operator/status_text.c and status_json.c: whole answers. */
#include "control-worker/operator/status.h"

#include <stdlib.h>

#include "common/reason.h"
#include "common/sandbox.h"
#include "control-worker/json/json.h"
#include "tests/lib/addresses.h"

#define NOW 1800000000

static struct counter_page page;

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
		.mapped_v4 = at("198.51.100.1:40000"),
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
		.iceless = true,
		.relayed = true,
		.local = at("192.0.2.1:50000"),
		.remote = at("198.51.100.7:1234"),
		.handshaken = true,
		.handshake_age = 125,
		.received_bytes = 1023,
		.received_packets = 1,
		.sent_bytes = 1536 * 1024,
		.sent_packets = 2000,
		.over_share = 17,
	};
}

static struct directory *names;
static bool wide;

static int
set_up(void **state)
{
	const struct client_description c = {
		.client = { { 0xcc } },
		.actor = { "Jane", 4 },
		.email = { "jane@acme.com", 13 },
		.system = { "macOS", 5 },
		.system_version = { "15.5", 4 },
		.serial = { "C02X", 4 },
		.city = { "Austin", 6 },
	};

	(void)state;
	wide = false;
	names = directory_new();
	assert_non_null(names);
	directory_learn_client(names, &c);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	directory_free(names);
	return 0;
}

/* All of an answer with the first few relays and clients, to be freed. */
static char *
render(const struct status_format *f, const struct situation *s, size_t relays,
    size_t clients, const char *problem)
{
	const struct ipc_query_relay two_relays[] = { some_relay(), { 0 } };
	const struct ipc_query_client two_clients[] = { some_client(), { 0 } };
	struct text t = { 0 };
	struct status status = {
		.out = &t,
		.situation = s,
		.names = names,
		.wide = wide,
	};

	f->begin(&status);
	f->situation(&status, NOW);
	f->list(&status, LIST_RELAYS);
	for (size_t i = 0; i < relays; i++)
		f->relay(&status, i, &two_relays[i]);
	f->list_end(&status, LIST_RELAYS, relays, true);
	f->list(&status, LIST_CLIENTS);
	for (size_t i = 0; i < clients; i++)
		f->client(&status, i, &two_clients[i]);
	f->list_end(&status, LIST_CLIENTS, clients, problem == NULL);
	f->end(&status, problem);
	json_write_free(&status.json);
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

static void
wide_text(void **state)
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
	    "client                               who                      "
	    "        address         shard "
	    "state     "
	    "   received       sent handshake  path\n"
	    "cc000000-0000-0000-0000-000000000000 jane@acme.com, macOS 15.5"
	    "        100.64.0.2          3 "
	    "connected "
	    "     1023 B    1.5 MiB     2m 5s  relayed without ICE "
	    "192.0.2.1:50000 - "
	    "198.51.100.7:1234, 17 packets over its share\n"
	    "00000000-0000-0000-0000-000000000000 -                        "
	    "        none                0 "
	    "none      "
	    "        0 B        0 B     never  -\n";
	struct situation s = working();
	char *got;

	(void)state;
	wide = true;
	got = render(&status_text, &s, 2, 2, NULL);
	assert_string_equal(got, want);
	free(got);
}

/* Either end of a path may be on a relay. */
static void
names_of_paths(void **state)
{
	struct ipc_query_client c = { .relayed = false };

	(void)state;
	assert_string_equal(status_path_name(&c), "direct");
	c.client_relayed = true;
	assert_string_equal(status_path_name(&c), "relayed by the client");
	c.relayed = true;
	assert_string_equal(status_path_name(&c), "relayed by both");
	c.client_relayed = false;
	assert_string_equal(status_path_name(&c), "relayed");
}

/* Whoever looks has a terminal of 80 columns, and an hour to think of. */
static void
narrow_text(void **state)
{
	static const char want[] =
	    "process             pid    uid       up restarts  locks\n"
	    "parent               10      0    2h 3m        0  user, root, "
	    "chroot, network,\n"
	    "                                                  capabilities, "
	    "not dumpable,\n"
	    "                                                  no new "
	    "privileges, landlock,\n"
	    "                                                  seccomp, "
	    "egress\n"
	    "net-worker           11    995  59m 59s        1  user, seccomp\n"
	    "control-worker        -      -        -        3  is starting\n"
	    "\n"
	    "relay    state           rtt address                   allocated\n"
	    "aa000000 allocated   12.3 ms 192.0.2.1:3478            "
	    "192.0.2.1:50000\n"
	    "00000000 silent            - -                         -\n"
	    "\n"
	    "client   who                          address         path      "
	    "    from      to\n"
	    "cc000000 jane@acme.com, macOS 15.5    100.64.0.2      relayed   "
	    "    1023    1.5M\n"
	    "         17 packets over its share\n"
	    "00000000 -                            none            none      "
	    "       0       0\n";
	struct situation s = working();
	char *got, *table;

	(void)state;
	s.process[0].locks = ~0u;
	got = render(&status_text, &s, 2, 2, NULL);
	table = strstr(got, "process ");
	assert_non_null(table);
	assert_string_equal(table, want);
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
	/* Which is said where errors go. */
	assert_null(strstr(got, "net-worker does not answer"));
	free(got);
}

static void
add_overlap(struct situation *s, const char *text)
{
	struct ip_prefix p;

	assert_true(prefix_parse(text, &p));
	overlaps_add(&s->overlaps, &p);
}

static unsigned
count_of(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static void
add_probes(struct situation *s)
{
	for (uint16_t i = 0; i < 3; i++) {
		struct endpoint *server = &s->probes.of[i].server;

		assert_true(ip_parse("10.0.0.1", &server->ip));
		server->port = (uint16_t)(80 + i);
	}
	s->probes.count = 3;
	probe_result_note(&s->probes.of[0], NULL, 1500, 1799996400);
	probe_result_note(&s->probes.of[1], "lost", 0, 1799999960);
	probe_result_note(
	    &s->probes.of[1], "Connection refused", 0, 1799999990);
}

static void
text_of_probes(void **state)
{
	struct situation s = working();
	char *got;

	(void)state;
	add_probes(&s);
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(
	    got, "\n10.0.0.1:80                   answers     1h 0m    1.5 ms"));
	assert_non_null(strstr(got,
	    "\n10.0.0.1:81                   silent        10s         -  "
	    "Connection refused\n"));
	assert_non_null(strstr(
	    got, "\n10.0.0.1:82                   -               -         -"));
	assert_non_null(strstr(got, ": ready\n"));
	free(got);
	s.probes_needed = true;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(
	    strstr(got, ": not ready: a server of --probe does not answer\n"));
	free(got);
}

/* By address, whatever the port, and not before all is known. */
static void
text_of_withdrawn(void **state)
{
	static const char withdrawn[] =
	    "\n10.0.0.2:443                  withdrawn     10s         -  "
	    "timed out\n";
	struct situation s = working();
	struct probe_result *other = &s.probes.of[3];
	char *got;

	(void)state;
	add_probes(&s);
	s.withdraws = true;
	assert_true(ip_parse("10.0.0.2", &other->server.ip));
	other->server.port = 443;
	s.probes.count = 4;
	probe_result_note(other, "timed out", 0, 1799999960);
	probe_result_note(other, "timed out", 0, 1799999990);
	got = render(&status_text, &s, 0, 0, NULL);
	assert_null(strstr(got, "withdrawn"));
	free(got);
	probe_result_note(&s.probes.of[2], NULL, 1500, 1799996400);
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got, withdrawn));
	assert_non_null(strstr(got, "\n10.0.0.1:81                   silent "));
	free(got);
	got = render(&status_json, &s, 0, 0, NULL);
	assert_int_equal(count_of(got, "\"withdrawn\":true"), 1);
	assert_int_equal(count_of(got, "\"withdrawn\":false"), 3);
	free(got);
	s.withdraws = false;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_null(strstr(got, "withdrawn"));
	free(got);
}

static void
text_of_draining(void **state)
{
	struct situation s = working();
	char *got;

	(void)state;
	s.draining = true;
	s.drain_ends_at = 1800000060;
	s.online = false;
	got = render(&status_text, &s, 0, 0, NULL);
	assert_non_null(strstr(got,
	    ": not ready: draining\ndrain: 0 clients are connected; posternd "
	    "ends when none is, in 1m 0s at the latest\nportal: left for "));
	free(got);
	got = render(&status_json, &s, 0, 0, NULL);
	assert_non_null(strstr(
	    got, "\"drain\":{\"connections\":0,\"ends_at\":1800000060}"));
	free(got);
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
	    "1.5M\n         its address is the host's 100.64.0.0/30\n"
	    "         17 packets over its share\n"));
	assert_int_equal(count_of(got, "its address"), 1);
	free(got);
	wide = true;
	got = render(&status_text, &s, 0, 2, NULL);
	assert_non_null(strstr(got,
	    "198.51.100.7:1234, its address is the host's 100.64.0.0/30, "
	    "17 packets over its share\n"));
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
	    "\"drain\":null,"
	    "\"portal\":{\"url\":\"wss://portal\",\"online\":true,"
	    "\"generation\":3,\"since\":1799733541,"
	    "\"clock_ahead_ms\":null},"
	    "\"tunnel\":{\"device\":\"tun-firezone\",\"ipv4\":\"100.64.0.1\","
	    "\"ipv6\":null},\"segmentation\":{\"udp_ipv4\":\"in use\","
	    "\"udp_ipv6\":\"refused\",\"tun\":\"none\",\"refusing_paths\":2},"
	    "\"strays\":{\"datagrams\":4,\"packets\":3,\"lost\":1},"
	    "\"overlaps\":[],\"probes\":[],\"processes\":[{\"process\":"
	    "\"parent\","
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
	    "\"rtt_us\":12345,\"mapped_ipv4\":\"198.51.100.1:40000\","
	    "\"mapped_ipv6\":null},"
	    "{\"relay\":\"00000000-0000-0000-0000-000000000000\",\"ipv4\":null,"
	    "\"ipv6\":null,\"allocated_ipv4\":null,\"allocated_ipv6\":null,"
	    "\"rtt_us\":null,\"mapped_ipv4\":null,\"mapped_ipv6\":null}],"
	    "\"clients\":[{\"client\":\"cc000000-0000-0000-0000-000000000000\","
	    "\"actor\":\"Jane\",\"email\":\"jane@acme.com\","
	    "\"system\":\"macOS\",\"system_version\":\"15.5\","
	    "\"serial\":\"C02X\",\"city\":\"Austin\","
	    "\"ipv4\":\"100.64.0.2\",\"ipv6\":null,\"resources\":2,\"shard\":3,"
	    "\"state\":\"connected\",\"relay\":null,"
	    "\"path\":{\"kind\":\"relayed\",\"relayed_by\":\"gateway\","
	    "\"found_by\":\"probes\","
	    "\"local\":\"192.0.2.1:50000\","
	    "\"remote\":\"198.51.100.7:1234\"},\"handshake_age\":125,"
	    "\"received_packets\":1,\"received_bytes\":1023,"
	    "\"sent_packets\":2000,\"sent_bytes\":1572864,"
	    "\"over_share\":17,\"overlap\":null},"
	    "{\"client\":\"00000000-0000-0000-0000-000000000000\","
	    "\"actor\":null,\"email\":null,\"system\":null,"
	    "\"system_version\":null,\"serial\":null,\"city\":null,"
	    "\"ipv4\":null,\"ipv6\":null,\"resources\":0,\"shard\":0,\"state\":"
	    "\"none\","
	    "\"relay\":null,\"path\":null,\"handshake_age\":null,"
	    "\"received_packets\":0,\"received_bytes\":0,\"sent_packets\":0,"
	    "\"sent_bytes\":0,\"over_share\":0,\"overlap\":null}],"
	    "\"problem\":null}\n");
	free(got);
	s.counters = NULL;
	s.clock = (struct portal_clock){ .known = true, .ahead_ms = -1500 };
	add_overlap(&s, "100.64.0.0/30");
	add_overlap(&s, "100.64.0.8/30");
	add_probes(&s);
	got = render(&status_json, &s, 0, 0, "why");
	assert_string_equal(got,
	    "{\"version\":\"" POSTERN_VERSION "\",\"now\":1800000000,"
	    "\"ready\":false,\"lacks\":\"net-worker is not running\","
	    "\"trouble\":null,\"drain\":null,\"portal\":{\"url\":\"wss://"
	    "portal\","
	    "\"online\":true,\"generation\":3,\"since\":1799733541,"
	    "\"clock_ahead_ms\":-1500},"
	    "\"tunnel\":{\"device\":\"tun-firezone\",\"ipv4\":\"100.64.0.1\","
	    "\"ipv6\":null},\"segmentation\":null,\"strays\":null,"
	    "\"overlaps\":[\"100.64.0.0/30\",\"100.64.0.8/30\"],"
	    "\"probes\":[{\"server\":\"10.0.0.1:80\",\"answers\":true,"
	    "\"since\":1799996400,\"failed\":0,\"connect_us\":1500,"
	    "\"error\":null,\"withdrawn\":false},{\"server\":\"10.0.0.1:81\","
	    "\"answers\":false,"
	    "\"since\":1799999990,\"failed\":2,\"connect_us\":0,"
	    "\"error\":\"Connection "
	    "refused\",\"withdrawn\":false},{\"server\":\"10.0.0.1:82\","
	    "\"answers\":null,\"since\":0,\"failed\":0,\"connect_us\":0,"
	    "\"error\":null,\"withdrawn\":false}],"
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

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static char *
explain_to(const struct status_format *f, const struct explained_packet *e)
{
	const struct situation s = working();
	struct text t = { 0 };
	struct status status = { .out = &t, .situation = &s, .names = names };

	f->begin(&status);
	f->explained(&status, e, 0);
	f->end(&status, NULL);
	json_write_free(&status.json);
	text_write(&t, "", 1);
	assert_false(t.failed);
	return t.bytes;
}

/* Granted is granted, whether the client has asked for it yet or not. */
static void
names_not_asked_for(void **state)
{
	struct explained_packet e = {
		.protocol = 6,
		.client = some_client(),
		.packet = {
			.destination.port = 80,
			.verdict = EXPLAINED_PASSED,
			.resource = { { 7 } },
			.domain = "files.corp.test",
		},
	};
	char *got = explain_to(&status_text, &e);

	(void)state;
	assert_non_null(strstr(got,
	    "allowed: tcp from jane@acme.com, macOS 15.5 to "
	    "files.corp.test:80, granted by "
	    "07000000-0000-0000-0000-000000000000; the client has not asked "
	    "for the name yet\n"));
	free(got);
	got = explain_to(&status_json, &e);
	assert_non_null(strstr(got, "\"allowed\":true,"));
	assert_non_null(strstr(got, "\"name_in_use\":false,"));
	free(got);
	e.packet.verdict = EXPLAINED_DROPPED;
	e.packet.reason = REASON_FILTER;
	got = explain_to(&status_text, &e);
	assert_non_null(strstr(got,
	    "files.corp.test:80: no filter of "
	    "07000000-0000-0000-0000-000000000000 permits it\n"));
	/* Nor is it dropped: nothing is sent. */
	assert_null(strstr(got, "  answer "));
	free(got);
	e.packet.reason = REASON_NO_ROUTE;
	got = explain_to(&status_text, &e);
	assert_non_null(strstr(
	    got, ": no resource that it is granted so far has that name\n"));
	free(got);
	e.packet.destination = at("10.0.0.1:80");
	got = explain_to(&status_json, &e);
	assert_non_null(strstr(got, "\"name_in_use\":true,"));
	free(got);
	e.packet.domain[0] = '\0';
	got = explain_to(&status_json, &e);
	assert_non_null(strstr(got, "\"name_in_use\":null,"));
	free(got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(wide_text),
		T(names_of_paths),
		T(names_not_asked_for),
		T(narrow_text),
		T(text_of_what_is_missing),
		T(text_of_overlaps),
		T(text_of_probes),
		T(text_of_withdrawn),
		T(text_of_draining),
		T(json_of_all),
		T(json_of_what_is_missing),
		T(json_in_every_byte),
		T(clock_that_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Flows and counters by way of control-worker/operator/ctl.c, on real sockets:
 * lists of them and lines that follow, to readers who read and others. The
 * net-worker is played here.
 */
#include "control-worker/operator/ctl.h"

#include <stdlib.h>

#include "common/ctl.h"
#include "common/log.h"
#include "control-worker/operator/follow.h"
#include "tests/lib/ctl.h"

#define PAGE  64
#define SHOWN 4096 /* of a list */

static struct counter_page page;
static struct situation situation;

/* What the net-worker is like. */
static uint32_t flows;
static bool absent;
static struct ipc_query pending, asked; /* the next one, the last one */

static bool
on_ask(void *ctx, const struct ipc_query *q)
{
	(void)ctx;
	pending = asked = *q;
	return !absent;
}

static void
answer_flows(const struct ipc_query *q, struct ipc_query_end *end)
{
	struct ipc_query_flow f = { .serial = q->serial, .protocol = 6 };
	uint32_t i = q->from;

	for (; i < flows && i < q->from + PAGE; i++) {
		f.client = q->client;
		f.source.port = (uint16_t)i;
		ctl_flow(ctl, &f);
	}
	end->more = i < flows;
	end->next = i;
}

/* Three clients: 0a, 0b, 0c; and the resource 7 with meter 1. */
static void
answer_query(void)
{
	const struct ipc_query q = pending;
	struct ipc_query_end end = { .serial = q.serial };
	struct ipc_query_client client = { .serial = q.serial };
	const struct ipc_query_resource resource = {
		.serial = q.serial,
		.meter = 1,
		.resource = { { 7 } },
	};

	pending.serial = 0;
	if (q.serial == 0)
		return;
	if (q.kind == QUERY_KIND_FLOWS)
		answer_flows(&q, &end);
	else if (q.kind == QUERY_KIND_RESOURCES)
		ctl_resource(ctl, &resource);
	else
		for (uint8_t i = 10; i < 13; i++) {
			client.client.bytes[0] = i;
			client.received_bytes = i;
			client.sent_packets = 2 * i;
			ctl_client(ctl, &client);
		}
	ctl_query_end(ctl, &end);
}

static int
set_up(void **state)
{
	const struct ctl_config config = {
		.situation = &situation,
		.ask = on_ask,
	};

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	memset(&page, 0, sizeof(page));
	page.engine.flows_followed = 1;
	situation = (struct situation){
		.url = "wss://portal",
		.counters = &page,
	};
	flows = 0;
	absent = false;
	pending.serial = 0;
	serve_ctl(config, answer_query);
	return 0;
}

static void
not_followed(void **state)
{
	static const char sentence[] = "no flow is followed: that takes "
				       "--flow-log, or flow logs at the portal";
	char want[256];

	(void)state;
	page.engine.flows_followed = 0;
	snprintf(want, sizeof(want), "%s\n", sentence);
	assert_true(ask("flows text\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(answer, want);
	assert_true(ask("flows text 0a\n"));
	assert_string_equal(answer, want);
	assert_true(ask("follow text\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(answer, want);
	snprintf(want, sizeof(want),
	    "{\"flows\":[],\"more\":0,\"problem\":\"%s\"}\n", sentence);
	assert_true(ask("flows json\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(answer, want);
	snprintf(want, sizeof(want), "{\"problem\":\"%s\"}\n", sentence);
	assert_true(ask("follow json\n"));
	assert_string_equal(answer, want);
	assert_int_equal(asked.serial, 0);
}

static void
lists(void **state)
{
	static const uint32_t numbers[] = { 1, PAGE, PAGE + 1, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		flows = numbers[i];
		assert_true(ask("flows text\n"));
		assert_int_equal(exit_status, 0);
		assert_int_equal(count("\n"), 1 + flows);
		assert_int_equal(count("client "), 1);
		assert_int_equal(asked.from, (flows - 1) / PAGE * PAGE);
		assert_false(asked.of_one);
		assert_true(ask("flows json\n"));
		assert_int_equal(count("{\"client\":"), flows);
		assert_non_null(
		    strstr(answer, "],\"more\":0,\"problem\":null}\n"));
	}
	flows = 0;
	assert_true(ask("flows text\n"));
	assert_string_equal(answer, "no flows\n");
	assert_int_equal(exit_status, 0);
	absent = true;
	assert_true(ask("flows text\n"));
	assert_string_equal(answer, "net-worker does not answer\n");
	assert_int_equal(exit_status, 1);
	/* Nobody knows whether they are followed. */
	situation.counters = NULL;
	assert_true(ask("flows text\n"));
	assert_string_equal(answer, "net-worker does not answer\n");
}

static void
of_one_client(void **state)
{
	(void)state;
	flows = SHOWN + PAGE;
	assert_true(ask("flows text 0b\n"));
	assert_int_equal(exit_status, 0);
	assert_true(asked.of_one);
	assert_int_equal(asked.client.bytes[0], 0x0b);
	assert_int_equal(count("\n0b000000 "), flows);
	assert_true(ask("flows json ff\n"));
	assert_int_equal(exit_status, 2);
	assert_string_equal(answer,
	    "{\"problem\":\"no client with access has that id, name or "
	    "address\"}\n");
}

/* Not because nobody counts: the net-worker does. */
static void
too_many_to_be_shown(void **state)
{
	(void)state;
	flows = 100000;
	page.shard[0].counters.flows_open = 60000;
	page.shard[2].counters.flows_open = 40000;
	assert_true(ask("flows text\n"));
	assert_int_equal(count("\n"), 1 + SHOWN + 1);
	assert_non_null(strstr(answer, "\nand 95904 more\n"));
	assert_int_equal(exit_status, 0);
	assert_true(ask("flows json\n"));
	assert_int_equal(count("{\"client\":"), SHOWN);
	assert_non_null(strstr(answer, "],\"more\":95904,\"problem\":null}\n"));
}

static struct ipc_flow
report(uint8_t client, bool closed)
{
	struct ipc_flow m = {
		.closed = closed,
		.client = { { client } },
		.resource = { { 7 } },
		.protocol = 17,
		.source = { .port = 1234 },
		.destination = { .port = 53 },
		.started_at = UINT64_C(1800000000500000000),
	};

	if (closed) {
		m.last_packet_at = UINT64_C(1800000010000000000);
		m.ended_at = UINT64_C(1800000130100000000);
		m.tx_bytes = 100;
		m.rx_bytes = 2048;
	}
	assert_true(ip_parse("100.64.0.2", &m.source.ip));
	assert_true(ip_parse("10.0.0.9", &m.destination.ip));
	return m;
}

static void
tell_flow(uint8_t client, bool closed)
{
	const struct ipc_flow m = report(client, closed);

	ctl_flow_report(ctl, &m);
}

static void
follows(void **state)
{
	static const char heading[] =
	    "     client        source    destination           resource    "
	    "from      to  age\n";
	int all = request("follow text\n"), one;

	(void)state;
	tell_flow(0x0a, false); /* nobody follows yet */
	begin_reading();
	read_until(all, "age\n");
	assert_string_equal(answer, heading);
	tell_flow(0x0a, false);
	tell_flow(0x0b, true);
	begin_reading();
	read_until(all, "end ");
	assert_string_equal(answer,
	    "open 0a000000      udp  1234 10.0.0.9:53           07000000 "
	    "      -       -    -\n"
	    "end  0b000000      udp  1234 10.0.0.9:53           07000000 "
	    "    100    2.0K   2m\n");
	one = request("follow json 0b\n");
	for (int i = 0; i < 20; i++)
		turn();
	begin_reading();
	tell_flow(0x0a, true);
	tell_flow(0x0b, false);
	tell_flow(0x0b, true);
	read_until(one, "closed");
	assert_string_equal(answer,
	    "{\"event\":\"opened\",\"time\":1800000000,"
	    "\"client\":\"0b000000-0000-0000-0000-000000000000\","
	    "\"actor\":null,\"email\":null,"
	    "\"resource\":\"07000000-0000-0000-0000-000000000000\","
	    "\"name\":null,\"protocol\":\"udp\","
	    "\"source\":\"100.64.0.2:1234\",\"destination\":\"10.0.0.9:53\","
	    "\"domain\":null,\"age\":0,\"idle\":0,\"received_packets\":0,"
	    "\"received_bytes\":0,\"sent_packets\":0,\"sent_bytes\":0}\n"
	    "{\"event\":\"closed\",\"time\":1800000130,"
	    "\"client\":\"0b000000-0000-0000-0000-000000000000\","
	    "\"actor\":null,\"email\":null,"
	    "\"resource\":\"07000000-0000-0000-0000-000000000000\","
	    "\"name\":null,\"protocol\":\"udp\","
	    "\"source\":\"100.64.0.2:1234\",\"destination\":\"10.0.0.9:53\","
	    "\"domain\":null,\"age\":129,\"idle\":120,\"received_packets\":0,"
	    "\"received_bytes\":100,\"sent_packets\":0,\"sent_bytes\":2048}\n");
	begin_reading();
	read_until(all, "open");
	assert_int_equal(count("\n"), 3);
	close(all);
	close(one);
}

/* Others can ask, whoever follows; and who goes makes room for the next. */
static void
few_follow(void **state)
{
	int first = request("follow text\n"), second;

	(void)state;
	begin_reading();
	read_until(first, "age\n");
	second = request("follow text\n");
	begin_reading();
	read_until(second, "age\n");
	assert_true(ask("follow text\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(answer, "others follow the flows already\n");
	flows = 3;
	assert_true(ask("flows text\n"));
	assert_int_equal(count("\n"), 4);
	close(first);
	for (int i = 0; i < 20; i++)
		turn();
	first = request("follow text\n");
	begin_reading();
	read_until(first, "age\n");
	close(first);
	close(second);
}

/* Of whatever is reported no more is kept, and no line is lost unsaid. */
static void
slow_reader(void **state)
{
	const unsigned reported = 50000;
	unsigned long left_out;
	const char *at;
	int fd = request("follow wide\n");

	(void)state;
	begin_reading();
	read_until(fd, "name\n");
	begin_reading();
	for (unsigned i = 0; i < reported; i++) {
		tell_flow(0x0a, false);
		if (i % 100 == 0)
			turn();
	}
	read_until(fd, "left out");
	at = strstr(answer, "\n(");
	assert_non_null(at);
	left_out = strtoul(at + 2, NULL, 10);
	assert_int_equal(count(" open "), reported - left_out);
	/* What a socket takes, and FOLLOW_BACKLOG_MAX. */
	assert_true(left_out > reported / 2);
	/* It goes on. */
	begin_reading();
	tell_flow(0x0a, true);
	read_until(fd, " end ");
	assert_int_equal(count("\n"), 1);
	close(fd);
}

/* Where there is nothing new, that is said; who does not read is let be. */
static void
nothing_new(void **state)
{
	static const char alive[] = { CTL_ALIVE, '\0' };
	int silent = request("follow json\n"), stuck = request("follow text\n");

	(void)state;
	for (int i = 0; i < 20; i++)
		turn();
	for (unsigned i = 0; i < 20000; i++) {
		tell_flow(0x0a, false);
		if (i % 100 == 0)
			turn();
	}
	begin_reading();
	read_until(silent, "left out");
	begin_reading();
	/* Patience is 3 s. */
	while (count(alive) == 0) {
		uv_run(&loop, UV_RUN_ONCE);
		assert_true(read_some(silent, sizeof(answer)));
	}
	assert_string_equal(answer, alive);
	begin_reading();
	read_until(stuck, "left out");
	assert_null(strstr(answer, alive));
	close(silent);
	close(stuck);
}

/* What posternctl makes rates of. */
static void
counters(void **state)
{
	const char *rest;

	(void)state;
	page.shard[0].counters.outbound_bytes = 1;
	page.shard[1].counters.outbound_bytes = 2;
	page.shard[1].counters.inbound_packets = 4;
	page.meters[1].meter[1].inbound_bytes = 9;
	page.meters[1].meter[0].outbound_packets = 8;
	assert_true(ask("top text\n"));
	assert_int_equal(exit_status, 0);
	assert_memory_equal(answer, "time ", 5);
	rest = strchr(answer, '\n');
	assert_non_null(rest);
	assert_string_equal(rest + 1,
	    "total 3 0 0 4\n"
	    "client 0a000000-0000-0000-0000-000000000000 10 0 0 20 "
	    "-                                \n"
	    "client 0b000000-0000-0000-0000-000000000000 11 0 0 22 "
	    "-                                \n"
	    "client 0c000000-0000-0000-0000-000000000000 12 0 0 24 "
	    "-                                \n"
	    "resource 00000000-0000-0000-0000-000000000000 0 8 0 0 "
	    "others, and none                 \n"
	    "resource 07000000-0000-0000-0000-000000000000 0 0 9 0 "
	    "-                                \n"
	    "end\n");
	absent = true;
	assert_true(ask("top wide\n"));
	assert_int_equal(exit_status, 1);
	assert_non_null(
	    strstr(answer, "\nproblem net-worker does not answer\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_ctl)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(not_followed),
		TEST(lists),
		TEST(of_one_client),
		TEST(too_many_to_be_shown),
		TEST(follows),
		TEST(few_follow),
		TEST(slow_reader),
		TEST(nothing_new),
		TEST(counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

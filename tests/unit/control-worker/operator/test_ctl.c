/*
 * control-worker/operator/ctl.c and net/server.c on real sockets: whole answers,
 * however many clients there are, and peers that are slow, silent, rude or too
 * many. The net-worker is played here.
 */
#include "control-worker/operator/ctl.h"

#include "common/address.h"
#include "common/log.h"
#include "common/reason.h"
#include "control-worker/net/server.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/http.h"
#include "tests/lib/ctl.h"

#define PAGE 64

static struct situation situation;

/* What the net-worker is like. */
static uint32_t clients, queries;
static bool silent, absent, gone; /* gone: the client, just now */
static struct ipc_explain explain;
static struct ipc_query pending;

static bool
on_ask(void *ctx, const struct ipc_query *q)
{
	(void)ctx;
	if (absent)
		return false;
	queries++;
	pending = *q;
	return true;
}

static bool
on_explain(void *ctx, const struct ipc_explain *m)
{
	(void)ctx;
	explain = *m;
	return !absent;
}

static bool on_log_level(void *ctx, enum log_level level);

/* Of all clients but the first, who has port 80 of the resource. */
static void
answer_explain(void)
{
	const struct ipc_explain m = explain;
	bool passes = m.destination.port == 80;
	struct ipc_query_client client = {
		.serial = m.serial,
		.client = m.client,
		.state = QUERY_STATE_CONNECTED,
	};
	struct ipc_explained e = {
		.serial = m.serial,
		.destination = m.destination,
		.verdict = passes ? EXPLAINED_PASSED : EXPLAINED_ANSWERED,
		.reason = passes ? REASON_NONE : REASON_FILTER,
		.resource = { { 7 } },
		.routes = 1,
	};
	struct ipc_explained_route route = {
		.serial = m.serial,
		.resource = { { 7 } },
		.permits = passes,
	};
	struct ipc_query_grant grant = {
		.serial = m.serial,
		.client = m.client,
		.resource = { { 7 } },
		.type = RESOURCE_CIDR,
		.filter_count = 1,
		.filters = { { FILTER_TCP, 80, 80 } },
		.filters_count = 1,
	};
	struct ipc_query_end end = { .serial = m.serial };

	explain.serial = 0;
	if (m.serial == 0 || silent)
		return;
	assert_true(prefix_parse("10.20.0.0/16", &grant.network));
	route.network = grant.network;
	if (!gone) {
		ctl_client(ctl, &client);
		ctl_explained(ctl, &e);
		ctl_route(ctl, &route);
		ctl_grant(ctl, &grant);
	}
	ctl_query_end(ctl, &end);
}

/* Each client has one resource; 100 of them have the same. */
static void
answer_grants(const struct ipc_query *q)
{
	struct ipc_query_end end = { .serial = q->serial };
	struct ipc_query_grant g = {
		.serial = q->serial,
		.type = RESOURCE_DNS,
		.pattern = "*.corp.test",
	};
	uint32_t i = q->from;

	if (q->of_one) {
		assert_int_equal(q->client.bytes[0], 1);
		ctl_grant(ctl, &g);
	}
	for (; !q->of_one && i < clients && i < q->from + PAGE; i++) {
		g.resource.bytes[0] = (uint8_t)(i / 100);
		ctl_grant(ctl, &g);
	}
	end.more = !q->of_one && i < clients;
	end.next = i;
	ctl_query_end(ctl, &end);
}

static void
answer_query(void)
{
	answer_explain();
	struct ipc_query q = pending;
	struct ipc_query_end end = { .serial = q.serial };
	struct ipc_query_client client = { .serial = q.serial };
	struct ipc_query_relay relay = { .serial = q.serial };
	uint32_t i = q.from;

	pending.serial = 0;
	if (q.serial == 0 || silent)
		return;
	if (q.kind == QUERY_KIND_GRANTS) {
		answer_grants(&q);
		return;
	}
	if (q.kind == QUERY_KIND_RELAYS)
		ctl_relay(ctl, &relay);
	else
		for (; i < clients && i < q.from + PAGE; i++) {
			client.client.bytes[0] = (uint8_t)(i >> 8);
			client.client.bytes[1] = 0xcc;
			client.client.bytes[2] = (uint8_t)i;
			ctl_client(ctl, &client);
		}
	end.more = q.kind == QUERY_KIND_CLIENTS && i < clients;
	end.next = i;
	ctl_query_end(ctl, &end);
}

static int
set_up(void **state)
{
	const struct ctl_config config = {
		.situation = &situation,
		.ask = on_ask,
		.explain = on_explain,
		.log_level = on_log_level,
	};

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	situation = (struct situation){ .url = "wss://portal" };
	clients = queries = 0;
	silent = absent = gone = false;
	explain.serial = 0;
	pending.serial = 0;
	serve_ctl(config, answer_query);
	return 0;
}

static void
pages(void **state)
{
	static const uint32_t numbers[] = { 0, 1, PAGE - 1, PAGE, PAGE + 1,
		2 * PAGE, 10000 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		clients = numbers[i];
		queries = 0;
		assert_true(ask("status json\n"));
		assert_int_equal(exit_status, 0);
		assert_int_equal(count("\"client\":"), clients);
		assert_int_equal(count("\"relay\":\""), 1);
		/* Relays, and each begun page. */
		assert_int_equal(queries,
		    1 + (clients == 0 ? 1 : (clients + PAGE - 1) / PAGE));
		assert_true(ask("status text\n"));
		assert_int_equal(count("none            none"), clients);
	}
}

/* One list alone, and no other query than for that. */
static void
one_list(void **state)
{
	(void)state;
	clients = 3;
	assert_true(ask("clients json\n"));
	assert_memory_equal(answer, "{\"clients\":[{", 13);
	assert_int_equal(count("\"client\":"), 3);
	assert_non_null(strstr(answer, "],\"problem\":null}\n"));
	assert_int_equal(queries, 1);
	assert_int_equal(exit_status, 0);
	assert_true(ask("relays text\n"));
	assert_memory_equal(answer, "relay ", 6);
	assert_int_equal(queries, 2);
	clients = 0;
	assert_true(ask("clients text\n"));
	assert_string_equal(answer, "no clients\n");
}

static void
one_client(void **state)
{
	(void)state;
	clients = 300;
	assert_true(ask("clients text 01cc02\n"));
	assert_int_equal(exit_status, 0);
	assert_int_equal(count("01cc02"), 1);
	assert_non_null(strstr(answer, "\n\nresource name "));
	assert_non_null(strstr(answer, "*.corp.test"));
	assert_true(ask("clients json 01cc02\n"));
	assert_non_null(strstr(answer, "],\"grants\":[{\"resource\":"));
	assert_true(ask("clients text ffcc\n"));
	assert_int_equal(exit_status, 2);
	assert_string_equal(
	    answer, "no client with access has that id, name or address\n");
	assert_string_equal(
	    problem, "no client with access has that id, name or address");
	assert_true(ask("clients text 01\n"));
	assert_int_equal(exit_status, 2);
	assert_memory_equal(answer,
	    "44 clients may be meant; say which by its id:\n"
	    "  01cc0000-0000-0000-0000-000000000000\n",
	    85);
	assert_memory_equal(problem, answer, 85);
	assert_true(ask("clients json 01\n"));
	assert_memory_equal(answer, "{\"problem\":\"44 clients", 22);
	assert_string_equal(problem, "");
}

static void
all_resources(void **state)
{
	(void)state;
	clients = 250;
	assert_true(ask("resources text\n"));
	assert_int_equal(exit_status, 0);
	assert_int_equal(count("    100\n"), 2);
	assert_int_equal(count("     50\n"), 1);
	assert_int_equal(count("\n"), 4);
	clients = 25600;
	assert_true(ask("resources json\n"));
	assert_int_equal(count("{\"resource\":"), 256);
	assert_int_equal(count("\"clients\":100}"), 256);
	clients = 0;
	assert_true(ask("resources text\n"));
	assert_string_equal(answer, "no resources\n");
	silent = true;
	assert_true(ask("resources text\n"));
	assert_string_equal(answer, "net-worker does not answer\n");
	assert_int_equal(exit_status, 1);
}

static void
explanations(void **state)
{
	(void)state;
	clients = 300;
	assert_true(ask("explain text tcp 10.20.0.9:80 01cc02\n"));
	assert_int_equal(exit_status, 0);
	assert_string_equal(answer,
	    "allowed: tcp from 01cc0200-0000-0000-0000-000000000000 to "
	    "10.20.0.9:80, by 07000000-0000-0000-0000-000000000000\n"
	    "  client    01cc0200-0000-0000-0000-000000000000, at none\n"
	    "  resource  07000000-0000-0000-0000-000000000000\n"
	    "            10.20.0.0/16, permits tcp/80: yes, by tcp/80\n"
	    "            granted without an end\n"
	    "  path      connected\n");
	assert_true(ask("explain text tcp 10.20.0.9:81 01cc02\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(answer,
	    "denied: tcp from 01cc0200-0000-0000-0000-000000000000 to "
	    "10.20.0.9:81: no filter of 07000000-0000-0000-0000-000000000000 "
	    "permits it\n"
	    "  client    01cc0200-0000-0000-0000-000000000000, at none\n"
	    "  resource  07000000-0000-0000-0000-000000000000\n"
	    "            10.20.0.0/16, permits tcp/80: not this\n"
	    "            granted without an end\n"
	    "  answer    the client is told by an ICMP error\n"
	    "  path      connected\n");
	assert_true(ask("explain json tcp 10.20.0.9:81 01cc02\n"));
	assert_int_equal(exit_status, 1);
	assert_non_null(strstr(answer,
	    "\"allowed\":false,\"verdict\":\"answered\","
	    "\"reason\":\"filter\",\"protocol\":\"tcp\""));
}

static bool
on_log_level(void *ctx, enum log_level level)
{
	(void)ctx;
	log_set_level(level);
	return !absent;
}

/* More is to be had, and less than at the start is not. */
static void
levels(void **state)
{
	(void)state;
	assert_true(ask("log text info\n"));
	assert_string_equal(answer, "the log has level info\n");
	assert_true(ask("log json warn\n"));
	assert_string_equal(answer, "{\"log_level\":\"warn\"}\n");
	log_init_sink("test", LOG_LEVEL_WARN, LOG_FORMAT_HUMAN);
	assert_true(ask("log text error\n"));
	assert_string_equal(answer,
	    "the log has level warn, with which posternd was started\n");
	assert_int_equal(exit_status, 0);
	absent = true;
	assert_true(ask("log text info\n"));
	assert_int_equal(exit_status, 1);
	assert_string_equal(problem, "the parent does not take it");
}

/* Status 1 would say that it is denied. */
static void
explanations_that_fail(void **state)
{
	(void)state;
	clients = 3;
	assert_true(ask("explain text tcp 10.20.0.9:80 ff\n"));
	assert_int_equal(exit_status, 2);
	assert_true(ask("explain text tcp 10.20.0.9 00cc01\n"));
	assert_int_equal(exit_status, 2);
	assert_memory_equal(answer, "tcp and udp need a port", 23);
	gone = true;
	assert_true(ask("explain text tcp 10.20.0.9:80 00cc01\n"));
	assert_int_equal(exit_status, 2);
	assert_string_equal(answer, "the client has gone just now\n");
	silent = true;
	assert_true(ask("explain text tcp 10.20.0.9:80 00cc01\n"));
	assert_int_equal(exit_status, 2);
	assert_string_equal(answer, "net-worker does not answer\n");
}

/* Pages are asked for as they are read, not as fast as they come. */
static void
slow_reader(void **state)
{
	int fd = request("status json\n");

	(void)state;
	clients = 10000;
	for (int i = 0; i < 1000; i++)
		turn();
	assert_in_range(queries, 2, 40); /* of 158 */
	begin_reading();
	while (read_some(fd, 16384))
		continue;
	assert_true(parse_answer());
	assert_int_equal(count("\"client\":"), clients);
	close(fd);
}

static void
net_worker_is_silent(void **state)
{
	(void)state;
	silent = true;
	assert_true(ask("status text\n"));
	assert_non_null(strstr(answer, "\nnet-worker does not answer\n"));
	assert_string_equal(problem, "net-worker does not answer");
	assert_int_equal(exit_status, 1);
	assert_null(strstr(answer, "no relays"));
	assert_null(strstr(answer, "no clients"));
	silent = false;
	absent = true;
	assert_true(ask("status json\n"));
	assert_non_null(strstr(answer,
	    "\"relays\":[],\"clients\":[],\"problem\":"
	    "\"net-worker does not answer\"}\n"));
	assert_int_equal(exit_status, 1);
}

static void
wrong_requests(void **state)
{
	static const char *const requests[] = { "\n", "status\n",
		"status text\nx", "status xml\n", "STATUS text\n",
		"status text \n", "quit\n" };
	char many[CTL_REQUEST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		assert_true(ask(requests[i]));
		assert_string_equal(answer, "unknown request\n");
		assert_int_equal(exit_status, 2);
	}
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_false(ask(many));
	assert_int_equal(answer_len, 0);
	assert_int_equal(queries, 0);
}

/* Answers that nobody asked for, or asks for any more. */
static void
stray_answers(void **state)
{
	struct ipc_query_end end = { .serial = 0, .more = true };
	struct ipc_query_client client = { .serial = 77 };
	int fd;

	(void)state;
	for (uint64_t serial = 0; serial < 3; serial++) {
		end.serial = client.serial = serial;
		ctl_query_end(ctl, &end);
		ctl_client(ctl, &client);
	}
	ctl_query_end(NULL, &end);
	silent = true;
	fd = request("status text\n");
	while (pending.serial == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	close(fd);
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	silent = false;
	clients = 1;
	assert_true(ask("status text\n"));
	assert_int_equal(count("cc"), 1);
}

/* The oldest that has not asked goes, so that who only sits there keeps nobody out. */
static void
too_many(void **state)
{
	int fds[20];
	char byte;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		fds[i] = connect_to_listener();
		turn();
	}
	clients = 3;
	assert_true(ask("status json\n"));
	assert_int_equal(count("\"client\":"), 3);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	assert_int_equal(recv(fds[19], &byte, 1, 0), -1);
	for (size_t i = 0; i < 20; i++)
		close(fds[i]);
}

/* As many as there may be, which wait for a net-worker that is silent. */
static void
ask_in_vain(int fds[CTL_CONNECTIONS])
{
	clients = 3;
	silent = true;
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		fds[i] = request("status json\n");
		while (queries == i)
			turn();
	}
}

/* What is being answered is not ended for one more, which is refused. */
static void
too_many_answers(void **state)
{
	int fds[CTL_CONNECTIONS], late;
	char byte;

	(void)state;
	ask_in_vain(fds);
	late = connect_to_listener();
	begin_reading();
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(recv(late, &byte, 1, 0), 0);
	close(late);
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(read_some(fds[i], sizeof(answer)));
		close(fds[i]);
	}
}

/*
 * Who goes away while the net-worker is silent leaves its place to others at
 * once; who has only said all keeps it.
 */
static void
gone_while_waiting(void **state)
{
	int fds[CTL_CONNECTIONS];

	(void)state;
	ask_in_vain(fds);
	begin_reading();
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(read_some(fds[i], sizeof(answer)));
		if (i == 0)
			assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
		else
			close(fds[i]);
	}
	for (int i = 0; i < 5; i++)
		turn();
	silent = false;
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(ask("status json\n"));
		assert_int_equal(count("\"client\":"), clients);
		assert_true(read_some(fds[0], sizeof(answer)));
	}
	close(fds[0]);
}

/* From an address of its own: 127.0.1.n. */
static int
connect_from(uint8_t n, const struct endpoint *to)
{
	struct endpoint from = { ip_v4(127, 0, 1, n), 0 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&from, &sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = endpoint_to_sockaddr(to, &sa);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	for (int i = 0; i < 3; i++)
		turn();
	return fd;
}

static bool
is_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* Whoever has most connections makes room, and not the oldest of all. */
static void
too_many_of_one_address(void **state)
{
	struct endpoint at = { ip_v4(127, 0, 0, 1), 0 };
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&at, &sa);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int hog[HTTP_CONNECTIONS - 1], first, late;
	struct http *http;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&sa, &at));
	http = http_serve(&loop, listener, &situation);
	first = connect_from(1, &at);
	for (size_t i = 0; i < HTTP_CONNECTIONS - 1; i++)
		hog[i] = connect_from(2, &at);
	late = connect_from(3, &at);
	assert_true(is_ended(hog[0]));
	assert_false(is_ended(first));
	assert_false(is_ended(late));
	for (size_t i = 0; i < HTTP_CONNECTIONS - 1; i++) {
		assert_int_equal(is_ended(hog[i]), i == 0);
		close(hog[i]);
	}
	close(first);
	close(late);
	http_free(http);
}

/* A request in pieces, whose sender has closed its side. */
static void
half_closed(void **state)
{
	struct http *http = http_serve(&loop, make_listener(), &situation);
	int fd = connect_to_listener();
	static const char get[] = "GET /healthz HTTP/1.0\r\n\r\n";

	(void)state;
	assert_non_null(http);
	for (size_t i = 0; i < sizeof(get) - 1; i++) {
		assert_int_equal(send(fd, get + i, 1, 0), 1);
		if (i == sizeof(get) - 2)
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		turn();
	}
	begin_reading();
	while (read_some(fd, 7))
		continue;
	assert_true(answer_len > 15);
	assert_memory_equal(answer, "HTTP/1.1 200 OK", 15);
	close(fd);
	http_free(http);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, end_ctl)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages),
		TEST(one_client),
		TEST(all_resources),
		TEST(explanations),
		TEST(levels),
		TEST(explanations_that_fail),
		TEST(one_list),
		TEST(slow_reader),
		TEST(net_worker_is_silent),
		TEST(wrong_requests),
		TEST(stray_answers),
		TEST(too_many),
		TEST(too_many_answers),
		TEST(gone_while_waiting),
		TEST(too_many_of_one_address),
		TEST(half_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * control-worker/operator/ctl.c and net/server.c on real sockets: whole answers,
 * however many clients there are, and peers that are slow, silent, rude or too
 * many. The net-worker is played here.
 */
#include "control-worker/operator/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/reason.h"
#include "control-worker/net/server.h"
#include "control-worker/operator/ctl_request.h"
#include "control-worker/operator/http.h"
#include "tests/lib/unit.h"

#define PAGE 64

static uv_loop_t loop;
static struct ctl *ctl;
static struct situation situation;
static struct sockaddr_un address;

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
make_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	/* A name without a file, chosen by the kernel. */
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)),
	    0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int
connect_to(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address,
			     sizeof(address.sun_family) + 6),
	    0);
	return fd;
}

static int
set_up(void **state)
{
	struct ctl_config config = {
		.uid = getuid(),
		.gid = getgid(),
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
	assert_int_equal(uv_loop_init(&loop), 0);
	config.fd = make_listener();
	ctl = ctl_serve(&loop, &config);
	assert_non_null(ctl);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	ctl_free(ctl);
	ctl = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void
turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	answer_query();
}

/* Reads until the end, at most step bytes a turn; the length. */
static size_t
read_all(int fd, char *to, size_t size, size_t step)
{
	size_t len = 0;
	ssize_t n;

	for (;;) {
		turn();
		assert_true(len < size);
		n = recv(
		    fd, to + len, size - len < step ? size - len : step, 0);
		if (n == 0)
			return len;
		if (n == -1 && errno == ECONNRESET)
			return len;
		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0)
			len += (size_t)n;
	}
}

/* What posternctl exits with by the last answer, and what it says is wrong. */
static int exit_status;
static char problem[2048];

/* What it prints, on standard output and then on standard error. */
static size_t
ask(const char *request, char *to, size_t size)
{
	int fd = connect_to();
	size_t len, text;

	exit_status = 0;
	problem[0] = '\0';

	assert_int_equal(
	    send(fd, request, strlen(request), 0), strlen(request));
	len = read_all(fd, to, size - sizeof(problem), size);
	close(fd);
	if (len == 0 || (text = strnlen(to, len) + 1) >= len)
		return len;
	exit_status = to[text] - '0';
	assert_true(len - text <= sizeof(problem));
	memcpy(problem, to + text + 1, len - text - 1);
	problem[len - text - 1] = '\0';
	if (problem[0] == '\0')
		return text;
	text += (size_t)sprintf(to + text - 1, "%s\n", problem);
	return text;
}

static unsigned
count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

static char answer[8 * 1024 * 1024];

static void
pages(void **state)
{
	static const uint32_t numbers[] = { 0, 1, PAGE - 1, PAGE, PAGE + 1,
		2 * PAGE, 10000 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		size_t len;

		clients = numbers[i];
		queries = 0;
		len = ask("status json\n", answer, sizeof(answer));
		assert_true(len > 0 && answer[len - 1] == '\0');
		assert_int_equal(strlen(answer), len - 1);
		assert_int_equal(count(answer, "\"client\":"), clients);
		assert_int_equal(count(answer, "\"relay\":\""), 1);
		/* Relays, and each begun page. */
		assert_int_equal(queries,
		    1 + (clients == 0 ? 1 : (clients + PAGE - 1) / PAGE));
		len = ask("status text\n", answer, sizeof(answer));
		assert_true(len > 0 && answer[len - 1] == '\0');
		assert_int_equal(
		    count(answer, "none            none"), clients);
	}
}

/* One list alone, and no other query than for that. */
static void
one_list(void **state)
{
	(void)state;
	clients = 3;
	assert_true(ask("clients json\n", answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "{\"clients\":[{", 13);
	assert_int_equal(count(answer, "\"client\":"), 3);
	assert_non_null(strstr(answer, "],\"problem\":null}\n"));
	assert_int_equal(queries, 1);
	assert_int_equal(exit_status, 0);
	assert_true(ask("relays text\n", answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "relay ", 6);
	assert_int_equal(queries, 2);
	clients = 0;
	assert_true(ask("clients text\n", answer, sizeof(answer)) > 0);
	assert_string_equal(answer, "no clients\n");
}

static void
one_client(void **state)
{
	(void)state;
	clients = 300;
	assert_true(ask("clients text 01cc02\n", answer, sizeof(answer)) > 0);
	assert_int_equal(exit_status, 0);
	assert_int_equal(count(answer, "01cc02"), 1);
	assert_non_null(strstr(answer, "\n\nresource name "));
	assert_non_null(strstr(answer, "*.corp.test"));
	assert_true(ask("clients json 01cc02\n", answer, sizeof(answer)) > 0);
	assert_non_null(strstr(answer, "],\"grants\":[{\"resource\":"));
	assert_true(ask("clients text ffcc\n", answer, sizeof(answer)) > 0);
	assert_int_equal(exit_status, 2);
	assert_string_equal(
	    answer, "no client with access has that id, name or address\n");
	assert_string_equal(
	    problem, "no client with access has that id, name or address");
	assert_true(ask("clients text 01\n", answer, sizeof(answer)) > 0);
	assert_int_equal(exit_status, 2);
	assert_memory_equal(answer,
	    "44 clients may be meant; say which by its id:\n"
	    "  01cc0000-0000-0000-0000-000000000000\n",
	    85);
	assert_memory_equal(problem, answer, 85);
	assert_true(ask("clients json 01\n", answer, sizeof(answer)) > 0);
	assert_memory_equal(answer, "{\"problem\":\"44 clients", 22);
	assert_string_equal(problem, "");
}

static void
all_resources(void **state)
{
	(void)state;
	clients = 250;
	assert_true(ask("resources text\n", answer, sizeof(answer)) > 0);
	assert_int_equal(exit_status, 0);
	assert_int_equal(count(answer, "    100\n"), 2);
	assert_int_equal(count(answer, "     50\n"), 1);
	assert_int_equal(count(answer, "\n"), 4);
	clients = 25600;
	assert_true(ask("resources json\n", answer, sizeof(answer)) > 0);
	assert_int_equal(count(answer, "{\"resource\":"), 256);
	assert_int_equal(count(answer, "\"clients\":100}"), 256);
	clients = 0;
	assert_true(ask("resources text\n", answer, sizeof(answer)) > 0);
	assert_string_equal(answer, "no resources\n");
	silent = true;
	assert_true(ask("resources text\n", answer, sizeof(answer)) > 0);
	assert_string_equal(answer, "net-worker does not answer\n");
	assert_int_equal(exit_status, 1);
}

static void
explanations(void **state)
{
	(void)state;
	clients = 300;
	assert_true(ask("explain text tcp 10.20.0.9:80 01cc02\n", answer,
			sizeof(answer)) > 0);
	assert_int_equal(exit_status, 0);
	assert_string_equal(answer,
	    "allowed: tcp from 01cc0200-0000-0000-0000-000000000000 to "
	    "10.20.0.9:80, by 07000000-0000-0000-0000-000000000000\n"
	    "  client    01cc0200-0000-0000-0000-000000000000, at none\n"
	    "  resource  07000000-0000-0000-0000-000000000000\n"
	    "            10.20.0.0/16, permits tcp/80: yes, by tcp/80\n"
	    "            granted without an end\n"
	    "  path      connected\n");
	assert_true(ask("explain text tcp 10.20.0.9:81 01cc02\n", answer,
			sizeof(answer)) > 0);
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
	assert_true(ask("explain json tcp 10.20.0.9:81 01cc02\n", answer,
			sizeof(answer)) > 0);
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
	ask("log text info\n", answer, sizeof(answer));
	assert_string_equal(answer, "the log has level info\n");
	ask("log json warn\n", answer, sizeof(answer));
	assert_string_equal(answer, "{\"log_level\":\"warn\"}\n");
	log_init_sink("test", LOG_LEVEL_WARN, LOG_FORMAT_HUMAN);
	ask("log text error\n", answer, sizeof(answer));
	assert_string_equal(answer,
	    "the log has level warn, with which posternd was started\n");
	assert_int_equal(exit_status, 0);
	absent = true;
	ask("log text info\n", answer, sizeof(answer));
	assert_int_equal(exit_status, 1);
	assert_string_equal(problem, "the parent does not take it");
}

/* Status 1 would say that it is denied. */
static void
explanations_that_fail(void **state)
{
	(void)state;
	clients = 3;
	ask("explain text tcp 10.20.0.9:80 ff\n", answer, sizeof(answer));
	assert_int_equal(exit_status, 2);
	ask("explain text tcp 10.20.0.9 00cc01\n", answer, sizeof(answer));
	assert_int_equal(exit_status, 2);
	assert_memory_equal(answer, "tcp and udp need a port", 23);
	gone = true;
	ask("explain text tcp 10.20.0.9:80 00cc01\n", answer, sizeof(answer));
	assert_int_equal(exit_status, 2);
	assert_string_equal(answer, "the client has gone just now\n");
	silent = true;
	ask("explain text tcp 10.20.0.9:80 00cc01\n", answer, sizeof(answer));
	assert_int_equal(exit_status, 2);
	assert_string_equal(answer, "net-worker does not answer\n");
}

/* Pages are asked for as they are read, not as fast as they come. */
static void
slow_reader(void **state)
{
	int fd = connect_to();
	size_t len;

	(void)state;
	clients = 10000;
	assert_int_equal(send(fd, "status json\n", 12, 0), 12);
	for (int i = 0; i < 1000; i++)
		turn();
	assert_in_range(queries, 2, 40); /* of 158 */
	len = read_all(fd, answer, sizeof(answer), 16384);
	assert_int_equal(answer[len - 1], '\0');
	assert_int_equal(count(answer, "\"client\":"), clients);
	close(fd);
}

static void
net_worker_is_silent(void **state)
{
	size_t len;

	(void)state;
	silent = true;
	len = ask("status text\n", answer, sizeof(answer));
	assert_int_equal(answer[len - 1], '\0');
	assert_non_null(strstr(answer, "\nnet-worker does not answer\n"));
	assert_string_equal(problem, "net-worker does not answer");
	assert_int_equal(exit_status, 1);
	assert_null(strstr(answer, "no relays"));
	assert_null(strstr(answer, "no clients"));
	silent = false;
	absent = true;
	len = ask("status json\n", answer, sizeof(answer));
	assert_int_equal(answer[len - 1], '\0');
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
		size_t len = ask(requests[i], answer, sizeof(answer));

		assert_int_equal(len, strlen("unknown request\n") + 1);
		assert_string_equal(answer, "unknown request\n");
		assert_int_equal(exit_status, 2);
	}
	memset(many, 'x', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	assert_int_equal(ask(many, answer, sizeof(answer)), 0);
	assert_int_equal(queries, 0);
}

/* Answers that nobody asked for, or asks for any more. */
static void
stray_answers(void **state)
{
	struct ipc_query_end end = { .serial = 0, .more = true };
	struct ipc_query_client client = { .serial = 77 };
	int fd = connect_to();

	(void)state;
	for (uint64_t serial = 0; serial < 3; serial++) {
		end.serial = client.serial = serial;
		ctl_query_end(ctl, &end);
		ctl_client(ctl, &client);
	}
	ctl_query_end(NULL, &end);
	silent = true;
	assert_int_equal(send(fd, "status text\n", 12, 0), 12);
	while (pending.serial == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	close(fd);
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	silent = false;
	clients = 1;
	assert_true(ask("status text\n", answer, sizeof(answer)) > 0);
	assert_int_equal(count(answer, "cc"), 1);
}

/* The oldest that has not asked goes, so that who only sits there keeps nobody out. */
static void
too_many(void **state)
{
	int fds[20];
	char byte;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		fds[i] = connect_to();
		turn();
	}
	clients = 3;
	assert_true(ask("status json\n", answer, sizeof(answer)) > 0);
	assert_int_equal(count(answer, "\"client\":"), 3);
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
		fds[i] = connect_to();
		assert_int_equal(send(fds[i], "status json\n", 12, 0), 12);
		while (queries == i)
			turn();
	}
}

/* Reads what there is. Whether more may come. */
static bool
read_some(int fd)
{
	ssize_t n;

	while ((n = recv(fd, answer, sizeof(answer), 0)) > 0)
		;
	return n == -1 && errno == EAGAIN;
}

/* What is being answered is not ended for one more, which is refused. */
static void
too_many_answers(void **state)
{
	int fds[CTL_CONNECTIONS], late;
	char byte;

	(void)state;
	ask_in_vain(fds);
	late = connect_to();
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(recv(late, &byte, 1, 0), 0);
	close(late);
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(read_some(fds[i]));
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
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(read_some(fds[i]));
		if (i == 0)
			assert_int_equal(shutdown(fds[i], SHUT_WR), 0);
		else
			close(fds[i]);
	}
	for (int i = 0; i < 5; i++)
		turn();
	silent = false;
	for (size_t i = 0; i < CTL_CONNECTIONS; i++) {
		assert_true(ask("status json\n", answer, sizeof(answer)) > 0);
		assert_int_equal(count(answer, "\"client\":"), clients);
		assert_true(read_some(fds[0]));
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
	int fd = connect_to();
	static const char request[] = "GET /healthz HTTP/1.0\r\n\r\n";
	size_t len;

	(void)state;
	assert_non_null(http);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		assert_int_equal(send(fd, request + i, 1, 0), 1);
		if (i == sizeof(request) - 2)
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		turn();
	}
	len = read_all(fd, answer, sizeof(answer), 7);
	assert_true(len > 15);
	assert_memory_equal(answer, "HTTP/1.1 200 OK", 15);
	close(fd);
	http_free(http);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

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

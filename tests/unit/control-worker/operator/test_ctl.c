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
#include "control-worker/net/server.h"
#include "control-worker/operator/http.h"
#include "tests/lib/unit.h"

#define PAGE 64

static uv_loop_t loop;
static struct ctl *ctl;
static struct situation situation;
static struct sockaddr_un address;

/* What the net-worker is like. */
static uint32_t clients, queries;
static bool silent, absent;
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

static void
answer_query(void)
{
	struct ipc_query q = pending;
	struct ipc_query_end end = { .serial = q.serial };
	struct ipc_query_client client = { .serial = q.serial };
	struct ipc_query_relay relay = { .serial = q.serial };
	uint32_t i = q.from;

	pending.serial = 0;
	if (q.serial == 0 || silent)
		return;
	if (q.kind == QUERY_KIND_RELAYS)
		ctl_relay(ctl, &relay);
	else
		for (; i < clients && i < q.from + PAGE; i++) {
			client.client.bytes[1] = 0xcc;
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
	};

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	situation = (struct situation){ .url = "wss://portal" };
	clients = queries = 0;
	silent = absent = false;
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

static size_t
ask(const char *request, char *to, size_t size)
{
	int fd = connect_to();
	size_t len;

	assert_int_equal(
	    send(fd, request, strlen(request), 0), strlen(request));
	len = read_all(fd, to, size, size);
	close(fd);
	return len;
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
		assert_int_equal(count(answer, "00cc0000-"), clients);
	}
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
	silent = false;
	absent = true;
	len = ask("status json\n", answer, sizeof(answer));
	assert_int_equal(answer[len - 1], '\0');
	assert_non_null(
	    strstr(answer, "\"problem\":\"net-worker does not answer\"}\n"));
}

static void
wrong_requests(void **state)
{
	static const char *const requests[] = { "\n", "status\n",
		"status text\nx", "status xml\n", "STATUS text\n",
		"status text \n", "explain\n" };
	char many[65];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		size_t len = ask(requests[i], answer, sizeof(answer));

		assert_int_equal(len, strlen("unknown request\n") + 1);
		assert_string_equal(answer, "unknown request\n");
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
	assert_int_equal(count(answer, "00cc0000-"), 1);
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

#define CTL_CONNECTIONS  4
#define HTTP_CONNECTIONS 16

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
	struct server *http;

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
	server_free(http);
}

/* A request in pieces, whose sender has closed its side. */
static void
half_closed(void **state)
{
	struct server *http = http_serve(&loop, make_listener(), &situation);
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
	server_free(http);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pages),
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

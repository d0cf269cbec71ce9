/*
 * control-worker/net/server.c: no user of this host keeps another out, however
 * many connections one has, and whatever becomes of them.
 */
#include "control-worker/net/server.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/lib/unit.h"

#define CONNECTIONS 4
#define OTHER       65534

static uv_loop_t loop;
static struct server *server;
static struct sockaddr_un address;
static socklen_t address_len;

/* "a": answered; "h": it is being answered, and never comes to an end. */
static void
on_request(struct served *c, const char *bytes, size_t len)
{
	if (bytes[len - 1] == 'h') {
		served_send(c);
		return;
	}
	text_add(served_out(c), "yes");
	served_finish(c);
}

static int
set_up(void **state)
{
	static const struct server_kind kind = {
		.name = "a test",
		.connections = CONNECTIONS,
		.patience_ms = 60000,
		.request_max = 16,
		.request = on_request,
	};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)state;
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	assert_int_equal(uv_loop_init(&loop), 0);
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_len = sizeof(address);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)),
	    0);
	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_non_null(server = server_new(&loop, fd, &kind, NULL));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	server_free(server);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void
turn(void)
{
	for (int i = 0; i < 5; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

/* The kernel notes who connects as it is at that moment. */
static int
connect_as(uid_t uid, const char *request)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(seteuid(uid), 0);
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, address_len), 0);
	assert_int_equal(seteuid(0), 0);
	turn();
	if (request[0] != '\0')
		assert_int_equal(send(fd, request, 1, MSG_NOSIGNAL), 1);
	turn();
	return fd;
}

static bool
is_ended(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 0;
}

static void
answers_of_another(void **state)
{
	int held[CONNECTIONS], fd;
	char answer[4] = "";

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < CONNECTIONS; i++)
		held[i] = connect_as(OTHER, "h");
	fd = connect_as(0, "a");
	assert_int_equal(recv(fd, answer, 3, 0), 3);
	assert_string_equal(answer, "yes");
	close(fd);
	assert_true(is_ended(held[0]));
	for (size_t i = 0; i < CONNECTIONS; i++) {
		assert_int_equal(is_ended(held[i]), i == 0);
		close(held[i]);
	}
}

/* Who has one that has not asked yet keeps it. */
static void
one_that_has_not_asked(void **state)
{
	int held[CONNECTIONS], fd;

	(void)state;
	if (geteuid() != 0)
		skip();
	fd = connect_as(0, "");
	for (size_t i = 0; i < CONNECTIONS; i++)
		held[i] = connect_as(OTHER, i < CONNECTIONS - 1 ? "h" : "");
	assert_false(is_ended(fd));
	assert_true(is_ended(held[CONNECTIONS - 1]));
	for (size_t i = 0; i < CONNECTIONS; i++)
		close(held[i]);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    answers_of_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    one_that_has_not_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

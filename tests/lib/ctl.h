/*
 * The operator's socket without a daemon: what ctl.h serves on a loop of the
 * test's, and the answers that posternctl would get. The test plays net-worker,
 * which has its say in each turn.
 */
#ifndef TESTS_LIB_CTL_H
#define TESTS_LIB_CTL_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "control-worker/operator/ctl.h"
#include "tests/lib/unit.h"

static uv_loop_t loop;
static struct ctl *ctl;
static struct sockaddr_un address; /* of the latest listener */
static socklen_t address_len;
static void (*net_worker)(void);

/* What has been read: the text of a whole answer, and then what is wrong. */
static char answer[8 * 1024 * 1024];
static size_t answer_len;
/* Of a whole answer: what posternctl exits with, and says is wrong. */
static int exit_status;
static char problem[2048];

/* A name without a file, chosen by the kernel. */
static inline int
make_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_len = sizeof(address);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address.sun_family)),
	    0);
	assert_int_equal(
	    getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static inline int
connect_to_listener(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

/* The socket and who may use it are filled in. */
static inline void
serve_ctl(struct ctl_config config, void (*play_net_worker)(void))
{
	assert_int_equal(uv_loop_init(&loop), 0);
	net_worker = play_net_worker;
	config.fd = make_listener();
	config.uid = getuid();
	config.gid = getgid();
	ctl = ctl_serve(&loop, &config);
	assert_non_null(ctl);
}

/* Nothing may be left on the loop. */
static inline int
end_ctl(void **state)
{
	(void)state;
	ctl_free(ctl);
	ctl = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static inline void
turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	net_worker();
}

static inline int
request(const char *line)
{
	int fd = connect_to_listener();

	assert_int_equal(send(fd, line, strlen(line), 0), strlen(line));
	return fd;
}

static inline void
begin_reading(void)
{
	answer_len = 0;
	answer[0] = '\0';
}

/* A turn, and up to so many bytes more; false when no more will come. */
static inline bool
read_some(int fd, size_t most)
{
	size_t room = sizeof(answer) - 1 - answer_len;
	ssize_t n;

	turn();
	assert_true(room > 0);
	n = recv(fd, answer + answer_len, room < most ? room : most, 0);
	if (n > 0) {
		answer_len += (size_t)n;
		answer[answer_len] = '\0';
	}
	return n > 0 || (n == -1 && errno == EAGAIN);
}

static inline void
read_until(int fd, const char *text)
{
	while (strstr(answer, text) == NULL)
		assert_true(read_some(fd, sizeof(answer)));
}

/* Takes apart what has been read. False: it is not the whole of an answer. */
static inline bool
parse_answer(void)
{
	size_t text = strlen(answer) + 1, len;

	exit_status = 0;
	problem[0] = '\0';
	if (text >= answer_len)
		return text == answer_len;
	exit_status = answer[text] - '0';
	len = answer_len - text - 1;
	assert_true(len < sizeof(problem));
	memcpy(problem, answer + text + 1, len);
	problem[len] = '\0';
	/* On a terminal it follows the text. */
	if (len > 0)
		sprintf(answer + text - 1, "%s\n", problem);
	return true;
}

/* Reads to the end, and closes. False: there is no whole answer. */
static inline bool
read_answer(int fd)
{
	begin_reading();
	while (read_some(fd, sizeof(answer)))
		continue;
	close(fd);
	return parse_answer();
}

static inline bool
ask(const char *line)
{
	return read_answer(request(line));
}

/* In the answer. */
static inline unsigned
count(const char *what)
{
	const char *at = answer;
	unsigned n = 0;

	for (; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

#endif /* TESTS_LIB_CTL_H */

/*
 * Datagrams for the bench, of small sizes and at rates at which iperf3 itself
 * would be the limit: many to a system call, each numbered.
 *
 * usage: load serve PORT
 *	  load to|from ADDRESS PORT SIZE RATE SECONDS
 *	  load ping ADDRESS PORT RATE SECONDS
 *	  load mice ADDRESS PORT RATE SECONDS NAMESPACE ...
 *	  load flows ADDRESS PORT FLOWS SECONDS
 *
 * RATE is datagrams a second, 0: as many as go. "to" sends to the server, which
 * counts; "from" has the server send. Prints one line of JSON: what was sent,
 * has come, and has come out of order. "ping" prints round trips: how many, how
 * many were lost, and the median, the 99th percentile and the longest in
 * microseconds; "mice" those of as many, each in a network namespace of its
 * own, at that rate each. "flows" sends from so many ports in turn and counts
 * the echoes.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BATCH         64
#define SIZE_MAX_DATA 1400
#define PERIOD_NS     1000000   /* a burst for each, at a fixed rate */
#define QUIET_NS      300000000 /* after the last datagram nothing comes */
#define PATIENCE_NS   200000000 /* for an answer */
#define FOREVER       INT64_MAX
#define TRIES         50
#define PINGS_MAX     100000
#define MICE_MAX      64
#define FLOWS_MAX     20000
#define FLOWS_BURST   5 /* in a period */
#define SOCKET_BUFFER (16 << 20)

enum op { OP_DATA, OP_ECHO, OP_START, OP_SEND, OP_RESULT };

/* Of every datagram, the rest is padding; one host, so in its byte order. */
struct message {
	uint32_t op;
	uint32_t size, rate;           /* OP_SEND */
	uint32_t milliseconds;         /* OP_SEND */
	uint64_t number;               /* OP_DATA, OP_ECHO; OP_RESULT: sent */
	uint64_t received, disordered; /* OP_RESULT */
};

struct counts {
	uint64_t received, disordered, highest;
};

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
sleep_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (
	    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

static int
open_socket(void)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0), size = SOCKET_BUFFER;

	if (sock == -1 ||
	    setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ==
		-1)
		err(1, "socket");
	return sock;
}

static struct sockaddr_in
address_of(const char *text, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		errx(2, "not an address: %s", text);
	return a;
}

/* Up to that many datagrams; how many have left. */
static unsigned
send_burst(int sock, uint64_t number, uint32_t size, unsigned count)
{
	static uint8_t data[BATCH][SIZE_MAX_DATA];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int sent;

	for (unsigned i = 0; i < count; i++) {
		struct message m = { .op = OP_DATA, .number = number + i };

		memcpy(data[i], &m, sizeof(m));
		iov[i] = (struct iovec){ data[i], size };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(sock, messages, count, 0);
	return sent > 0 ? (unsigned)sent : 0;
}

/* The number of datagrams sent; the socket is connected. */
static uint64_t
send_load(int sock, uint32_t size, uint32_t rate, uint32_t milliseconds)
{
	int64_t begin = now_ns(), end = begin + milliseconds * INT64_C(1000000);
	int64_t period = begin;
	uint64_t sent = 0;

	while (now_ns() < end) {
		uint64_t due = UINT64_MAX;

		if (rate != 0) {
			sleep_until(period += PERIOD_NS);
			due = (uint64_t)((period - begin) / 1000 * rate /
			    1000000);
		}
		for (unsigned n = 1; n > 0 && sent < due && now_ns() < end;) {
			n = send_burst(sock, sent, size,
			    due - sent < BATCH ? (unsigned)(due - sent)
					       : BATCH);
			sent += n;
		}
	}
	return sent;
}

static void
count_datagram(struct counts *c, const struct message *m)
{
	c->received++;
	if (m->number < c->highest)
		c->disordered++;
	else
		c->highest = m->number;
}

/* The first bytes of each; 0 when nothing comes for so long. */
static unsigned
receive_burst(int sock, struct message m[BATCH], struct sockaddr_in from[BATCH],
    int64_t timeout_ns)
{
	static uint8_t data[BATCH][SIZE_MAX_DATA];
	struct mmsghdr messages[BATCH] = { 0 };
	struct pollfd p = { sock, POLLIN, 0 };
	struct timespec timeout = { timeout_ns / 1000000000,
		timeout_ns % 1000000000 };
	struct iovec iov[BATCH];
	unsigned count = 0;
	int n;

	if (ppoll(&p, 1, timeout_ns == FOREVER ? NULL : &timeout, NULL) != 1)
		return 0;
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(sock, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		if (messages[i].msg_len < sizeof(*m))
			continue;
		from[count] = from[i];
		memcpy(&m[count++], data[i], sizeof(*m));
	}
	return count;
}

static void
answer(int sock, const struct message *m, const struct sockaddr_in *to)
{
	if (sendto(sock, m, sizeof(*m), 0, (const struct sockaddr *)to,
		sizeof(*to)) == -1)
		warn("sendto");
}

/* Sends what was asked for, then says how much it was, as long as asked. */
static uint64_t
serve_sending(int sock, const struct message *m, const struct sockaddr_in *to)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	uint64_t sent = 0;

	if (m->size < sizeof(*m) || m->size > SIZE_MAX_DATA ||
	    connect(sock, (const struct sockaddr *)to, sizeof(*to)) == -1)
		return 0;
	sent = send_load(sock, m->size, m->rate, m->milliseconds);
	connect(sock, &none, sizeof(none));
	return sent;
}

static void
serve(const char *port)
{
	struct sockaddr_in local = address_of("0.0.0.0", port), from[BATCH];
	struct counts counts = { 0 };
	struct message m[BATCH];
	uint64_t sent = 0, served = 0;
	int sock = open_socket();

	if (bind(sock, (struct sockaddr *)&local, sizeof(local)) == -1)
		err(1, "bind");
	for (;;) {
		unsigned n = receive_burst(sock, m, from, FOREVER);

		for (unsigned i = 0; i < n; i++) {
			struct message result = { .op = OP_RESULT };

			switch (m[i].op) {
			case OP_DATA:
				count_datagram(&counts, &m[i]);
				continue;
			case OP_START:
				memset(&counts, 0, sizeof(counts));
				break;
			case OP_SEND: /* asked again until it comes */
				if (m[i].number == served)
					continue;
				served = m[i].number;
				sent = serve_sending(sock, &m[i], &from[i]);
				continue;
			case OP_ECHO:
				result = m[i];
				break;
			}
			if (m[i].op == OP_RESULT) {
				result.number = sent;
				result.received = counts.received;
				result.disordered = counts.disordered;
			}
			answer(sock, &result, &from[i]);
		}
	}
}

/* Asked until the server answers. */
static struct message
ask(int sock, enum op op)
{
	struct sockaddr_in from[BATCH];
	struct message request = { .op = op }, m[BATCH];
	unsigned n;

	for (int i = 0; i < TRIES; i++) {
		if (send(sock, &request, sizeof(request), 0) == -1)
			warn("send");
		do {
			n = receive_burst(sock, m, from, PATIENCE_NS);
			for (unsigned k = 0; k < n; k++)
				if (m[k].op == OP_RESULT)
					return m[k];
		} while (n > 0);
	}
	errx(1, "the server does not answer");
}

static void
print_result(
    uint64_t sent, uint64_t received, uint64_t disordered, double seconds)
{
	printf("{\"sent\": %llu, \"received\": %llu, \"disordered\": %llu, "
	       "\"seconds\": %.6f}\n",
	    (unsigned long long)sent, (unsigned long long)received,
	    (unsigned long long)disordered, seconds);
}

static void
load_to(int sock, uint32_t size, uint32_t rate, uint32_t milliseconds)
{
	struct message result, before;
	int64_t begin;
	uint64_t sent;
	double seconds;

	ask(sock, OP_START);
	begin = now_ns();
	sent = send_load(sock, size, rate, milliseconds);
	seconds = (double)(now_ns() - begin) / 1e9;
	/* Until what is queued has come. */
	result = ask(sock, OP_RESULT);
	do {
		before = result;
		sleep_until(now_ns() + QUIET_NS);
		result = ask(sock, OP_RESULT);
	} while (result.received != before.received);
	print_result(sent, result.received, result.disordered, seconds);
}

static void
load_from(int sock, uint32_t size, uint32_t rate, uint32_t milliseconds)
{
	struct message request = { .op = OP_SEND,
		.size = size,
		.rate = rate,
		.milliseconds = milliseconds,
		.number = (uint64_t)now_ns() };
	struct sockaddr_in from[BATCH];
	struct counts counts = { 0 };
	struct message m[BATCH];
	int64_t begin = 0, last = 0;
	unsigned n;

	ask(sock, OP_START);
	for (int i = 0; i < TRIES && counts.received == 0; i++) {
		if (send(sock, &request, sizeof(request), 0) == -1)
			warn("send");
		while ((n = receive_burst(sock, m, from, QUIET_NS)) > 0) {
			last = now_ns();
			if (begin == 0)
				begin = last;
			for (unsigned k = 0; k < n; k++)
				if (m[k].op == OP_DATA)
					count_datagram(&counts, &m[k]);
		}
	}
	print_result(ask(sock, OP_RESULT).number, counts.received,
	    counts.disordered, (double)(last - begin) / 1e9);
}

static int
compare_numbers(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* What came back, each in nanoseconds. */
static struct {
	uint64_t sent, count;
	uint64_t ns[PINGS_MAX];
} trips;

static void
print_round_trips(void)
{
	uint64_t *ns = trips.ns, count = trips.count;

	if (count == 0)
		errx(1, "the server does not answer");
	qsort(ns, count, sizeof(*ns), compare_numbers);
	printf("{\"sent\": %llu, \"received\": %llu, \"p50\": %.1f, "
	       "\"p99\": %.1f, \"max\": %.1f}\n",
	    (unsigned long long)trips.sent, (unsigned long long)count,
	    (double)ns[count / 2] / 1e3, (double)ns[count * 99 / 100] / 1e3,
	    (double)ns[count - 1] / 1e3);
}

static void
send_ping(int sock)
{
	struct message echo = { .op = OP_ECHO };

	echo.number = (uint64_t)now_ns();
	if (send(sock, &echo, sizeof(echo), 0) == -1)
		warn("send");
	trips.sent++;
}

static void
take_pings(int sock, int64_t timeout_ns)
{
	struct sockaddr_in from[BATCH];
	struct message m[BATCH];
	unsigned n = receive_burst(sock, m, from, timeout_ns);

	for (unsigned k = 0; k < n && trips.count < PINGS_MAX; k++)
		if (m[k].op == OP_ECHO)
			trips.ns[trips.count++] =
			    (uint64_t)now_ns() - m[k].number;
}

/* Each of the sockets at that rate, one after the other. */
static void
ping(const int *socks, uint32_t count, uint32_t rate, uint32_t milliseconds)
{
	int64_t interval = 1000000000 / rate / count, next = now_ns();
	int64_t end = next + milliseconds * INT64_C(1000000);
	int events = epoll_create1(0);

	for (uint32_t i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		event.data.fd = socks[i];
		if (epoll_ctl(events, EPOLL_CTL_ADD, socks[i], &event) == -1)
			err(1, "epoll");
	}
	/* A second for the last ones, unless all are here. */
	while (next < end ||
	    (trips.count < trips.sent && now_ns() < end + 1000000000)) {
		int64_t wait = next < end ? next - now_ns() : PATIENCE_NS;
		struct timespec timeout = { wait / 1000000000,
			wait % 1000000000 };
		struct epoll_event ready[BATCH];
		int n;

		if (wait <= 0) {
			next += interval;
			send_ping(socks[trips.sent % count]);
			continue;
		}
		n = epoll_pwait2(events, ready, BATCH, &timeout, NULL);
		for (int i = 0; i < n; i++)
			take_pings(ready[i].data.fd, 0);
	}
	print_round_trips();
}

/* A socket stays in the namespace that it is made in. */
static int
open_socket_in(const char *space)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s", space);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 ||
	    setns(fd, CLONE_NEWNET) == -1)
		err(1, "%s", path);
	close(fd);
	return open_socket();
}

static void
ping_from_all(const struct sockaddr_in *to, char *const spaces[],
    uint32_t count, uint32_t rate, uint32_t milliseconds)
{
	int socks[MICE_MAX];

	if (count > MICE_MAX)
		errx(2, "too many namespaces");
	for (uint32_t i = 0; i < count; i++) {
		socks[i] = open_socket_in(spaces[i]);
		if (connect(socks[i], (const struct sockaddr *)to,
			sizeof(*to)) == -1)
			err(1, "connect");
	}
	ping(socks, count, rate, milliseconds);
}

/* One socket for each, so that every flow has a port of its own. */
static void
open_flows(int *socks, uint32_t count, const struct sockaddr_in *to, int events)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "setrlimit");
	for (uint32_t i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		event.data.fd = socks[i] = open_socket();
		if (connect(socks[i], (const struct sockaddr *)to,
			sizeof(*to)) == -1 ||
		    epoll_ctl(events, EPOLL_CTL_ADD, socks[i], &event) == -1)
			err(1, "a flow");
	}
}

static uint64_t
take_echoes(int events, int timeout_ms)
{
	struct epoll_event ready[BATCH];
	struct message m;
	uint64_t count = 0;
	int n;

	while ((n = epoll_wait(events, ready, BATCH, timeout_ms)) > 0)
		for (int i = 0; i < n; i++)
			count += recv(ready[i].data.fd, &m, sizeof(m),
				     MSG_DONTWAIT) == sizeof(m);
	return count;
}

/* At a rate that leaves time to come back: it is not to be a flood. */
static void
load_flows(const struct sockaddr_in *to, uint32_t count, uint32_t milliseconds)
{
	static int socks[FLOWS_MAX];
	int events = epoll_create1(0);
	uint64_t sent = 0, received = 0;
	int64_t begin, period, end;

	if (events == -1)
		err(1, "epoll");
	open_flows(socks, count, to, events);
	begin = period = now_ns();
	end = begin + milliseconds * INT64_C(1000000);
	while (now_ns() < end) {
		sleep_until(period += PERIOD_NS);
		for (unsigned i = 0; i < FLOWS_BURST; i++) {
			struct message echo = { .op = OP_ECHO };

			if (send(socks[sent++ % count], &echo, sizeof(echo),
				0) == -1)
				warn("send");
		}
		received += take_echoes(events, 0);
	}
	received += take_echoes(events, QUIET_NS / 1000000);
	print_result(sent, received, 0, (double)(now_ns() - begin) / 1e9);
}

static uint32_t
number_of(const char *text, double factor, uint32_t max)
{
	double n = atof(text) * factor;

	if (n < 0 || n > max)
		errx(2, "out of range: %s", text);
	return (uint32_t)n;
}

static uint32_t
milliseconds_of(const char *seconds)
{
	return number_of(seconds, 1000, 10000000);
}

static uint32_t
rate_of(const char *text)
{
	uint32_t rate = number_of(text, 1, 10000);

	return rate == 0 ? 1 : rate;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	struct sockaddr_in to;
	int sock;

	if (argc == 3 && strcmp(what, "serve") == 0)
		serve(argv[2]);
	if (argc < 6)
		errx(2, "usage: see the source");
	to = address_of(argv[2], argv[3]);
	if (strcmp(what, "mice") == 0 && argc > 6) {
		ping_from_all(&to, argv + 6, (uint32_t)(argc - 6),
		    rate_of(argv[4]), milliseconds_of(argv[5]));
		return 0;
	}
	sock = open_socket();
	if (connect(sock, (struct sockaddr *)&to, sizeof(to)) == -1)
		err(1, "connect");
	if (strcmp(what, "flows") == 0 && argc == 6) {
		uint32_t count = number_of(argv[4], 1, FLOWS_MAX);

		load_flows(
		    &to, count == 0 ? 1 : count, milliseconds_of(argv[5]));
	} else if (strcmp(what, "ping") == 0 && argc == 6) {
		ping(&sock, 1, rate_of(argv[4]), milliseconds_of(argv[5]));
	} else if (argc == 7) {
		uint32_t size = number_of(argv[4], 1, SIZE_MAX_DATA);

		if (size < sizeof(struct message))
			errx(2, "too small: %s", argv[4]);
		(strcmp(what, "from") == 0 ? load_from : load_to)(sock, size,
		    number_of(argv[5], 1, 100000000), milliseconds_of(argv[6]));
	} else
		errx(2, "usage: see the source");
	return 0;
}

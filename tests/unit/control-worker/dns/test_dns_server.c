/*
 * The DNS server on the tunnel, its listeners on loopback, with a resolver that
 * is the test's.
 */
#include "tests/lib/unit.h"

#include "control-worker/dns/server.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/log.h"
#include "control-worker/dns/foreign.h"
#include "control-worker/dns/forward.h"

#define PATIENCE_MS 5000
#define PROBE_FIRST 'f' /* of "firezone.dev", behind its length */

/* What the resolver does with a query. */
enum manner {
	ANSWERS,
	REFUSES,       /* with an RCODE, which is an answer */
	KNOWS_NO_NAME, /* likewise */
	IS_SILENT,     /* but for probes */
	TALKS_RUBBISH, /* with the right id */
	IS_PRECEDED,   /* by somebody else's answer */
	SAYS_MUCH,     /* 1201 bytes */
	SAYS_ENOUGH,   /* 1200 */
};

#define TUNNEL_MAX 1200

static struct {
	uv_loop_t loop;
	struct dns_server *server;
	enum manner manner;
	bool silent; /* to probes as well */
	int udp, tcp, accepted[256];
	unsigned accepted_count;
	uv_poll_t poll_udp, poll_tcp, poll_accepted[256];
	/* Another one, that answers queries over UDP and no probes. */
	int second;
	uv_poll_t poll_second;
	unsigned second_queries;
	struct endpoint second_at;
	uv_timer_t timer;
	bool late;
	unsigned queries; /* that were no probes */
	unsigned probes;
	struct endpoint resolver;
	struct endpoint at[2]; /* our listeners, by whether TCP */
} t;

/* a.test TXT IN. */
static const uint8_t query[] = { 0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1,
	'a', 4, 't', 'e', 's', 't', 0, 0, 16, 0, 1 };

static int
bind_loopback(int type, struct endpoint *at)
{
	struct sockaddr_storage address;
	socklen_t len = endpoint_to_sockaddr(at, &address);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	assert_true(endpoint_from_sockaddr((struct sockaddr *)&address, at));
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* The resolver. */

static size_t
make_answer(const uint8_t *in, size_t len, uint8_t *out)
{
	static const uint8_t record[] = { 0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60 };
	size_t total = len;

	memcpy(out, in, len);
	out[2] |= 0x80;
	if (in[13] == PROBE_FIRST)
		return len;
	t.queries++;
	if (t.manner == REFUSES)
		out[3] |= 5;
	if (t.manner == KNOWS_NO_NAME)
		out[3] |= 3;
	if (t.manner == TALKS_RUBBISH)
		out[7] = 1;
	if (t.manner != SAYS_MUCH && t.manner != SAYS_ENOUGH)
		return len;
	total = t.manner == SAYS_MUCH ? TUNNEL_MAX + 1 : TUNNEL_MAX;
	out[7] = 1;
	memcpy(out + len, record, sizeof(record));
	len += sizeof(record);
	store_be16(out + len, (uint16_t)(total - len - 2));
	memset(out + len + 2, 'x', total - len - 2);
	return total;
}

static bool
keeps_silent(const uint8_t *in)
{
	if (in[13] == PROBE_FIRST) {
		t.probes++;
		return t.silent;
	}
	if (t.manner != IS_SILENT)
		return false;
	t.queries++;
	return true;
}

static void
on_resolver_udp(uv_poll_t *poll, int status, int events)
{
	uint8_t in[512], out[2048];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n;
	size_t total;

	(void)poll;
	(void)events;
	assert_int_equal(status, 0);
	n = recvfrom(t.udp, in, sizeof(in), 0, (struct sockaddr *)&from, &len);
	if (n <= 14 || keeps_silent(in))
		return;
	total = make_answer(in, (size_t)n, out);
	if (t.manner == IS_PRECEDED) {
		out[0] ^= 1;
		(void)sendto(
		    t.udp, out, total, 0, (struct sockaddr *)&from, len);
		out[0] ^= 1;
	}
	assert_int_equal(
	    sendto(t.udp, out, total, 0, (struct sockaddr *)&from, len), total);
}

static void
on_resolver_tcp(uv_poll_t *poll, int status, int events)
{
	int *fd = poll->data;
	uint8_t in[512], out[2048];
	ssize_t n = status == 0 ? recv(*fd, in, sizeof(in), 0) : 0;
	size_t total;

	(void)events;
	if (n <= 0) {
		uv_poll_stop(poll);
		return;
	}
	assert_int_equal(n, 2 + load_be16(in));
	if (keeps_silent(in + 2))
		return;
	total = make_answer(in + 2, (size_t)n - 2, out + 2);
	store_be16(out, (uint16_t)total);
	/* In pieces. */
	assert_int_equal(send(*fd, out, 1, 0), 1);
	assert_int_equal(
	    send(*fd, out + 1, total + 1, MSG_NOSIGNAL), total + 1);
}

static void
on_resolver_accept(uv_poll_t *poll, int status, int events)
{
	unsigned i = t.accepted_count;

	(void)poll;
	(void)status;
	(void)events;
	assert_true(i < 256);
	t.accepted[i] = accept4(t.tcp, NULL, NULL, SOCK_NONBLOCK);
	if (t.accepted[i] == -1)
		return;
	t.accepted_count++;
	uv_poll_init(&t.loop, &t.poll_accepted[i], t.accepted[i]);
	t.poll_accepted[i].data = &t.accepted[i];
	uv_poll_start(&t.poll_accepted[i], UV_READABLE, on_resolver_tcp);
}

static void
on_second(uv_poll_t *poll, int status, int events)
{
	uint8_t bytes[512];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n;

	(void)poll;
	(void)status;
	(void)events;
	n = recvfrom(
	    t.second, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);
	if (n <= 14 || bytes[13] == PROBE_FIRST)
		return;
	t.second_queries++;
	bytes[2] |= 0x84; /* authoritative, to be told from the other's */
	(void)sendto(
	    t.second, bytes, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void
open_resolver(void)
{
	t.second_at = (struct endpoint){ ip_v4(127, 0, 0, 1), 0 };
	t.second = bind_loopback(SOCK_DGRAM, &t.second_at);
	uv_poll_init(&t.loop, &t.poll_second, t.second);
	uv_poll_start(&t.poll_second, UV_READABLE, on_second);
	t.resolver = (struct endpoint){ ip_v4(127, 0, 0, 1), 0 };
	/* A port that TCP remembers nothing of is fine for UDP as well. */
	t.tcp = bind_loopback(SOCK_STREAM, &t.resolver);
	t.udp = bind_loopback(SOCK_DGRAM, &t.resolver);
	uv_poll_init(&t.loop, &t.poll_udp, t.udp);
	uv_poll_init(&t.loop, &t.poll_tcp, t.tcp);
	uv_poll_start(&t.poll_udp, UV_READABLE, on_resolver_udp);
	uv_poll_start(&t.poll_tcp, UV_READABLE, on_resolver_accept);
}

/* The loop. */

static void
on_late(uv_timer_t *timer)
{
	(void)timer;
	t.late = true;
}

static void
let_pass(uint64_t ms)
{
	t.late = false;
	uv_timer_start(&t.timer, on_late, ms, 0);
	while (!t.late)
		uv_run(&t.loop, UV_RUN_ONCE);
}

/* Runs the loop until it is so. */
#define WAIT_FOR(condition)                                        \
	do {                                                       \
		t.late = false;                                    \
		uv_timer_start(&t.timer, on_late, PATIENCE_MS, 0); \
		while (!(condition) && !t.late)                    \
			uv_run(&t.loop, UV_RUN_ONCE);              \
		assert_true(condition);                            \
	} while (0)

/* What is under way on loopback arrives. */
static void
settle(void)
{
	for (int i = 0; i < 10; i++)
		uv_run(&t.loop, UV_RUN_NOWAIT);
}

/* What comes on a socket, in time; 0 when it is closed. */
static size_t
receive(int fd, uint8_t *to, size_t size)
{
	ssize_t n;

	t.late = false;
	uv_timer_start(&t.timer, on_late, PATIENCE_MS, 0);
	while ((n = recv(fd, to, size, MSG_DONTWAIT)) == -1 && !t.late)
		uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_false(t.late);
	return (size_t)n;
}

static bool
is_silent(int fd)
{
	uint8_t byte;

	let_pass(30);
	return recv(fd, &byte, 1, MSG_DONTWAIT) == -1;
}

static void
listen_again(bool tcp)
{
	int type = tcp ? SOCK_STREAM : SOCK_DGRAM;

	t.at[tcp] = (struct endpoint){ ip_v4(127, 0, 0, 1), 0 };
	dns_server_listen(
	    t.server, IP_V4, tcp, bind_loopback(type, &t.at[tcp]));
}

static void
know_resolver(void)
{
	struct resolv_conf conf = { .server_count = 1 };

	conf.servers[0] = t.resolver;
	t.probes = 0;
	dns_server_set_servers(t.server, &conf);
	WAIT_FOR(t.probes == 2);
	settle();
}

/* The second one is there for what the first does not answer. */
static void
know_both(void)
{
	struct resolv_conf conf = { .server_count = 2 };

	conf.servers[0] = t.resolver;
	conf.servers[1] = t.second_at;
	t.probes = 0;
	dns_server_set_servers(t.server, &conf);
	WAIT_FOR(t.probes == 2);
	settle();
}

static int
client(bool tcp)
{
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&t.at[tcp], &to);
	int fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

static int
set_up(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	log_init_sink("test", LOG_LEVEL_ERROR, LOG_FORMAT_HUMAN);
	assert_int_equal(uv_loop_init(&t.loop), 0);
	uv_timer_init(&t.loop, &t.timer);
	open_resolver();
	t.server = dns_server_new(&t.loop);
	assert_non_null(t.server);
	listen_again(false);
	listen_again(true);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	dns_server_free(t.server);
	uv_close((uv_handle_t *)&t.poll_udp, NULL);
	uv_close((uv_handle_t *)&t.poll_tcp, NULL);
	uv_close((uv_handle_t *)&t.poll_second, NULL);
	close(t.second);
	uv_close((uv_handle_t *)&t.timer, NULL);
	for (unsigned i = 0; i < t.accepted_count; i++) {
		uv_close((uv_handle_t *)&t.poll_accepted[i], NULL);
		close(t.accepted[i]);
	}
	close(t.udp);
	close(t.tcp);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&t.loop);
}

/* The answer to the query over UDP. */
static size_t
ask(uint8_t *answer, size_t size)
{
	int fd = client(false);
	size_t n;

	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	n = receive(fd, answer, size);
	close(fd);
	return n;
}

#define ANSWER(flags)                                                   \
	"abcd " flags " 0001 0000 0000 0000 01 61 04 74657374 00 0010 " \
	"0001"

static void
assert_outcomes(
    uint64_t answered, uint64_t no_name, uint64_t refused, uint64_t unanswered)
{
	const uint64_t *n = dns_server_outcomes(t.server);

	assert_int_equal(n[DNS_OUTCOME_ANSWERED], answered);
	assert_int_equal(n[DNS_OUTCOME_NO_NAME], no_name);
	assert_int_equal(n[DNS_OUTCOME_REFUSED], refused);
	assert_int_equal(n[DNS_OUTCOME_UNANSWERED], unanswered);
}

static void
answers_by_udp(void **state)
{
	static const struct {
		enum manner manner;
		const char *answer;
	} cases[] = {
		{ ANSWERS, ANSWER("8100") },
		{ REFUSES, ANSWER("8105") },
		{ KNOWS_NO_NAME, ANSWER("8103") },
		{ TALKS_RUBBISH, ANSWER("8102") },
		{ IS_PRECEDED, ANSWER("8100") },
		{ SAYS_MUCH, ANSWER("8300") },
	};
	uint8_t answer[2048];

	(void)state;
	know_resolver();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		t.manner = cases[i].manner;
		assert_hex(
		    answer, ask(answer, sizeof(answer)), cases[i].answer);
	}
	t.manner = SAYS_ENOUGH;
	assert_int_equal(ask(answer, sizeof(answer)), TUNNEL_MAX);
	assert_outcomes(4, 1, 1, 1);
}

/* Nobody is known, nobody answers, then queries but no probes. */
static void
no_resolver(void **state)
{
	uint8_t answer[512];

	(void)state;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8102"));
	t.silent = true;
	know_resolver();
	WAIT_FOR(t.probes == 4); /* two rounds have been for nothing */
	t.manner = TALKS_RUBBISH;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8102"));
	t.manner = ANSWERS;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8100"));
	assert_int_equal(t.queries, 2);
	t.silent = false;
	know_resolver();
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8100"));
}

static void
no_query(void **state)
{
	uint8_t bytes[2001] = { 0 }, answer[512];
	int fd;

	(void)state;
	know_resolver();
	fd = client(false);
	memcpy(bytes, query, sizeof(query));
	assert_int_equal(send(fd, bytes, 0, 0), 0);
	assert_int_equal(
	    send(fd, bytes, sizeof(query) - 1, 0), sizeof(query) - 1);
	assert_int_equal(send(fd, bytes, 2001, 0), 2001);
	bytes[2] |= 0x80;
	assert_int_equal(send(fd, bytes, sizeof(query), 0), sizeof(query));
	assert_true(is_silent(fd));
	bytes[2] &= 0x7f;
	assert_int_equal(send(fd, bytes, 2000, 0), 2000);
	WAIT_FOR(t.queries == 1);
	close(fd);
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8100"));
}

/* One client cannot have all of them. */
static void
queries_of_one_client(void **state)
{
	int fd;

	(void)state;
	know_resolver();
	t.manner = IS_SILENT;
	fd = client(false);
	for (int i = 0; i < DNS_QUERIES_OF_CLIENT + 10; i++) {
		assert_int_equal(
		    send(fd, query, sizeof(query), 0), sizeof(query));
		uv_run(&t.loop, UV_RUN_NOWAIT);
	}
	WAIT_FOR(t.queries >= DNS_QUERIES_OF_CLIENT);
	settle();
	assert_int_equal(t.queries, DNS_QUERIES_OF_CLIENT);
	close(fd);
}

#define HOGS (DNS_QUERIES_MAX / DNS_QUERIES_OF_CLIENT)

/* A client of its own: 127.0.1.n. */
static int
client_at(uint8_t n)
{
	struct endpoint at = { ip_v4(127, 0, 1, n), 0 };
	int fd = bind_loopback(SOCK_DGRAM, &at);
	struct sockaddr_storage to;
	socklen_t len = endpoint_to_sockaddr(&t.at[false], &to);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

/* Eight that take all there is do not keep a ninth from asking. */
static void
queries_of_many_clients(void **state)
{
	int hogs[HOGS], fd;
	uint8_t answer[512];

	(void)state;
	know_resolver();
	t.manner = IS_SILENT;
	for (uint8_t i = 0; i < HOGS; i++) {
		hogs[i] = client_at((uint8_t)(i + 1));
		for (unsigned n = 0; n < DNS_QUERIES_OF_CLIENT; n++) {
			assert_int_equal(send(hogs[i], query, sizeof(query), 0),
			    sizeof(query));
			uv_run(&t.loop, UV_RUN_NOWAIT);
		}
	}
	WAIT_FOR(t.queries == DNS_QUERIES_MAX);
	t.manner = ANSWERS;
	fd = client_at(HOGS + 1);
	assert_int_equal(send(fd, query, sizeof(query), 0), sizeof(query));
	assert_int_equal(
	    receive(fd, answer, sizeof(answer)), sizeof(query));
	assert_hex(answer, sizeof(query), ANSWER("8100"));
	/* The first of those who have most has lost its oldest, and hears so. */
	assert_int_equal(
	    receive(hogs[0], answer, sizeof(answer)), sizeof(query));
	assert_hex(answer, sizeof(query), ANSWER("8102"));
	assert_int_equal(dns_server_refusals(t.server)->queries, 1);
	for (unsigned i = 0; i < HOGS; i++)
		close(hogs[i]);
	close(fd);
}

/* A server that dies between two rounds of probes is waited for once. */
static void
silent_server_is_overtaken(void **state)
{
	uint8_t answer[512];
	uint64_t begin;

	(void)state;
	know_both();
	t.manner = IS_SILENT;
	uv_update_time(&t.loop);
	begin = uv_now(&t.loop);
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8500"));
	assert_true(uv_now(&t.loop) - begin < 2000);
	assert_int_equal(t.queries, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8500"));
	assert_int_equal(t.queries, 1);
	assert_int_equal(t.second_queries, 4);
}

static void
failing_server_is_passed_over(void **state)
{
	uint8_t answer[512];

	(void)state;
	know_both();
	t.manner = REFUSES;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8500"));
	know_both();
	t.manner = TALKS_RUBBISH;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8500"));
	know_both();
	t.manner = ANSWERS;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8100"));
	/* Nobody can say: what the one has said is passed on. */
	uv_poll_stop(&t.poll_second);
	t.manner = REFUSES;
	close(t.second);
	t.second = -1;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8105"));
}

/* TCP. */

static size_t
prefixed(uint8_t *to)
{
	store_be16(to, sizeof(query));
	memcpy(to + 2, query, sizeof(query));
	return 2 + sizeof(query);
}

static void
answers_by_tcp(void **state)
{
	uint8_t out[4 * (2 + sizeof(query))], answer[2048];
	size_t one = prefixed(out);
	int fd;

	(void)state;
	know_resolver();
	fd = client(true);
	/* Three in one piece, then one byte by byte. */
	for (size_t i = 1; i < 4; i++) {
		prefixed(out + i * one);
		out[i * one + 3] = (uint8_t)i;
	}
	assert_int_equal(send(fd, out, 3 * one, 0), 3 * one);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(receive(fd, answer, one), one);
		assert_int_equal(answer[3], i == 0 ? 0xcd : i);
		assert_int_equal(answer[4] & 0x80, 0x80);
	}
	for (size_t i = 0; i < one; i++) {
		assert_int_equal(send(fd, out + 3 * one + i, 1, 0), 1);
		let_pass(1);
	}
	assert_int_equal(receive(fd, answer, sizeof(answer)), one);
	assert_int_equal(answer[3], 3);
	/* Whatever is too long for UDP goes, in one piece with its length. */
	t.manner = SAYS_MUCH;
	assert_int_equal(send(fd, out, one, 0), one);
	assert_int_equal(
	    receive(fd, answer, sizeof(answer)), 2 + TUNNEL_MAX + 1);
	t.manner = TALKS_RUBBISH;
	assert_int_equal(send(fd, out, one, 0), one);
	assert_int_equal(receive(fd, answer, sizeof(answer)), one);
	assert_hex(answer + 2, one - 2, ANSWER("8102"));
	assert_outcomes(5, 0, 0, 1);
	/* It has said all that it has to say. */
	shutdown(fd, SHUT_WR);
	assert_int_equal(receive(fd, answer, sizeof(answer)), 0);
	close(fd);
}

static void
no_query_by_tcp(void **state)
{
	static const uint8_t empty[] = { 0, 0 };
	uint8_t out[2 + sizeof(query)], answer[16];
	size_t one = prefixed(out);
	int fd;

	(void)state;
	know_resolver();
	fd = client(true);
	assert_int_equal(send(fd, empty, 2, 0), 2);
	assert_int_equal(receive(fd, answer, sizeof(answer)), 0);
	close(fd);
	fd = client(true);
	out[4] |= 0x80; /* an answer */
	assert_int_equal(send(fd, out, one, 0), one);
	assert_int_equal(receive(fd, answer, sizeof(answer)), 0);
	close(fd);
	assert_int_equal(t.queries, 0);
}

static void
connections_of_one_client(void **state)
{
	int fds[DNS_CONNECTIONS_OF_CLIENT + 1];
	uint8_t out[2 + sizeof(query)], answer[64];
	size_t one = prefixed(out);

	(void)state;
	know_resolver();
	for (size_t i = 0; i <= DNS_CONNECTIONS_OF_CLIENT; i++)
		fds[i] = client(true);
	/* The one that has waited longest without a query. */
	assert_int_equal(receive(fds[0], answer, sizeof(answer)), 0);
	close(fds[0]);
	for (size_t i = 1; i <= DNS_CONNECTIONS_OF_CLIENT; i++) {
		assert_int_equal(send(fds[i], out, one, 0), one);
		assert_int_equal(receive(fds[i], answer, sizeof(answer)), one);
	}
	assert_int_equal(dns_server_refusals(t.server)->connections, 1);
	/* Those that are being answered stay, and the newest goes. */
	t.manner = IS_SILENT;
	for (size_t i = 1; i <= DNS_CONNECTIONS_OF_CLIENT; i++)
		assert_int_equal(send(fds[i], out, one, 0), one);
	WAIT_FOR(t.queries == 2 * DNS_CONNECTIONS_OF_CLIENT);
	fds[0] = client(true);
	assert_int_equal(receive(fds[0], answer, sizeof(answer)), 0);
	for (size_t i = 1; i <= DNS_CONNECTIONS_OF_CLIENT; i++)
		assert_true(is_silent(fds[i]));
	for (size_t i = 0; i <= DNS_CONNECTIONS_OF_CLIENT; i++)
		close(fds[i]);
}

/* Other addresses: what came by the old sockets is over. */
static void
other_listeners(void **state)
{
	uint8_t out[2 + sizeof(query)], answer[64];
	size_t one = prefixed(out);
	int udp, tcp;

	(void)state;
	know_resolver();
	t.manner = IS_SILENT;
	udp = client(false);
	tcp = client(true);
	assert_int_equal(send(udp, query, sizeof(query), 0), sizeof(query));
	assert_int_equal(send(tcp, out, one, 0), one);
	WAIT_FOR(t.queries == 2);
	listen_again(false);
	listen_again(true);
	assert_int_equal(receive(tcp, answer, sizeof(answer)), 0);
	close(udp);
	close(tcp);
	t.manner = ANSWERS;
	assert_hex(answer, ask(answer, sizeof(answer)), ANSWER("8100"));
	tcp = client(true);
	assert_int_equal(send(tcp, out, one, 0), one);
	assert_int_equal(receive(tcp, answer, sizeof(answer)), one);
	dns_server_close(t.server, IP_V6); /* which is not there */
	assert_true(is_silent(tcp));
	dns_server_close(t.server, IP_V4);
	assert_int_equal(receive(tcp, answer, sizeof(answer)), 0);
	close(tcp);
}

/* forward.c alone. */

static unsigned heard;
static bool heard_bytes;

static bool
on_heard(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)ctx;
	(void)len;
	heard++;
	heard_bytes = bytes != NULL;
	return true;
}

static void
time_is_up(void **state)
{
	(void)state;
	t.manner = IS_SILENT;
	for (int tcp = 0; tcp < 2; tcp++) {
		uint64_t begin;

		heard = 0;
		uv_update_time(&t.loop);
		begin = uv_now(&t.loop);
		assert_non_null(forward_start(&t.loop, &t.resolver, tcp != 0,
		    query, sizeof(query), 60, on_heard, NULL));
		WAIT_FOR(heard == 1);
		assert_false(heard_bytes);
		assert_true(uv_now(&t.loop) - begin >= 60);
	}
}

static void
nobody_is_there(void **state)
{
	struct endpoint nobody = { ip_v4(127, 0, 0, 1), 0 };
	int fd = bind_loopback(SOCK_DGRAM, &nobody);

	(void)state;
	close(fd);
	for (int tcp = 0; tcp < 2; tcp++) {
		heard = 0;
		if (forward_start(&t.loop, &nobody, tcp != 0, query,
			sizeof(query), 4000, on_heard, NULL) == NULL)
			continue;
		WAIT_FOR(heard == 1);
		assert_false(heard_bytes);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_by_udp),
		TEST(no_resolver),
		TEST(no_query),
		TEST(queries_of_one_client),
		TEST(queries_of_many_clients),
		TEST(silent_server_is_overtaken),
		TEST(failing_server_is_passed_over),
		TEST(answers_by_tcp),
		TEST(no_query_by_tcp),
		TEST(connections_of_one_client),
		TEST(other_listeners),
		TEST(time_is_up),
		TEST(nobody_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

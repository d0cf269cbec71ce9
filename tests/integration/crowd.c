/*
 * Many clients in one process, without devices. Each answers the gateway's ICE
 * checks, nominates the pair that they came by and makes a handshake; or,
 * without ICE, makes its handshake at the gateway's relay at once, by a series
 * of copies, and then answers the gateway's probes where they come from. It is
 * connected when a datagram that it sends through the tunnel to an echo has
 * come back. Run by crowd.py, which is their portal.
 *
 * usage: crowd ADDRESS ECHO COUNT
 *
 * Client n is at port 20000 + n of the address, and n + 2 in the tunnel. What
 * else it has is a function of n, so that crowd.py knows it, but for its key:
 * the public ones come first on standard output, a line in hex each. Then the
 * gateway's is read, and lines "N ENDPOINT": client n does without ICE, and has
 * to make its handshake there. All that is said is how many have connected: "N
 * of COUNT, M of them without ICE" each second, until all have. They answer
 * checks until standard input ends.
 */
#include <err.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/address.h"
#include "common/buffer.h"
#include "common/time.h"
#include "net-worker/core/aead.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/stun/stun.h"
#include "net-worker/core/wireguard/noise.h"
#include "net-worker/core/wireguard/session.h"

#define CLIENTS_MAX    4096
#define FIRST_PORT     20000
#define RECEIVE_MAX    2048
#define FIRST_ADDRESS  0x64400002u /* 100.64.0.2 */
#define ECHO_PORT      7
#define OUR_PASSWORD   "cliepassword"
#define THEIR_PASSWORD "gatepassword"
#define INNER_LEN      32 /* IPv4, UDP, the number */
/* Repetitions: of checks, of handshakes as clients do, of echoes. */
#define CHECK_MS     500
#define HANDSHAKE_MS 5000
#define ICELESS_MS   2000
#define ECHO_MS      1000
#define LINE_MAX_LEN 128

enum stage {
	STAGE_WAITING,
	STAGE_CHECKING,
	STAGE_HANDSHAKE,
	STAGE_ECHO,
	STAGE_CONNECTED
};

struct crowd_client {
	enum stage stage;
	bool iceless;
	struct mono again;
	struct endpoint gateway;
	struct noise_identity identity;
	struct noise_peer peer;
	struct session session;
	/* The first one, of which copies are sent. */
	uint8_t initiation[MESSAGE_INITIATION_LEN];
	size_t copies;
};

/* Between the copies: what is lost on a path that is not there yet. */
static const int64_t copy_gaps_ms[] = { 50, 50, 50, 100, 200, 400, 800 };
#define COPIES (sizeof(copy_gaps_ms) / sizeof(copy_gaps_ms[0]))

static struct crowd_client clients[CLIENTS_MAX];
static struct pollfd fds[CLIENTS_MAX + 1]; /* standard input behind them */
static size_t count, connected, connected_iceless;
static char line[LINE_MAX_LEN]; /* of standard input, as far as it is there */
static size_t line_len;
static struct ip_address echo;
static struct aead *aead;
static const uint8_t psk[NOISE_KEY_LEN] = { 0x55 };

static struct mono
clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct mono){ t.tv_sec * INT64_C(1000000000) + t.tv_nsec };
}

static void
send_datagram_to(
    size_t n, const struct endpoint *where, const void *data, size_t len)
{
	struct sockaddr_storage to;
	socklen_t size = endpoint_to_sockaddr(where, &to);

	/* What is lost is sent again. */
	(void)sendto(fds[n].fd, data, len, 0, (struct sockaddr *)&to, size);
}

static void
send_datagram(size_t n, const void *data, size_t len)
{
	send_datagram_to(n, &clients[n].gateway, data, len);
}

/* The message's end, as both ends of a connection sign it. */
static void
send_signed(size_t n, struct writer *w, const char *password)
{
	stun_add_integrity(w, password, strlen(password));
	stun_add_fingerprint(w);
	if (writer_failed(w))
		errx(1, "a message is too long");
	send_datagram(n, w->base, w->len);
}

static void
send_check(size_t n)
{
	uint8_t data[RECEIVE_MAX], transaction[STUN_TRANSACTION_LEN];
	char username[32];
	struct writer w;

	randombytes_buf(transaction, sizeof(transaction));
	snprintf(username, sizeof(username), "g%05zx:c%05zx", n, n);
	writer_init(&w, data, sizeof(data));
	stun_begin(&w, STUN_BINDING_REQUEST, transaction);
	stun_add_text(&w, STUN_USERNAME, username);
	stun_add_u64(&w, STUN_ICE_CONTROLLING, 1);
	stun_add_u32(&w, STUN_PRIORITY, 0x6e7ffeff);
	stun_add_bytes(&w, STUN_USE_CANDIDATE, "", 0);
	send_signed(n, &w, THEIR_PASSWORD);
}

static void
answer_check(size_t n, const struct stun_message *m)
{
	uint8_t data[RECEIVE_MAX];
	struct writer w;

	writer_init(&w, data, sizeof(data));
	stun_begin(&w, STUN_BINDING_SUCCESS, m->transaction);
	stun_add_address(&w, STUN_XOR_MAPPED_ADDRESS, &clients[n].gateway);
	send_signed(n, &w, OUR_PASSWORD);
}

static void
send_initiation(size_t n, struct mono now)
{
	uint8_t timestamp[NOISE_TIMESTAMP_LEN];
	struct crowd_client *c = &clients[n];
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	noise_timestamp((uint64_t)t.tv_sec, (uint32_t)t.tv_nsec, timestamp);
	if (!noise_create_initiation(&c->identity, &c->peer, (uint32_t)n,
		timestamp, now, c->initiation))
		errx(1, "an initiation");
	send_datagram(n, c->initiation, sizeof(c->initiation));
}

/* Of the first one copies, and then others, as clients without ICE do. */
static void
repeat_initiation(size_t n, struct mono now)
{
	struct crowd_client *c = &clients[n];

	if (c->copies == 0 || c->copies > COPIES)
		send_initiation(n, now);
	else
		send_datagram(n, c->initiation, sizeof(c->initiation));
	c->again = mono_add_ms(
	    now, c->copies < COPIES ? copy_gaps_ms[c->copies] : ICELESS_MS);
	if (c->copies <= COPIES)
		c->copies++;
}

static void
answer_probe(size_t n, const struct endpoint *from, struct probe *probe)
{
	uint8_t data[PROBE_PACKET_LEN + MESSAGE_DATA_MIN],
	    packet[PROBE_PACKET_LEN];

	if (probe->is_reply)
		return;
	probe->is_reply = true;
	probe_packet_write(probe, packet);
	session_seal(&clients[n].session, aead, packet, sizeof(packet), data);
	send_datagram_to(n, from, data, sizeof(data));
}

static void
send_echo(size_t n)
{
	uint8_t data[INNER_LEN + MESSAGE_DATA_MIN],
	    inner[INNER_LEN] = {
		    0x45,
		    0,
		    0,
		    INNER_LEN,
		    0,
		    0,
		    0,
		    0,
		    64,
		    17,
	    };
	uint32_t sum = 0;

	store_be32(inner + 12, FIRST_ADDRESS + (uint32_t)n);
	memcpy(inner + 16, echo.bytes, 4);
	for (size_t i = 0; i < 20; i += 2)
		sum += load_be16(inner + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(inner + 10, (uint16_t) ~(sum + (sum >> 16)));
	/* UDP without a checksum. */
	store_be16(inner + 20, FIRST_PORT);
	store_be16(inner + 22, ECHO_PORT);
	store_be16(inner + 24, INNER_LEN - 20);
	store_be32(inner + 28, (uint32_t)n);
	session_seal(&clients[n].session, aead, inner, sizeof(inner), data);
	send_datagram(n, data, sizeof(data));
}

static void
act(size_t n, struct mono now)
{
	struct crowd_client *c = &clients[n];

	switch (c->stage) {
	case STAGE_CHECKING:
		send_check(n);
		c->again = mono_add_ms(now, CHECK_MS);
		break;
	case STAGE_HANDSHAKE:
		if (c->iceless) {
			repeat_initiation(n, now);
			break;
		}
		send_initiation(n, now);
		c->again = mono_add_ms(now, HANDSHAKE_MS);
		break;
	case STAGE_ECHO:
		send_echo(n);
		c->again = mono_add_ms(now, ECHO_MS);
		break;
	case STAGE_WAITING:
	case STAGE_CONNECTED:
		c->again = MONO_NEVER;
	}
}

static void
enter(size_t n, enum stage stage, struct mono now)
{
	clients[n].stage = stage;
	if (stage == STAGE_CONNECTED) {
		connected++;
		connected_iceless += clients[n].iceless;
	}
	act(n, now);
}

static void
take_stun(size_t n, const struct endpoint *from, const struct stun_message *m,
    struct mono now)
{
	struct crowd_client *c = &clients[n];

	if (c->iceless)
		return;
	if (m->type == STUN_BINDING_REQUEST) {
		if (c->stage == STAGE_WAITING)
			c->gateway = *from;
		if (!endpoint_equal(&c->gateway, from))
			return;
		answer_check(n, m);
		if (c->stage == STAGE_WAITING)
			enter(n, STAGE_CHECKING, now);
	} else if (m->type == STUN_BINDING_SUCCESS &&
	    c->stage == STAGE_CHECKING) {
		enter(n, STAGE_HANDSHAKE, now);
	}
}

static void
take_data(size_t n, const struct endpoint *from, uint8_t *data, size_t len,
    struct mono now)
{
	struct crowd_client *c = &clients[n];
	struct probe probe;
	uint8_t *inner;
	int inner_len;

	if (c->stage != STAGE_ECHO && c->stage != STAGE_CONNECTED)
		return;
	inner_len = session_open(&c->session, aead, data, len, &inner);
	if (inner_len < INNER_LEN)
		return;
	if (probe_packet_read(inner, (size_t)inner_len, &probe))
		answer_probe(n, from, &probe);
	else if (c->stage == STAGE_ECHO && load_be32(inner + 28) == n)
		enter(n, STAGE_CONNECTED, now);
}

static void
take_wireguard(size_t n, const struct endpoint *from, uint8_t *data, size_t len,
    struct mono now)
{
	struct crowd_client *c = &clients[n];
	struct noise_keys keys;

	switch (message_classify(data, len)) {
	case MESSAGE_RESPONSE:
		if (c->stage != STAGE_HANDSHAKE ||
		    !noise_consume_response(
			&c->identity, &c->peer, data, &keys))
			return;
		session_init(&c->session, &keys, now);
		enter(n, STAGE_ECHO, now);
		break;
	case MESSAGE_COOKIE:
		(void)noise_consume_cookie_reply(&c->peer, now, data);
		break;
	case MESSAGE_DATA:
		take_data(n, from, data, len, now);
		break;
	default:
		break;
	}
}

static void
receive(size_t n, struct mono now)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);
	uint8_t data[RECEIVE_MAX];
	struct stun_message m;
	struct endpoint from;
	ssize_t len;

	while ((len = recvfrom(fds[n].fd, data, sizeof(data), MSG_DONTWAIT,
		    (struct sockaddr *)&name, &size)) > 0) {
		if (!endpoint_from_sockaddr((struct sockaddr *)&name, &from))
			continue;
		if (stun_parse(data, (size_t)len, &m))
			take_stun(n, &from, &m, now);
		else
			take_wireguard(n, &from, data, (size_t)len, now);
	}
}

static void
open_sockets(const char *address)
{
	struct rlimit files = { CLIENTS_MAX + 16, CLIENTS_MAX + 16 };
	struct endpoint at = { 0 };
	struct sockaddr_storage name;
	socklen_t size;

	if (!ip_parse(address, &at.ip))
		errx(2, "not an address: %s", address);
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		err(1, "setrlimit");
	for (size_t n = 0; n < count; n++) {
		at.port = (uint16_t)(FIRST_PORT + n);
		size = endpoint_to_sockaddr(&at, &name);
		fds[n].events = POLLIN;
		fds[n].fd =
		    socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fds[n].fd == -1 ||
		    bind(fds[n].fd, (struct sockaddr *)&name, size) == -1)
			err(1, "port %u", at.port);
	}
}

/* A line of standard input, which is waited for, without its end. */
static void
read_line(char *to, size_t size)
{
	char *end;
	size_t len;

	while ((end = memchr(line, '\n', line_len)) == NULL) {
		ssize_t n = read(
		    STDIN_FILENO, line + line_len, sizeof(line) - line_len);

		if (n <= 0)
			exit(0);
		line_len += (size_t)n;
	}
	len = (size_t)(end - line);
	snprintf(to, size, "%.*s", (int)len, line);
	line_len -= len + 1;
	memmove(line, end + 1, line_len);
}

static void
exchange_keys(void)
{
	char hex[2 * NOISE_KEY_LEN + 2];
	uint8_t key[NOISE_KEY_LEN];
	size_t len;

	for (size_t n = 0; n < count; n++) {
		if (!noise_identity_generate(&clients[n].identity))
			errx(1, "a key");
		printf("%s\n",
		    sodium_bin2hex(hex, sizeof(hex),
			clients[n].identity.public_key, NOISE_KEY_LEN));
	}
	fflush(stdout);
	read_line(hex, sizeof(hex));
	if (sodium_hex2bin(
		key, sizeof(key), hex, strlen(hex), NULL, &len, NULL) == -1 ||
	    len != sizeof(key))
		errx(1, "the gateway's key");
	for (size_t n = 0; n < count; n++) {
		clients[n].again = MONO_NEVER;
		if (!noise_peer_init(
			&clients[n].peer, &clients[n].identity, key, psk))
			errx(1, "the gateway's key");
	}
}

/* Of those that do without ICE. */
static void
begin_at_once(const char *command, struct mono now)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t n;

	if (sscanf(command, "%zu %55s", &n, text) != 2 || n >= count ||
	    !endpoint_parse(text, &clients[n].gateway))
		errx(1, "what is %s?", command);
	if (clients[n].stage != STAGE_WAITING)
		return;
	clients[n].iceless = true;
	enter(n, STAGE_HANDSHAKE, now);
}

static void
tell_count(void)
{
	printf("%zu of %zu, %zu of them without ICE\n", connected, count,
	    connected_iceless);
	fflush(stdout);
}

static void
turn(struct mono now)
{
	char command[LINE_MAX_LEN];

	if (poll(fds, count + 1, 10) == -1)
		err(1, "poll");
	if (fds[count].revents != 0)
		do {
			read_line(command, sizeof(command));
			begin_at_once(command, now);
		} while (memchr(line, '\n', line_len) != NULL);
	for (size_t n = 0; n < count; n++) {
		if (fds[n].revents != 0)
			receive(n, now);
		if (mono_due(clients[n].again, now))
			act(n, now);
	}
}

int
main(int argc, char **argv)
{
	struct mono now, tell;

	if (argc != 4 || !ip_parse(argv[2], &echo) || echo.family != IP_V4 ||
	    (count = (size_t)atoi(argv[3])) == 0 || count > CLIENTS_MAX)
		errx(2, "usage: crowd ADDRESS ECHO COUNT");
	if (!noise_crypto_warm_up() || !stun_warm_up() ||
	    (aead = aead_new()) == NULL)
		errx(1, "cryptographic libraries");
	open_sockets(argv[1]);
	fds[count] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	exchange_keys();
	tell = clock_now();
	while (connected < count) {
		now = clock_now();
		if (mono_due(tell, now)) {
			tell_count();
			tell = mono_add_s(now, 1);
		}
		turn(now);
	}
	tell_count();
	for (;;)
		turn(clock_now());
}

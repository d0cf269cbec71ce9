/*
 * Packets translated by us and by tayga, a translator that is not ours:
 *
 *	translation DEVICE
 *
 * What is written to the TUN DEVICE is routed to tayga, and what that makes of
 * it comes back from there. Both have to be the same, but for what routers and
 * translators may choose: hops, identification, DF. translation.sh sets it up.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/time.h"
#include "net-worker/core/inner/icmp.h"
#include "net-worker/core/inner/rewrite.h"
#include "net-worker/core/inner/translate.h"
#include "tests/lib/checksums.h"

#define WAIT_MS 5000
#define TURN_MS 200
#define ID      0x4242 /* of echoes */

/* Here, there, and a router on the way there, as the script has them mapped. */
static const struct ip_address addresses[2][3] = {
	{ { IP_V4, { 100, 64, 0, 9 } }, { IP_V4, { 10, 1, 2, 3 } },
	    { IP_V4, { 192, 0, 2, 1 } } },
	{ { IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, [15] = 9 } },
	    { IP_V6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x77 } },
	    { IP_V6, { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } } },
};

enum { HERE, THERE, ROUTER };

static unsigned passed, failed;

static int
open_tun(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR);

	strncpy(ifr.ifr_name, name, sizeof(ifr.ifr_name) - 1);
	if (fd == -1 || ioctl(fd, TUNSETIFF, &ifr) == -1)
		err(1, "%s", name);
	return fd;
}

static void
write_header(struct writer *w, bool v6, int from, int to, uint8_t protocol,
    size_t length, uint8_t traffic_class)
{
	size_t size = v6 ? 16 : 4;

	if (v6) {
		writer_be32(w, 0x60000000 | (uint32_t)traffic_class << 20);
		writer_be16(w, (uint16_t)length);
		writer_u8(w, protocol);
		writer_u8(w, 64);
	} else {
		writer_u8(w, 0x45);
		writer_u8(w, traffic_class);
		writer_be16(w, (uint16_t)(20 + length));
		writer_be16(w, 0);
		writer_be16(w, 0x4000);
		writer_u8(w, 64);
		writer_u8(w, protocol);
		writer_be16(w, 0);
	}
	writer_bytes(w, addresses[v6][from].bytes, size);
	writer_bytes(w, addresses[v6][to].bytes, size);
}

/* A transport with that much data. */
static size_t
build_packet(uint8_t *to, bool v6, uint8_t kind, size_t data)
{
	size_t header = kind == PACKET_TCP ? 20 : 8;
	uint8_t upper[1280] = { 0x9c, 0x40, 0, 80 };
	uint8_t protocol = IPPROTO_TCP;
	struct packet p;
	struct writer w;

	for (size_t i = 0; i < data; i++)
		upper[header + i] = (uint8_t)(i * 7);
	switch (kind) {
	case PACKET_TCP:
		upper[12] = 0x50;
		upper[13] = 0x18;
		break;
	case PACKET_UDP:
		protocol = IPPROTO_UDP;
		store_be16(upper + 4, (uint16_t)(8 + data));
		break;
	default:
		protocol = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
		store_be32(upper, v6 ? 0x80000000 : 0x08000000);
		store_be32(upper + 4, ID << 16 | 1);
		break;
	}
	writer_init(&w, to, INNER_PACKET_MAX);
	write_header(&w, v6, HERE, THERE, protocol, header + data, 0xb8);
	writer_bytes(&w, upper, header + data);
	if (packet_parse(to, w.len, &p) != PACKET_OK)
		errx(1, "a packet of the test is none");
	set_checksums(&p);
	return w.len;
}

static size_t
build_error(uint8_t *to, bool v6, uint8_t quoted, size_t data, uint8_t type,
    uint8_t code, uint32_t rest)
{
	uint8_t quote[INNER_PACKET_MAX];
	struct icmp_error e = {
		.source = addresses[v6][ROUTER],
		.destination = addresses[v6][HERE],
		.type = type,
		.code = code,
		.rest = rest,
		.quote = quote,
		.quote_len = build_packet(quote, v6, quoted, data),
	};

	return icmp_write(&e, to);
}

/* What we make of it, with a copy of the packet in the middle of room. */
static size_t
translate_here(const uint8_t *packet, size_t len, uint8_t *to)
{
	uint8_t room[2 * INNER_PACKET_MAX], copy[INNER_PACKET_MAX];
	struct packet p, quote;
	struct icmp_error e;
	bool v6;

	memcpy(room + 40, packet, len);
	if (packet_parse(room + 40, len, &p) != PACKET_OK)
		errx(1, "a packet of the test is none");
	p.headroom = 40;
	v6 = p.source.family == IP_V6;
	if (p.kind != PACKET_ICMP_ERROR) {
		if (!translate_packet(
			&p, &addresses[!v6][HERE], &addresses[!v6][THERE], 0))
			return 0;
		memcpy(to, p.data, p.length);
		return p.length;
	}
	if (!packet_quote(&p, &quote) || !translate_error(&p, &e) ||
	    !translate_quote(
		&quote, &addresses[!v6][HERE], &addresses[!v6][THERE], copy))
		return 0;
	e.source = addresses[!v6][ROUTER];
	e.destination = addresses[!v6][HERE];
	e.quote = quote.data;
	e.quote_len = quote.length;
	return icmp_write(&e, to);
}

/* The next packet of the family, or 0 when none comes in time. */
static size_t
read_packet(int fd, bool v6, uint8_t *to, int64_t wait_ms)
{
	struct mono end = mono_add_ms(mono_now(), wait_ms);

	for (;;) {
		struct pollfd p = { fd, POLLIN, 0 };
		int64_t left = (end.ns - mono_now().ns) / 1000000;
		struct packet parsed;
		ssize_t n;

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return 0;
		n = read(fd, to, INNER_PACKET_MAX);
		/* Not what the kernel says on any new link. */
		if (n > 0 &&
		    packet_parse(to, (size_t)n, &parsed) == PACKET_OK &&
		    ip_equal(&parsed.source,
			&addresses[v6][parsed.kind == PACKET_ICMP_ERROR ||
				    parsed.kind == PACKET_ICMP_OTHER
				? ROUTER
				: HERE]))
			return (size_t)n;
	}
}

/* Hops, identification and DF, which are a matter of choice. */
static void
blank_header(uint8_t *header)
{
	if (header[0] >> 4 == 6) {
		header[7] = 0;
		return;
	}
	memset(header + 4, 0, 4);
	header[8] = 0;
	memset(header + 10, 0, 2);
}

/*
 * The same of both, after it was seen that the checksums are right. In a quote
 * tayga leaves the checksum of the transport as it was.
 */
static void
blank_choices(uint8_t *packet, size_t len)
{
	uint8_t *field;
	struct packet p, quote;
	bool quotes;

	if (packet_parse(packet, len, &p) != PACKET_OK)
		return;
	quotes = packet_quote(&p, &quote);
	if (quotes && (field = transport_checksum(&quote)) != NULL)
		memset(field, 0, 2);
	if (quotes)
		blank_header(quote.data);
	if (p.kind == PACKET_ICMP_ERROR || p.kind == PACKET_ICMP_OTHER) {
		memset(packet + p.transport + 2, 0, 2);
		packet[1] &= p.source.family == IP_V4 ? 0 : 0x0f;
		packet[0] &= 0xf0 | (p.source.family == IP_V4 ? 0x0f : 0);
	}
	blank_header(packet);
}

/*
 * Until a link that has just got somebody carries anything, what is sent by it
 * is lost. What was said twice for that is read before the first comparison.
 */
static void
await_link(int fd, bool v6)
{
	uint8_t packet[INNER_PACKET_MAX], answer[INNER_PACKET_MAX];
	size_t len = build_packet(packet, !v6, PACKET_UDP, 0);
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	do {
		if (write(fd, packet, len) != (ssize_t)len)
			err(1, "the TUN device");
	} while (read_packet(fd, v6, answer, TURN_MS) == 0 &&
	    !mono_due(end, mono_now()));
	while (read_packet(fd, v6, answer, TURN_MS) != 0)
		continue;
}

static void
dump_packet(const char *who, const uint8_t *packet, size_t len)
{
	printf("#   %s", who);
	for (size_t i = 0; i < len; i++)
		printf("%s%02x", i % 32 == 0 ? "\n#     " : "", packet[i]);
	printf("\n");
}

static void
compare(int fd, const char *name, const uint8_t *packet, size_t len)
{
	uint8_t ours[INNER_PACKET_MAX], theirs[INNER_PACKET_MAX];
	size_t our_len = translate_here(packet, len, ours), their_len;
	bool v6 = packet[0] >> 4 == 4; /* there */
	struct packet p;
	bool same;

	if (write(fd, packet, len) != (ssize_t)len)
		err(1, "the TUN device");
	their_len = read_packet(fd, v6, theirs, WAIT_MS);
	same = our_len > 0 && our_len == their_len &&
	    packet_parse(ours, our_len, &p) == PACKET_OK && checksums_right(&p);
	if (same) {
		blank_choices(ours, our_len);
		blank_choices(theirs, their_len);
		same = memcmp(ours, theirs, our_len) == 0;
	}
	printf("%s - %s, to IPv%d\n", same ? "ok" : "not ok", name, v6 ? 6 : 4);
	if (same) {
		passed++;
		return;
	}
	failed++;
	dump_packet("ours", ours, our_len);
	dump_packet("tayga's", theirs, their_len);
}

static const struct {
	const char *name;
	enum packet_kind kind;
	size_t data;
} packets[] = {
	{ "TCP without data", PACKET_TCP, 0 },
	{ "TCP", PACKET_TCP, 1001 },
	{ "UDP", PACKET_UDP, 17 },
	{ "UDP as long as can be", PACKET_UDP, 1232 },
	{ "echo", PACKET_ICMP_ECHO, 56 },
};

static const struct {
	const char *name;
	bool v6;
	enum packet_kind quoted;
	uint8_t type, code;
	uint32_t rest;
} errors[] = {
	{ "host unreachable", false, PACKET_UDP, 3, 1, 0 },
	{ "port unreachable", false, PACKET_UDP, 3, 3, 0 },
	{ "prohibited", false, PACKET_TCP, 3, 13, 0 },
	{ "fragmentation needed", false, PACKET_TCP, 3, 4, 1260 },
	{ "time exceeded", false, PACKET_ICMP_ECHO, 11, 0, 0 },
	{ "no route", true, PACKET_ICMP_ECHO, 1, 0, 0 },
	{ "prohibited", true, PACKET_TCP, 1, 1, 0 },
	{ "beyond scope", true, PACKET_UDP, 1, 2, 0 },
	{ "port unreachable", true, PACKET_UDP, 1, 4, 0 },
	{ "too big", true, PACKET_TCP, 2, 0, 1280 },
	{ "hop limit", true, PACKET_UDP, 3, 0, 0 },
};

int
main(int argc, char *argv[])
{
	uint8_t packet[INNER_PACKET_MAX];
	int fd;

	if (argc != 2)
		errx(2, "usage: translation DEVICE");
	fd = open_tun(argv[1]);
	await_link(fd, false);
	await_link(fd, true);
	for (size_t i = 0; i < 2 * sizeof(packets) / sizeof(packets[0]); i++)
		compare(fd, packets[i / 2].name, packet,
		    build_packet(packet, i % 2, packets[i / 2].kind,
			packets[i / 2].data));
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		compare(fd, errors[i].name, packet,
		    build_error(packet, errors[i].v6, errors[i].quoted, 100,
			errors[i].type, errors[i].code, errors[i].rest));
	printf("%u passed, %u failed\n", passed, failed);
	return failed > 0;
}

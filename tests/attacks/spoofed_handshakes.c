/*
 * A flood of WireGuard initiations that nobody can answer for, each from one of
 * many sources that do not exist, and of random bytes where a handshake would
 * be. Run by spoofed_handshakes.sh.
 *
 * usage: spoofed_handshakes ADDRESS PORT PER-SECOND SOURCES SECONDS
 *
 * Sends them in bursts of a millisecond each, and says how many it has sent.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define INITIATION_LEN 148
#define BURST_MAX      256
#define FIRST_SOURCE   0xc6120001u /* 198.18.0.1, of a test network */

struct initiation {
	struct iphdr ip;
	struct udphdr udp;
	uint8_t message[INITIATION_LEN];
} __attribute__((packed));

static struct initiation packets[BURST_MAX];
static struct mmsghdr messages[BURST_MAX];
static struct iovec parts[BURST_MAX];

static uint32_t
next_random(void)
{
	static uint32_t state = 0x9e3779b9;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state;
}

/* The kernel fills in length, identification and checksum of the header. */
static void
make_packet(struct initiation *p, const struct sockaddr_in *to)
{
	memset(p, 0, sizeof(*p));
	p->ip.version = 4;
	p->ip.ihl = sizeof(p->ip) / 4;
	p->ip.ttl = 64;
	p->ip.protocol = IPPROTO_UDP;
	p->ip.daddr = to->sin_addr.s_addr;
	p->udp.dest = to->sin_port;
	p->udp.len = htons(sizeof(p->udp) + INITIATION_LEN);
	for (size_t i = 0; i < INITIATION_LEN; i++)
		p->message[i] = (uint8_t)next_random();
	memcpy(p->message, (uint8_t[]){ 1, 0, 0, 0 }, 4);
}

static void
make_messages(struct sockaddr_in *to)
{
	for (size_t i = 0; i < BURST_MAX; i++) {
		make_packet(&packets[i], to);
		parts[i] = (struct iovec){ &packets[i], sizeof(packets[i]) };
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = to,
			.msg_namelen = sizeof(*to),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
		};
	}
}

/* From another source, with another ephemeral key. */
static void
change_packet(struct initiation *p, uint32_t sources)
{
	uint32_t key = next_random();

	p->ip.saddr = htonl(FIRST_SOURCE + next_random() % sources);
	p->udp.source = htons((uint16_t)(1024 + key % 60000));
	memcpy(p->message + 8, &key, sizeof(key));
}

static int64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int64_t start, elapsed, seconds, rate, sent = 0;
	const struct timespec rest = { .tv_nsec = 1000000 };
	uint32_t sources;
	int fd;

	if (argc != 6 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
		errx(2,
		    "usage: spoofed_handshakes ADDRESS PORT PER-SECOND "
		    "SOURCES SECONDS");
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	rate = atoll(argv[3]);
	sources = (uint32_t)atoll(argv[4]);
	seconds = atoll(argv[5]);
	if (rate <= 0 || sources == 0 || seconds <= 0)
		errx(2, "these must be positive");
	if ((fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) == -1)
		err(1, "socket");
	make_messages(&to);
	start = now_ns();
	while ((elapsed = now_ns() - start) < seconds * 1000000000) {
		int64_t due = elapsed * rate / 1000000000 - sent;
		unsigned burst =
		    due < BURST_MAX ? (unsigned)due : (unsigned)BURST_MAX;
		int done;

		for (unsigned i = 0; i < burst; i++)
			change_packet(&packets[i], sources);
		done = burst == 0 ? 0 : sendmmsg(fd, messages, burst, 0);
		if (done == -1)
			warn("sendmmsg");
		else
			sent += done;
		if (due < BURST_MAX)
			nanosleep(&rest, NULL);
	}
	printf("%lld in %lld s\n", (long long)sent, (long long)seconds);
	return 0;
}

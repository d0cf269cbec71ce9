/*
 * A hostile worker, for tests of the other processes: speaks with the voice of
 * a running worker, whose end of a channel it borrows (pidfd_getfd(2), as
 * root). What it says the table of messages allows, so that nobody is killed
 * for it, but it means nothing: unknown clients, revocations of nothing, lists
 * without a commit, candidates that are none, answers to no question.
 *
 *	ipc_flood VOICE VICTIM PID EPOCH COUNT SEED
 *	ipc_flood epoch PID
 *
 * VOICE and VICTIM are parent, net-worker or control-worker, PID is that of the
 * voice; EPOCH, where the two are workers, that of the last start of either,
 * else 0. Ends when the victim has read everything. The second form says what
 * the epoch is: it stands before what the other worker says to PID, which has
 * to be stopped meanwhile.
 */
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/address.h"
#include "common/internet.h"
#include "common/plan.h"
#include "tests/fuzz/messages.h"

#define DESCRIPTORS 64  /* more than a worker has */
#define RANDOM_LEN  512 /* bytes that a message is made of; then zeroes */
#define PATIENCE_MS 30000

struct flood {
	enum ipc_process voice, victim;
	uint64_t epoch; /* 0: this channel has none */
	int fd;
	unsigned types[IPC_TYPE_COUNT];
	size_t type_count;
	uint64_t random;
};

static enum ipc_process
process_of(const char *name)
{
	for (enum ipc_process p = IPC_PARENT; p <= IPC_CONTROL; p++)
		if (strcmp(name, ipc_process_name(p)) == 0)
			return p;
	errx(2, "%s: no such process", name);
}

static bool
is_channel(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    type == SOCK_SEQPACKET && domain == AF_UNIX;
}

/* The channel to the parent has a number of its own; the other has any. */
static int
borrow(pid_t pid, bool to_parent)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd == -1)
		err(1, "pidfd_open");
	for (int n = IPC_FD_PARENT; n < DESCRIPTORS; n++) {
		int fd;

		if (n == IPC_FD_LOG || (n == IPC_FD_PARENT) != to_parent)
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, n, 0);
		if (fd == -1 && errno != EBADF)
			err(1, "pidfd_getfd");
		if (fd == -1)
			continue;
		if (is_channel(fd))
			return fd;
		close(fd);
	}
	errx(1, "process %d has no such channel", pid);
}

/* What ends somebody, as it should, cannot be said very often. */
static bool
ends_somebody(unsigned type)
{
	return type == IPC_TYPE_NET_ACCUSES ||
	    type == IPC_TYPE_CONTROL_ACCUSES || type == IPC_TYPE_RESOLVERS ||
	    type == IPC_TYPE_DRAIN || type == IPC_TYPE_NET_ALIVE ||
	    type == IPC_TYPE_CONTROL_ALIVE;
}

static void
list_types(struct flood *f)
{
	for (unsigned type = 1; type < IPC_TYPE_COUNT; type++) {
		const struct ipc_row *row = ipc_row(type);

		if (row->sender == f->voice && row->receiver == f->victim &&
		    (row->rules & IPC_RUNNING) && !(row->rules & IPC_ONCE) &&
		    row->fds == 0 && !ends_somebody(type))
			f->types[f->type_count++] = type;
	}
	if (f->type_count == 0)
		errx(1, "there is nothing to say");
}

static uint64_t
next_random(struct flood *f)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return f->random;
}

static void
get_ip(struct cursor *c, struct ip_address *ip)
{
	ip->family = cursor_u8(c);
	cursor_copy(c, ip->bytes, sizeof(ip->bytes));
}

/* Whether there is a host on the Internet, which need not be named. */
static bool
names_internet_host(struct cursor *c)
{
	struct ip_address host;

	for (unsigned left = cursor_be16(c); left > 0; left--) {
		get_ip(c, &host);
		if (ip_is_internet(&host))
			return true;
	}
	return false;
}

/* Addresses that the parent would end for, or end the speaker. */
static bool
is_fatal(const struct writer *w, unsigned type)
{
	struct ip_address v4, v6;
	struct cursor c;

	cursor_init(&c, w->base, w->len);
	cursor_be16(&c);
	if (type == IPC_TYPE_PRIVATE_HOSTS)
		return names_internet_host(&c);
	if (type != IPC_TYPE_TUN_CONFIGURE)
		return false;
	get_ip(&c, &v4);
	get_ip(&c, &v6);
	return v4.family != IP_V4 || !ip_in_tunnel_range(&v4) ||
	    v6.family != IP_V6 || !ip_in_tunnel_range(&v6);
}

/* What is accepted is kept: always the same few clients and relays. */
static bool
is_kept(unsigned type)
{
	return type == IPC_TYPE_AUTHORIZATION || type == IPC_TYPE_RELAY_PRESENT;
}

static void
make(struct flood *f, struct writer *w)
{
	static uint8_t bytes[IPC_MESSAGE_MAX];
	unsigned type = f->types[next_random(f) % f->type_count];
	/* See make_uuid() in messages.c. */
	uint64_t mask = is_kept(type) ? 0x7f7f7f7f7f7f7f7f : UINT64_MAX;

	do {
		uint64_t input[RANDOM_LEN / sizeof(uint64_t)];
		struct cursor in;

		for (size_t i = 0; i < sizeof(input) / sizeof(input[0]); i++)
			input[i] = next_random(f) & mask;
		cursor_init(&in, (const uint8_t *)input, sizeof(input));
		writer_init(w, bytes, sizeof(bytes));
		message_make(&in, type, w);
		must(!writer_failed(w));
	} while (is_fatal(w, type));
}

static void
say(const struct flood *f, const struct writer *w)
{
	uint8_t epoch[IPC_EPOCH_LEN];
	struct iovec iov[] = {
		{ epoch, f->epoch == 0 ? 0 : sizeof(epoch) },
		{ w->base, w->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	struct pollfd room = { .fd = f->fd, .events = POLLOUT };

	store_be64(epoch, f->epoch);
	while (sendmsg(f->fd, &msg, MSG_NOSIGNAL) == -1) {
		if (errno != EAGAIN)
			err(1, "sendmsg");
		if (poll(&room, 1, PATIENCE_MS) != 1)
			errx(1, "the %s does not read",
			    ipc_process_name(f->victim));
	}
}

static void
await_reader(const struct flood *f)
{
	int unread;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (ioctl(f->fd, SIOCOUTQ, &unread) == -1)
			err(1, "SIOCOUTQ");
		if (unread == 0)
			return;
		(void)poll(NULL, 0, 1);
	}
	errx(1, "%d bytes were not read", unread);
}

static void
print_epoch(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	uint8_t epoch[IPC_EPOCH_LEN];

	if (poll(&readable, 1, PATIENCE_MS) != 1)
		errx(1, "nobody says anything");
	if (recv(fd, epoch, sizeof(epoch), MSG_PEEK) != sizeof(epoch))
		errx(1, "a message without epoch");
	printf("%" PRIu64 "\n", load_be64(epoch));
}

/* The frame that a fuzzer has is not needed here. */
void
fuzz_one(struct cursor *in)
{
	(void)in;
}

int
main(int argc, char **argv)
{
	struct flood f = { 0 };
	struct writer w;

	if (argc == 3 && strcmp(argv[1], "epoch") == 0) {
		print_epoch(borrow((pid_t)strtol(argv[2], NULL, 10), false));
		return 0;
	}
	if (argc != 7)
		errx(2, "usage: ipc_flood VOICE VICTIM PID EPOCH COUNT SEED\n"
			"       ipc_flood epoch PID");
	f.voice = process_of(argv[1]);
	f.victim = process_of(argv[2]);
	f.epoch = strtoull(argv[4], NULL, 10);
	f.random = strtoull(argv[6], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
	f.fd = borrow((pid_t)strtol(argv[3], NULL, 10), f.victim == IPC_PARENT);
	list_types(&f);
	for (unsigned long n = strtoul(argv[5], NULL, 10); n > 0; n--) {
		make(&f, &w);
		say(&f, &w);
	}
	await_reader(&f);
	return 0;
}

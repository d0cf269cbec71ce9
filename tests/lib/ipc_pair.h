/*
 * A channel whose other end the test holds bare, to send bytes and descriptors
 * as they come.
 */
#ifndef TESTS_LIB_IPC_PAIR_H
#define TESTS_LIB_IPC_PAIR_H

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc.h"
#include "tests/lib/unit.h"

struct pair {
	struct ipc_channel *channel;
	int other;
};

static inline struct pair
pair_open(enum ipc_process self, enum ipc_process peer, bool running)
{
	struct pair p;
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	p.channel = ipc_open(fds[0], self, peer);
	assert_non_null(p.channel);
	if (running)
		ipc_set_running(p.channel);
	p.other = fds[1];
	return p;
}

static inline void
pair_close(struct pair *p)
{
	ipc_close(p->channel);
	close(p->other);
}

/* With at most four descriptors, duplicates of the socket. */
static inline void
send_raw(int to, const void *bytes, size_t len, int descriptors)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (descriptors > 0) {
		size_t size = (size_t)descriptors * sizeof(int);
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(size);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(size);
		for (int i = 0; i < descriptors; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &to,
			    sizeof(int));
	}
	assert_int_equal(sendmsg(to, &msg, 0), (ssize_t)len);
}

/* Of this process, and always the same few more. */
static inline unsigned
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

#endif /* TESTS_LIB_IPC_PAIR_H */

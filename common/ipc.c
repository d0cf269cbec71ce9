/*
 * Messages between the processes: the table made from ipc.def, its encoders
 * and decoders, and the channel that enforces it. See ipc.h; ipc_wire.h has the
 * fields.
 */
#include "common/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/ipc_wire.h"
#include "common/log.h"

#define TYPE_LEN     sizeof(uint16_t)

/* A message as it arrived. */
struct arrival {
	uint64_t epoch;
	unsigned type;
	size_t len;
	int fd;
	int fds; /* how many came; all but fd have been closed */
	bool truncated;
};

/* A message that waits for a slow reader. */
struct pending {
	TAILQ_ENTRY(pending) entry;
	int fd; /* duplicate, or -1 */
	size_t len;
	uint8_t bytes[];
};

struct ipc_channel {
	int fd;
	enum ipc_process self, peer;
	bool running;
	bool seen[IPC_TYPE_COUNT]; /* for IPC_ONCE */
	uint64_t epoch;            /* 0: this channel has none */
	bool early;                /* buffer holds a message of another one */
	struct arrival held;       /* that message */
	TAILQ_HEAD(, pending) queue;
	size_t backlog, backlog_len; /* messages and their bytes */
	char violation[160];
	uint8_t buffer[IPC_MESSAGE_MAX + 1]; /* one more: too long is seen */
};

/* The bounds of each message, from the bounds of its fields. */

#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	[IPC_TYPE_##NAME] = TYPE_LEN
#define IPC_FIELD(kind, field, ...) +LEAST_##kind(__VA_ARGS__)
#define IPC_END(NAME, name)         ,
static const size_t min_size[IPC_TYPE_COUNT] = {
#include "common/ipc.def"
};

#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	[IPC_TYPE_##NAME] = TYPE_LEN
#define IPC_FIELD(kind, field, ...) +MOST_##kind(__VA_ARGS__)
#define IPC_END(NAME, name)         ,
static const size_t max_size[IPC_TYPE_COUNT] = {
#include "common/ipc.def"
};

/* The table with what is not computed. */
static const struct ipc_row rows[IPC_TYPE_COUNT] = {
#define IPC_MESSAGE(NAME, name_, sender_, receiver_, rules_, fds_) \
	[IPC_TYPE_##NAME] = {                                      \
		.name = #NAME,                                     \
		.sender = IPC_##sender_,                           \
		.receiver = IPC_##receiver_,                       \
		.rules = (rules_),                                 \
		.fds = (fds_),                                     \
	},
#include "common/ipc.def"
};

const struct ipc_row *
ipc_row(unsigned type)
{
	static struct ipc_row complete[IPC_TYPE_COUNT];

	if (type == IPC_TYPE_NONE || type >= IPC_TYPE_COUNT)
		return NULL;
	complete[type] = rows[type];
	complete[type].min = min_size[type];
	complete[type].max = max_size[type];
	return &complete[type];
}

const char *
ipc_process_name(enum ipc_process process)
{
	static const char *const names[] = {
		[IPC_PARENT] = "parent",
		[IPC_NET] = "net-worker",
		[IPC_CONTROL] = "control-worker",
	};

	return names[process];
}

/* By the number of descriptors: what is sent, arrives, and is to be closed. */
#define GIVEN_0(m) -1
#define GIVEN_1(m) (m)->fd
#define TAKEN_0(given)
#define TAKEN_1(given)   .fd = (given)
#define LEFT_0(m, given) (given)
#define LEFT_1(m, given) (m).fd

/* encode_relay_present() and so on. */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)                 \
	static void encode_##name(struct writer *w, const struct ipc_##name *m) \
	{                                                                     \
		(void)m;                                                      \
		writer_be16(w, IPC_TYPE_##NAME);
#define IPC_FIELD(kind, field, ...) PUT_##kind(field, ##__VA_ARGS__)
#define IPC_END(NAME, name)         }
#include "common/ipc.def"

/* decode_relay_present() and so on; the type has been read. */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)           \
	static void decode_##name(struct cursor *c, struct ipc_##name *m) \
	{                                                               \
		(void)c;                                                \
		(void)m;
#define IPC_FIELD(kind, field, ...) GET_##kind(field, ##__VA_ARGS__)
#define IPC_END(NAME, name)         }
#include "common/ipc.def"

struct ipc_channel *
ipc_open(int fd, enum ipc_process self, enum ipc_process peer)
{
	struct ipc_channel *ch = calloc(1, sizeof(*ch));

	if (ch == NULL)
		return NULL;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	ch->fd = fd;
	ch->self = self;
	ch->peer = peer;
	TAILQ_INIT(&ch->queue);
	return ch;
}

static void
pending_free(struct ipc_channel *ch, struct pending *p)
{
	TAILQ_REMOVE(&ch->queue, p, entry);
	ch->backlog--;
	ch->backlog_len -= p->len;
	if (p->fd != -1)
		close(p->fd);
	explicit_bzero(p->bytes, p->len);
	free(p);
}

void
ipc_close(struct ipc_channel *ch)
{
	struct pending *p;

	if (ch == NULL)
		return;
	while ((p = TAILQ_FIRST(&ch->queue)) != NULL)
		pending_free(ch, p);
	close(ch->fd);
	if (ch->early && ch->held.fd != -1)
		close(ch->held.fd);
	explicit_bzero(ch->buffer, sizeof(ch->buffer));
	free(ch);
}

int
ipc_fd(const struct ipc_channel *ch)
{
	return ch->fd;
}

void
ipc_set_running(struct ipc_channel *ch)
{
	ch->running = true;
}

bool
ipc_is_running(const struct ipc_channel *ch)
{
	return ch->running;
}

void
ipc_set_epoch(struct ipc_channel *ch, uint64_t epoch)
{
	struct pending *p;

	if (epoch == 0 || epoch == ch->epoch)
		fatalx("internal error: an epoch that is none or not new");
	while ((p = TAILQ_FIRST(&ch->queue)) != NULL)
		pending_free(ch, p);
	memset(ch->seen, 0, sizeof(ch->seen));
	ch->epoch = epoch;
}

size_t
ipc_backlog(const struct ipc_channel *ch)
{
	return ch->backlog;
}

const char *
ipc_violation(const struct ipc_channel *ch)
{
	return ch->violation;
}

/* 0 sent, 1 would block, -1 the peer is gone. */
static int
transmit_message(
    const struct ipc_channel *ch, const uint8_t *bytes, size_t len, int fd)
{
	uint8_t epoch[IPC_EPOCH_LEN];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov[] = {
		{ epoch, ch->epoch == 0 ? 0 : sizeof(epoch) },
		{ (void *)(uintptr_t)bytes, len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	store_be64(epoch, ch->epoch);
	if (fd != -1) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	while (sendmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS)
			return 1;
		return -1;
	}
	return 0;
}

static int
enqueue_message(
    struct ipc_channel *ch, const uint8_t *bytes, size_t len, int fd)
{
	struct pending *p;

	if (ch->backlog >= IPC_QUEUE_MAX ||
	    len > IPC_QUEUE_LEN_MAX - ch->backlog_len ||
	    (p = malloc(sizeof(*p) + len)) == NULL) {
		errno = ENOBUFS;
		return -1;
	}
	p->fd = -1;
	if (fd != -1 && (p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 5)) == -1) {
		free(p);
		return -1;
	}
	p->len = len;
	memcpy(p->bytes, bytes, len);
	TAILQ_INSERT_TAIL(&ch->queue, p, entry);
	ch->backlog++;
	ch->backlog_len += len;
	return 0;
}

int
ipc_flush(struct ipc_channel *ch)
{
	struct pending *p;

	while ((p = TAILQ_FIRST(&ch->queue)) != NULL) {
		int r = transmit_message(ch, p->bytes, p->len, p->fd);

		if (r == 1)
			return 0;
		pending_free(ch, p);
		if (r == -1) {
			errno = EPIPE;
			return -1;
		}
	}
	return 0;
}

/* Whether the table lets this end send the message now. */
static bool
may_send(const struct ipc_channel *ch, enum ipc_type type, int fd)
{
	unsigned state = ch->running ? IPC_RUNNING : IPC_STARTING;

	return rows[type].sender == ch->self &&
	    rows[type].receiver == ch->peer && (rows[type].rules & state) &&
	    (fd != -1) == (rows[type].fds == 1);
}

static int
send_encoded(struct ipc_channel *ch, enum ipc_type type, struct writer *w,
    int fd)
{
	int r;

	if (!may_send(ch, type, fd))
		fatalx("internal error: %s must not send %s now",
		    ipc_process_name(ch->self), rows[type].name);
	if (writer_failed(w)) {
		errno = EMSGSIZE;
		return -1;
	}
	if (ipc_flush(ch) == -1)
		return -1;
	r = ch->backlog > 0 ? 1 : transmit_message(ch, w->base, w->len, fd);
	if (r == 1)
		return enqueue_message(ch, w->base, w->len, fd);
	if (r == -1)
		errno = EPIPE;
	return r;
}

/* ipc_send_relay_present() and so on. */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)              \
	int ipc_send_##name(                                               \
	    struct ipc_channel *ch, const struct ipc_##name *m)            \
	{                                                                  \
		uint8_t bytes[IPC_MESSAGE_MAX];                            \
		struct writer w;                                           \
		int r;                                                     \
                                                                           \
		writer_init(&w, bytes, sizeof(bytes));                     \
		encode_##name(&w, m);                                      \
		r = send_encoded(ch, IPC_TYPE_##NAME, &w, GIVEN_##fds(m)); \
		if ((rules) & IPC_SECRET)                                  \
			explicit_bzero(bytes, sizeof(bytes));              \
		return r;                                                  \
	}
#include "common/ipc.def"

static void
take_descriptors(struct msghdr *msg, struct arrival *a)
{
	a->fd = -1;
	a->fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (a->fds++ == 0)
				a->fd = fd;
			else
				close(fd);
		}
	}
	/* No free slot: Linux drops the descriptor and only says so here. */
	if (msg->msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		a->truncated = true;
}

static enum ipc_result
receive_message(struct ipc_channel *ch, struct arrival *a)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control;
	uint8_t epoch[IPC_EPOCH_LEN] = { 0 };
	size_t header = ch->epoch == 0 ? 0 : sizeof(epoch);
	struct iovec iov[] = {
		{ epoch, header },
		{ ch->buffer, sizeof(ch->buffer) },
	};
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	ssize_t n;

	do
		n = recvmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? IPC_EMPTY : IPC_CLOSED;
	if (n == 0)
		return IPC_CLOSED;
	*a = (struct arrival){ 0 };
	if ((size_t)n >= header) {
		a->epoch = load_be64(epoch);
		a->len = (size_t)n - header;
	}
	take_descriptors(&msg, a);
	if (a->len >= TYPE_LEN)
		a->type = load_be16(ch->buffer);
	return IPC_HANDLED;
}

/* What the table has against the message, or NULL. */
static const char *
rule_broken_by(const struct ipc_channel *ch, const struct arrival *a)
{
	unsigned state = ch->running ? IPC_RUNNING : IPC_STARTING;
	const struct ipc_row *row;

	if (a->type == IPC_TYPE_NONE || a->type >= IPC_TYPE_COUNT)
		return "unknown type";
	row = &rows[a->type];
	if (row->sender != ch->peer)
		return "not its message to send";
	if (row->receiver != ch->self)
		return "not for us";
	if ((row->rules & state) == 0)
		return "not in this state";
	if ((row->rules & IPC_ONCE) && ch->seen[a->type])
		return "sent twice";
	if (a->len < min_size[a->type] || a->len > max_size[a->type])
		return "wrong size";
	if (a->truncated || a->fds != row->fds)
		return "wrong number of descriptors";
	return NULL;
}

static void
forget_arrival(struct ipc_channel *ch, const struct arrival *a)
{
	if (a->fd != -1)
		close(a->fd);
	explicit_bzero(ch->buffer, a->len);
}

static enum ipc_result
note_violation(
    struct ipc_channel *ch, const struct arrival *a, const char *what)
{
	bool known = a->type > IPC_TYPE_NONE && a->type < IPC_TYPE_COUNT;

	forget_arrival(ch, a);
	snprintf(ch->violation, sizeof(ch->violation),
	    "message %u (%s) of %zu bytes from %s: %s", a->type,
	    known ? rows[a->type].name : "?", a->len,
	    ipc_process_name(ch->peer), what);
	return IPC_VIOLATION;
}

/*
 * handle_relay_present() and so on: decode, refuse what is out of range or
 * left over, call the handler, forget.
 */
#define IPC_MESSAGE(NAME, name_, sender, receiver, rules, fds)          \
	static const char *handle_##name_(const struct ipc_handlers *h, \
	    void *ctx, struct cursor *c, int *fd)                       \
	{                                                               \
		struct ipc_##name_ m = { TAKEN_##fds(*fd) };            \
                                                                        \
		if (h->name_ == NULL)                                   \
			return "not expected";                          \
		decode_##name_(c, &m);                                  \
		if (!cursor_done(c))                                    \
			return "malformed";                             \
		h->name_(ctx, &m);                                      \
		*fd = LEFT_##fds(m, *fd);                               \
		if ((rules) & IPC_SECRET)                               \
			explicit_bzero(&m, sizeof(m));                  \
		return NULL;                                            \
	}
#include "common/ipc.def"

static const char *
handle_message(unsigned type, const struct ipc_handlers *h, void *ctx,
    struct cursor *c, int *fd)
{
	switch (type) {
#define IPC_MESSAGE(NAME, name_, sender, receiver, rules, fds) \
	case IPC_TYPE_##NAME:                                  \
		return handle_##name_(h, ctx, c, fd);
#include "common/ipc.def"
	default:
		return "unknown type";
	}
}

/*
 * Of another epoch: kept until the caller has heard the parent, and no longer.
 * A message without a whole epoch is of none.
 */
static enum ipc_result
hold_or_forget(struct ipc_channel *ch, const struct arrival *a, bool was_held)
{
	if (was_held) {
		forget_arrival(ch, a);
		return IPC_HANDLED;
	}
	ch->held = *a;
	ch->early = true;
	return IPC_EARLY;
}

enum ipc_result
ipc_dispatch(
    struct ipc_channel *ch, const struct ipc_handlers *handlers, void *ctx)
{
	struct arrival a;
	struct cursor c;
	const char *what;
	bool was_held = ch->early;
	enum ipc_result r = IPC_HANDLED;

	if (was_held)
		a = ch->held;
	else
		r = receive_message(ch, &a);
	ch->early = false;
	if (r != IPC_HANDLED)
		return r;
	if (a.epoch != ch->epoch)
		return hold_or_forget(ch, &a, was_held);
	if ((what = rule_broken_by(ch, &a)) != NULL)
		return note_violation(ch, &a, what);
	ch->seen[a.type] = true;
	cursor_init(&c, ch->buffer + TYPE_LEN, a.len - TYPE_LEN);
	if ((what = handle_message(a.type, handlers, ctx, &c, &a.fd)) != NULL)
		return note_violation(ch, &a, what);
	if (a.fd != -1)
		close(a.fd);
	if (rows[a.type].rules & IPC_SECRET)
		explicit_bzero(ch->buffer, a.len);
	return IPC_HANDLED;
}

/* The hostile peer and its victim: see messages.h. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/fuzz/messages.h"

#define DESCRIPTORS   64 /* more than any target has open */
#define SURPLUS       6
#define CONTENT_MAX   512
#define SPOILT_ONE_IN 4

/* Every message is welcome to whoever only looks whether it is one. */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds)    \
	static void take_##name(void *ctx, struct ipc_##name *m) \
	{                                                        \
		(void)ctx;                                       \
		(void)m;                                         \
	}
#include "common/ipc.def"

static const struct ipc_handlers take_all = {
#define IPC_MESSAGE(NAME, name_, sender, receiver, rules, fds) \
	.name_ = take_##name_,
#include "common/ipc.def"
};

void
hostile_open(struct hostile *h, enum ipc_process self, enum ipc_process peer)
{
	int ends[2];

	*h = (struct hostile){ .self = self, .peer = peer };
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	h->victim = ipc_open(ends[0], self, peer);
	h->ours = ipc_open(ends[1], peer, self);
	must(h->victim != NULL && h->ours != NULL);
}

void
hostile_follow(struct hostile *h, uint64_t epoch)
{
	if (epoch == h->epoch)
		return;
	ipc_set_epoch(h->ours, epoch);
	memset(h->seen, 0, sizeof(h->seen));
	h->epoch = epoch;
}

void
hostile_set_running(struct hostile *h)
{
	ipc_set_running(h->victim);
	ipc_set_running(h->ours);
}

void
hostile_close(struct hostile *h)
{
	ipc_close(h->victim);
	if (h->ours != NULL)
		ipc_close(h->ours);
	h->victim = h->ours = NULL;
}

/* Mostly one that the victim takes from us. */
static unsigned
pick_type(const struct hostile *h, struct cursor *in)
{
	unsigned first = cursor_u8(in), type;

	if (first >= 240)
		return cursor_be16(in);
	for (unsigned i = 0; i < IPC_TYPE_COUNT; i++) {
		const struct ipc_row *row;

		type = (first + i) % IPC_TYPE_COUNT;
		row = ipc_row(type);
		if (row != NULL && row->sender == h->peer &&
		    row->receiver == h->self)
			return type;
	}
	return first;
}

/* A file, its content being input; or what nobody expects. */
static int
make_descriptor(struct cursor *in)
{
	uint8_t *content;
	size_t len;
	int fd;

	switch (pick(in, 4)) {
	case 0:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case 1:
		return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	case 2:
		return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	default:
		fd = memfd_create("content", MFD_CLOEXEC);
		content = pick_block(in, CONTENT_MAX, &len);
		must(fd != -1 && write(fd, content, len) == (ssize_t)len);
		free(content);
		return fd;
	}
}

static void
transmit(struct hostile *h, const struct writer *w, struct cursor *in)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(SURPLUS * sizeof(int))];
	} control = { 0 };
	uint8_t epoch[IPC_EPOCH_LEN];
	struct iovec iov[] = {
		{ epoch, h->epoch == 0 || !h->framed ? 0 : sizeof(epoch) },
		{ w->base, w->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	int fds[SURPLUS];

	store_be64(epoch, h->of_epoch);
	for (int i = 0; i < h->fds; i++)
		must((fds[i] = make_descriptor(in)) != -1);
	if (h->fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE((size_t)h->fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)h->fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)h->fds * sizeof(int));
	}
	must(sendmsg(ipc_fd(h->ours), &msg, MSG_NOSIGNAL) ==
	    (ssize_t)(iov[0].iov_len + w->len));
	for (int i = 0; i < h->fds; i++)
		close(fds[i]);
}

/* Fields out of range, lengths that lie, too little, too much. */
static void
spoil(struct hostile *h, struct writer *w, struct cursor *in)
{
	size_t at, cut;

	if (cursor_u8(in) % SPOILT_ONE_IN != 1)
		return;
	h->proper = false;
	switch (pick(in, 4)) {
	case 0:
		at = cursor_be16(in) % w->len;
		w->base[at] = cursor_u8(in);
		break;
	case 1:
		cut = cursor_be16(in) % w->len;
		w->len -= cut;
		break;
	case 2:
		writer_zero(w, cursor_be16(in) % (w->size - w->len + 1));
		break;
	default:
		h->fds = (int)pick(in, SURPLUS + 1);
	}
}

/* Mostly the one we are in. */
static void
pick_epoch(struct hostile *h, struct cursor *in)
{
	h->of_epoch = h->epoch;
	h->framed = true;
	if (h->epoch == 0)
		return;
	switch (pick(in, 32)) {
	case 1:
		h->of_epoch--;
		break;
	case 2:
		h->of_epoch++;
		break;
	case 3:
		h->of_epoch = cursor_be64(in);
		break;
	case 4:
		h->framed = false;
		break;
	default:
		break;
	}
}

/* What the victim's dispatcher is seen to do with our message. */
static struct {
	const struct ipc_channel *victim;
	const struct ipc_handlers *handlers; /* NULL: nothing yet */
	enum ipc_result result;
} dispatched;

enum ipc_result __wrap_ipc_dispatch(
    struct ipc_channel *, const struct ipc_handlers *, void *ctx);
enum ipc_result __real_ipc_dispatch(
    struct ipc_channel *, const struct ipc_handlers *, void *ctx);

enum ipc_result
__wrap_ipc_dispatch(
    struct ipc_channel *ch, const struct ipc_handlers *handlers, void *ctx)
{
	enum ipc_result result = __real_ipc_dispatch(ch, handlers, ctx);

	if (ch == dispatched.victim && dispatched.handlers == NULL) {
		dispatched.handlers = handlers;
		dispatched.result = result;
	}
	return result;
}

void
hostile_send(struct hostile *h, struct cursor *in)
{
	static uint8_t bytes[IPC_MESSAGE_MAX + 64];
	const struct ipc_row *row;
	struct writer w;

	pick_epoch(h, in);
	h->type = pick_type(h, in);
	row = ipc_row(h->type);
	h->fds = row == NULL ? 0 : row->fds;
	h->proper = true;
	writer_init(&w, bytes, sizeof(bytes));
	message_make(in, h->type, &w);
	must(!writer_failed(&w));
	spoil(h, &w, in);
	h->len = w.len;
	h->type = w.len >= 2 ? load_be16(bytes) : 0;
	transmit(h, &w, in);
	dispatched.victim = h->victim;
	dispatched.handlers = NULL;
}

/* ipc.h's rules once more, in the words of the table. */
static bool
is_allowed(const struct hostile *h, bool running)
{
	const struct ipc_row *row = ipc_row(h->type);

	return row != NULL && row->sender == h->peer &&
	    row->receiver == h->self &&
	    (row->rules & (running ? IPC_RUNNING : IPC_STARTING)) != 0 &&
	    !((row->rules & IPC_ONCE) && h->seen[h->type]) &&
	    h->len >= row->min && h->len <= row->max && h->fds == row->fds;
}

/* Whether the victim has a handler for the type. */
static bool
is_expected(const struct ipc_handlers *handlers, unsigned type)
{
	switch (type) {
#define IPC_MESSAGE(NAME, name_, sender, receiver, rules, fds) \
	case IPC_TYPE_##NAME:                                  \
		return handlers->name_ != NULL;
#include "common/ipc.def"
	default:
		return false;
	}
}

bool
hostile_check(struct hostile *h)
{
	/* READY moves the victim on, so our own state is the one it had. */
	bool running = ipc_is_running(h->ours);
	bool allowed = is_allowed(h, running);

	must(dispatched.handlers != NULL);
	if (!h->framed)
		return false;
	if (h->of_epoch != h->epoch) {
		/* Of a dead process; or of one that nobody has announced. */
		must(dispatched.result == IPC_EARLY);
		return true;
	}
	if (dispatched.result == IPC_VIOLATION) {
		must(strlen(ipc_violation(h->victim)) > 0);
		must(!h->proper || !allowed ||
		    !is_expected(dispatched.handlers, h->type));
		return false;
	}
	must(dispatched.result == IPC_HANDLED);
	must(allowed && is_expected(dispatched.handlers, h->type));
	h->seen[h->type] = true;
	if (ipc_is_running(h->victim) && !running)
		ipc_set_running(h->ours);
	return true;
}

void
hostile_listen(struct hostile *h)
{
	enum ipc_result result;

	while ((result = ipc_dispatch(h->ours, &take_all, NULL)) == IPC_HANDLED)
		;
	must(result != IPC_VIOLATION);
}

/* The end of the process. */

static jmp_buf end;
static bool can_end;

void __wrap_fatal(const char *fmt, ...) __attribute__((__noreturn__));
void __wrap_fatalx(const char *fmt, ...) __attribute__((__noreturn__));
void __wrap_exit(int status) __attribute__((__noreturn__));
void __real_exit(int status) __attribute__((__noreturn__));

static void
end_with(const char *fmt, va_list ap)
{
	char reason[1024];

	vsnprintf(reason, sizeof(reason), fmt, ap);
	/* Only the parent sets epochs, and may end us in any words. */
	if (!can_end ||
	    (strncmp(reason, "internal error", 14) == 0 &&
		strstr(reason, "epoch") == NULL))
		fuzz_broken(reason, __FILE__, __LINE__);
}

void
__wrap_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_with(fmt, ap);
	va_end(ap);
	longjmp(end, 1);
}

void
__wrap_fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end_with(fmt, ap);
	va_end(ap);
	longjmp(end, 1);
}

void
__wrap_exit(int status)
{
	if (can_end)
		longjmp(end, 1);
	__real_exit(status);
}

bool
survives(void (*run)(void *), void *ctx)
{
	volatile bool survived = false;

	can_end = true;
	if (setjmp(end) == 0) {
		run(ctx);
		survived = true;
	}
	can_end = false;
	return survived;
}

/* Descriptors. */

static bool was_open[DESCRIPTORS];

void
descriptors_remember(void)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		was_open[fd] = fcntl(fd, F_GETFD) != -1;
}

void
descriptors_check(bool must_be_same)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if ((fcntl(fd, F_GETFD) != -1) == was_open[fd])
			continue;
		/* Who died had no time to close it. */
		must(!must_be_same && !was_open[fd]);
		close(fd);
	}
}

/* Lines about flows to where they are wanted: see flow_relay.h. */
#include "parent/flow_relay.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/utf8.h"

#define TAG "posternd-flow"
/* When to try again what had no room, or to go on after too many. */
#define PAUSE_MS  100
/* A reader that is started again, or a moment's load, is nothing to tell. */
#define STUCK_S   10
#define LINE_COST 64 /* bytes, beside its own */
/* The parent has other work. */
#define LINES_PER_TURN 256

/* With the longest frame of what is no datagram. */
_Static_assert(FLOW_RECORD_MAX + sizeof("{\"flow\":{}}\n") <= PIPE_BUF,
    "a pipe takes a line whole");

/* What came of one line. */
enum step {
	STEP_DONE,
	STEP_NONE, /* there is none */
	STEP_HELD, /* there is no room for it now */
	STEP_WRONG,
};

void
flow_relay_init(struct flow_relay *r, struct flow_log *log, bool json)
{
	*r = (struct flow_relay){ .log = log, .json = json, .fd = -1 };
	r->again = r->stuck_at = MONO_NEVER;
}

int
flow_relay_fd(const struct flow_relay *r)
{
	return mono_is_never(r->again) ? r->fd : -1;
}

struct mono
flow_relay_deadline(const struct flow_relay *r)
{
	return r->again;
}

static bool
is_all_shown(const char *text, size_t len)
{
	size_t taken;

	for (size_t i = 0; i < len; i += taken)
		if (!utf8_is_shown(utf8_decode(text + i, len - i, &taken)))
			return false;
	return true;
}

static bool
is_member_list(const char *text, size_t len)
{
	return len > 0 && memchr(text, '{', len) == NULL &&
	    memchr(text, '}', len) == NULL && is_all_shown(text, len);
}

static bool
append_bytes(struct flow_relay *r, const char *bytes, size_t len)
{
	if (len > sizeof(r->text) - r->length)
		return false;
	memcpy(r->text + r->length, bytes, len);
	r->length += len;
	return true;
}

static bool
append_string(struct flow_relay *r, const char *string)
{
	return append_bytes(r, string, strlen(string));
}

/* Each behind our own prefix, so that it is none of the journal's. */
static bool
append_fields(struct flow_relay *r, const char *fields, size_t len)
{
	while (len > 0) {
		const char *end = memchr(fields, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - fields);

		if (memchr(fields, '=', n) == NULL ||
		    !is_all_shown(fields, n) || !append_string(r, "POSTERN_") ||
		    !append_bytes(r, fields, n) || !append_string(r, "\n"))
			return false;
		n += end != NULL;
		fields += n;
		len -= n;
	}
	return true;
}

static bool
compose_text(struct flow_relay *r, const char *record, size_t len)
{
	static const struct {
		const char *begin, *end;
	} frames[] = {
		[FLOW_SINK_FILE] = { "{", "}\n" },
		[FLOW_SINK_STREAM] = { "{", "}\n" },
		[FLOW_SINK_SYSLOG] = { "<30>" TAG ": {", "}" },
		[FLOW_SINK_JOURNAL] = { "MESSAGE={", "}\n" },
	};
	const enum flow_sink_kind kind = r->log->options->kind;
	const char *fields = memchr(record, '\n', len);
	size_t members = fields == NULL ? len : (size_t)(fields - record);
	const bool wrapped = kind == FLOW_SINK_STREAM && r->json;

	r->length = r->written = 0;
	if (!is_member_list(record, members))
		return false;
	if (kind == FLOW_SINK_JOURNAL &&
	    !append_string(r, "PRIORITY=6\nSYSLOG_IDENTIFIER=" TAG "\n"))
		return false;
	if (fields != NULL &&
	    (kind != FLOW_SINK_JOURNAL ||
		!append_fields(r, fields + 1, len - members - 1)))
		return false;
	return append_string(r, wrapped ? "{\"flow\":" : "") &&
	    append_string(r, frames[kind].begin) &&
	    append_bytes(r, record, members) &&
	    append_string(r, wrapped ? "}" : "") &&
	    append_string(r, frames[kind].end);
}

/* Another file gets all of it; false: there is no room for now. */
static bool
write_text(struct flow_relay *r)
{
	int fd = flow_log_fd(r->log);
	ssize_t n;

	if (r->written_to != fd)
		r->written = 0;
	r->written_to = fd;
	n = flow_log_write(
	    r->log, r->text + r->written, r->length - r->written);
	if (n == -1)
		r->error = errno;
	if (n > 0)
		r->written += (size_t)n;
	if (r->written < r->length)
		return false;
	r->length = 0;
	return true;
}

/*
 * Lines are lost only much later, when those that wait have filled the pair. Of
 * standard output, by which this would go as well, the log tells itself.
 */
static void
note_stuck(struct flow_relay *r, bool stuck, struct mono now)
{
	if (r->log->options->kind == FLOW_SINK_STREAM)
		return;
	if (!stuck) {
		if (r->told_stuck)
			log_info("the flow log %s is written again",
			    flow_log_path(r->log));
		r->told_stuck = false;
		r->stuck_at = MONO_NEVER;
	} else if (mono_is_never(r->stuck_at)) {
		r->stuck_at = mono_add_s(now, STUCK_S);
	} else if (!r->told_stuck && mono_due(r->stuck_at, now)) {
		log_warnx("the flow log %s takes no line (%s): they wait, and "
			  "are lost when they are too many",
		    flow_log_path(r->log), strerror(r->error));
		r->told_stuck = true;
	}
}

static enum step
receive_record(struct flow_relay *r, struct mono now)
{
	char record[FLOW_RECORD_MAX + 1]; /* one more: too long is seen */
	ssize_t n;

	if (r->fd == -1)
		return STEP_NONE;
	n = recv(r->fd, record, sizeof(record), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return STEP_NONE;
	if (n <= 0) {
		close(r->fd);
		r->fd = -1;
		return STEP_NONE;
	}
	if (n > FLOW_RECORD_MAX || !compose_text(r, record, (size_t)n)) {
		r->length = 0;
		return STEP_WRONG;
	}
	r->full = mono_add_ns(mono_max(r->full, now),
	    (int64_t)(r->length + LINE_COST) * 1000000000 / FLOW_RELAY_PER_S);
	return STEP_DONE;
}

/* Whether there have been too many. */
static bool
has_no_share_left(const struct flow_relay *r, struct mono now)
{
	return mono_before(
	    mono_add_s(now, FLOW_RELAY_BURST / FLOW_RELAY_PER_S), r->full);
}

static enum step
relay_line(struct flow_relay *r, struct mono now)
{
	enum step step = STEP_DONE;

	if (r->length == 0)
		step = receive_record(r, now);
	if (step != STEP_DONE)
		return step;
	if (!write_text(r))
		step = STEP_HELD;
	note_stuck(r, step == STEP_HELD, now);
	return step;
}

bool
flow_relay_turn(struct flow_relay *r, struct mono now)
{
	enum step step = STEP_DONE;

	r->again = MONO_NEVER;
	for (int i = 0; i < LINES_PER_TURN && step == STEP_DONE; i++)
		step =
		    has_no_share_left(r, now) ? STEP_HELD : relay_line(r, now);
	if (step == STEP_HELD)
		r->again = mono_add_ms(now, PAUSE_MS);
	return step != STEP_WRONG;
}

void
flow_relay_close(struct flow_relay *r)
{
	while (relay_line(r, mono_now()) == STEP_DONE)
		continue;
	if (r->fd != -1)
		close(r->fd);
	r->fd = -1;
	r->length = 0;
	r->again = MONO_NEVER;
}

int
flow_relay_open(struct flow_relay *r)
{
	const int room = FLOW_RELAY_WAITING;
	int pair[2];

	flow_relay_close(r);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, pair) == -1)
		return -1;
	/* Without the capability it is as large as anybody's. */
	if (setsockopt(
		pair[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) == -1)
		(void)setsockopt(
		    pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	r->fd = pair[0];
	return pair[1];
}

/*
 * Lines about flows as the parent gets them from control-worker: whatever one
 * is, it becomes one line of its kind or none, and nothing of it can be taken
 * for a line of the log, for somebody else's message or for a field that the
 * journal trusts.
 */
#include "parent/flow_relay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log_output.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

#define TAG "posternd-flow"

/* What is written to, by kind, and where it is read. */
static int file, report, messages[2];

void
fuzz_init(void)
{
	file = memfd_create("flows", MFD_CLOEXEC);
	report = dup(STDOUT_FILENO);
	must(file != -1 && report != -1);
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		 messages) == 0);
}

static bool
is_message(enum flow_sink_kind kind)
{
	return kind == FLOW_SINK_SYSLOG || kind == FLOW_SINK_JOURNAL;
}

/* What has come since the last time. */
static size_t
read_written(enum flow_sink_kind kind, char *to, size_t size)
{
	ssize_t n = is_message(kind) ? recv(messages[0], to, size, MSG_DONTWAIT)
				     : pread(file, to, size, 0);

	if (!is_message(kind))
		must(ftruncate(file, 0) == 0 && lseek(file, 0, SEEK_SET) == 0);
	else if (n != -1) /* and no other */
		must(recv(messages[0], &(char){ 0 }, 1, MSG_DONTWAIT) == -1);
	must(n < (ssize_t)size);
	return n <= 0 ? 0 : (size_t)n;
}

static bool
begins(const char **line, size_t *len, const char *with)
{
	const size_t n = strlen(with);

	if (*len < n || memcmp(*line, with, n) != 0)
		return false;
	*line += n;
	*len -= n;
	return true;
}

static bool
ends(const char *line, size_t *len, const char *with)
{
	const size_t n = strlen(with);

	if (*len < n || memcmp(line + *len - n, with, n) != 0)
		return false;
	*len -= n;
	return true;
}

static void
must_be_shown(const char *text, size_t len)
{
	size_t taken;

	for (size_t i = 0; i < len; i += taken)
		must(utf8_is_shown(utf8_decode(text + i, len - i, &taken)));
}

/* What is left between the braces. */
static void
check_members(const char *text, size_t len)
{
	must(len > 0);
	must(memchr(text, '{', len) == NULL && memchr(text, '}', len) == NULL);
	must_be_shown(text, len);
}

/* Ours first, those of the worker by our prefix, and its text last. */
static void
check_entry(const char *text, size_t len)
{
	const char *end;
	size_t line;

	must(begins(&text, &len, "PRIORITY=6\nSYSLOG_IDENTIFIER=" TAG "\n"));
	while (begins(&text, &len, "POSTERN_")) {
		end = memchr(text, '\n', len);
		must(end != NULL);
		line = (size_t)(end - text);
		must(memchr(text, '=', line) != NULL);
		must_be_shown(text, line);
		text = end + 1;
		len -= line + 1;
	}
	must(begins(&text, &len, "MESSAGE={") && ends(text, &len, "}\n"));
	check_members(text, len);
}

static void
check_line(enum flow_sink_kind kind, bool json, const char *text, size_t len)
{
	if (kind == FLOW_SINK_JOURNAL) {
		check_entry(text, len);
		return;
	}
	must(len <= LOG_LINE_MAX);
	if (kind == FLOW_SINK_SYSLOG)
		must(begins(&text, &len, "<30>" TAG ": "));
	else
		must(ends(text, &len, "\n"));
	if (kind == FLOW_SINK_STREAM && json)
		must(
		    begins(&text, &len, "{\"flow\":") && ends(text, &len, "}"));
	must(begins(&text, &len, "{") && ends(text, &len, "}"));
	check_members(text, len);
}

/* Whether it was a line. */
static bool
relay_record(struct flow_relay *r, enum flow_sink_kind kind, struct mono now)
{
	bool line;

	if (kind != FLOW_SINK_STREAM)
		return flow_relay_turn(r, now);
	must(dup2(file, STDOUT_FILENO) != -1);
	line = flow_relay_turn(r, now);
	must(dup2(report, STDOUT_FILENO) != -1);
	return line;
}

static void
play_record(struct cursor *in, struct flow_relay *r, int worker,
    enum flow_sink_kind kind, struct mono now)
{
	static char text[2 * FLOW_TEXT_MAX];
	size_t len, written;
	uint8_t *record = pick_block(in, FLOW_RECORD_MAX + 16, &len);
	bool sent =
	    len > 0 && send(worker, record, len, MSG_DONTWAIT) == (ssize_t)len;
	bool line = relay_record(r, kind, now);

	free(record);
	written = read_written(kind, text, sizeof(text));
	must((written > 0) == (sent && line));
	if (written > 0)
		check_line(kind, r->json, text, written);
}

void
fuzz_one(struct cursor *in)
{
	static struct flow_relay relay;
	const struct flow_log_options options = {
		.kind = (enum flow_sink_kind)(FLOW_SINK_FILE + pick(in, 4)),
	};
	struct flow_log log = {
		.options = &options,
		.fd = is_message(options.kind) ? messages[1] : file,
	};
	struct mono now = { 0 };
	int worker;

	flow_relay_init(&relay, &log, pick_bool(in));
	must((worker = flow_relay_open(&relay)) != -1);
	while (more(in)) {
		now = mono_add_s(now, 1);
		play_record(in, &relay, worker, options.kind, now);
	}
	close(worker);
	flow_relay_close(&relay);
}

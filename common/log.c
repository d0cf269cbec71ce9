/* Log records and their two sinks: see log.h. */
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/log_budget.h"
#include "common/log_output.h"
#include "common/utf8.h"

#define LIMIT_INTERVAL_NS INT64_C(10000000000) /* one line per ten seconds */
#define LIMIT_BURST       5
#define ESCAPED_MAX       16 /* bytes of one character */
#define LINE_END_MAX      6  /* "..." and what ends a JSON line */

/* Where this process's records go; set once, before anything is logged. */
static struct {
	int worker_fd; /* -1: this process is the sink */
	const char *process;
	enum log_level level, least; /* least: it goes no lower */
	enum log_format format;
	uint64_t lost; /* lines that standard output did not take */
} sink = { -1, "posternd", LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_FORMAT_HUMAN,
	0 };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_TRACE] = "trace",
};

static const char *const level_labels[] = {
	[LOG_LEVEL_ERROR] = "ERROR",
	[LOG_LEVEL_WARN] = " WARN",
	[LOG_LEVEL_INFO] = " INFO",
	[LOG_LEVEL_DEBUG] = "DEBUG",
	[LOG_LEVEL_TRACE] = "TRACE",
};

void
log_init_sink(const char *process, enum log_level level, enum log_format format)
{
	sink.worker_fd = -1;
	sink.process = process;
	sink.level = sink.least = level;
	sink.format = format;
}

void
log_init_worker(int fd, enum log_level level)
{
	sink.worker_fd = fd;
	sink.level = sink.least = level;
}

enum log_level
log_get_level(void)
{
	return sink.level;
}

enum log_level
log_get_least(void)
{
	return sink.least;
}

enum log_level
log_set_level(enum log_level level)
{
	sink.level = level < sink.least ? sink.least : level;
	return sink.level;
}

const char *
log_level_name(enum log_level level)
{
	return level_names[level];
}

bool
log_parse_level(const char *text, enum log_level *level)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_TRACE; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

/* By units of UTF-16: RFC 8259, 7. */
static size_t
escape_json(char *to, uint32_t c)
{
	if (c > 0xffff)
		return (size_t)sprintf(to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10),
		    0xdc00 + (c & 0x3ff));
	return (size_t)sprintf(to, "\\u%04x", c);
}

/*
 * What the text begins with, escaped where it would not print or would move or
 * turn what is around it; *taken is how many bytes that is.
 */
static size_t
escape_character(char *to, const char *text, size_t len, size_t *taken,
    enum log_format format)
{
	const uint32_t c = utf8_decode(text, len, taken);
	const bool json = format == LOG_FORMAT_JSON;
	size_t n = 0;

	if (json && (c == '"' || c == '\\')) {
		to[0] = '\\';
		to[1] = (char)c;
		return 2;
	}
	if (utf8_is_shown(c)) {
		memcpy(to, text, *taken);
		return *taken;
	}
	if (json)
		return escape_json(
		    to, c == UTF8_NONE ? (unsigned char)text[0] : c);
	for (size_t i = 0; i < *taken; i++)
		n += (size_t)sprintf(to + n, "\\x%02x", (unsigned char)text[i]);
	return n;
}

static size_t
format_time(char *to, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = (size_t)snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, (unsigned)(ts.tv_nsec / 1000000) % 1000);
	return len < size ? len : size - 1;
}

/* The line's length then; what has no room gives way to "...". */
static size_t
append_text(char line[LOG_LINE_MAX], size_t at, const char *text, size_t len)
{
	char one[ESCAPED_MAX + 1];
	size_t taken;

	for (size_t i = 0; i < len; i += taken) {
		size_t n = escape_character(
		    one, text + i, len - i, &taken, sink.format);

		if (at + n + LINE_END_MAX >= LOG_LINE_MAX) {
			memcpy(line + at, "...", 3);
			return at + 3;
		}
		memcpy(line + at, one, n);
		at += n;
	}
	return at;
}

/* One line to standard output by one write, so that lines do not mix. */
static bool
put_line(const char *process, enum log_level level, const char *text, size_t len)
{
	char line[LOG_LINE_MAX], when[80];
	size_t at;

	format_time(when, sizeof(when));
	if (sink.format == LOG_FORMAT_JSON)
		at = (size_t)snprintf(line, sizeof(line),
		    "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\","
		    "\"message\":\"",
		    when, level_names[level], process);
	else
		at = (size_t)snprintf(line, sizeof(line), "%s %s %s: ", when,
		    level_labels[level], process);
	at = append_text(line, at, text, len);
	if (sink.format == LOG_FORMAT_JSON) {
		line[at++] = '"';
		line[at++] = '}';
	}
	line[at++] = '\n';
	return log_output_line(line, at);
}

void
log_tell_lost(void)
{
	char text[96];
	int len;

	if (sink.lost == 0)
		return;
	len = snprintf(text, sizeof(text),
	    "%llu lines dropped: standard output did not take them",
	    (unsigned long long)sink.lost);
	if (put_line(sink.process, LOG_LEVEL_WARN, text, (size_t)len))
		sink.lost = 0;
}

static void
print_record(
    const char *process, enum log_level level, const char *text, size_t len)
{
	log_tell_lost();
	/* As long as that cannot be told, there is no room for more. */
	if (sink.lost > 0 || !put_line(process, level, text, len))
		sink.lost++;
}

void
log_tell_dropped(const char *process, struct log_budget *budget)
{
	char text[96];
	int len;

	if (budget->dropped == 0)
		return;
	len = snprintf(text, sizeof(text),
	    "%llu lines of %s dropped: it writes too much",
	    (unsigned long long)budget->dropped, process);
	budget->dropped = 0;
	print_record(sink.process, LOG_LEVEL_WARN, text, (size_t)len);
}

bool
log_relay(const char *process, struct log_budget *budget, const void *record,
    size_t len)
{
	const uint8_t *bytes = record;

	if (len < 2 || len > LOG_TEXT_MAX + 1 || bytes[0] > LOG_LEVEL_TRACE)
		return false;
	if (bytes[0] > sink.level ||
	    !log_budget_take(budget, mono_now(), (enum log_level)bytes[0],
		sink.least >= LOG_LEVEL_DEBUG, bytes + 1, len - 1))
		return true;
	log_tell_dropped(process, budget);
	print_record(process, (enum log_level)bytes[0], (const char *)bytes + 1,
	    len - 1);
	return true;
}

static void
emit_record(enum log_level level, const char *text, size_t len)
{
	char record[LOG_TEXT_MAX + 1];

	if (sink.worker_fd == -1) {
		print_record(sink.process, level, text, len);
		return;
	}
	record[0] = (char)level;
	memcpy(record + 1, text, len);
	/* A full log channel drops the record: the data path does not wait. */
	(void)send(sink.worker_fd, record, len + 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
log_formatted(enum log_level level, int error, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_MAX];
	int saved = errno, n;
	size_t len;

	if (level > sink.level)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		return;
	len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	if (error != 0) {
		const char *reason = strerrordesc_np(error);

		n = snprintf(text + len, sizeof(text) - len, ": %s",
		    reason == NULL ? "unknown error" : reason);
		len += (size_t)n;
		if (len >= sizeof(text))
			len = sizeof(text) - 1;
	}
	if (len > 0)
		emit_record(level, text, len);
	errno = saved;
}

#define LOG_FUNCTION(name, level, error)              \
	void name(const char *fmt, ...)               \
	{                                             \
		va_list ap;                           \
                                                      \
		va_start(ap, fmt);                    \
		log_formatted(level, error, fmt, ap); \
		va_end(ap);                           \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, 0)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, errno)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARN, 0)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, 0)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, 0)
LOG_FUNCTION(log_trace, LOG_LEVEL_TRACE, 0)

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_formatted(LOG_LEVEL_ERROR, errno, fmt, ap);
	va_end(ap);
	_exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_formatted(LOG_LEVEL_ERROR, 0, fmt, ap);
	va_end(ap);
	_exit(1);
}

bool
log_allow(struct log_limit *l, int64_t now_ns, uint32_t *held_before)
{
	int64_t earliest = now_ns - LIMIT_BURST * LIMIT_INTERVAL_NS;

	if (l->next_ns > now_ns) {
		l->held++;
		return false;
	}
	l->next_ns = (l->next_ns < earliest ? earliest : l->next_ns) +
	    LIMIT_INTERVAL_NS;
	*held_before = l->held;
	l->held = 0;
	return true;
}

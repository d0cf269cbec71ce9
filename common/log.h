/*
 * Log records. A worker writes them to fd 4, one SOCK_SEQPACKET datagram each
 * (a level byte and the text); the parent checks and prints them to standard
 * output with time, level and process. Nobody waits for a log: lines that
 * nobody takes are lost and counted. Levels: posternd(8), Logging.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_TRACE,
};

enum log_format {
	LOG_FORMAT_HUMAN,
	LOG_FORMAT_JSON,
};

#define LOG_TEXT_MAX 2048 /* bytes of one record's text; longer is cut */

/* In the parent (and in tools): print to standard output as process. */
void log_init_sink(const char *process, enum log_level, enum log_format);
/* In the parent, now and then: lines that were lost, once there is room. */
void log_tell_lost(void);
/* In a worker: send records to the descriptor. */
void log_init_worker(int fd, enum log_level);
enum log_level log_get_level(void);
/* What the process has begun with. */
enum log_level log_get_least(void);
/* But never less than that; what it is then. */
enum log_level log_set_level(enum log_level);
/* "error", "warn", "info", "debug", "trace"; false for anything else. */
bool log_parse_level(const char *, enum log_level *);
const char *log_level_name(enum log_level);

struct log_budget;

/*
 * In the parent: a worker's datagram. Prints it under the worker's name with
 * what is not shown (utf8.h) escaped, cut at LOG_LINE_MAX (log_output.h); false
 * when it is no record. What is beyond the budget (log_budget.h) is dropped,
 * and told by the next line that is not.
 */
bool log_relay(const char *process, struct log_budget *, const void *record,
    size_t len);
/* Tells what was dropped since, without waiting for another line. */
void log_tell_dropped(const char *process, struct log_budget *);

#define LOG_PRINTF(f, a) __attribute__((__format__(printf, f, a)))

/* The _warn and fatal forms without x append the text of errno. */
void log_error(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_warn(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_warnx(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_info(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_debug(const char *fmt, ...) LOG_PRINTF(1, 2);
void log_trace(const char *fmt, ...) LOG_PRINTF(1, 2);

/* At set-up and on broken invariants only: logs an error and exits 1. */
void fatal(const char *fmt, ...) LOG_PRINTF(1, 2)
    __attribute__((__noreturn__));
void fatalx(const char *fmt, ...) LOG_PRINTF(1, 2)
    __attribute__((__noreturn__));

/*
 * A bucket for lines that an outsider can cause: at most burst lines, one more
 * per interval. log_allow() also says how many were held back before this one.
 */
struct log_limit {
	int64_t next_ns; /* state; start with zero */
	uint32_t held;
};
bool log_allow(struct log_limit *, int64_t now_ns, uint32_t *held_before);

#endif /* COMMON_LOG_H */

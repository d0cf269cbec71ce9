/*
 * The end of the log: standard output, which is never waited for. Who reads it
 * may be slow, stopped or gone; then lines are lost, and what the process is
 * there for goes on.
 */
#ifndef COMMON_LOG_OUTPUT_H
#define COMMON_LOG_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes of a line: a pipe takes as many whole or not at all. */
#define LOG_LINE_MAX PIPE_BUF

/*
 * Makes standard output one that cannot be waited for, where that is possible;
 * before the process confines itself. Nothing shared with others changes.
 */
void log_output_open(void);
/* Writes a line of at most LOG_LINE_MAX bytes; false: it is lost. */
bool log_output_line(const char *line, size_t len);

#endif /* COMMON_LOG_OUTPUT_H */

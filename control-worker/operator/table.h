/* Tables for people: cells of fixed width, and figures of few characters. */
#ifndef CONTROL_WORKER_OPERATOR_TABLE_H
#define CONTROL_WORKER_OPERATOR_TABLE_H

#include <stdint.h>

#include "control-worker/net/text.h"

#define FIGURE_MAX 32 /* a figure with its unit, and a NUL */

/* Text and blanks, up to the next cell. What is too long is cut: "jane@.." */
void table_cell(struct text *, const char *text, size_t columns);
/* The same, but nothing is cut. */
void table_wide_cell(struct text *, const char *text, size_t columns);
/* Cut likewise, and the end of the line. */
void table_last_cell(struct text *, const char *text, size_t columns);

/* From one time to another; 0 if that comes first. */
static inline uint64_t
seconds_between(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

/* The two largest units: "3d 4h", "12m 5s", "0s". */
const char *format_duration(uint64_t seconds, char to[FIGURE_MAX]);
/* The largest unit alone, in at most four columns: "119s", "5m", "47h", "3d" */
const char *format_few_seconds(uint64_t seconds, char to[FIGURE_MAX]);
/* "1.5 MiB" */
const char *format_bytes(uint64_t bytes, char to[FIGURE_MAX]);
/* The same in at most seven columns: "1.5M" */
const char *format_few_bytes(uint64_t bytes, char to[FIGURE_MAX]);

#endif /* CONTROL_WORKER_OPERATOR_TABLE_H */

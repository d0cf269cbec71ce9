/*
 * A segment: the file that holds many reports of one authorization, a line for
 * each, in the order in which they came:
 *
 *	NAME CHECKSUM PAYLOAD
 *
 * with the name of record.h and the CRC-32 of it and the payload. A line
 * without a payload says that the report of that name, before it in the same
 * file, is done with.
 *
 * Lines are only ever appended, each by one write, and none is flushed to the
 * disk: see spool.h. What was not written whole has no end of line or a wrong
 * checksum, and the lines around it are as good as before; who appends to a
 * file whose end he has not written himself begins with the end of a line.
 */
#ifndef CONTROL_WORKER_FLOW_SEGMENT_H
#define CONTROL_WORKER_FLOW_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control-worker/flow/record.h"

/* No report is added beyond this size. */
#define SEGMENT_MAX (256 * 1024)
/* Beyond this there is nothing of ours, whatever the size. */
#define SEGMENT_READ_MAX (1024 * 1024)
/* "0000000001.reports", with its terminator */
#define SEGMENT_NAME_MAX 20
/* With the end of line, without a terminator. */
#define SEGMENT_LINE_MAX (FLOW_NAME_MAX + 12 + FLOW_PAYLOAD_MAX + 1)

struct segment_line {
	char name[FLOW_NAME_MAX];
	bool closed;         /* of the name */
	const char *payload; /* in the text */
	size_t len;          /* 0: the report is done with */
};

const char *segment_name_format(uint32_t number, char to[SEGMENT_NAME_MAX]);
bool segment_name_parse(const char *name, uint32_t *number);

/* With the end of line; its length. */
size_t segment_line_format(const char *name, const char *payload, size_t len,
    char to[SEGMENT_LINE_MAX + 1]);
/* Without it; false when it is not what was written. */
bool segment_line_parse(const char *text, size_t len, struct segment_line *);

/*
 * How much of the text has been appended to the file, which may be new; errno
 * if that is not all.
 */
size_t segment_append(int dir, const char *file, const char *text, size_t len);

typedef void (*segment_fn)(
    void *ctx, const struct segment_line *, size_t at, size_t len);

struct segment_scan {
	uint64_t size;
	size_t damaged; /* lines, each with an end */
};

/* Each good line with its place; false when the file cannot be read. */
bool segment_scan(
    int dir, const char *file, segment_fn, void *ctx, struct segment_scan *);

enum segment_result {
	SEGMENT_READ,
	SEGMENT_DAMAGED,    /* also: gone */
	SEGMENT_UNREADABLE, /* now */
};

/* The payload, which is terminated, of the report in the line at that place. */
enum segment_result segment_read(int dir, const char *file, size_t at,
    size_t len, const char *name, char to[FLOW_PAYLOAD_MAX + 1],
    size_t *payload_len);

#endif /* CONTROL_WORKER_FLOW_SEGMENT_H */

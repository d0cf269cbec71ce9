/*
 * Text in the making: it grows up to a bound, and then remembers the failure.
 */
#ifndef CONTROL_WORKER_NET_TEXT_H
#define CONTROL_WORKER_NET_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#define TEXT_LIMIT (256 * 1024)

struct text {
	char *bytes; /* not terminated; NULL while it is empty */
	size_t len, size;
	bool failed; /* no memory, or too long */
};

void text_write(struct text *, const void *bytes, size_t len);
void text_add(struct text *, const char *fmt, ...)
    __attribute__((__format__(printf, 2, 3)));
void text_free(struct text *); /* and makes it empty */
/* text_write() as a callback: see json_write_begin_to(). */
void text_append(void *text, const char *bytes, size_t len);

/* For what others chose: all but printable ASCII becomes '?'. */
void make_printable(char *);

#endif /* CONTROL_WORKER_NET_TEXT_H */

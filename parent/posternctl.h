/*
 * posternctl: how its commands ask the daemon and speak to the operator.
 */
#ifndef PARENT_POSTERNCTL_H
#define PARENT_POSTERNCTL_H

#include <stdbool.h>
#include <stddef.h>

#define EXIT_USAGE 2

/* To be called before the last words, if it is not NULL. */
extern void (*before_last_words)(void);
/* Says so, and exits as somebody does who has no answer. */
void exit_saying(const char *fmt, ...)
    __attribute__((__noreturn__, __format__(printf, 1, 2)));

/* What is unprintable, or would move a terminal's cursor, is a "?". */
void print_shown(const char *bytes, size_t len);

/*
 * Asks a line of ctl_request.h and gives the text of the answer to take(), as
 * it comes. The status to exit with; it does not return without an answer.
 */
int ask_daemon(const char *socket, const char *request,
    void (*take)(void *ctx, const char *bytes, size_t len), void *ctx);

/*
 * top.c: rates of clients and resources, that often, or (0) until interrupted.
 * The status to exit with.
 */
int show_top(const char *socket, bool wide, unsigned long count);

#endif /* PARENT_POSTERNCTL_H */

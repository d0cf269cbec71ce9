/* A connection to the socket of a running posternd, for posternctl. */
#ifndef PARENT_CTL_CLIENT_H
#define PARENT_CTL_CLIENT_H

#include <stddef.h>

/* Reading fails when nothing of the answer comes for so long. */
#define CTL_PATIENCE_S 5

/* Bytes of an answer; some 130000 clients take a third of it. */
#define CTL_ANSWER_MAX (64u * 1024 * 1024)

/*
 * Connects and sends the request, one line with its end. Returns the descriptor
 * to read the answer from, or -1 with why and errno.
 */
int ctl_ask(const char *path, const char *request, char *why, size_t why_size);

#endif /* PARENT_CTL_CLIENT_H */

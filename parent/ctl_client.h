/* A connection to the socket of a running posternd, for posternctl. */
#ifndef PARENT_CTL_CLIENT_H
#define PARENT_CTL_CLIENT_H

#include <stddef.h>

/* How long an answer may make no progress. */
#define CTL_PATIENCE_S 5

/*
 * Connects and puts the request, which is one line with its end. The descriptor
 * to read the answer from, or -1 with why.
 */
int ctl_ask(const char *path, const char *request, char *why, size_t why_size);

#endif /* PARENT_CTL_CLIENT_H */

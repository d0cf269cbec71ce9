/*
 * What lines about flows are written to (posternd(8), --flow-log). A file is
 * renamed when it is large or old, and opened anew then, when somebody else has
 * moved it, and on request; a socket, when there is another at its path. What
 * cannot be opened again is used as it was.
 */
#ifndef PARENT_FLOW_LOG_H
#define PARENT_FLOW_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/flow.h"
#include "parent/options.h"

struct flow_log {
	const struct flow_log_options *options;
	int fd;           /* -1: there is none, or it is standard output */
	struct stat seen; /* of what is at the path */
	bool complained;
};

/* -1 with why. With FLOW_SINK_NONE there is nothing to open. */
int flow_log_open(struct flow_log *, const struct flow_log_options *, char *why,
    size_t why_size);
/* The same, but nothing is made, and nothing stays open. */
int flow_log_check(const struct flow_log_options *, char *why, size_t why_size);
/* NULL: standard output. */
const char *flow_log_path(const struct flow_log *);
/* Another one after each time it was opened; -1 as above. */
int flow_log_fd(const struct flow_log *);
/*
 * Never waits. How much of a line, or of the rest of one, has been taken: by a
 * file some of it, else all or nothing; 0 or -1: not now.
 */
ssize_t flow_log_write(struct flow_log *, const char *, size_t len);
/* Every now and then. */
void flow_log_look(struct flow_log *);
/* On SIGUSR1: whatever is at the path now. */
void flow_log_again(struct flow_log *);
void flow_log_close(struct flow_log *);

#endif /* PARENT_FLOW_LOG_H */

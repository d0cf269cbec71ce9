/*
 * What lines about flows are written to (posternd(8), --flow-log): a file,
 * standard output or a socket. A file that is large or old is renamed, and
 * opened anew. A file or socket is also opened anew when there is another one
 * at its path, and on request. Where that fails the old one stays in use.
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
	int fd;           /* -1: not wanted, or standard output */
	struct stat seen; /* the file at the path, when it was opened */
	bool complained;
};

/* -1 with why. With FLOW_SINK_NONE there is nothing to open. */
int flow_log_open(struct flow_log *, const struct flow_log_options *, char *why,
    size_t why_size);
/* Whether it could be opened: nothing is made, and nothing stays open. */
int flow_log_check(const struct flow_log_options *, char *why, size_t why_size);
/* NULL: standard output. */
const char *flow_log_path(const struct flow_log *);
/* Changes each time that it is opened anew; -1 as above. */
int flow_log_fd(const struct flow_log *);
/*
 * Writes a line, or the rest of one, without waiting. How much was taken, which
 * for a file may be a part, else is all or nothing; 0 or -1: nothing, for now.
 */
ssize_t flow_log_write(struct flow_log *, const char *, size_t len);
/* Renames the file or opens it anew, if due. To be called now and then. */
void flow_log_look(struct flow_log *);
/* On SIGUSR1: opens whatever is at the path now. */
void flow_log_again(struct flow_log *);
void flow_log_close(struct flow_log *);

#endif /* PARENT_FLOW_LOG_H */

/* What a compromised role would try, and what the roles need. */
#ifndef TESTS_SANDBOX_ATTEMPTS_H
#define TESTS_SANDBOX_ATTEMPTS_H

#include "tests/sandbox/escape.h"

#define IN_NET     (1u << NET_UNFILTERED)
#define IN_CONTROL (1u << CONTROL_UNFILTERED)
#define IN_WORKERS (IN_NET | IN_CONTROL)

struct attempt {
	const char *what;
	int (*make)(void); /* 0 when it was done, or -1 with errno */
	/* What has to come of it: enum outcome, or an errno. */
	int net, control, parent;
	/* Where it has to be refused even without the filter. */
	unsigned unfiltered;
	/* The version of Landlock that it takes; 0: none. */
	int landlock;
};

extern const struct attempt attempts[];
extern const size_t attempt_count;

#endif /* TESTS_SANDBOX_ATTEMPTS_H */

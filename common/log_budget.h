/*
 * How much a worker may write to the log: so much at once, and so much more as
 * time goes by. A worker that was taken over must not fill the disk with what
 * it says, nor hide an error of its own among other lines, so each of errors,
 * warnings, lines of level info and the more detailed ones has a share that the
 * others do not use up.
 *
 * Whoever turns the level up later, by posternctl(8), says so through a worker;
 * so that gives no worker more than it may write in any case. Where the daemon
 * itself was started with debug or trace, which no worker can bring about,
 * there is more of everything.
 *
 * No clock: now is passed in, and does not go back.
 */
#ifndef COMMON_LOG_BUDGET_H
#define COMMON_LOG_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"
#include "common/time.h"

/* Bytes of all the lines of a share. */
#define LOG_BUDGET_BURST     (256 * 1024)
#define LOG_BUDGET_PER_S     (8 * 1024)
#define LOG_BUDGET_LINE_COST 64 /* of a line beside its text */
/* As many times as much at once of debug and trace; of all when verbose. */
#define LOG_BUDGET_VERBOSE 64

/* All zero is a full one. */
struct log_budget {
	struct mono full[4]; /* when that share is full again */
	uint64_t dropped;    /* lines, since that was told */
};

/*
 * Whether the line may be printed; else it is counted as dropped. verbose: the
 * daemon was started with debug or trace.
 */
bool log_budget_take(struct log_budget *, struct mono now, enum log_level,
    bool verbose, const void *text, size_t len);

#endif /* COMMON_LOG_BUDGET_H */

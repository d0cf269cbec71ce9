/*
 * The parent's loop: waits for the workers and for signals, from the start of
 * the workers until both are gone, and has a worker that died made again
 * (restart.h). Until both have been ready once, a death is the end.
 */
#ifndef PARENT_SUPERVISE_H
#define PARENT_SUPERVISE_H

#include "parent/service.h"

/* How often main.c looks after what nobody tells it of. */
#define TICK_MS HANDED_FILE_INTERVAL_MS

#define LOOKOUTS_MAX 4

/* Something beside workers and signals that the loop waits for. */
struct lookout {
	void *ctx;
	bool to_the_end; /* also while the workers end */
	/* To be readable; -1: none. */
	int (*fd)(const void *ctx);
	struct mono (*deadline)(const void *ctx);
	/* It is readable, or the deadline has come. */
	void (*turn)(void *ctx, bool readable, struct mono now);
};

/* What the loop asks of main.c. */
struct supervision {
	struct service *service;
	int signals;    /* of supervise_signals() */
	int kernel_log; /* of violation_open() */
	void *ctx;
	/* Called once, when both have said READY. */
	void (*ready)(void *ctx);
	/* So many workers are ready now. */
	void (*changed)(void *ctx, unsigned workers);
	/* Called every TICK_MS from then on. */
	void (*tick)(void *ctx);
	/* On SIGUSR1. */
	void (*reopen)(void *ctx);
	/* At most LOOKOUTS_MAX. */
	const struct lookout *lookouts;
	size_t lookout_count;
	/* Makes a worker, and hands over. -1 with errno. */
	int (*start)(void *ctx, enum ipc_process role);
};

/*
 * Blocks the signals that the loop reads and returns the descriptor; before
 * anything that must not be interrupted. -1 with errno.
 */
int supervise_signals(void);

/*
 * Runs until both workers, which have been started, have ended for good.
 * Returns the daemon's exit status.
 */
int supervise(const struct supervision *);

#endif /* PARENT_SUPERVISE_H */

/*
 * Lines about flows from control-worker (common/flow.h) to where they are
 * wanted (flow_log.h). The worker has one end of a pair made for it and nothing
 * of what is at the other side; a line of its is text, and is written, bounded,
 * behind what says whose it is:
 *
 *	file, stdout	{...}
 *	stdout where the log is JSON as well	{"flow":{...}}
 *	syslog	<30>posternd-flow: {...}
 *	journald	PRIORITY, SYSLOG_IDENTIFIER, POSTERN_..., MESSAGE={...}
 *
 * One that has an end of a line in it, a brace, or what is not shown, is none.
 * As long as there is no room for a line, or there have been too many, none is
 * read: then the worker has no room either, and counts what it loses. What has
 * no room for long is told.
 */
#ifndef PARENT_FLOW_RELAY_H
#define PARENT_FLOW_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/flow.h"
#include "common/time.h"
#include "parent/flow_log.h"

/* Bytes of lines: so many at once, then so many a second. */
#define FLOW_RELAY_BURST (16 * 1024 * 1024)
#define FLOW_RELAY_PER_S (4 * 1024 * 1024)
/* What may wait in the pair, where the kernel lets us: with its overhead. */
#define FLOW_RELAY_WAITING (4 * 1024 * 1024)

/* With the names of many fields, and what begins the line. */
#define FLOW_TEXT_MAX (2 * FLOW_RECORD_MAX)

struct flow_relay {
	struct flow_log *log;
	bool json;         /* so is the log that shares standard output */
	int fd;            /* the worker's lines come from here; -1: none do */
	struct mono full;  /* when it may take most again */
	struct mono again; /* when to go on; MONO_NEVER: when there is a line */
	struct mono stuck_at; /* when to tell; MONO_NEVER: there is room */
	bool told_stuck;
	int error;              /* of the last attempt that failed */
	size_t length, written; /* of the text that is being written */
	int written_to;         /* by this descriptor */
	char text[FLOW_TEXT_MAX];
};

void flow_relay_init(struct flow_relay *, struct flow_log *, bool json);
/*
 * For a new worker: the end that it writes to, which the caller closes once it
 * is handed over. What the one before has left is written first. -1 with errno.
 */
int flow_relay_open(struct flow_relay *);
/* To be readable; -1: not for now. */
int flow_relay_fd(const struct flow_relay *);
struct mono flow_relay_deadline(const struct flow_relay *);
/* It is readable, or the deadline has come. False: that was no line. */
bool flow_relay_turn(struct flow_relay *, struct mono now);
/* Writes what is left, and closes it. */
void flow_relay_close(struct flow_relay *);

#endif /* PARENT_FLOW_RELAY_H */

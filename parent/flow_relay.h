/*
 * Passes lines about flows on, from control-worker (common/flow.h) to where
 * they are wanted (flow_log.h). The worker has one end of a socket pair, and
 * cannot reach what is behind the other. Its lines are not trusted: their
 * length and their rate are bounded, and each is put into a frame that says
 * whose it is:
 *
 *	file, stdout	{...}
 *	stdout where the log is JSON as well	{"flow":{...}}
 *	syslog	<30>posternd-flow: {...}
 *	journald	PRIORITY, SYSLOG_IDENTIFIER, POSTERN_..., MESSAGE={...}
 *
 * A line is refused that has in it what could end its frame, a brace or the end
 * of a line, or what a terminal does not show. While there is no room for a
 * line, or there have been too many, none is read, so that the worker has no
 * room either, and counts what it loses. When that goes on for long, the log
 * says so.
 */
#ifndef PARENT_FLOW_RELAY_H
#define PARENT_FLOW_RELAY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/flow.h"
#include "common/time.h"
#include "parent/flow_log.h"

/* The bound on lines, in bytes: so many at once, then so many a second. */
#define FLOW_RELAY_BURST (16 * 1024 * 1024)
#define FLOW_RELAY_PER_S (4 * 1024 * 1024)
/* The pair's buffer, if the kernel allows it: lines with their overhead. */
#define FLOW_RELAY_WAITING (4 * 1024 * 1024)

/* A line in its frame, which for the journal repeats names of fields. */
#define FLOW_TEXT_MAX (2 * FLOW_RECORD_MAX)

struct flow_relay {
	struct flow_log *log;
	bool json; /* the log, which standard output is shared with, is JSON */
	int fd;            /* the worker's lines come from here; -1: none do */
	struct mono full;  /* when it may take most again */
	struct mono again; /* when to go on; MONO_NEVER: when there is a line */
	struct mono stuck_at; /* when to tell; MONO_NEVER: there is room */
	bool told_stuck;
	int error;              /* of the last attempt that failed */
	size_t length, written; /* of the text that is being written */
	int written_to;         /* to this descriptor: see flow_log_fd() */
	char text[FLOW_TEXT_MAX];
};

void flow_relay_init(struct flow_relay *, struct flow_log *, bool json);
/*
 * Makes a pair for a new worker, after writing what the one before has left.
 * Returns the worker's end, which the caller hands over and closes, or -1 with
 * errno.
 */
int flow_relay_open(struct flow_relay *);
/* When it is readable, a turn is due; -1: not for now. */
int flow_relay_fd(const struct flow_relay *);
struct mono flow_relay_deadline(const struct flow_relay *);
/*
 * Passes lines on: it is readable, or the deadline has come. False when what
 * the worker wrote is no line, a violation.
 */
bool flow_relay_turn(struct flow_relay *, struct mono now);
/*
 * Writes what a worker that is gone has left, as far as there is room for it,
 * and closes the pair.
 */
void flow_relay_close(struct flow_relay *);

#endif /* PARENT_FLOW_RELAY_H */

/*
 * One Phoenix channel over one WebSocket: the V1 JSON frames, the join, the
 * heartbeats, the references. No I/O; time is handed in. firezone-portal(7),
 * CHANNEL.
 */
#ifndef CONTROL_WORKER_PORTAL_PHOENIX_H
#define CONTROL_WORKER_PORTAL_PHOENIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/time.h"
#include "control-worker/json/json.h"
#include "control-worker/portal/outbox.h"

#define PHOENIX_JOIN_TIMEOUT_MS  5000
#define PHOENIX_CLOSE_TIMEOUT_MS 5000 /* after the channel broke down */
#define PHOENIX_UNANSWERED_MAX   3

/* How the peer finds out that it is cut off. */
struct phoenix_rules {
	int64_t heartbeat_ms; /* from one to the next */
	/* So many without answer, and no more; PHOENIX_UNANSWERED_MAX. */
	size_t unanswered_max;
	int64_t reply_ms;   /* for the answer to each; 0: no time of its own */
	bool refs_continue; /* where those of the connection before ended */
};

struct phoenix {
	struct phoenix_rules rules;
	uint64_t next_ref;
	bool joined;
	bool join_due; /* to be written */
	bool join_sent;
	uint64_t join_ref;
	struct mono join_deadline;  /* never: no join is under way */
	struct mono close_deadline; /* never: the channel is well */
	bool heartbeat_due;
	size_t unwritten; /* heartbeats that fell due before it was written */
	struct mono heartbeat_at;
	uint64_t unanswered[PHOENIX_UNANSWERED_MAX + 1];
	size_t unanswered_count;
	struct mono reply_deadline; /* never: none is awaited so */
	struct outbox outbox;
};

enum phoenix_event {
	PHOENIX_NOTHING,
	PHOENIX_MALFORMED,     /* dropped; reason says why */
	PHOENIX_PUSH,          /* event and payload are set */
	PHOENIX_JOINED,        /* also after a join was repeated */
	PHOENIX_LOST,          /* drop the connection; reason says why */
	PHOENIX_JOIN_REFUSED,  /* fatal; reason is the portal's */
	PHOENIX_TOKEN_EXPIRED, /* fatal */
};

struct phoenix_frame {
	enum phoenix_event type;
	char reason[128];
	char event[64];
	const struct json_value *payload;
};

/* Anew, after phoenix_clear(); the first time on one that is all zero. */
void phoenix_init(
    struct phoenix *, struct mono now, const struct phoenix_rules *);
void phoenix_clear(struct phoenix *);

/* Queues a message for the portal; see outbox_push(). */
bool phoenix_send(struct phoenix *, const char *event, char *payload);
/*
 * The next frame to be written, to be freed by the caller, or NULL: heartbeat,
 * join, then messages. It counts as written; ask only when there is room.
 */
char *phoenix_next(struct phoenix *, struct mono now);
/* Whether phoenix_next() would give a frame. */
bool phoenix_has_next(const struct phoenix *);
/* A frame that came; it points into the document. */
void phoenix_receive(struct phoenix *, const struct json_value *root,
    struct mono now, struct phoenix_frame *);
struct mono phoenix_deadline(const struct phoenix *);
/* PHOENIX_NOTHING or PHOENIX_LOST. */
void phoenix_tick(struct phoenix *, struct mono now, struct phoenix_frame *);

#endif /* CONTROL_WORKER_PORTAL_PHOENIX_H */

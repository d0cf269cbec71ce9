/*
 * Messages between the processes (postern-ipc(7); the table is ipc.def).
 *
 * A channel is one end of a SOCK_SEQPACKET pair: one datagram is one message,
 * a two-byte type followed by its fields. Before a handler runs, the table has
 * been consulted: sender, receiver, state, size bounds, number of descriptors,
 * and every field has been decoded and range-checked with nothing left over.
 *
 * The ends of the workers' own pair outlive the workers, so what a dead one has
 * sent may still be found there. On that channel an epoch stands before each
 * message. The parent draws one at random with each start of either worker and
 * tells it to both, so that it names the two processes that talk, and nobody
 * else can speak for one of them. What has another epoch is dropped unseen: it
 * says nothing about who is at the other end now.
 *
 * A channel has no loop of its own. The owner waits for its descriptor and
 * calls ipc_dispatch() when it is readable and ipc_flush() when it is writable
 * and ipc_backlog() is not zero.
 */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/address.h"
#include "common/authorization.h"
#include "common/bounds.h"
#include "common/filter.h"
#include "common/flow.h"
#include "common/uuid.h"

#define IPC_MESSAGE_MAX 65536 /* bytes of one message, type included */
/* Entries between GRANTS_BEGIN and GRANTS_COMMIT; what is beyond is revoked. */
#define GRANTS_LIST_MAX 131072
#define IPC_QUEUE_MAX   4096  /* messages that wait for a slow reader */
#define IPC_QUEUE_LEN_MAX (8 * 1024 * 1024) /* and their bytes */
#define IPC_EPOCH_LEN   8 /* in front of a message, where there are epochs */

/* Well-known descriptors of a worker after exec. */
#define IPC_FD_PARENT 3
#define IPC_FD_LOG    4

enum ipc_process {
	IPC_PARENT,
	IPC_NET,
	IPC_CONTROL,
};

enum ipc_rule {
	IPC_STARTING = 1 << 0,
	IPC_RUNNING = 1 << 1,
	IPC_ONCE = 1 << 2,
	IPC_SECRET = 1 << 3,
};

/* Fields of QUERY and its answers. */
enum query_kind {
	QUERY_KIND_CLIENTS = 1,
	QUERY_KIND_RELAYS = 2,
	QUERY_KIND_RESOURCES = 3,
	QUERY_KIND_GRANTS = 4,
	QUERY_KIND_FLOWS = 5,
};

/* Of EXPLAINED. */
enum explained_verdict {
	EXPLAINED_DROPPED,
	EXPLAINED_ANSWERED, /* dropped, and the client hears of it by ICMP */
	EXPLAINED_PASSED,
};

/* Of EXPLAINED: how a grant has ended that had the destination. */
enum grant_end {
	GRANT_END_NONE, /* there is none that is remembered */
	GRANT_END_EXPIRED,
	GRANT_END_REVOKED,
};

/* Of ASSIGNMENT. */
enum assignment_answer {
	ASSIGNMENT_REFUSED, /* tell the client that it is inactive */
	ASSIGNMENT_RESOLVE, /* find out the addresses of the name */
};

/* Of a client's connection. */
enum query_state {
	QUERY_STATE_NONE,
	QUERY_STATE_CONNECTING,
	QUERY_STATE_CONNECTED,
	QUERY_STATE_IDLE,
};

enum ipc_type {
	IPC_TYPE_NONE = 0,
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) IPC_TYPE_##NAME,
#include "common/ipc.def"
	IPC_TYPE_COUNT
};

/*
 * One structure per message: struct ipc_relay_present and so on. In one that
 * carries a descriptor, fd is it; a handler that keeps it sets it to -1.
 */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	struct ipc_##name {                                   \
		IPC_DESCRIPTOR_##fds
#define IPC_FIELD(kind, field, ...) DECLARE_##kind(field, ##__VA_ARGS__)
#define IPC_END(NAME, name) \
	}                   \
	;
#define IPC_DESCRIPTOR_0
#define IPC_DESCRIPTOR_1 int fd;
#include "common/fields.def"
#include "common/ipc.def"

struct ipc_channel;

/*
 * Takes the descriptor over (close-on-exec and non-blocking are set). NULL
 * without memory.
 */
struct ipc_channel *ipc_open(int fd, enum ipc_process self,
    enum ipc_process peer);
void ipc_close(struct ipc_channel *); /* NULL is fine; wipes what waited */
int ipc_fd(const struct ipc_channel *);
/* The channel starts in IPC_STARTING; READY moves both ends on. */
void ipc_set_running(struct ipc_channel *);
bool ipc_is_running(const struct ipc_channel *);
/*
 * From now on the peer is another process, and messages carry this epoch, which
 * is neither 0 nor the one before. What waited for the old one is wiped; what
 * it sent will be discarded unseen; ONCE begins anew.
 */
void ipc_set_epoch(struct ipc_channel *, uint64_t epoch);

/*
 * ipc_send_relay_present(channel, &message) and so on. A descriptor in
 * message->fd stays the caller's. Returns 0, or -1 when the message does not
 * fit its bounds, the queue is full or the peer is gone (errno says which:
 * EMSGSIZE, ENOBUFS, EPIPE). Sending what the table forbids aborts.
 */
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	int ipc_send_##name(struct ipc_channel *, const struct ipc_##name *);
#include "common/ipc.def"

/* Sends what waits, as far as the peer takes it; -1 when it is gone. */
int ipc_flush(struct ipc_channel *);
/* Messages that wait. */
size_t ipc_backlog(const struct ipc_channel *);

/*
 * A handler per message. One that is NULL is not expected here, and its
 * message is a violation like any other.
 */
struct ipc_handlers {
#define IPC_MESSAGE(NAME, name, sender, receiver, rules, fds) \
	void (*name)(void *ctx, struct ipc_##name *);
#include "common/ipc.def"
};

enum ipc_result {
	IPC_HANDLED,   /* one message is done with; there may be more */
	IPC_EMPTY,     /* nothing is there */
	IPC_CLOSED,    /* the peer is gone */
	IPC_VIOLATION, /* see ipc_violation() */
	/*
	 * The message has another epoch, of the dead or of a new process. The
	 * parent announces one before anybody can use it, so read what it has
	 * said, then call again: if that did not bring it, it is discarded.
	 */
	IPC_EARLY,
};

/* Receives one message and calls its handler. */
enum ipc_result ipc_dispatch(struct ipc_channel *, const struct ipc_handlers *,
    void *ctx);
/* What was wrong, for the log: type, sender, length, rule. */
const char *ipc_violation(const struct ipc_channel *);

/* The table, for tests and for postern-ipc(7). */
struct ipc_row {
	const char *name;
	enum ipc_process sender, receiver;
	unsigned rules; /* enum ipc_rule */
	int fds;
	size_t min, max; /* bytes, type included */
};
const struct ipc_row *ipc_row(unsigned type); /* NULL: no such type */
const char *ipc_process_name(enum ipc_process);

#endif /* COMMON_IPC_H */

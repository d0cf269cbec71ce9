/*
 * Messages between the processes as a hostile peer makes them, from the grammar
 * in ipc.def, and the peer itself: one end of a channel whose other end is the
 * real thing.
 */
#ifndef TESTS_FUZZ_MESSAGES_H
#define TESTS_FUZZ_MESSAGES_H

#include "common/ipc.h"
#include "tests/fuzz/fuzz.h"

/* Writes a message of the type whose fields are in range; IPC_MESSAGE_MAX. */
void message_make(struct cursor *in, unsigned type, struct writer *);

struct hostile {
	struct ipc_channel *victim;  /* NULL: closed */
	enum ipc_process self, peer; /* the victim and whom it takes us for */
	struct ipc_channel *ours;
	bool seen[IPC_TYPE_COUNT];
	uint64_t epoch; /* 0: this channel has none */

	/* The last message. */
	uint64_t of_epoch;
	bool framed; /* with as many bytes of epoch as it should */
	unsigned type;
	size_t len;
	int fds;
	bool proper; /* nothing was done to spoil it */
};

void hostile_open(
    struct hostile *, enum ipc_process self, enum ipc_process peer);
/* The victim's channel is in this epoch now; we go along. */
void hostile_follow(struct hostile *, uint64_t epoch);
/* Both ends go from STARTING to RUNNING. */
void hostile_set_running(struct hostile *);
/* Closes our end, and the victim's if it is still ours to close. */
void hostile_close(struct hostile *);

/* Sends one message, proper or not, with or without descriptors. */
void hostile_send(struct hostile *, struct cursor *in);
/*
 * After the victim has dispatched it: what it made of the message has to be
 * what the table says. False when that was the last one it takes.
 */
bool hostile_check(struct hostile *);
/* What the victim says to its peer has to be allowed too. */
void hostile_listen(struct hostile *);

/*
 * Runs the function; false when it ended the process, which it does not here.
 * Broken invariants ("internal error") are findings.
 */
bool survives(void (*)(void *), void *ctx);

/* Descriptors open before and after an input have to be the same ones. */
void descriptors_remember(void);
void descriptors_check(bool must_be_same);

#endif /* TESTS_FUZZ_MESSAGES_H */

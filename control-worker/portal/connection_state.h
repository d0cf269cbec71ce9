/*
 * The connection of connection.h from within: its state, and what the files
 * that it consists of ask of each other.
 */
#ifndef CONTROL_WORKER_PORTAL_CONNECTION_STATE_H
#define CONTROL_WORKER_PORTAL_CONNECTION_STATE_H

#include "control-worker/portal/backoff.h"
#include "control-worker/portal/candidates.h"
#include "control-worker/portal/connection.h"
#include "control-worker/portal/drops.h"
#include "control-worker/portal/generation_choice.h"
#include "control-worker/portal/messages.h"
#include "control-worker/portal/phoenix.h"

#define PUBLIC_KEY_LEN 32

enum state {
	STATE_IDLE, /* no public key yet, or over */
	STATE_RESOLVING,
	STATE_CONNECTING,
	STATE_OPEN, /* joining or online */
	STATE_WAITING,
	STATE_LEAVING, /* to come again: see portal_set_away() */
	STATE_CLOSING,
};

struct portal_connection {
	enum state state;
	struct mono state_ends; /* of WAITING, LEAVING and CLOSING */
	struct login_url login;
	struct login_identity identity;
	struct generation_choice choice;
	const struct generation *generation; /* of this attempt */
	struct portal_host host;
	struct portal_events events;
	void *ctx; /* of the events */

	uint8_t public_key[PUBLIC_KEY_LEN];
	struct phoenix phoenix;
	struct backoff backoff;
	struct incoming incoming;
	struct json_document *feeding; /* of a message not handed over yet */
	struct candidates *held;
	bool no_relays_due;
	struct mono no_relays_at; /* not before */
	struct drops drops;
	bool settled;     /* this connection's init is in force, or in hand */
	bool told_online; /* also while it joins again */
	bool away;        /* see portal_set_away() */
	bool looks;       /* joined to look, and not to stay */
	struct mono leave_at; /* at the latest, while it is away and joined */
};

/* connection.c */
bool connection_is_online(const struct portal_connection *);
/* Sets the timer; the last act of every function of connection.h. */
void connection_settle(struct portal_connection *);
/* The portal has taken us in, for the first time or once more. */
void connection_joined(struct portal_connection *, struct mono now);
/* Ends the connection, and makes another one later. */
void connection_lose(
    struct portal_connection *, struct mono now, const char *reason);
/* Ends the connection for good. */
void connection_end_fatally(struct portal_connection *, const char *fmt, ...)
    __attribute__((__format__(printf, 2, 3)));

/* connection_channel.c */
/*
 * Queues an application message. Takes payload over, which is dropped while we
 * are not online.
 */
void connection_queue(struct portal_connection *, struct mono now,
    const char *event, char *payload);
/* Writes what is queued, as far as the host takes it. */
void connection_write_frames(struct portal_connection *, struct mono now);
/* After a message that was too long to be taken. */
void connection_revoke_all_grants(struct portal_connection *);
/* Whether an answer to the portal about a connection of the client is due. */
bool connection_awaits_reply(const void *connection, const struct uuid *client);

#endif /* CONTROL_WORKER_PORTAL_CONNECTION_STATE_H */

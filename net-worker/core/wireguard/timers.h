/*
 * WireGuard's timers as events (firezone-tunnel(7), WireGuard timers).
 *
 *   data sent, nothing heard for 15 s (7 s)   -> a handshake is wanted
 *   data received, nothing sent for 10 s (5)  -> a keepalive is due
 *   nothing sent for so long, where it is so  -> a keepalive is due
 *   our session's age, as initiator           -> a handshake is wanted
 *   no handshake for 540 s                    -> the tunnel is dead
 *
 * tunnel_timers is the shard's half (its own counters decide), handshake_timers
 * the engine's (retries of an initiation of ours).
 */
#ifndef NET_WORKER_CORE_WIREGUARD_TIMERS_H
#define NET_WORKER_CORE_WIREGUARD_TIMERS_H

#include "common/time.h"

/* How fast they go: as with ICE or, in parentheses above, without. Seconds. */
struct timer_pace {
	unsigned keepalive;        /* after data that was not answered */
	unsigned silence;          /* after data that is not answered */
	unsigned rekey_on_receive; /* age */
	unsigned retry, attempt;   /* of an initiation of ours */
};

extern const struct timer_pace pace_classic, pace_iceless;

struct tunnel_timers {
	const struct timer_pace *pace;
	struct mono keepalive_at; /* from the first unanswered data received */
	struct mono silence_at;   /* from the first unanswered data sent */
	struct mono persistent_at; /* from the last data or keepalive sent */
	unsigned persistent_s;     /* its interval; 0: there is none */
	/* The initiator's; the other side never re-keys by age. */
	struct mono rekey_at;      /* as things are */
	struct mono rekey_sent_at; /* no later than this once data is sent */
	struct mono rekey_received_at; /* and this once data is received */
};

enum tunnel_due {
	TUNNEL_KEEPALIVE = 1 << 0, /* send an empty data packet */
	TUNNEL_HANDSHAKE = 1 << 1, /* ask the engine for a handshake */
};

void tunnel_timers_init(struct tunnel_timers *, const struct timer_pace *);
/* From the next session on: a persistent keepalive so often. 0: none. */
void tunnel_keep_alive(struct tunnel_timers *, unsigned seconds);
/*
 * A session of ours became the one to send on, which takes an authenticated
 * message of the peer.
 */
void tunnel_session_started(
    struct tunnel_timers *, struct mono established, bool initiator);
/* There is no session left to send on. */
void tunnel_session_ended(struct tunnel_timers *);
/* A data packet with content was sent; includes tunnel_any_sent(). */
void tunnel_data_sent(struct tunnel_timers *, struct mono now);
/* Anything authenticated was sent: keepalive, handshake message. */
void tunnel_any_sent(struct tunnel_timers *);
/* A data packet with content was received; includes tunnel_any_received(). */
void tunnel_data_received(struct tunnel_timers *, struct mono now);
/* Anything authenticated was received. */
void tunnel_any_received(struct tunnel_timers *);
/* Has passed already where something late made a re-key due. */
struct mono tunnel_deadline(const struct tunnel_timers *);
/*
 * What has become due (enum tunnel_due); each is reported once. A keepalive
 * that is due counts as sent.
 */
unsigned tunnel_timeout(struct tunnel_timers *, struct mono now);

struct handshake_timers {
	const struct timer_pace *pace;
	struct mono dead_at;    /* 540 s after the last session or creation */
	struct mono send_at;    /* the next initiation, with its jitter */
	struct mono give_up_at; /* after the attempt's first initiation */
};

enum handshake_due {
	HANDSHAKE_SEND = 1 << 0,    /* make and send an initiation */
	HANDSHAKE_EXPIRED = 1 << 1, /* the connection has failed */
};

void handshake_timers_init(
    struct handshake_timers *, const struct timer_pace *, struct mono now);
/* A handshake is wanted; no-op while one is under way. */
void handshake_want(struct handshake_timers *, struct mono now);
/* A session was established, by either side's initiation. */
void handshake_done(struct handshake_timers *, struct mono now);
struct mono handshake_deadline(const struct handshake_timers *);
/*
 * What has become due (enum handshake_due), never both. After HANDSHAKE_EXPIRED
 * the timers rest until handshake_want() or handshake_done().
 */
unsigned handshake_timeout(struct handshake_timers *, struct mono now);

#endif /* NET_WORKER_CORE_WIREGUARD_TIMERS_H */

/*
 * WireGuard sessions as their initiator: transport data, replay window, and
 * the timers of clients in the field (firezone-tunnel(7), WireGuard timers).
 */
#ifndef TESTS_CLIENT_TUNNEL_H
#define TESTS_CLIENT_TUNNEL_H

#include "common/time.h"
#include "tests/client/ice.h"
#include "tests/client/io.h"
#include "tests/client/noise.h"

#define TUNNEL_OVERHEAD  32
#define SESSIONS_MAX     3
#define REPLAY_WINDOW    8192
#define TUNNEL_PLAIN_MAX IO_DATAGRAM_MAX

struct client;

struct session {
	bool usable;
	bool initiator;
	uint32_t our_index, their_index;
	struct noise_keys keys;
	uint64_t send_counter;
	uint64_t receive_next; /* highest counter received, plus 1 */
	uint64_t window[REPLAY_WINDOW / 64];
	struct mono established;
	bool sent, received; /* data, keepalives not counted */
};

/* Seconds that depend on the mode of the connection. */
struct tunnel_timing {
	int64_t keepalive, retry, rekey_on_receive, attempt;
};

struct tunnel {
	bool running;
	struct tunnel_timing timing;
	struct noise_peer peer;
	/* [0] the one that is sent on, [1] the one before, [2] unconfirmed */
	struct session sessions[SESSIONS_MAX];
	unsigned established; /* sessions so far */
	struct mono started;  /* or the last session's establishment */

	/* [0] the newest, [1] the one before: initiations that may be answered
	 */
	struct noise handshakes[2];
	bool pending[2];
	struct mono due;           /* of the next initiation, or never */
	struct mono attempt_since; /* first initiation of this attempt */

	uint8_t cookie[NOISE_MAC_LEN];
	struct mono cookie_until;

	struct mono unanswered; /* first data sent since we heard, or never */
	struct mono keepalive;  /* when one is due, or never */
	struct mono last_sent;  /* anything at all */
};

/* The identity is kept; what was agreed on says which mode this is. */
bool tunnel_start(struct client *, const struct noise_identity *,
    const uint8_t *public_key, const uint8_t *psk);
void tunnel_stop(struct client *);
/* Starts a handshake now unless one is under way. */
void tunnel_handshake(struct client *);
bool tunnel_ready(const struct client *);
/* Encrypts and sends an inner packet; 0 bytes are a keepalive. */
void tunnel_send(struct client *, const uint8_t *, size_t);
/* Likewise, but not on the path of all else. */
void tunnel_send_along(
    struct client *, const struct path *, const uint8_t *, size_t);
/* A datagram that came along path; false when it is not WireGuard for us. */
bool tunnel_input(
    struct client *, const struct path *, const uint8_t *, size_t);
void tunnel_timer(struct client *);
struct mono tunnel_deadline(const struct client *);

#endif /* TESTS_CLIENT_TUNNEL_H */

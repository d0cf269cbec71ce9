/*
 * A full, controlling ICE agent with one component (RFC 8445), with the timing
 * of clients in the field (firezone-tunnel(7), Check schedule).
 */
#ifndef TESTS_CLIENT_ICE_H
#define TESTS_CLIENT_ICE_H

#include "common/address.h"
#include "common/time.h"
#include "net-worker/core/stun/stun.h"

#define ICE_LOCALS_MAX   16
#define ICE_REMOTES_MAX  32
#define ICE_PAIRS_MAX    100
#define ICE_ATTEMPTS_MAX 16
#define ICE_LINE_SIZE    320
#define ICE_TEXT_MAX     128 /* of a user name or password */

struct client;

struct ice_credentials {
	char username[ICE_TEXT_MAX + 1];
	char password[ICE_TEXT_MAX + 1];
};

enum candidate_kind {
	CANDIDATE_HOST,
	CANDIDATE_SRFLX,
	CANDIDATE_PRFLX,
	CANDIDATE_RELAY,
};

struct candidate {
	enum candidate_kind kind;
	struct endpoint address;
	struct endpoint base; /* what is sent from; of a remote: the address */
	uint32_t priority;
};

/* Where a datagram leaves: a socket of ours or an allocation on a relay. */
struct path {
	struct endpoint local, remote;
};

struct attempt {
	uint8_t transaction[STUN_TRANSACTION_LEN];
	bool nominating;
};

struct pair {
	struct path path;
	struct candidate local, remote;
	uint64_t priority;
	bool succeeded; /* some check was answered */
	bool nominated; /* checks carry USE-CANDIDATE from now on */
	bool agreed;    /* and one of those was answered */
	struct attempt attempts[ICE_ATTEMPTS_MAX]; /* a ring */
	unsigned sent;                             /* all attempts */
	unsigned unanswered;                       /* in a row, up to now */
	struct mono unanswered_since, last_sent, next;
	struct mono last_request; /* from the peer */
};

struct ice {
	/* Found by talking to relays; outlives the connection. */
	struct candidate locals[ICE_LOCALS_MAX];
	size_t n_locals;

	bool running;
	bool idle;
	struct ice_credentials ours, theirs;
	uint64_t tie_breaker;
	struct candidate remotes[ICE_REMOTES_MAX];
	size_t n_remotes;
	struct pair pairs[ICE_PAIRS_MAX];
	size_t n_pairs;
	struct mono started;
	struct mono hopeless; /* since when no pair is left, or never */
};

void ice_start(struct client *, const struct ice_credentials *ours,
    const struct ice_credentials *theirs);
void ice_stop(struct client *);
/* Tells the gateway, which may have lost them. */
void ice_announce_again(struct client *);
/* Whether a check of ours was answered from there, or one of its own came. */
bool ice_checked(const struct client *, const struct endpoint *remote);
/* False when there is such a candidate already, or no room. */
bool ice_add_local(struct client *, enum candidate_kind,
    const struct endpoint *address, const struct endpoint *base);
void ice_remove_local(struct client *, const struct endpoint *address);
/* The sockets are gone. */
void ice_forget_locals(struct client *);
void ice_add_remote(struct client *, const char *line);
void ice_remove_remote(struct client *, const char *line);
/* A message that came along path; false when it is not for us. */
bool ice_input(
    struct client *, const struct path *, const struct stun_message *);
void ice_timer(struct client *);
struct mono ice_deadline(const struct client *);
/* Slow checks while nothing happens: firezone-tunnel(7), Idle mode. */
void ice_set_idle(struct client *, bool idle);

#endif /* TESTS_CLIENT_ICE_H */

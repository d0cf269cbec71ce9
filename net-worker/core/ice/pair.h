/*
 * Candidate pairs and the schedule of their checks (firezone-tunnel(7), Pairs
 * and Check schedule).
 *
 * A pair knows the attempts that it made; whether they were answered decides
 * when the next one is due and when the pair is given up.
 */
#ifndef NET_WORKER_CORE_ICE_PAIR_H
#define NET_WORKER_CORE_ICE_PAIR_H

#include <sys/queue.h>

#include "common/time.h"
#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/stun/stun.h"

/* How often to check, and how many checks without an answer are too many. */
struct check_profile {
	unsigned max_retransmissions;
	int64_t initial_rto_ms;
	int64_t max_rto_ms;
	/* A nominated pair that is silent for so long gives way to another. */
	int64_t stale_ms;
};

extern const struct check_profile check_profile_active;
extern const struct check_profile check_profile_idle;

/* The gap after the n-th attempt. */
int64_t check_delay_ms(const struct check_profile *, unsigned n);

/* A candidate in one of the agent's two lists. */
struct listed_candidate {
	TAILQ_ENTRY(listed_candidate) entry;
	struct candidate candidate;
	bool discarded;  /* withdrawn or superseded; may be revived */
	bool signalled;  /* remote: by the portal, not found or guessed by us */
	uint32_t serial; /* order of adding */
};

/*
 * The attempts that an answer may still be for: none that is older than
 * TRANSACTION_LIFETIME_S, within which the schedule makes at most seven.
 */
#define PAIR_ATTEMPTS          8
#define TRANSACTION_LIFETIME_S 10
/* Requests keep a pair for so long even if our own checks are lost. */
#define REQUEST_LIFETIME_S 15

struct attempt {
	uint8_t transaction[STUN_TRANSACTION_LEN];
	struct mono sent;
	bool outstanding;
};

/* Whether a nomination still counts (firezone-tunnel(7), Dead paths). */
enum pair_doubt {
	PAIR_TRUSTED,
	PAIR_LEFT, /* the peer is to leave it, or may have */
	PAIR_DEAD, /* silent while others are not */
};

struct pair {
	TAILQ_ENTRY(pair) entry;
	struct listed_candidate *local;
	struct listed_candidate *remote;
	uint64_t priority;
	bool nominated;
	enum pair_doubt doubt;
	struct mono doubted; /* since then */
	bool unsent; /* the last attempt waits to be handed out */

	struct mono next_check;
	struct mono last_attempt;
	struct mono run_since;  /* the oldest attempt of the unanswered run */
	struct mono kept_until; /* by requests of the peer */
	struct mono heard;      /* the last request, response or data */

	unsigned remembered; /* attempts, at most max_retransmissions */
	uint32_t attempts_made;
	uint32_t last_answered; /* number of an attempt; the first is 1 */
	struct attempt attempts[PAIR_ATTEMPTS]; /* number % PAIR_ATTEMPTS */
};

/* The pair's place in the order of nomination; the peer is controlling. */
uint64_t pair_priority(uint32_t controlling, uint32_t controlled);

/* NULL without memory. Its first check is due at once. */
struct pair *pair_new(struct listed_candidate *local,
    struct listed_candidate *remote, struct mono now);
/* Other candidates for the same two addresses; all else stays. */
void pair_set_candidates(struct pair *, struct listed_candidate *local,
    struct listed_candidate *remote);
bool pair_joins(const struct pair *, const struct endpoint *base,
    const struct endpoint *remote);

/* Records an attempt under a new random transaction id. */
void pair_attempt(struct pair *, const struct check_profile *, struct mono now);
const struct attempt *pair_last_attempt(const struct pair *);
/* The outstanding attempt with this transaction id, or NULL. */
struct attempt *pair_find_attempt(
    struct pair *, const uint8_t transaction[STUN_TRANSACTION_LEN]);
/* The attempt was answered, which it can be only once. */
void pair_answered(struct pair *, const struct check_profile *,
    struct attempt *, struct mono now);
/* A request came in on the pair. */
void pair_requested(struct pair *, struct mono now);
/* Has it checked as a new one; what was unanswered does not count. */
void pair_renew(struct pair *, struct mono now);
/* Decides anew when the next check is due; the first one always is. */
void pair_reschedule(
    struct pair *, const struct check_profile *, struct mono now);
/* Whether there is no hope left for it. */
bool pair_failed(
    const struct pair *, const struct check_profile *, struct mono now);

#endif /* NET_WORKER_CORE_ICE_PAIR_H */

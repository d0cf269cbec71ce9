/*
 * The inside of the ICE agent, shared by agent.c (time, output, state),
 * agent_local.c and agent_remote.c (candidates), agent_pairs.c (how they pair),
 * agent_input.c (Binding messages) and agent_dead.c (paths that fall silent).
 * Nobody else includes it.
 */
#ifndef NET_WORKER_CORE_ICE_AGENT_INTERNAL_H
#define NET_WORKER_CORE_ICE_AGENT_INTERNAL_H

#include "net-worker/core/ice/agent.h"
#include "net-worker/core/ice/left_bases.h"
#include "net-worker/core/ice/pair.h"

/* More than there are pairs; a full list gives up what forms no pair. */
#define CANDIDATES_MAX 128
/* What a peer may make us believe about our own addresses. */
#define LOCAL_PEER_REFLEXIVE_MAX 4
/* Answers between two drains; the peer repeats what finds no room. */
#define ANSWERS_MAX 16

TAILQ_HEAD(candidate_list, listed_candidate);
TAILQ_HEAD(pair_list, pair);

struct answer {
	struct path path;
	bool role_conflict;
	uint8_t transaction[STUN_TRANSACTION_LEN];
};

/* What agent_dead.c knows of paths that may have died. */
struct dead_watch {
	int64_t patience_ms;  /* silence for so long is none of loss */
	struct pair *suspect; /* the path, while it is in question */
	struct mono suspected;
	struct mono next; /* probe, or verdict */
	unsigned probes;
	bool all_silent; /* the path was, and so was every other pair */
	struct left_bases left;
};

struct ice_agent {
	struct ice_credentials credentials;
	struct ice_credentials peer;
	uint64_t tie_breaker;
	const struct check_profile *profile;
	struct mono active_since; /* the last change of profile */

	/* Both by descending priority. */
	struct candidate_list locals, remotes;
	unsigned local_count, remote_count;
	bool had_local, had_remote; /* at any time */
	uint32_t next_serial;
	/*
	 * Local ones ever added, by kind and family (firezone-tunnel(7),
	 * Candidate priorities).
	 */
	unsigned added[CANDIDATE_RELAYED + 1][2];

	struct pair_list pairs; /* by descending priority */
	unsigned pair_count;
	struct pair *selected; /* the path; NULL without one */
	struct dead_watch dead;

	enum ice_state state;
	struct mono evaluate_at; /* the choice of path may change then */

	/* What the owner knows, from ice_agent_event(). */
	enum ice_state reported_state;
	bool path_reported;
	struct path path;
	enum candidate_kind path_kind; /* of its remote candidate */

	struct answer answers[ANSWERS_MAX];
	unsigned answer_first, answer_count;
};

/* agent.c */
void agent_evaluate(struct ice_agent *, struct mono now);

/* agent_dead.c */
void agent_watch_init(struct dead_watch *);
/* Something came on the pair: all but what renews its nomination. */
void agent_alive(struct ice_agent *, struct mono now, struct pair *);
/* Drops it, for want of answers: it may be tried again much later. */
void agent_give_up_pair(struct ice_agent *, struct mono now, struct pair *);
/* The peer uses the pair: its nomination counts. */
void agent_trust(struct ice_agent *, struct mono now, struct pair *);
struct mono agent_watch_deadline(const struct dead_watch *);
void agent_watch_timeout(struct ice_agent *, struct mono now);
bool agent_watch_event(struct dead_watch *, struct ice_event *);

/* agent_local.c */
/*
 * The PRIORITY of checks from this candidate (firezone-tunnel(7), Check
 * messages).
 */
uint32_t agent_check_priority(const struct listed_candidate *local);
/* Our address on the pair's path, as the other side sees it. */
void agent_add_local_reflexive(
    struct ice_agent *, const struct pair *, const struct endpoint *mapped);

/* agent_remote.c */
/* An address that a request came from; NULL without memory. */
struct listed_candidate *agent_add_remote_reflexive(
    struct ice_agent *, const struct endpoint *, uint32_t priority);
/* The live candidate of highest priority at an address, or NULL. */
struct listed_candidate *agent_live_remote(
    struct ice_agent *, const struct endpoint *address);
bool agent_knows_remote(const struct ice_agent *, const struct endpoint *);
void agent_forget_remote(struct ice_agent *, struct listed_candidate *);

/* agent_pairs.c */
struct listed_candidate *agent_new_candidate(
    struct ice_agent *, const struct candidate *);
void agent_list(struct candidate_list *, struct listed_candidate *);
struct pair *agent_find_pair(struct ice_agent *, const struct endpoint *base,
    const struct endpoint *remote);
bool agent_has_pair(const struct ice_agent *, const struct listed_candidate *);
/* The pair of the two, made if need be; NULL without memory. */
struct pair *agent_form_pair(struct ice_agent *, struct mono now,
    struct listed_candidate *local, struct listed_candidate *remote);
/* With all that the candidate goes together with. */
void agent_pair_local(
    struct ice_agent *, struct mono now, struct listed_candidate *local);
void agent_pair_remote(
    struct ice_agent *, struct mono now, struct listed_candidate *remote);
/* The remote candidate's priority has changed. */
void agent_resort_pairs(struct ice_agent *, const struct listed_candidate *);
void agent_drop_pair(struct ice_agent *, struct pair *);
/* The candidate was just discarded. */
void agent_release_pairs(struct ice_agent *, const struct listed_candidate *);
/* Down to ICE_PAIRS_MAX again; the path in use goes last. */
void agent_trim_pairs(struct ice_agent *, struct mono now);
void agent_free_lists(struct ice_agent *);

#endif /* NET_WORKER_CORE_ICE_AGENT_INTERNAL_H */

/*
 * A pair of the path agent: two addresses, the probes between them, and how
 * good it is as a path (firezone-tunnel(7), Probe schedule and Ranking).
 */
#ifndef NET_WORKER_CORE_ICELESS_PAIR_H
#define NET_WORKER_CORE_ICELESS_PAIR_H

#include <sys/queue.h>

#include "common/time.h"
#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/path.h"

#define PAIR_FIRST_PROBES    12 /* before it depends on the primary */
#define PAIR_OUTSTANDING_MAX 12

struct iceless_pair {
	TAILQ_ENTRY(iceless_pair) entry;
	struct path path; /* its ends */
	enum candidate_kind local_kind, remote_kind;
	bool crosses_families; /* at our end: between us and the relay */
	bool to_gone_relay;    /* of the peer's */
	uint16_t id, next_sequence;

	struct mono probe_at; /* MONO_NEVER: it does not probe */
	unsigned probes;      /* since it has begun */
	int64_t rtt_ns;       /* smoothed; -1: none */
	bool was_heard;       /* it has answered at some time */
	struct {
		uint16_t sequence;
		struct mono sent;
	} outstanding[PAIR_OUTSTANDING_MAX]; /* oldest first */
	unsigned outstanding_count;
};

/*
 * Chooses the pair's id, once, at random: only who gets the requests of a pair
 * can answer them, so that a peer cannot have traffic sent to an address that
 * is not its own.
 */
void pair_number(struct iceless_pair *);
/* From the beginning: a probe at once. */
void pair_begin(struct iceless_pair *, struct mono now);
/* Makes the request that is due. The caller sets probe_at for the next one. */
void pair_ask(struct iceless_pair *, struct mono now, struct probe *);
/* When the next of the first probes is due, after those that were sent. */
struct mono pair_next_probe(const struct iceless_pair *, struct mono now);
/* False: it answers no request of this pair. */
bool pair_answer(struct iceless_pair *, struct mono now, const struct probe *);
/*
 * Whether it has answered at some time, but now its first probes are over and
 * the last one has no answer.
 */
bool pair_is_ignored(const struct iceless_pair *);

/* The rank without round-trip times: the less the better. */
unsigned pair_class(const struct iceless_pair *);
/* Whether the first is the better; both have a round-trip time. */
bool pair_is_better(const struct iceless_pair *, const struct iceless_pair *);
/*
 * Whether a pair that answers is so much better than the primary that it takes
 * its place. The primary may never have answered, if a handshake chose it.
 */
bool pair_outdoes(
    const struct iceless_pair *, const struct iceless_pair *primary);

#endif /* NET_WORKER_CORE_ICELESS_PAIR_H */

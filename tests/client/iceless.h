/*
 * The path agent of the ICE-less mode, as a client has it: the side that
 * initiates (firezone-tunnel(7), ICE-LESS MODE). It knows candidates and
 * pairs, spreads the first initiation, sends and answers probes, and chooses
 * the primary path. No clock, no chance and no sockets of its own: time is
 * handed in, and what is to be done is told to struct iceless_output.
 *
 * Candidates of our own outlive a connection; all else is of one.
 */
#ifndef TESTS_CLIENT_ICELESS_H
#define TESTS_CLIENT_ICELESS_H

#include "common/time.h"
#include "tests/client/ice.h"
#include "tests/client/iceless_line.h"
#include "tests/client/noise.h"
#include "tests/client/probe.h"

#define ICELESS_LOCALS_MAX    16
#define ICELESS_PER_KIND      6 /* remote ones */
#define ICELESS_REMOTES_MAX   (3 * ICELESS_PER_KIND)
#define ICELESS_REFLEXIVE_MAX 4 /* of them, those that only showed up */
#define ICELESS_PAIRS_MAX     (ICELESS_LOCALS_MAX * ICELESS_REMOTES_MAX)
#define ICELESS_PROBES        12 /* of a round, and outstanding ones */

struct iceless_output {
	void *context;
	/* A handshake message as it is. */
	void (*send)(void *context, const struct path *, const void *, size_t);
	/* An inner packet, on the current session. */
	void (*probe)(
	    void *context, const struct path *, const uint8_t *, size_t);
	/* Where all else goes from now on. */
	void (*primary)(void *context, const struct path *, bool relayed);
};

struct iceless_remote {
	struct iceless_candidate candidate;
	bool reflexive; /* not signalled: a datagram came from there */
};

struct iceless_probe {
	bool outstanding;
	uint16_t sequence;
	struct mono sent;
};

struct iceless_pair {
	struct path path;
	enum iceless_kind ours, theirs;
	bool mixed; /* we reach our relay by another family than it has */
	uint16_t id, next_sequence;

	int64_t rtt_ns; /* smoothed, or -1 */
	struct iceless_probe probes[ICELESS_PROBES];
	unsigned count;   /* of probes in this round */
	struct mono next; /* probe, or never: the round is over */

	unsigned copies;       /* of initiations, in the series of the start */
	struct mono next_copy; /* or never: the series is over */
};

struct iceless {
	const struct iceless_output *output;
	struct iceless_candidate locals[ICELESS_LOCALS_MAX];
	size_t n_locals;

	bool running;
	struct iceless_remote remotes[ICELESS_REMOTES_MAX]; /* oldest first */
	size_t n_remotes;
	struct iceless_pair pairs[ICELESS_PAIRS_MAX];
	size_t n_pairs;
	uint16_t next_id;

	bool has_session;
	bool has_primary;
	struct path primary;
	unsigned our_unanswered; /* re-keys in a row */
	unsigned their_barren;   /* initiations without data since */

	bool spreading; /* the initiation, until it is answered */
	uint8_t initiation[NOISE_INITIATION_LEN];

	bool has_accepted; /* an initiation of the peer, and answered it so: */
	uint8_t accepted[NOISE_INITIATION_LEN];
	uint8_t answer[NOISE_RESPONSE_LEN];
	struct mono answered;

	bool has_response; /* the last one that was taken */
	uint8_t response[NOISE_RESPONSE_LEN];
};

void iceless_start(struct iceless *);
void iceless_stop(struct iceless *);

/* False when it is known, or there is no room. */
bool iceless_add_local(
    struct iceless *, const struct iceless_candidate *, struct mono now);
/* All candidates of that address. */
void iceless_remove_local(
    struct iceless *, const struct endpoint *address, struct mono now);
/* The network has changed: no local candidate holds any more. */
void iceless_roam(struct iceless *);
/* The relay has changed: paths are looked for anew, the session stays. */
void iceless_rebuild(struct iceless *, struct mono now);
void iceless_add_remote(
    struct iceless *, const struct iceless_candidate *, struct mono now);
void iceless_remove_remote(
    struct iceless *, const struct iceless_candidate *, struct mono now);

/* An initiation of ours: everywhere until there is a session, then on the
 * primary path. */
void iceless_send_initiation(struct iceless *,
    const uint8_t message[NOISE_INITIATION_LEN], struct mono now);
/* Whether one of the peer is WireGuard's to judge; a copy of one is not. */
bool iceless_initiation_is_new(struct iceless *, const struct path *,
    const uint8_t message[NOISE_INITIATION_LEN], struct mono now);
/* It was accepted: sends the response. */
void iceless_answer_initiation(struct iceless *, const struct path *,
    const uint8_t message[NOISE_INITIATION_LEN],
    const uint8_t response[NOISE_RESPONSE_LEN], struct mono now);
bool iceless_response_is_new(
    const struct iceless *, const uint8_t message[NOISE_RESPONSE_LEN]);
/* The session is there already: probes may follow. */
void iceless_response_accepted(struct iceless *, const struct path *,
    const uint8_t message[NOISE_RESPONSE_LEN], struct mono now);
/* By its header: it need not be decrypted. */
void iceless_data_seen(struct iceless *);
/* An inner packet that came along path; false when it is not a probe. */
bool iceless_packet(struct iceless *, const struct path *, const uint8_t *,
    size_t, struct mono now);

void iceless_timer(struct iceless *, struct mono now);
struct mono iceless_deadline(const struct iceless *);

#endif /* TESTS_CLIENT_ICELESS_H */

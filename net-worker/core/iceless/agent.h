/*
 * The path agent of one connection without ICE (firezone-tunnel(7), ICE-LESS
 * MODE), as a gateway has it, which never begins a first handshake.
 *
 * Sans-IO: candidates, what came and went between the ends, and time go in;
 * requests and the choice of a path are drained. Paths are named by their ends,
 * as in ice/agent.h. Probes travel inside of the tunnel: who holds the session
 * seals them, and answers those of the peer.
 */
#ifndef NET_WORKER_CORE_ICELESS_AGENT_H
#define NET_WORKER_CORE_ICELESS_AGENT_H

#include "common/time.h"
#include "net-worker/core/ice/candidate.h"
#include "net-worker/core/inner/probe.h"
#include "net-worker/core/path.h"

/* Candidates of one kind; the oldest gives way, ours and the peer's alike. */
#define ICELESS_KIND_MAX           6
#define ICELESS_PEER_REFLEXIVE_MAX 4
#define ICELESS_PAIRS_MAX          100

struct iceless_agent;

struct iceless_agent *iceless_agent_new(void);   /* NULL without memory */
void iceless_agent_free(struct iceless_agent *); /* NULL is fine */

/* A local candidate (kind, address, base, via). False: nothing new. */
bool iceless_agent_add_local(
    struct iceless_agent *, struct mono now, const struct candidate *);
/* Matched by kind and address. True: it was there, as copied to removed. */
bool iceless_agent_remove_local(struct iceless_agent *, struct mono now,
    const struct candidate *, struct candidate *removed);
/* From i = 0, kind by kind, the best first; NULL at the end. */
const struct candidate *iceless_agent_get_local(
    const struct iceless_agent *, size_t i);

/* A candidate that the peer has signalled. False: nothing new. */
bool iceless_agent_add_remote(
    struct iceless_agent *, struct mono now, const struct candidate *);
/* Withdrawn by the peer; matched by kind, address and related. */
void iceless_agent_remove_remote(
    struct iceless_agent *, struct mono now, const struct candidate *);

/* Handshake messages: of the peer, accepted, by that path; and of ours. */
void iceless_agent_initiation(
    struct iceless_agent *, struct mono now, const struct path *);
void iceless_agent_response(
    struct iceless_agent *, struct mono now, const struct path *);
void iceless_agent_initiated(struct iceless_agent *, struct mono now);
/* Data came, the first since the peer's last initiation. */
void iceless_agent_heard(struct iceless_agent *);
/* Nothing came by the primary path for 1 s though we have sent there. */
void iceless_agent_unanswered(struct iceless_agent *, struct mono now);
/* No relay is there any more: what leads to it is chosen for want of others. */
void iceless_agent_relay_gone(
    struct iceless_agent *, struct mono now, const struct ip_address *);
/* A probe of the peer, or its answer to one of ours, by that path. */
void iceless_agent_probe(struct iceless_agent *, struct mono now,
    const struct path *, const struct probe *);

struct mono iceless_agent_deadline(const struct iceless_agent *);
void iceless_agent_timeout(struct iceless_agent *, struct mono now);

/* To be drained after every call above. */

/* A request that is to be sent on that path now. */
bool iceless_agent_transmit(
    struct iceless_agent *, struct path *, struct probe *);
/* There is another primary path, with a remote end of that kind. */
bool iceless_agent_event(
    struct iceless_agent *, struct path *, enum candidate_kind *remote);

/*
 * The peer is to be told that it does not reach us at that base, or that it may
 * try again.
 */
bool iceless_agent_base(
    struct iceless_agent *, struct endpoint *base, bool *withdrawn);

#endif /* NET_WORKER_CORE_ICELESS_AGENT_H */

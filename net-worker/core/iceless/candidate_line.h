/*
 * Candidate lines without ICE (firezone-tunnel(7), Candidates without ICE):
 * they name the real base of a candidate, and no user name.
 */
#ifndef NET_WORKER_CORE_ICELESS_CANDIDATE_LINE_H
#define NET_WORKER_CORE_ICELESS_CANDIDATE_LINE_H

#include "net-worker/core/ice/candidate.h"

/* Prints a local candidate; returns to. */
const char *iceless_candidate_format(
    const struct candidate *, char to[CANDIDATE_LINE_MAX]);
/*
 * Parses a remote line, and sets related where there is a base. False when it
 * is refused, also for an address that may be no candidate.
 */
bool iceless_candidate_parse(const char *line, struct candidate *);

#endif /* NET_WORKER_CORE_ICELESS_CANDIDATE_LINE_H */

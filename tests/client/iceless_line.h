/*
 * Candidates of the ICE-less mode and their lines, which name real bases
 * (firezone-tunnel(7), Candidates without ICE).
 */
#ifndef TESTS_CLIENT_ICELESS_LINE_H
#define TESTS_CLIENT_ICELESS_LINE_H

#include <stdbool.h>

#include "common/address.h"

#define ICELESS_LINE_SIZE 256

/* In the order of their rank. */
enum iceless_kind { ICELESS_HOST, ICELESS_SRFLX, ICELESS_RELAY };

struct iceless_candidate {
	enum iceless_kind kind;
	struct endpoint address;
	/* Of srflx and relay the socket behind it; of host the address. */
	struct endpoint base;
};

bool iceless_candidate_equal(
    const struct iceless_candidate *, const struct iceless_candidate *);
void iceless_line_format(
    const struct iceless_candidate *, char to[ICELESS_LINE_SIZE]);
/* False for everything that a peer of this mode does not send. */
bool iceless_line_parse(const char *, struct iceless_candidate *);

#endif /* TESTS_CLIENT_ICELESS_LINE_H */

/*
 * ICE candidates, their priorities and their text on the wire
 * (firezone-tunnel(7), Candidate lines and Candidate priorities).
 */
#ifndef NET_WORKER_CORE_ICE_CANDIDATE_H
#define NET_WORKER_CORE_ICE_CANDIDATE_H

#include "common/address.h"

#define CANDIDATE_LINE_MAX 256 /* what we print; longer input is refused */

enum candidate_kind {
	CANDIDATE_HOST = 1,
	CANDIDATE_PEER_REFLEXIVE,
	CANDIDATE_SERVER_REFLEXIVE,
	CANDIDATE_RELAYED,
};

struct candidate {
	enum candidate_kind kind;
	struct endpoint address;
	/*
	 * Where packets leave from: the socket for host and reflexive ones, the
	 * allocated address itself for relayed ones. Local candidates only.
	 */
	struct endpoint base;
	/* The local socket address that reaches the relay; relayed ones only.
	 */
	struct endpoint via;
	/* raddr and rport of a remote line; IP_NONE when they were absent. */
	struct endpoint related;
	uint32_t priority;
};

/*
 * Whether the address may be a candidate at all (firezone-tunnel(7), Address
 * rules).
 */
bool candidate_address_ok(const struct endpoint *);

uint16_t candidate_local_preference(enum candidate_kind, enum ip_family address,
    enum ip_family via, unsigned added_before);
uint32_t candidate_priority(enum candidate_kind, uint16_t local_preference);

/*
 * Prints a local candidate as the classic mode wants it; ufrag NULL leaves it
 * out, as in withdrawals. Returns to.
 */
const char *candidate_format(
    const struct candidate *, const char *ufrag, char to[CANDIDATE_LINE_MAX]);

enum candidate_parse_result {
	CANDIDATE_OK,
	CANDIDATE_MALFORMED,  /* to be counted, ignored */
	CANDIDATE_NOT_FOR_US, /* component, ufrag or transport: ignored */
};

/*
 * Parses a remote line; ufrag is the remote's user name, NULL: it has none, and
 * what the line says of it does not matter. Sets related, and leaves it to the
 * agent whether the address is acceptable. What is not for us has decoded all
 * the same (the candidate deadline of firezone-tunnel(7), Agent states).
 */
enum candidate_parse_result candidate_parse(
    const char *line, const char *ufrag, struct candidate *);

#endif /* NET_WORKER_CORE_ICE_CANDIDATE_H */

/*
 * The NAT of DNS resources as a list of sessions: firezone-policy(7), NAT. What
 * has ended is moved to the list of ended ones before anything else is looked
 * at.
 */
#ifndef TESTS_MODEL_MODEL_NAT_H
#define TESTS_MODEL_MODEL_NAT_H

#include "common/time.h"
#include "tests/model/model_packet.h"

#define MODEL_SESSIONS_MAX 16384
#define MODEL_ENDED_MAX    4096

struct model_session {
	uint8_t protocol;
	uint16_t inside;
	struct ip_address proxy;
	uint8_t outside_protocol; /* the echo of each family is one */
	uint16_t outside;
	struct ip_address real;
	struct mono last_out, last_in;
	bool confirmed, fin_out, fin_in, rst;
	uint64_t order; /* of what was at the same time */
};

struct model_ended {
	uint8_t protocol;
	uint16_t outside;
	struct ip_address real;
	struct mono end;
};

struct model_nat {
	struct model_session sessions[MODEL_SESSIONS_MAX];
	size_t count;
	uint64_t order;
	unsigned long gave_way; /* sessions, to others */
	struct model_ended ended[MODEL_ENDED_MAX + 1];
	size_t ended_count;
};

void model_nat_forget(struct model_nat *);
/* Sessions that cross end now. */
void model_nat_end_crossing(struct model_nat *, struct mono now);
/* Sessions whose time has come, and ended ones that are too old. */
void model_nat_settle(struct model_nat *, struct mono now);
struct mono model_session_end(const struct model_session *);

enum model_nat_result {
	MODEL_NAT_NONE,
	MODEL_NAT_FOUND,
	MODEL_NAT_ENDED,
	MODEL_NAT_EXHAUSTED,
};

/* The session of a packet to a proxy address, or a new one. tcp: the flags. */
enum model_nat_result model_nat_outbound(struct model_nat *, struct mono now,
    const struct model_packet *, uint8_t tcp, const struct ip_address *real,
    struct model_session **, bool *made);
/* Of a packet from a real address, or of one that was sent there and quoted. */
enum model_nat_result model_nat_inbound(struct model_nat *, struct mono now,
    const struct model_packet *, uint8_t tcp, bool quoted,
    struct model_session **);

#endif /* TESTS_MODEL_MODEL_NAT_H */

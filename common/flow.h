/*
 * What a report about a flow says of the way its packets took:
 * firezone-policy(7), Flows ("outer path").
 */
#ifndef COMMON_FLOW_H
#define COMMON_FLOW_H

#include <stdint.h>

#include "common/address.h"
#include "common/bounds.h"

/* The datagram that showed the path: where from, at which address of ours. */
struct flow_path {
	struct endpoint from; /* the client or a relay; IP_NONE: not known */
	struct endpoint local;
	uint64_t at; /* unix nanoseconds */
};

#endif /* COMMON_FLOW_H */

/*
 * What one client may reach, compiled for the packet path: immutable, made by
 * the engine (policy/client.h) whenever a grant changes, owned by the client's
 * shard until the next one replaces it. spec/policy.md 2.2, 3, 4, 5.
 */
#ifndef NET_WORKER_CORE_POLICY_POLICY_H
#define NET_WORKER_CORE_POLICY_POLICY_H

#include "common/filter.h"
#include "common/uuid.h"
#include "net-worker/core/packet.h"

/* Zero is a refusal, so that what was never decided does not pass. */
enum verdict {
	VERDICT_DROP,        /* silently */
	VERDICT_PROHIBITED,  /* answer with ICMP prohibited */
	VERDICT_UNREACHABLE, /* answer with ICMP network unreachable */
	VERDICT_PASS,
};

/* Why a packet did not pass; each has a counter. */
enum policy_reason {
	REASON_NONE,
	REASON_MULTICAST,      /* outbound, silent */
	REASON_ICMP_ERROR,     /* outbound ICMP error */
	REASON_SOURCE,         /* not one of the client's addresses */
	REASON_SOURCE_ROUTE,   /* would go on to where nobody judged it */
	REASON_GATEWAY,        /* our own address, not DNS or echo */
	REASON_TUNNEL_RANGE,   /* client to client */
	REASON_NO_ROUTE,       /* no resource covers the address */
	REASON_FILTER,         /* covered, but every filter rejects it */
	REASON_REJECTED_RANGE, /* Internet resource, private range */
	REASON_NO_TRANSLATION, /* proxy address without a translation */
	REASON_NOT_A_PEER,     /* inbound: destination is not this client */
	REASON_INBOUND_KIND,   /* inbound: cannot be evaluated */
	REASON_COUNT,
};

struct policy_decision {
	enum verdict verdict;
	enum policy_reason reason;
	struct uuid resource; /* of PASS through a resource; else all zero */
};

struct policy;

/* Client to resource. The packet has been parsed; 3, steps 2 and 6 to 12. */
struct policy_decision policy_outbound(
    const struct policy *, const struct packet *);
/* Resource to client; 4, steps 2 and 4 to 8. */
struct policy_decision policy_inbound(
    const struct policy *, const struct packet *);

void policy_free(struct policy *); /* NULL is fine */
const char *policy_reason_name(enum policy_reason);

#endif /* NET_WORKER_CORE_POLICY_POLICY_H */

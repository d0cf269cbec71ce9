/*
 * What becomes of one packet of one client: the policy that is in force
 * (policy.h, immutable), the NAT of its names (nat.h, with a memory) and a
 * limit on the answers it gets, put together. firezone-policy(7), Steps
 * outbound and Steps inbound.
 */
#ifndef NET_WORKER_CORE_POLICY_GATE_H
#define NET_WORKER_CORE_POLICY_GATE_H

#include "common/bucket.h"
#include "common/time.h"
#include "net-worker/core/inner/nat.h"
#include "net-worker/core/inner/translate.h"
#include "net-worker/core/policy/policy.h"

/*
 * ICMP answers that a client gets: a bucket of this many, of which one comes
 * back in each interval. An answer is given when the bucket holds a whole one.
 */
#define GATE_ICMP_BURST       100
#define GATE_ICMP_INTERVAL_MS 10

struct gate {
	struct policy *policy;
	struct nat *nat; /* NULL before there is a name */
	struct bucket icmp;
};

enum gate_verdict {
	GATE_DROP,
	GATE_ANSWER, /* send data back to where the packet came from */
	GATE_PASS,   /* data goes on: to the TUN, or to the client */
};

struct gate_result {
	enum gate_verdict verdict;
	enum policy_reason reason; /* NONE: it passes */
	bool answer_limited; /* dropped, where there should be an answer */
	/* Dropped as the rest of a closed connection: nobody was denied. */
	bool is_rest;
	struct policy_decision decision; /* what the policy said */
	uint8_t *data;
	size_t length;
	/* Passed in two fragments, the second one; else its length is 0. */
	uint8_t *rest;
	size_t rest_length;
};

/* What is made of a packet, and what is cut off from it. */
#define GATE_SCRATCH (TRANSLATE_WHOLE_MAX + TRANSLATE_REST_MAX)

/*
 * From now on this policy; the one before is the caller's to free. A session of
 * NAT does not outlive what its proxy address stands for: the client may give
 * the address to another name next, which other rules apply to.
 */
struct policy *gate_enforce(struct gate *, struct mono now, struct policy *);

/*
 * Client to resource. Source checks, routes, filters, then NAT: the packet may
 * be rewritten in place, and translated between IPv4 and IPv6 in its headroom
 * and tailroom, in two fragments if it must. An answer, or the second of them,
 * is made in scratch, of GATE_SCRATCH bytes.
 */
struct gate_result gate_outbound(
    struct gate *, struct mono now, struct packet *, uint8_t *scratch);
/*
 * What would become of it, for an operator who wants to know; nothing changes.
 * Its address, kind and ports are enough. Only whether NAT has room for one
 * more session is not asked.
 */
struct gate_result gate_try_outbound(
    const struct gate *, const struct packet *);
/*
 * Resource to client, an ICMP error rebuilt in scratch, and so a packet that
 * becomes one of IPv6. There is an answer only to one that is too long for that
 * and must not be cut.
 */
struct gate_result gate_inbound(
    struct gate *, struct mono now, struct packet *, uint8_t *scratch);

#endif /* NET_WORKER_CORE_POLICY_GATE_H */

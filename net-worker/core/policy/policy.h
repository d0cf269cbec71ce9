/*
 * What one client may reach, compiled for the packet path: immutable, made by
 * the engine (policy/grants.h) whenever a grant changes, owned by the client's
 * shard until the next one replaces it. firezone-policy(7), RULES, Steps
 * outbound and Steps inbound.
 */
#ifndef NET_WORKER_CORE_POLICY_POLICY_H
#define NET_WORKER_CORE_POLICY_POLICY_H

#include "common/filter.h"
#include "common/reason.h"
#include "common/uuid.h"
#include "net-worker/core/inner/packet.h"

/* Zero is a refusal, so that what was never decided does not pass. */
enum verdict {
	VERDICT_DROP,        /* silently */
	VERDICT_PROHIBITED,  /* answer with ICMP prohibited */
	VERDICT_UNREACHABLE, /* answer with ICMP network unreachable */
	VERDICT_PASS,
};

struct rules;

struct policy_decision {
	enum verdict verdict;
	enum policy_reason reason;
	struct uuid resource; /* of PASS through a resource; else all zero */
	uint8_t meter;        /* of that resource (counters.h) */
	/* Of the grant that let it pass, in the policy; NULL: no flow logs. */
	const struct uuid *flow_authorization;
	/* Of PASS through a resource, in the policy: its rules. */
	const struct rules *through;
	/* Of a refusal by filter, or as withdrawn: the resource that it was. */
	const struct uuid *refused_by;
	/* Of a proxy address, outbound: what it stands for. */
	bool translate;
	struct ip_address real;
	const char *domain; /* in the policy; else NULL */
	uint16_t name;      /* its number */
	bool unresolved;    /* refused: the name, of that number, has none */
};

struct policy;

/* A network that a resource has, and whether the resource permits a packet. */
struct policy_route {
	struct uuid resource;
	struct ip_prefix network;
	bool permits;
};

/* Client to resource. The packet has been parsed: steps 3 and 5 to 11. */
struct policy_decision policy_outbound(
    const struct policy *, const struct packet *);
/*
 * For an operator, who wants to know why: the first max of the routes to where
 * the client's packet goes, in the order of Selection, of which the first one
 * that permits carries it. How many there are; none where routes do not matter.
 */
size_t policy_explain(const struct policy *, const struct packet *,
    struct policy_route *, size_t max);
/*
 * Resource to client, in two steps with NAT between them. First steps 2, 3 and
 * the kinds of step 4: PASS lets NAT look at it. Then, of what NAT left, 5 to
 * 8; translated: the source has become a proxy address. Of our own address the
 * client gets answers alone, unless the host is exposed to it, and of anybody
 * only errors about what it may have sent.
 */
struct policy_decision policy_arrival(
    const struct policy *, const struct packet *);
struct policy_decision policy_inbound(
    const struct policy *, const struct packet *, bool translated);
/* Whether what has no route is dropped without an answer. */
bool policy_is_silent(const struct policy *);
/* Whether the packet comes from our own address. */
bool policy_is_own(const struct policy *, const struct ip_address *);
/*
 * Whether a session from the proxy address to the real one may go on: it stands
 * for a name at all and, if the name has moved, for that address, and it may be
 * reached over this family.
 */
bool policy_has_proxy(const struct policy *, const struct ip_address *proxy,
    const struct ip_address *real, bool moved);

void policy_free(struct policy *); /* NULL is fine */

#endif /* NET_WORKER_CORE_POLICY_POLICY_H */

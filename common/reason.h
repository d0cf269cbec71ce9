/*
 * Why an inner packet did not pass; each reason has a counter (counters.h).
 * The rules are those of firezone-policy(7), Steps outbound and Steps inbound.
 */
#ifndef COMMON_REASON_H
#define COMMON_REASON_H

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
	REASON_NAT_KIND,       /* outbound: cannot be translated */
	REASON_NAT_EXHAUSTED,  /* no free port, too many sessions */
	REASON_NAT_EXPIRED,    /* inbound: its session is over */
	REASON_NAT_TOO_LONG,   /* between IPv4 and IPv6: it would not fit */
	REASON_WITHDRAWN,      /* its servers do not answer (--withdraw) */
	REASON_COUNT,
};

/* A few words; "unknown" for what is none. */
const char *policy_reason_name(enum policy_reason);

#endif /* COMMON_REASON_H */

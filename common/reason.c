/* The names of the reasons: see reason.h. */
#include "common/reason.h"

#include <stddef.h>

const char *
policy_reason_name(enum policy_reason reason)
{
	static const char *const names[REASON_COUNT] = {
		[REASON_NONE] = "none",
		[REASON_MULTICAST] = "multicast",
		[REASON_ICMP_ERROR] = "outbound ICMP error",
		[REASON_SOURCE] = "foreign source address",
		[REASON_SOURCE_ROUTE] = "source route",
		[REASON_GATEWAY] = "service of the gateway itself",
		[REASON_TUNNEL_RANGE] = "client to client",
		[REASON_NO_ROUTE] = "no resource",
		[REASON_FILTER] = "filter",
		[REASON_REJECTED_RANGE] = "not part of the Internet",
		[REASON_NO_TRANSLATION] = "no translation",
		[REASON_NOT_A_PEER] = "not a peer",
		[REASON_INBOUND_KIND] = "unexpected kind of packet",
		[REASON_NAT_KIND] = "kind of packet that has no NAT",
		[REASON_NAT_EXHAUSTED] = "NAT exhausted",
		[REASON_NAT_EXPIRED] = "NAT session expired",
		[REASON_NAT_TOO_LONG] = "too long for the other family",
		[REASON_WITHDRAWN] = "withdrawn",
	};

	return (size_t)reason < REASON_COUNT ? names[reason] : "unknown";
}

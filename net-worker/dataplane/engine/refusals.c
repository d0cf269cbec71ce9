/* What did not pass, for the log of an operator who wants to know. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "net-worker/dataplane/engine/engine.h"

static const char *
protocol_name(uint8_t protocol, char to[8])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		snprintf(to, 8, "ip-%u", protocol);
		return to;
	}
}

/* Ports where there are any. */
static const char *
end_text(uint8_t protocol, const struct endpoint *e, char to[ENDPOINT_TEXT_MAX])
{
	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
		return endpoint_format(e, to);
	return ip_format(&e->ip, to);
}

void
engine_shard_refusal(const struct shard_refusal *r)
{
	static const struct uuid none;
	char client[UUID_TEXT_LEN + 1], resource[UUID_TEXT_LEN + 1],
	    source[ENDPOINT_TEXT_MAX], destination[ENDPOINT_TEXT_MAX],
	    protocol[8];
	bool named = !uuid_equal(&r->resource, &none);

	log_info("denied: %s client %s: %s %s to %s: %s%s%s",
	    r->outbound ? "from" : "to", uuid_format(&r->client, client),
	    protocol_name(r->protocol, protocol),
	    end_text(r->protocol, &r->source, source),
	    end_text(r->protocol, &r->destination, destination),
	    policy_reason_name(r->reason), named ? " of resource " : "",
	    named ? uuid_format(&r->resource, resource) : "");
}

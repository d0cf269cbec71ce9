/* Which resources are withdrawn: see probed.h. */
#include "net-worker/core/policy/probed.h"

static bool
contains_server(
    const struct ip_prefix *network, const struct ip_address *ips, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(network, &ips[i]))
			return true;
	return false;
}

bool
probed_withdraws(const struct probed *p, const struct ip_prefix *network)
{
	return contains_server(network, p->silent, p->silent_count) &&
	    !contains_server(network, p->answering, p->answering_count);
}

bool
probed_withdraws_host(const struct probed *p, const struct ip_address *ip)
{
	const struct ip_prefix host = { *ip, (uint8_t)(ip_size(ip) * 8) };

	return ip->family != IP_NONE && probed_withdraws(p, &host);
}

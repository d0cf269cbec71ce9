/* The ranges of plan.h as values. */
#include "common/plan.h"

const struct ip_prefix tunnel_range_v4 = { { IP_V4, { 100, 64 } }, 11 };
const struct ip_prefix tunnel_range_v6 = {
	{ IP_V6, { 0xfd, 0x00, 0x20, 0x21, 0x11, 0x11 } }, 107
};
const struct ip_prefix proxy_range_v4 = { { IP_V4, { 100, 96 } }, 11 };
const struct ip_prefix proxy_range_v6 = {
	{ IP_V6, { 0xfd, 0x00, 0x20, 0x21, 0x11, 0x11, 0x80, 0x00 } }, 107
};

bool
ip_in_tunnel_range(const struct ip_address *ip)
{
	return prefix_contains(
	    ip->family == IP_V4 ? &tunnel_range_v4 : &tunnel_range_v6, ip);
}

bool
ip_in_proxy_range(const struct ip_address *ip)
{
	return prefix_contains(
	    ip->family == IP_V4 ? &proxy_range_v4 : &proxy_range_v6, ip);
}

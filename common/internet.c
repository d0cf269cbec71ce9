/* What is the Internet: see internet.h. */
#include "common/internet.h"

#include <string.h>

const struct ip_prefix not_internet[] = {
	{ { IP_V4, { 10 } }, 8 },
	{ { IP_V4, { 172, 16 } }, 12 },
	{ { IP_V4, { 192, 168 } }, 16 },
	{ { IP_V4, { 127 } }, 8 },
	{ { IP_V4, { 169, 254 } }, 16 },
	{ { IP_V4, { 100, 64 } }, 10 },
	{ { IP_V4, { 224 } }, 4 },
	{ { IP_V4, { 240 } }, 4 },
	{ { IP_V6, { [15] = 1 } }, 128 },
	{ { IP_V6, { [10] = 0xff, [11] = 0xff } }, 96 },
	{ { IP_V6, { 0xfc } }, 7 },
	{ { IP_V6, { 0xfe, 0x80 } }, 10 },
	/* Site-local: deprecated by RFC 3879, but routed where it is in use. */
	{ { IP_V6, { 0xfe, 0xc0 } }, 10 },
	{ { IP_V6, { 0xff } }, 8 },
	/* A translator of the network's own: RFC 8215. */
	{ { IP_V6, { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 } }, 48 },
	{ { IP_NONE, { 0 } }, 0 },
};

static const struct ip_prefix well_known = {
	{ IP_V6, { 0x00, 0x64, 0xff, 0x9b } }, 96
};

struct ip_address
internet_behind_nat64(const struct ip_address *ip)
{
	struct ip_address v4 = { .family = IP_V4 };

	if (!prefix_contains(&well_known, ip))
		return *ip;
	memcpy(v4.bytes, ip->bytes + 12, 4);
	return v4;
}

struct ip_prefix
internet_before_nat64(const struct ip_prefix *v4)
{
	struct ip_prefix p = well_known;

	memcpy(p.ip.bytes + 12, v4->ip.bytes, 4);
	p.length = (uint8_t)(p.length + v4->length);
	return p;
}

bool
ip_is_internet(const struct ip_address *ip)
{
	struct ip_address reached = internet_behind_nat64(ip);

	for (const struct ip_prefix *p = not_internet;
	     p->ip.family != IP_NONE; p++)
		if (prefix_contains(p, &reached))
			return false;
	return true;
}

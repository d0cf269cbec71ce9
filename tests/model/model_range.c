/* The ranges of the model: see model_range.h. */
#include "tests/model/model_range.h"

#include <string.h>

/* 1.1 */
const struct model_range model_tunnel[] = {
	{ 11, IP_V4, { 100, 64 } },
	{ 107, IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } },
	{ 0 },
};
const struct model_range model_proxies[] = {
	{ 11, IP_V4, { 100, 96 } },
	{ 107, IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80 } },
	{ 0 },
};
const struct model_range model_multicast[] = {
	{ 4, IP_V4, { 224 } },
	{ 8, IP_V6, { 0xff } },
	{ 0 },
};
/* 5.5 */
const struct model_range model_rejected[] = {
	{ 8, IP_V4, { 10 } },
	{ 12, IP_V4, { 172, 16 } },
	{ 16, IP_V4, { 192, 168 } },
	{ 8, IP_V4, { 127 } },
	{ 16, IP_V4, { 169, 254 } },
	{ 10, IP_V4, { 100, 64 } },
	{ 4, IP_V4, { 224 } },
	{ 4, IP_V4, { 240 } },
	{ 128, IP_V6, { [15] = 1 } },
	{ 96, IP_V6, { [10] = 0xff, [11] = 0xff } },
	{ 7, IP_V6, { 0xfc } },
	{ 9, IP_V6, { 0xfe, 0x80 } },
	{ 8, IP_V6, { 0xff } },
	/* The same of IPv4, through NAT64; and NAT64 of one's own. */
	{ 104, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 10 } },
	{ 108, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 172, 16 } },
	{ 112, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 192, 168 } },
	{ 104, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 127 } },
	{ 112, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 169, 254 } },
	{ 106, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 100, 64 } },
	{ 100, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 224 } },
	{ 100, IP_V6, { 0, 0x64, 0xff, 0x9b, [12] = 240 } },
	{ 48, IP_V6, { 0, 0x64, 0xff, 0x9b, 0, 1 } },
	{ 0 },
};
/* 6.4, the second HARDEN */
const struct model_range model_unusable[] = {
	{ 8, IP_V4, { 127 } },
	{ 16, IP_V4, { 169, 254 } },
	{ 4, IP_V4, { 224 } },
	{ 32, IP_V4, { 255, 255, 255, 255 } },
	{ 32, IP_V4, { 0 } },
	{ 11, IP_V4, { 100, 64 } },
	{ 11, IP_V4, { 100, 96 } },
	{ 128, IP_V6, { 0 } },
	{ 128, IP_V6, { [15] = 1 } },
	{ 96, IP_V6, { [10] = 0xff, [11] = 0xff } },
	{ 10, IP_V6, { 0xfe, 0x80 } },
	{ 8, IP_V6, { 0xff } },
	{ 107, IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11 } },
	{ 107, IP_V6, { 0xfd, 0, 0x20, 0x21, 0x11, 0x11, 0x80 } },
	{ 0 },
};

bool
model_covers(uint8_t family, const uint8_t *network, unsigned bits,
    const struct ip_address *a)
{
	if (family != a->family)
		return false;
	for (unsigned i = 0; i < bits; i++) {
		unsigned mask = 0x80u >> i % 8;

		if ((network[i / 8] & mask) != (a->bytes[i / 8] & mask))
			return false;
	}
	return true;
}

bool
model_within(const struct model_range *list, const struct ip_address *a)
{
	for (; list->family != 0; list++)
		if (model_covers(list->family, list->bytes, list->bits, a))
			return true;
	return false;
}

bool
model_same(const struct ip_address *a, const struct ip_address *b)
{
	return a->family != IP_NONE && a->family == b->family &&
	    memcmp(a->bytes, b->bytes, 16) == 0;
}

bool
model_one_of(const struct ip_address two[2], const struct ip_address *a)
{
	return model_same(&two[0], a) || model_same(&two[1], a);
}

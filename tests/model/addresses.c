/* Addresses and ports that packets, grants and names are made of: world.h. */
#include <stdlib.h>

#include "tests/model/world.h"

struct ip_address
world_address(const char *text)
{
	struct ip_address a;

	if (!ip_parse(text, &a))
		abort();
	return a;
}

/* Addresses, crowded so that networks nest and neighbour. */

static const char *const networks_v4[] = { "10.0.0.0", "10.0.0.0", "10.0.1.0",
	"10.0.0.128", "10.0.0.5", "192.0.2.0", "100.96.0.0", "100.64.0.0",
	"172.16.0.0" };
static const char *const networks_v6[] = { "2001:db8::", "2001:db8::",
	"2001:db8:0:1::", "2001:db8::80", "2001:db8::5",
	"fd00:1::", "fd00:2021:1111:8000::", "fd00:2021:1111::", "fc00::" };
/* The hosts that names stand for, and some that no name may mean. */
static const char *const servers_v4[] = { "10.0.0.5", "10.0.0.6", "10.0.0.7",
	"10.0.0.200", "192.0.2.1", "192.0.2.2", "198.51.100.1" };
static const char *const servers_v6[] = { "2001:db8::5", "2001:db8::6",
	"2001:db8::80", "2001:db8:0:1::1", "fd00:1::7", "2606:4700::1111" };
static const char *const unusable[] = { "127.0.0.1", "169.254.169.254",
	"224.0.0.1", "255.255.255.255", "0.0.0.0", "100.64.0.9", "100.96.0.9",
	"::1", "fe80::1", "ff02::1", "::", "::ffff:10.0.0.5",
	"fd00:2021:1111::9", "fd00:2021:1111:8000::9", "100.95.255.255",
	"100.127.255.255", "169.254.0.0", "127.255.255.255", "febf::1",
	"239.255.255.255", "::ffff:0:0" };
/* Just outside of those ranges. */
static const char *const usable[] = { "126.255.255.255", "128.0.0.0",
	"169.253.255.255", "169.255.0.0", "223.255.255.255", "240.0.0.1",
	"255.255.255.254", "100.63.255.255", "100.128.0.0", "::2", "fec0::1",
	"fe7f::1", "feff::1", "::fffe:ffff:ffff", "::1:0:0:0",
	"fd00:2021:1111::20:0", "fd00:2021:1110:ffff:ffff:ffff:ffff:ffff",
	"fd00:2021:1111:8000::20:0" };
static const char *const publics_v4[] = { "1.1.1.1", "9.255.255.255",
	"11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
	"192.169.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
	"169.255.0.0", "100.63.255.255", "100.128.0.0", "223.255.255.255",
	"0.0.0.1", "100.64.0.0", "100.95.255.255", "100.96.0.0",
	"100.127.255.255", "10.0.0.0", "10.255.255.255", "172.16.0.0",
	"172.31.255.255", "192.168.0.0", "192.168.255.255", "127.0.0.0",
	"127.255.255.255", "169.254.0.0", "169.254.255.255", "224.0.0.0",
	"239.255.255.255", "240.0.0.0", "255.255.255.255" };
static const char *const publics_v6[] = { "2606:4700::1111", "::", "::2",
	"::fffe:ffff:ffff", "::1:0:0:0", "64:ff9b::1", "fbff::1", "fe00::1",
	"fe7f::1", "fec0::1", "fefe::1", "64:ff9b::9.255.255.255",
	"64:ff9b::10.0.0.0", "64:ff9b::192.168.255.255", "64:ff9b::11.0.0.0",
	"64:ff9b:1::1", "fd00:2021:1111::1f:ffff", "fd00:2021:1111::20:0",
	"fd00:2021:1111:8000::", "fd00:2021:1111:8000::1f:ffff",
	"fd00:2021:1111:8000::20:0", "::1", "::ffff:0:0",
	"::ffff:255.255.255.255", "fc00::", "fdff::1", "fe80::", "febf::1",
	"ff00::", "ffff::1", "feff::1" };

struct ip_address
world_public_address(struct world *w, bool v6)
{
	struct dice *d = &w->dice;
	struct ip_address a =
	    world_address(v6 ? PICK(d, publics_v6) : PICK(d, publics_v4));
	uint8_t *byte = &a.bytes[roll(d, v6 ? 16 : 4)];

	/* On the wrong side of it. */
	if (percent(d, 30))
		*byte =
		    (uint8_t)(percent(d, 30) ? 0 : *byte + 1 - 2 * roll(d, 2));
	return a;
}

struct ip_address
world_server_address(struct world *w)
{
	if (percent(&w->dice, 8))
		return world_address(PICK(&w->dice, unusable));
	if (percent(&w->dice, 4))
		return world_address(PICK(&w->dice, usable));
	return world_address(roll(&w->dice, 2) ? PICK(&w->dice, servers_v4)
					       : PICK(&w->dice, servers_v6));
}

struct ip_address
world_proxy(struct world *w, size_t name, bool v6, size_t i)
{
	struct ip_address a =
	    world_address(v6 ? "fd00:2021:1111:8000::" : "100.96.0.0");

	(void)w;
	a.bytes[v6 ? 15 : 3] = (uint8_t)(name * WORLD_PROXIES + i);
	/* The last name has the last addresses of the range. */
	if (name == WORLD_NAMES - 1) {
		a.bytes[v6 ? 15 : 3] = (uint8_t)(255 - i);
		a.bytes[v6 ? 14 : 2] = 255;
		a.bytes[v6 ? 13 : 1] |= 31;
	}
	return a;
}

void
world_flip(struct ip_address *a, uint32_t bit)
{
	a->bytes[bit / 8] ^= (uint8_t)(0x80u >> bit % 8);
}

/* At an edge of a network that is granted, on either side of it. */
static bool
edge(struct world *w, bool v6, struct ip_address *a)
{
	struct dice *d = &w->dice;
	const struct model *m = w->model;
	const struct model_grant *g;
	const struct ip_prefix *p;
	uint32_t host;

	if (m->grant_count == 0)
		return false;
	g = &m->grants[roll(d, (uint32_t)m->grant_count)];
	p = &g->network;
	if (g->type != RESOURCE_CIDR || p->ip.family != (v6 ? IP_V6 : IP_V4))
		return false;
	*a = p->ip;
	host = roll(d, 4); /* bits: none, all, any, or the first one */
	for (uint32_t bit = p->length; bit < (v6 ? 128 : 32); bit++)
		if (host == 1 || (host == 2 && percent(d, 50)) ||
		    (host == 3 && bit == p->length))
			world_flip(a, bit);
	if (p->length > 0 && percent(d, 15))
		world_flip(a, p->length - 1u);
	return true;
}

struct ip_address
world_resource_address(struct world *w, bool v6)
{
	struct dice *d = &w->dice;
	uint32_t bits = v6 ? 128 : 32;
	struct ip_address a;

	if (percent(d, 30) && edge(w, v6, &a))
		return a;
	if (percent(d, 40))
		return world_address(
		    v6 ? PICK(d, servers_v6) : PICK(d, servers_v4));
	a = world_address(v6 ? PICK(d, networks_v6) : PICK(d, networks_v4));
	for (uint32_t n = roll(d, 4); n > 0; n--)
		world_flip(
		    &a, percent(d, 20) ? roll(d, bits) : bits - 1 - roll(d, 9));
	return a;
}

struct ip_prefix
world_network(struct world *w)
{
	struct dice *d = &w->dice;
	bool v6 = percent(d, 35);
	uint32_t bits = v6 ? 128 : 32;
	struct ip_prefix p = { world_address(v6 ? PICK(d, networks_v6)
						: PICK(d, networks_v4)),
		0 };

	switch (roll(d, 8)) {
	case 0:
		p.length = (uint8_t)roll(d, bits + 1);
		break;
	case 1:
		p.length = (uint8_t)(8 * roll(d, bits / 8 + 1));
		break;
	case 2:
		p.length = (uint8_t)bits;
		p.ip = world_resource_address(w, v6);
		break;
	case 3:
		p.length = (uint8_t)(bits / 2 + 2 - roll(d, 5));
		break;
	default:
		p.length = (uint8_t)(bits - roll(d, 10));
		break;
	}
	for (uint32_t bit = p.length; bit < bits; bit++)
		p.ip.bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return p;
}

uint16_t
world_port(struct world *w)
{
	static const uint16_t ports[] = { 0, 1, 2, 53, 79, 80, 80, 80, 81, 82,
		443, 443, 1000, 1001, 53534, 53535, 53535, 53536, 65534,
		65535 };

	if (percent(&w->dice, 5))
		return (uint16_t)roll(&w->dice, 65536);
	return PICK(&w->dice, ports);
}

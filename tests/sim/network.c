/*
 * Sites, and the Internet between them. The gateway and each device is at a
 * site, which has IPv4 (public, or private behind a NAT), IPv6 or both; relays
 * and a stranger have public addresses of both families. Whoever roams goes on
 * to another of its sites, and what was sent to the old one is lost.
 *
 * A firewall may let the gateway reach nothing but relays.
 *
 * Between each two nodes datagrams are lost, doubled and late as the quality
 * says; jitter reorders them. One of the two may not hear the other at all. A
 * datagram knows who really sent it.
 */
#include <string.h>

#include "common/buffer.h"
#include "tests/sim/sim.h"

#define UDP_PORT  52625
#define TURN_PORT 3478

struct site {
	bool has[2]; /* IPv4, IPv6 */
	bool has_nat;
	uint8_t public; /* of 198.51.x.1, where the NAT is */
	struct nat_box nat;
};

static struct {
	struct site sites[SITES];
	unsigned at[1 + DEVICES]; /* the site of gateway and devices */
	struct quality quality[NODES][NODES];
	uint8_t next_public;
	uint8_t machine[RELAYS]; /* of so many that were that relay */
	bool away[NODES];
	bool walled; /* the gateway reaches relays only */
} network;

static bool
has_site(unsigned node)
{
	return node <= DEVICE(DEVICES - 1);
}

static struct site *
site_of(unsigned node)
{
	return &network.sites[network.at[node]];
}

static struct ip_address
public_v4(unsigned site)
{
	return ip_v4(198, 51, network.sites[site].public, 1);
}

static struct ip_address
inside_v4(unsigned site)
{
	return network.sites[site].has_nat ? ip_v4(10, (uint8_t)site, 0, 4)
					   : public_v4(site);
}

static struct ip_address
v6_of(uint8_t kind, uint8_t number)
{
	const uint8_t bytes[16] = { 0x20, 0x01, 0x0d, 0xb8, 0, 0, kind, number,
		0, 0, 0, 0, 0, 0, 0, 2 };

	return ip_from_bytes(IP_V6, bytes);
}

static struct endpoint
relay_address(unsigned r, uint8_t machine, enum ip_family family)
{
	uint8_t number = (uint8_t)(RELAY(r) + NODES * machine);

	return (struct endpoint){
		family == IP_V4 ? ip_v4(203, 0, 113, number) : v6_of(2, number),
		TURN_PORT,
	};
}

struct endpoint
network_former_address(unsigned r, enum ip_family family)
{
	uint8_t now = network.machine[r];

	return relay_address(r, now == 0 ? now : now - 1, family);
}

void
network_replace(unsigned r)
{
	network.machine[r]++;
}

struct endpoint
network_address(unsigned node, enum ip_family family)
{
	unsigned site;

	if (IS_RELAY(node))
		return relay_address(
		    node - RELAY(0), network.machine[node - RELAY(0)], family);
	if (!has_site(node))
		return (struct endpoint){
			family == IP_V4 ? ip_v4(203, 0, 113, (uint8_t)node)
					: v6_of(2, (uint8_t)node),
			40000,
		};
	site = network.at[node];
	if (!network.sites[site].has[family == IP_V6])
		return (struct endpoint){ 0 };
	return (struct endpoint){
		family == IP_V4 ? inside_v4(site) : v6_of(1, (uint8_t)site),
		UDP_PORT,
	};
}

static void
site_begin(struct site *s, bool gateway)
{
	uint32_t families = roll(&world.dice, gateway ? 4 : 8);

	s->has[0] = families != 1 || gateway;
	s->has[1] = families < 4;
	s->has_nat = percent(&world.dice, 75);
	s->public = ++network.next_public;
	nat_box_begin(&s->nat);
}

static void
quality_begin(struct quality *q)
{
	*q = (struct quality){
		.deaf = NODES,
		.delay_us = 500 + roll(&world.dice, 60000),
		.jitter_us = 1 + roll(&world.dice, 2000),
	};
}

void
network_begin(void)
{
	memset(&network, 0, sizeof(network));
	for (unsigned i = 0; i < SITES; i++)
		site_begin(&network.sites[i], i == 0);
	for (unsigned d = 0; d < DEVICES; d++)
		network.at[DEVICE(d)] = 1 + d * SITES_EACH;
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b <= a; b++)
			quality_begin(network_quality(a, b));
	network.walled = percent(&world.dice, 25);
	for (unsigned d = 0; d < DEVICES; d++) {
		struct quality *q = network_quality(GATEWAY, DEVICE(d));

		q->blocked = q->never = percent(&world.dice, 40);
	}
}

struct quality *
network_quality(unsigned a, unsigned b)
{
	return a < b ? &network.quality[a][b] : &network.quality[b][a];
}

void
network_move(unsigned d)
{
	unsigned *at = &network.at[DEVICE(d)];

	*at = 1 + d * SITES_EACH + (*at - 1 - d * SITES_EACH + 1) % SITES_EACH;
	site_begin(&network.sites[*at], false);
}

void
network_forget(unsigned node)
{
	struct site *s = site_of(node);

	if (!s->has_nat)
		return;
	s->nat.count = 0;
	if (percent(&world.dice, 50))
		s->public = ++network.next_public;
}

void
network_set_away(unsigned d, bool away)
{
	network.away[DEVICE(d)] = away;
}

bool
network_is_away(unsigned d)
{
	return network.away[DEVICE(d)];
}

bool
network_has_nat(unsigned node)
{
	return site_of(node)->has_nat;
}

bool
network_is_open(unsigned d)
{
	const struct site *g = site_of(GATEWAY), *own = site_of(DEVICE(d));

	return !network.walled &&
	    !network_quality(GATEWAY, DEVICE(d))->blocked &&
	    network_quality(GATEWAY, DEVICE(d))->deaf == NODES &&
	    ((g->has[1] && own->has[1]) ||
		(g->has[0] && own->has[0] && !g->has_nat));
}

bool
network_connects(unsigned a, unsigned b)
{
	for (unsigned f = 0; f < 2; f++)
		if ((!has_site(a) || site_of(a)->has[f]) &&
		    (!has_site(b) || site_of(b)->has[f]))
			return !network_quality(a, b)->blocked &&
			    network_quality(a, b)->deaf == NODES;
	return false;
}

bool
network_is_clean(void)
{
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b <= a; b++) {
			const struct quality *q = network_quality(a, b);

			if (q->blocked != q->never || q->deaf != NODES ||
			    q->loss > 0 || q->twice > 0 || q->jitter_us > 10000)
				return false;
		}
	return true;
}

unsigned
network_node(const struct ip_address *ip)
{
	for (unsigned n = 0; n < NODES; n++) {
		struct ip_address own = ip->family == IP_V4 && has_site(n)
		    ? public_v4(network.at[n])
		    : network_address(n, (enum ip_family)ip->family).ip;

		if (ip_equal(&own, ip))
			return n;
	}
	return NODES;
}

/* What the node's own socket gets it as; false: it does not get it. */
static bool
let_in(unsigned node, const struct endpoint *from, struct endpoint *to)
{
	struct endpoint own;

	if (IS_RELAY(node))
		return true;
	if (has_site(node) && to->ip.family == IP_V4 && site_of(node)->has_nat)
		return site_of(node)->has[0] &&
		    nat_box_in(&site_of(node)->nat, to->port, from, to);
	own = network_address(node, (enum ip_family)to->ip.family);
	return endpoint_equal(&own, to);
}

void
network_pass_on(unsigned origin, unsigned node, const struct endpoint *from,
    const struct endpoint *to, const void *data, size_t len)
{
	struct endpoint source = *from;
	unsigned target = network_node(&to->ip);
	const struct quality *q;

	if (has_site(node) && !site_of(node)->has[to->ip.family == IP_V6])
		return;
	if (has_site(node) && to->ip.family == IP_V4 && site_of(node)->has_nat)
		source = (struct endpoint){
			public_v4(network.at[node]),
			nat_box_out(&site_of(node)->nat, from, to),
		};
	if (target == NODES || len > SIM_PAYLOAD || network.away[node] ||
	    (network.walled && node == GATEWAY && to->port != TURN_PORT) ||
	    (network.walled && target == GATEWAY && from->port != TURN_PORT))
		return;
	q = network_quality(node, target);
	if (q->blocked || q->deaf == target)
		return;
	for (unsigned copies = 1 + percent(&world.dice, q->twice); copies > 0;
	     copies--) {
		struct event *e;

		if (percent(&world.dice, q->loss))
			continue;
		e = event_new(EVENT_DATAGRAM,
		    q->delay_us +
			roll(&world.dice, (uint32_t)q->jitter_us + 1));
		e->node = target;
		e->origin = origin;
		e->from = source;
		e->to = *to;
		e->len = len;
		memcpy(e->data, data, len);
		event_push(e);
	}
}

void
network_send(unsigned node, const struct endpoint *from,
    const struct endpoint *to, const void *data, size_t len)
{
	network_pass_on(node, node, from, to, data, len);
}

void
network_arrive(struct event *e)
{
	/* It may have moved while this was under way. */
	e->node = network_node(&e->to.ip);
	if (e->node == NODES || network.away[e->node] ||
	    !let_in(e->node, &e->from, &e->to))
		return;
	if (e->node == GATEWAY)
		gateway_datagram(e);
	else if (IS_DEVICE(e->node))
		device_datagram(e->node - DEVICE(0), e);
	else if (IS_RELAY(e->node))
		relay_datagram(e->node - RELAY(0), e);
}

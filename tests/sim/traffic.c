/*
 * Inner packets. A device that talks sends small UDP packets to a resource that
 * it may reach, each of which a host of the LAN answers. A hostile one sends
 * what it likes: to what was not granted, from addresses that are not its own.
 * Each packet says whose it is (the mark, the device, the resource, a number).
 */
#include <string.h>

#include "common/buffer.h"
#include "common/filter.h"
#include "net-worker/core/inner/packet.h"
#include "tests/sim/sim.h"

#define UDP_HEADER  8
#define IPV6_HEADER 40
#define IPV4_HEADER 20
#define BODY        16
#define LAN_US      300
#define PUSH_MS     1000
#define WALL_PORT   1 /* after the first one of the filter: never answered */

#define GRANT_ENDS_MS 5000

static const uint8_t mark[8] = "sim-mark";

static struct talk {
	int64_t interval_ms; /* 0: it is quiet */
	struct mono next, since, until, answered;
	uint32_t number;
	uint8_t resource;
	bool to_wall;
	/* A host that was not asked. */
	struct mono push, push_until;
	uint8_t push_resource;
} talks[DEVICES];

void
traffic_begin(void)
{
	memset(talks, 0, sizeof(talks));
	for (unsigned d = 0; d < DEVICES; d++) {
		talks[d].next = talks[d].push = MONO_NEVER;
		talks[d].answered = world.now;
	}
}

static uint16_t
transport_sum(const struct ip_address *a, const struct ip_address *b,
    const uint8_t *udp, size_t len)
{
	uint8_t pseudo[4] = { 0, IPPROTO_UDP };
	uint32_t sum;

	store_be16(pseudo + 2, (uint16_t)len);
	sum = checksum_add(0, a->bytes, ip_size(a));
	sum = checksum_add(sum, b->bytes, ip_size(b));
	sum = checksum_add(sum, pseudo, sizeof(pseudo));
	return checksum_finish(checksum_add(sum, udp, len));
}

static size_t
write_packet(uint8_t *to, const struct endpoint *from,
    const struct endpoint *dest, const uint8_t body[BODY])
{
	bool v4 = from->ip.family == IP_V4;
	size_t header = v4 ? IPV4_HEADER : IPV6_HEADER;
	uint8_t *udp = to + header;

	memset(to, 0, header + UDP_HEADER);
	if (v4) {
		to[0] = 0x45;
		store_be16(to + 2, IPV4_HEADER + UDP_HEADER + BODY);
		to[8] = 64;
		to[9] = IPPROTO_UDP;
		memcpy(to + 12, from->ip.bytes, 4);
		memcpy(to + 16, dest->ip.bytes, 4);
		store_be16(to + 10, checksum_finish(checksum_add(0, to, 20)));
	} else {
		to[0] = 0x60;
		store_be16(to + 4, UDP_HEADER + BODY);
		to[6] = IPPROTO_UDP;
		to[7] = 64;
		memcpy(to + 8, from->ip.bytes, 16);
		memcpy(to + 24, dest->ip.bytes, 16);
	}
	store_be16(udp, from->port);
	store_be16(udp + 2, dest->port);
	store_be16(udp + 4, UDP_HEADER + BODY);
	memcpy(udp + UDP_HEADER, body, BODY);
	store_be16(udp + 6,
	    transport_sum(&from->ip, &dest->ip, udp, UDP_HEADER + BODY));
	return header + UDP_HEADER + BODY;
}

static void
write_body(uint8_t to[BODY], unsigned d, unsigned r, uint32_t number)
{
	memcpy(to, mark, sizeof(mark));
	to[8] = (uint8_t)d;
	to[9] = (uint8_t)r;
	store_be16(to + 10, 0);
	store_be32(to + 12, number);
}

static size_t
packet_to_resource(uint8_t *to, unsigned d, unsigned r, uint16_t port)
{
	struct endpoint dest = { resources[r].network.ip, port };
	struct endpoint from = {
		tunnel_address(d, (enum ip_family)dest.ip.family),
		(uint16_t)(40000 + d),
	};
	uint8_t body[BODY];

	dest.ip.bytes[ip_size(&dest.ip) - 1] |= 5;
	write_body(body, d, r, ++talks[d].number);
	return write_packet(to, &from, &dest, body);
}

void
traffic_set(unsigned d, int64_t interval_ms)
{
	struct talk *t = &talks[d];

	t->interval_ms = interval_ms;
	t->to_wall = false;
	t->since = world.now;
	t->next = interval_ms == 0 ? MONO_NEVER : world.now;
	/* Some longer than it may take to find a path. */
	t->until = mono_add_s(world.now, 20 + roll(&world.dice, 900));
	t->resource = (uint8_t)roll(&world.dice, RESOURCES);
	for (unsigned r = 0; r < RESOURCES; r++)
		if (portal_allows(d, (t->resource + r) % RESOURCES)) {
			t->resource = (uint8_t)((t->resource + r) % RESOURCES);
			break;
		}
}

void
traffic_elsewhere(unsigned d)
{
	talks[d].resource = (uint8_t)((talks[d].resource + 1) % RESOURCES);
	talks[d].since = world.now;
}

/* To something that it may reach, as far as the portal goes. */
bool
traffic_talks(unsigned d, struct mono *since)
{
	const struct talk *t = &talks[d];
	const struct grant_model *g = portal_grant(d, t->resource);

	*since = mono_max(t->since, g->live ? g->since : world.now);
	return t->interval_ms != 0 && !t->to_wall &&
	    portal_allows(d, t->resource) && !g->early;
}

bool
traffic_is_granted(unsigned d)
{
	const struct grant_model *g = portal_grant(d, talks[d].resource);

	return g->live && !g->early &&
	    mono_ms_between(world.now, g->soonest) > GRANT_ENDS_MS;
}

struct mono
traffic_answered(unsigned d)
{
	return talks[d].answered;
}

int64_t
traffic_interval_ms(unsigned d)
{
	return talks[d].interval_ms;
}

uint32_t
traffic_number(unsigned d)
{
	return talks[d].number;
}

void
traffic_to_wall(unsigned d, int64_t s)
{
	traffic_set(d, 500);
	traffic_last(d, s);
	talks[d].to_wall = true;
}

void
traffic_last(unsigned d, int64_t s)
{
	talks[d].until = mono_max(talks[d].until, mono_add_s(world.now, s));
}

struct mono
traffic_deadline(void)
{
	struct mono at = MONO_NEVER;

	for (unsigned d = 0; d < DEVICES; d++)
		at = mono_min(at, mono_min(talks[d].next, talks[d].push));
	return at;
}

static void
push_from_lan(const uint8_t *packet, size_t len)
{
	struct event *e = event_new(EVENT_LAN, LAN_US);

	e->len = len;
	memcpy(e->data, packet, len);
	event_push(e);
}

/* A host of the LAN that nobody has asked. */
static void
host_sends(unsigned d, unsigned r)
{
	struct endpoint host = { resources[r].network.ip,
		resources[r].filter.first };
	struct endpoint client = {
		tunnel_address(d, (enum ip_family)host.ip.family), 999
	};
	uint8_t packet[SIM_PAYLOAD], body[BODY];

	write_body(body, d, r, 0);
	push_from_lan(packet, write_packet(packet, &host, &client, body));
}

static void
push_one(unsigned d)
{
	struct talk *t = &talks[d];

	if (!mono_due(t->push, world.now))
		return;
	host_sends(d, t->push_resource);
	t->push = mono_due(t->push_until, world.now)
	    ? MONO_NEVER
	    : mono_add_ms(world.now, PUSH_MS);
}

void
traffic_timeout(void)
{
	uint8_t packet[SIM_PAYLOAD];

	for (unsigned d = 0; d < DEVICES; d++) {
		struct talk *t = &talks[d];

		push_one(d);
		if (!mono_due(t->next, world.now))
			continue;
		if (mono_due(t->until, world.now)) {
			traffic_set(d, 0);
			continue;
		}
		t->next = mono_add_ms(world.now, t->interval_ms);
		device_sends(d, packet,
		    packet_to_resource(packet, d, t->resource,
			(uint16_t)(resources[t->resource].filter.first +
			    (t->to_wall ? WALL_PORT : 0))));
	}
}

void
traffic_hostile(unsigned d)
{
	uint8_t packet[SIM_PAYLOAD], body[BODY];
	unsigned r = choose(RESOURCES);
	struct endpoint from = { tunnel_address((d + 1) % DEVICES, IP_V4), 1 };
	struct endpoint to = { resources[0].network.ip, 5000 };

	device_forces(d, packet, packet_to_resource(packet, d, r, 80));
	device_forces(d, packet, packet_to_resource(packet, d, r, 5000));
	write_body(body, d, 0, 0);
	device_forces(d, packet, write_packet(packet, &from, &to, body));
}

/* Its answer: the same body the other way. */
void
traffic_from_tun(unsigned d, const uint8_t *packet, size_t len)
{
	bool v4 = packet[0] >> 4 == 4;
	size_t header = v4 ? IPV4_HEADER : IPV6_HEADER;
	enum ip_family family = v4 ? IP_V4 : IP_V6;
	const uint8_t *udp = packet + header;
	uint8_t answer[SIM_PAYLOAD];
	struct endpoint client, host;

	(void)d;
	if (len != header + UDP_HEADER + BODY ||
	    load_be16(udp + 2) ==
		resources[udp[UDP_HEADER + 9]].filter.first + WALL_PORT)
		return;
	client.ip = ip_from_bytes(family, packet + (v4 ? 12 : 8));
	host.ip = ip_from_bytes(family, packet + (v4 ? 16 : 24));
	client.port = load_be16(udp);
	host.port = load_be16(udp + 2);
	push_from_lan(
	    answer, write_packet(answer, &host, &client, udp + UDP_HEADER));
}

void
traffic_from_lan(unsigned d)
{
	host_sends(d, choose(RESOURCES));
}

void
traffic_push(unsigned d, int64_t s)
{
	talks[d].push = world.now;
	talks[d].push_resource = talks[d].resource;
	talks[d].push_until = mono_add_s(world.now, s);
}

void
traffic_at_device(unsigned d, const uint8_t *packet, size_t len)
{
	size_t header = packet[0] >> 4 == 4 ? IPV4_HEADER : IPV6_HEADER;
	uint32_t number;

	if (len != header + UDP_HEADER + BODY)
		return;
	/* What is no answer to a packet of the device has number 0. */
	number = load_be32(packet + header + UDP_HEADER + 12);
	if (number == 0)
		return;
	roam_answered(d, number);
	talks[d].answered = world.now;
	world.answers++;
}

/*
 * What must hold at any time.
 *
 *	strangers	a datagram leaves for a relay that was named, for what a
 *			client has told of itself, or for where a client was
 *			heard; and from our own address
 *	plaintext	no inner packet is seen outside, and none by a device
 *			that it is not for
 *	policy		what comes out at the TUN is from the tunnel address of
 *			a device, to what is granted to it then, and but once;
 *			likewise the other way
 *	liveness	a device that talks while it could has an answer within
 *			BOUND_S of the last thing that disturbed it
 *	gaps		once it had one, and nothing is lost on the way, it has
 *			one for every packet, but for a moment
 *	relays		the gateway lets no allocation run out that it may
 *			have, nor a channel that is in use, and is heard
 *			there every so often, and not ever again (relay.c)
 *	roams		likewise after a change of address or of relays, and
 *			without ICE the connection is the same (roams.c)
 *	connections	one that works lives on, one that does not ends
 *			(connections.c)
 *	flap		a path that was found stays what it is, until it is
 *			disturbed
 *	consent		with ICE the gateway asks again and again on the path
 *			that is in use
 *	timers		a deadline is in the future once it was served, and
 *			there is one while there are clients; but not so many
 *			that the gateway finds no rest (gateway.c)
 *	memory		the heap stays within bounds
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "tests/sim/sim.h"

#define TOLD         1024 /* endpoints, of each device */
#define BOUND_S    150
#define SETTLED_S    150
#define GAP_MS       6000
#define CHANGES_MAX  2
#define STEADY_MS    30000
#define REFRESH_S    310
#define ALLOCATED_S  1860 /* half of the longest lifetime of an allocation */
#define EXPIRED_MS 1000
#define MEMORY_MAX (96u << 20)
#define SEEN         256
#define UNDER_WAY_MS 2000
#define LOOK_MS    1000
#define ASKED_MS     40000 /* it asks each 15 s, or 25 s while idle */

static const char mark[] = "sim-mark";

struct told {
	struct endpoint list[TOLD];
	size_t count;
};

static struct {
	struct told told[DEVICES];
	struct mono excused[DEVICES]; /* until then it owes no answer */
	struct mono looked;
	struct mono started; /* the gateway */
	size_t memory; /* at the start */
	uint32_t seen[DEVICES][SEEN]; /* numbers of packets at the TUN */
	/* From where data comes to the devices. */
	struct {
		struct endpoint from;
		bool relayed;
		unsigned changes; /* of a connection, in peace */
		struct mono disturbed;
		struct mono asked; /* a check of the gateway's came by it */
	} paths[DEVICES];
} checks;

void
checks_begin(void)
{
	memset(&checks, 0, sizeof(checks));
}

void
checks_gateway_is_new(void)
{
	memset(checks.told, 0, sizeof(checks.told));
	checks.started = world.now;
}

static bool
is_told(const struct told *t, const struct endpoint *e)
{
	/* The newest first: it is mostly one of them. */
	for (size_t i = 0; i < t->count && i < TOLD; i++)
		if (endpoint_equal(&t->list[(t->count - 1 - i) % TOLD], e))
			return true;
	return false;
}

static void
remember(struct told *t, const struct endpoint *e)
{
	if (!is_told(t, e))
		t->list[t->count++ % TOLD] = *e;
}

/*
 * With optimistic candidates: the address of a reflexive one with the port of a
 * host one (firezone-tunnel(7), Pairs).
 */
void
checks_told(unsigned d, const char *line)
{
	struct told *t = &checks.told[d];
	struct endpoint e, optimistic;
	char ip[64];
	unsigned port;

	if (sscanf(line, "%*s %*s %*s %*s %63s %u", ip, &port) != 2 ||
	    !ip_parse(ip, &e.ip))
		sim_fail("a candidate: %s", line);
	e.port = (uint16_t)port;
	remember(t, &e);
	optimistic = e;
	for (size_t i = 0; i < t->count && i < TOLD; i++) {
		if (t->list[i].ip.family != IP_V4 || e.ip.family != IP_V4)
			continue;
		optimistic.port = t->list[i].port;
		remember(t, &optimistic);
		optimistic = (struct endpoint){ t->list[i].ip, e.port };
		remember(t, &optimistic);
		optimistic = e;
	}
}

void
checks_heard(unsigned d, const struct endpoint *e)
{
	remember(&checks.told[d], e);
}

static bool
is_relay(const struct endpoint *e)
{
	for (unsigned r = 0; r < RELAYS; r++) {
		enum ip_family family = (enum ip_family)e->ip.family;
		struct endpoint own = network_address(RELAY(r), family);
		/* Nor does the gateway know at once that it is no more. */
		struct endpoint former = network_former_address(r, family);

		if (endpoint_equal(&own, e) || endpoint_equal(&former, e))
			return true;
	}
	return false;
}

static bool
is_known(const struct endpoint *e)
{
	if (is_relay(e))
		return true;
	for (unsigned d = 0; d < DEVICES; d++)
		if (is_told(&checks.told[d], e))
			return true;
	return false;
}

/* Its predecessor may have asked for one just before. */
void
check_peer(const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	if (!is_known(e) &&
	    mono_ms_between(checks.started, world.now) > UNDER_WAY_MS)
		sim_fail(
		    "a channel to a stranger, %s", endpoint_format(e, text));
}

void
check_leaves(const struct endpoint *to, const struct ip_address *from,
    const uint8_t *data, size_t len)
{
	struct endpoint own =
	    network_address(GATEWAY, (enum ip_family)to->ip.family);
	char text[ENDPOINT_TEXT_MAX];

	if (!is_known(to))
		sim_fail(
		    "a datagram to a stranger, %s", endpoint_format(to, text));
	if (from->family != IP_NONE && own.ip.family != IP_NONE &&
	    !ip_equal(from, &own.ip))
		sim_fail("a datagram from %s", ip_format(from, text));
	if (len < 256 && memmem(data, len, mark, sizeof(mark) - 1) != NULL)
		sim_fail("plaintext to %s", endpoint_format(to, text));
}

static struct ip_address
address_in(const uint8_t *packet, bool destination)
{
	return packet[0] >> 4 == 4
	    ? ip_from_bytes(IP_V4, packet + (destination ? 16 : 12))
	    : ip_from_bytes(IP_V6, packet + (destination ? 24 : 8));
}

/* Or was so shortly before. */
static bool
is_granted(
    unsigned d, const struct ip_address *host, uint16_t port, int64_t before_ms)
{
	for (unsigned r = 0; r < RESOURCES; r++) {
		const struct grant_model *g = portal_grant(d, r);
		const struct resource_model *m = &resources[r];

		if ((g->live ||
			mono_ms_between(g->ended, world.now) < before_ms) &&
		    prefix_contains(&m->network, host) &&
		    port >= m->filter.first && port <= m->filter.last &&
		    mono_ms_between(g->until, world.now) <=
			EXPIRED_MS + before_ms)
			return true;
	}
	return false;
}

static void
check_replay(unsigned d, uint32_t number)
{
	uint32_t *seen = &checks.seen[d][number % SEEN];

	if (number != 0 && *seen == number)
		sim_fail("a packet of device %u comes twice", d);
	*seen = number;
}

void
check_tun(const uint8_t *packet, size_t len)
{
	struct ip_address from = address_in(packet, false),
			  to = address_in(packet, true);
	const uint8_t *udp = packet + (from.family == IP_V4 ? 20 : 40);
	char text[ENDPOINT_TEXT_MAX];

	sim_trace(packet, len);
	for (unsigned d = 0; d < DEVICES; d++) {
		struct ip_address own =
		    tunnel_address(d, (enum ip_family)from.family);

		if (!ip_equal(&own, &from))
			continue;
		if (udp[8 + 8] != d)
			sim_fail("device %u sends as %u", udp[8 + 8], d);
		check_replay(d, load_be32(udp + 8 + 12));
		if (!is_granted(d, &to, load_be16(udp + 2), 0))
			sim_fail("device %u reaches %s port %u", d,
			    ip_format(&to, text), load_be16(udp + 2));
		traffic_from_tun(d, packet, len);
		return;
	}
	sim_fail("from %s", ip_format(&from, text));
}

static bool
is_icmp(const uint8_t *packet)
{
	return packet[0] >> 4 == 4 ? packet[9] == IPPROTO_ICMP
				   : packet[6] == IPPROTO_ICMPV6;
}

void
check_at_device(unsigned d, const uint8_t *packet, size_t len)
{
	struct ip_address to = address_in(packet, true),
			  from = address_in(packet, false);
	struct ip_address own = tunnel_address(d, (enum ip_family)to.family);
	const uint8_t *body = memmem(packet, len, mark, sizeof(mark) - 1);
	char text[ENDPOINT_TEXT_MAX];

	sim_trace(packet, len);
	/* Who lies about its address is told so at that address. */
	if (!ip_equal(&own, &to) && !is_icmp(packet))
		sim_fail(
		    "device %u has a packet for %s", d, ip_format(&to, text));
	if (body != NULL && !is_icmp(packet) &&
	    !is_granted(d, &from,
		load_be16(packet + (from.family == IP_V4 ? 20 : 40)),
		UNDER_WAY_MS))
		sim_fail("device %u hears %s", d, ip_format(&from, text));
	if (body != NULL && body + 9 <= packet + len && body[8] != d)
		sim_fail("device %u has what %u has sent", d, body[8]);
}

void
check_deadline(struct mono at)
{
	if (mono_due(at, world.now))
		sim_fail("a deadline stays in the past");
	if (mono_is_never(at) && gateway_connections() > 0)
		sim_fail(
		    "no deadline, with %u connections", gateway_connections());
}

static bool
relays_are_well(void)
{
	for (unsigned r = 0; r < RELAYS; r++)
		if (!relay_is_up(r) || !portal_lists(r) || relay_refuses(r))
			return false;
	return true;
}

bool
check_could_connect(unsigned d)
{
	bool gateway = false, device = false;

	for (unsigned r = 0; r < RELAYS; r++) {
		/* It may have been chosen all the same. */
		if (relay_refuses(r))
			return false;
		if (!relay_is_up(r) || !portal_presents(r))
			continue;
		gateway |= network_connects(GATEWAY, RELAY(r));
		device |= network_connects(DEVICE(d), RELAY(r));
	}
	return gateway && device && portal_is_up();
}

static void
check_liveness(unsigned d)
{
	struct mono since;

	if (!traffic_talks(d, &since) || !check_could_connect(d))
		return;
	since = mono_max(mono_max(since, world.disturbed), traffic_answered(d));
	since = mono_max(since, checks.excused[d]);
	if (mono_ms_between(since, world.now) > BOUND_S * 1000)
		sim_fail("device %u has no answer for %lld s", d,
		    (long long)mono_ms_between(since, world.now) / 1000);
}

static void
check_gap(unsigned d)
{
	struct mono since, answered = traffic_answered(d);

	if (!traffic_talks(d, &since) || !network_is_clean() ||
	    !relays_are_well() || !check_could_connect(d))
		return;
	since = mono_max(since, world.disturbed);
	since = mono_max(since, checks.excused[d]);
	since = mono_max(since, conn_granted(d));
	/* One may have been under way. */
	if (mono_before(mono_add_ms(since, UNDER_WAY_MS), answered) &&
	    mono_ms_between(answered, world.now) >
		GAP_MS + 3 * traffic_interval_ms(d))
		sim_fail("device %u has a gap", d);
}

/* A session may begin on the path before the best one, and end there. */
void
check_path(unsigned d, const struct endpoint *from, bool relayed)
{
	struct endpoint *before = &checks.paths[d].from;
	struct mono since;
	char text[ENDPOINT_TEXT_MAX];

	if (checks.paths[d].disturbed.ns != world.disturbed.ns) {
		checks.paths[d].disturbed = world.disturbed;
		checks.paths[d].changes = 0;
	}
	if (endpoint_equal(before, from) && checks.paths[d].relayed == relayed)
		return;
	*before = *from;
	checks.paths[d].relayed = relayed;
	checks.paths[d].asked = world.now;
	/*
	 * Who is idle checks its paths seldom, and may be followed on what it
	 * sends by one until the better one is heard again. Who has another
	 * address learns of it bit by bit.
	 */
	if (!check_is_settled() || check_is_excused(d) ||
	    !traffic_talks(d, &since) ||
	    mono_ms_between(since, world.now) < STEADY_MS)
		return;
	if (relayed || IS_RELAY(network_node(&from->ip))) {
		if (device_is_direct(d))
			sim_fail("device %u is sent to by a relay", d);
	}
	if (++checks.paths[d].changes > CHANGES_MAX)
		sim_fail("the path to device %u is %s again", d,
		    endpoint_format(from, text));
}

void
check_asked(unsigned d, const struct endpoint *from, bool relayed)
{
	if (endpoint_equal(&checks.paths[d].from, from) &&
	    checks.paths[d].relayed == relayed)
		checks.paths[d].asked = world.now;
}

static void
check_consent(unsigned d)
{
	struct mono asked = mono_max(checks.paths[d].asked, world.disturbed);

	if (conn_works(d) && !device_is_iceless(d) &&
	    mono_ms_between(asked, world.now) > ASKED_MS)
		sim_fail("device %u is not asked on its path for %lld ms", d,
		    (long long)mono_ms_between(asked, world.now));
}

bool
check_path_is_direct(unsigned d)
{
	return !checks.paths[d].relayed &&
	    network_node(&checks.paths[d].from.ip) == GATEWAY;
}

/* The next connection seeks its path from the beginning. */
void
check_path_ends(unsigned d)
{
	checks.paths[d].changes = 0;
}

/*
 * Its relays know it by its former address, and drop what it sends by them
 * without a word; only its Refresh tells it.
 */
void
check_rebound(unsigned d)
{
	checks.excused[d] = mono_add_s(world.now, REFRESH_S);
}

bool
check_is_excused(unsigned d)
{
	return mono_before(world.now, checks.excused[d]);
}

void
check_relay_forgot(void)
{
	for (unsigned d = 0; d < DEVICES; d++)
		checks.excused[d] = mono_add_s(world.now, ALLOCATED_S);
}

bool
check_was_settled(struct mono since)
{
	return network_is_clean() && relays_are_well() && portal_is_up() &&
	    mono_ms_between(world.disturbed, since) > SETTLED_S * 1000;
}

bool
check_is_settled(void)
{
	return check_was_settled(world.now);
}

static void
check_memory(void)
{
	struct mallinfo2 m = mallinfo2();
	size_t now = m.uordblks + m.hblkhd;

	if (checks.memory == 0)
		checks.memory = now;
	if (now > checks.memory + MEMORY_MAX)
		sim_fail("%zu bytes of memory", now);
}

void
check_step(void)
{
	if (mono_ms_between(checks.looked, world.now) < LOOK_MS)
		return;
	checks.looked = world.now;
	for (unsigned d = 0; d < DEVICES; d++) {
		check_liveness(d);
		check_gap(d);
		check_consent(d);
		roam_check(d);
		conn_check(d);
	}
	for (unsigned r = 0; r < RELAYS; r++)
		relay_check(r);
	check_memory();
}

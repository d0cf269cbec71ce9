/*
 * What becomes of connections. One that works is neither given up nor has it
 * another session before its time; one whose client is gone is given up; each
 * side tells the other when it ends one.
 */
#include <string.h>

#include "tests/sim/sim.h"

#define ANSWERED_MS 4000
#define SESSION_MS  60000
#define GRANT_MS    1000 /* after which the client may have asked for one */
#define GOODBYE_MS  2000
#define OPEN_MS     5000
#define ENDS_MS     5000
#define UNDER_WAY_MS 2000
/* Silence, and the handshakes in vain, and more. */
#define GONE_MS         50000
#define GONE_ICELESS_MS 110000

static struct connection {
	struct mono keyed;   /* the last session */
	struct mono begun;   /* the first one */
	struct mono open;    /* since when it could be direct */
	struct mono goodbye; /* said by the client and not heard; or never */
	struct mono gone;    /* since when it is, and is sent to; or never */
	struct mono closed;  /* the last one: grants may have gone with it */
	bool iceless;
} connections[DEVICES];

void
conn_begin(void)
{
	memset(connections, 0, sizeof(connections));
	for (unsigned d = 0; d < DEVICES; d++)
		connections[d].goodbye = connections[d].gone = MONO_NEVER;
}

bool
conn_works(unsigned d)
{
	return check_is_settled() && check_could_connect(d) &&
	    !check_is_excused(d) && traffic_is_granted(d) &&
	    mono_ms_between(traffic_answered(d), world.now) < ANSWERED_MS;
}

/* Both sides could use it, and may. */
static bool
is_up(unsigned d)
{
	bool granted = false;

	for (unsigned r = 0; r < RESOURCES; r++) {
		const struct grant_model *g = portal_grant(d, r);

		granted |= g->live && !g->early &&
		    mono_before(connections[d].closed, g->renewed) &&
		    mono_ms_between(world.now, g->soonest) > ENDS_MS;
	}
	return granted && check_is_settled() && check_could_connect(d) &&
	    !check_is_excused(d) && !network_is_away(d) &&
	    device_has_session(d);
}

/*
 * A client of old knows no goodbye, and so does not tell its candidates again
 * to a gateway that has forgotten it.
 */
void
conn_closed(unsigned d, bool by_portal)
{
	if (!by_portal && device_knows_goodbye(d) &&
	    (conn_works(d) || is_up(d)))
		sim_fail("the connection of device %u, which works, is given "
			 "up",
		    d);
	connections[d].goodbye = connections[d].gone = MONO_NEVER;
	connections[d].closed = world.now;
	roam_lost(d, "the gateway closes it");
}

void
conn_lost(unsigned d, const char *why)
{
	roam_lost(d, why);
	/* It was said to the one before, and meets the next one. */
	if (strcmp(why, "goodbye") == 0 &&
	    mono_ms_between(connections[d].closed, world.now) < UNDER_WAY_MS)
		return;
	if (conn_works(d))
		sim_fail("device %u loses a connection that works: %s", d, why);
}

struct mono
conn_granted(unsigned d)
{
	struct mono at = { 0 };

	for (unsigned r = 0; r < RESOURCES; r++)
		at = mono_max(at, portal_grant(d, r)->renewed);
	return at;
}

void
conn_keyed(unsigned d, bool first)
{
	struct mono before = connections[d].keyed;
	int64_t ms = mono_ms_between(before, world.now);

	connections[d].keyed = world.now;
	if (first)
		connections[d].begun = world.now;
	if (check_was_settled(before) && ms < SESSION_MS &&
	    mono_ms_between(conn_granted(d), before) > GRANT_MS)
		sim_fail("device %u has another session after %lld ms", d,
		    (long long)ms);
}

/* By its relay it may come there after the end of the allocation. */
void
conn_goodbye(unsigned d)
{
	if (conn_works(d) && device_has_session(d) && !device_has_relay(d))
		connections[d].goodbye = world.now;
}

void
conn_gone(unsigned d)
{
	if (!conn_works(d))
		return;
	connections[d].gone = world.now;
	connections[d].iceless = device_is_iceless(d);
}

void
conn_misses(unsigned d)
{
	connections[d].open = world.now;
}

void
conn_opens(unsigned d)
{
	connections[d].open = mono_add_ms(connections[d].begun, -2 * OPEN_MS);
}

/* A connection that began when it could already is to find the direct path. */
static void
check_directness(unsigned d)
{
	struct connection *c = &connections[d];

	if (!network_is_open(d))
		c->open = world.now;
	if (conn_works(d) && (device_is_iceless(d) || device_trickles(d)) &&
	    mono_ms_between(c->open, c->begun) > OPEN_MS &&
	    mono_ms_between(c->begun, world.now) > OPEN_MS &&
	    !check_path_is_direct(d))
		sim_fail("device %u could be reached directly", d);
}

void
conn_check(unsigned d)
{
	const struct connection *c = &connections[d];
	int64_t gone_ms = c->iceless ? GONE_ICELESS_MS : GONE_MS;

	check_directness(d);
	if (!mono_is_never(c->goodbye) &&
	    mono_ms_between(c->goodbye, world.now) > GOODBYE_MS)
		sim_fail("the goodbye of device %u is not heard", d);
	if (!mono_is_never(c->gone) &&
	    mono_ms_between(c->gone, world.now) > gone_ms)
		sim_fail("device %u is gone, and still has a connection", d);
}

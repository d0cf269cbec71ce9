/*
 * What happens, and when. Between two incidents lie milliseconds or hours; an
 * incident is a line of the table below. Every so often all is well again, so
 * that a path that works has to be found.
 */
#include <string.h>

#include "tests/sim/sim.h"

#define PEACE_S    160 /* until all count as settled, and more */
#define EPILOGUE_S 400

static struct mono next;
/* What is sure to come then, to that device. */
static void (*sequel)(unsigned d);
static unsigned sequel_of;
static int64_t peace_s; /* then, after it */

static unsigned
some_device(void)
{
	return choose(DEVICES);
}

/* Its machine was turned off. */
static void
comes_back(unsigned d)
{
	network_set_away(d, false);
	device_restart(d);
	sim_disturbed();
}

static void
all_is_well(void)
{
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b <= a; b++) {
			struct quality *q = network_quality(a, b);

			q->blocked = q->never;
			q->deaf = NODES;
			q->loss = q->twice = 0;
			q->jitter_us = 1 + choose(20) * 100;
		}
	for (unsigned r = 0; r < RELAYS; r++) {
		relay_set_up(r, true);
		relay_refuse(r, 0);
		if (!portal_lists(r))
			portal_presence(r, true);
	}
	for (unsigned d = 0; d < DEVICES; d++)
		if (network_is_away(d))
			comes_back(d);
	portal_set_up(true);
	sim_disturbed();
}

static void
somebody_talks(void)
{
	static const int64_t intervals[] = { 500, 1000, 1000, 3000, 12000 };

	traffic_set(some_device(), intervals[choose(5)]);
}

static void
all_talk(void)
{
	for (unsigned d = 0; d < DEVICES; d++)
		traffic_set(d, 1000);
}

static void
somebody_is_quiet(void)
{
	traffic_set(some_device(), 0);
}

static void
all_are_quiet(void)
{
	for (unsigned d = 0; d < DEVICES; d++)
		traffic_set(d, 0);
}

static void
network_is_bad(void)
{
	static const unsigned losses[] = { 0, 1, 5, 20, 50 };
	unsigned d = some_device();
	struct quality *q = network_quality(DEVICE(d), choose(STRANGER));

	traffic_set(d, 1000);
	q->loss = losses[choose(5)];
	q->twice = choose(3) * 5;
	q->jitter_us = 1 + choose(4) * 30000;
	sim_disturbed();
}

static void
path_dies(void)
{
	network_quality(GATEWAY, DEVICE(some_device()))->blocked = true;
	sim_disturbed();
}

static void
something_is_cut(void)
{
	network_quality(choose(NODES), choose(NODES))->blocked = true;
	sim_disturbed();
}

static void
moves(unsigned d)
{
	network_move(d);
	roam_starts(d, ROAM_MOVED);
	sim_disturbed();
	device_roam(d);
}

static void
is_rebound(unsigned d)
{
	network_forget(DEVICE(d));
	check_rebound(d);
	roam_starts(d, ROAM_REBOUND);
	sim_disturbed();
}

/* A firewall, for good. */
static void
direct_path_ends(unsigned d)
{
	struct quality *q = network_quality(GATEWAY, DEVICE(d));

	q->blocked = q->never = true;
	roam_starts(d, ROAM_DIED);
	sim_disturbed();
}

/* And is there again, before anybody has forgotten it. */
static void
direct_path_lives(unsigned d)
{
	struct quality *q = network_quality(GATEWAY, DEVICE(d));

	q->blocked = q->never = false;
	conn_opens(d);
	sim_disturbed();
}

static void
direct_path_pauses(unsigned d)
{
	bool open = network_is_open(d);

	direct_path_ends(d);
	if (!open)
		return;
	sequel = direct_path_lives;
	peace_s = 20;
	traffic_last(d, INT64_C(3) * PEACE_S);
}

static void
vanishes(unsigned d)
{
	conn_gone(d);
	traffic_push(d, PEACE_S);
	traffic_set(d, 0);
	network_set_away(d, true);
	sequel = comes_back;
}

static void
sends_all_the_same(unsigned d)
{
	traffic_hostile(d);
}

static void
is_shut_out(unsigned d)
{
	for (unsigned r = 0; r < RESOURCES; r++)
		portal_allow(d, r, false);
	sim_disturbed();
	sequel = sends_all_the_same;
	peace_s = 2;
}

static void
portal_is_back(unsigned d)
{
	(void)d;
	portal_set_up(true);
	sequel = sends_all_the_same;
	peace_s = 2;
}

/* The gateway is not told until the portal is there again. */
static void
is_shut_out_unheard(unsigned d)
{
	portal_set_up(false);
	is_shut_out(d);
	sequel = portal_is_back;
}

/* For good: nothing but that says that it is gone. */
static void
says_goodbye(unsigned d)
{
	device_goodbye(d);
	traffic_set(d, 0);
	sim_disturbed();
}

/* The next connection has to do without that relay's way back. */
static void
hears_no_relay(unsigned d)
{
	network_quality(DEVICE(d), RELAY(choose(RELAYS)))->deaf = DEVICE(d);
	device_restart(d);
	sim_disturbed();
}

/* What it asks for next is granted in the other mode. */
static void
mode_is_other(unsigned d)
{
	portal_set_iceless(!device_is_iceless(d));
	traffic_elsewhere(d);
	if (device_offers_iceless(d))
		roam_starts(d, ROAM_MODE);
	sim_disturbed();
}

static void
relay_forgets(unsigned d)
{
	(void)d;
	relay_forget_allocations(choose(RELAYS));
	check_relay_forgot();
	sim_disturbed();
	peace_s = 400;
}

/* Told or not, it is back before anybody has looked for it in vain. */
static void
relay_is_back(unsigned d)
{
	(void)d;
	for (unsigned r = 0; r < RELAYS; r++)
		if (!portal_lists(r))
			portal_presence(r, true);
}

/* What there is of it may be in use, or not. */
static void
relay_is_lost(unsigned d)
{
	unsigned r = choose(RELAYS), how = choose(7);

	roam_starts(d, ROAM_RELAY);
	sim_disturbed();
	switch (how) {
	case 0: /* It is there, and cut off from the portal alone. */
		portal_presence(r, false);
		break;
	case 1:
		portal_presence(r, false);
		sequel = relay_is_back;
		peace_s = 1 + choose(20);
		break;
	case 2:
		portal_unlist(r);
		break;
	case 3:
		relay_set_up(r, false);
		portal_presence(r, false);
		break;
	case 4:
		relay_set_up(r, false);
		portal_unlist(r);
		break;
	case 5:
		relay_restart(r);
		portal_presence(r, true);
		break;
	default:
		relay_replace(r);
		portal_replaces(r);
	}
	sim_log("relay %u is lost in way %u", r, how);
}

static void
talks_to_wall(unsigned d)
{
	traffic_to_wall(d, PEACE_S);
}

static void
device_roams(void)
{
	moves(some_device());
}

/* A device talks, all is well, and then comes the sequel and is waited for. */
static void
peace_before(void (*what)(unsigned d))
{
	unsigned d = some_device();

	network_quality(GATEWAY, DEVICE(d))->never = false;
	all_is_well();
	/* What it does not use is forgotten by relays and NATs in minutes. */
	device_restart(d);
	for (unsigned r = 0; r < RESOURCES; r++)
		portal_allow(d, r, true);
	traffic_set(d, 500);
	traffic_last(d, INT64_C(3) * PEACE_S);
	sequel = what;
	sequel_of = d;
}

static void
device_roams_in_peace(void)
{
	peace_before(moves);
}

static void
device_is_rebound_in_peace(void)
{
	peace_before(is_rebound);
}

static void
path_ends_in_peace(void)
{
	peace_before(direct_path_ends);
}

/* Half of them have no other way than by relays. */
static void
relay_is_lost_in_peace(void)
{
	peace_before(relay_is_lost);
	if (choose(2) == 0)
		return;
	network_quality(GATEWAY, DEVICE(sequel_of))->blocked = true;
	network_quality(GATEWAY, DEVICE(sequel_of))->never = true;
}

static void
relay_is_not_heard_in_peace(void)
{
	portal_set_iceless(true);
	peace_before(hears_no_relay);
}

static void
mode_changes_in_peace(void)
{
	peace_before(mode_is_other);
}

static void
something_else_in_peace(void)
{
	static void (*const what[])(unsigned d) = { vanishes, is_shut_out,
		says_goodbye, talks_to_wall, relay_forgets, direct_path_pauses,
		is_shut_out_unheard };

	peace_before(what[choose(7)]);
}

static void
device_is_elsewhere(void)
{
	unsigned d = some_device();

	network_move(d);
	device_restart(d);
	sim_disturbed();
}

static void
device_starts_again(void)
{
	device_restart(some_device());
	sim_disturbed();
}

static void
device_says_goodbye(void)
{
	device_goodbye(some_device());
	sim_disturbed();
}

static void
nat_forgets(void)
{
	unsigned node = choose(1 + DEVICES);

	network_forget(node);
	if (node != GATEWAY)
		check_rebound(node - DEVICE(0));
	sim_disturbed();
}

static void
relay_dies(void)
{
	unsigned r = choose(RELAYS);

	relay_set_up(r, false);
	if (choose(2) == 0)
		portal_presence(r, false);
	sim_disturbed();
}

static void
relay_starts_again(void)
{
	unsigned r = choose(RELAYS);

	relay_restart(r);
	relay_set_up(r, true);
	portal_presence(r, true);
	sim_disturbed();
}

static void
relay_has_other_nonces(void)
{
	relay_forget_nonces(choose(RELAYS));
}

static void
relay_has_no_channel(void)
{
	static const uint16_t errors[] = { 403, 437, 441, 508 };

	relay_refuse(choose(RELAYS), errors[choose(4)]);
	sim_disturbed();
}

static void
relay_grants_less(void)
{
	static const uint32_t lifetimes[] = { 60, 300, 600, 3600 };

	relay_set_lifetime(choose(RELAYS), lifetimes[choose(4)]);
}

static void
portal_goes_down(void)
{
	portal_set_up(false);
	sim_disturbed();
}

static void
portal_comes_up(void)
{
	portal_set_up(true);
	sim_disturbed();
}

static void
mode_changes(void)
{
	portal_set_iceless(choose(3) != 0);
}

static void
something_is_revoked(void)
{
	portal_allow(some_device(), choose(RESOURCES), false);
	sim_disturbed();
}

static void
something_is_allowed(void)
{
	portal_allow(some_device(), choose(RESOURCES), true);
	sim_disturbed();
}

static void
gateway_dies(void)
{
	gateway_restart();
	sim_disturbed();
}

static void
control_worker_dies(void)
{
	gateway_control_restarts();
	sim_disturbed();
}

/* Grants that end by the clock may end at once, and stay ended. */
static void
clock_is_set(void)
{
	static const int64_t steps[] = { -3600, -1, 1, 60, 86400 };
	int64_t ahead = choose(2) == 0 ? 0 : steps[choose(5)] * 1000000000;

	for (unsigned d = 0; d < DEVICES; d++)
		for (unsigned r = 0; r < RESOURCES; r++)
			if (ahead > world.wall_ahead)
				portal_grant(d, r)->early = true;
	world.wall_ahead = ahead;
	gateway_clock_set();
	sim_disturbed();
}

static void
client_is_hostile(void)
{
	traffic_hostile(some_device());
}

static void
lan_speaks_first(void)
{
	traffic_from_lan(some_device());
}

static const struct incident {
	const char *name;
	void (*happens)(void);
	unsigned weight;
} incidents[] = {
	{ "all is well", all_is_well, 12 },
	{ "somebody talks", somebody_talks, 14 },
	{ "all talk", all_talk, 6 },
	{ "somebody is quiet", somebody_is_quiet, 6 },
	{ "all are quiet", all_are_quiet, 4 },
	{ "the network is bad", network_is_bad, 4 },
	{ "the direct path dies", path_dies, 4 },
	{ "something is cut", something_is_cut, 2 },
	{ "a device roams", device_roams, 2 },
	{ "a device roams in peace", device_roams_in_peace, 4 },
	{ "a NAT rebinds in peace", device_is_rebound_in_peace, 2 },
	{ "a direct path ends in peace", path_ends_in_peace, 3 },
	{ "a relay is not heard in peace", relay_is_not_heard_in_peace, 2 },
	{ "a relay is lost in peace", relay_is_lost_in_peace, 5 },
	{ "the mode changes in peace", mode_changes_in_peace, 1 },
	{ "something else happens in peace", something_else_in_peace, 7 },
	{ "a device starts again", device_starts_again, 2 },
	{ "a device starts elsewhere", device_is_elsewhere, 1 },
	{ "the mode changes", mode_changes, 1 },
	{ "a device says goodbye", device_says_goodbye, 2 },
	{ "a NAT forgets", nat_forgets, 3 },
	{ "a relay dies", relay_dies, 2 },
	{ "a relay starts again", relay_starts_again, 2 },
	{ "a relay has other nonces", relay_has_other_nonces, 2 },
	{ "a relay grants less", relay_grants_less, 1 },
	{ "a relay has no channel", relay_has_no_channel, 2 },
	{ "the portal goes down", portal_goes_down, 2 },
	{ "the portal comes up", portal_comes_up, 3 },
	{ "something is revoked", something_is_revoked, 3 },
	{ "something is allowed", something_is_allowed, 4 },
	{ "net-worker dies", gateway_dies, 1 },
	{ "control-worker dies", control_worker_dies, 2 },
	{ "the clock is set", clock_is_set, 1 },
	{ "a client is hostile", client_is_hostile, 4 },
	{ "the LAN speaks first", lan_speaks_first, 2 },
};

static const struct incident *
some_incident(void)
{
	unsigned sum = 0, n;
	const struct incident *i = incidents;

	for (size_t k = 0; k < sizeof(incidents) / sizeof(incidents[0]); k++)
		sum += incidents[k].weight;
	for (n = choose(sum); n >= i->weight; i++)
		n -= i->weight;
	return i;
}

/* Most gaps are short, most of the time is in long ones. */
static void
arm_story(void)
{
	static const uint32_t gaps_ms[] = { 50, 1000, 10000, 60000, 400000,
		1800000, 7200000 };
	uint32_t max = gaps_ms[choose(7)];

	next = mono_add_ms(world.now, 1 + choose(256) * (max / 256));
}

void
story_begin(void)
{
	sequel = NULL;
	arm_story();
}

struct mono
story_deadline(void)
{
	return next;
}

static void
play_sequel(void)
{
	void (*happens)(unsigned d) = sequel;

	sim_log("--- as was to come");
	sequel = NULL;
	peace_s = PEACE_S;
	happens(sequel_of);
	next = mono_add_s(world.now, peace_s);
}

/* All is well in the end: who talks has to be answered. */
static void
end_story(void)
{
	all_is_well();
	all_talk();
	next = MONO_NEVER;
	world.end = mono_min(world.end, mono_add_s(world.now, EPILOGUE_S));
}

void
story_timeout(void)
{
	const struct incident *i;

	if (!choices_left()) {
		end_story();
		return;
	}
	world.incidents++;
	if (sequel != NULL) {
		play_sequel();
		return;
	}
	i = some_incident();
	sim_log("--- %s", i->name);
	i->happens();
	arm_story();
	if (sequel != NULL)
		next = mono_add_ms(
		    world.now, PEACE_S * 1000 + choose(256) * INT64_C(200));
}

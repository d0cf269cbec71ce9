/* How much of a burst one turn takes: see gathering.h. */
#include "net-worker/gathering.h"

#define LOOK_TURNS 16
#define LOOK_MS    8 /* longer: they do not follow each other closely */
#define FEW        (LOOK_TURNS * 16)
#define MANY       (LOOK_TURNS * GATHERED)
#define WORTH      2 /* as many as without it */
#define IDLE_MS    2
#define PAUSE_MAX  1024

static void
begin_look(struct gathering *g, struct mono now)
{
	g->began = now;
	g->turns = g->packets = 0;
}

static void
give_up_gathering(struct gathering *g)
{
	g->on = false;
	g->pause = g->next_pause;
	g->next_pause = 2 * g->next_pause + 1;
	if (g->next_pause > PAUSE_MAX)
		g->next_pause = PAUSE_MAX;
}

static void
try_gathering(struct gathering *g)
{
	if (g->pause > 0) {
		g->pause--;
		return;
	}
	g->on = true;
	g->packets_without = g->packets;
}

static void
judge_look(struct gathering *g, struct mono now)
{
	if (!g->on) {
		if (g->packets < FEW &&
		    mono_ms_between(g->began, now) < LOOK_MS)
			try_gathering(g);
	} else if (g->packets < WORTH * g->packets_without) {
		give_up_gathering(g);
	} else {
		g->on = g->packets < MANY;
		g->next_pause = 0;
	}
}

void
gathering_note(struct gathering *g, struct mono now, unsigned packets)
{
	if (packets == 0)
		return;
	if (mono_ms_between(g->last, now) >= IDLE_MS) {
		g->on = false;
		begin_look(g, now);
	}
	g->last = now;
	g->packets += packets;
	if (++g->turns < LOOK_TURNS)
		return;
	judge_look(g, now);
	begin_look(g, now);
}

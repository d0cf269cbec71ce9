/*
 * The whole simulation of tests/sim, whose story the input tells: what happens,
 * to whom, and after how long. The first byte is the seed of all else.
 *
 *	input: seed, choices of story.c
 *
 * What must hold is what the simulation checks.
 */
#include "tests/fuzz/fuzz.h"

#include "net-worker/core/stun/stun.h"
#include "net-worker/dataplane/dataplane.h"
#include "tests/sim/sim.h"

#define STORY_MAX 512 /* bytes: some ten to a hundred incidents */
#define HOURS     1

static void
on_fault(const char *what)
{
	fuzz_broken(what, "seed", (int)world.seed);
}

void
fuzz_init(void)
{
	must(dataplane_warm_up());
	must(stun_warm_up());
	world.failed = on_fault;
}

void
fuzz_one(struct cursor *in)
{
	uint8_t seed = cursor_u8(in), story[STORY_MAX];
	size_t len = in->left < STORY_MAX ? in->left : STORY_MAX;

	cursor_copy(in, story, len);
	sim_begin(seed, story, len);
	sim_run(HOURS);
}

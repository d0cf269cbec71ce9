/*
 * The replay window of net-worker/core/wireguard/session.c: written cases, then
 * long walks beside a model that remembers every counter.
 */
#include <stdlib.h>

#include "net-worker/core/wireguard/session.h"
#include "tests/lib/unit.h"

#define COUNTERS_END (UINT64_MAX - 8192) /* the first that is never valid */

static bool
take(struct replay_window *window, uint64_t counter)
{
	if (!replay_acceptable(window, counter))
		return false;
	replay_mark(window, counter);
	return true;
}

static void
table(void **state)
{
	static const struct {
		uint64_t counter;
		bool acceptable;
	} steps[] = {
		{ 0, true },
		{ 0, false },
		{ 1, true },
		{ 1, false },
		/* Reordered. */
		{ 9, true },
		{ 8, true },
		{ 7, true },
		{ 7, false },
		{ 2, true },
		{ 9, false },
		/* The window's last place, and the one behind it. */
		{ 8191, true },
		{ 3, true },
		{ 8191 + 4, true },
		{ 3, false },
		{ 4, true },
		{ 4, false },
		{ 5, true },
		/* Places that were taken a round ago. */
		{ 8192 + 1, true },
		{ 8192 + 7, true },
		{ 8192 + 2, true },
		{ 8192 + 2, false },
		{ 8, false },
		{ 10, true },
		/* Jumps: just below a window, a whole one, far more. */
		{ 8199 + 8191, true },
		{ 8199, false },
		{ 8200, true },
		{ 16390 + 8192, true },
		{ 16390, false },
		{ 16391, true },
		{ 24582 + 8193, true },
		{ 24582, false },
		{ 24583, false },
		{ 24584, true },
		{ UINT64_C(1) << 40, true },
		{ (UINT64_C(1) << 40) - 8191, true },
		{ (UINT64_C(1) << 40) - 8192, false },
		{ (UINT64_C(1) << 40) - 1, true },
		{ 32775, false },
		/* The last counters there are. */
		{ COUNTERS_END, false },
		{ UINT64_MAX, false },
		{ COUNTERS_END - 1, true },
		{ COUNTERS_END - 1, false },
		{ COUNTERS_END - 8192, true },
		{ COUNTERS_END - 8193, false },
		{ COUNTERS_END, false },
		{ UINT64_MAX, false },
		{ 0, false },
	};
	struct replay_window window = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (take(&window, steps[i].counter) != steps[i].acceptable)
			fail_msg("step %zu", i);
}

/* Without a mark nothing changes: a forged packet has no effect. */
static void
asking_is_not_taking(void **state)
{
	struct replay_window window = { 0 }, before;

	(void)state;
	assert_true(take(&window, 5));
	before = window;
	assert_true(replay_acceptable(&window, 4));
	assert_true(replay_acceptable(&window, 100000));
	assert_memory_equal(&window, &before, sizeof(window));
	assert_true(take(&window, 4));
}

#define MODEL_SIZE 400000

/* Steps of up to "jump" forward, and looks back over two windows. */
static void
walk(unsigned jump)
{
	uint8_t *seen = calloc(MODEL_SIZE, 1);
	struct replay_window window = { 0 };
	uint64_t next = 0;

	assert_non_null(seen);
	while (next + jump + 1 < MODEL_SIZE) {
		uint64_t back = (uint64_t)rand() % 16500, counter;
		bool want;

		counter = rand() % 2 == 0 || back > next
		    ? next + (uint64_t)rand() % (jump + 1)
		    : next - back;
		want = counter + REPLAY_WINDOW >= next && !seen[counter];
		assert_int_equal(take(&window, counter), want);
		if (want) {
			seen[counter] = 1;
			if (counter >= next)
				next = counter + 1;
		}
	}
	free(seen);
}

static void
walks(void **state)
{
	static const unsigned jumps[] = { 1, 3, 63, 64, 65, 200, 8191, 8192,
		8193, 20000 };

	(void)state;
	srand(1);
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		walk(jumps[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(asking_is_not_taking),
		cmocka_unit_test(walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

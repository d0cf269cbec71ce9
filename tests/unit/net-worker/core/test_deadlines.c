/* net-worker/core/deadlines.c against a plain array. */
#include "net-worker/core/deadlines.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

#define NODES 100
#define LIMIT 70

static struct deadline nodes[NODES];

static int64_t
earliest(void)
{
	int64_t first = INT64_MAX;

	for (size_t i = 0; i < NODES; i++)
		if (nodes[i].place != 0 && nodes[i].due.ns < first)
			first = nodes[i].due.ns;
	return first;
}

static void
change_one(struct deadlines *d, struct deadline *node, int64_t due)
{
	bool full = d->count == LIMIT;

	if (node->place == 0)
		assert_int_equal(deadlines_add(d, node, node), !full);
	else if (due % 3 == 0)
		deadlines_remove(d, node);
	else
		deadlines_set(d, node, (struct mono) { due });
}

static void
agrees_with_an_array(void **state)
{
	struct deadlines d;
	unsigned seed = 1;

	(void)state;
	assert_true(deadlines_init(&d, LIMIT));
	assert_true(mono_is_never(deadlines_first(&d)));
	for (int step = 0; step < 200000; step++) {
		int64_t now = rand_r(&seed) % 1000;
		struct deadline *taken;

		change_one(&d, &nodes[rand_r(&seed) % NODES], now);
		assert_int_equal(deadlines_first(&d).ns, earliest());
		if (step % 5 != 0)
			continue;
		now = rand_r(&seed) % 200;
		if (earliest() > now) {
			assert_null(deadlines_take(&d, (struct mono) { now }));
			continue;
		}
		now = earliest();
		taken = deadlines_take(&d, (struct mono) { now });
		assert_non_null(taken);
		assert_true(mono_is_never(taken->due));
		assert_true(taken->place != 0);
	}
	for (size_t i = 0; i < NODES; i++)
		deadlines_remove(&d, &nodes[i]);
	assert_int_equal(d.count, 0);
	deadlines_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

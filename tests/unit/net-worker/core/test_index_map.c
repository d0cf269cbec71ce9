/* net-worker/core/index_map.c against a plain array, with many collisions. */
#include "net-worker/core/index_map.h"
#include "tests/lib/unit.h"

#include <stdlib.h>

#define KEYS 64

static void
agrees_with_an_array(void **state)
{
	static int values[KEYS];
	void *model[KEYS] = { 0 };
	struct index_map m;
	unsigned seed = 1;

	(void)state;
	assert_true(index_map_init(&m, 24));
	for (int step = 0; step < 200000; step++) {
		uint32_t i = (uint32_t)rand_r(&seed) % KEYS;
		uint32_t key = i * 0x01000193;

		if (rand_r(&seed) % 2 == 0) {
			if (index_map_put(&m, key, &values[i]))
				model[i] = &values[i];
			else
				assert_true(m.count == 24 && model[i] == NULL);
		} else {
			index_map_remove(&m, key);
			model[i] = NULL;
		}
		for (uint32_t k = 0; k < KEYS; k++)
			assert_ptr_equal(index_map_get(&m, k * 0x01000193),
			    model[k]);
	}
	index_map_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* common/sort.h against what a sorted array is, whatever its size. */
#include <string.h>

#include "common/sort.h"
#include "tests/lib/unit.h"

#define COUNT_MAX 300

struct element {
	int key;
	uint8_t rest[95]; /* more than is swapped at once */
};

static int
by_key(const void *left, const void *right)
{
	const struct element *a = left, *b = right;

	return (a->key > b->key) - (a->key < b->key);
}

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void
check_sorted(int range)
{
	struct element list[COUNT_MAX];
	uint32_t state = (uint32_t)range;
	size_t seen[COUNT_MAX];

	for (size_t count = 0; count <= COUNT_MAX; count++) {
		memset(seen, 0, sizeof(seen));
		for (size_t i = 0; i < count; i++) {
			list[i].key = (int)next_random(&state) % range;
			memset(list[i].rest, list[i].key, sizeof(list[i].rest));
			seen[list[i].key]++;
		}
		sort(list, count, sizeof(list[0]), by_key);
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				assert_true(list[i - 1].key <= list[i].key);
			assert_int_equal(list[i].rest[94], (uint8_t)list[i].key);
			seen[list[i].key]--;
		}
		for (size_t i = 0; i < COUNT_MAX; i++)
			assert_int_equal(seen[i], 0);
	}
}

static void
test_every_size(void **state)
{
	(void)state;
	check_sorted(COUNT_MAX);
}

static void
test_many_equal(void **state)
{
	(void)state;
	check_sorted(3);
	check_sorted(1);
}

static void
test_sorted_already(void **state)
{
	struct element list[COUNT_MAX] = { 0 };

	(void)state;
	for (int i = 0; i < COUNT_MAX; i++)
		list[i].key = i;
	sort(list, COUNT_MAX, sizeof(list[0]), by_key);
	for (int i = 0; i < COUNT_MAX; i++)
		assert_int_equal(list[i].key, i);
	for (int i = 0; i < COUNT_MAX; i++)
		list[i].key = -i;
	sort(list, COUNT_MAX, sizeof(list[0]), by_key);
	for (int i = 0; i < COUNT_MAX; i++)
		assert_int_equal(list[i].key, i - COUNT_MAX + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_many_equal),
		cmocka_unit_test(test_sorted_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

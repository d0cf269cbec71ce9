/* net-worker/core/key_map.c against a plain array, with crowded slots. */
#include "net-worker/core/key_map.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES 200
#define KEYS    100 /* each of two entries */

struct object {
	struct key_entry entry;
	char key[4];
	unsigned since; /* in which step it was added; 0: it is not in */
};

static struct object objects[ENTRIES];

/* Of the two with the object's key, which one is to be found. */
static struct object *
expected(size_t i)
{
	struct object *a = &objects[i % KEYS], *b = &objects[i % KEYS + KEYS];

	if (a->since == 0 || b->since == 0)
		return a->since != 0 ? a : b->since != 0 ? b : NULL;
	return a->since < b->since ? a : b;
}

static void
agrees_with_an_array(void **state)
{
	struct key_map m;
	unsigned seed = 1;

	(void)state;
	assert_true(key_map_init(&m, 10));
	for (size_t i = 0; i < ENTRIES; i++)
		snprintf(objects[i].key, sizeof(objects[i].key), "%zu",
		    i % KEYS);
	for (unsigned step = 1; step < 20000; step++) {
		struct object *o = &objects[rand_r(&seed) % ENTRIES];

		if (o->since == 0) {
			key_map_add(
			    &m, &o->entry, o->key, strlen(o->key), o);
			o->since = step;
		} else {
			key_map_remove(&m, &o->entry);
			o->since = 0;
		}
		for (size_t i = 0; i < KEYS; i++)
			assert_ptr_equal(key_map_get(&m, objects[i].key,
					     strlen(objects[i].key)),
			    expected(i));
	}
	key_map_free(&m);
}

/* "1" and "12" are two keys, and none is one, too. */
static void
length_is_part_of_the_key(void **state)
{
	struct key_entry one = { 0 }, twelve = { 0 }, also_one = { 0 };
	struct key_map m;

	(void)state;
	assert_true(key_map_init(&m, 1));
	key_map_add(&m, &one, "1", 1, &one);
	key_map_add(&m, &twelve, "12", 2, &twelve);
	assert_ptr_equal(key_map_get(&m, "12", 1), &one);
	assert_ptr_equal(key_map_get(&m, "12", 2), &twelve);
	assert_null(key_map_get(&m, "12", 0));
	key_map_add(&m, &also_one, "1", 1, &also_one);
	assert_ptr_equal(key_map_next(&one), &also_one);
	assert_null(key_map_next(&also_one));
	assert_null(key_map_next(&twelve));
	key_map_remove(&m, &also_one);
	key_map_remove(&m, &one);
	key_map_remove(&m, &one);
	assert_null(key_map_get(&m, "1", 1));
	key_map_free(&m);
}

/* Which slot a key has cannot be known from another map, or process. */
static void
maps_have_secrets_of_their_own(void **state)
{
	struct key_map a, b;

	(void)state;
	assert_true(key_map_init(&a, 1));
	assert_true(key_map_init(&b, 1));
	assert_memory_not_equal(a.secret, b.secret, sizeof(a.secret));
	key_map_free(&a);
	key_map_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(length_is_part_of_the_key),
		cmocka_unit_test(maps_have_secrets_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

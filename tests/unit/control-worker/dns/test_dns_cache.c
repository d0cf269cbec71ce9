/* Names that are known for a while. */
#include <stdio.h>

#include "control-worker/dns/cache.h"
#include "tests/lib/unit.h"

static void
keeps_for_its_time(void **state)
{
	struct ip_address list[] = { ip_v4(192, 0, 2, 1), ip_v4(192, 0, 2, 2) };
	struct ip_address found[LOOKUP_ADDRESSES_MAX];
	struct cache *c = cache_new();

	(void)state;
	assert_non_null(c);
	cache_put(c, 1000, "a.example", list, 2, 10);
	assert_int_equal(cache_get(c, 1000, "A.Example", found), 2);
	assert_true(ip_equal(&found[1], &list[1]));
	assert_int_equal(cache_get(c, 10999, "a.example", found), 2);
	assert_int_equal(cache_get(c, 11000, "a.example", found), 0);
	assert_int_equal(cache_get(c, 1000, "b.example", found), 0);
	/* The later answer counts, even if it is none. */
	cache_put(c, 2000, "a.example", list, 1, 10);
	assert_int_equal(cache_get(c, 2000, "a.example", found), 1);
	cache_put(c, 2000, "a.example", list, 2, 0);
	assert_int_equal(cache_get(c, 2000, "a.example", found), 0);
	cache_put(c, 2000, "a.example", list, 1, 10);
	cache_put(c, 2000, "a.example", list, 0, 10);
	assert_int_equal(cache_get(c, 2000, "a.example", found), 0);
	cache_put(c, 0, "long", list, 1, UINT32_MAX);
	assert_int_equal(
	    cache_get(c, CACHE_TTL_MAX_S * 1000 - 1, "long", found), 1);
	assert_int_equal(
	    cache_get(c, CACHE_TTL_MAX_S * 1000, "long", found), 0);
	cache_clear(c);
	assert_int_equal(cache_get(c, 1, "long", found), 0);
	cache_free(c);
}

static void
the_first_to_end_gives_way(void **state)
{
	struct ip_address one = ip_v4(192, 0, 2, 1), found[LOOKUP_ADDRESSES_MAX];
	struct cache *c = cache_new();
	char name[16];

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < CACHE_ENTRIES; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cache_put(c, 0, name, &one, 1, i == 7 ? 50 : 100);
	}
	cache_put(c, 0, "new", &one, 1, 100);
	assert_int_equal(cache_get(c, 0, "n7", found), 0);
	assert_int_equal(cache_get(c, 0, "new", found), 1);
	assert_int_equal(cache_get(c, 0, "n0", found), 1);
	cache_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_for_its_time),
		cmocka_unit_test(the_first_to_end_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The table of names that are to be resolved: wishes.h. */
#include "tests/lib/unit.h"

#include "common/uuid.h"

/* What it costs is counted, not timed: so it is compiled in here. */
static unsigned comparisons;
#define uuid_compare(a, b) (comparisons++, uuid_compare(a, b))
#define uuid_equal(a, b)   (comparisons++, uuid_equal(a, b))
#include "control-worker/dns_resources/wishes.c"

static struct wish *
add(struct wishes *ws, unsigned client)
{
	static struct assigned_ips ips;

	ips.names.client =
	    (struct uuid){ { (uint8_t)(client >> 8), (uint8_t)client } };
	if (!wishes_have_room(ws, &ips.names.client))
		return NULL;
	return wishes_add(ws, &ips);
}

static void
clear(struct wishes *ws)
{
	struct wish *w;

	while ((w = wishes_oldest(ws)) != NULL)
		wishes_remove(ws, w);
	assert_int_equal(ws->count, 0);
	assert_true(RB_EMPTY(&ws->wishers));
	assert_true(TAILQ_EMPTY(&ws->waiting));
}

static void
finds_by_serial(void **state)
{
	struct wishes ws;
	struct wish *first, *second;
	uint64_t serial;

	(void)state;
	wishes_init(&ws);
	first = add(&ws, 1);
	second = add(&ws, 1);
	assert_ptr_equal(wishes_find(&ws, first->serial), first);
	assert_ptr_equal(wishes_find(&ws, second->serial), second);
	assert_null(wishes_find(&ws, 0));
	assert_null(wishes_find(&ws, second->serial + 1));
	serial = first->serial;
	wishes_remove(&ws, first);
	assert_null(wishes_find(&ws, serial));
	assert_ptr_equal(wishes_oldest(&ws), second);
	clear(&ws);
}

static void
has_turns(void **state)
{
	struct wishes ws;
	struct wish *first, *second, *third;

	(void)state;
	wishes_init(&ws);
	first = add(&ws, 1);
	second = add(&ws, 2);
	third = add(&ws, 1);
	wishes_wait(&ws, second);
	wishes_wait(&ws, third);
	wishes_wait(&ws, first);
	assert_ptr_equal(TAILQ_FIRST(&ws.waiting), second);
	wishes_resolve(&ws, second);
	assert_ptr_equal(TAILQ_FIRST(&ws.waiting), third);
	wishes_remove(&ws, third);
	assert_ptr_equal(TAILQ_FIRST(&ws.waiting), first);
	clear(&ws);
}

/* Clients can make us do this as often as they like. */
static void
is_not_searched_from_end_to_end(void **state)
{
	struct wishes ws;
	unsigned count = 0;

	(void)state;
	wishes_init(&ws);
	comparisons = 0;
	for (unsigned i = 0; i < 2 * ASSIGNMENTS_MAX; i++)
		count += add(&ws, i) != NULL;
	assert_int_equal(count, ASSIGNMENTS_MAX);
	print_message("%u comparisons for %d clients\n", comparisons,
	    2 * ASSIGNMENTS_MAX);
	assert_in_range(comparisons, 1, ASSIGNMENTS_MAX * 100);
	clear(&ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_serial),
		cmocka_unit_test(has_turns),
		cmocka_unit_test(is_not_searched_from_end_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

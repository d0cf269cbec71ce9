/* The table of names that are to be resolved: wishes.h. */
#include "tests/lib/unit.h"

#include "common/uuid.h"

/* What it costs is counted, not timed: so it is compiled in here. */
static unsigned comparisons;
#define uuid_compare(a, b) (comparisons++, uuid_compare(a, b))
#define uuid_equal(a, b)   (comparisons++, uuid_equal(a, b))
#include "control-worker/dns_resources/wishes.c"

static struct wish *
add_kept(struct wishes *ws, unsigned client)
{
	static struct assigned_ips ips;

	ips.names.client =
	    (struct uuid){ { (uint8_t)(client >> 8), (uint8_t)client } };
	return wishes_add(ws, STEP_KEPT, &ips);
}

static struct wish *
add(struct wishes *ws, unsigned client)
{
	static struct assigned_ips ips;

	ips.names.client =
	    (struct uuid){ { (uint8_t)(client >> 8), (uint8_t)client } };
	if (!wishes_have_room(ws, &ips.names.client))
		return NULL;
	return wishes_add(ws, STEP_ASKED, &ips);
}

static void
clear(struct wishes *ws)
{
	struct wish *w;

	while ((w = wishes_oldest(ws)) != NULL)
		wishes_remove(ws, w);
	assert_int_equal(ws->count, 0);
	assert_int_equal(ws->kept_count, 0);
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

/* The oldest of those who have fewest under way. */
static void
takes_kept_ones_up(void **state)
{
	struct wishes ws;
	struct wish *kept[4];

	(void)state;
	wishes_init(&ws);
	assert_null(wishes_next_kept(&ws));
	add(&ws, 1);
	add(&ws, 1);
	add(&ws, 2);
	kept[0] = add_kept(&ws, 1);
	kept[1] = add_kept(&ws, 2);
	kept[2] = add_kept(&ws, 2);
	kept[3] = add_kept(&ws, 2);
	assert_int_equal(ws.count, 3);
	assert_int_equal(ws.kept_count, 4);
	assert_true(wishes_keep_some(&ws, &kept[0]->ips.names.client));
	assert_ptr_equal(wishes_next_kept(&ws), kept[1]);
	wishes_ask(&ws, kept[1]);
	assert_int_equal(kept[1]->step, STEP_ASKED);
	/* As many as the other, who came to have so many earlier. */
	assert_ptr_equal(wishes_next_kept(&ws), kept[0]);
	wishes_ask(&ws, kept[0]);
	assert_false(wishes_keep_some(&ws, &kept[0]->ips.names.client));
	assert_ptr_equal(wishes_next_kept(&ws), kept[2]);
	wishes_remove(&ws, kept[2]);
	assert_ptr_equal(wishes_next_kept(&ws), kept[3]);
	while (ws.count < ASSIGNMENTS_OF_CLIENT + 3)
		assert_non_null(add(&ws, 2));
	assert_null(wishes_next_kept(&ws));
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
	comparisons = 0;
	for (unsigned i = 0; i < ASSIGNMENTS_KEPT_MAX; i++)
		add_kept(&ws, i % 700);
	while (wishes_next_kept(&ws) == NULL)
		wishes_remove(&ws, wishes_oldest(&ws));
	wishes_ask(&ws, wishes_next_kept(&ws));
	print_message("%u more to keep %d names and to ask for one\n",
	    comparisons, ASSIGNMENTS_KEPT_MAX);
	assert_in_range(comparisons, 1, ASSIGNMENTS_KEPT_MAX * 50);
	clear(&ws);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_serial),
		cmocka_unit_test(has_turns),
		cmocka_unit_test(takes_kept_ones_up),
		cmocka_unit_test(is_not_searched_from_end_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

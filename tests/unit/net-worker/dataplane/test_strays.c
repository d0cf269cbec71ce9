/*
 * What leads from one thread to another: rings, the doorbell, and strays.
 */
#include "net-worker/dataplane/doorbell.h"
#include "net-worker/dataplane/ring.h"
#include "net-worker/dataplane/strays.h"
#include "tests/lib/dataplane.h"

#define STRAYS 256u /* that one thread can hold for another */
#define BATCH  64u  /* that are handed out at a time */

/* Rings. */

static void
ring_holds_what_it_has_room_for(void **state)
{
	struct ring r;
	uint32_t out;

	(void)state;
	assert_true(ring_init(&r, sizeof(uint32_t), 8));
	/* Once around and more. */
	for (uint32_t round = 0; round < 5; round++) {
		uint32_t first = round * 8;

		for (uint32_t i = 0; i < 8; i++)
			assert_true(ring_push(&r, &(uint32_t){ first + i }));
		assert_false(ring_push(&r, &out));
		assert_false(ring_has_room(&r));
		assert_null(ring_room(&r));
		for (uint32_t i = 0; i < 8; i++) {
			assert_false(ring_is_empty(&r));
			assert_true(ring_pop(&r, &out));
			assert_int_equal(out, first + i);
		}
		assert_true(ring_is_empty(&r));
		assert_false(ring_pop(&r, &out));
		/* So that the next round begins elsewhere. */
		assert_true(ring_push(&r, &out));
		assert_true(ring_pop(&r, &out));
	}
	ring_free(&r);
}

static void
ring_counts_beyond_its_words(void **state)
{
	struct ring r;
	uint32_t out;

	(void)state;
	assert_true(ring_init(&r, sizeof(uint32_t), 4));
	r.head = r.tail = UINT32_MAX - 1;
	for (uint32_t i = 0; i < 4; i++)
		assert_true(ring_push(&r, &i));
	assert_false(ring_has_room(&r));
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(*(uint32_t *)ring_at(&r, i), i);
	assert_null(ring_at(&r, 4));
	for (uint32_t i = 0; i < 4; i++) {
		assert_true(ring_pop(&r, &out));
		assert_int_equal(out, i);
	}
	assert_true(ring_is_empty(&r));
	ring_free(&r);
}

static void
ring_wipes_what_was_taken(void **state)
{
	static const uint8_t none[16];
	uint8_t key[16], out[16];
	struct ring r;

	(void)state;
	memset(key, 0xaa, sizeof(key));
	assert_true(ring_init(&r, sizeof(key), 2));
	assert_true(ring_push(&r, key));
	assert_true(ring_pop(&r, out));
	assert_memory_equal(out, key, sizeof(key));
	assert_memory_equal(r.entries, none, sizeof(none));
	ring_free(&r);
}

static void
ring_keeps_in_place_until_done(void **state)
{
	struct ring r;
	uint32_t *entry;

	(void)state;
	assert_true(ring_init(&r, sizeof(uint32_t), 2));
	for (uint32_t i = 0; i < 2; i++) {
		entry = ring_room(&r);
		assert_non_null(entry);
		/* Not there before it is filled. */
		assert_null(ring_at(&r, i));
		*entry = i;
		ring_filled(&r);
		assert_ptr_equal(ring_at(&r, i), entry);
	}
	assert_null(ring_room(&r));
	ring_done(&r, 1);
	assert_int_equal(*(uint32_t *)ring_at(&r, 0), 1);
	assert_non_null(ring_room(&r));
	ring_free(&r);
}

static void
doorbell_rings_once_for_each_sleep(void **state)
{
	struct doorbell b = { false };

	(void)state;
	assert_false(doorbell_ring(&b));
	doorbell_lie_down(&b);
	assert_true(doorbell_ring(&b));
	assert_false(doorbell_ring(&b));
	doorbell_lie_down(&b);
	doorbell_get_up(&b);
	assert_false(doorbell_ring(&b));
}

/* Strays alone. */

struct taken {
	unsigned count;
	uint32_t first, next; /* of the numbers that they carry, in order */
	const struct stray *last;
};

static void
take(void *ctx, struct stray *stray)
{
	struct taken *t = ctx;
	uint32_t number = load_be32(stray->bytes);

	assert_int_equal(stray->length, 4 + number % 7);
	if (t->count++ == 0)
		t->first = number;
	else
		assert_int_equal(number, t->next);
	t->next = number + 1;
	t->last = stray;
}

static bool
pass_number(struct strays *s, unsigned from, unsigned to, uint32_t number)
{
	uint8_t bytes[16] = { 0 };

	store_be32(bytes, number);
	return strays_pass(s, from, to, NULL, bytes, 4 + number % 7);
}

static struct taken
taken_at(struct strays *s, unsigned thread)
{
	struct taken t = { 0 };
	bool any = strays_take(s, thread, take, &t);

	assert_int_equal(any, t.count > 0);
	return t;
}

/* Also when it is filled again while some are out. */
static void
strays_come_in_order(void **state)
{
	struct strays *s = strays_new(3);
	uint32_t passed = 0, taken = 0;

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct taken t;

		while (pass_number(s, 1, 2, passed))
			passed++;
		t = taken_at(s, 2);
		assert_int_equal(t.count, BATCH);
		assert_int_equal(t.first, taken);
		taken = t.next;
	}
	for (struct taken t; (t = taken_at(s, 2)).count > 0; taken = t.next)
		assert_int_equal(t.first, taken);
	assert_int_equal(taken, passed);
	assert_true(strays_none(s, 2));
	strays_free(s);
}

static void
strays_are_bounded_for_each_pair(void **state)
{
	struct strays *s = strays_new(3);

	(void)state;
	for (uint32_t i = 0; i < STRAYS; i++)
		assert_true(pass_number(s, 1, 2, i));
	assert_false(pass_number(s, 1, 2, STRAYS));
	assert_true(pass_number(s, 2, 1, 0));
	assert_true(pass_number(s, 0, 2, 0));
	assert_true(pass_number(s, 1, 0, 0));
	assert_false(strays_none(s, 1));
	assert_int_equal(taken_at(s, 1).count, 1);
	assert_true(strays_none(s, 1));
	assert_int_equal(taken_at(s, 0).count, 1);
	strays_free(s);
}

/* What was handed out has its place until the next call, and no longer. */
static void
strays_lie_in_place_until_the_next_call(void **state)
{
	struct strays *s = strays_new(2);
	struct taken t;

	(void)state;
	for (uint32_t i = 0; i < STRAYS; i++)
		assert_true(pass_number(s, 0, 1, i));
	t = taken_at(s, 1);
	assert_int_equal(t.count, BATCH);
	assert_false(pass_number(s, 0, 1, STRAYS));
	assert_int_equal(load_be32(t.last->bytes), BATCH - 1);
	assert_int_equal(taken_at(s, 1).count, BATCH);
	for (uint32_t i = 0; i < BATCH; i++)
		assert_true(pass_number(s, 0, 1, STRAYS + i));
	assert_false(pass_number(s, 0, 1, STRAYS + BATCH));
	strays_free(s);
}

/* One that is out is waited for no more, but the next one is seen. */
static void
strays_that_are_out_do_not_wait(void **state)
{
	struct strays *s = strays_new(2);

	(void)state;
	assert_true(strays_none(s, 1));
	assert_true(pass_number(s, 0, 1, 0));
	assert_false(strays_none(s, 1));
	assert_int_equal(taken_at(s, 1).count, 1);
	assert_true(strays_none(s, 1));
	assert_true(pass_number(s, 0, 1, 1));
	assert_false(strays_none(s, 1));
	assert_int_equal(taken_at(s, 1).first, 1);
	assert_int_equal(taken_at(s, 1).count, 0);
	strays_free(s);
}

static void
look_at_longest(void *ctx, struct stray *stray)
{
	const struct arrival *a = ctx;

	assert_false(stray->is_packet);
	assert_true(endpoint_equal(&stray->arrival.from, &a->from));
	assert_true(endpoint_equal(&stray->arrival.local, &a->local));
	assert_int_equal(stray->length, DATAGRAM_MAX);
	for (size_t i = 0; i < DATAGRAM_MAX; i++)
		assert_int_equal(stray->bytes[i], i % 251);
}

static void
strays_keep_whole_datagrams(void **state)
{
	struct arrival a = {
		.from = at("192.0.2.7:50000"),
		.local = at("10.0.0.4:52625"),
	};
	struct strays *s = strays_new(2);
	uint8_t bytes[DATAGRAM_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i % 251);
	assert_false(strays_pass(s, 0, 1, &a, bytes, DATAGRAM_MAX + 1));
	assert_true(strays_none(s, 1));
	assert_true(strays_pass(s, 0, 1, &a, bytes, DATAGRAM_MAX));
	assert_true(strays_take(s, 1, look_at_longest, &a));
	strays_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_holds_what_it_has_room_for),
		cmocka_unit_test(ring_counts_beyond_its_words),
		cmocka_unit_test(ring_wipes_what_was_taken),
		cmocka_unit_test(ring_keeps_in_place_until_done),
		cmocka_unit_test(doorbell_rings_once_for_each_sleep),
		cmocka_unit_test(strays_come_in_order),
		cmocka_unit_test(strays_are_bounded_for_each_pair),
		cmocka_unit_test(strays_lie_in_place_until_the_next_call),
		cmocka_unit_test(strays_that_are_out_do_not_wait),
		cmocka_unit_test(strays_keep_whole_datagrams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* net-worker/core/ice/transaction.c with a random source that is counted. */
#include "net-worker/core/ice/transaction.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <sodium.h>

#define DRAWN (5 * TRANSACTION_SUPPLY)

static unsigned fills; /* one thread at a time */

static const char *
source_name(void)
{
	return "numbered";
}

/* Each ID that it gives out has a number of its own. */
static void
fill_numbered(void *const to, const size_t len)
{
	static uint32_t n = 1;
	uint8_t *p = to;

	fills++;
	assert_int_equal(len % STUN_TRANSACTION_LEN, 0);
	memset(p, 0xa5, len);
	for (size_t i = 0; i < len; i += STUN_TRANSACTION_LEN, n++)
		memcpy(p + i, &n, sizeof(n));
}

static uint8_t drawn[DRAWN + 2][STUN_TRANSACTION_LEN];

static void *
draw_one(void *to)
{
	transaction_draw(to);
	return NULL;
}

static void
all_differ_and_are_whole(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 4; k < STUN_TRANSACTION_LEN; k++)
			assert_int_equal(drawn[i][k], 0xa5);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(
			    drawn[i], drawn[k], STUN_TRANSACTION_LEN);
	}
}

static void
none_is_drawn_twice(void **state)
{
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < DRAWN; i++)
		transaction_draw(drawn[i]);
	assert_int_equal(fills, DRAWN / TRANSACTION_SUPPLY);
	all_differ_and_are_whole(DRAWN);
	/* Nor by another thread while some are left here. */
	transaction_draw(drawn[DRAWN]);
	assert_int_equal(
	    pthread_create(&thread, NULL, draw_one, drawn[DRAWN + 1]), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(fills, DRAWN / TRANSACTION_SUPPLY + 2);
	all_differ_and_are_whole(DRAWN + 2);
}

int
main(void)
{
	static randombytes_implementation numbered = {
		.implementation_name = source_name,
		.buf = fill_numbered,
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_drawn_twice),
	};

	randombytes_set_implementation(&numbered);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Mending what somebody undoes again and again. */
#include "parent/quarrel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ 1 }, ms);
}

static int64_t
ms_of(struct mono t)
{
	return mono_ms_between((struct mono){ 1 }, t);
}

/* Undone a second after each mending, until it is no longer made at once. */
static int64_t
quarrel_with(struct quarrel *q, int weight)
{
	int64_t ms = 0;

	for (int i = 0; i < QUARREL_WEIGHT_MAX; i += weight, ms += 1000) {
		assert_false(quarrel_goes_on(q));
		assert_true(quarrel_undone(q, at_ms(ms)));
		quarrel_mended(q, (unsigned)weight, at_ms(ms));
	}
	assert_true(quarrel_goes_on(q));
	return ms - 1000;
}

static void
test_back_off(void **state)
{
	struct quarrel q = QUARREL_NONE;
	int64_t ms = quarrel_with(&q, QUARREL_LOST), pause = QUARREL_PAUSE_MS;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_false(quarrel_undone(&q, at_ms(ms + 1)));
		assert_false(quarrel_undone(&q, at_ms(ms + pause - 1)));
		assert_int_equal(ms_of(quarrel_deadline(&q)), ms + pause);
		assert_true(quarrel_undone(&q, at_ms(ms + pause)));
		assert_true(quarrel_goes_on(&q));
		quarrel_mended(&q, QUARREL_UNDONE, at_ms(ms += pause));
		pause = pause * 2 > QUARREL_PAUSE_MAX_MS ? QUARREL_PAUSE_MAX_MS
							 : pause * 2;
	}
}

static void
test_over(void **state)
{
	struct quarrel q = QUARREL_NONE;
	int64_t ms = quarrel_with(&q, QUARREL_UNDONE);

	(void)state;
	assert_int_equal(
	    ms_of(quarrel_deadline(&q)), ms + QUARREL_LASTING_MS);
	assert_false(quarrel_is_over(&q, at_ms(ms + QUARREL_LASTING_MS - 1)));
	assert_true(quarrel_goes_on(&q));
	assert_true(quarrel_is_over(&q, at_ms(ms + QUARREL_LASTING_MS)));
	assert_false(quarrel_goes_on(&q));
	assert_true(mono_is_never(quarrel_deadline(&q)));
	assert_true(quarrel_undone(&q, at_ms(ms + QUARREL_LASTING_MS)));
}

/* A reload now and then is no quarrel. */
static void
test_reloads(void **state)
{
	struct quarrel q = QUARREL_NONE;
	int64_t ms = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++, ms += QUARREL_LASTING_MS) {
		assert_true(quarrel_undone(&q, at_ms(ms)));
		quarrel_mended(&q, QUARREL_UNDONE, at_ms(ms));
		assert_false(quarrel_goes_on(&q));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

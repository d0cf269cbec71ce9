/*
 * Candidates held while offline: firezone-portal(7), Portal outage and Message
 * cases (9).
 */
#include "tests/lib/unit.h"

#include <stdlib.h>

#include "control-worker/portal/candidates.h"

static bool
nobody_waits(const void *ctx, const struct uuid *client)
{
	(void)ctx;
	(void)client;
	return false;
}

static const struct uuid one = { { 1 } }, two = { { 2 } };

static void
expect(struct candidates *c, const struct uuid *client, bool withdrawn,
    const char *lines)
{
	struct uuid got;
	bool got_withdrawn;
	char *text =
	    candidates_take(c, &got, &got_withdrawn, nobody_waits, NULL);

	assert_non_null(text);
	assert_true(uuid_equal(&got, client));
	assert_int_equal(got_withdrawn, withdrawn);
	assert_string_equal(text, lines);
	free(text);
}

static void
expect_nothing(struct candidates *c)
{
	struct uuid client;
	bool withdrawn;

	assert_null(
	    candidates_take(c, &client, &withdrawn, nobody_waits, NULL));
}

static void
test_told_once(void **state)
{
	struct candidates *c = candidates_new();

	(void)state;
	assert_true(candidates_hold(c, &one, false, "a\nb\n"));
	assert_true(candidates_hold(c, &one, false, "a\n"));
	assert_true(candidates_hold(c, &one, true, "z\n"));
	assert_true(candidates_hold(c, &two, true, "y"));
	assert_true(candidates_holds(c, &two));
	expect(c, &one, false, "a\nb\n");
	expect(c, &one, true, "z\n");
	expect(c, &two, true, "y\n");
	expect_nothing(c);
	candidates_free(c);
}

static void
test_opposites_cancel(void **state)
{
	struct candidates *c = candidates_new();

	(void)state;
	candidates_hold(c, &one, false, "a\nb\n");
	candidates_hold(c, &one, true, "a\n");
	expect(c, &one, false, "b\n");
	expect_nothing(c);
	candidates_hold(c, &one, true, "a\n");
	candidates_hold(c, &one, false, "a\n");
	assert_false(candidates_holds(c, &one));
	expect_nothing(c);
	candidates_free(c);
}

static void
test_closed_connections_are_forgotten(void **state)
{
	struct candidates *c = candidates_new();

	(void)state;
	candidates_hold(c, &one, false, "a\n");
	candidates_hold(c, &two, false, "b\n");
	candidates_forget(c, &one);
	candidates_forget(c, &one);
	expect(c, &two, false, "b\n");
	expect_nothing(c);
	candidates_hold(c, &one, false, "\n\n");
	expect_nothing(c);
	candidates_free(c);
}

static void
test_bounds(void **state)
{
	struct candidates *c = candidates_new();
	char line[HELD_LINE_MAX + 2];

	(void)state;
	for (int i = 0; i < HELD_LINES_MAX; i++) {
		snprintf(line, sizeof(line), "%d\n", i);
		assert_true(candidates_hold(c, &one, false, line));
	}
	assert_false(candidates_hold(c, &one, false, "more\n"));
	/* Taking one back still works. */
	assert_true(candidates_hold(c, &one, true, "5\n"));
	assert_true(candidates_hold(c, &one, false, "more\n"));
	memset(line, 'x', sizeof(line));
	line[HELD_LINE_MAX + 1] = '\0';
	assert_false(candidates_hold(c, &two, false, line));
	line[HELD_LINE_MAX] = '\0';
	assert_true(candidates_hold(c, &two, false, line));
	candidates_free(c);
	c = candidates_new();
	for (uint32_t i = 0; i < HELD_CLIENTS_MAX; i++) {
		struct uuid u = { { (uint8_t)(i >> 8), (uint8_t)i } };

		assert_true(candidates_hold(c, &u, false, "a\n"));
	}
	assert_false(
	    candidates_hold(c, &(struct uuid){ { 0xff } }, false, "a"));
	candidates_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_opposites_cancel),
		cmocka_unit_test(test_closed_connections_are_forgotten),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* A withdrawal has another priority, and no fragment. */
#define HOST  "1 1 udp 2130706175 10.0.0.4 52625 typ host"
#define RELAY "1 1 udp 37748479 192.0.2.9 50001 typ relay raddr 0.0.0.0 rport 0"
#define RELAY_AGAIN \
	"2 1 udp 50331391 192.0.2.9 50001 typ relay raddr 0.0.0.0 rport 0"

static void
test_the_last_word_counts(void **state)
{
	struct candidates *c = candidates_new();

	(void)state;
	candidates_hold(c, &one, false, HOST " ufrag u\n" RELAY " ufrag u\n");
	candidates_hold(c, &one, true, HOST "\n");
	candidates_hold(c, &one, false, HOST " ufrag u\n");
	candidates_hold(c, &one, true, RELAY_AGAIN "\n");
	expect(c, &one, false, HOST " ufrag u\n");
	expect(c, &one, true, RELAY_AGAIN "\n");
	expect_nothing(c);
	candidates_hold(c, &one, true, HOST "\n");
	candidates_hold(c, &one, false, HOST " ufrag u\n");
	expect(c, &one, false, HOST " ufrag u\n");
	expect_nothing(c);
	/* Another address is another candidate. */
	candidates_hold(c, &one, true, HOST "\n");
	candidates_hold(c, &one, false, RELAY " ufrag u\n");
	expect(c, &one, true, HOST "\n");
	expect(c, &one, false, RELAY " ufrag u\n");
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

#define WAITING 1500

/* All but the client of number 0. */
static bool
others_wait(const void *ctx, const struct uuid *client)
{
	unsigned *asked = *(unsigned *const *)ctx;

	(*asked)++;
	return client->bytes[0] != 0 || client->bytes[1] != 0;
}

static struct uuid
client_of(unsigned number)
{
	return (struct uuid){ { (uint8_t)(number >> 8), (uint8_t)number } };
}

/*
 * A message to the portal costs the same, however many have candidates that
 * wait for another one.
 */
static void
test_who_waits_is_asked_once(void **state)
{
	struct candidates *c = candidates_new();
	unsigned asked = 0, *counter = &asked;
	struct uuid client = client_of(0), got;
	bool withdrawn;

	(void)state;
	for (unsigned i = 1; i <= WAITING; i++) {
		struct uuid u = client_of(i);

		assert_true(candidates_hold(c, &u, false, "a\n"));
	}
	for (int i = 0; i < 1000; i++) {
		char *text;

		assert_true(candidates_hold(c, &client, false, "b\n"));
		text =
		    candidates_take(c, &got, &withdrawn, others_wait, &counter);
		assert_non_null(text);
		assert_string_equal(text, "b\n");
		assert_true(uuid_equal(&got, &client));
		free(text);
		assert_null(candidates_take(
		    c, &got, &withdrawn, others_wait, &counter));
	}
	print_message(
	    "asked %u times for 1000 messages, %d waiting\n", asked, WAITING);
	assert_int_equal(asked, WAITING + 1000);
	candidates_free(c);
}

static void
test_who_is_released_has_a_turn(void **state)
{
	struct candidates *c = candidates_new();
	unsigned asked = 0, *counter = &asked;
	struct uuid first = client_of(1), second = client_of(2), got;
	bool withdrawn;

	(void)state;
	candidates_hold(c, &first, false, "a\n");
	candidates_hold(c, &second, false, "b\n");
	assert_null(
	    candidates_take(c, &got, &withdrawn, others_wait, &counter));
	/* More of it waits with it. */
	candidates_hold(c, &first, true, "z\n");
	expect_nothing(c);
	candidates_release(c, &second);
	candidates_release(c, &second);
	expect(c, &second, false, "b\n");
	expect_nothing(c);
	candidates_release(c, &second);
	candidates_release(c, &first);
	/* It may have to wait again. */
	assert_null(
	    candidates_take(c, &got, &withdrawn, others_wait, &counter));
	candidates_release(c, &first);
	expect(c, &first, false, "a\n");
	expect(c, &first, true, "z\n");
	/* Forgotten while it waits. */
	candidates_hold(c, &first, false, "a\n");
	assert_null(
	    candidates_take(c, &got, &withdrawn, others_wait, &counter));
	candidates_forget(c, &first);
	candidates_release(c, &first);
	expect_nothing(c);
	candidates_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_told_once),
		cmocka_unit_test(test_opposites_cancel),
		cmocka_unit_test(test_the_last_word_counts),
		cmocka_unit_test(test_closed_connections_are_forgotten),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_who_waits_is_asked_once),
		cmocka_unit_test(test_who_is_released_has_a_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
